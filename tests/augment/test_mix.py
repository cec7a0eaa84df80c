import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxtricks import augment

BATCH = {
    "image": jnp.asarray(np.random.default_rng(0).random((5, 3, 2, 1), dtype=np.float32)),
    "target": jax.nn.one_hot(jnp.arange(5), 6),
    "label": jnp.arange(5),
}
KEYS = jax.random.split(jax.random.key(0), 3000)


def weights(**options):
    """The weight of the example itself, read off its target."""
    out = jax.jit(jax.vmap(lambda k: augment.mixup(k, BATCH, **options)["target"]))(KEYS)
    return np.asarray(out)[:, np.arange(5), np.arange(5)]


def test_mix_pairs_by_hand():
    out = augment.mix_pairs(BATCH, 0.75)
    for i in range(5):
        for name in ("image", "target"):
            expected = 0.75 * BATCH[name][i] + 0.25 * BATCH[name][i - 1]
            np.testing.assert_allclose(out[name][i], expected, atol=1e-6)
    assert out["label"] is BATCH["label"]


def test_mix_pairs_with_a_weight_for_each():
    weight = jnp.array([1.0, 0.5, 0.0, 0.25, 1.0])
    out = augment.mix_pairs(BATCH, weight)
    np.testing.assert_array_equal(out["image"][0], BATCH["image"][0])
    np.testing.assert_array_equal(out["image"][2], BATCH["image"][1])
    np.testing.assert_allclose(out["target"][3], [0, 0, 0.75, 0.25, 0, 0])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_mixup_weights_are_beta(alpha):
    batch, sample = weights(alpha=alpha), weights(alpha=alpha, per="sample")
    np.testing.assert_allclose(batch, np.tile(batch[:, :1], (1, 5)), atol=1e-6)
    assert np.abs(sample[:, 0] - sample[:, 1]).max() > 0.1
    rounded = stats.beta(alpha, alpha)  # weights within 1e-7 of 0 or 1 are rounded: compare away from there
    for drawn in (batch[:, 0], sample[:, 1]):
        for point in (0.01, 0.2, 0.5, 0.8, 0.99):
            p = rounded.cdf(point)
            assert abs((drawn <= point).mean() - p) < 4 * np.sqrt(p * (1 - p) / len(KEYS)) + 1e-4


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_mixup_keeps_the_sum_of_targets_and_mixes_images_alike(per):
    out = augment.mixup(KEYS[1], BATCH, alpha=1.0, per=per)
    np.testing.assert_allclose(out["target"].sum(1), 1, atol=1e-6)
    weight = out["target"][jnp.arange(5), jnp.arange(5)][:, None, None, None]
    expected = weight * BATCH["image"] + (1 - weight) * BATCH["image"][jnp.array([4, 0, 1, 2, 3])]
    np.testing.assert_allclose(out["image"], expected, atol=1e-6)


def test_mixup_of_smoothed_targets_is_smooth():
    soft = {**BATCH, "target": 0.9 * BATCH["target"] + 0.1 / 6}
    out = augment.mixup(KEYS[1], soft, alpha=1.0)
    np.testing.assert_allclose(out["target"].sum(1), 1, atol=1e-6)
    assert out["target"].min() > 0.01


CUT = jnp.array([0, 0, 2, 2])
MIXING = {
    "mix_pairs": lambda batch: augment.mix_pairs(batch, 0.5),
    "mixup": lambda batch: augment.mixup(KEYS[0], batch),
    "mixup, per sample": lambda batch: augment.mixup(KEYS[0], batch, per="sample"),
    "cut_pairs": lambda batch: augment.cut_pairs(batch, CUT),
    **{f"cutmix, per {p}": lambda b, p=p: augment.cutmix(KEYS[0], b, per=p) for p in ("batch", "sample", "pair")},
}
mixing = pytest.mark.parametrize("mix", MIXING.values(), ids=MIXING)


@mixing
@pytest.mark.parametrize("count", [0, 1])
def test_an_example_needs_a_partner(mix, count):
    few = jax.tree.map(lambda x: x[:count], BATCH)
    with pytest.raises(
        ValueError, match=rf"^batch\[.image.\] has shape \({count}, 3, 2, 1\); allowed: 2 examples or more"
    ):
        mix(few)


