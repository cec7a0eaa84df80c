"""Operations against Pillow, one after another; tables against torchvision's; then what the policies draw."""

import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage, stats

from jaxtricks import augment

RNG = np.random.default_rng(0)
SMOOTH = ndimage.gaussian_filter(RNG.random((24, 24, 3)), (2, 2, 0))
LEVELS = np.round(255 * (SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH)).astype(np.uint8)
IMAGE = (LEVELS / 255).astype(np.float32)
PICTURE = Image.fromarray(LEVELS)
KEYS = jax.random.split(jax.random.key(0), 1000)


def shift(x, y):
    return PICTURE.transform((24, 24), Image.AFFINE, (1, 0, -x, 0, 1, -y))


def sheared(x, y):
    """About the corner; PIL maps the result to the image."""
    there = np.array([[1, x, 0], [y, 1, 0], [0, 0, 1]])
    return PICTURE.transform((24, 24), Image.AFFINE, np.linalg.inv(there)[:2].ravel().tolist())


def enhanced(kind, amount):
    return kind(PICTURE).enhance(1 + amount)


# name: (strength, sign) -> picture, and the levels by which rounding may differ, for RAND_OPS
PILLOW = {
    "identity": (lambda m, s: PICTURE, 0),
    "shear_x": (lambda m, s: sheared(0.3 * m * s, 0), 0),
    "shear_y": (lambda m, s: sheared(0, 0.3 * m * s), 0),
    "translate_x": (lambda m, s: shift(int(150 / 331 * 24 * m * s), 0), 0),
    "translate_y": (lambda m, s: shift(0, int(150 / 331 * 24 * m * s)), 0),
    "rotate": (lambda m, s: PICTURE.rotate(30 * m * s), 0),
    "brightness": (lambda m, s: enhanced(ImageEnhance.Brightness, 0.9 * m * s), 2),
    "saturation": (lambda m, s: enhanced(ImageEnhance.Color, 0.9 * m * s), 2),
    "contrast": (lambda m, s: enhanced(ImageEnhance.Contrast, 0.9 * m * s), 2),
    "sharpness": (lambda m, s: enhanced(ImageEnhance.Sharpness, 0.9 * m * s), 2),
    "posterize": (lambda m, s: ImageOps.posterize(PICTURE, 8 - round(4 * m)), 0),
    "solarize": (lambda m, s: ImageOps.solarize(PICTURE, np.ceil(255 * (1 - m) - 1e-4)), 0),
    "autocontrast": (lambda m, s: ImageOps.autocontrast(PICTURE), 1),
    "equalize": (lambda m, s: ImageOps.equalize(PICTURE), 0),
}


@pytest.fixture(scope="module")
def apply():
    return jax.jit(lambda choice, strength, sign: augment.apply_op(IMAGE, choice, strength, sign, ops=augment.RAND_OPS))


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize(("strength", "sign"), [(0.3, 1), (0.3, -1), (0.8, -1), (1.0, 1)])
def test_operations_equal_pillow(apply, name, strength, sign):
    expected, slack = PILLOW[name]
    got = 255 * np.asarray(apply(list(augment.RAND_OPS).index(name), strength, sign))
    different = np.abs(got - np.asarray(expected(strength, sign), np.float64)) > slack + 0.01
    assert different.mean() < 0.01, "nearest pixels may tip at edges"


@pytest.mark.parametrize("ops", [augment.RAND_OPS, augment.WIDE_OPS])
def test_operations_do_nothing_at_strength_zero(ops):
    dimmed = IMAGE * 0.9  # solarize inverts what is 1, at any strength, as torchvision's does
    dimmed = np.round(255 * dimmed) / 255
    out = jax.jit(jax.vmap(lambda c: augment.apply_op(dimmed, c, 0.0, 1.0, ops=ops)))(jnp.arange(len(ops)))
    for name, image in zip(ops, out, strict=True):
        if name not in ("autocontrast", "equalize"):
            np.testing.assert_allclose(image, dimmed, atol=1e-6, err_msg=name)


