"""What the index says of optax, against torch's documented update rules written out in NumPy.

Each reference is ``(gradients, start, rate) -> parameters after each step``; ``rate`` is a number for each step.
"""

import bisect
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import optim

DRAWS = np.random.default_rng(0)
TORCH = json.loads((Path(__file__).parents[1] / "golden" / "torch_steps.json").read_text(encoding="utf-8"))
GRADIENTS, START, FALLING = (np.array(TORCH[name]) for name in ("gradients", "start", "rates"))
FLAT = np.full(8, 0.1)


def ours(tx, gradients=GRADIENTS, start=START):
    params = jnp.asarray(start, jnp.float32)
    state, seen = tx.init(params), []
    for gradient in gradients:
        updates, state = tx.update(jnp.asarray(gradient, jnp.float32), state, params)
        params = optax.apply_updates(params, updates)
        seen.append(np.asarray(params))
    return np.array(seen)


def schedule(rates):
    return lambda step: jnp.asarray(rates, jnp.float32)[step]


def torch_sgd(rates, *, momentum=0.0, nesterov=False, weight_decay=0.0):
    p, buffer, seen = START.copy(), np.zeros(5), []
    for g, rate in zip(GRADIENTS, rates, strict=True):
        g = g + weight_decay * p
        buffer = momentum * buffer + g
        p = p - rate * (g + momentum * buffer if nesterov else buffer)
        seen.append(p)
    return np.array(seen)


def torch_adam(rates, *, weight_decay=0.0, decoupled=False, eps=1e-8):
    p, m, v, seen = START.copy(), np.zeros(5), np.zeros(5), []
    for t, (g, rate) in enumerate(zip(GRADIENTS, rates, strict=True), start=1):
        if decoupled:
            p = p * (1 - rate * weight_decay)
        else:
            g = g + weight_decay * p
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p = p - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + eps)
        seen.append(p)
    return np.array(seen)


def torch_adagrad(rates, *, eps=1e-10):
    p, total, seen = START.copy(), np.zeros(5), []
    for g, rate in zip(GRADIENTS, rates, strict=True):
        total = total + g**2
        p = p - rate * g / (np.sqrt(total) + eps)
        seen.append(p)
    return np.array(seen)


def torch_rmsprop(rates, *, alpha=0.99, eps=1e-8, momentum=0.0):
    p, square, buffer, seen = START.copy(), np.zeros(5), np.zeros(5), []
    for g, rate in zip(GRADIENTS, rates, strict=True):
        square = alpha * square + (1 - alpha) * g**2
        buffer = momentum * buffer + g / (np.sqrt(square) + eps)
        p = p - rate * buffer
        seen.append(p)
    return np.array(seen)


def torch_adadelta(rates, *, rho=0.9, eps=1e-6):
    p, square, delta, seen = START.copy(), np.zeros(5), np.zeros(5), []
    for g, rate in zip(GRADIENTS, rates, strict=True):
        square = rho * square + (1 - rho) * g**2
        step = np.sqrt(delta + eps) / np.sqrt(square + eps) * g
        delta = rho * delta + (1 - rho) * step**2
        p = p - rate * step
        seen.append(p)
    return np.array(seen)


