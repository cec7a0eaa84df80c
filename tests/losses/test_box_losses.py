import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.draw import rectangle

from jaxtricks import detection as boxes
from jaxtricks import losses

RNG = np.random.default_rng(9)
CORNER = RNG.uniform(0, 50, size=(2, 40, 2))
A, B = np.concatenate([CORNER, CORNER + RNG.uniform(1, 40, size=CORNER.shape)], axis=-1).astype(np.float32)
LOSSES = {"iou": losses.iou_loss, "giou": losses.giou_loss, "diou": losses.diou_loss, "ciou": losses.ciou_loss}
every = pytest.mark.parametrize("name", LOSSES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 4 x 2 and 2 x 4 boxes that share a 2 x 2: IoU 4/12; 4 x 4 around both; centres (2, 1) and (1, 2)
        ("iou", 2 / 3),
        ("giou", 2 / 3 + (16 - 12) / 16),
        ("diou", 2 / 3 + 2 / 32),
    ],
)
def test_overlapping_boxes_by_hand(name, expected):
    found = LOSSES[name](jnp.array([0.0, 0.0, 4.0, 2.0]), jnp.array([0.0, 0.0, 2.0, 4.0]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_ciou_by_hand():
    # the boxes above: angles arctan 1/2 and arctan 2
    v = 4 / math.pi**2 * (math.atan(0.5) - math.atan(2)) ** 2
    found = losses.ciou_loss(jnp.array([0.0, 0.0, 4.0, 2.0]), jnp.array([0.0, 0.0, 2.0, 4.0]))
    np.testing.assert_allclose(found, 2 / 3 + 1 / 16 + v**2 / (2 / 3 + v), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    # unit squares, 2 apart: around both 4 x 1 of which 2 are filled; centres 3 apart; diagonal^2 17
    [("iou", 1.0), ("giou", 1.5), ("diou", 1 + 9 / 17), ("ciou", 1 + 9 / 17)],
)
def test_disjoint_boxes_by_hand(name, expected):
    found = LOSSES[name](jnp.array([0.0, 0.0, 1.0, 1.0]), jnp.array([3.0, 0.0, 4.0, 1.0]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def measures(a, b):
    """IoU, GIoU, DIoU, CIoU of one pair of boxes, in plain Python."""

    def area(x1, y1, x2, y2):
        return max(0.0, x2 - x1) * max(0.0, y2 - y1)

    inter = area(max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    around = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    union = area(*a) + area(*b) - inter
    iou = inter / union
    giou = iou - (area(*around) - union) / area(*around)
    rho = ((a[0] + a[2] - b[0] - b[2]) ** 2 + (a[1] + a[3] - b[1] - b[3]) ** 2) / 4
    diou = iou - rho / ((around[2] - around[0]) ** 2 + (around[3] - around[1]) ** 2)
    v = 4 / math.pi**2 * (math.atan((b[2] - b[0]) / (b[3] - b[1])) - math.atan((a[2] - a[0]) / (a[3] - a[1]))) ** 2
    return {"iou": iou, "giou": giou, "diou": diou, "ciou": diou - v * v / (1 - iou + v)}


@every
def test_random_boxes_against_plain_python(name):
    expected = [measures(a, b)[name] for a, b in zip(A.tolist(), B.tolist(), strict=True)]
    np.testing.assert_allclose(LOSSES[name](A, B), 1 - np.array(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(getattr(boxes, name)(A, B), expected, rtol=1e-4, atol=1e-5)


def test_iou_against_counted_pixels():
    whole = np.round(np.stack([A, B])[:, :10]).astype(int)
    for a, b in zip(*whole, strict=True):
        masks = np.zeros((2, 100, 100), bool)
        for mask, (x1, y1, x2, y2) in zip(masks, (a, b), strict=True):
            mask[rectangle((y1, x1), end=(y2 - 1, x2 - 1), shape=mask.shape)] = True
        expected = 1 - (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        np.testing.assert_allclose(losses.iou_loss(a.astype(np.float32), b.astype(np.float32)), expected, atol=1e-6)


@every
def test_equal_boxes_lose_nothing(name):
    np.testing.assert_allclose(LOSSES[name](A, A), 0.0, atol=1e-6)


@every
def test_symmetry_scale_and_shift(name):
    expected = LOSSES[name](A, B)
    np.testing.assert_allclose(LOSSES[name](B, A), expected, rtol=1e-4)
    np.testing.assert_allclose(LOSSES[name](3 * A + 7, 3 * B + 7), expected, rtol=1e-4, atol=1e-5)
    swap = np.array([1, 0, 3, 2])  # x for y
    np.testing.assert_allclose(LOSSES[name](A[:, swap], B[:, swap]), expected, rtol=1e-4, atol=1e-5)


def test_order_of_the_measures():
    iou, giou, diou, ciou = (LOSSES[name](A, B) for name in ("iou", "giou", "diou", "ciou"))
    for loss in (giou, diou):
        assert np.all(loss >= iou - 1e-6)
        assert np.all(loss <= 2)
    assert np.all(ciou >= diou - 1e-6)


@every
def test_only_iou_is_blind_to_how_far_disjoint_boxes_are(name):
    target = jnp.array([0.0, 0.0, 1.0, 1.0])
    near, far = jnp.array([2.0, 0.0, 3.0, 1.0]), jnp.array([9.0, 0.0, 10.0, 1.0])
    slope = jax.grad(LOSSES[name])(near, target)
    if name == "iou":
        np.testing.assert_array_equal(slope, 0.0)
    else:
        assert LOSSES[name](far, target) > LOSSES[name](near, target)
        assert slope[0] + slope[2] > 0  # going left helps


@pytest.mark.parametrize(
    ("predicted", "target", "iou"),
    [
        ([1, 1, 1, 1], [1, 1, 1, 1], 0.0),  # a point overlaps nothing, not even itself
        ([3, 3, 3, 3], [2, 2, 5, 5], 0.0),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0.0),  # touching
        ([4, 4, 1, 1], [0, 0, 5, 5], 0.0),  # inverted: no area
    ],
)
def test_degenerate_boxes_have_documented_values(predicted, target, iou):
    predicted, target = jnp.array(predicted, jnp.float32), jnp.array(target, jnp.float32)
    np.testing.assert_array_equal(losses.iou_loss(predicted, target), 1 - iou)


def test_diou_of_equal_points_is_one_and_giou_too():
    point = jnp.array([1.0, 1.0, 1.0, 1.0])
    np.testing.assert_array_equal([LOSSES[name](point, point) for name in LOSSES], 1.0)


@every
@pytest.mark.parametrize(
    ("predicted", "target", "message"),
    [
        (A[:, :3], B[:, :3], "predicted has shape"),
        (A, B[:3], "target has shape"),
        (A.astype(int), B, "predicted has dtype"),
        (A, B.astype(int), "target has dtype"),
        (np.float32(1), np.float32(1), "predicted has shape"),
    ],
)
def test_wrong_boxes_raise(name, predicted, target, message):
    with pytest.raises(ValueError, match=message):
        LOSSES[name](predicted, target)


def test_measures_name_their_own_arguments():
    with pytest.raises(ValueError, match="b has shape"):
        boxes.giou(A, B[:3])