@mixing
@pytest.mark.parametrize("name", ["box", "keypoint", "visible"])
def test_what_does_not_mix_is_refused(mix, name):
    with pytest.raises(ValueError, match=f"^batch has '{name}', which does not mix; allowed: a batch without it"):
        mix(BATCH | {name: jnp.ones((5, 2, 4))})


def test_mixup_does_not_touch_its_argument_and_repeats():
    before = {k: np.array(v) for k, v in BATCH.items()}
    first, again = (augment.mixup(KEYS[7], BATCH, per="sample") for _ in range(2))
    jitted = jax.jit(lambda k, b: augment.mixup(k, b, per="sample"))(KEYS[7], BATCH)
    for name in BATCH:
        np.testing.assert_array_equal(BATCH[name], before[name])
        np.testing.assert_array_equal(first[name], again[name])
        np.testing.assert_allclose(first[name], jitted[name], atol=1e-6)


BOXED = {**BATCH, "image": jnp.arange(5.0)[:, None, None, None] * jnp.ones((5, 8, 10, 1))}


def reference_cut(batch, boxes, partner):
    """Pixel by pixel."""
    image, target = np.array(batch["image"]), np.array(batch["target"])
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        hit = 0
        for y in range(8):
            for x in range(10):
                if x0 <= x < x1 and y0 <= y < y1:
                    image[i, y, x] = batch["image"][partner[i], y, x]
                    hit += 1
        target[i] = (1 - hit / 80) * batch["target"][i] + hit / 80 * batch["target"][partner[i]]
    return image, target


EDGES = np.array([[0, 0, 10, 8], [-3, -2, 4, 3], [7, 5, 30, 30], [4, 4, 4, 4], [20, 20, 30, 30]])


def test_cut_pairs_equals_the_loop_and_its_area_edges_included():
    out = augment.cut_pairs(BOXED, jnp.asarray(EDGES))
    image, target = reference_cut(BOXED, EDGES, [4, 0, 1, 2, 3])
    np.testing.assert_array_equal(out["image"], image)
    np.testing.assert_allclose(out["target"], target, atol=1e-7)


def test_cut_pairs_swaps_neighbours():
    even = jax.tree.map(lambda x: x[:4], BOXED)
    out = augment.cut_pairs(even, jnp.array([2, 1, 6, 7]), swap=True)
    image, target = reference_cut(even, np.tile([2, 1, 6, 7], (4, 1)), [1, 0, 3, 2])
    np.testing.assert_array_equal(out["image"], image)
    np.testing.assert_allclose(out["target"], target, atol=1e-7)
    again = augment.cut_pairs(out, jnp.array([2, 1, 6, 7]), swap=True)
    np.testing.assert_array_equal(again["image"], even["image"])


def test_cut_pairs_cuts_masks_with_the_image():
    mask = jnp.arange(400).reshape(5, 8, 10)
    out = augment.cut_pairs(BOXED | {"mask": mask}, jnp.asarray(EDGES))
    pasted = out["image"][..., 0] != BOXED["image"][..., 0]
    np.testing.assert_array_equal(out["mask"], jnp.where(pasted, jnp.roll(mask, 1, 0), mask))
    alone = {"image": BOXED["image"], "mask": mask}
    np.testing.assert_array_equal(augment.cut_pairs(alone, jnp.asarray(EDGES))["mask"], out["mask"])


