import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import augment

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
CAM = np.zeros((5, 10), np.float32)
CAM[1:3, 4:7] = 0.5
CAM[2, 5] = 1.0


def test_class_activation_equals_the_loop():
    features, weights = RNG.normal(size=(3, 4, 6)).astype(np.float32), RNG.normal(size=6).astype(np.float32)
    expected = np.array([[max(0, sum(features[i, j] * weights)) for j in range(4)] for i in range(3)])
    got = augment.class_activation(features, weights)
    np.testing.assert_allclose(got, expected / expected.max(), atol=1e-5)
    assert got.max() == 1
    np.testing.assert_array_equal(augment.class_activation(np.abs(features), -np.abs(weights)), 0)


def test_class_activation_stops_the_gradient():
    grad = jax.grad(lambda f: augment.class_activation(f, jnp.ones(2)).sum())(jnp.ones((2, 2, 2)))
    np.testing.assert_array_equal(grad, 0)


@pytest.mark.parametrize(
    ("threshold", "margin", "expected"),
    [
        (0.4, 0.0, (16, 8, 28, 24)),  # cells of 4 x 8 pixels
        (0.6, 0.0, (20, 16, 24, 24)),
        (0.4, 0.5, (10, 0, 34, 32)),
        (0.4, 9.0, (0, 0, 40, 40)),
        (0.0, 0.0, (0, 0, 40, 40)),
    ],
)
def test_cam_box_by_hand(threshold, margin, expected):
    np.testing.assert_allclose(augment.cam_box(CAM, threshold, size=(40, 40), margin=margin), expected, atol=1e-5)


def test_a_constant_map_gives_the_whole_image():
    for cam in (np.zeros((4, 4), np.float32), np.full((4, 4), 0.3, np.float32)):
        np.testing.assert_array_equal(augment.cam_box(cam, 0.5, size=(12, 20)), [0, 0, 20, 12])


def test_cam_crop_is_the_crop_of_its_box_and_draws_its_threshold():
    image = RNG.random((40, 40, 3), dtype=np.float32)
    got = augment.cam_crop(KEY, image, CAM, size=8, threshold=(0.6, 0.9), margin=0.0)
    expected = augment.resized_crop(image, jnp.array([20, 16, 24, 24.0]), size=8)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    keys = jax.random.split(KEY, 200)
    out = jax.jit(jax.vmap(lambda k: augment.cam_crop(k, image, CAM, size=8, threshold=(0.4, 0.6), margin=0.0)))(keys)
    small = np.isclose(out, expected[None], atol=1e-5).all((1, 2, 3)).mean()
    assert 0.38 < small < 0.62


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.class_activation(jnp.ones((2, 2)), jnp.ones(2)), "features"),
        (lambda: augment.class_activation(jnp.ones((2, 2, 3)), jnp.ones(2)), "weights"),
        (lambda: augment.cam_box(CAM[None], 0.5, size=(4, 4)), "cam"),
        (lambda: augment.cam_box(CAM, 1.5, size=(4, 4)), "threshold"),
        (lambda: augment.cam_box(CAM, 0.5, size=(4, 4), margin=-1.0), "margin"),
        (lambda: augment.cam_crop(KEY, jnp.ones((4, 4, 1)), CAM, size=0), "size"),
        (lambda: augment.cam_crop(KEY, jnp.ones((4, 4, 1)), CAM, size=4, threshold=(0.6, 0.4)), "threshold"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
