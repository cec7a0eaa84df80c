"""What holds for every augmentation of an image: the properties that each must have.

Those that are not called here with values of their own are called as their case in ``tests/cases/augment.py`` says.
"""

from functools import cache, partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import augment
from tests.cases import family, of_an_image, on_an_image

KEY = jax.random.key(7)
RNG = np.random.default_rng(0)
PCA = augment.fit_color_pca(RNG.random((4, 3, 3, 3)))
CAM = jnp.linspace(0, 1, 20)[None, :] * jnp.ones((4, 1))

# Random functions of one image, (key, image) -> image, that take one channel as well as three.
ANY = {
    "random_flip": augment.random_flip,
    "random_pad_crop": partial(augment.random_pad_crop, padding=2),
    "random_resized_crop": partial(augment.random_resized_crop, size=(5, 6)),
    "random_scaled_crop": augment.random_scaled_crop,
    "random_affine": partial(augment.random_affine, angle=30.0, shift=0.1, scale=(0.8, 1.2), slope=0.1),
    "color_jitter": partial(augment.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    "gaussian_noise": partial(augment.gaussian_noise, std=0.1),
    "random_blur": augment.random_blur,
    "random_erasing": partial(augment.random_erasing, probability=1.0),
    "cutout": partial(augment.cutout, size=3),
    "gridmask": augment.gridmask,
    "rand_augment": augment.rand_augment,
    "trivial_augment": augment.trivial_augment,
    "augmix": augment.augmix,
    "cam_crop": lambda key, image: augment.cam_crop(key, image, CAM, size=5),
}
RGB = {
    "jitter": partial(augment.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, shuffle=True),
    "pca_noise": partial(augment.pca_noise, pca=PCA, std=0.5),
    "random_hsv_power": augment.random_hsv_power,
    "three_augment": augment.three_augment,
    "auto_augment": augment.auto_augment,
}
# Functions of an image alone, (image) -> image.
FIXED = {
    "flip_left_right": augment.flip_left_right,
    "flip_up_down": augment.flip_up_down,
    "pad_crop": lambda x: augment.pad_crop(x, jnp.array([0, 3]), padding=2),
    "resized_crop": lambda x: augment.resized_crop(x, jnp.array([0, 0, 1, 1.0]), size=3),
    "rotate": lambda x: augment.rotate(x, 25.0),
    "translate": lambda x: augment.translate(x, jnp.array([0.5, 1.0])),
    "scale": lambda x: augment.scale(x, jnp.array([0.7, 1.3])),
    "shear": lambda x: augment.shear(x, jnp.array([0.2, -0.1])),
    "adjust_brightness": lambda x: augment.adjust_brightness(x, 1.5),
    "adjust_contrast": lambda x: augment.adjust_contrast(x, 1.5),
    "adjust_sharpness": lambda x: augment.adjust_sharpness(x, 1.9),
    "invert": augment.invert,
    "solarize": lambda x: augment.solarize(x, 0.5),
    "posterize": lambda x: augment.posterize(x, 3),
    "autocontrast": augment.autocontrast,
    "equalize": augment.equalize,
    "gaussian_blur": lambda x: augment.gaussian_blur(x, 1.0, radius=2),
    "mask_grid": lambda x: augment.mask_grid(x, jnp.zeros(2), 3.0),
}
FIXED_RGB = {
    "adjust_saturation": lambda x: augment.adjust_saturation(x, 1.5),
    "adjust_hue": lambda x: augment.adjust_hue(x, 0.2),
    "grayscale": augment.grayscale,
    "hsv_power": lambda x: augment.hsv_power(x, jnp.full(2, 0.5), jnp.full(2, 1.2), jnp.full(2, 0.1), 0.1),
}
POLICIES = ("rand_augment", "trivial_augment", "auto_augment", "augmix")
LEVELS_OFF = {"autocontrast": 1.01, **dict.fromkeys(POLICIES, 2.01)}  # truncated; rounded after each operation
MOVES_ANYTHING = {"random_flip", "random_pad_crop", "flip_left_right", "flip_up_down", "pad_crop"}  # of any dtype


def with_key(functions):
    return {name: lambda key, image, f=f: f(image) for name, f in functions.items()}


HERE = ANY | RGB | with_key(FIXED | FIXED_RGB)
ELSEWHERE = {  # what is no augmentation by itself, and where it is tried
    "luma": "gives brightness, test_color",
    "rgb_to_hsv": "gives another colour space, test_hsv",
    "hsv_to_rgb": "takes another colour space, test_hsv",
    "keyless": "a wrapper, below",
    "maybe": "a wrapper, below",
    "apply_op": "a part of the policies, test_policies",
    "erase_box": "its value is in the units of the image, test_erase",
}
MORE = {
    name: case
    for name, case in family("augment").items()
    if name not in HERE and name not in ELSEWHERE and of_an_image(case)
}
TABLE = HERE | {name: on_an_image(case) for name, case in MORE.items()}
ONLY_RGB = {*RGB, *FIXED_RGB, *(name for name, case in MORE.items() if case.arrays["image"].shape[-1] == 3)}
DRAWN = [*ANY, *RGB, *(name for name, case in MORE.items() if "key" in case.arrays)]
CHANNELS = {name: (3,) if name in ONLY_RGB else (1, 3) for name in TABLE}
CHANNELS["augmix"] = (3,)  # seconds to compile
table = pytest.mark.parametrize("name", TABLE)


@cache
def jitted(name):
    """Compiled once for each shape, whichever test comes first."""
    return jax.jit(TABLE[name])


@table
def test_whatever_the_image_the_result_is_finite_and_in_range(name):
    """Constant, black, white, one pixel, one row of one channel or one column of three."""
    images = [np.full((7, 9, 3), value, np.float32) for value in (0.0, 0.3, 1.0)]
    images += [RNG.random((*shape, 3), dtype=np.float32) for shape in ((1, 1), (7, 9))]
    column = (1, 8, 1) if 1 in CHANNELS[name] else (8, 1, 3)
    images += [np.full(column, 0.3, np.float32), RNG.random(column, dtype=np.float32)]
    for image in images:
        for key in jax.random.split(KEY, 3):
            out = np.asarray(jitted(name)(key, image))
            assert out.ndim == 3
            assert np.isfinite(out).all()
            assert out.min() >= -1e-6
            assert out.max() <= 1 + 1e-6


@table
def test_a_batch_is_its_singles_and_a_key_repeats(name):
    images = RNG.random((3, 7, 9, 3), dtype=np.float32)
    images = np.round(255 * images) / np.float32(255)
    batch = {"image": jnp.asarray(images), "label": jnp.arange(3)}
    out = jax.jit(augment.each(TABLE[name]))(KEY, batch)
    keys = jax.random.split(KEY, 3)
    for i, run in enumerate((TABLE[name], jitted(name))):  # eager = jit = vmap
        single = run(keys[i], batch["image"][i])
        np.testing.assert_allclose(out["image"][i], single, atol=1e-5)
    np.testing.assert_array_equal(out["label"], batch["label"])


@table
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_the_dtype_is_kept(name, dtype):
    image = jnp.asarray(RNG.random((7, 9, 3)), dtype)
    assert jax.eval_shape(TABLE[name], KEY, image).dtype == dtype


@table
def test_uint8_stands_for_255ths_and_is_rounded(name):
    image = np.random.default_rng(1).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    for key in jax.random.split(KEY, 2):
        levels = jitted(name)(key, image)
        floats = np.asarray(jitted(name)(key, image / np.float32(255)))
        assert levels.dtype == jnp.uint8
        assert np.abs(np.asarray(levels, float) - 255 * floats).max() < LEVELS_OFF.get(name, 0.51)


@table
def test_other_integers_are_refused_or_moved_as_they_are(name):
    image = RNG.integers(0, 256, (7, 9, 3)).astype(np.int32)
    if name in MOVES_ANYTHING or (name in MORE and "i" in MORE[name].arrays["image"].dtypes):
        assert TABLE[name](KEY, image).dtype == jnp.int32
    else:
        with pytest.raises(ValueError, match=r"^image has dtype int32"):
            TABLE[name](KEY, image)


@pytest.mark.parametrize("loop", [False, True])
@table
def test_each_is_traced_on_a_part_of_the_batch_a_device(name, loop):
    """Inside shard_map keys and images differ by device, and so must all branches of what is drawn."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,), devices=jax.devices()[:2])
    rows = jax.sharding.PartitionSpec("data")

    def part(keys, images):
        return augment.each(TABLE[name], loop=loop)(keys[0], {"image": images})["image"]

    spread = jax.shard_map(part, mesh=mesh, in_specs=(rows, rows), out_specs=rows)
    for dtype in (jnp.float32, jnp.uint8):
        images = jax.ShapeDtypeStruct((4, 7, 9, 3), dtype)
        assert jax.eval_shape(spread, jax.random.split(KEY, 2), images).dtype == dtype


@table
def test_a_batch_is_no_image(name):
    with pytest.raises(ValueError, match=r"^image has shape \(2, 7, 9, 3\)"):
        TABLE[name](KEY, np.zeros((2, 7, 9, 3), np.float32))


@pytest.mark.parametrize("name", DRAWN)
def test_something_changes(name):
    """No trick does nothing: over some keys, the image changes."""
    image = jnp.asarray(RNG.random((7, 9, 3), dtype=np.float32))
    out = np.stack([jitted(name)(key, image) for key in jax.random.split(KEY, 8)])
    assert out.shape[1:] != image.shape or (out != np.asarray(image)).any()
    assert (out != out[:1]).any(), "and not always alike"


MAGNITUDES = {  # (image, magnitude) -> image: the identity at 0, and further away the larger
    "brightness": lambda x, m: augment.adjust_brightness(x, 1 + m),
    "contrast": lambda x, m: augment.adjust_contrast(x, 1 + m),
    "saturation": lambda x, m: augment.adjust_saturation(x, 1 + m),
    "sharpness": lambda x, m: augment.adjust_sharpness(x, 1 + m),
    "hue": lambda x, m: augment.adjust_hue(x, 0.5 * m),
    "rotate": lambda x, m: augment.rotate(x, 10 * m),
    "translate": lambda x, m: augment.translate(x, jnp.array([4 * m, 0])),
    "scale": lambda x, m: augment.scale(x, 1 + 0.5 * m),
    "shear": lambda x, m: augment.shear(x, jnp.array([0.2 * m, 0])),
    "blur": lambda x, m: augment.gaussian_blur(x, 2 * m, radius=6),
    "noise": lambda x, m: augment.gaussian_noise(KEY, x, std=m),
    "solarize": lambda x, m: augment.solarize(x, 0.81 - 0.6 * m),
    "pca": lambda x, m: augment.pca_shift(x, PCA, m * jnp.ones(3)),
    "grid": lambda x, m: augment.mask_grid(x, jnp.zeros(2), 8.0, keep=1 - m),
    "hsv": lambda x, m: augment.hsv_power(x, jnp.full(2, 1 + m), jnp.ones(2), jnp.zeros(2), 0.0),
}


@pytest.mark.parametrize("name", MAGNITUDES)
def test_the_identity_at_zero_and_monotone(name):
    wave = np.sin(np.arange(24)[:, None, None] / 6 + np.arange(30)[None, :, None] / 8 + np.arange(3) / 2)
    image = jnp.asarray(0.45 + 0.35 * wave, jnp.float32)
    outs = [np.asarray(MAGNITUDES[name](image, m)) for m in (0.0, 0.2, 0.4, 0.8)]
    np.testing.assert_allclose(outs[0], image, atol=3e-6)
    distance = [np.abs(out - np.asarray(image)).mean() for out in outs]
    assert all(b > a + 1e-4 for a, b in pairwise(distance)), distance


LABELLED = {"image": jnp.zeros((4, 2, 2, 3)), "label": jnp.arange(4), "index": jnp.arange(4)}
NUMBERS = {
    "padding": lambda n: augment.random_pad_crop(KEY, jnp.ones((150, 2, 1)), padding=n),
    "radius": lambda n: jax.eval_shape(partial(augment.gaussian_blur, sigma=1.0, radius=n), jnp.ones((2, 2, 1))).shape,
    "tries": lambda n: augment.random_box(KEY, (9, 9), area=(0.1, 0.5), aspect=(0.5, 2.0), tries=n),
    "size": lambda n: augment.five_crops(jnp.ones((101, 102, 1)), size=n),
    "size, a pair": lambda n: augment.random_box(KEY, (n, [n][0]), area=(0.1, 0.5), aspect=(0.5, 2.0)),
    "classes": lambda n: augment.fixed_label_noise(LABELLED, share=0.5, classes=n),
    "count": lambda n: augment.rand_augment(
        KEY, jnp.ones((2, 2, 1)), count=n, ops={"invert": augment.AUTO_OPS["invert"]}
    ),
    "times": lambda n: augment.repeat_batch(LABELLED, times=n),
    "step": lambda n: augment.pick_size(n, sizes=(8, 12), every=n),
    "multiple": lambda n: augment.progressive_size(1, epochs=4, start=99, stop=300, multiple=n),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_whole_numbers_of_numpy_are_those_of_python(name):
    """100 as int8 is more than half of what that holds."""
    expected = jax.tree.leaves(NUMBERS[name](100))
    for kind in (np.int8, np.uint8, np.int64):
        for got, wanted in zip(jax.tree.leaves(NUMBERS[name](kind(100))), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
    for wrong in (True, np.bool_(True), 2.0, np.float32(2), "2", -1):
        with pytest.raises(ValueError, match=rf"^{name.split(',')[0]} is .*; allowed: an integer of \d or more"):
            NUMBERS[name](wrong)


def test_chains_and_maybe_take_all_of_them():
    stages = {
        name: augment.each(augment.maybe(0.5, TABLE[name])) for name in ("color_jitter", "gaussian_noise", "cutout")
    }
    images = RNG.random((4, 7, 9, 3), dtype=np.float32)
    batch = {"image": jnp.asarray(images), "target": jnp.eye(4)}
    run = jax.jit(augment.chain(crop=augment.each(TABLE["random_pad_crop"]), **stages, mixup=augment.mixup))
    out = run(KEY, batch)
    assert out["image"].shape == images.shape
    np.testing.assert_array_equal(out["image"], run(KEY, batch)["image"])


def test_maybe_has_its_probability_and_chain_its_own_keys():
    image = jnp.zeros((2, 2, 1))
    coin = augment.maybe(0.3, lambda key, x: x + 1)
    hits = jax.vmap(lambda k: coin(k, image))(jax.random.split(KEY, 1000))[:, 0, 0, 0]
    assert abs(hits.mean() - 0.3) < 0.06
    draw = augment.each(lambda key, x: x + jax.random.normal(key, x.shape))
    batch = {"image": jnp.zeros((2, 2, 2, 1))}
    alone = augment.chain(a=draw)(KEY, batch)["image"]
    both = augment.chain(b=draw, a=draw)(KEY, batch)["image"] - augment.chain(b=draw)(KEY, batch)["image"]
    np.testing.assert_allclose(alone, both, atol=1e-6)
    np.testing.assert_array_equal(augment.chain()(KEY, batch)["image"], batch["image"])
    with pytest.raises(TypeError, match=r"^chain: a "):
        augment.chain(a=None)
    with pytest.raises(ValueError, match=r"^probability "):
        augment.maybe(1.5, draw)
    with pytest.raises(ValueError, match=r"^batch"):
        draw(KEY, {"image": jnp.zeros((2, 2, 1))})


def test_keyless_does_not_use_its_key():
    image = jnp.arange(12.0).reshape(2, 2, 3) / 12
    for key in (None, KEY):
        np.testing.assert_array_equal(augment.keyless(augment.flip_up_down)(key, image), image[::-1])


def test_labels_follow_a_movement_and_every_second_epoch():
    """Two to the right and three down: (1, 1) is then (3, 4), and (4, 1) lies outside of what is six wide."""
    matrix = jnp.array([[1.0, 0, 2], [0, 1, 3], [0, 0, 1]])
    sample = {"keypoint": jnp.array([[1.0, 1.0], [4.0, 1.0]]), "visible": jnp.array([True, True])}
    moved = augment.move_labels(sample, matrix, size=(8, 6))
    np.testing.assert_allclose(moved["keypoint"], [[3, 4], [6, 4]])
    np.testing.assert_array_equal(moved["visible"], [True, False])

    image = jnp.arange(12.0).reshape(2, 2, 3) / 12
    for index in range(4):
        views = [
            augment.alternating_flip_sample({"image": image, "index": jnp.int32(index), "epoch": jnp.int32(epoch)})
            for epoch in range(4)
        ]
        for epoch, view in enumerate(views):
            flat = augment.alternating_flip(image, index, epoch)
            np.testing.assert_array_equal(view["image"], flat)
        np.testing.assert_array_equal(views[0]["image"], views[2]["image"])
        np.testing.assert_array_equal(views[1]["image"], views[0]["image"][:, ::-1])
