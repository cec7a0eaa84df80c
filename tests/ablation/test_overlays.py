"""Overlays of segmentations: colours by hand, the rows that are drawn, the picture in the page."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jaxtricks import tasks
from jaxtricks.ablation import overlays
from jaxtricks.ablation.report import write


def test_an_area_has_its_colour_its_border_all_of_it_and_the_background_none():
    image = np.full((5, 6, 1), 100, np.uint8)
    mask = np.zeros((5, 6), int)
    mask[0:3, 0:3] = 2
    out = overlays.overlay(image, mask)
    blue = overlays.COLOURS[1]
    assert out.shape == (5, 6, 3)
    np.testing.assert_array_equal(out[mask == 0], 100)
    np.testing.assert_array_equal(out[1, 1], np.round(0.45 * 100 + 0.55 * blue))  # inside; so is the image's corner
    np.testing.assert_array_equal(out[0, 0], out[1, 1])
    for place in ((2, 0), (2, 2), (0, 2)):
        np.testing.assert_array_equal(out[place], blue)
    # another class is a border too, and the colours begin anew
    both = overlays.overlay(image, np.array([[1] * 3 + [1 + len(overlays.COLOURS)] * 3] * 5))
    np.testing.assert_array_equal(both[0, [0, 2, 3, 5]], both[0, [5, 3, 2, 0]])


def test_an_image_stays_in_its_colours():
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(overlays.in_colour(colours), colours)
    np.testing.assert_array_equal(overlays.in_colour(colours[..., :1]), np.repeat(colours[..., :1], 3, -1))


def test_the_first_row_and_the_best_of_the_others_are_drawn(make_row, make_results):
    results = make_results(
        make_row("baseline", [84.0, 84.2]),
        make_row("worse", [80.0, 80.1], reference="baseline"),
        make_row("better", [85.0, 85.3], reference="baseline"),
        make_row("good", [84.9, 85.0], reference="baseline"),
        seeds=2,
    )
    rows = [SimpleNamespace(name=name) for name in ("baseline", "worse", "better", "good")]
    assert [row.name for row in overlays.shown(results, rows)] == ["baseline", "better"]
    assert [row.name for row in overlays.shown(results, rows[:1])] == ["baseline"]


def test_all_figures_of_every_row_with_a_result(make_row, make_results):
    rows = [SimpleNamespace(recipe=SimpleNamespace(task=tasks.segmentation(3)))]
    results = make_results(make_row("baseline", [60.0, 61.0]), make_row("failed", [], reference="baseline"), seeds=2)
    for cell, accuracy in zip(results["rows"][0]["cells"], (90.0, 90.5), strict=True):
        cell["test"] = {"loss": 0.25, "mIoU": cell["test"]["accuracy"], "pixel accuracy": accuracy}
    wanted = [("", "loss", "mIoU, %", "pixel accuracy, %"), ("baseline", "0.25", "60.50 ± 6.35", "90.25 ± 3.18")]
    assert overlays.figures(results, rows) == wanted  # t of one degree of freedom: 12.706 times 0.5 and 0.25
    results["rows"][0]["cells"] = results["rows"][0]["cells"][:1]
    results["rows"][0]["cells"][0]["test"]["loss"] = float("nan")
    assert overlays.figures(results, rows)[1] == ("baseline", "none", "60.00", "90.00")


def test_the_picture_is_in_the_page(tmp_path, make_row, make_results):
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)
    masks = np.zeros((2, 8, 8), int)
    masks[:, 2:6, 2:6] = 1
    figure = overlays.draw(images, {"image": None, "truth": masks, "baseline": masks}, names=("top",))
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["image", "truth", "baseline"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["top"]
    figure.savefig(picture := tmp_path / "overlays.png", dpi=40)
    with Image.open(picture) as image:
        assert image.width > 100
    page = write(make_results(make_row("baseline", [84.0, 84.2]), seeds=2), tmp_path)
    overlays.into_report(page, picture, [("All figures", [("", "mIoU, %"), ("a < b", "61.20")])], "What is there.")
    text = page.read_text(encoding="utf-8")
    assert text.count("<h2>Predictions</h2>") == text.count("<h2>Reproduce</h2>") == 1
    assert '<th scope="row">a &lt; b</th><td class="n">61.20</td>' in text
    assert 'src="data:image/png;base64,iVBOR' in text
    with pytest.raises(ValueError, match="0 times; allowed: once"):
        overlays.into_report(_emptied(page), picture, [], "")


def _emptied(page):
    page.write_text("", encoding="utf-8")
    return page
