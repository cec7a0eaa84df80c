import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats
from skimage import transform

from jaxtricks import augment

RNG = np.random.default_rng(0)
IMAGE = ndimage.gaussian_filter(RNG.random((24, 31, 2)), (2, 2, 0)).astype(np.float32)
KEYS = jax.random.split(jax.random.key(0), 2000)
SIZE = (24, 31)


def interior(array, margin):
    return np.asarray(array)[margin:-margin, margin:-margin]


@pytest.mark.parametrize("angle", [-170.0, -30.0, 0.0, 12.5, 180.0, 400.0])
@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_rotate_equals_pil(angle, method):
    resample = {"bilinear": Image.BILINEAR, "nearest": Image.NEAREST}[method]
    got = np.asarray(augment.rotate(IMAGE, angle, method=method))
    for channel in range(2):
        expected = np.asarray(Image.fromarray(IMAGE[..., channel]).rotate(angle, resample))
        different = np.abs(got[..., channel] - expected) > 1e-3  # PIL: coordinates in fixed point, nearest may tip
        assert different.mean() < (0.01 if method == "nearest" else 0.002)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (0.25, 1.5)])
@pytest.mark.parametrize("slope", [(0, 0), (0.3, -0.2)])
@pytest.mark.parametrize("factor", [1.0, 1.7])
def test_affine_equals_scipy(shift, slope, factor):
    """Scipy counts from pixel centres and maps output to input, rows first."""
    shift, slope = (jnp.array(v, jnp.float32) for v in (shift, slope))
    parts = augment.shearing(slope, SIZE), augment.scaling(factor, SIZE), augment.translation(shift)
    matrix = augment.combine(*parts)
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    back = swap @ np.linalg.inv(half) @ np.linalg.inv(np.asarray(matrix, np.float64)) @ half @ swap
    got = augment.warp(IMAGE, matrix)
    for channel in range(2):
        expected = ndimage.affine_transform(IMAGE[..., channel].astype(np.float64), back, order=1, cval=np.nan)
        known = np.isfinite(expected)
        assert known.mean() > 0.4
        np.testing.assert_allclose(np.asarray(got[..., channel])[known], expected[known], atol=1e-4)


def test_rotation_matrix_equals_skimage():
    center = np.array([31, 24]) / 2
    back = transform.SimilarityTransform(translation=center)
    turn = transform.SimilarityTransform(rotation=-np.deg2rad(25))
    expected = back.params @ turn.params @ np.linalg.inv(back.params)
    np.testing.assert_allclose(augment.rotation(25.0, SIZE), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (lambda x: augment.rotate(x, 90.0), lambda x: np.rot90(x)),
        (lambda x: augment.rotate(x, 180.0), lambda x: x[::-1, ::-1]),
        (lambda x: augment.translate(x, jnp.array([1, 2])), lambda x: np.pad(x, ((2, 0), (1, 0), (0, 0)))[:8, :8]),
        (lambda x: augment.warp(x, augment.mirroring((8, 8))), lambda x: x[:, ::-1]),
        (
            lambda x: augment.warp(x, augment.cropping(jnp.array([2, 1, 6, 4]), (3, 4)), size=(3, 4)),
            lambda x: x[1:4, 2:6],
        ),
        (lambda x: augment.scale(x, 2.0, method="nearest"), lambda x: x[2:6, 2:6].repeat(2, 0).repeat(2, 1)),
        (lambda x: augment.shear(x, jnp.array([1.0, 0])), None),
    ],
)
def test_movements_of_whole_pixels(move, expected):
    square = RNG.random((8, 8, 3)).astype(np.float32)
    if expected is None:  # each row moves by its distance from the middle: -3.5 ... 3.5
        got = np.asarray(move(square))
        np.testing.assert_allclose(got[4, 1:, 0], 0.5 * (square[4, :-1, 0] + square[4, 1:, 0]), atol=1e-5)
    else:
        np.testing.assert_allclose(move(square), expected(square), atol=2e-5)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_the_identity_is_exact(method):
    for move in (
        lambda x: augment.rotate(x, 0.0, method=method),
        lambda x: augment.scale(x, 1.0, method=method),
        lambda x: augment.shear(x, jnp.zeros(2), method=method),
        lambda x: augment.translate(x, jnp.zeros(2), method=method),
        lambda x: augment.random_affine(KEYS[0], x, method=method),
    ):
        np.testing.assert_array_equal(move(IMAGE), IMAGE)


