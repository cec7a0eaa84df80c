"""The parts of the CIFAR-10 record: what each rung does to the weights, the steps and the prediction."""

import json
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from golden import make_record as golden

from jaxtricks import data, layers, models, optim, tasks, train
from jaxtricks.init._pretrained import TO_TORCH, _path
from jaxtricks.models import Model
from jaxtricks.tricks import records as r
from jaxtricks.tricks.trick import apply

SOURCE = data.fake(train=64, test=8, shape=(12, 12, 3))


@pytest.fixture(scope="module")
def base():
    model = partial(models.airbench, (4,))
    size = {"lr": 1.0, "batch": 8, "epochs": 2}
    recipe = r.baseline(task=tasks.classification(10), augmented=None, model=model, **size)
    return r.begin(recipe, SOURCE, SOURCE)


@pytest.fixture(scope="module")
def complete(base):
    from experiments.airbench import LADDER

    return apply(base, tuple(LADDER), LADDER)


def parameters(recipe):
    params, _ = train.build_model(recipe, SOURCE).init(jax.random.key(0))
    return params if recipe.init is None else recipe.init(params)


def test_whitening_makes_the_patches_uncorrelated_and_stays(base):
    recipe = r.whitened(base)
    params = parameters(recipe)
    stats = recipe.preprocess[0](SOURCE.train["image"])
    images = jax.vmap(partial(recipe.preprocess[1], stats))(SOURCE.train["image"] / np.float32(255))
    numbers = (1, 1), "VALID", None, None, ("NHWC", "HWIO", "NHWC")
    out = jax.lax.conv_general_dilated(images, params["whiten"]["kernel"], *numbers)
    cov = np.cov(np.asarray(out[..., :12]).reshape(-1, 12).T)
    np.testing.assert_allclose(cov, np.eye(12), atol=0.05)
    tx = recipe.optimizer(optax.constant_schedule(0.1))
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    moved = jax.tree.map(lambda u: bool((u != 0).any()), updates)
    assert not moved["whiten"]["kernel"]
    assert moved["whiten"]["bias"]
    assert moved["head"]["kernel"]
    with pytest.raises(ValueError, match=r"^recipe\.init is set; allowed: None"):
        r.whitened(recipe)


def test_the_baseline_starts_at_random_and_trains_its_first_layer(base):
    kernel = parameters(base)["stage1"]["0"]["conv"]["kernel"]
    same = parameters(r.identity_starts(base))["stage1"]["0"]["conv"]["kernel"]
    np.testing.assert_array_equal(same[1, 1, :4, :4], np.eye(4))
    assert float(jnp.abs(kernel[1, 1, :4, :4] - jnp.eye(4)).min()) > 1e-4
    tx = base.optimizer(optax.constant_schedule(0.1))
    params = parameters(base)
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    assert bool((updates["whiten"]["kernel"] != 0).all())


def test_biases_of_normalisation_take_64_times_the_step(base):
    params = jax.tree.map(jnp.zeros_like, parameters(base))
    steps = {}
    for name, recipe in {"base": base, "fast": r.fast_biases(base)}.items():
        tx = recipe.optimizer(optax.constant_schedule(0.5))
        steps[name], _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    slow, fast = (np.asarray(steps[name]["stage1"]["0"]["bn"]["bias"]) for name in ("base", "fast"))
    np.testing.assert_allclose(slow, -0.5 * 1.85)  # Nesterov: 1 + 0.85
    np.testing.assert_allclose(fast, 64 * slow, rtol=1e-6)
    np.testing.assert_allclose(*(steps[name]["head"]["kernel"] for name in ("base", "fast")))


def test_lookahead_goes_back_more_and_more_and_its_slow_weights_are_evaluated(base):
    recipe = r.lookahead(base)  # 16 steps: 64 images in batches of 8, twice
    tx = r._looking_ahead(optax.sgd(1.0), steps=10)
    param = state = jnp.zeros(1)
    state = tx.init(param)
    for _ in range(10):
        updates, state = tx.update(jnp.full(1, -1.0), state, param)
        param = param + updates
    half = 5 * (1 - 0.95**5 * 0.5**3)  # after five steps of one; then five more, and back by 0.95**5
    np.testing.assert_allclose(param, half + 5 * (1 - 0.95**5), rtol=1e-5)
    params = parameters(recipe)
    tx = recipe.optimizer(optax.constant_schedule(0.1))
    state = tx.init(params)
    moved = jax.tree.map(jnp.ones_like, params)
    evaluated = recipe.optimizer.evaluate(state, moved)
    np.testing.assert_array_equal(evaluated["head"]["kernel"], params["head"]["kernel"])


def test_fast_statistics_and_a_rate_that_does_not_end_at_zero_come_with_lookahead(base):
    def rates(recipe):
        schedule = recipe.schedule(1.0, steps=100, steps_per_epoch=50)
        return [round(float(schedule(step)), 4) for step in (0, 20, 23, 100)]

    def momentum(recipe):
        return r._norm_of(recipe.model).keywords["momentum"]

    assert (rates(base), momentum(base)) == ([0.2, 1.0, 0.9625, 0.0], 0.9)
    after = r.lookahead(r.fast_biases(base))
    assert (rates(after), momentum(after)) == ([0.2, 0.8957, 1.0, 0.07], 0.6)
    own = partial(models.batch_norm, momentum=0.8)
    other = r.lookahead(replace(base, model=partial(base.model, norm=own), schedule=optim.cosine))
    assert (other.schedule, momentum(other)) == (optim.cosine, 0.8)
    model = partial(models.airbench, (4,), norm=own)
    kept = r.baseline(task=tasks.classification(10), augmented=None, model=model, lr=1.0, batch=8, epochs=2)
    assert momentum(kept) == 0.8


