"""Decisions on single test images: what cells hold of them, confusions and gains by class, and what a page shows."""

import base64
import io
import json
import re
from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
import small
from PIL import Image
from sklearn.metrics import confusion_matrix

from jaxtricks import data, models, tasks
from jaxtricks.ablation import Cells, Variant
from jaxtricks.ablation.cells import pack, unpack
from jaxtricks.ablation.decisions import compared, confusions, decisions
from jaxtricks.ablation.pictures import contact_sheet, picture
from jaxtricks.ablation.recommend import FRESH, Recommendation
from jaxtricks.ablation.report import classes, summarise, write
from jaxtricks.train import Task

TRUTH = np.array([0, 0, 1, 1, 1, 2])
BEFORE = np.array([[1, 0, 1, 1, 2, 0], [1, 0, 1, 2, 2, 2], [1, 0, 1, 2, 0, 2]])
AFTER = np.array([[0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 1], [1, 1, 1, 1, 0, 1]])
IMAGES = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.full((6, 4, 4, 3), 40, np.uint8)
SOURCE = replace(
    data.from_arrays("made", IMAGES, TRUTH, IMAGES, TRUTH), class_names=("cat", "<b>dog</b>", "a bird of a long name")
)
recipe = partial(small.recipe, model=partial(models.perceptron, (), size=16), augment=None, mix=None, ema=None)


def pixels(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address["source"].partition(",")[2]))))


@pytest.mark.parametrize(("highest", "dtype"), [(9, "uint8"), (999, "uint16")])
def test_a_cell_holds_decisions_in_few_bytes(highest, dtype):
    decided = np.random.default_rng(0).integers(0, highest + 1, 3000)
    decided[0] = highest
    entry = json.loads(json.dumps(pack(decided)))
    assert entry["dtype"] == dtype
    np.testing.assert_array_equal(unpack(entry), decided)
    assert len(json.dumps(entry)) < 3000 * np.log2(highest + 1) / 8 * 1.8  # 8 bits become 10.7 characters


def test_a_row_without_a_number_is_never_right():
    logits = jnp.array([[1.0, 3.0, 3.0], [jnp.nan, 9.0, 0.0]])
    decided = tasks.classification(3).decide((logits, {}), {})
    assert decided.tolist() == [1, 3]
    assert confusions(np.array([1, 1]), np.asarray(decided)[None], 3).tolist() == [[0] * 4, [0, 1, 0, 1], [0] * 4]


def test_a_task_names_the_truth_of_its_decision():
    fields = {"outputs": 2, "columns": (), "encode": dict, "headline": "a", "metrics": tasks.regression().metrics}
    fields["headline"] = "MAE"
    with pytest.raises(ValueError, match="truth is None"):
        Task(**fields, decide=lambda out, batch: out)
    with pytest.raises(ValueError, match="truth is 'kind'"):
        Task(**fields, decide=lambda out, batch: out, truth="kind")


