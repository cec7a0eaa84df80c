"""The step against hand-computed numbers: the update, the average, the guard, the loss scale, the exact evaluation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import bare, dataset, recipe

from jaxtricks import data, models, optim
from jaxtricks.models import Model
from jaxtricks.train import FLOAT16, EarlyStopping, NonFiniteError, Plan, Precision, State, create_state, fit, make_step
from jaxtricks.train.precision import LossScale, next_scale

ONE = Plan(devices=(jax.devices()[0],))


def line(weight=2.0):
    """One weight: the output is weight * mean(image) for class 0, and 0 for the other nine."""

    def init(key):
        return {"w": {"kernel": jnp.float32(weight)}}, {}

    def apply(params, stats, image, *, train, key=None):
        out = params["w"]["kernel"] * image.mean((1, 2, 3))
        return (jnp.pad(out[:, None], ((0, 0), (0, 9))), {}), stats

    return Model(init, apply)


def squared(params, out, batch):
    return (out[0][:, 0] - batch["label"]) ** 2


def plain(**changes):
    settings = {
        "model": lambda **_: line(),
        "loss": squared,
        "optimizer": lambda schedule: optax.sgd(0.1),
        "batch": 2,
    }
    return bare(**(settings | changes))


def step_of(recipe, model=None):
    model = line() if model is None else model
    tx = optax.with_extra_args_support(recipe.optimizer(None))
    state = create_state(recipe, model, tx, jax.random.key(0))
    prepare, update = make_step(recipe, model, tx)

    def step(state: State, image, label):
        constants = {"preprocess": np.float32(0)}
        batch = {"image": jnp.asarray(image, jnp.float32).reshape(2, 1, 1, 1), "label": jnp.asarray(label)}
        return update(state, prepare(state.key, state.step, batch, constants), constants)

    return state, jax.jit(step)


def test_one_update_by_hand():
    # outputs 2 * (1, 3) = (2, 6), labels (1, 0): losses 1 and 36; d/dw mean = (2*1*1 + 2*6*3) / 2 = 19
    state, step = step_of(plain())
    state, record = step(state, [1.0, 3.0], [1, 0])
    assert float(record["loss"]) == 18.5
    assert float(state.params["w"]["kernel"]) == pytest.approx(2 - 0.1 * 19)
    assert {k: float(v) for k, v in state.sums.items()} == {"loss": 37.0, "count": 2, "skipped": 0}


def test_a_step_that_the_optimiser_holds_back_leaves_the_statistics():
    def apply(params, stats, image, *, train, key=None):
        out, _ = line().apply(params, {}, image, train=train)
        return out, {"seen": image.mean()}

    model = Model(lambda key: (line().init(key)[0], {"seen": jnp.float32(0)}), apply)
    holds = plain(optimizer=lambda schedule: optim.skip_spikes(optax.sgd(0.0), window=2, deviations=1.0))
    state, step = step_of(holds, model)
    for _ in range(2):
        state, record = step(state, [1.0, 3.0], [1, 0])  # the loss is 18.5 both times
        assert (int(record["rejected"]), float(state.stats["seen"])) == (0, 2.0)
    state, record = step(state, [100.0, 300.0], [1, 0])
    assert (int(record["rejected"]), float(state.stats["seen"])) == (1, 2.0)


def test_average_by_hand():
    state, step = step_of(plain(ema=0.5))
    weights = [2.0]
    average = 2.0
    for i in range(3):
        state, _ = step(state, [0.1, 0.3], [1, 0])
        weights.append(float(state.params["w"]["kernel"]))
        decay = min(0.5, (1 + i) / (10 + i))
        average = decay * average + (1 - decay) * weights[-1]
        assert float(state.ema[0]["w"]["kernel"]) == pytest.approx(average, rel=1e-6)
    assert len(set(weights)) == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_step_that_is_not_finite_changes_nothing_but_the_count(bad):
    adam = plain(optimizer=lambda schedule: optax.adam(0.1), ema=0.9)
    state, step = step_of(adam)
    state, _ = step(state, [1.0, 3.0], [1, 0])
    after, record = step(state, [1.0, bad], [1, 0])
    for name in ("params", "opt", "ema"):
        for a, b in zip(jax.tree.leaves(getattr(state, name)), jax.tree.leaves(getattr(after, name)), strict=True):
            np.testing.assert_array_equal(a, b)
    assert int(after.sums["skipped"]) == 1
    assert int(after.sums["count"]) == 2
    assert int(after.step) == 2
    assert int(record["bad"]) == 1
    after, record = step(after, [1.0, bad], [1, 0])
    assert int(record["bad"]) == 2
    after, record = step(after, [1.0, 3.0], [1, 0])
    assert int(record["bad"]) == 0
    assert float(after.params["w"]["kernel"]) != float(state.params["w"]["kernel"])


def test_too_many_bad_steps_in_a_row_raise():
    poisoned = plain(loss=lambda params, out, batch: out[0][:, 0] * jnp.nan, batch=32)
    with pytest.raises(NonFiniteError, match="in a row"):
        fit(poisoned, dataset(), plan=ONE, max_nonfinite_steps=3)


def test_loss_scale_by_hand():
    scale = LossScale(jnp.float32(8), jnp.int32(0))
    trace = []
    for finite in (True, True, True, False, False, True, True, True, True):
        scale = next_scale(scale, jnp.bool_(finite), growth=3)
        trace.append((float(scale.value), int(scale.good)))
    assert trace == [(8, 1), (8, 2), (16, 0), (8, 0), (4, 0), (4, 1), (4, 2), (8, 0), (8, 1)]
    assert float(next_scale(LossScale(jnp.float32(1), jnp.int32(0)), jnp.bool_(False), growth=3).value) == 1


def test_loss_scale_does_not_change_a_finite_update():
    state, step = step_of(plain(precision=Precision(scale=1024.0)))
    state, record = step(state, [1.0, 3.0], [1, 0])
    assert float(record["loss"]) == 18.5
    assert float(state.params["w"]["kernel"]) == pytest.approx(2 - 0.1 * 19)


@pytest.mark.parametrize(("start", "finite", "after"), [(1.0, False, 1), (2.0**24, True, 2.0**24), (1.0, True, 2)])
def test_the_scale_stays_where_it_may_begin(start, finite, after):
    assert float(next_scale(LossScale(jnp.float32(start), jnp.int32(0)), jnp.bool_(finite), growth=1).value) == after
    plain(precision=Precision(scale=start))
    for wrong in (start / 2**25, start * 2**25):
        with pytest.raises(ValueError, match=r"scale is .*; allowed: 1 to 16777216, or None"):
            plain(precision=Precision(scale=wrong))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_parameters_keep_their_dtype_in_the_optimiser(dtype):
    made = plain(precision=Precision(dtype, dtype, scale=1024.0), optimizer=lambda _: optax.sgd(0.1, momentum=0.5))
    state, step = step_of(made)
    for _ in range(2):
        state, record = step(state, [1.0, 3.0], [1, 0])
    assert {leaf.dtype.name for leaf in jax.tree.leaves((state.params, state.opt))} == {dtype}
    # the first step by hand, as above: 2 - 0.1 * 19 = 0.1; then outputs (0.1, 0.3) and the gradient
    # (2 * (0.1 - 1) * 1 + 2 * 0.3 * 3) / 2 = 0, so that momentum moves the weight by half the step before
    assert float(record["loss"]) == pytest.approx((0.9**2 + 0.3**2) / 2, rel=0.03)
    assert float(state.params["w"]["kernel"]) == pytest.approx(0.1 - 0.1 * 19 / 2, rel=0.03)


def test_float16_overflow_halves_the_scale_and_skips():
    run = fit(recipe(precision=FLOAT16._replace(scale=2.0**24), epochs=1.0), dataset(), plan=ONE)[0]
    assert run.skipped > 0
    assert float(run.state.scale.value) < 2.0**24
    assert np.isfinite(run.test["loss"])


def test_loss_must_be_one_value_an_example():
    with pytest.raises(ValueError, match=r"recipe.loss is float32\[\]; allowed: floating point \[32\]"):
        fit(plain(loss=lambda params, out, batch: out[0].mean(), batch=32), dataset(), plan=ONE)


@pytest.mark.parametrize("size", [1, 7, 50, 64, 513])
def test_evaluation_is_exact_whatever_the_padding(size):
    source = data.fake(train=64, test=size, shape=(4, 4, 1))
    run = fit(plain(batch=32, epochs=0.5), source, plan=ONE)[0]
    weight = float(run.variables[0]["w"]["kernel"])
    out = weight * (source.test["image"].astype(np.float32) / 255).mean((1, 2, 3))
    logits = np.stack([out, 0 * out], 1)
    inside = source.test["label"] < 2
    right = int((np.argmax(logits, 1) == source.test["label"])[inside].sum())
    assert run.test["accuracy"] == right / size
    np.testing.assert_array_equal(run.decided, np.argmax(logits, 1))
    assert set(run.test) == {"loss", "accuracy"}


def test_early_stopping_restores_the_best():
    seen = []
    source = dataset().hold_out(0.25)
    run = fit(
        recipe(lr=0.3, epochs=12.0, ema=None),
        source,
        plan=ONE,
        stop=EarlyStopping("accuracy", mode="max", patience=2),
        log=[lambda r: seen.append(r["validation_accuracy"]) if r["kind"] == "epoch" else None],
    )[0]
    assert len(seen) < 12
    assert seen.index(max(seen)) == len(seen) - 3  # two epochs without a better one
    model = recipe().model(classes=10, channels=3, dtype=jnp.float32, axis_name=None)
    stats = recipe().preprocess[0](source.train["image"])
    image = jax.vmap(recipe().preprocess[1], (None, 0))(stats, source.validation["image"] / np.float32(255))
    (logits, _), _ = model.apply(*run.variables, image, train=False)
    assert float((logits.argmax(1) == source.validation["label"]).mean()) == pytest.approx(max(seen), abs=1e-6)


def test_stop_fold_by_hand():
    stop = EarlyStopping("loss", patience=2, min_delta=0.1)
    watch, out = stop.init(), []
    for value in (1.0, 0.95, 0.8, float("nan"), 0.75):
        watch, improved, ended = stop.update(watch, value)
        out.append((improved, ended))
    assert out == [(True, False), (False, False), (True, False), (False, False), (False, True)]
    for bad in ({"mode": "least"}, {"patience": 0}, {"min_delta": -1.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            EarlyStopping(**bad)


def test_teacher_reaches_the_loss():
    def imitate(params, out, batch):
        return ((out[0] - batch["teacher"]) ** 2).mean(1)

    teacher = recipe(model=partial(models.resnet, models.LAYOUTS["resnet_digits"]), mix=None)
    taught = fit(teacher, dataset(), plan=ONE)[0]
    student = recipe(loss=imitate, teacher=teacher, mix=None, epochs=4.0, lr=0.1)
    first, last = (lambda h: (h[0]["train_loss"], h[-1]["train_loss"]))(
        fit(student, dataset(), plan=ONE, teacher=taught.variables)[0].history
    )
    assert last < first / 2