def test_a_share_that_is_a_number_is_the_function_that_gives_it():
    param, grads = jnp.ones(3), jnp.arange(3.0)
    results = []
    for share in (0.3, lambda step: 0.3):
        tx = optim.lookahead(optax.sgd(0.1), sync_period=2, slow_step_size=share)
        state, p = tx.init(param), param
        for _ in range(4):
            updates, state = tx.update(grads, state, p)
            p = p + updates
        results.append(p)
    np.testing.assert_array_equal(*results)


def test_six_views_are_weighted_as_in_the_record():
    """The network answers with the place of a bright pixel, so that a prediction shows what it saw."""
    image = jnp.zeros((1, 4, 4, 1)).at[0, 1, 0, 0].set(1.0)

    def build(**arguments):
        def apply(params, stats, image, *, train, key=None):
            return (image.reshape(len(image), -1), {"features": image.sum((1, 2))}), stats

        return Model(lambda key: ({}, {}), apply)

    model = r.known(build, patches=np.zeros(1), images=1, views=r.SIX)
    (out, taps), _ = model.apply({}, {}, image, train=False)
    wanted = np.zeros((4, 4))
    wanted[1, 0], wanted[1, 3] = 0.25, 0.25
    padded = np.pad(np.asarray(image[0, ..., 0]), 1, mode="reflect")
    for view in (padded[:4, :4], padded[2:, 2:]):  # down and to the right, up and to the left
        wanted += 0.125 * (view + view[:, ::-1])
    np.testing.assert_allclose(out.reshape(4, 4), wanted, atol=1e-6)
    assert taps["features"].shape == (1, 1)
    (out, _), _ = model.apply({}, {}, image, train=True)
    np.testing.assert_array_equal(out, image.reshape(1, -1))


def test_the_views_sum_to_one_and_the_baseline_sees_two():
    assert sum(weight for weight, _ in r.SIX) == 1
    assert sum(weight for weight, _ in r.MIRRORED) == 1


@pytest.mark.slow
def test_all_rungs_together_train(complete):
    (run,) = train.fit(complete, SOURCE, plan=train.Plan(chunk=4, devices=(jax.devices()[0],)))
    assert run.history[-1]["step"] == 16
    assert run.skipped == 0


def test_twelve_steps_are_those_of_the_record_in_torch():
    """All rungs but those of the images, from the same weights: losses and slow weights; rates are per image there."""
    stored, steps = json.loads(golden.STORED.read_text(encoding="utf-8")), golden.STEPS
    source = data.fake(train=steps * golden.BATCH, test=8, shape=(32, 32, 3))
    size = {"lr": 1.5 * golden.BATCH / 1024, "batch": golden.BATCH, "epochs": 1}
    model = partial(models.airbench, golden.WIDTHS)
    recipe = r.baseline(task=tasks.classification(10), augmented=None, model=model, **size)
    recipe = r.lookahead(r.fast_biases(r.identity_starts(r.whitened(r.begin(recipe, source, source)))))
    network = train.build_model(recipe, source)
    place = lambda path: _path(path).replace("/", ".").replace("kernel", "weight")  # noqa: E731

    def weights(path, leaf):
        tensor = golden.tensor(place(path), tuple(leaf.shape[axis] for axis in TO_TORCH.get(leaf.ndim, (0,))))
        return jnp.asarray(tensor.transpose({4: (2, 3, 1, 0), 2: (1, 0)}.get(tensor.ndim, (0,))))

    params, stats = network.init(jax.random.key(0))
    params = jax.tree.map_with_path(weights, params)
    tx = recipe.optimizer(recipe.schedule(recipe.lr, steps=steps, steps_per_epoch=steps))
    target = recipe.targets(jax.nn.one_hot(jnp.arange(golden.BATCH) % 10, 10))

    @jax.jit
    def step(params, stats, state, image):
        def loss(params):
            out, after = network.apply(params, stats, image, train=True)
            return recipe.loss(params, out, {"target": target}).mean(), after

        (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), stats, state, value

    state, losses = tx.init(params), []
    for number in range(steps):
        params, stats, state, value = step(params, stats, state, golden.images(number))
        losses.append(float(value))
    np.testing.assert_allclose(losses, stored["losses"], rtol=1e-4)
    slow = dict(jax.tree.leaves_with_path(recipe.optimizer.evaluate(state, params)))
    norms = {place(path): float(jnp.linalg.norm(leaf.ravel())) for path, leaf in slow.items()}
    del norms["whiten.weight"]  # which does not move
    assert norms == pytest.approx(stored["norms"], rel=1e-4)


def test_no_rung_drops_another_trick(base):
    with pytest.raises(ValueError, match=r"^recipe\.recalibrate is .*; allowed: None"):
        r.lookahead(replace(base, recalibrate=lambda update, stats, batches: stats))
    flipped = r.alternating_flips(base)
    with pytest.raises(ValueError, match=r"^recipe\.augment is .*; allowed: that of baseline"):
        r.alternating_flips(flipped)
    with pytest.raises(ValueError, match=r"^recipe\.optimizer\.evaluate is set; allowed: None"):
        r.lookahead(r.lookahead(base))
    with pytest.raises(ValueError, match=r"^recipe\.ema is 0\.9; allowed: None"):
        r.lookahead(replace(base, ema=0.9))


def test_lookahead_of_a_network_without_normalisation_has_nothing_to_recalibrate(base):
    plain = replace(base, model=partial(base.model, norm=None))
    assert (r.lookahead(base).recalibrate, r.lookahead(plain).recalibrate) == (layers.recalibrate, None)
    inside = replace(base, model=partial(base.model, norm=models.batch_norm))
    assert r.lookahead(inside).recalibrate is layers.recalibrate
