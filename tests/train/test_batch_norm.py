"""Over which examples the statistics of a training step go: one device, four, each by itself, none, or all again."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from small import cross_entropy

from jaxtricks import data, layers, tasks, train
from jaxtricks.models import functional

CLASSES, WIDTH, DEVICES, MOMENTUM, EPSILON = 3, 4, 4, 0.9, 1e-5
RNG = np.random.default_rng(0)
SIZE = 16
# images of very different brightness, so that the variance within a device's part is not that of the whole batch
BRIGHT = RNG.uniform(30, 220, (SIZE, 1, 1, 1)) + RNG.normal(0, 10, (SIZE, 2, 2, 3))
IMAGES = np.clip(BRIGHT, 0, 255).astype(np.uint8)
LABELS = np.arange(SIZE) % CLASSES
DATASET = data.from_arrays("bright", IMAGES, LABELS, IMAGES[:CLASSES], LABELS[:CLASSES], classes=CLASSES)
KERNELS = RNG.normal(size=(2, 3, WIDTH)).astype(np.float32)
START = {"mean": np.full(WIDTH, 0.3, np.float32), "var": np.full(WIDTH, 2.0, np.float32)}


class Network(nnx.Module):
    """A dense layer and batch normalisation, once or twice, for every pixel."""

    def __init__(self, classes, axis_name, groups, frozen, twice, rngs):
        norm = partial(layers.BatchNorm, WIDTH, groups=groups, frozen=frozen, axis_name=axis_name, rngs=rngs)
        self.dense1 = nnx.Linear(3, WIDTH, use_bias=False, rngs=rngs)
        self.bn1 = norm()
        if twice:
            self.dense2 = nnx.Linear(WIDTH, WIDTH, use_bias=False, rngs=rngs)
            self.bn2 = norm()
        self.twice = twice
        self.head = nnx.Linear(WIDTH, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = jax.nn.relu(self.bn1(self.dense1(image), train=train))
        if self.twice:
            x = jax.nn.relu(self.bn2(self.dense2(x), train=train))
        return self.head(x.mean((1, 2))), {}


def network(groups=None, frozen=False, twice=False):
    def build(*, classes, channels, dtype, axis_name):
        return functional(lambda rngs: Network(classes, axis_name, groups, frozen, twice, rngs))

    return build


def fitted(model, *, kind="jit", bn="all", steps=1, devices=None, **changes):
    base = {
        "model": model,
        "loss": cross_entropy,
        "task": tasks.classification(CLASSES),
        "optimizer": optax.sgd,
        "schedule": lambda peak, *, steps, steps_per_epoch: optax.constant_schedule(peak),
        "lr": 0.5,
        "batch": SIZE,
        "epochs": float(steps),
        "preprocess": (lambda images: {}, lambda stats, image: image),
    }
    plan = train.Plan(kind=kind, devices=devices)
    plain = model(classes=CLASSES, channels=3, dtype=jnp.float32, axis_name=None)
    params, stats = jax.tree.map(np.asarray, jax.jit(plain.init)(jax.random.key(0)))
    params["dense1"]["kernel"] = KERNELS[0]
    stats = dict.fromkeys(stats, START)
    recipe = train.Recipe(**(base | {"bn": bn} | changes))
    return train.fit(recipe, DATASET, plan=plan, initial=(params, stats), test=False)[0].state


def reference(parts):
    """NumPy: the running statistics after a step that normalises each part by itself."""
    seen = [part.astype(np.float64) / 255 @ KERNELS[0] for part in parts]
    means = [x.mean((0, 1, 2)) for x in seen]
    variances = [((x - mean) ** 2).mean((0, 1, 2)) for x, mean in zip(seen, means, strict=True)]
    of = {"mean": np.mean(means, axis=0), "var": np.mean(variances, axis=0)}
    return {name: MOMENTUM * START[name] + (1 - MOMENTUM) * of[name] for name in of}


ROWS = IMAGES[data.epoch_permutation(0, 0, SIZE)]
WAYS = {
    "one device": (1, {"devices": (jax.devices()[0],)}),
    "all, jit": (1, {}),
    "all, shard_map": (1, {"kind": "shard_map"}),
    "all, pmap": (1, {"kind": "pmap"}),
    "replica, shard_map": (DEVICES, {"kind": "shard_map", "bn": "replica"}),
    "replica, pmap": (DEVICES, {"kind": "pmap", "bn": "replica"}),
    "as many groups as devices": (DEVICES, {"model": network(groups=DEVICES)}),
}


@cache
def of_way(name):
    return fitted(**{"model": network(), **WAYS[name][1]})


@pytest.mark.parametrize("name", WAYS)
def test_statistics_after_a_step_are_numpys(name):
    found, expected = of_way(name).stats["bn1"], reference(np.split(ROWS, WAYS[name][0]))
    for each in expected:
        np.testing.assert_allclose(found[each], expected[each], rtol=1e-5)
    other = reference(np.split(ROWS, 5 - WAYS[name][0]))
    assert np.abs(other["var"] / expected["var"] - 1).max() > 1e-3  # so the two cannot be taken for each other


@pytest.mark.parametrize("parts", [1, DEVICES])
def test_the_step_is_the_same_in_every_way_with_the_same_statistics(parts):
    flat = {name: np.concatenate([np.ravel(p) for p in jax.tree.leaves(of_way(name).params)]) for name in WAYS}
    alike, others = ([n for n in WAYS if (WAYS[n][0] == parts) is yes] for yes in (True, False))
    for name in alike[1:]:
        np.testing.assert_allclose(flat[name], flat[alike[0]], rtol=1e-4, atol=1e-6)
    assert np.abs(flat[others[0]] - flat[alike[0]]).max() > 1e-3


def test_frozen_statistics_are_used_in_training_and_kept_bit_for_bit():
    model = network(frozen=True)
    state = fitted(model, steps=3, ema=0.9)
    for stats in (state.stats, state.ema[1]):
        for name in START:
            np.testing.assert_array_equal(stats["bn1"][name], START[name])
    assert np.abs(state.params["dense1"]["kernel"] - KERNELS[0]).max() > 1e-3
    plain = model(classes=CLASSES, channels=3, dtype=jnp.float32, axis_name=None)
    (logits, _), _ = plain.apply(state.params, state.stats, IMAGES / np.float32(255), train=True)
    params = jax.tree.map(lambda p: np.asarray(p, np.float64), state.params)
    x = (IMAGES / 255 @ params["dense1"]["kernel"] - START["mean"]) / np.sqrt(START["var"] + EPSILON)
    x = np.maximum(params["bn1"]["scale"] * x + params["bn1"]["bias"], 0).mean((1, 2))
    np.testing.assert_allclose(logits, x @ params["head"]["kernel"] + params["head"]["bias"], rtol=1e-4, atol=1e-5)


def test_recalibrated_statistics_are_those_of_the_averaged_weights_over_all_batches():
    model = network(twice=True)
    state = fitted(model, steps=6, ema=0.9)
    averaged, stats = state.ema
    plain = model(classes=CLASSES, channels=3, dtype=jnp.float32, axis_name=None)
    update = jax.jit(lambda stats, image: plain.apply(averaged, stats, image, train=True)[1])
    batches = np.split(IMAGES / np.float32(255), 4)
    found = layers.recalibrate(update, stats, batches)

    params = jax.tree.map(lambda p: np.asarray(p, np.float64), averaged)
    seen = {"bn1": [], "bn2": []}
    for x in batches:
        for layer in ("1", "2"):
            x = x @ params[f"dense{layer}"]["kernel"]
            seen[f"bn{layer}"].append(x)
            x = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + EPSILON)
            x = np.maximum(params[f"bn{layer}"]["scale"] * x + params[f"bn{layer}"]["bias"], 0)
    for layer, parts in seen.items():
        whole = np.concatenate(parts)
        np.testing.assert_allclose(found[layer]["mean"], whole.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[layer]["var"], whole.var((0, 1, 2)), rtol=1e-4)
        assert np.abs(found[layer]["var"] - stats[layer]["var"]).min() > 1e-2  # what the average itself had kept