RATE = schedule(FALLING)
EQUAL = {
    "sgd": (optax.sgd(RATE), torch_sgd(FALLING)),
    "momentum": (optax.sgd(RATE, momentum=0.9), torch_sgd(FALLING, momentum=0.9)),
    "nesterov": (optax.sgd(RATE, momentum=0.9, nesterov=True), torch_sgd(FALLING, momentum=0.9, nesterov=True)),
    "coupled decay": (
        optax.chain(optax.add_decayed_weights(0.2), optax.sgd(RATE, momentum=0.9)),
        torch_sgd(FALLING, momentum=0.9, weight_decay=0.2),
    ),
    "coupled_sgd": (
        optim.coupled_sgd(RATE, momentum=0.9, nesterov=True, weight_decay=0.2),
        torch_sgd(FALLING, momentum=0.9, nesterov=True, weight_decay=0.2),
    ),
    "adam": (optax.adam(RATE), torch_adam(FALLING)),
    "adam, epsilon": (optax.adam(RATE, eps=0.1), torch_adam(FALLING, eps=0.1)),
    "adam, coupled decay": (
        optax.chain(optax.add_decayed_weights(0.2), optax.adam(RATE)),
        torch_adam(FALLING, weight_decay=0.2),
    ),
    "adamw": (optax.adamw(RATE, weight_decay=0.2), torch_adam(FALLING, weight_decay=0.2, decoupled=True)),
    "adagrad": (optax.adagrad(RATE, initial_accumulator_value=0.0, eps=1e-20), torch_adagrad(FALLING)),
    "rmsprop": (optax.rmsprop(RATE, decay=0.99, eps_in_sqrt=False), torch_rmsprop(FALLING)),
    "rmsprop, momentum, one rate": (
        optax.rmsprop(0.1, decay=0.99, eps_in_sqrt=False, momentum=0.9),
        torch_rmsprop(FLAT, momentum=0.9),
    ),
    "rmsprop, momentum": (
        optax.chain(optax.scale_by_rms(0.99, eps_in_sqrt=False), optax.sgd(RATE, momentum=0.9)),
        torch_rmsprop(FALLING, momentum=0.9),
    ),
    "adadelta": (optax.adadelta(RATE), torch_adadelta(FALLING)),
}
DIFFERENT = {
    "coupled decay is not decoupled": (
        optax.chain(optax.add_decayed_weights(0.2), optax.adam(RATE)),
        torch_adam(FALLING, weight_decay=0.2, decoupled=True),
    ),
    "adamw decays by 1e-4, torch's by 1e-2": (
        optax.adamw(RATE),
        torch_adam(FALLING, weight_decay=1e-2, decoupled=True),
    ),
    "adagrad starts from 0.1": (optax.adagrad(RATE), torch_adagrad(FALLING)),
    "adagrad keeps epsilon inside the root": (
        optax.adagrad(RATE, initial_accumulator_value=0.0, eps=1e-2),
        torch_adagrad(FALLING, eps=1e-2),
    ),
    "rmsprop forgets with 0.9": (optax.rmsprop(RATE, eps_in_sqrt=False), torch_rmsprop(FALLING)),
    "rmsprop keeps epsilon inside the root": (
        optax.rmsprop(RATE, decay=0.99, eps=1e-2),
        torch_rmsprop(FALLING, eps=1e-2),
    ),
    "rmsprop multiplies by the rate before the momentum": (
        optax.rmsprop(RATE, decay=0.99, eps_in_sqrt=False, momentum=0.9),
        torch_rmsprop(FALLING, momentum=0.9),
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_to_torch(name):
    tx, expected = EQUAL[name]
    np.testing.assert_allclose(ours(tx), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_from_torch(name):
    tx, expected = DIFFERENT[name]
    assert np.abs(ours(tx) - expected).max() > 3e-4


FORMULAS = {  # the references above, under the names that torch's own steps have in the file
    "momentum": torch_sgd(FALLING, momentum=0.9),
    "nesterov, coupled decay": torch_sgd(FALLING, momentum=0.9, nesterov=True, weight_decay=0.2),
    "adam": torch_adam(FALLING, eps=0.1),
    "adam, coupled decay": torch_adam(FALLING, weight_decay=0.2),
    "adamw, its own decay": torch_adam(FALLING, weight_decay=1e-2, decoupled=True),
    "adagrad": torch_adagrad(FALLING),
    "rmsprop": torch_rmsprop(FALLING),
    "rmsprop, momentum": torch_rmsprop(FALLING, eps=1e-2, momentum=0.9),
    "adadelta": torch_adadelta(FALLING),
}


@pytest.mark.parametrize("name", TORCH["steps"])
def test_the_formulas_are_torch_s(name):
    np.testing.assert_allclose(FORMULAS[name], TORCH["steps"][name]["params"], rtol=1e-9)


def test_first_step_of_adagrad_by_hand():
    updates, _ = optax.adagrad(1.0).update(jnp.float32(0.3), optax.adagrad(1.0).init(jnp.float32(0)))
    np.testing.assert_allclose(updates, -0.3 / np.sqrt(0.1 + 0.09), rtol=1e-5)


def test_first_step_of_rmsprop_by_hand():
    tx = optax.rmsprop(1.0, eps=0.01)
    np.testing.assert_allclose(
        tx.update(jnp.float32(1.0), tx.init(jnp.float32(0)))[0], -1 / np.sqrt(0.1 + 0.01), rtol=1e-5
    )


def test_warmup_cosine_counts_the_warmup_in_decay_steps():
    rate = optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps=20, decay_steps=100)
    np.testing.assert_allclose([rate(20), rate(60), rate(100), rate(120)], [1.0, 0.5, 0.0, 0.0], atol=1e-6)


def test_warmup_exponential_does_not_count_it():
    rate = optax.warmup_exponential_decay_schedule(0.0, 1.0, warmup_steps=20, transition_steps=10, decay_rate=0.5)
    np.testing.assert_allclose([rate(20), rate(30)], [1.0, 0.5], rtol=1e-6)


def test_piecewise_boundaries_belong_to_the_new_rate_and_scales_multiply():
    rate = optax.piecewise_constant_schedule(1.0, {10: 0.1, 20: 0.5})
    np.testing.assert_allclose([rate(t) for t in (9, 10, 19, 20)], [1, 0.1, 0.1, 0.05], rtol=1e-6)


def test_piecewise_is_torch_s_multi_step():
    milestones, gamma = [3, 7, 8], 0.5  # of torch.optim.lr_scheduler.MultiStepLR: base * gamma ** bisect_right
    rate = optax.piecewise_constant_schedule(0.1, dict.fromkeys(milestones, gamma))
    ours = optim.step_decay(0.1, steps=10, steps_per_epoch=1, fractions=[m / 10 for m in milestones], factor=gamma)
    expected = [0.1 * gamma ** bisect.bisect_right(milestones, t) for t in range(10)]
    np.testing.assert_allclose([[rate(t), ours(t)] for t in range(10)], np.stack([expected] * 2, 1), rtol=1e-6)


def test_join_schedules_restarts_the_count():
    rate = optax.join_schedules([optax.constant_schedule(9.0), optax.linear_schedule(1.0, 0.0, 10)], [5])
    np.testing.assert_allclose([rate(4), rate(5), rate(10)], [9.0, 1.0, 0.5])


def test_scheduled_momentum_by_inject_hyperparams():
    momentum = optax.linear_schedule(0.5, 0.9, 4)
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=momentum)
    p, buffer, expected = START.copy(), np.zeros(5), []
    for t, g in enumerate(GRADIENTS):
        buffer = min(0.5 + 0.1 * t, 0.9) * buffer + g
        p = p - 0.1 * buffer
        expected.append(p)
    np.testing.assert_allclose(ours(tx), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("patience", "reduced_after"), [(1, 2), (3, 4)])
def test_plateau_reduces_after_patience_bad_values(patience, reduced_after):
    tx = optax.contrib.reduce_on_plateau(factor=0.5, patience=patience)  # torch waits for one bad value more
    state, seen = tx.init(jnp.float32(0)), []
    for _ in range(reduced_after):
        update, state = tx.update(jnp.float32(1), state, value=jnp.float32(2.0))
        seen.append(float(update))
    assert seen == [1.0] * (reduced_after - 1) + [0.5]


@pytest.mark.parametrize("cooldown", [0, 2])
def test_plateau_rests_for_its_cooldown(cooldown):
    """Torch's ReduceLROnPlateau with one bad value less to bear, which is what optax's patience means."""
    values = [3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 1.0, 1.5, 1.5, 1.5]
    tx = optax.contrib.reduce_on_plateau(factor=0.5, patience=2, cooldown=cooldown, rtol=1e-6)
    state, seen = tx.init(jnp.float32(0)), []
    for value in values:
        update, state = tx.update(jnp.float32(1), state, value=jnp.float32(value))
        seen.append(float(update))
    best, bad, rest, scale, expected = np.inf, 0, 0, 1.0, []
    for value in values:
        best, bad = (value, 0) if value < best else (best, bad + 1)
        if rest:
            rest, bad = rest - 1, 0
        if bad == 2:
            scale, rest, bad = scale / 2, cooldown, 0
        expected.append(scale)
    assert seen == expected
    assert (seen[-1], len(set(seen))) == {0: (0.0625, 5), 2: (0.125, 4)}[cooldown]


def test_gradient_noise_has_the_variance_of_the_paper():
    tx = optax.add_noise(eta=0.5, gamma=0.55, key=jax.random.key(0))
    zeros = jnp.zeros(20_000)
    state = tx.init(zeros)
    for t in range(3):
        noise, state = tx.update(zeros, state)
        assert float(noise.var()) == pytest.approx(0.5 / (1 + t) ** 0.55, rel=0.05)


@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (6, 5)], ids=["convolution", "dense"])
def test_adaptive_clipping_is_by_output_unit(shape):
    kernel, gradient = DRAWS.normal(size=(2, *shape))
    tx = optax.adaptive_grad_clip(0.2, eps=1e-3)
    out, _ = tx.update(jnp.asarray(gradient, jnp.float32), tx.init(kernel), jnp.asarray(kernel, jnp.float32))
    for c in range(5):
        limit = 0.2 * max(np.sqrt((kernel[..., c] ** 2).sum()), 1e-3)
        norm = np.sqrt((gradient[..., c] ** 2).sum())
        np.testing.assert_allclose(out[..., c], gradient[..., c] * min(1, limit / norm), rtol=1e-4)