def test_confusions_and_gains_by_hand():
    said = compared(TRUTH, BEFORE, AFTER, dataset=SOURCE)
    for name, votes in (("reference", BEFORE), ("row", AFTER)):
        matrix = sum(confusion_matrix(TRUTH, one, labels=range(4)) for one in votes)[:3]
        np.testing.assert_array_equal(said["confusion"][name], matrix)
    assert [(one["reference"], one["row"]) for one in said["classes"]] == [
        pytest.approx((50, 100 * 4 / 6)),
        pytest.approx((100 * 4 / 9, 100 * 7 / 9)),
        pytest.approx((100 * 2 / 3, 0)),
    ]
    assert said["classes"][2]["gains"] == pytest.approx([0, -100, -100])
    assert said["classes"][2]["gain"] == pytest.approx(-200 / 3)
    assert said["pairs"][0] == {"true": 0, "taken": 1, "reference": 3, "row": 2}
    assert said["pairs"][1] == {"true": 1, "taken": 2, "reference": 4, "row": 1}
    assert sum(pair["reference"] for pair in said["pairs"]) == (BEFORE != TRUTH).sum()
    # images 0 and 3 turn for most seeds, 4 is wrong with two of three; the bird turns from right to wrong
    assert said["gained"]["count"] == 2
    assert {one["index"]: one["row"] for one in said["gained"]["examples"]} == {0: [0, 2], 3: [1, 3]}
    assert [(one["index"], one["reference"], one["row"]) for one in said["lost"]["examples"]] == [(5, [2, 2], [1, 3])]
    assert (pixels(said["lost"]["examples"][0]["picture"]) == IMAGES[5]).all()
    split = compared(TRUTH[:3], np.array([[0, 0, 0], [0, 1, 1], [0, 2, 2]]), np.array([[0, 0, 1]] * 3), dataset=SOURCE)
    taken = {one["index"]: one["reference"] for one in split["gained"]["examples"]}
    assert taken == {1: [1, 1], 2: [0, 1]}  # the most frequent of the wrong ones, where no class has most seeds
    tie = compared(TRUTH[:1], np.array([[1], [1]]), np.array([[0], [1]]), dataset=SOURCE)
    assert (tie["gained"]["count"], tie["lost"]["count"]) == (0, 0)  # right with one of two seeds
    assert said["disagreement"]["arms"] == pytest.approx(100 * (BEFORE != AFTER).mean())
    assert said["disagreement"]["seeds"] == pytest.approx(100 * np.mean([2 / 6, 3 / 6, 1 / 6]))


def test_of_many_classes_only_the_ends_are_listed():
    truth = np.arange(60) % 30
    many = data.from_arrays("many", np.zeros((60, 2, 2, 1), np.uint8), truth, np.zeros((60, 2, 2, 1), np.uint8), truth)
    before = np.stack([truth, truth])
    after = before.copy()
    after[:, truth < 13] += 1  # thirteen classes are lost
    said = compared(truth, before, after, dataset=many)
    assert "confusion" not in said
    assert len(said["classes"]) == 24
    assert [one["gain"] for one in said["classes"]] == [0] * 12 + [-100] * 12
    assert len(said["pairs"]) == 13
    assert said["lost"]["count"] == 26
    assert len(said["lost"]["examples"]) == 12
    assert len(classes.by_class_rows(said)) == 24


def filled(folder, votes, *, seeds=range(3)):
    """Cells of two rows, with these decisions."""
    cells = Cells(folder, SOURCE)
    task = tasks.classification(3)
    rows = [
        Variant("baseline", (), recipe(task=task), None, None, None),
        Variant("fast", ("fast",), recipe(task=task, lr=0.5), "baseline", 1, None),
    ]
    for row, decided in zip(rows, votes, strict=True):
        for seed, one in zip(seeds, decided, strict=True):
            cells.put(row.recipe, seed, {"seed": seed, "decided": pack(one)})
    return cells, rows


@pytest.fixture
def helping(make_row, make_results):
    rows = make_row("baseline", (50.0, 50.1, 50.2)), make_row("fast", (60.0, 60.1, 60.3), reference="baseline")
    out = make_results(*rows, seeds=3, mode="add-one")
    out["data"] |= {"classes": 3, "class_names": list(SOURCE.class_names)}
    return out


def test_the_row_that_helps_is_shown_image_by_image(tmp_path, helping):
    cells, rows = filled(tmp_path, (BEFORE, AFTER))
    helping["decisions"] = decisions(helping, summarise(helping), rows, cells)
    helping["recommendation"] = "Recommended: <fast>."
    helping["contact"] = contact_sheet(SOURCE, "label")
    page = write(helping, tmp_path).read_text()
    assert "Image by image: fast against baseline" in page
    assert "2 images that most seeds had wrong are right with most seeds now, and 1 the other way round." in page
    assert "<strong>Recommended: &lt;fast&gt;.</strong>" in page
    assert page.count("<img") == 3 + 3  # examples, and a strip a class
    assert "a bird of a long name taken for &lt;b&gt;dog&lt;/b&gt;: 0.0 %, then 100.0 %" in page
    assert "<b>dog" not in page
    assert re.search(r">100</td>[\s\S]*Change against baseline", page)  # every bird is taken for a dog
    assert "decided" not in (tmp_path / "results.json").read_text()
    text = (tmp_path / "report.md").read_text()
    assert "## By class" in text
    assert "| cat | 2 | 50.00 | 66.67 |" in text


