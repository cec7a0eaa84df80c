"""What people hand in by mistake: 0 to 255, standardised images, channels first, a tuple for a batch."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify

from jaxtricks import augment
from tests.cases import family, of_an_image

KEY = jax.random.key(0)
LEVELS = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3)).astype(np.float32)
LEVELS[:, 0, :2] = [[0], [255]]
STANDARD = ((LEVELS / 255 - 0.5) / 0.25).astype(np.float32)  # -2 to 2
IMAGES = {name: case for name, case in family("augment").items() if of_an_image(case) and name != "hsv_to_rgb"}


def is_of_the_range(name):
    """Whether the docstring says that floats lie in [0, 1]."""
    text = (inspect.getdoc(getattr(augment, name)) or "").split("Args:")[-1].split("Returns:")[0]
    return "in [0, 1]" in next((line for line in text.splitlines() if line.strip().startswith("image:")), "")


def call(name, image):
    case = IMAGES[name]
    return case.call(**case.named(case.make(0)) | {"image": image}, **case.options)


def test_the_walk_finds_both_kinds():
    assert {name for name in IMAGES if is_of_the_range(name)} > {"color_jitter", "solarize", "rand_augment", "luma"}
    assert {name for name in IMAGES if not is_of_the_range(name)} > {"cutout", "rotate", "random_resized_crop"}


@pytest.mark.parametrize("name", [name for name in IMAGES if is_of_the_range(name)])
def test_what_works_in_a_range_refuses_floats_outside_of_it(name):
    with pytest.raises(ValueError, match=r"^image holds 0 to 255; allowed: floats in \[0, 1\], or uint8\. Divide by"):
        call(name, LEVELS[1])
    with pytest.raises(ValueError, match=r"^image holds -2 to 2; allowed: .* Standardise after augmentation"):
        call(name, STANDARD[1])


@pytest.mark.parametrize("name", [name for name in IMAGES if not is_of_the_range(name)])
def test_what_moves_pixels_takes_any_range(name):
    assert jax.eval_shape(lambda: call(name, STANDARD[0])).dtype == jnp.float32


def test_what_rounding_leaves_above_one_passes():
    image = jnp.full((2, 2, 1), 1 + 2**-7, jnp.bfloat16)
    assert augment.invert(image).max() < 0
    assert np.isnan(augment.invert(np.full((2, 2, 1), np.nan, np.float32))).all()


def constant(f, image):
    return lambda key: f(key, image)


WAYS = {
    "one image": lambda f, batch: f(KEY, batch["image"][0]),
    "each": lambda f, batch: augment.each(f)(KEY, batch),
    "each, in a loop": lambda f, batch: augment.each(f, loop=True)(KEY, batch),
    "each, one draw": lambda f, batch: augment.each(f, per="batch")(KEY, batch),
    "vmap": lambda f, batch: jax.vmap(f)(jax.random.split(KEY, 2), batch["image"]),
    "a constant under jit": lambda f, batch: jax.jit(constant(f, batch["image"][0]))(KEY),
    "gradient": lambda f, batch: jax.grad(lambda x: f(KEY, x).sum())(batch["image"][0]),
}


@pytest.mark.parametrize("way", WAYS)
def test_values_are_seen_outside_of_jit(way):
    jitter = partial(augment.color_jitter, brightness=0.4, contrast=0.0, saturation=0.0, hue=0.0)
    with pytest.raises(ValueError, match=r"^image holds 0 to 255; allowed"):
        WAYS[way](jitter, {"image": jnp.asarray(LEVELS)})
    WAYS[way](jitter, {"image": jnp.asarray(LEVELS / 255)})


def test_a_compiled_program_is_tried_by_checkify():
    """And costs nothing without: the minimum and the maximum are in no compiled program."""
    jitter = partial(augment.color_jitter, brightness=0.4, contrast=0.0, saturation=0.0, hue=0.0)
    prepare = jax.jit(augment.chain(jitter=augment.each(jitter)))
    tried = checkify.checkify(prepare)
    error, _ = tried(KEY, {"image": LEVELS})
    assert error.get().startswith("image holds 0.0 to 255.0; allowed: floats in [0, 1], or uint8.")
    error, batch = tried(KEY, {"image": LEVELS / 255})
    assert error.get() is None
    np.testing.assert_array_equal(batch["image"], prepare(KEY, {"image": LEVELS / 255})["image"])
    assert "reduce(" not in prepare.lower(KEY, {"image": LEVELS}).compile().as_text()


def test_noise_between_0_and_1_is_for_images_between_0_and_1():
    with pytest.raises(ValueError, match=r"^image holds -2 to 2; allowed"):
        augment.random_erasing(KEY, STANDARD[1], probability=1.0)
    jax.eval_shape(partial(augment.random_erasing, fill=-1.0), KEY, STANDARD[1])


def test_principal_colours_are_those_of_images_between_0_and_1():
    with pytest.raises(ValueError, match=r"^images holds 0 to 255; allowed"):
        augment.fit_color_pca(LEVELS)


@pytest.mark.parametrize("name", IMAGES)
def test_channels_come_last(name):
    with pytest.raises(ValueError, match=r"^image has shape \(3, 6, 8\)"):
        call(name, np.zeros((3, 6, 8), np.float32))


def test_a_batch_with_its_channels_first():
    batch = {"image": np.zeros((2, 3, 6, 8), np.float32), "target": np.eye(2, dtype=np.float32)}
    for f in (augment.each(augment.random_pad_crop), augment.each(augment.random_flip), augment.cutmix):
        with pytest.raises(
            ValueError, match=r"^image has shape \(3, 6, 8\), \[C, H, W\] as it seems; allowed: \[H, W, C\]"
        ):
            f(KEY, batch)
    assert augment.mixup(KEY, batch)["image"].shape == (2, 3, 6, 8)  # right whatever the axes are


def test_many_channels_are_taken_with_a_warning():
    image = np.zeros((6, 8, 12), np.float32)
    with pytest.warns(UserWarning, match=r"^image has shape \(6, 8, 12\): 12 channels as \[H, W, C\]"):
        assert augment.random_pad_crop(KEY, image, padding=1).shape == image.shape


def test_many_masks_are_not_many_channels():
    sample = {"image": jnp.zeros((6, 8, 3)), "mask": jnp.zeros((9, 6, 8), bool)}
    assert augment.flip_sample(sample)["mask"].shape == (9, 6, 8)


PAIR = (jnp.zeros((2, 4, 4, 3)), jnp.eye(2))
BATCHES = {
    "mixup": lambda batch: augment.mixup(KEY, batch),
    "cutmix": lambda batch: augment.cutmix(KEY, batch),
    "remix": lambda batch: augment.remix(KEY, batch, counts=jnp.ones(2)),
    "mosaic": lambda batch: augment.mosaic(KEY, batch),
    "copy_paste": lambda batch: augment.copy_paste(KEY, batch),
    "label_noise": lambda batch: augment.label_noise(KEY, batch, probability=0.5),
    "fixed_label_noise": lambda batch: augment.fixed_label_noise(batch, share=0.5, classes=2),
    "repeat_batch": lambda batch: augment.repeat_batch(batch, times=2),
    "multi_scale": lambda batch: augment.multi_scale(batch, size=2),
    "each": lambda batch: augment.each(augment.random_flip)(KEY, batch),
    "each_sample": lambda batch: augment.each_sample(augment.random_flip_sample)(KEY, batch),
    "chain": lambda batch: augment.chain(flip=augment.each(augment.random_flip))(KEY, batch),
}


@pytest.mark.parametrize("batch", [PAIR, PAIR[0], None], ids=["tuple", "array", "None"])
@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_a_dict(name, batch):
    kind = type(batch).__name__
    with pytest.raises(
        TypeError, match=rf"^batch is a {kind}; allowed: a dict with '(image|target|label)'[a-z_' ]*\.$"
    ):
        BATCHES[name](batch)
