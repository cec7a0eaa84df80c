import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxtricks import augment

IMAGE = np.random.default_rng(0).random((40, 60, 2), dtype=np.float32) * 0.9 + 0.05
KEYS = jax.random.split(jax.random.key(0), 1500)


def erased(function):
    """Which pixels of a black image each key changes, ``[keys, H, W]``."""
    black = jnp.zeros((40, 60, 1))
    return np.asarray(jax.jit(jax.vmap(lambda k: function(k, black)))(KEYS))[..., 0] != 0


def test_erase_by_hand():
    out = np.asarray(augment.erase_box(IMAGE, jnp.array([2, 1, 5, 3]), 0.5))
    expected = IMAGE.copy()
    expected[1:3, 2:5] = 0.5
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(
        augment.erase_box(IMAGE, jnp.array([2, 1, 5, 3]), 1 - IMAGE)[1:3, 2:5], 1 - IMAGE[1:3, 2:5]
    )
    np.testing.assert_array_equal(augment.erase_box(IMAGE, jnp.array([-5, -5, 0, 9]), 0.5), IMAGE)
    np.testing.assert_array_equal(augment.erase_box(IMAGE, jnp.array([3, 3, 3, 3]), 0.5), IMAGE)


def test_random_erasing_has_its_probability_area_and_aspect():
    """A large image, so that whole pixels do not show; without erased draws the box is a rectangle."""
    size = (400, 400)
    options = {"area": (0.05, 0.2), "aspect": (0.5, 2.0), "fill": 1.0, "probability": 0.4}
    black = jnp.zeros((*size, 1))

    def extents(key):
        changed = augment.random_erasing(key, black, **options)[..., 0] != 0
        return changed.any(1).sum(), changed.any(0).sum(), changed.sum()

    height, width, count = map(
        np.asarray, jax.jit(lambda keys: jax.lax.map(jax.vmap(extents), keys))(KEYS.reshape(15, 100))
    )
    height, width, count = height.ravel(), width.ravel(), count.ravel()
    np.testing.assert_array_equal(height * width, count)
    hit = count > 0
    assert abs(hit.mean() - 0.4) < 4 * np.sqrt(0.24 / len(KEYS))
    assert stats.kstest(count[hit] / 400**2, stats.uniform(0.05, 0.15).cdf).pvalue > 1e-3
    ratio = np.log(width[hit] / height[hit])
    assert stats.kstest(ratio, stats.uniform(-np.log(2), 2 * np.log(2)).cdf).pvalue > 1e-3


def test_random_erasing_fills():
    one = augment.random_erasing(KEYS[0], IMAGE, probability=1.0, area=(1.0, 1.0), aspect=(1.5, 1.5))
    assert stats.kstest(np.asarray(one).ravel(), "uniform").pvalue > 1e-3
    flat = augment.random_erasing(KEYS[0], IMAGE, probability=1.0, area=(1.0, 1.0), aspect=(1.5, 1.5), fill=0.25)
    np.testing.assert_array_equal(flat, 0.25)


def test_random_erasing_leaves_the_image_where_nothing_fits():
    out = augment.random_erasing(KEYS[0], IMAGE, probability=1.0, area=(1.0, 1.0), aspect=(0.1, 0.2))
    np.testing.assert_array_equal(out, IMAGE)
    np.testing.assert_array_equal(augment.random_erasing(KEYS[0], IMAGE, probability=0.0), IMAGE)


@pytest.mark.parametrize("size", [7, 8, (4, 10), 500])
def test_cutout_is_a_box_about_a_uniform_pixel(size):
    height, width = (size, size) if isinstance(size, int) else size
    changed = erased(lambda k, x: augment.cutout(k, x, size=size, fill=1.0))
    rows, columns = changed.any(2), changed.any(1)
    np.testing.assert_array_equal(rows[:, :, None] & columns[:, None, :], changed)
    assert rows.sum(1).max() == min(height, 40)
    assert columns.sum(1).max() == min(width, 60)
    if size != 500:  # a pixel is cut if the centre is one of as many pixels as the box has, less those outside
        expected = np.array([sum(0 <= x + width // 2 - i < 60 for i in range(width)) for x in range(60)]) / 60
        spread = 5 * np.sqrt(expected * (1 - expected) / len(KEYS)) + 1e-9
        assert (np.abs(columns.mean(0) - expected) < spread).all()


def test_mask_grid_by_hand():
    out = augment.mask_grid(jnp.ones((6, 8, 1)), jnp.array([1.0, 0]), 4.0, keep=0.5)
    expected = np.ones((6, 8))
    expected[np.ix_([2, 3], [0, 3, 4, 7])] = 0
    np.testing.assert_array_equal(out[..., 0], expected)


def test_gridmask_keeps_its_share():
    changed = erased(lambda k, x: augment.gridmask(k, x, unit=(0.3, 0.5), keep=0.6, fill=1.0))
    np.testing.assert_allclose(changed.mean(0), 0.16, atol=0.06)
    np.testing.assert_allclose(changed.mean(), 0.16, atol=0.01)
    half = erased(lambda k, x: augment.gridmask(k, x, probability=0.5, fill=1.0)).any((1, 2)).mean()
    assert 0.44 < half < 0.56
    np.testing.assert_array_equal(augment.gridmask(KEYS[0], IMAGE, keep=1.0), IMAGE)


FILLS = {
    "cutout": lambda image, fill: augment.cutout(KEYS[0], image, size=4, fill=fill),
    "gridmask": lambda image, fill: augment.gridmask(KEYS[0], image, fill=fill),
    "mask_grid": lambda image, fill: augment.mask_grid(image, jnp.zeros(2), 4.0, fill=fill),
    "random_erasing": lambda image, fill: augment.random_erasing(KEYS[0], image, probability=1.0, fill=fill),
}


@pytest.mark.parametrize("call", FILLS.values(), ids=FILLS)
def test_a_fill_is_what_the_dtype_holds(call):
    levels = np.full((8, 8, 3), 7, np.uint8)
    assert set(np.unique(call(levels, 200))) == {7, 200}
    for fill in (0.5, 300, -1):
        with pytest.raises(ValueError, match=f"^fill is {fill}; allowed for uint8: an integer, 0 to 255"):
            call(levels, fill)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.erase_box(IMAGE, jnp.zeros(3), 0.0), "box"),
        (lambda: augment.erase_box(IMAGE, jnp.zeros(4), jnp.zeros(2)), "value"),
        (lambda: augment.random_erasing(KEYS[0], IMAGE, probability=2.0), "probability"),
        (lambda: augment.random_erasing(KEYS[0], IMAGE, fill="pixel"), "fill"),
        (lambda: augment.random_erasing(KEYS[0], IMAGE, area=(0.5, 0.2)), "area"),
        (lambda: augment.cutout(KEYS[0], IMAGE, size=0), "size"),
        (lambda: augment.cutout(KEYS[0], IMAGE.astype(int), size=4), "image"),
        (lambda: augment.mask_grid(IMAGE, jnp.zeros(2), -1.0), "unit"),
        (lambda: augment.gridmask(KEYS[0], IMAGE, unit=(0.0, 1.0)), "unit"),
        (lambda: augment.gridmask(KEYS[0], IMAGE, keep=1.5), "keep"),
        (lambda: augment.in_box((0, 3), jnp.zeros(4)), "size"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
