"""What learns beside the weights (slopes, powers, statistics, centres) lives in the one state, and survives a stop."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from small import Stopped, dataset, recipe, same, stop_at

from jaxtricks import layers, losses, optim, train
from jaxtricks.models import functional

CLASSES, WIDTH, RATE = 10, 6, 0.4
ONE = train.Plan(devices=(jax.devices()[0],))
STARTS = {
    "params": {"prelu/slope": 0.25, "swish/beta": 1, "gem/p": 3, "ghost/scale": 1, "ghost/bias": 0, "centers": 0},
    "stats": {"ghost/mean": 0, "ghost/var": 1},
}


class Network(nnx.Module):
    """Ghost batch normalisation, PReLU, learned Swish, GeM."""

    def __init__(self, classes, channels, rngs):
        self.first = nnx.Linear(channels, WIDTH, rngs=rngs)
        self.ghost = layers.BatchNorm(WIDTH, groups=2, rngs=rngs)
        self.prelu = layers.PReLU(features=WIDTH)
        self.second = nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.swish = layers.Swish(features=WIDTH)
        self.gem = layers.GeM(features=WIDTH)
        self.head = nnx.Linear(WIDTH, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = self.prelu(self.ghost(self.first(image), train=train))
        features = self.gem(self.swish(self.second(x)))
        return self.head(features), {"features": features}


def build(*, classes, channels, dtype, axis_name):
    plain = functional(lambda rngs: Network(classes, channels, rngs))

    def init(key):
        params, stats = plain.init(key)
        return {**params, "centers": jnp.zeros((classes, WIDTH))}, stats

    return plain._replace(init=init)


def loss(params, out, batch, *, watch=None):
    logits, taps = out
    features, labels, centers = taps["features"], batch["label"], params["centers"]
    if watch is not None:
        jax.debug.callback(watch, features, labels, centers, ordered=True)
    each = optax.softmax_cross_entropy(logits, batch["target"])
    return each + 0.01 * losses.center(features, labels, centers) + losses.center_pull(features, labels, centers)


def optimizer(schedule):
    return optim.by_path({"^centers$": optax.sgd(RATE), "": optax.sgd(schedule, momentum=0.9)})


def stateful(**changes):
    base = {"model": build, "loss": loss, "optimizer": optimizer, "epochs": 2.0, "lr": 0.1}
    return recipe(**(base | {"mix": None, "augment": None} | changes))


def fit(changed=None, plan=ONE, **options):
    return train.fit(changed or stateful(), dataset(), plan=plan, **options)[0]


def leaf(state, part, path):
    tree = getattr(state, part)
    for name in path.split("/"):
        tree = tree[name]
    return np.asarray(tree)


@pytest.fixture(scope="module")
def unbroken():
    return fit()


@pytest.mark.parametrize("part", STARTS)
def test_every_learned_leaf_moves(unbroken, part):
    for path, start in STARTS[part].items():
        found = leaf(unbroken.state, part, path)
        assert np.isfinite(found).all(), path
        assert (np.abs(found - start) > 1e-4).all(), path


def test_a_stopped_run_is_restored_and_ends_bit_for_bit_the_same(unbroken, tmp_path):
    with pytest.raises(Stopped):
        fit(folder=tmp_path, log=[stop_at(16, kind="epoch")])
    starts = []
    run = fit(folder=tmp_path, log=[lambda r: starts.append(r["step"]) if r["kind"] == "start" else None])
    assert starts == [8]  # the second of two epochs of 8 steps is what was lost
    same(run.state, unbroken.state)


def test_the_centres_follow_update_centers_step_by_step():
    seen = []
    watched = partial(loss, watch=lambda *arrays: seen.append([np.asarray(a) for a in arrays]))
    run = fit(stateful(loss=watched, epochs=1.0))
    assert len(seen) == 8
    after = [centers for _, _, centers in seen[1:]] + [leaf(run.state, "params", "centers")]
    np.testing.assert_array_equal(seen[0][2], 0.0)
    for (features, labels, centers), moved in zip(seen, after, strict=True):
        expected = losses.update_centers(centers, features, labels, rate=RATE)
        np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(after[-1]).min() > 1e-3


def test_devices_under_jit_share_the_centres_of_the_whole_batch(unbroken):
    spread = fit(plan=train.Plan())
    for path in STARTS["params"]:
        found, expected = (leaf(run.state, "params", path) for run in (spread, unbroken))
        np.testing.assert_allclose(found, expected, atol=1e-4)
