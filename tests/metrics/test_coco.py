"""COCO's mean average precision against pycocotools and its published demo figures; VOC's against its rule."""

from pathlib import Path

import numpy as np
import pytest

from jaxtricks import metrics
from tests.golden import make_coco as golden

GOLDEN = np.load(Path(golden.__file__).with_name("coco.npz"))
DEMO = {name.removeprefix("demo "): GOLDEN[name] for name in GOLDEN if name.startswith("demo ")}
STATS = DEMO.pop("stats")


def test_the_published_figures_of_coco_s_demo():
    """100 images of val2014: the twelve figures that pycocotools's README has, to the digits printed."""
    found = metrics.coco_map(**DEMO, classes=80)
    np.testing.assert_allclose(found.stats, STATS, atol=1e-9)


@pytest.mark.parametrize("seed", golden.SEEDS)
def test_500_random_images_are_pycocotools_s(seed):
    """With crowds, empty images, a class without an object, ties, and areas of the annotation."""
    data = golden.random_set(seed)
    assert data["crowd"][data["target_valid"]].any()
    assert (~data["target_valid"]).all(1).any()
    assert (~data["valid"]).all(1).any()
    found = metrics.coco_map(**data, classes=golden.CLASSES)
    np.testing.assert_allclose(found.stats, GOLDEN[f"random {seed}"], atol=1e-6)
    np.testing.assert_allclose(found.by_class, GOLDEN[f"random {seed} by class"], atol=1e-6)
    assert np.isnan(found.by_class[2])


def small(seed=0, images=40):
    return golden.random_set(seed, images)


def test_padding_and_the_order_of_images_change_nothing():
    data = small() | {"scores": np.random.default_rng(3).random((40, 14))}  # no ties
    first = metrics.coco_map(**data, classes=4)
    order = np.random.default_rng(0).permutation(40)
    moved = metrics.coco_map(**{name: values[order] for name, values in data.items()}, classes=4)
    np.testing.assert_allclose(moved.stats, first.stats, rtol=1e-12)
    hostile = dict(data)
    for prefix in ("", "target_"):
        there = data[f"{prefix}valid"]
        hostile[f"{prefix}boxes"] = np.where(there[..., None], data[f"{prefix}boxes"], np.nan)
        hostile[f"{prefix}labels"] = np.where(there, data[f"{prefix}labels"], 99)
    padded = metrics.coco_map(**hostile, classes=4)
    np.testing.assert_array_equal(padded.stats, first.stats)


def test_small_and_large_are_what_the_limits_say():
    """Twice as large, with limits and annotated areas four times as large: the same figures."""
    data = small()
    larger = data | {name: 2 * data[name] for name in ("boxes", "target_boxes")} | {"areas": 4 * data["areas"]}
    first = metrics.coco_map(**data, classes=4)
    limits = (4 * 32.0**2, 4 * 96.0**2)
    np.testing.assert_allclose(metrics.coco_map(**larger, classes=4, limits=limits).stats, first.stats, rtol=1e-12)
    assert not np.allclose(metrics.coco_map(**larger, classes=4).stats, first.stats, equal_nan=True)


def test_by_hand():
    """Two objects, one found at IoU 0.8 with score 0.9, then two wrong ones."""
    boxes = np.array([[[0, 0, 10, 8], [50, 50, 60, 60], [0, 0, 10, 9.9]]])
    targets = np.array([[[0, 0, 10, 10], [80, 80, 90, 90]]])
    found = metrics.coco_map(
        boxes, np.array([[0.9, 0.8, 0.1]]), np.zeros((1, 3), int), targets, np.zeros((1, 2), int), classes=2
    )
    # at 0.5 to 0.8 precision 1 up to recall 0.5: 51 of 101 points; above, the last box is right: precision 1/3
    np.testing.assert_allclose(found.ap, (7 * 51 + 3 * 51 / 3) / 1010, rtol=1e-12)
    assert found.ap == found.ap_small == found.by_class[0] == found.ap_weighted
    assert (found.ap50, found.ar_all, found.ar_few) == (51 / 101, 0.5, 0.35)
    assert np.isnan([found.ap_medium, found.by_class[1]]).all()
    weighted = metrics.coco_map(
        boxes, np.array([[0.9, 0.8, 0.1]]), np.array([[0, 1, 1]]), targets, np.array([[0, 1]]), classes=2
    )
    assert weighted.ap_weighted == weighted.ap == 0.7 / 2