def test_wide_operations_at_full_strength():
    """32 pixels, 135 degrees, 0.99 pixels a pixel, 2 bits, factors of 1.99."""
    full = jax.jit(lambda c, x: augment.apply_op(x, c, 1.0, 1.0, ops=augment.WIDE_OPS))
    wide = RNG.integers(0, 256, (41, 41, 3)).astype(np.uint8)
    picture = Image.fromarray(wide)
    out = {name: np.asarray(full(i, wide)) for i, name in enumerate(augment.WIDE_OPS)}
    np.testing.assert_array_equal(out["translate_x"][:, 32:], wide[:, :9])
    np.testing.assert_array_equal(out["translate_y"][32:], wide[:9])
    np.testing.assert_array_equal(out["posterize"], wide // 64 * 64)
    np.testing.assert_allclose(out["brightness"], np.clip(1.99 * wide, 0, 255), atol=0.51)
    for name, expected in {
        "rotate": picture.rotate(135.0),
        "shear_x": picture.transform((41, 41), Image.AFFINE, (1, -0.99, 0, 0, 1, 0)),
        "shear_y": picture.transform((41, 41), Image.AFFINE, (1, 0, 0, -0.99, 1, 0)),
    }.items():
        assert (out[name] != np.asarray(expected)).any(-1).mean() < 0.01, f"{name}: nearest pixels may tip at edges"
    for name, kind in (
        ("saturation", ImageEnhance.Color),
        ("contrast", ImageEnhance.Contrast),
        ("sharpness", ImageEnhance.Sharpness),
    ):
        np.testing.assert_allclose(out[name], np.asarray(kind(picture).enhance(1.99), float), atol=2.01, err_msg=name)


GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "policies.json").read_text(encoding="utf-8"))
OTHER_NAMES = {"Color": "saturation", "AutoContrast": "autocontrast"}


def ours(name):
    """An operation's name here: TranslateX is translate_x."""
    return OTHER_NAMES.get(name) or re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize(
    ("policy", "name"), [(augment.IMAGENET_POLICY, "imagenet"), (augment.CIFAR10_POLICY, "cifar10")]
)
def test_policies_are_torchvisions(policy, name):
    """None, of an operation without magnitudes, is level 0 here."""
    expected = [[(ours(op), chance, level or 0) for op, chance, level in pair] for pair in GOLDEN["policies"][name]]
    assert [list(pair) for pair in policy] == expected


@pytest.mark.parametrize("table", GOLDEN["ranges"])
def test_tables_have_torchvisions_magnitudes(table):
    ops, expected = getattr(augment, table), {ours(name): about for name, about in GOLDEN["ranges"][table].items()}
    assert set(ops) == set(expected)
    for name, (magnitudes, signed) in expected.items():
        op = ops[name]
        assert op.signed == signed, name
        amounts = op.low + np.linspace(0, 1, len(magnitudes)) * (op.high - op.low)
        if name == "posterize":
            amounts = np.round(amounts)
        if name == "solarize":
            amounts = 255 * amounts
        if name.startswith("translate") and table != "WIDE_OPS":  # parts of the size, not pixels
            amounts = 100 * amounts
        np.testing.assert_allclose(amounts, magnitudes, rtol=1e-5, atol=1e-4, err_msg=name)


MARKS = {f"add {i}": augment.Op(lambda image, amount: image + amount, 0.0, 10.0**i) for i in range(3)}
SIGNED = {"add": augment.Op(lambda image, amount: image + amount, 0.0, 1.0, signed=True)}
ZERO = jnp.zeros((1, 1, 3))


def test_rand_augment_draws_its_operations_alike():
    out = jax.jit(jax.vmap(lambda k: augment.rand_augment(k, ZERO, count=2, strength=1.0, ops=MARKS)))(KEYS)
    sums, counts = np.unique(np.round(np.asarray(out)[:, 0, 0, 0]), return_counts=True)
    np.testing.assert_array_equal(sums, [2, 11, 20, 101, 110, 200])
    assert stats.chisquare(counts, np.array([1, 2, 1, 2, 2, 1]) / 9 * 1000).pvalue > 1e-3


