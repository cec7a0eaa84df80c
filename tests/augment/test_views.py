import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import special

from jaxtricks import augment

IMAGE = np.random.default_rng(0).random((9, 12, 3), dtype=np.float32)
LOGITS = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)


def test_crops_equal_pil():
    """Torchvision's order; PIL cuts them out."""
    picture = Image.fromarray((255 * IMAGE).astype(np.uint8))
    boxes = [(0, 0, 6, 5), (6, 0, 12, 5), (0, 4, 6, 9), (6, 4, 12, 9), (3, 2, 9, 7)]
    expected = np.stack([np.asarray(picture.crop(box)) for box in boxes])
    np.testing.assert_array_equal(augment.five_crops(np.asarray(picture), size=(5, 6)), expected)
    ten = augment.ten_crops(np.asarray(picture), size=(5, 6))
    np.testing.assert_array_equal(ten, np.concatenate([expected, expected[:, :, ::-1]]))


def test_crops_of_the_whole_are_the_image():
    np.testing.assert_array_equal(augment.five_crops(IMAGE, size=(9, 12)), np.stack([IMAGE] * 5))


def test_flip_views():
    np.testing.assert_array_equal(augment.flip_views(IMAGE), np.stack([IMAGE, IMAGE[:, ::-1]]))


def test_scale_views_are_centres_at_several_scales():
    out = augment.scale_views(IMAGE, shorter=(9, 18), size=8)
    assert out.shape == (2, 8, 8, 3)
    np.testing.assert_allclose(out[0], IMAGE[0:8, 2:10], atol=1e-6)
    twice = np.stack(
        [np.asarray(Image.fromarray(IMAGE[..., c]).resize((24, 18), Image.BILINEAR)) for c in range(3)], -1
    )
    np.testing.assert_allclose(out[1], twice[5:13, 8:16], atol=1e-5)


def test_merge_equals_scipy():
    probability = np.log(special.softmax(LOGITS.astype(np.float64), -1).mean(0))
    np.testing.assert_allclose(augment.merge(LOGITS), probability, atol=1e-5)
    np.testing.assert_allclose(augment.merge(LOGITS, over="logit"), LOGITS.mean(0), atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("over", ["probability", "logit"])
def test_merge_is_as_of_float32(over, dtype):
    """The logarithm of a small probability, of numbers that half the bits would round to a sixteenth."""
    logits = jnp.asarray(LOGITS + np.array([0.0, 9.0, 3.0]), dtype)
    got, exact = augment.merge(logits, over=over), np.asarray(logits, np.float64)
    expected = exact.mean(0) if over == "logit" else np.log(special.softmax(exact, -1).mean(0))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("over", ["probability", "logit"])
def test_merge_does_not_depend_on_the_order_and_keeps_equal_views(over):
    merged = jax.nn.softmax(augment.merge(LOGITS, over=over))
    np.testing.assert_allclose(merged, jax.nn.softmax(augment.merge(LOGITS[::-1], over=over)), atol=1e-6)
    same = jax.nn.softmax(augment.merge(np.stack([LOGITS[0]] * 3), over=over))
    np.testing.assert_allclose(same, special.softmax(LOGITS[0], -1), atol=1e-6)


def test_over_views_predicts_each_view_and_merges():
    images = np.random.default_rng(2).random((4, 6, 6, 1), dtype=np.float32)
    weight = np.random.default_rng(3).normal(size=(36, 3)).astype(np.float32)

    def predict(x):
        return x.reshape(len(x), -1) @ jnp.asarray(weight)

    got = jax.jit(augment.over_views(predict, augment.flip_views, over="logit"))(images)
    expected = (predict(images) + predict(images[:, :, ::-1])) / 2
    np.testing.assert_allclose(got, expected, atol=1e-5)
    flipped = augment.over_views(predict, augment.flip_views, over="logit")(images[:, :, ::-1])
    np.testing.assert_allclose(flipped, got, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.flip_views(IMAGE[0]), "image"),
        (lambda: augment.five_crops(IMAGE, size=10), "size"),
        (lambda: augment.ten_crops(IMAGE, size=0), "size"),
        (lambda: augment.scale_views(IMAGE, shorter=(), size=4), "shorter"),
        (lambda: augment.scale_views(IMAGE, shorter=(8,), size=9), "size"),
        (lambda: augment.merge(LOGITS, over="logits"), "over"),
        (lambda: augment.merge(LOGITS[0, 0]), "logits"),
        (lambda: augment.merge(LOGITS.astype(int)), "logits"),
        (lambda: augment.over_views(lambda x: x, augment.flip_views)(IMAGE), "images"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
