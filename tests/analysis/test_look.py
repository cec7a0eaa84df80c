"""Where a network looks, what its units do, how long it takes, what its curves tell."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import analysis, models

RNG = np.random.default_rng(0)


def linear(params, stats, x, *, train):
    """Two maps of which the second is the tap; the logits are averages, weighted by position and by channel."""
    tap = jnp.tanh(x) * params["scale"]
    around = x.mean((1, 2))  # a path beside the tap, whose gradient must not count
    logits = jnp.einsum("bijc,ijck->bk", tap**2, params["weights"]) + around @ params["beside"]
    return (logits, {"tap": tap, "features": around}), stats


PARAMS = {
    "scale": jnp.asarray(RNG.normal(size=(1, 1, 1, 3)), jnp.float32),
    "weights": jnp.asarray(RNG.normal(size=(4, 5, 3, 2)), jnp.float32),
    "beside": jnp.asarray(RNG.normal(size=(3, 2)), jnp.float32),
}
IMAGE = jnp.asarray(RNG.normal(size=(3, 4, 5, 3)), jnp.float32)
CLASSES = np.array([0, 1, 0])


def by_numpy():
    tap = np.tanh(np.asarray(IMAGE)) * np.asarray(PARAMS["scale"])
    return tap, 2 * tap * np.moveaxis(np.asarray(PARAMS["weights"])[..., CLASSES], -1, 0)


def test_grad_cam_by_numpy():
    tap, gradient = by_numpy()
    expected = np.maximum((gradient.mean((1, 2), keepdims=True) * tap).sum(-1), 0)
    found = analysis.grad_cam(linear, PARAMS, {}, IMAGE, tap="tap", classes=CLASSES)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert expected.max() > 0.05


def test_grad_cam_plus_plus_by_numpy():
    tap, g = by_numpy()
    alpha = g**2 / (2 * g**2 + g**3 * tap.sum((1, 2), keepdims=True))
    weights = (alpha * np.maximum(g, 0)).sum((1, 2), keepdims=True)
    found = analysis.grad_cam_plus_plus(linear, PARAMS, {}, IMAGE, tap="tap", classes=CLASSES)
    np.testing.assert_allclose(found, np.maximum((weights * tap).sum(-1), 0), rtol=1e-3, atol=1e-4)


def test_grad_cam_before_an_average_is_the_class_activation_map():
    """Through a network of this package, whose layers are called within calls; the largest logit is the class."""
    model = models.plain((4,), classes=3, kernel_init=jax.nn.initializers.zeros)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    params, stats = jax.tree.map(lambda leaf: jnp.asarray(RNG.random(leaf.shape) + 0.1, jnp.float32), shapes)
    (logits, taps), _ = jax.jit(partial(model.apply, train=False))(params, stats, IMAGE)
    kernel = params["head"]["kernel"][:, logits.argmax(-1)].T
    expected = jax.nn.relu((taps["stage1"] * kernel[:, None, None, :]).sum(-1)) / 20
    found = jax.jit(lambda x: analysis.grad_cam(model.apply, params, stats, x, tap="stage1"))(IMAGE)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("tap", ["features", "stage9"])
def test_a_tap_must_be_there_and_have_positions(tap):
    with pytest.raises(ValueError, match=f"tap is '{tap}'; allowed: tap"):
        analysis.grad_cam(linear, PARAMS, {}, IMAGE, tap=tap)
    with pytest.raises(ValueError, match=f"tap is '{tap}'; allowed: tap"):
        analysis.effective_field(linear, PARAMS, {}, IMAGE, tap=tap)


def test_the_effective_field_of_equal_kernels_is_their_convolution():
    kernel = jnp.ones((3, 3, 1, 1))

    def apply(params, stats, x, *, train):
        for _ in range(2):
            x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return (x.mean((1, 2)), {"tap": x}), stats

    found = analysis.effective_field(apply, {}, {}, jnp.ones((2, 9, 9, 1)), tap="tap")
    line = np.array([1, 2, 3, 2, 1])
    expected = np.zeros((9, 9))
    expected[2:7, 2:7] = np.outer(line, line) / 81
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_activity_by_hand():
    a = np.zeros((2, 2, 1, 4), np.float32)
    a[0, 0, 0] = [2, -1, 0, 0]
    a[1, 1, 0] = [1, 1, 0, 0]
    activity = jax.jit(analysis.unit_activity)
    found = activity(a)
    # channels 2 and 3 never fire; 3 of 16 responses do; one channel of four, then two
    np.testing.assert_allclose(found[:3], [0.5, 13 / 16, (0.25 + 0.5) / 2], rtol=1e-6)
    assert float(found.saturated) == 1
    assert float(activity(np.full_like(a, 0.5)).saturated) == 0
    silent = activity(np.zeros_like(a))
    np.testing.assert_allclose(silent[:3], [1, 1, 0])
    assert np.isnan(activity(np.where(a == 2, np.nan, a)).dead)


def test_gradient_norms_and_their_alarm():
    gradients = {"a": {"kernel": np.full((2, 2), 3.0), "bias": np.zeros(2)}, "b": {"kernel": np.array([1.0])}}
    norms = analysis.gradient_norms(gradients)
    np.testing.assert_allclose([norms["a"], norms["b"]], [np.sqrt(6), 1], rtol=1e-6)
    assert analysis.gradient_alarm(norms) is None
    assert "vanish" in analysis.gradient_alarm({"a": 1e-6, "b": 1e-2})
    assert "explode" in analysis.gradient_alarm({"a": 1e3, "b": 1e-2})
    assert "not finite in b" in analysis.gradient_alarm({"a": 1.0, "b": np.nan})
    with pytest.raises(ValueError, match="norms has 1 layers"):
        analysis.gradient_alarm({"a": 1.0})


def test_latency_is_the_time_between_two_looks_at_the_clock():
    times = itertools.accumulate([0, 1, 9, 3, 9, 2, 9, 5])  # calls of 1, 3, 2, 5 seconds
    calls = []
    found = analysis.latency(calls.append, 7, repeats=4, warm=3, clock=lambda: next(times))
    assert found == analysis.Latency(2.5, 1.75, 3.5)
    assert calls == [7] * 7


def test_throughput_gives_the_fastest_batch_first():
    now = [0.0]

    def function(batch):
        def call():
            now[0] += 1 + batch / 4

        return call

    found = analysis.throughput(function, (1, 4, 16), clock=lambda: now[0], repeats=3)
    assert [(entry.batch, entry.rate) for entry in found] == [(16, 3.2), (4, 2.0), (1, 0.8)]
    with pytest.raises(ValueError, match="batches is empty"):
        analysis.throughput(function, ())


FLAT = [2.3, 1.2, 1.01, 1, 1, 1, 1, 1, 1, 1, 1, 1]
GOOD = [2.3, 1.2, 0.7, 0.4, 0.25, 0.2, 0.15, 0.13, 0.12, 0.11]


@pytest.mark.parametrize(
    ("curves", "rules"),
    [
        ({"train_loss": GOOD}, []),
        ({"train_loss": [2.3, 2.2, np.nan, np.nan]}, ["rate too high"]),
        ({"train_loss": [2.3, 9.0, 40.0, 100.0]}, ["rate too high"]),
        ({"train_loss": np.linspace(2.3, 2.0, 20)}, ["rate too low"]),
        ({"train_loss": FLAT}, ["rate too high later"]),
        ({"train_loss": 2.3 - np.arange(12) * 0.02 + 0.3 * (-1.0) ** np.arange(12)}, ["noisy"]),
        ({"train_loss": GOOD, "train_score": [0.99], "validation_score": [0.7]}, ["overfit"]),
        ({"train_loss": GOOD, "train_score": [0.3], "validation_score": [0.28]}, ["underfit"]),
        ({"train_loss": GOOD, "train_score": [0.95], "validation_score": [0.9]}, []),
        # of two classes, 0.6 is next to nothing
        ({"train_loss": GOOD, "train_score": [0.6], "validation_score": [0.6], "chance": 0.5}, ["underfit"]),
    ],
)
def test_what_curves_tell(curves, rules):
    found = analysis.diagnose(**curves)
    assert [finding.rule for finding in found] == rules
    assert all(finding.evidence and finding.advice for finding in found)


@pytest.mark.parametrize(
    ("curves", "words"),
    [
        ({"train_loss": [1, 2, 3]}, "train_loss has shape"),
        ({"train_loss": GOOD, "train_score": [0.5]}, "validation_score has 0 entries; allowed: 1"),
        ({"train_loss": GOOD, "chance": 1.0}, "best is 1.0; allowed: greater than chance"),
    ],
)
def test_curves_that_are_refused(curves, words):
    with pytest.raises(ValueError, match=words):
        analysis.diagnose(**curves)
