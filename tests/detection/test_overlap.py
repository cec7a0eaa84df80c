"""IoU, GIoU, DIoU and CIoU against torchvision's own test values and its function on random boxes."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import detection, losses
from tests.golden import make_detection as golden

GOLDEN = np.load(Path(golden.__file__).with_name("detection.npz"))
MEASURES = {name: getattr(detection, name) for name in ("iou", "giou", "diou", "ciou")}
every = pytest.mark.parametrize("name", MEASURES)
BOXES = np.array([[0, 0, 100, 100], [0, 0, 50, 50], [200, 200, 300, 300], [0, 0, 25, 25]], np.float32)
DISTANCE = [[1, 0.1875, -0.4444], [0.1875, 1, -0.5625], [-0.4444, -0.5625, 1], [-0.0781, 0.1875, -0.6267]]
PUBLISHED = {  # torchvision, test/test_ops.py: each of BOXES with the first three
    "iou": [[1, 0.25, 0], [0.25, 1, 0], [0, 0, 1], [0.0625, 0.25, 0]],
    "giou": [[1, 0.25, -0.7778], [0.25, 1, -0.8611], [-0.7778, -0.8611, 1], [0.0625, 0.25, -0.8819]],
    "diou": DISTANCE,
    "ciou": DISTANCE,
}


@every
def test_torchvision_s_published_values(name):
    found = detection.pairwise(MEASURES[name])(BOXES, BOXES[:3])
    np.testing.assert_allclose(found, PUBLISHED[name], atol=6e-5)


@every
def test_random_boxes_as_torchvision(name):
    a, b = golden.boxes(1, 20), golden.boxes(2, 20)
    found = jax.jit(detection.pairwise(MEASURES[name]))(a, b)
    np.testing.assert_allclose(found, GOLDEN[name], atol=2e-6)
    np.testing.assert_allclose(np.diag(found), MEASURES[name](a, b), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "pairs", "expected"),
    [
        ("giou", ["11", "12", "23", "24"], [0, 0.75, 1.0, 1.5]),
        ("ciou", ["11", "12", "13", "14"], [0, 0.8125, 1.1923, 1.25]),
        ("diou", ["11", "12", "13", "14"], [0, 0.8125, 1.1923, 1.25]),
    ],
)
def test_torchvision_s_published_losses(name, pairs, expected):
    box = dict(zip("1234", jnp.array([[-1.0, -1, 1, 1], [0, 0, 1, 1], [0, 1, 1, 2], [1, 1, 2, 2]]), strict=True))
    a, b = (jnp.stack([box[pair[i]] for pair in pairs]) for i in range(2))
    np.testing.assert_allclose(getattr(losses, f"{name}_loss")(a, b), expected, atol=6e-5)
    assert getattr(losses, f"{name}_loss")(a[:0], b[:0]).shape == (0,)


def test_all_pairs_keep_the_axes_in_front():
    a, b = golden.boxes(1, 6).reshape(2, 3, 4), golden.boxes(2, 10).reshape(2, 5, 4)
    found = detection.pairwise(detection.iou)(a, b)
    assert found.shape == (2, 3, 5)
    np.testing.assert_array_equal(found[1], detection.pairwise(detection.iou)(a[1], b[1]))


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (BOXES, BOXES[:, :3], "b has shape"),
        (BOXES[0], BOXES, "a has shape"),
        (BOXES[None], BOXES, r"b has shape \(4, 4\); allowed: \(1, 'any', 4\)"),
        (BOXES, BOXES.astype(int), "b has dtype"),
    ],
)
def test_all_pairs_of_wrong_boxes(a, b, words):
    with pytest.raises(ValueError, match=words):
        detection.pairwise(detection.iou)(a, b)


def test_a_measure_is_a_function():
    with pytest.raises(TypeError, match="measure is 'iou'; allowed: a function"):
        detection.pairwise("iou")
