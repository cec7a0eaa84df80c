"""Under ``jax_enable_x64`` float32 stays float32; under strict promotion every primitive but one runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import augment
from tests.cases import CASES, subject

WIDE = {  # float64 by itself there, and why
    "init.he_normal": "the default dtype of JAX's initialisers, which is then float64",
    "init.xavier_normal": "the same",
    "init.forget_bias": "the case makes its bias so",
    "optim.": "a rate is a number of the host, as optax's schedules give it",
    "ablation.": "statistics on the host",
    "analysis.lr_range_test": "on the host",
    "metrics.coco_map": "on the host",
    "metrics.voc_map": "on the host",
}
STRICT = {"optim.one_cycle"}  # optax's cosine_onecycle_schedule
NAMED = """
    augment.pad_crop augment.random_pad_crop augment.cam_box augment.random_box augment.cut_pairs
    augment.mosaic_at augment.mask_grid augment.resized_crop augment.move_labels augment.gaussian_blur
    detection.heatmap_targets detection.roi_align detection.roi_pool detection.weighted_fusion
    ensembles.coverage ensembles.majority losses.ohem_weights losses.hard_negative_weights
    losses.supervised_contrastive optim.skip_spikes
""".split()


def result(name):
    case = subject(name)
    values = case.make(0)
    return case.result(values) if case.case.host else jax.eval_shape(case.result, values)


def stays_narrow(name):
    with jax.enable_x64(True):
        kinds = {str(leaf.dtype) for leaf in jax.tree.leaves(result(name)) if hasattr(leaf, "dtype")}
    assert not kinds & {"float64", "complex128"}


def runs_strictly(name):
    with jax.numpy_dtype_promotion("strict"):
        result(name)


@pytest.mark.parametrize("name", NAMED)
def test_float32_stays_float32_under_x64(name):
    stays_narrow(name)


@pytest.mark.parametrize("name", NAMED)
def test_strict_promotion(name):
    runs_strictly(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(tuple(WIDE))])
def test_all_float32_stays_float32_under_x64(name):
    stays_narrow(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in STRICT])
def test_all_run_under_strict_promotion(name):
    runs_strictly(name)


def test_x64_changes_no_number_of_a_crop_and_a_mixture():
    image = np.random.default_rng(0).random((6, 8, 3), dtype=np.float32)
    offset, box = np.array([1, 3]), jnp.array([1.0, 0.0, 5.0, 4.0])
    before = augment.pad_crop(image, offset, padding=2), augment.resized_crop(image, box, size=4)
    with jax.enable_x64(True):
        after = augment.pad_crop(image, offset, padding=2), augment.resized_crop(image, box, size=4)
    assert after[0].dtype == after[1].dtype == np.float32
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_allclose(before[1], after[1], atol=1e-6)
