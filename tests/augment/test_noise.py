from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from jaxtricks import augment
from jaxtricks.augment import _random

IMAGE = np.random.default_rng(0).random((13, 17, 3), dtype=np.float32)
KEYS = jax.random.split(jax.random.key(0), 400)


def test_noise_is_normal_and_independent():
    grey = jnp.full((20, 20, 2), 0.5)
    noise = (np.asarray(augment.gaussian_noise(KEYS[0], grey, std=0.05)) - 0.5) / 0.05
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.2
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.2


def test_noise_is_clipped_and_none_at_zero():
    out = augment.gaussian_noise(KEYS[0], IMAGE, std=2.0)
    assert out.min() == 0
    assert out.max() == 1
    np.testing.assert_array_equal(augment.gaussian_noise(KEYS[0], IMAGE, std=0.0), IMAGE)


@pytest.mark.parametrize("partitionable", [True, False])
@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_the_numbers_are_those_of_jax_random(draw, impl, partitionable):
    """Of its own generator in the way that is the default, and of what jax.random does in all other ways."""
    key = jax.random.key(3, impl=impl)
    with jax.threefry_partitionable(partitionable):
        got, expected = (getattr(source, draw)(key, (5, 7)) for source in (_random, jax.random))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize(("sigma", "radius"), [(0.5, 2), (1.0, 3), (2.0, 6), (5.0, 4)])
def test_blur_equals_scipy(sigma, radius):
    expected = ndimage.gaussian_filter(
        IMAGE.astype(np.float64), (sigma, sigma, 0), radius=(radius, radius, 0), mode="mirror"
    )
    np.testing.assert_allclose(
        jax.jit(partial(augment.gaussian_blur, radius=radius))(IMAGE, sigma), expected, atol=1e-6
    )


def test_blur_by_hand():
    """Weights exp(-1/2) and 1, normalised, to the left and right of a line."""
    line = np.zeros((3, 5, 1), np.float32)
    line[:, 2] = 1
    near = np.exp(-0.5) / (1 + 2 * np.exp(-0.5))
    got = augment.gaussian_blur(line, 1.0, radius=1)
    np.testing.assert_allclose(got[1, :, 0], [0, near, 1 - 2 * near, near, 0], atol=1e-6)


def test_blur_limits():
    np.testing.assert_allclose(augment.gaussian_blur(IMAGE, 0.0, radius=3), IMAGE, atol=1e-7)
    np.testing.assert_allclose(augment.gaussian_blur(IMAGE, 3.0, radius=0), IMAGE, atol=1e-7)
    flat = jnp.full((1, 1, 3), 0.3)
    np.testing.assert_allclose(augment.gaussian_blur(flat, 2.0, radius=3), flat, atol=1e-6)


def test_blur_gradient():
    chex.assert_numerical_grads(
        lambda x: augment.gaussian_blur(x, 1.0, radius=2),
        (jnp.asarray(IMAGE[:4, :4, :1]),),
        order=1,
        eps=1e-2,
        rtol=2e-2,
    )


def test_random_blur_draws_its_sigma():
    """The variance of a blurred dot is the square of sigma."""
    dot = np.zeros((1, 41, 1), np.float32)
    dot[0, 20] = 1
    out = np.asarray(jax.jit(jax.vmap(lambda k: augment.random_blur(k, dot, sigma=(1.0, 3.0), radius=15)))(KEYS))[
        :, 0, :, 0
    ]
    sigma = np.sqrt((out * (np.arange(41) - 20.0) ** 2).sum(1))
    assert stats.kstest(sigma, stats.uniform(1, 2).cdf).pvalue > 1e-3


TARGETS = {"target": jax.nn.one_hot(jnp.zeros(500, int), 4) * 0.9 + 0.025}


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_label_noise_draws_a_class_for_some(probability):
    out = jax.jit(jax.vmap(lambda k: augment.label_noise(k, TARGETS, probability=probability)["target"]))(KEYS[:20])
    out = np.asarray(out).reshape(-1, 4)
    np.testing.assert_allclose(out.sum(1), 1, atol=1e-6)
    drawn = out.max(1) == 1
    assert abs(drawn.mean() - probability) <= 4 * np.sqrt(probability * (1 - probability) / len(out))
    np.testing.assert_allclose(out[~drawn], np.broadcast_to(TARGETS["target"][0], out[~drawn].shape))
    if drawn.any():
        assert stats.chisquare(out[drawn].sum(0)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.gaussian_noise(KEYS[0], IMAGE[0], std=0.1), "image"),
        (lambda: augment.gaussian_noise(KEYS[0], IMAGE, std=-0.1), "std"),
        (lambda: augment.gaussian_blur(IMAGE.astype(int), 1.0, radius=1), "image"),
        (lambda: augment.gaussian_blur(IMAGE, -1.0, radius=1), "sigma"),
        (lambda: augment.gaussian_blur(IMAGE, 1.0, radius=1.5), "radius"),
        (lambda: augment.random_blur(KEYS[0], IMAGE, sigma=(2.0, 1.0)), "sigma"),
        (lambda: augment.label_noise(KEYS[0], TARGETS, probability=1.5), "probability"),
        (lambda: augment.label_noise(KEYS[0], {"label": jnp.zeros(3)}, probability=0.5), "batch"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()


def test_fixed_label_noise_hits_a_share_with_another_class_the_same_in_every_epoch():
    size, classes, share = 4000, 5, 0.4
    label, index = jnp.arange(size) % classes, jnp.arange(size)
    noisy = augment.fixed_label_noise({"label": label, "index": index}, share=share, classes=classes)["label"]
    hit = np.asarray(noisy != label)
    assert abs(hit.mean() - share) < 4 * np.sqrt(share * (1 - share) / size)
    shift = np.asarray((noisy - label) % classes)[hit]
    counts = np.bincount(shift, minlength=classes)
    assert counts[0] == 0  # a wrong label is never the right one
    assert np.abs(counts[1:] - hit.sum() / 4).max() < 4 * np.sqrt(hit.sum() * 0.25 * 0.75)
    rows = np.random.default_rng(0).permutation(size)[:64]  # another batch, another epoch
    again = augment.fixed_label_noise({"label": label[rows], "index": index[rows]}, share=share, classes=classes)
    np.testing.assert_array_equal(again["label"], noisy[rows])
    other = augment.fixed_label_noise({"label": label, "index": index}, share=share, classes=classes, seed=1)["label"]
    assert (other != noisy).any()


def test_fixed_label_noise_at_its_limits():
    batch = {"label": jnp.array([0, 2, -1, 3]), "index": jnp.arange(4)}
    same = augment.fixed_label_noise(batch, share=0.0, classes=3)
    np.testing.assert_array_equal(same["label"], batch["label"])
    every = augment.fixed_label_noise(batch, share=1.0, classes=3)["label"]
    assert every[0] != 0
    assert every[1] != 2
    np.testing.assert_array_equal(every[2:], [-1, 3])  # no class: it stays, and the loss tells
    with pytest.raises(ValueError, match="target"):
        augment.fixed_label_noise({**batch, "target": jnp.eye(4)}, share=0.5, classes=3)
    with pytest.raises(ValueError, match="index"):
        augment.fixed_label_noise({"label": batch["label"]}, share=0.5, classes=3)
    with pytest.raises(ValueError, match="classes is 1"):
        augment.fixed_label_noise(batch, share=0.5, classes=1)