def test_adaptive_clipping_takes_a_vector_as_one_unit():
    tx, bias = optax.adaptive_grad_clip(0.5), jnp.array([3.0, 4.0])  # of norm 5: the gradient's may be 2.5
    out, _ = tx.update(jnp.array([0.0, 10.0]), tx.init(bias), bias)
    np.testing.assert_allclose(out, [0.0, 2.5], rtol=1e-6)


def test_clipping_by_global_norm():
    tree = {"a": jnp.array([3.0]), "b": jnp.array([4.0])}
    tx = optax.clip_by_global_norm(1.0)
    out, _ = tx.update(tree, tx.init(tree))
    np.testing.assert_allclose([out["a"][0], out["b"][0]], [0.6, 0.8], rtol=1e-6)


def test_amsgrad_keeps_the_largest_second_moment():
    """Reddi et al.: a gradient of 1, then of 0; Adam divides by the root of what is left of it, AMSGrad by the largest.

    optax corrects the bias of the moment first, so that the largest is 1.
    """
    tx = optax.amsgrad(1.0, b1=0.0, b2=0.5, eps=0.0)
    state = tx.init(jnp.zeros(1))
    for gradient, expected in ((1.0, -1.0), (0.1, -0.1)):
        update, state = tx.update(jnp.array([gradient]), state)
        np.testing.assert_allclose(update, [expected], rtol=1e-5)
