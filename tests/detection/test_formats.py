"""Formats of boxes by hand and back again; a wrong one is found."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify

from jaxtricks import detection
from jaxtricks.detection._formats import FORMATS

SIZE = (40, 80)  # height, width
BOX = {  # one box of 16 x 10 pixels at (8, 20)
    "xyxy": [8, 20, 24, 30],
    "xywh": [8, 20, 16, 10],
    "cxcywh": [16, 25, 16, 10],
    "yxyx": [20, 8, 30, 24],
    "rel_xyxy": [0.1, 0.5, 0.3, 0.75],
    "rel_xywh": [0.1, 0.5, 0.2, 0.25],
    "rel_cxcywh": [0.2, 0.625, 0.2, 0.25],
    "rel_yxyx": [0.5, 0.1, 0.75, 0.3],
}


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_format_from_every_format(source, target):
    found = detection.convert(jnp.array([BOX[source]], jnp.float32), source=source, target=target, size=SIZE)
    np.testing.assert_allclose(found, [BOX[target]], rtol=1e-6)
    detection.check_format(np.array([BOX[source]]), format=source, size=SIZE)


def test_relative_boxes_need_the_size_of_the_image():
    box = jnp.array(BOX["rel_xywh"])
    with pytest.raises(ValueError, match=r"size is None; allowed: \(height, width\)"):
        detection.convert(box, source="rel_xywh")
    np.testing.assert_allclose(detection.convert(box, source="rel_xywh", target="rel_xyxy"), BOX["rel_xyxy"])
    with pytest.raises(ValueError, match="source is 'coco'; allowed: 'xyxy', 'xywh'"):
        detection.convert(box, source="coco")


def test_an_inverted_box_is_an_error_under_checkify():
    checked = checkify.checkify(lambda box: detection.convert(box, source="xyxy", target="xywh"))
    error, _ = checked(jnp.array(BOX["xyxy"], jnp.float32))
    error.throw()
    error, _ = checked(jnp.array([24.0, 20, 8, 30]))
    with pytest.raises(checkify.JaxRuntimeError, match="inverted"):
        error.throw()


@pytest.mark.parametrize(
    ("box", "format", "words"),
    [
        # a box of format a taken for one of format b: what is off
        (BOX["xywh"], "xyxy", r"boxes\[1\] is .*, inverted in xyxy; allowed: x0 < x1 and y0 < y1"),
        (BOX["rel_xyxy"], "xyxy", None),  # lies within the image as a box of less than a pixel: cannot be told
        (BOX["xyxy"], "rel_xyxy", r"outside 0 to 1; allowed: parts of the image"),
        (BOX["xyxy"], "xywh", r"outside an image of 80 x 40"),
        ([8, 20, 8, 30], "xyxy", "inverted in xyxy"),
        ([8, 20, 0, 30], "xywh", "without an area"),
        ([8, 20, np.nan, 30], "xyxy", "not finite"),
    ],
)
def test_a_wrong_format_is_reported(box, format, words):
    right = BOX[format]
    boxes = np.array([right, box], np.float64)
    if words is None:
        return detection.check_format(boxes, format=format, size=SIZE)
    with pytest.raises(ValueError, match=words):
        detection.check_format(boxes, format=format, size=SIZE)
    detection.check_format(boxes, format=format, size=SIZE, valid=np.array([True, False]))


def test_clip_by_hand():
    boxes = jnp.array([[-5.0, -5, 10, 10], [70, 30, 90, 50], [100, 100, 120, 120]])
    found = detection.clip(boxes, size=SIZE)
    np.testing.assert_array_equal(found, [[0, 0, 10, 10], [70, 30, 80, 40], [80, 40, 80, 40]])
    np.testing.assert_array_equal(detection.area(found), [100, 100, 0])