def test_signs_are_drawn_and_strength_is_given():
    out = jax.vmap(lambda k: augment.rand_augment(k, ZERO, count=1, strength=0.25, ops=SIGNED))(KEYS)[:, 0, 0, 0]
    np.testing.assert_allclose(np.abs(out), 0.25)
    assert 0.44 < (out > 0).mean() < 0.56


def test_trivial_augment_draws_thirty_one_strengths():
    out = jax.vmap(lambda k: augment.trivial_augment(k, ZERO, ops={"add": MARKS["add 0"]}))(KEYS)[:, 0, 0, 0]
    level = np.asarray(out) * 30
    np.testing.assert_allclose(level, np.round(level), atol=1e-4)
    np.testing.assert_allclose([level.min(), level.max()], [0, 30], atol=1e-4)
    assert stats.chisquare(np.bincount(np.round(level).astype(int), minlength=31)).pvalue > 1e-3


def test_one_key_for_the_batch_gives_one_operation():
    images = jnp.stack([ZERO] * 4)
    out = jax.vmap(lambda k, x: augment.rand_augment(k, x, strength=1.0, ops=MARKS), (None, 0))(KEYS[0], images)
    assert len(np.unique(out)) == 1


def test_augmix_is_a_mixture_of_the_image_and_its_chains():
    """With an operation that gives 1 the chains are 1 whatever they do: the result is m, Beta(1, 1)."""
    ones = {"ones": augment.Op(lambda image, amount: jnp.ones_like(image))}
    out = jax.jit(jax.vmap(lambda k: augment.augmix(k, ZERO, ops=ones)))(KEYS)[:, 0, 0, 0]
    assert stats.kstest(np.asarray(out), "uniform").pvalue > 1e-3
    same = {"same": augment.Op(lambda image, amount: image)}
    np.testing.assert_allclose(augment.augmix(KEYS[0], IMAGE, ops=same), IMAGE, atol=1e-6)


def test_augmix_chains_have_one_to_depth_steps_of_their_strengths():
    """One chain of an operation that adds 1 to red and the amount to green; blue becomes 1: it shows the share."""
    red, green, blue = jnp.eye(3)[:, None, None, :]
    count = {"count": augment.Op(lambda x, amount: x * (1 - blue) + 0.1 * red + amount * green + blue, 0.0, 1.0)}
    out = np.asarray(jax.jit(jax.vmap(lambda k: augment.augmix(k, ZERO, ops=count, width=1)))(KEYS))[:, 0, 0]
    red, green, _ = (out / out[:, 2:])[out[:, 2] > 1e-3].T
    steps = np.round(10 * red).astype(int)
    assert stats.chisquare(np.bincount(steps, minlength=4)[1:]).pvalue > 1e-3
    assert stats.kstest(green[steps == 1], stats.uniform(0.01, 0.29).cdf).pvalue > 1e-3


def test_three_augment_is_one_of_three():
    out = np.asarray(jax.jit(jax.vmap(lambda k: augment.three_augment(k, IMAGE)))(KEYS[:300]))
    gray = np.isclose(out, augment.grayscale(IMAGE)[None], atol=1e-6).all((1, 2, 3))
    solar = np.isclose(out, ImageOps.solarize(PICTURE, 128) / np.float32(255), atol=1e-6).all((1, 2, 3))
    rest = out[~gray & ~solar]
    assert stats.chisquare([gray.sum(), solar.sum(), len(rest)]).pvalue > 1e-3
    assert (np.abs(np.diff(rest, axis=1)).mean((1, 2, 3)) <= np.abs(np.diff(IMAGE, axis=0)).mean() + 1e-6).all()