@pytest.mark.parametrize("per", ["batch", "sample", "pair"])
def test_cutmix_weight_is_the_exact_area_and_the_mode_is_kept(per):
    even = jax.tree.map(lambda x: x[:4], BOXED)
    out = jax.jit(jax.vmap(lambda k: augment.cutmix(k, even, per=per)))(KEYS[:300])
    image, target = np.asarray(out["image"])[..., 0], np.asarray(out["target"])
    own = image == np.arange(4)[None, :, None, None]
    np.testing.assert_allclose(target[:, np.arange(4), np.arange(4)], own.mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(target.sum(-1), 1, atol=1e-6)
    if per == "batch":
        np.testing.assert_array_equal(own, np.broadcast_to(own[:, :1], own.shape))
    if per == "pair":
        np.testing.assert_array_equal(own[:, ::2], own[:, 1::2])
        np.testing.assert_array_equal(np.sort(image, 1), np.broadcast_to(np.arange(4)[None, :, None, None], own.shape))
    if per != "batch":
        assert (own[:, 0] != own[:, 2]).any((1, 2)).mean() > 0.9
    if per == "sample":
        assert (own[:, 0] != own[:, 1]).any((1, 2)).mean() > 0.9


def test_cutmix_area_is_beta_where_the_border_does_not_cut():
    """On a large image, boxes that lie inside: side^2 = 1 - lambda, uniform for alpha 1; smaller ones lie inside more
    often, so compare the chance of each size with (1 - side)^2, the share of centres that leave it whole.
    """
    big = {"image": jnp.zeros((2, 60, 60, 1)), "target": jnp.eye(2)}
    big["image"] = big["image"].at[0].set(1.0)
    out = jax.jit(jax.vmap(lambda k: augment.cutmix(k, big)["image"][1, ..., 0]))(KEYS)
    pasted = np.asarray(out) > 0
    rows, columns = pasted.any(2).sum(1), pasted.any(1).sum(1)
    inside = ~(pasted[:, 0].any(1) | pasted[:, -1].any(1) | pasted[:, :, 0].any(1) | pasted[:, :, -1].any(1))
    np.testing.assert_array_equal(rows[inside], columns[inside])
    side = rows[inside & (rows > 0)] / 60
    density = stats.rv_histogram(np.histogram(side, bins=6, range=(0, 0.6)))
    grid = np.linspace(0, 1, 6001)
    chance = 2 * grid * (1 - grid) ** 2  # density of the side, times the chance to lie inside
    expected = np.array([chance[(grid >= a) & (grid < a + 0.1)].sum() for a in np.arange(0, 0.6, 0.1)])
    got = np.array([density.cdf(a + 0.1) - density.cdf(a) for a in np.arange(0, 0.6, 0.1)])
    np.testing.assert_allclose(got, expected / expected.sum(), atol=0.06)


def without(name):
    return {k: v for k, v in BATCH.items() if k != name}


@pytest.mark.parametrize(
    ("batch", "options", "message"),
    [
        (without("target"), {}, "one_hot"),
        (without("image"), {}, "^batch has"),
        (BATCH | {"target": BATCH["label"]}, {}, "^batch..target"),
        (BATCH | {"target": jnp.zeros((5, 6), int)}, {}, "^batch..target"),
        (BATCH | {"target": jnp.zeros((4, 6))}, {}, "^batch..target"),
        (BATCH | {"image": jnp.zeros((5, 2, 2, 1), jnp.int32)}, {}, "^batch..image"),
        (BATCH | {"image": jnp.zeros((5, 2, 2))}, {}, "^batch..image"),
        (BATCH, {"alpha": 0.0}, "^alpha"),
        (BATCH, {"per": "pixel"}, "^per"),
    ],
)
def test_bad_input_is_named(batch, options, message):
    with pytest.raises(ValueError, match=message):
        augment.mixup(KEYS[0], batch, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: augment.mix_pairs(BATCH, jnp.ones(4)), "^weight "),
        (lambda: augment.cut_pairs(BATCH, jnp.ones(3)), "^boxes "),
        (lambda: augment.cut_pairs(BATCH, jnp.ones((4, 4))), "^boxes "),
        (lambda: augment.cut_pairs(BATCH, jnp.ones(4), swap=True), "^swap "),
        (lambda: augment.cut_pairs(BATCH | {"mask": jnp.ones((5, 3, 3))}, jnp.ones(4)), "^batch..mask"),
        (lambda: augment.cutmix(KEYS[0], BATCH, per="pair"), "^per "),
        (lambda: augment.cutmix(KEYS[0], BATCH, per="pixel"), "^per "),
        (lambda: augment.cutmix(KEYS[0], BATCH, alpha=-1.0), "^alpha "),
        (lambda: augment.cutmix(KEYS[0], without("target")), "one_hot"),
    ],
)
def test_other_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_pair_is_no_batch():
    pair = (jnp.ones((2, 4, 4, 1)), jnp.eye(2))
    with pytest.raises(TypeError, match=r"^batch is a tuple; allowed: a dict with 'image' and 'target'\.$"):
        augment.mixup(jax.random.key(0), pair)
