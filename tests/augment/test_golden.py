"""What torchvision, Pillow and scikit-image made of a small photograph: see tests/golden/make_augment.py."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageOps

from jaxtricks import augment, preprocess

GOLDEN = Path(__file__).parents[1] / "golden"
ARRAYS = dict(np.load(GOLDEN / "augment.npz"))
LEVELS = ARRAYS.pop("image")
HEIGHT, WIDTH = SIZE = LEVELS.shape[:2]
WHOLE = jnp.array([0, 0, WIDTH, HEIGHT], jnp.float32)
CROP = jnp.array([7, 5, 37, 25], jnp.float32)
AFFINE = augment.combine(  # torchvision's angle counts clockwise, its shear in degrees against the axis
    augment.shearing(jnp.array([-np.tan(np.deg2rad(8.0)), 0.0]), SIZE),
    augment.scaling(1.25, SIZE),
    augment.rotation(-12.0, SIZE),
    augment.translation(jnp.array([3.0, -2.0])),
)
MATRICES = {
    "rotate 25": augment.rotation(25.0, SIZE),
    "torchvision affine": AFFINE,
    "scikit-image affine": jnp.array([[1.2, 0.3, -6.0], [-0.1, 0.9, 4.5], [0, 0, 1]]),
}

CASES = {
    **{f"brightness {f:g}": lambda x, f=f: augment.adjust_brightness(x, f) for f in (0.4, 1.7)},
    **{f"contrast {f:g}": lambda x, f=f: augment.adjust_contrast(x, f) for f in (0.4, 1.7)},
    **{f"saturation {f:g}": lambda x, f=f: augment.adjust_saturation(x, f) for f in (0.0, 0.4, 1.7)},
    **{f"hue {s:g}": lambda x, s=s: augment.adjust_hue(x, s) for s in (-0.3, 0.1, 0.5)},
    **{f"sharpness {f:g}": lambda x, f=f: augment.adjust_sharpness(x, f) for f in (0.0, 1.9)},
    "smooth": lambda x: augment.adjust_sharpness(x, 0.0),
    "grayscale": augment.grayscale,
    "invert": augment.invert,
    **{f"solarize {t}": lambda x, t=t: augment.solarize(x, np.float32(t / 255)) for t in (64, 128)},
    **{f"posterize {bits}": lambda x, bits=bits: augment.posterize(x, bits) for bits in (1, 2, 4, 7)},
    "autocontrast": augment.autocontrast,
    "equalize": augment.equalize,
    "blur 7 1.2": lambda x: augment.gaussian_blur(x, 1.2, radius=3),
    "rotate 25": lambda x: augment.rotate(x, 25.0),
    "rotate nearest -40": lambda x: augment.rotate(x, -40.0, method="nearest"),
    "torchvision affine": lambda x: augment.warp(x, AFFINE),
    "scikit-image affine": lambda x: augment.warp(x, MATRICES["scikit-image affine"]),
    "resize 13 17": lambda x: augment.resized_crop(x, WHOLE, size=(13, 17)),
    "resize 50 45": lambda x: augment.resized_crop(x, WHOLE, size=(50, 45)),
    "resized_crop": lambda x: augment.resized_crop(x, CROP, size=(16, 20)),
    "evaluation bilinear": lambda x: preprocess.resize_center_crop(x, shorter=24, size=20),
    "evaluation bicubic": lambda x: preprocess.resize_center_crop(x, shorter=24, size=20, method="bicubic"),
    "pad_crop reflect": lambda x: augment.pad_crop(x, jnp.array([1, 7]), padding=4, mode="reflect"),
    "ten_crop": lambda x: augment.ten_crops(x, size=(13, 20)),
    "erase": lambda x: augment.erase_box(x, jnp.array([9, 5, 29, 17]), 128 if x.dtype == jnp.uint8 else 128 / 255),
}
EXACT = (
    "equalize",
    "posterize",
    "solarize",
    "autocontrast",
    "invert",
    "rotate nearest",
    "pad_crop",
    "ten_crop",
    "erase",
)


@pytest.fixture(scope="module")
def ours():
    """Of every case, for floats and for uint8, in two programs."""
    run = jax.jit(lambda x: {name: case(x) for name, case in CASES.items()})
    return {dtype: run(image) for dtype, image in ((jnp.float32, LEVELS / np.float32(255)), (jnp.uint8, LEVELS))}


def interior(name, matrix):
    """Pixels whose four neighbours all lie in the image."""
    ones = np.zeros((*SIZE, 1), np.float32)
    ones[1:-1, 1:-1] = 1
    inside = np.asarray(augment.warp(ones, matrix))[..., 0] == 1
    assert inside.mean() > 0.4, name
    return inside


def tolerance(library, name, dtype):
    """In levels, and the share of pixels that may be further off."""
    if library in ("torchvision", "scikit-image"):  # floats, stored to 1/4095
        if name == "evaluation bicubic":
            return (1.2 if dtype == jnp.float32 else 1.5), 0  # theirs is not cut to the range between the two passes
        if name == "autocontrast" and dtype == jnp.uint8:
            return 1.05, 0  # uint8 is truncated
        return (0.04 if dtype == jnp.float32 else 0.54), 0
    if name == "rotate nearest -40":
        return 1e-3, 0 if library == "torchvision8" else 1e-3  # Pillow counts in fixed point: a pixel may tip
    if name.startswith(EXACT) and not (library == "torchvision8" and name == "autocontrast"):
        return (1e-3 if name != "autocontrast" or dtype == jnp.uint8 else 1), 0
    return (1.001 if dtype == jnp.uint8 else 1.35), 0  # they round or truncate on their way


@pytest.mark.parametrize("golden", ARRAYS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.uint8], ids=["float", "uint8"])
def test_equals_the_golden_array(ours, golden, dtype):
    library, name = golden.split("/")
    name = f"{library} affine" if name == "affine" else name
    assert ours[dtype][name].dtype == dtype
    got = np.asarray(ours[dtype][name], np.float64) * (1 if dtype == jnp.uint8 else 255)
    expected = ARRAYS[golden] * (1.0 if ARRAYS[golden].dtype == np.uint8 else 255 / 4095)
    if name == "ten_crop":  # theirs are the five crops of the mirror image: right before left
        expected = expected[[0, 1, 2, 3, 4, 6, 5, 8, 7, 9]]
    if name in MATRICES:
        inside = interior(name, MATRICES[name])
        got, expected = got[inside], expected[inside]
    atol, share = tolerance(library, name, dtype)
    assert (np.abs(got - expected) > atol).mean() <= share, np.abs(got - expected).max()


def test_autocontrast_equals_pillow_but_where_the_quotient_is_whole():
    """For some lowest and highest levels, all levels between: 255 (level - low) / (high - low), truncated."""
    spans = [(low, high) for low in range(0, 250, 41) for high in range(low + 1, 256, 17)]
    ramps = np.stack([np.linspace(low, high, 256).astype(np.uint8)[None, :, None] for low, high in spans])
    got = np.asarray(jax.jit(jax.vmap(augment.autocontrast))(ramps)).astype(int)
    for (low, high), ramp, out in zip(spans, ramps, got, strict=True):
        pillow = np.asarray(ImageOps.autocontrast(Image.fromarray(ramp[..., 0]))).astype(int)
        whole = 255 * (ramp[..., 0].astype(int) - low) % (high - low) == 0
        np.testing.assert_array_equal(out[..., 0][~whole], pillow[~whole])
        assert set(np.unique((out[..., 0] - pillow)[whole])) <= {0, 1}


def test_where_the_arrays_come_from_is_told():
    told = json.loads((GOLDEN / "augment.json").read_text(encoding="utf-8"))
    assert told["arrays"] == {n: [str(a.dtype), *a.shape] for n, a in ({"image": LEVELS} | ARRAYS).items()}
    assert {"torchvision", "pillow", "scikit-image"} <= set(told["versions"])
    assert (GOLDEN / "augment.npz").stat().st_size < 300_000
