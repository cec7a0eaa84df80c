"""What everything else does with hostile arguments: preprocessing, initialisers, metrics, models, data, statistics."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import ablation, data, init, metrics, models, preprocess
from tests.cases.case import Array, Case, Key, Says
from tests.cases.common import boxes, within


def uniform(rng, shape):
    return rng.random(shape)


IMAGES = Array(("B", "H", "W", "K"), uniform, edges=("zeros", "ones", "equal"), dtypes="fu")
IMAGE = Array(("H", "W", "K"), uniform, edges=("zeros", "ones", "equal", "tiny"), dtypes="fu")
PLAIN = Array(("H", "W", "K"), uniform, edges=("zeros", "ones", "equal", "tiny"))
SMALL = Array((2, 3, 1), uniform, edges=("zeros", "ones", "equal", "tiny"))
AFFINE = preprocess.Affine(Array((3,), uniform, own=True), Array((3,), lambda r, s: r.random(s) + 0.5, own=True))
WHITENING = preprocess.Whitening(Array((2, 3, 1), uniform, own=True), Array((6, 6), own=True), Array((6, 6), own=True))
STANDARD = partial(Case, {"stats": AFFINE, "image": Array(("H", "W", 3), uniform, edges=("zeros", "ones", "tiny"))})
LABEL = Array(("B",), dtypes="iu", classes="C")
LOGITS = Array(("B", "C"), dtypes="fiu", edges=("zeros", "equal", "high", "low", "apart"))
FLAGS = partial(Array, draw=lambda rng, shape: rng.random(shape) < 0.5, dtypes="bfiu")
PIXELS = Array(("B", "H", "W"), lambda rng, shape: rng.integers(0, 5, shape), dtypes="iu", classes="C")
TALLY = Array(("C",), lambda rng, shape: rng.integers(0, 9, shape), dtypes="iuf", lead=True)
PARAMS = {"conv": {"kernel": Array((2, 3), own=True), "bias": Array((3,), own=True)}}
MANY = Array(("B", "N"), uniform, edges=("equal",), dtypes="fiubc", lead=True)
SAMPLES = Array(("N",), uniform, edges=("equal",), dtypes="fiubc")


CHANCES = Array(("B", "C"), lambda rng, shape: rng.dirichlet(np.ones(shape[-1]), size=shape[0]))
DETECTIONS = {
    "boxes": Array(("B", "N", 4), boxes, dtypes="fiu"),
    "scores": Array(("B", "N"), uniform, dtypes="fiu", edges=("zeros", "equal")),
    "labels": Array(("B", "N"), dtypes="iu", classes="C"),
    "target_boxes": Array(("B", "M", 4), boxes, dtypes="fiu"),
    "target_labels": Array(("B", "M"), dtypes="iu", classes="C"),
}


def integers(rng, shape):
    return rng.integers(0, 255, shape)


PASSED_OVER = Says("What is not finite in an image may be lost on its way")


def network(model, *size, **says) -> Case:
    """A small network at evaluation."""

    def call(image):
        return model.apply(*model.init(jax.random.key(0)), image, train=False)[0][0]

    image = Array(("B", *size, 3), uniform, edges=("zeros", "ones"))
    return Case({"image": image}, call=call, empty="B", deep=True, **says)


def never_correct(clean, hostile, at):
    """The loss is NaN, the answer not correct, and the other rows as they were."""
    others = np.arange(len(hostile[0])) != at[0]
    lost = [np.isnan(x[at]) if x.dtype.kind == "f" else not x[at] for x in hostile]
    return all(lost) and all((a[others] == b[others]).all() for a, b in zip(clean, hostile, strict=True))


def nowhere(clean, hostile, at):
    """Counts of other images are as they were; of this one, no intersection grows, and no union by more than 1."""
    others = np.arange(len(hostile[0])) != at[0]
    same = all((a[others] == b[others]).all() for a, b in zip(clean, hostile, strict=True))
    return same and (hostile[0] <= clean[0]).all() and (abs(hostile[1] - clean[1]) <= 1).all()


def rising(rng, shape):
    return np.sort(rng.random(shape))


def figures(name):
    """All fields of what a function of detections gives."""
    return lambda **arguments: tuple(
        field for field in fields(getattr(metrics, name)(**arguments)) if field is not None
    )


def fields(result):
    return result if isinstance(result, tuple) else vars(result).values()


CASES = {
    "ablation.holm": Case(
        {"p_values": Array(("N",), uniform, edges=("zeros", "ones"), dtypes="fiubc")},
        host=True,
        empty="N",
        holds=within(0, 1),
    ),
    "ablation.interval": Case(
        {"values": MANY}, empty="B", host=True, finite=Says("-inf and inf where n is 1 or all n values are equal")
    ),
    "ablation.paired": Case(
        {"treated": SAMPLES, "control": SAMPLES},
        {"resamples": 100, "confidence": 0.95},
        call=lambda **given: tuple(vars(ablation.paired(**given)).values()),
        host=True,
    ),
    "ablation.resolvable": Case(options={"n": 5, "sd": 0.9}, host=True),
    "data.class_counts": Case({"labels": LABEL}, {"classes": 5}, host=True, labels=Says("out of range"), empty="B"),
    "data.from_arrays": Case(
        {
            "x_train": Array(("N", 6, 6, 1), integers, dtypes="u"),
            "y_train": Array(("N",), lambda rng, shape: np.arange(shape[0]) % 5, dtypes="iu"),
            "x_test": Array(("B", 6, 6, 1), integers, dtypes="u"),
            "y_test": Array(("B",), lambda rng, shape: np.arange(shape[0]) % 5, dtypes="iu"),
        },
        {"name": "arrays", "classes": 5},
        call=lambda **given: vars(data.from_arrays(**given).train),
        host=True,
        right={"name": ("text",), "classes": (None,)},
    ),
    "data.epoch_permutation": Case(options={"seed": 3, "epoch": 1, "size": 9}, host=True),
    "data.steps_per_epoch": Case(options={"size": 256, "batch": 32}, host=True),
    "init.dirac": Case(
        {},
        {"groups": 1},
        call=lambda groups: init.dirac(groups=groups)(None, (3, 3, 2, 4)),
        gradient=False,
    ),
    "init.fixup": Case(
        {"params": PARAMS}, {"inner": "conv", "last": "kernel", "branches": 3, "depth": 2}, gradient=False
    ),
    "init.forget_bias": Case(
        {"kernel": Array((2, 3), own=True)},
        {"value": 1.0},
        call=lambda kernel, value: init.forget_bias({"hf": {"kernel": kernel, "bias": jnp.zeros(3)}}, value=value),
        gradient=False,
    ),
    "init.he_normal": Case(
        {"key": Key()},
        {"mode": "fan_in"},
        call=lambda key, mode: init.he_normal(mode=mode)(key, (3, 4)),
        gradient=False,
    ),
    "init.lsuv": Case(
        {"kernel": Array((3, 2), own=True), "x": Array(("B", 3), own=True)},
        {"steps": 2},
        call=lambda kernel, x, steps: init.lsuv(
            {"a": {"kernel": kernel}}, ["a/kernel"], lambda p, path: x @ p["a"]["kernel"], steps=steps
        ),
        gradient=False,
    ),
    "init.patch_whitening": Case(
        {"images": Array(("B", "H", "W", "K"), uniform, edges=("zeros", "ones"))},
        {"window": 2, "eps": 1e-3},
        gradient=False,
    ),
    "init.xavier_normal": Case({"key": Key()}, call=lambda key: init.xavier_normal()(key, (3, 4)), gradient=False),
    "keys.typed": Case({"keys": Key()}, gradient=False),
    "keys.named": Case({"key": Key()}, {"name": "mixup"}, gradient=False, right={"name": ("text",)}),
    "metrics.average_precision": Case(
        {"scores": Array(("N",), dtypes="fiu", edges=("zeros", "apart")), "positives": FLAGS(("N",))},
        host=True,
        finite=Says("NaN if there is no positive"),
    ),
    "metrics.balanced_accuracy": Case(
        {"confusion": Array(("C", "C"), lambda rng, shape: rng.integers(0, 9, shape), dtypes="iuf")},
        host=True,
        finite=Says("NaN if no class occurs"),
    ),
    "metrics.boundary_intersections_and_unions": Case(
        {"predicted": PIXELS, "target": PIXELS},
        {"classes": 5},
        empty="BHW",
        labels=Says("has no class"),
        gradient=False,
        right={"ignore": (-1, 0)},
    ),
    "metrics.brier": Case({"probabilities": CHANCES, "labels": LABEL}, rows=True, empty="B", holds=within(0, 2)),
    "metrics.calibration_bins": Case(
        {"probabilities": CHANCES, "labels": LABEL},
        empty="B",
        nan=Says("a probability is NaN makes the last confidence NaN"),
        inf=Says("rows of sum 1"),
        labels=Says("one out of range is never correct"),
        gradient=False,
    ),
    "metrics.calibration_error": Case(
        {
            "count": Array(("N",), lambda rng, shape: rng.integers(5, 9, shape), dtypes="iuf"),
            "correct": Array(("N",), lambda rng, shape: rng.integers(0, 5, shape), dtypes="iuf"),
            "confidence": Array(("N",), uniform, dtypes="fiu"),
        },
        host=True,
        finite=Says("NaN without an example"),
    ),
    "metrics.coco_map": Case(
        DETECTIONS,
        {"classes": 5},
        call=figures("coco_map"),
        host=True,
        empty="BNM",
        finite=Says("NaN where there is no"),
    ),
    "metrics.confusion_matrix": Case(
        {"predicted": LABEL, "labels": LABEL},
        {"classes": 5},
        empty="B",
        labels=Says("counts nowhere"),
        gradient=False,
    ),
    "metrics.correct": Case(
        {"logits": LOGITS, "labels": LABEL},
        empty="B",
        nan=Says("is never\ncorrect"),
        labels=Says("is never\ncorrect", never_correct),
        gradient=False,
    ),
    "metrics.interpolated_average_precision": Case(
        {"recall": Array(("N",), rising, dtypes="fiu"), "precision": Array(("N",), uniform, dtypes="fiu")},
        host=True,
        holds=within(0, 1),
    ),
    "metrics.intersections_and_unions": Case(
        {"predicted": PIXELS, "target": PIXELS},
        {"classes": 5},
        empty="BHW",
        labels=Says("has no class", nowhere),
        gradient=False,
        right={"ignore": (-1, 0)},
    ),
    "metrics.mean_average_precision": Case(
        {"scores": Array(("N", "C"), dtypes="fiu", edges=("zeros", "apart")), "targets": FLAGS(("N", "C"))},
        host=True,
        finite=Says("NaN if no class has a positive"),
    ),
    "metrics.mean_dice": Case(
        {"intersections": TALLY, "unions": Array(("C",), lambda rng, shape: rng.integers(9, 20, shape), dtypes="iuf")},
        host=True,
        finite=Says("NaN if no class has a pixel"),
    ),
    "metrics.precision_recall_f1": Case(
        {"confusion": Array(("C", "C"), lambda rng, shape: rng.integers(0, 9, shape), dtypes="iuf")},
        {"average": "macro"},
        host=True,
        holds=within(0, 1),
        right={"average": (None,)},
    ),
    "metrics.voc_map": Case(
        DETECTIONS,
        {"classes": 5},
        call=figures("voc_map"),
        host=True,
        empty="BNM",
        finite=Says("NaN where there is no"),
    ),
    "metrics.mean_iou": Case(
        {"intersections": TALLY, "unions": Array(("C",), lambda rng, shape: rng.integers(9, 20, shape), dtypes="iuf")},
        host=True,
        finite=Says("NaN if no class has a pixel"),
    ),
    "models.plain": network(models.plain((4,), classes=5), "H", "W"),
    "models.perceptron": network(models.perceptron((4,), size=64, channels=3, classes=5), 8, 8),
    "models.resnet": network(
        models.resnet(models.LAYOUTS["resnet_digits"], classes=5), "H", "W", nan=PASSED_OVER, inf=PASSED_OVER
    ),
    "preprocess.center_fit": Case({"images": IMAGES}, host=True),
    "preprocess.mean_image_fit": Case({"images": IMAGES}, host=True),
    "preprocess.min_max_fit": Case({"images": IMAGES}, host=True),
    "preprocess.pca": Case({"stats": WHITENING, "image": SMALL}),
    "preprocess.pca_fit": Case(
        {"images": Array(("B", "h", "w", 1), uniform, dtypes="fu", free=True)}, {"epsilon": 0.1}, host=True
    ),
    "preprocess.pca_inverse": Case({"stats": WHITENING, "components": Array((6,))}),
    "preprocess.per_image": Case({"image": PLAIN}, {"stats": ()}),
    "preprocess.per_image_fit": Case(options={"images": ()}, host=True),
    "preprocess.resize_center_crop": Case({"image": IMAGE}, {"shorter": 7, "size": 5}, holds=within(0, 1)),
    "preprocess.standardize": STANDARD(),
    "preprocess.standardize_fit": Case({"images": IMAGES}, host=True),
    "preprocess.standardize_inverse": STANDARD(),
    "preprocess.zca": Case({"stats": WHITENING, "image": SMALL}),
    "preprocess.zca_fit": Case(
        {"images": Array(("B", "h", "w", 1), uniform, dtypes="fu", free=True)}, {"epsilon": 0.1}, host=True
    ),
    "preprocess.zca_inverse": Case({"stats": WHITENING, "image": SMALL}),
}

# What takes files, recipes, functions or patterns rather than numbers: where what is wrong with them is tried.
ELSEWHERE = {
    path: names.split()
    for path, names in {
        "tests/test_opt_states.py": "opt_states.eval_params opt_states.named_twice opt_states.rejected",
        "tests/train/test_reports.py": "opt_states.reports opt_states.waits",
        "tests/train/test_tasks.py": """data.from_columns tasks.multilabel tasks.regression
            tasks.segmentation train.collected train.mean_of""",
        "tests/ablation/test_report.py": """ablation.machine ablation.report.findings
            ablation.report.markdown ablation.report.render ablation.report.summarise ablation.report.table
            ablation.report.write""",
        "tests/ablation/test_search.py": "ablation.best_rates ablation.rate_trials",
        "tests/ablation/test_moderated.py": "ablation.moderated",
        "tests/ablation/test_verdicts.py": """ablation.agreement ablation.equivalence ablation.seeds_needed
            ablation.verdict""",
        "tests/ablation/test_cells.py": "data.identity",
        "tests/ablation/test_tricks.py": "ablation.merge ablation.settings_grid ablation.variants",
        "tests/analysis/test_cost.py": "analysis.count_macs",
        "tests/metrics/test_coco.py": "metrics.bootstrap",
        "tests/tricks/test_detecting.py": "data.shapes models.detector",
        "tests/analysis/test_count.py": "analysis.count analysis.receptive_fields",
        "tests/analysis/test_look.py": """analysis.diagnose analysis.effective_field analysis.grad_cam
            analysis.grad_cam_plus_plus analysis.gradient_alarm analysis.gradient_norms analysis.latency
            analysis.throughput""",
        "tests/data/test_dataset.py": "data.digits data.fashion_mini data.load data.tfds_set",
        "tests/data/test_box_formats.py": """data.read_coco data.read_names data.read_voc data.read_yolo data.write_coco
            data.write_voc data.write_yolo""",
        "tests/data/test_boxed.py": "data.boxed",
        "tests/data/test_deepforest.py": "data.deepforest",
        "tests/data/test_mask_files.py": "data.decode_rle data.encode_rle data.masked data.read_mask data.write_mask",
        "tests/data/test_packages.py": "data.packaged",
        "tests/data/test_folder.py": "data.check_readable data.decoded data.printable",
        "tests/portable/test_portable.py": "portable.export portable.load portable.save",
        "tests/portable/test_places.py": "portable.kind",
        "tests/data/test_nearest.py": "data.nearest_source",
        "tests/data/test_label_tables.py": "data.parquet data.repeated data.summary data.table",
        "tests/data/test_sampling.py": """data.batch_composition data.bounded_batches data.class_balanced data.deferred
            data.epoch_order data.epoch_rows data.label_shuffle data.long_tail data.long_tail_counts data.over_sample
            data.progressive data.repeat_factor data.square_root""",
        "tests/ensembles/test_stacking.py": """ensembles.easy_ensemble ensembles.fit_linear ensembles.linear_scores
            ensembles.out_of_fold ensembles.side_by_side ensembles.stack_members""",
        "tests/experiments/test_main.py": "data.fake",
        "tests/faults/test_r12_corrupt.py": "data.folder data.padded data.readable",
        "tests/faults/test_r17_configurations.py": "train.fit tasks.classification",
        "tests/faults/test_r20_sources.py": "archive.open_npz archive.read_npz data.npz data.read_npz",
        "tests/models/test_plain.py": """models.batch_norm models.drawn models.fixed models.learned
            models.stateless_norm""",
        "tests/models/test_fusion.py": "models.fuse_taps models.hyper_columns",
        "tests/models/test_pretrained.py": "init.from_pretrained init.load_pretrained init.save_pretrained",
        "tests/models/test_torch_file.py": "init.read_torch",
        "tests/models/test_resnet.py": "models.functional",
        "tests/models/test_segmenter.py": "models.segmenter models.unet",
        "tests/models/test_families.py": """init.grown models.airbench models.cspnet models.densenet models.googlenet
            models.highway models.inception_v3 models.merge_branches models.mobilenet models.nin
            models.preact models.repvgg models.squeezenet models.stacked models.vovnet""",
        "tests/optim/test_paths.py": "optim.decay_mask optim.layer_rates optim.leaf_table optim.path_mask",
        "tests/test_init.py": "init.zero_gamma init.zero_last",
        "tests/test_keys_and_check.py": """check.between check.boolean check.floating check.integer check.min_rank
            check.number check.option check.positive check.rank check.same_shape check.shape check.at_least""",
        "tests/train/test_logs.py": "train.json_lines train.tensorboard train.wandb",
        "tests/train/test_parallel.py": "train.initialize_distributed",
        "tests/runtime/test_memory.py": "train.keep_memory",
        "tests/test_fingerprint.py": "fingerprint.describe fingerprint.fingerprint fingerprint.source_digest",
    }.items()
}
# What fit and the ablation call with what they have checked (row 17).
WITHIN = """ablation.apply ablation.common_headline ablation.forward_cost ablation.gather ablation.headline_of
    ablation.headline_of_task ablation.run_cells train.build_constants train.build_model
    train.build_schedule train.create_state train.epoch_steps train.eval_params train.make_evaluate train.make_step
    train.total_steps""".split()