def test_of_the_rows_that_help_the_one_that_gains_most_is_shown(tmp_path, make_row, make_results, arms):
    gains = {"up": arms.up, "more": [value + 1.0 for value in arms.up], "some": arms.up}
    rows = [make_row("baseline", arms.base), *(make_row(n, v, reference="baseline") for n, v in gains.items())]
    found = make_results(*rows, mode="add-one")
    cells, variants = filled(tmp_path, (BEFORE, AFTER))
    variants = [replace(variants[place > 0], name=row["name"]) for place, row in enumerate(rows)]
    said = decisions(found, summarise(found), variants, cells)
    assert (said["row"], said["reference"], said["why"]) == ("more", "baseline", "resolved")
    before, after = classes.shown({"decisions": said})["matrices"]
    assert [one.tone for one in before.rows[1][1]] == [
        "hurts",
        "helps",
        "hurts",
    ]  # of the dog
    assert [one.tone for one in after.rows[2][1]] == ["helps", "hurts", "hurts"]  # of the bird
    assert [one.text for one in after.rows[2][1]] == ["\N{MINUS SIGN}33", "+100", "\N{MINUS SIGN}67"]


def test_without_a_row_that_helps_the_first_one_is_alone(tmp_path, helping):
    cells, rows = filled(tmp_path, (BEFORE, AFTER))
    helping["rows"][1]["cells"] = [dict(cell) for cell in helping["rows"][0]["cells"]]
    helping["decisions"] = decisions(helping, summarise(helping), rows, cells)
    assert helping["decisions"]["row"] is None
    seen = classes.shown(helping)
    assert seen["words"].startswith("No variant is shown to help, so baseline stands alone")
    assert (len(seen["matrices"]), seen["figure"], seen["changed"]) == (1, None, [])


def test_the_recommended_recipe_comes_first_with_its_fresh_seeds(tmp_path, helping):
    cells, rows = filled(tmp_path, (np.tile(BEFORE[:1], (5, 1)), np.tile(AFTER[:1], (5, 1))), seeds=FRESH)
    choice = Recommendation(("fast",), rows[1].recipe, (), ("fast",), None, None)
    said = decisions(helping, summarise(helping), rows, cells, recommended=(rows[0].recipe, choice))
    assert (said["why"], said["row"], said["seeds"]) == ("recommended", "fast", list(FRESH))
    assert "test images that decided nothing" in " ".join(classes.sentences(said))


def test_cells_of_earlier_versions_and_other_tasks_show_nothing(tmp_path, helping):
    cells, rows = filled(tmp_path, (BEFORE, AFTER))
    for row in rows:
        for seed in range(3):
            cells.put(row.recipe, seed, {"seed": seed})
    assert cells.missing(rows[0].recipe, range(3)) == ()  # they are not trained again
    assert decisions(helping, summarise(helping), rows, cells) is None
    other = [replace(row, recipe=recipe(task=tasks.regression(), lr=row.recipe.lr)) for row in rows]
    assert decisions(helping, summarise(helping), other, cells) is None
    assert classes.shown(helping) is classes.shown(helping | {"decisions": None}) is None


def test_a_contact_sheet_has_the_training_images_by_class():
    sheet = contact_sheet(SOURCE, "label")
    assert [(one["name"], one["count"]) for one in sheet] == [
        (n, c) for n, c in zip(SOURCE.class_names, (2, 3, 1), strict=True)
    ]
    np.testing.assert_array_equal(pixels(sheet[1]["strip"]), np.concatenate(IMAGES[2:5], axis=1))
    assert contact_sheet(SOURCE, None) == []


def test_a_copy_of_a_photograph_is_small():
    large = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    copy = picture(large)
    assert (copy["width"], copy["height"]) == (96, 64)
    assert copy["source"].startswith("data:image/jpeg;base64,")
    assert len(copy["source"]) < 12_000