TOY = (
    (("double", 1.0, 9), ("add", 1.0, 3)),
    (("add", 0.5, 9), ("double", 0.0, 0)),
)
TOY_OPS = {
    "unused": augment.Op(lambda image, amount: image * jnp.nan),
    "add": augment.Op(lambda image, amount: image + amount, 0.0, 9.0),
    "double": augment.Op(lambda image, amount: image * 2),
}


def test_auto_augment_follows_its_table():
    """1 becomes 2 * 1 + 3 with the first pair; 1 + 9 or 1 with the second."""
    one = jnp.ones((1, 1, 3))
    out = jax.jit(jax.vmap(lambda k: augment.auto_augment(k, one, policy=TOY, ops=TOY_OPS)))(KEYS)[:, 0, 0, 0]
    values, counts = np.unique(np.round(np.asarray(out), 3), return_counts=True)
    np.testing.assert_allclose(values, [1, 5, 10])
    assert stats.chisquare(counts, [250, 500, 250]).pvalue > 1e-3


@pytest.mark.parametrize("policy", [augment.IMAGENET_POLICY, augment.CIFAR10_POLICY])
def test_learned_policies_give_images(policy):
    out = jax.jit(jax.vmap(lambda k: augment.auto_augment(k, IMAGE, policy=policy)))(KEYS[:8])
    assert np.isfinite(out).all()


def test_repeat_batch():
    batch = {"image": jnp.arange(3.0).reshape(3, 1, 1, 1), "label": jnp.arange(3)}
    out = augment.repeat_batch(batch, times=2)
    np.testing.assert_array_equal(out["label"], [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(out["image"].ravel(), [0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.rand_augment(KEYS[0], IMAGE, count=0), "count"),
        (lambda: augment.rand_augment(KEYS[0], IMAGE, strength=9.0), "strength"),
        (lambda: augment.rand_augment(KEYS[0], IMAGE[..., :2]), "image"),
        (lambda: augment.rand_augment(KEYS[0], LEVELS.astype(np.int32)), "image"),
        (lambda: augment.rand_augment(KEYS[0], IMAGE, method="cubic"), "method"),
        (lambda: augment.apply_op(IMAGE, 0, 0.5, 1, ops={}), "ops"),
        (lambda: augment.apply_op(IMAGE, 0.5, 0.5, 1, ops=augment.RAND_OPS), "choice"),
        (lambda: augment.trivial_augment(KEYS[0], IMAGE[0]), "image"),
        (lambda: augment.augmix(KEYS[0], IMAGE, severity=11.0), "severity"),
        (lambda: augment.augmix(KEYS[0], IMAGE, width=0), "width"),
        (lambda: augment.augmix(KEYS[0], IMAGE, depth=0), "depth"),
        (lambda: augment.augmix(KEYS[0], IMAGE, alpha=0.0), "alpha"),
        (lambda: augment.three_augment(KEYS[0], IMAGE[..., :1]), "image"),
        (lambda: augment.three_augment(KEYS[0], IMAGE, sigma=(2.0, 1.0)), "sigma"),
        (lambda: augment.auto_augment(KEYS[0], IMAGE, policy=()), "policy"),
        (lambda: augment.auto_augment(KEYS[0], IMAGE, policy=TOY), "operation"),
        (lambda: augment.repeat_batch({"image": IMAGE[None]}, times=0), "times"),
        (lambda: augment.repeat_batch({"image": IMAGE[None], "label": jnp.ones(2)}, times=2), r"batch\['label'\]"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()


@pytest.mark.parametrize("policy", [augment.rand_augment, augment.auto_augment])
def test_one_image_on_each_device(policy):
    """Inside shard_map a constant is of another type than what is drawn, also in the branches of a switch."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    spread = jax.shard_map(
        lambda key, image: policy(key[0], image[0])[None], mesh=mesh, in_specs=P("data"), out_specs=P("data")
    )
    images = jnp.stack([IMAGE, IMAGE[::-1]])
    out = jax.jit(spread)(KEYS[:2], images)
    for i in range(2):
        np.testing.assert_allclose(out[i], jax.jit(policy)(KEYS[i], images[i]), atol=1e-6)
