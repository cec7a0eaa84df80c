"""What the rows of optimizers and regularizers are made of does what it says."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import models, optim
from jaxtricks.tricks import composing
from jaxtricks.tricks import optimizers as o
from jaxtricks.tricks import regularizers as r

DRAWS = np.random.default_rng(0)
PARAMS = {"kernel": jnp.asarray(DRAWS.normal(size=(3, 3, 2, 4)), jnp.float32), "bias": jnp.ones(4)}
GRADIENTS = [jax.tree.map(lambda p: jnp.asarray(DRAWS.normal(size=p.shape), jnp.float32), PARAMS) for _ in range(4)]


def updates(tx, gradients=GRADIENTS):
    params, state, seen = PARAMS, tx.init(PARAMS), []
    for gradient in gradients:
        update, state = tx.update(gradient, state, params)
        params = optax.apply_updates(params, update)
        seen.append(update)
    return seen


def close(a, b):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), a, b)


def test_muon_orthogonalises_the_kernel_of_a_convolution():
    first = updates(o.muon(optax.constant_schedule(0.5), weight_decay=0.0))[0]
    values = np.linalg.svd(np.asarray(first["kernel"]).reshape(18, 4), compute_uv=False) / 0.5
    assert values.max() < 1.3
    assert values.min() > 0.6  # Newton-Schulz brings them near 1; those of the gradient itself differ more
    assert np.ptp(np.linalg.svd(np.asarray(GRADIENTS[0]["kernel"]).reshape(18, 4), compute_uv=False)) > 1
    step = 1 + 0.9 * 0.1 / (1 - 0.9**2)  # Adam's first, with Nesterov's momentum; at a tenth of the rate
    np.testing.assert_allclose(np.abs(first["bias"]), 0.05 * step, rtol=1e-4)


def test_adam_hands_over_to_sgd_which_goes_on_with_the_rates():
    rate = lambda step: 0.1 * (step + 1)  # noqa: E731
    found = updates(o.adam_then_sgd(rate, at=2, share=0.04))
    adam = updates(optax.adam(lambda step: 0.04 * rate(step)))
    sgd = updates(optax.sgd(lambda step: rate(step + 2), momentum=0.9, nesterov=True), GRADIENTS[2:])
    close(found, adam[:2] + sgd)


def test_momentum_rises():
    tx = o.rising_momentum(lambda step: 1.0, first=0.5, last=0.9, steps=2)
    found = [np.asarray(u["bias"]) for u in updates(tx)]
    buffer = 0
    for gradient, momentum, update in zip(GRADIENTS, (0.5, 0.7, 0.9, 0.9), found, strict=True):
        buffer = np.asarray(gradient["bias"]) + momentum * buffer
        np.testing.assert_allclose(update, -(np.asarray(gradient["bias"]) + momentum * buffer), rtol=1e-5)


def sgd(**parts):
    return composing.Optimizer(partial(optax.sgd, momentum=0.9, nesterov=True), **parts)(optax.constant_schedule(0.1))


def test_decay_by_turns():
    zero = [jax.tree.map(jnp.zeros_like, PARAMS)] * 4
    buffer, bias = 0.0, 1.0
    for step, update in enumerate(updates(sgd(weight=0.5, turns=1), zero)):
        gradient = 0.5 * bias if step % 2 == 0 else 0.0
        buffer = gradient + 0.9 * buffer
        np.testing.assert_allclose(update["bias"], -0.1 * (gradient + 0.9 * buffer), rtol=1e-5)
        bias += float(update["bias"][0])


def test_decoupled_decay_is_not_in_the_momentum():
    zero = [jax.tree.map(jnp.zeros_like, PARAMS)] * 3
    for step, update in enumerate(updates(sgd(weight=0.5, decay=composing.decoupled), zero)):
        np.testing.assert_allclose(update["bias"], -0.05 * 0.95**step, rtol=1e-5)


def test_decoupled_decay_of_adam_is_adamw():
    rate = lambda step: 0.1 * (step + 1)  # noqa: E731
    mask = lambda params: {"kernel": True, "bias": False}  # noqa: E731
    ours = composing.Optimizer(optax.adam, weight=0.3, decay=composing.decoupled, mask=mask)(rate)
    close(updates(ours), updates(optax.adamw(rate, weight_decay=0.3, mask=mask)))


def test_coupled_decay_of_sgd_is_coupled_sgd_and_that_of_lars_its_own():
    rate = optax.constant_schedule(0.1)
    close(updates(sgd(weight=0.3)), updates(optim.coupled_sgd(rate, weight_decay=0.3)))
    lars = partial(optax.lars, trust_coefficient=0.02)
    close(updates(composing.Optimizer(lars, weight=0.3)(rate)), updates(lars(rate, weight_decay=0.3)))


def network():
    made = models.resnet(models.LAYOUTS["resnet_digits"], classes=3, channels=1)
    return made, *made.init(jax.random.key(0))


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_branches_are_left_out_whole(rate):
    _, params, _ = network()
    seen = set()
    for seed in range(5):
        thin = r.thinned(jax.random.key(seed), params, rate=rate)
        ratios = {}
        for (path, old), new in zip(jax.tree.leaves_with_path(params), jax.tree.leaves(thin), strict=True):
            name = jax.tree_util.keystr(path[:-1], simple=True, separator="/")
            if not name.endswith("last_bn"):
                np.testing.assert_array_equal(new, old)
            elif path[-1].key == "scale":
                ratios[name] = float(new[0] / old[0])
        assert len(ratios) == 2
        seen |= set(ratios.values())
    assert seen == ({1.0} if rate == 0 else {0.0, 2.0})


def test_a_network_without_branches_is_its_shortcuts():
    given = {"classes": 3, "channels": 1}
    made, params, stats = network()
    deep = r.stochastic_depth(partial(models.resnet, models.LAYOUTS["resnet_digits"]), {"rate": 1.0}, **given)
    image, keys = jnp.ones((2, 8, 8, 1)) * jnp.arange(2.0)[:, None, None, None], jax.random.split(jax.random.key(1), 2)
    bare = jax.tree.map_with_path(
        lambda path, leaf: 0 * leaf if "last_bn" in jax.tree_util.keystr(path) else leaf, params
    )
    (found, _), after = deep.apply(params, stats, image, train=True, key=keys)
    (expected, _), _ = made.apply(bare, stats, image, train=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    (whole, _), same = deep.apply(params, stats, image, train=False)
    np.testing.assert_allclose(whole, made.apply(params, stats, image, train=False)[0][0], atol=1e-6)
    assert np.abs(np.asarray(whole - found)).max() > 1e-3
    assert jax.tree.structure(after) == jax.tree.structure(same)


def test_noise_on_the_classifier_in_training_only():
    given = {"classes": 3, "channels": 1}
    made = partial(models.plain, (2,))
    noisy = r.noisy_classifier(made, {"std": 2.0}, **given)
    params, stats = noisy.init(jax.random.key(0))
    image, keys = jnp.ones((200, 4, 4, 1)), jax.random.split(jax.random.key(1), 200)
    plain = made(**given)
    (expected, _), _ = plain.apply(params, stats, image, train=True)
    (found, _), _ = noisy.apply(params, stats, image, train=True, key=keys)
    assert np.asarray(found - expected).std() == pytest.approx(2.0, rel=0.1)
    (found, _), _ = noisy.apply(params, stats, image, train=False)
    np.testing.assert_array_equal(found, plain.apply(params, stats, image, train=False)[0][0])