def test_the_average_weighted_by_share():
    boxes = np.array([[[0, 0, 9, 9], [20, 20, 29, 29], [40, 40, 49, 49]]])
    labels = np.array([[0, 1, 1]])
    found = metrics.coco_map(boxes[:, :1], np.ones((1, 1)), labels[:, :1], boxes, labels, classes=2)
    assert (found.ap, found.ap_weighted) == pytest.approx((1 / 2, 1 / 3))


def test_the_interval_is_that_of_resampled_images():
    """Images counted several times are the same as copies of them."""
    data = small(images=12) | {"scores": np.random.default_rng(4).random((12, 14))}  # no ties
    weights = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), 3)
    names = ("ap", "ap50", "ap_small", "ap_medium", "ap_large")
    found = metrics.coco_map(**data, classes=4, ci=0.9, ci_of=names, resamples=3, seed=5)
    copies = []
    for weight in weights:
        index = np.repeat(np.arange(12), weight)
        copies.append(metrics.coco_map(**{name: values[index] for name, values in data.items()}, classes=4))
    for name in names:
        of_copies = [getattr(copy, name) for copy in copies]
        np.testing.assert_allclose(
            found.intervals[name], np.nanquantile(of_copies, [0.05, 0.95]), rtol=1e-9, err_msg=name
        )
    assert found.interval == found.intervals["ap"]
    assert list(metrics.coco_map(**data, classes=4, ci=0.9, resamples=3).intervals) == ["ap"]
    assert metrics.coco_map(**data, classes=4).interval is None


def test_images_without_an_object_or_a_detection():
    data = small(images=3)
    nothing = np.zeros((3, 14), bool)
    blind = metrics.coco_map(**(data | {"valid": nothing}), classes=4)
    assert (blind.ap, blind.ar_all) == (0.0, 0.0)
    empty = metrics.coco_map(**(data | {"target_valid": np.zeros((3, 8), bool)}), classes=4)
    assert np.isnan(empty.stats).all()
    assert np.isnan(metrics.coco_map(**{k: v[:0] for k, v in data.items()}, classes=4, ci=0.9).interval).all()
    no_boxes = {k: v[:, :0] if k in ("boxes", "scores", "labels", "valid") else v for k, v in data.items()}
    assert metrics.coco_map(**no_boxes, classes=4).ap == 0.0


def slow_voc(data, classes, points, hard):
    out = []
    for c in range(classes):
        total, rows = 0, []
        for n in range(len(data["boxes"])):
            objects = [i for i in range(8) if data["target_valid"][n, i] and data["target_labels"][n, i] == c]
            total += sum(not hard[n, i] for i in objects)
            for d in range(14):
                if data["valid"][n, d] and data["labels"][n, d] == c:
                    overlap = []
                    for i in objects:
                        a, b = data["boxes"][n, d].astype(float), data["target_boxes"][n, i].astype(float)
                        w, h = max(min(a[2], b[2]) - max(a[0], b[0]), 0), max(min(a[3], b[3]) - max(a[1], b[1]), 0)
                        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
                        overlap.append(w * h / union)
                    best = int(np.argmax(overlap)) if overlap else -1
                    place = (n, objects[best]) if overlap and overlap[best] > 0.5 else None
                    rows.append((-data["scores"][n, d], n, d, place))
        taken, hits = set(), []
        for *_, place in sorted(rows, key=lambda row: row[:3]):
            if place is not None and hard[place]:
                continue
            hits.append(place is not None and place not in taken)
            taken.add(place)
        if total == 0:
            continue
        true = np.cumsum(hits)
        recall, precision = true / total, true / np.arange(1, len(hits) + 1)
        if points:
            out.append(np.mean([max(precision[recall >= r], default=0) for r in np.linspace(0, 1, points)]))
        else:
            steps = np.diff(recall, prepend=0)
            out.append(sum(step * precision[i:].max() for i, step in enumerate(steps)))
    return np.mean(out)


