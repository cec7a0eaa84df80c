"""Fine-tuning and optimiser tricks through the step and the loop: what only shows when everything is put together."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.core import FrozenDict
from small import bare, recipe

from jaxtricks import data, optim, tasks, train
from jaxtricks.models import Model
from jaxtricks.train import Plan, create_state, fit, make_step, mean_of

ONE = Plan(devices=(jax.devices()[0],))


def constant(start=2.0):
    """One weight, which is the output for every image; and statistics that count the forward passes in training."""

    def init(key):
        return {"w": {"kernel": jnp.float32(start)}}, {"bn": {"mean": jnp.float32(0)}}

    def apply(params, stats, image, *, train, key=None):
        out = jnp.broadcast_to(params["w"]["kernel"], (image.shape[0], 10)) + 0 * image.mean((1, 2, 3))[:, None]
        return (out, {}), jax.tree.map(lambda s: s + 1, stats) if train else stats

    return Model(init, apply)


def plain(**changes):
    settings = {
        "model": lambda **_: constant(),
        "loss": lambda params, out, batch: out[0][:, 0],  # the gradient of the weight is 1
    }
    return bare(**(settings | changes))


def bits(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize(("sign", "reduced"), [(1, 0), (-1, 3)])
def test_plateau_watches_the_validation_loss_and_not_the_batch(sign, reduced):
    """The training loss falls all along; the validation loss with it (1), or it rises (-1)."""
    epochs, patience, source = 8, 2, data.fake(train=128, test=8, shape=(4, 4, 1)).hold_out(0.25)
    steps = 3  # of an epoch: 96 images in batches of 32

    def optimizer(schedule):
        plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=patience, accumulation_size=steps)
        return optax.chain(optax.sgd(0.1), plateau)

    metrics = {"loss": mean_of(lambda out, batch: sign * out[0][:, 0])}
    task = replace(tasks.classification(10), metrics=metrics, headline="loss")
    run = fit(plain(optimizer=optimizer, task=task, epochs=float(epochs)), source, plan=ONE)[0]
    weight, best, bad, scale, value, halved = 2.0, np.inf, 0, 1.0, np.inf, 0
    for _ in range(epochs):
        for step in range(steps):
            if step == steps - 1:  # a decision an epoch, of the loss after the epoch before; infinite in the first
                improved = value < best
                best, bad = (value, 0) if improved else (best, bad + 1)
                if bad == patience:
                    bad, scale, halved = 0, scale / 2, halved + 1
            weight -= 0.1 * scale
        value = sign * weight
    assert halved == reduced
    assert float(run.state.params["w"]["kernel"]) == pytest.approx(weight, rel=1e-5)
    assert [r["train_loss"] for r in run.history] == sorted((r["train_loss"] for r in run.history), reverse=True)
    assert float(run.state.value) == pytest.approx(value, rel=1e-5)


def dense():
    """Two layers, with batch statistics after the first."""

    def init(key):
        first, last = (
            0.2 * jax.random.normal(k, shape)
            for k, shape in zip(jax.random.split(key), ((192, 16), (16, 10)), strict=True)
        )
        params = {"stem": {"kernel": first, "bias": jnp.zeros(16)}, "head": {"kernel": last, "bias": jnp.zeros(10)}}
        return params, {"stem": {"mean": jnp.zeros(16)}}

    def apply(params, stats, image, *, train, key=None):
        hidden = image.reshape(len(image), -1) @ params["stem"]["kernel"] + params["stem"]["bias"][None]
        mean = 0.9 * stats["stem"]["mean"] + 0.1 * hidden.mean(0)
        hidden = jax.nn.relu(hidden - (hidden.mean(0) if train else stats["stem"]["mean"])[None])
        logits = hidden @ params["head"]["kernel"] + params["head"]["bias"][None]
        return (logits, {}), {"stem": {"mean": mean}} if train else stats

    return Model(init, apply)


@pytest.mark.parametrize("kind", ["coupled", "decoupled"])
def test_frozen_leaves_keep_their_bits_through_the_loop(kind):
    decaying = {
        "coupled": partial(optim.coupled_sgd, weight_decay=0.1),
        "decoupled": partial(optax.adamw, weight_decay=0.1),
    }
    settings = recipe(
        model=lambda **_: dense(),
        optimizer=lambda schedule: optim.freeze(decaying[kind](schedule), "^stem"),
        augment=None,
        mix=None,
        ema=0.9,
        epochs=1.0,
    )
    initial = dense().init(jax.random.key(5))
    source = data.fake(train=3328, test=8, shape=(8, 8, 3))
    run = fit(settings, source, initial=initial, plan=ONE, test=False)[0]
    assert int(run.state.step) == 104
    for after in (run.state.params, run.state.ema[0]):
        frozen = {name: bits(after[name]) == bits(initial[0][name]) for name in after}
        assert frozen == {"stem": True, "head": False}
    assert bits(run.state.stats["stem"]) != bits(initial[1]["stem"])  # statistics are no parameters


def step_of(recipe, model, batch):
    tx = optax.with_extra_args_support(recipe.optimizer(None))
    state = create_state(recipe, model, tx, jax.random.key(0))
    prepare, update = make_step(recipe, model, tx)
    constants = {"preprocess": recipe.preprocess[0](np.asarray(batch["image"]))}
    return jax.jit(lambda state: update(state, prepare(state.key, state.step, batch, constants), constants))(state)


def test_accumulation_in_the_step_is_the_large_batch():
    def tanh(params, stats, image, *, train, key=None):
        return (jnp.tanh(image.reshape(len(image), -1) @ params["head"]["kernel"]), {}), stats

    draws = np.random.default_rng(0)
    model = Model(lambda key: ({"head": {"kernel": jnp.asarray(draws.normal(size=(16, 10)), jnp.float32)}}, {}), tanh)
    batch = {
        "image": jnp.asarray(draws.uniform(size=(24, 4, 4, 1)), jnp.float32),
        "label": jnp.asarray(draws.integers(0, 10, 24)),
    }
    settings = plain(
        loss=lambda params, out, batch: optax.softmax_cross_entropy(out[0], batch["target"]),
        optimizer=lambda schedule: optax.sgd(1.0),
    )
    start = model.init(None)
    model = model._replace(init=lambda key: start)
    whole, record = step_of(settings, model, batch)
    in_parts = replace(settings, gradient=(partial(optim.accumulate, n=6),))
    parts, accumulated = step_of(in_parts, model, batch)
    assert np.abs(np.asarray(whole.params["head"]["kernel"] - start[0]["head"]["kernel"])).max() > 1e-3
    np.testing.assert_allclose(parts.params["head"]["kernel"], whole.params["head"]["kernel"], atol=1e-6)
    np.testing.assert_allclose(accumulated["loss"], record["loss"], rtol=1e-6)
    assert {k: int(v) for k, v in parts.sums.items() if k != "loss"} == {"count": 24, "skipped": 0}


def test_statistics_are_averaged_with_the_weights_and_sam_counts_one_pass():
    settings = plain(
        optimizer=lambda schedule: optax.sgd(0.1),
        gradient=(partial(optim.sam, rho=0.05),),
        ema=0.5,
        batch=32,
        epochs=1.0,
    )
    run = fit(settings, data.fake(train=128, test=8, shape=(4, 4, 1)), plan=ONE, test=False)[0]
    average, mean = np.array([2.0, 0.0]), np.array([2.0, 0.0])  # weight, statistics
    for step in range(4):
        mean = mean + np.array([-0.1, 1.0])
        decay = min(0.5, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * mean
    found = [float(tree) for tree in jax.tree.leaves(run.state.ema)]
    np.testing.assert_allclose(found, average, rtol=1e-6)
    assert float(run.state.stats["bn"]["mean"]) == 4


@pytest.mark.parametrize(
    "precision", [train.FLOAT32, train.BFLOAT16, train.FLOAT16, train.Precision(output="bfloat16")]
)
def test_the_policy_sets_parameters_computation_and_output(precision):
    """Half precision is what convolutions compute in; parameters, statistics, the loss and its gradient are not."""
    seen = {}

    def loss(params, out, batch):
        seen["logits"], seen["stage"] = out[0].dtype, out[1]["stage1"].dtype
        return optax.softmax_cross_entropy(out[0].astype(jnp.float32), batch["target"])

    def optimizer(schedule):
        def look(updates, params):
            seen["gradient"] = {x.dtype for x in jax.tree.leaves(updates)}
            return updates

        return optax.chain(optax.stateless(look), optax.sgd(0.1))

    settings = recipe(loss=loss, optimizer=optimizer, precision=precision)
    source = data.fake(train=32, test=8, shape=(8, 8, 3))
    model = train.build_model(settings, source)
    batch = {"image": jnp.asarray(source.train["image"]), "label": jnp.asarray(source.train["label"])}
    prepare, update = make_step(settings, model, optimizer(None))
    constants = {"preprocess": settings.preprocess[0](source.train["image"])}

    def step(key):
        state = create_state(settings, model, optimizer(None), key)
        return update(state, prepare(key, state.step, batch, constants), constants)

    state, record = jax.eval_shape(step, jax.random.key(0))
    assert seen == {
        "logits": jnp.dtype(precision.output),
        "stage": jnp.dtype(precision.compute),
        "gradient": {jnp.dtype("float32")},
    }
    kept = (state.params, state.stats, state.opt, state.ema, record["loss"])
    assert {x.dtype for x in jax.tree.leaves(kept)} == {jnp.dtype("float32")}


def test_a_frozen_dict_is_a_start_and_multi_steps_an_optimiser():
    """The gradient of the weight is 1: every second step moves it by the rate, 0.1."""
    source = data.fake(train=128, test=8, shape=(4, 4, 1))
    settings = plain(
        optimizer=lambda schedule: optax.MultiSteps(optax.sgd(0.1), every_k_schedule=2), batch=32, epochs=1.0
    )
    initial = tuple(FrozenDict(tree) for tree in constant(5.0).init(None))
    run = fit(settings, source, initial=initial, plan=ONE, test=False)[0]
    np.testing.assert_allclose(run.state.params["w"]["kernel"], 5.0 - 2 * 0.1, rtol=1e-6)
    assert type(run.state.params) is dict
