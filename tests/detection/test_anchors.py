"""Anchors, offsets and levels against torchvision, by hand, and back again."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import detection
from tests.golden import make_detection as golden

GOLDEN = np.load(Path(golden.__file__).with_name("detection.npz"))
WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def test_anchors_are_torchvision_s_unrounded_and_centred_on_the_cell():
    """Torchvision rounds the half sides, centres on the cell's corner, and has the ratios outside."""
    found = detection.anchors((1, 1), stride=8, scales=(16, 20)) - 4.0
    ours = np.asarray(found).reshape(2, 3, 4).swapaxes(0, 1).reshape(6, 4)
    np.testing.assert_array_equal(np.round(ours), GOLDEN["base anchors"])
    shifted = np.asarray(detection.anchors((2, 3), stride=8, scales=(16, 20))) - 4.0
    shifted = np.round(shifted.reshape(6, 2, 3, 4).swapaxes(1, 2).reshape(36, 4))
    np.testing.assert_array_equal(shifted, GOLDEN["anchors"])


def test_anchors_have_the_area_of_the_scale_and_the_ratio():
    found = detection.anchors((2, 3), stride=8, scales=(4, 8), ratios=(0.5, 3))
    sides = np.asarray(found[:, 2:] - found[:, :2]).reshape(6, 2, 2, 2)
    np.testing.assert_allclose(sides.prod(-1), np.broadcast_to([[[16], [64]]], (6, 2, 2)), rtol=1e-5)
    np.testing.assert_allclose(sides[..., 1] / sides[..., 0], np.broadcast_to([[[0.5, 3]]], (6, 2, 2)), rtol=1e-5)
    centers = 0.5 * (found[::4, :2] + found[::4, 2:])
    np.testing.assert_allclose(centers, detection.points((2, 3), stride=8), rtol=1e-6)
    np.testing.assert_array_equal(detection.points((2, 3), stride=8)[4], [12, 12])


def test_offsets_are_torchvision_s():
    a, b = golden.boxes(1, 20), golden.boxes(2, 20)
    np.testing.assert_allclose(detection.encode(a, b, weights=WEIGHTS), GOLDEN["encode"], rtol=1e-4, atol=1e-4)
    offsets = golden.features(1, (20, 4)) * 40 - 10  # some beyond the limit of the logarithm
    assert (offsets[:, 2:] / 5 > np.log(1000 / 16)).any()
    found = detection.decode(offsets, b, weights=WEIGHTS)
    np.testing.assert_allclose(found, GOLDEN["decode"], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("weights", [(1.0,) * 4, WEIGHTS])
def test_decode_takes_back_encode(weights):
    a, b = golden.boxes(1, 20), golden.boxes(2, 20)
    np.testing.assert_allclose(
        detection.decode(detection.encode(a, b, weights=weights), b, weights=weights), a, rtol=1e-4, atol=1e-3
    )
    points = b[:, :2]
    np.testing.assert_allclose(
        detection.decode_distances(detection.encode_distances(a, points), points), a, rtol=1e-5, atol=1e-4
    )


def test_encode_by_hand_and_where_it_is_degenerate():
    anchor = jnp.array([0.0, 0, 10, 20])
    np.testing.assert_allclose(
        detection.encode(jnp.array([10.0, 0, 30, 20]), anchor), [1.5, 0, np.log(2), 0], atol=1e-6
    )
    point = jnp.array([3.0, 3, 3, 3])
    value, slope = jax.value_and_grad(lambda box: detection.encode(box, anchor).sum())(point)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_centerness_by_hand():
    found = detection.centerness(jnp.array([[2.0, 2, 2, 2], [1, 1, 4, 4], [1, 3, 1, 12], [-1, 1, 1, 1]]))
    np.testing.assert_allclose(found, [1, 0.25, 0.5, 0], rtol=1e-6)


def test_levels_of_the_paper():
    sides = np.array([1, 56, 111.9, 112, 224, 447.9, 448, 9000], np.float32)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], -1)
    assert detection.fpn_level(boxes).tolist() == [2, 2, 2, 3, 4, 4, 5, 5]
    odd = jnp.array([[0.0, 0, 0, 0], [5, 5, 1, 1], [0, 0, jnp.nan, 1], [0, 0, jnp.inf, jnp.inf]])
    assert detection.fpn_level(odd).tolist() == [2, 2, 2, 5]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: detection.anchors((0, 1), stride=8, scales=(4,)), r"shape\[0\] is 0"),
        (lambda: detection.anchors((1, 1), stride=0, scales=(4,)), "stride is 0"),
        (lambda: detection.anchors((1, 1), stride=8, scales=()), "scales is"),
        (lambda: detection.anchors((1, 1), stride=8, scales=4), "scales is 4; allowed: one number or more"),
        (lambda: detection.anchors((1, 1), stride=8, scales=(4,), ratios=(-1,)), "ratios is"),
        (lambda: detection.encode(jnp.zeros((2, 4)), jnp.zeros((3, 4))), "anchors has shape"),
        (lambda: detection.encode(jnp.zeros(4), jnp.zeros(4), weights=(1, 1)), "weights is"),
        (lambda: detection.decode_distances(jnp.zeros((2, 4)), jnp.zeros((2, 3))), "points has shape"),
        (lambda: detection.fpn_level(jnp.zeros(4), low=4, high=2), "low is 4; allowed: 0 to 2"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