@pytest.mark.parametrize("points", [None, 11])
def test_voc_is_its_rule(points):
    data = small()
    del data["areas"]
    hard = data.pop("crowd")
    found = metrics.voc_map(**data, classes=4, points=points, difficult=hard)
    assert found.ap == pytest.approx(slow_voc(data, 4, points, hard), abs=1e-12)
    assert np.isnan(found.by_class[2])


def test_interpolated_precision_by_hand():
    recall, precision = np.array([0.25, 0.25, 0.5, 0.5, 0.75]), np.array([1, 0.5, 2 / 3, 0.5, 0.6])
    assert metrics.interpolated_average_precision(recall, precision) == pytest.approx((1 + 2 / 3 + 0.6) / 4)
    expected = (3 * 1 + 3 * 2 / 3 + 2 * 0.6 + 3 * 0) / 11
    assert metrics.interpolated_average_precision(recall, precision, points=11) == pytest.approx(expected)


def test_a_bootstrap_of_a_mean_is_the_normal_interval():
    rows = np.random.default_rng(1).normal(size=400)
    low, high = metrics.bootstrap(0, {"x": rows}, lambda rows: rows["x"].mean())
    error = rows.std() / 20
    assert (low, high) == pytest.approx((rows.mean() - 1.96 * error, rows.mean() + 1.96 * error), abs=0.2 * error)
    assert (
        metrics.bootstrap(0, rows, np.mean)
        == metrics.bootstrap(0, rows, np.mean)
        != metrics.bootstrap(1, rows, np.mean)
    )
    assert np.isnan(metrics.bootstrap(0, rows, lambda rows: np.nan, resamples=2)).all()


FEW = small(images=2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"boxes": FEW["boxes"][..., :3]}, "boxes has shape"),
        ({"boxes": np.full(FEW["boxes"].shape, np.nan)}, r"boxes\[\d, \d+\] is \[nan nan nan nan\]; allowed"),
        ({"target_boxes": FEW["target_boxes"][..., [2, 3, 0, 1]]}, "target_boxes.*x0 <= x1"),
        ({"target_boxes": FEW["target_boxes"][:1]}, "target_boxes has shape"),
        ({"labels": FEW["labels"] + 4}, r"labels\[\d, \d+\] is \d; allowed: 0 to 3"),
        ({"target_labels": FEW["target_labels"] - 4}, r"target_labels\[.*\] is -\d; allowed: 0 to 3"),
        ({"scores": FEW["scores"] * np.nan}, r"scores\[\d, \d+\] is nan"),
        ({"valid": FEW["valid"] * 1}, "valid has dtype"),
        ({"areas": -FEW["areas"]}, "areas holds -"),
        ({"iou_thresholds": ()}, r"iou_thresholds is \(\)"),
        ({"max_detections": (10, 1, 100)}, "three rising integers"),
        ({"limits": 4}, "limits is 4; allowed: two rising"),
        ({"limits": (9.0, 4.0)}, r"limits is \(9.0, 4.0\); allowed: two rising"),
        ({"limits": (0.0, 4.0)}, r"limits\[0\] is 0.0; allowed: greater than 0"),
        ({"ci": 1.0}, "ci is 1.0"),
        ({"ci_of": ("ap50",)}, "ci_of is .'ap50',.; allowed: 'ap', and after it"),
        ({"ci_of": "ap"}, "ci_of is 'ap'"),
        ({"ci_of": ("ap", "ar")}, "ap_large"),
        ({"ci": 0.9, "resamples": 0}, "resamples is 0"),
        ({"classes": 0}, "classes is 0"),
    ],
)
def test_wrong_sets_are_reported(change, words):
    with pytest.raises(ValueError, match=words):
        metrics.coco_map(**({"classes": 4} | FEW | change))
