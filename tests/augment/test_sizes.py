from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import augment

BATCH = {
    "image": jnp.asarray(np.random.default_rng(0).random((2, 12, 16, 3), dtype=np.float32)),
    "box": jnp.array([[[0, 0, 8, 6.0]], [[4, 3, 16, 12]]]),
    "box_valid": jnp.ones((2, 1), bool),
    "mask": jnp.asarray(np.arange(2 * 12 * 16).reshape(2, 12, 16) % 5),
}


def test_multi_scale_resizes_all():
    out = jax.jit(lambda b: augment.multi_scale(b, size=(6, 32)))(BATCH)
    expected = jax.image.resize(BATCH["image"], (2, 6, 32, 3), "linear", antialias=True)
    np.testing.assert_allclose(out["image"], expected, atol=1e-5)
    np.testing.assert_allclose(out["box"][:, 0], [[0, 0, 16, 3], [8, 1.5, 32, 6]], atol=1e-5)
    assert out["mask"].shape == (2, 6, 32)
    np.testing.assert_array_equal(out["mask"][:, :, ::2], BATCH["mask"][:, 1::2])


def test_multi_scale_to_its_own_size_is_the_identity():
    out = jax.jit(lambda b: augment.multi_scale(b, size=(12, 16)))(BATCH)
    for name, value in BATCH.items():
        np.testing.assert_allclose(out[name], value, atol=1e-6)


def test_pick_size_is_a_function_of_the_step():
    sizes = [augment.pick_size(step, sizes=(8, 12, 16), every=5) for step in range(3000)]
    assert sizes == [augment.pick_size(step, sizes=(8, 12, 16), every=5) for step in range(3000)]
    assert all(len(set(sizes[i : i + 5])) == 1 for i in range(0, 3000, 5))
    counts = Counter(sizes[::5])
    assert all(160 < counts[size] < 240 for size in (8, 12, 16))
    assert sizes != [augment.pick_size(step, sizes=(8, 12, 16), every=5, seed=1) for step in range(3000)]


def test_progressive_size_by_hand():
    def course(**options):
        return [augment.progressive_size(epoch, epochs=8, start=128, stop=224, **options) for epoch in range(8)]

    assert course() == [128, 128, 160, 160, 192, 192, 224, 224]
    assert course(stages=3, multiple=32) == [128, 128, 128, 160, 160, 160, 224, 224]
    assert course(stages=1) == [224] * 8


@pytest.mark.parametrize(("start", "stop"), [(100, 127), (127, 100), (3, 9), (9, 3), (40, 40)])
@pytest.mark.parametrize("multiple", [1, 4, 32])
def test_progressive_size_stays_between_its_ends(start, stop, multiple):
    """Between them, by NumPy's equal steps: the multiple below where that is not less than both ends."""
    got = [augment.progressive_size(e, epochs=5, start=start, stop=stop, stages=5, multiple=multiple) for e in range(5)]
    steps = np.floor(np.linspace(start, stop, 5)) // multiple * multiple
    assert got == [start, *np.maximum(steps, min(start, stop))[1:-1], stop]


@pytest.mark.parametrize(
    ("source", "size", "box", "wanted"),
    [
        ((20, 40), 10, [4, 4, 8, 12], [1, 3, 2, 5]),  # a quarter, and 2 rows above
        ((40, 20), (10, 10), [4, 4, 8, 12], [3, 1, 4, 3]),  # a quarter of 20 is 5, and 2 columns to the left
        ((10, 10), (20, 30), [1, 2, 3, 4], [7, 4, 11, 8]),  # twice, and 5 to the left
        ((3, 7), 5, [0, 0, 7, 3], [0, 1, 5, 3]),  # 3 x 5/7 is 2.14, 2 whole pixels; of 3 left the smaller half above
    ],
)
def test_letterbox_by_hand(source, size, box, wanted):
    matrix = augment.letterboxing(source, size)
    box = jnp.array(box, jnp.float32)
    np.testing.assert_allclose(augment.move_boxes(box, matrix), wanted, atol=1e-5)
    back = augment.move_boxes(augment.move_boxes(box, matrix), augment.inverse(matrix))
    np.testing.assert_allclose(back, box, atol=1e-5)


def test_letterbox_keeps_the_shape_of_things_and_takes_all_labels():
    sample = {name: value[0] for name, value in BATCH.items()}
    out = jax.jit(lambda s: augment.letterbox_sample(s, size=8, fill=0.25, mask_fill=255))(sample)
    resized = jax.image.resize(sample["image"], (6, 8, 3), "linear", antialias=True)
    np.testing.assert_allclose(out["image"][1:7], resized, atol=1e-5)
    np.testing.assert_array_equal(out["image"][np.array([0, 7])], np.full((2, 8, 3), 0.25))
    np.testing.assert_allclose(out["box"], [[0, 1, 4, 4]], atol=1e-5)
    np.testing.assert_array_equal(out["mask"][1:7], sample["mask"][1::2, 1::2])
    np.testing.assert_array_equal(out["mask"][np.array([0, 7])], 255)


def test_letterbox_of_a_picked_size_under_vmap():
    size = augment.pick_size(3, sizes=(12, 20))
    out = jax.vmap(lambda s: augment.letterbox_sample(s, size=size))(BATCH)
    assert out["image"].shape == (2, size, size, 3)
    same = jax.vmap(lambda s: augment.letterbox_sample(s, size=(12, 16)))(BATCH)
    for name, value in BATCH.items():
        np.testing.assert_allclose(same[name], value, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.multi_scale(BATCH, size=-1), "size"),
        (lambda: augment.multi_scale({"box": BATCH["box"]}, size=4), "batch"),
        (lambda: augment.letterboxing((0, 3), 5), "source"),
        (lambda: augment.letterboxing((2, 3), 0), "size"),
        (lambda: augment.letterbox_sample({"box": BATCH["box"][0]}, size=4), "sample"),
        (lambda: augment.pick_size(-1, sizes=(8,)), "step"),
        (lambda: augment.pick_size(1, sizes=()), "sizes"),
        (lambda: augment.pick_size(1, sizes=(8,), every=0), "every"),
        (lambda: augment.progressive_size(8, epochs=8, start=1, stop=2), "epoch"),
        (lambda: augment.progressive_size(0, epochs=2, start=1, stop=2), "stages"),
        (lambda: augment.progressive_size(0, epochs=8, start=0, stop=2), "start"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
