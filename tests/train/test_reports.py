"""What a run says of its steps, full batches with a line search, and averages with statistics of their own."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from sklearn.linear_model import LogisticRegression
from small import bare
from test_averaged import ONE, made

from jaxtricks import analysis, data, layers, models, optim, tasks
from jaxtricks.opt_states import Measures, Scales, reports, waits
from jaxtricks.train import Plan, RecipeError, fit

SOURCE = data.fake(train=128, test=8, shape=(4, 4, 1))
SOURCE = replace(SOURCE, validation=SOURCE.test)
EPOCHS = 6


@pytest.fixture(scope="module")
def reported():
    """Five epochs of four steps: the loss of the second epoch is not finite, the validation never improves."""

    def loss(params, out, batch):
        return 0.5 * (out[0][:, 0] - 1) ** 2 + jnp.where((batch["epoch"] == 1) & (batch["index"] < 40), jnp.nan, 0)

    def optimizer(schedule):
        sgd = optax.inject_hyperparams(optax.sgd)(schedule, momentum=optax.linear_schedule(0.0, 0.8, 8))
        norms = optim.measure(lambda updates: {"gradient_norm": optax.tree.norm(updates)})
        return optax.chain(norms, sgd, optim.plateau(every=4, factor=0.1, patience=2))

    worse = {"metrics": {"loss": tasks.mean_of(lambda out, batch: 5.0 - out[0][:, 0])}, "headline": "loss"}
    changes = {"loss": loss, "optimizer": optimizer, "task": replace(tasks.classification(10), **worse)}
    return fit(made(lr=0.01, epochs=float(EPOCHS), schedule=optim.constant, **changes), SOURCE, plan=ONE)[0].history


def test_the_rate_that_is_logged_is_the_one_that_acts(reported):
    """The first validation sets the best value; two that are no better cut the rate, at the next step."""
    skipped = [record["skipped"] for record in reported]
    assert 0 < skipped[1] <= 4
    assert skipped[:1] + skipped[2:] == [0] * 5
    rates = [record["lr"] for record in reported]
    np.testing.assert_allclose(rates, sorted(rates, reverse=True))
    np.testing.assert_allclose(rates[:3], 0.01, rtol=1e-6)
    np.testing.assert_allclose(min(rates), 0.001, rtol=1e-5)


def test_momentum_gradient_norm_and_share_of_skipped_steps_are_reported(reported):
    assert [record["skipped_percent"] for record in reported] == [25 * record["skipped"] for record in reported]
    assert reported[0]["momentum"] == pytest.approx(0.3, rel=1e-5)  # of the fourth step
    assert reported[-1]["momentum"] == pytest.approx(0.8, rel=1e-5)
    assert all(0 < record["gradient_norm"] < 2.001 for record in reported)
    assert all(0 <= record["wait_percent"] <= 100 for record in reported)


def test_nothing_is_reported_that_was_not_asked_for():
    state = optax.adam(0.1).init({"w": jnp.ones(2)})
    assert reports(state) == {}
    assert not waits(state)
    assert waits((state, Scales(jnp.float32(1), ())))
    both = (Scales(jnp.float32(0.5), ()), optax.contrib.reduce_on_plateau().init({}), Measures({"a": jnp.float32(3)}))
    assert {name: float(value) for name, value in reports(both).items()} == {"rate_scale": 0.5, "a": 3.0}


def test_a_plateau_needs_a_validation():
    recipe = made(optimizer=lambda schedule: optax.chain(optax.sgd(0.1), optim.plateau(every=4)))
    with pytest.raises(RecipeError, match="waits for a plateau"):
        fit(recipe, data.fake(train=128, test=8, shape=(4, 4, 1)), plan=ONE)


def test_the_norms_of_layers_come_from_analysis():
    tx = optim.measure(analysis.gradient_norms)
    gradients = {"first": {"kernel": jnp.full((2, 2), 2.0)}, "last": {"kernel": jnp.zeros(3)}}
    _, state = tx.update(gradients, tx.init(gradients))
    assert {name: float(value) for name, value in state.values.items()} == {"first": 2.0, "last": 0.0}


def full_batch(source, **changes):
    """Logistic regression by L-BFGS; the penalty is that of scikit-learn at C = 1."""

    def loss(params, out, batch):
        penalty = 0.5 * jnp.sum(params["head"]["kernel"] ** 2) / len(source.train)
        return optax.softmax_cross_entropy(out[0], batch["target"]) + penalty

    given = {
        "model": partial(models.NETWORKS["logistic"], size=64),
        "task": tasks.classification(10),
        "loss": loss,
        "optimizer": lambda schedule: optim.line_search(optax.lbfgs()),
        "batch": len(source.train),
        "epochs": 60.0,
    }
    return bare(**(given | changes))


def test_l_bfgs_finds_what_scikit_learn_finds_on_digits():
    source = data.load("digits").subset(200)
    run = fit(full_batch(source), source, plan=ONE, test=False)[0]
    image, label = (np.asarray(source.train[name]) for name in ("image", "label"))
    pixels = image.reshape(200, -1) / 255
    other = LogisticRegression(C=1.0, max_iter=2000, tol=1e-8).fit(pixels, label)
    chances = other.predict_proba(pixels)[np.arange(200), label]
    best = -np.log(chances).mean() + 0.5 * (other.coef_**2).sum() / 200
    assert run.history[-1]["train_loss"] == pytest.approx(best, rel=2e-3)
    assert run.history[10]["train_loss"] < 0.5 * run.history[0]["train_loss"]
    assert run.skipped == 0


def test_a_step_of_a_search_that_is_not_finite_changes_nothing():
    def loss(params, out, batch):
        return 0.5 * (out[0][:, 0] - 1) ** 2 + jnp.where(batch["epoch"] == 1, jnp.nan, 0)

    source = data.fake(train=128, test=8, shape=(4, 4, 1))
    searched = made(loss=loss, optimizer=lambda schedule: optim.line_search(optax.lbfgs()), batch=128, epochs=5.0)
    run = fit(searched, source, plan=ONE)[0]
    assert [record["skipped"] for record in run.history] == [0, 1, 0, 0, 0]
    assert float(run.state.params["w"]) == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(RecipeError, match=r"^recipe.gradient is set"):
        fit(replace(searched, gradient=(partial(optim.sam, rho=0.1),)), source, plan=ONE)


class Normalised(nnx.Module):
    """One batch normalisation of the image's mean, and a shift before it, which training moves."""

    def __init__(self, rngs):
        self.shift = nnx.Param(jnp.zeros(1))
        self.bn = layers.BatchNorm(1, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = image.mean((1, 2)) + self.shift[...][None]
        return jnp.broadcast_to(self.bn(x, train=train) + x, (image.shape[0], 10)), {}


def test_statistics_that_are_not_there_cannot_be_recalibrated():
    recipe = made(recalibrate=layers.recalibrate)
    assert not jax.tree.leaves(
        recipe.model(classes=10, channels=1, dtype=jnp.float32, axis_name=None).init(jax.random.key(0))[1]
    )
    with pytest.raises(RecipeError, match=r"recipe\.recalibrate is given, and recipe\.model has no statistics"):
        fit(recipe, SOURCE, plan=ONE)


def test_averaged_weights_are_evaluated_with_statistics_of_their_own():
    changes = {
        "model": lambda **_: models.functional(lambda rngs: Normalised(rngs)),
        "loss": lambda params, out, batch: 0.5 * (out[0][:, 0] - 9) ** 2,
        "ema": 0.9,
        "epochs": 2.0,
    }
    plain, exact = (fit(made(**changes, recalibrate=how), SOURCE, plan=ONE)[0] for how in (None, layers.recalibrate))
    for a, b in zip(jax.tree.leaves(plain.state.params), jax.tree.leaves(exact.state.params), strict=True):
        np.testing.assert_array_equal(a, b)  # training is the same
    (params, stats), (others, old) = exact.variables, plain.variables
    np.testing.assert_array_equal(params["shift"], others["shift"])
    image = np.asarray(SOURCE.train["image"], np.float32)[:, :, :, 0] / 255  # one epoch holds every image once
    inputs = image.mean((1, 2)) + float(params["shift"][0])
    assert float(stats["bn"]["mean"][0]) == pytest.approx(inputs.mean(), rel=1e-4)
    assert float(stats["bn"]["var"][0]) == pytest.approx(inputs.var(), rel=1e-3)
    assert abs(float(old["bn"]["mean"][0]) - inputs.mean()) > 0.01
    assert exact.test["loss"] != plain.test["loss"]


@pytest.mark.parametrize("seeds_on", ["devices", "vmap"])
def test_seeds_together_are_recalibrated_as_alone(seeds_on):
    model = partial(models.plain, (4, 4), norm=partial(models.batch_norm, momentum=0.6))
    recipe = made(model=model, recalibrate=layers.recalibrate, ema=0.9)
    alone = fit(recipe, SOURCE, seeds=(0, 1), plan=ONE)
    together = fit(recipe, SOURCE, seeds=(0, 1), plan=Plan(seeds_on=seeds_on, devices=tuple(jax.devices()[:2])))
    for one, other in zip(alone, together, strict=True):
        jax.tree.map(partial(np.testing.assert_allclose, rtol=2e-3, atol=1e-4), one.variables[1], other.variables[1])