def test_a_chain_in_one_resampling_is_sharper_than_one_after_another():
    """There and back: composed it is exact, one after another it is blurred."""
    there, back = augment.rotation(17.0, SIZE), augment.rotation(-17.0, SIZE)
    fused = interior(augment.warp(IMAGE, augment.combine(there, back)), 8)
    twice = interior(augment.warp(augment.warp(IMAGE, there), back), 8)
    np.testing.assert_allclose(fused, interior(IMAGE, 8), atol=1e-4)
    assert np.abs(twice - interior(IMAGE, 8)).max() > 1e-3


def test_combine_and_inverse():
    matrices = [augment.random_matrix(k, SIZE, angle=50, shift=0.2, scale=(0.5, 2), slope=0.3) for k in KEYS[:3]]
    first, second, third = (np.asarray(m, np.float64) for m in matrices)
    np.testing.assert_allclose(augment.combine(*matrices), third @ second @ first, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(augment.inverse(matrices[0]), np.linalg.inv(first), rtol=1e-4, atol=1e-4)


def test_fill_and_nothing_finite():
    out = augment.translate(IMAGE, jnp.array([100.0, 0]), fill=0.5)
    np.testing.assert_array_equal(out, 0.5)
    np.testing.assert_array_equal(augment.scale(IMAGE, 0.0, fill=0.25), 0.25)


def test_integers_move_by_nearest():
    classes = RNG.integers(0, 5, (24, 31, 1))
    out = augment.rotate(classes, 30.0, method="nearest", fill=255)
    assert out.dtype == jnp.asarray(classes).dtype
    assert set(np.unique(out)) <= {0, 1, 2, 3, 4, 255}


def test_gradients():
    square = jnp.asarray(IMAGE[:5, :5])
    chex.assert_numerical_grads(lambda x: augment.rotate(x, 20.0), (square,), order=1, eps=1e-2, rtol=2e-2)

    def loss(angle):
        return (augment.rotate(IMAGE, angle) ** 2)[6:-6, 6:-6].sum()

    slope = (loss(10.05) - loss(9.95)) / 0.1
    np.testing.assert_allclose(jax.grad(loss)(10.0), slope, rtol=0.05, atol=1e-3)


def test_random_matrix_draws_its_ranges():
    def parts(key):
        matrix = augment.random_matrix(key, (100, 200), angle=30.0, shift=0.1, scale=(0.5, 1.5))
        size = jnp.sqrt(matrix[0, 0] ** 2 + matrix[0, 1] ** 2)
        center = augment.move_points(jnp.array([100.0, 50.0]), matrix)
        return jnp.rad2deg(jnp.arctan2(matrix[0, 1], matrix[0, 0])), size, center - jnp.array([100.0, 50.0])

    angle, size, shift = jax.vmap(parts)(KEYS)
    for drawn, low, high in ((angle, -30, 30), (size, 0.5, 1.5), (shift[:, 0], -20, 20), (shift[:, 1], -10, 10)):
        assert stats.kstest(np.asarray(drawn), stats.uniform(low, high - low).cdf).pvalue > 1e-3
    slopes = jax.vmap(lambda k: augment.random_matrix(k, (9, 9), slope=0.3)[jnp.array([0, 1]), jnp.array([1, 0])])(KEYS)
    assert stats.kstest(np.asarray(slopes).ravel(), stats.uniform(-0.3, 0.6).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.rotate(IMAGE[0], 3.0), "image"),
        (lambda: augment.rotate(IMAGE, jnp.ones(2)), "angle"),
        (lambda: augment.rotate(IMAGE, 3.0, method="cubic"), "method"),
        (lambda: augment.rotate(np.ones((3, 3, 1), int), 3.0), "image"),
        (lambda: augment.translate(IMAGE, jnp.ones(3)), "shift"),
        (lambda: augment.scale(IMAGE, jnp.ones((2, 2))), "factor"),
        (lambda: augment.scale(IMAGE, jnp.ones(3)), "factor"),
        (lambda: augment.shear(IMAGE, 1.0), "slope"),
        (lambda: augment.warp(IMAGE, jnp.eye(2)), "matrix"),
        (lambda: augment.warp(IMAGE, jnp.eye(3), size=(0, 3)), "size"),
        (lambda: augment.warp(IMAGE, jnp.eye(3), size=0), "size"),
        (lambda: augment.combine(), "matrices"),
        (lambda: augment.combine(jnp.eye(2)), "matrix"),
        (lambda: augment.cropping(jnp.ones(3), (2, 2)), "box"),
        (lambda: augment.random_affine(KEYS[0], IMAGE, angle=200.0), "angle"),
        (lambda: augment.random_affine(KEYS[0], IMAGE, shift=-1.0), "shift"),
        (lambda: augment.random_affine(KEYS[0], IMAGE, scale=(0.0, 1.0)), "scale"),
        (lambda: augment.random_affine(KEYS[0], IMAGE, slope=-1.0), "slope"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
