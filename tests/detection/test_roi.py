"""Cuts of boxes against torchvision's operations, on boxes beyond the edge and points among them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxtricks import detection
from tests.golden import make_detection as golden

GOLDEN = np.load(Path(golden.__file__).with_name("detection.npz"))
FEATURES, ROIS = golden.features(), golden.rois()
CUT = {"size": (3, 2), "scale": 0.25}


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling", [1, 2])
def test_align_is_torchvision_s(aligned, sampling):
    found = detection.roi_align(FEATURES, ROIS, sampling=sampling, aligned=aligned, **CUT)
    np.testing.assert_allclose(found, GOLDEN[f"roi_align {aligned} {sampling}"], atol=1e-5)


def test_pool_is_torchvision_s():
    found = jax.jit(lambda f, r: detection.roi_pool(f, r, **CUT))(FEATURES, ROIS)
    np.testing.assert_array_equal(found, GOLDEN["roi_pool"])


def test_many_levels_are_torchvision_s():
    levels = [golden.features(k, (240 >> k, 240 >> k, 2)) for k in range(2, 6)]
    chosen = detection.fpn_level(golden.pyramid_rois(), canonical=56.0)
    assert set(chosen.tolist()) == {2, 3, 4, 5}
    found = detection.multilevel_roi(levels, golden.pyramid_rois(), size=(2, 2), canonical=56.0, aligned=False)
    np.testing.assert_allclose(found, GOLDEN["multilevel"], atol=1e-5)


def test_a_ramp_is_cut_to_its_mean():
    """On a map that is linear, the mean of the samples is the value at the part's centre."""
    ramp = np.add.outer(np.arange(8.0), 10 * np.arange(9.0)).astype(np.float32)[..., None]
    found = detection.roi_align(ramp, jnp.array([[1.0, 2, 5, 6]]), size=(2, 2), scale=1.0)[0, :, :, 0]
    y, x = np.array([3.0, 5.0]) - 0.5, np.array([2.0, 4.0]) - 0.5
    np.testing.assert_allclose(found, y[:, None] + 10 * x[None], rtol=1e-5)


def test_gradients_are_those_of_finite_differences():
    with jax.enable_x64(True):
        features, rois = FEATURES.astype(np.float64), ROIS[:3].astype(np.float64)
        check_grads(lambda f, r: detection.roi_align(f, r, **CUT), (features, rois), order=1, modes=("rev",), rtol=1e-4)
        check_grads(lambda f: detection.roi_pool(f, rois, **CUT), (features,), order=1, modes=("rev",), rtol=1e-4)


@pytest.mark.parametrize("cut", [detection.roi_align, detection.roi_pool])
def test_bad_boxes_are_not_a_number_and_leave_others_alone(cut):
    hostile = ROIS.copy()
    hostile[1, 2], hostile[2, 0] = np.nan, np.inf
    found, clean = cut(FEATURES, hostile, **CUT), cut(FEATURES, ROIS, **CUT)
    assert np.isnan(found[1:3]).all()
    np.testing.assert_array_equal(found[3:], clean[3:])
    assert cut(FEATURES, ROIS[:0], **CUT).shape == (0, 3, 2, 2)
    assert np.isfinite(cut(FEATURES, ROIS[:, [2, 3, 0, 1]], **CUT)).all()  # inverted


@pytest.mark.parametrize("cut", [detection.roi_align, detection.roi_pool])
@pytest.mark.parametrize(
    ("features", "rois", "options", "words"),
    [
        (FEATURES[0], ROIS, {}, "features has shape"),
        (FEATURES[:0], ROIS, {}, "features has shape"),
        (FEATURES, ROIS[0], {}, "boxes has shape"),
        (FEATURES, ROIS, {"size": (0, 2)}, r"size\[0\] is 0"),
        (FEATURES, ROIS, {"size": 3}, "size is 3; allowed: 2 integers"),
        (FEATURES, ROIS, {"scale": 0.0}, "scale is 0.0"),
    ],
)
def test_wrong_arguments_of_cuts(cut, features, rois, options, words):
    with pytest.raises(ValueError, match=words):
        cut(features, rois, **(CUT | options))


def test_levels_are_a_list():
    with pytest.raises(ValueError, match="features is ndarray; allowed: a list of one level or more"):
        detection.multilevel_roi(FEATURES, ROIS, size=(2, 2))
