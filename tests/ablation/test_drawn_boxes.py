"""Boxes in the report of a detection: which are drawn, the figures by size, the picture in the page."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jaxtricks import data, models, tasks, train
from jaxtricks.ablation import drawn_boxes
from jaxtricks.ablation.report import write
from jaxtricks.tricks import detecting, detector

PIXELS = np.random.default_rng(0).integers(16, 256, (40, 8, 8)).astype(np.uint8)
LABELS = np.arange(40) % 4
ITEMS = data.from_arrays("items", PIXELS, LABELS, PIXELS[:8], LABELS[:8])
CANVASES = data.shapes(ITEMS, images=(12, 7), size=32, objects=3, scale=(1.0, 1.5), kinds=(0, 1, 1, 2))
BODY = partial(models.resnet, models.Layout((1, 1), (8, 8), bottleneck=False, stem=(3, 2), pool=False))


def recipe():
    parts = {"task": tasks.classification(3), "augmented": None, "model": BODY, "lr": 0.01, "batch": 4, "epochs": 16.0}
    plan = {"size": (32, 32), "taps": ("stage1", "stage2"), "strides": (2, 4), "scales": (3.0,), "width": 8, "depth": 1}
    return detector.changed(detecting.baseline(**parts), **plan)


def test_the_areas_of_the_thirds():
    box = np.array(
        [[[0, 0, 1, 4], [0, 0, 2, 4]], [[0, 0, 3, 4], [0, 0, 4, 4]], [[0, 0, 99, 99], [0, 0, 50, 50]]], float
    )
    valid, crowd = np.array([[1, 1], [1, 1], [1, 0]], bool), np.array([[0, 0], [0, 0], [1, 0]], bool)
    columns = {"image": np.zeros((3, 9, 9, 1), np.uint8), "box": box, "box_valid": valid, "box_crowd": crowd}
    dataset = SimpleNamespace(train=SimpleNamespace(columns=columns))
    assert drawn_boxes.thirds(dataset) == pytest.approx((8.0, 12.0))  # of 4, 8, 12, 16
    assert drawn_boxes.titles((64.0, 144.0)) == ["mAP, %", "mAP.50, %", "below 8 px", "8 to 12 px", "above 12 px"]


def test_as_many_of_the_best_boxes_as_there_are_objects():
    found = {
        "boxes": np.zeros((3, 4, 4)),
        "labels": np.zeros((3, 4), int),
        "scores": np.array([[0.1, 0.9, 0.5, 0.95], [0.5, 0.5, 0.2, 0.1], [0.9, 0.8, 0.7, 0.6]]),
        "valid": np.array([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]], bool),
        "target_valid": np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], bool),
    }
    chosen = drawn_boxes.best(found)["valid"]
    np.testing.assert_array_equal(chosen, [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]])


def test_figures_by_size_with_what_is_not_there():
    """A small object that is found, a large one that is not, and none between."""
    found = {
        "boxes": np.array([[[0.0, 0, 4, 4]], [[0, 0, 4, 4]]]),
        "scores": np.full((2, 1), 0.9),
        "labels": np.zeros((2, 1), int),
        "valid": np.array([[True], [False]]),
        "target_boxes": np.array([[[0.0, 0, 4, 4]], [[0, 0, 20, 20]]]),
        "target_labels": np.zeros((2, 1), int),
        "target_valid": np.ones((2, 1), bool),
    }
    everything, half, small, middle, large = drawn_boxes.by_thirds(found, classes=1, limits=(25.0, 100.0))
    assert everything.startswith("50.5 [0.0, 100.0]")  # recalls up to 0.5 are 51 of 101
    assert half == everything
    assert small == "100.0 [100.0, 100.0]"
    assert middle == "none"
    assert large == "0.0 [0.0, 0.0]"


def test_the_page_has_figures_and_boxes(tmp_path, capsys, make_row, make_results):
    row = SimpleNamespace(name="baseline", recipe=recipe(), dataset=lambda dataset: dataset)
    results = make_results(make_row("baseline", [20.0, 22.0]), seeds=2)
    for cell in results["rows"][0]["cells"]:
        cell["test"] |= {"loss": 1.0, "mAP": 20.0, "mAP.50": 40.0}
    page = write(results, tmp_path)
    drawn_boxes.show(results, [row], CANVASES, tmp_path)
    with Image.open(tmp_path / "boxes.png") as image:
        assert image.height > image.width > 100  # six images of two columns
    text = page.read_text(encoding="utf-8")
    assert text.index("<h2>All figures: means") < text.index("<h2>By size of the objects: seed 0")
    assert text.index("By size of the objects") < text.index("<h2>Predictions</h2>") < text.index("<h2>Reproduce</h2>")
    out = capsys.readouterr().out
    assert "mAP.50, %" in out
    assert "px" in out
    # the figure of the run itself, by way of the evaluation
    (run,) = train.fit(row.recipe, CANVASES)
    found = drawn_boxes.predicted(row.recipe, CANVASES, run.variables)
    assert found["boxes"].shape == (7, 20, 4)
    assert float(drawn_boxes.by_thirds(found, classes=3, limits=(1.0, 2.0))[0].split()[0]) == pytest.approx(
        100 * run.test["mAP"], abs=0.06
    )
