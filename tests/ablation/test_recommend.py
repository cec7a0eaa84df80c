"""A recommendation: greedy selection on held-out values, confirmation with fresh seeds, a network that is saved."""

import io
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import small
from jax.random import key
from rich.console import Console

from jaxtricks import data, models, portable
from jaxtricks.ablation import Cells, Trick, Variant, apply, headline_of_task, saved
from jaxtricks.ablation.advice import advise, held_out
from jaxtricks.ablation.recommend import FRESH, Recommendation, candidates_of, recommend, sentence
from jaxtricks.ablation.running import run_cells
from jaxtricks.ablation.saved import predict, predictions, train_and_save
from jaxtricks.ablation.summary import summarise
from jaxtricks.train import Plan, build_model, fit
from jaxtricks.tricks import SilentTrickError

ROOT = Path(__file__).parents[2]
recipe = partial(small.recipe, model=partial(models.perceptron, (), size=16), augment=None, mix=None, ema=None)
SOURCE = data.fake(train=64, test=16, shape=(4, 4, 1)).hold_out(0.25)
SEEDS = (0, 1, 2)
NOISE = {
    seed: value for seed, value in zip((*SEEDS, *FRESH), (0.1, -0.2, 0.15, 0.05, -0.1, 0.2, -0.05, 0.1), strict=True)
}


def _scaled(factor):
    return lambda r: replace(r, lr=factor * r.lr)


def _only_once(r):
    if r.epochs != recipe().epochs:
        raise SilentTrickError("epochs are raised already")
    return replace(r, epochs=r.epochs + 1)


LADDER = {
    "good": Trick(_scaled(2.0)),
    "better": Trick(_scaled(3.0)),
    "bad": Trick(_scaled(5.0)),
    "lone": Trick(_only_once),
}
WORTH = {"good": 2.0, "better": 3.0, "bad": -4.0, "lone": 0.0}


def filled(folder, *, worth=WORTH, fresh_worth=None, together=0.0):
    """Cells of every stack of tricks, in which each adds what it is worth, and good and better share a part of it."""
    cells, name = Cells(folder, SOURCE), headline_of_task(recipe().task).name
    for chosen in (
        (),
        *[(n,) for n in LADDER],
        ("good", "better"),
        ("good", "bad"),
        ("better", "bad"),
        ("good", "better", "bad"),
    ):
        for seed in (*SEEDS, *FRESH):
            gains = fresh_worth if seed in FRESH and fresh_worth is not None else worth
            value = (
                60
                + sum(gains[n] for n in chosen)
                + NOISE[seed] * (1 + len(chosen))
                - together * ({"good", "better"} <= {*chosen})
            )
            figures = {name: value, "loss": 0.1}
            cells.put(
                apply(recipe(), chosen, LADDER),
                seed,
                {"seed": seed, "tested": True, "validation": figures, "test": figures},
            )
    return cells


def chosen(cells, candidates=("good", "better", "bad"), **options):
    return recommend(recipe(), LADDER, cells, candidates=candidates, seeds=SEEDS, plan=Plan(), **options)


def test_the_largest_gain_is_added_first_and_what_adds_nothing_is_left(tmp_path):
    told = []
    found = chosen(filled(tmp_path), say=told.append)
    assert [step.chosen for step in found.steps] == ["better", "good", None]
    assert [set(step.gains) for step in found.steps] == [{"good", "better", "bad"}, {"good", "bad"}, {"bad"}]
    assert found.tricks == found.selected == ("good", "better")  # in the order of the ladder
    assert found.recipe.lr == pytest.approx(6 * recipe().lr)
    assert found.confirmation.n == len(FRESH)
    assert found.confirmation.mean == pytest.approx(5.0, abs=0.2)
    assert found.test.mean == pytest.approx(found.confirmation.mean)
    assert len(told) == 3
    assert told[0].endswith("better is added.")
    said = sentence(found, headline_of_task(recipe().task))
    assert said.startswith("Recommended: good, better. With fresh seeds, against the baseline: held-out accuracy +5.")


def test_what_two_tricks_share_is_gained_once(tmp_path):
    found = chosen(filled(tmp_path, together=2.2))
    assert [step.chosen for step in found.steps] == ["better", None]
    assert found.tricks == ("better",)


def test_what_fresh_seeds_do_not_confirm_is_not_recommended(tmp_path):
    luck = filled(tmp_path, fresh_worth=dict.fromkeys(WORTH, 0.0))
    found = chosen(luck)
    assert found.selected == ("good", "better")
    assert found.tricks == ()
    assert found.recipe.lr == recipe().lr
    assert "fresh seeds confirm no gain" in sentence(found, headline_of_task(recipe().task))


def test_no_interval_leaves_a_hundred_points(tmp_path, monkeypatch):
    for seed, value in zip(FRESH, (90, -90, 90, -90, 0), strict=True):
        monkeypatch.setitem(NOISE, seed, value)
    found = chosen(filled(tmp_path))
    for gain in (found.confirmation, found.test):
        assert (gain.low, gain.high) == (-100.0, 100.0)
        assert gain.sd > 100


def test_without_a_candidate_it_is_the_baseline(tmp_path):
    for candidates in ((), ("bad",)):
        found = chosen(filled(tmp_path), candidates)
        assert (found.tricks, found.selected, found.confirmation, found.test) == ((), (), None, None)
        assert "the baseline as it is; no trick" in sentence(found, headline_of_task(recipe().task))


def test_a_trick_that_does_not_fit_onto_the_others_is_told(tmp_path):
    cells = filled(tmp_path, worth=WORTH | {"lone": 9.0})
    told = []
    twice = LADDER | {"again": Trick(_only_once)}
    for seed in (*SEEDS, *FRESH):  # as good as its twin
        cells.put(apply(recipe(), ("again",), twice), seed, cells.get(apply(recipe(), ("lone",), LADDER), seed))
    found = recommend(recipe(), twice, cells, candidates=("lone", "again"), seeds=SEEDS, plan=Plan(), say=told.append)
    assert found.tricks == ("lone",)
    assert found.steps[1].gains == {"again": None}
    assert any("again does not fit onto lone" in text for text in told)


def test_candidates_are_read_off_the_held_out_images(results):
    for row, values in zip(
        results["rows"], ([70, 71, 70.5], [72, 73.1, 72.4], [72.1, 72.9, 72.6], [70, 71, 70.4]), strict=True
    ):
        row["cells"] = row["cells"][:3]
        for cell, value in zip(row["cells"], values, strict=True):
            cell["validation"] = {"accuracy": value}
    assert candidates_of(results) == ["cosine"]
    results["headline"] = results["headline"] | {"better": "lower"}
    assert candidates_of(results) == ["mixup"]
    for row in results["rows"]:
        for cell in row["cells"]:
            cell["validation"] = {}
    assert candidates_of(results) == []


def test_a_candidate_is_resolved_among_all_rows(results):
    """A row that would be told from zero alone, at p = 0.02, is no candidate among the others that were tested."""
    base, up = [70, 71, 70.5], [70.7, 71.3, 71.0]
    for row, values in zip(results["rows"], (base, up, [70.9, 71.1, 71.05], [70.7, 71.1, 71.25]), strict=True):
        row["cells"] = row["cells"][:3]
        for cell, value in zip(row["cells"], values, strict=True):
            cell["validation"] = {"accuracy": value}
    assert candidates_of(results) == []
    (only,) = (row for row in summarise(held_out(results)) if row.name == results["rows"][1]["name"])
    assert only.tested.p < 0.05 < only.adjusted_p


@pytest.mark.parametrize("name", ["cifar10-leave-one-out", "fashion_mini", "losses"])
def test_candidates_are_what_the_report_adopts_because_it_helps(name):
    """Of rows that lack a trick, that have it, and of several settings."""
    results = json.loads((ROOT / "experiments/results" / name / "results.json").read_text(encoding="utf-8"))
    adopted = [one.trick for one in advise(results, summarise(results)) if one.why.startswith("it helps")]
    assert candidates_of(results) == list(dict.fromkeys(trick.rpartition(": ")[2] for trick in adopted))
    assert adopted


def test_an_interaction_is_no_candidate(results):
    """Both tricks alone change nothing, and together they gain: neither is tried."""
    results["mode"] = "pairwise"
    values = ([70, 71, 70.5], [70.1, 71, 70.5], [70, 71.1, 70.5], [75.1, 76, 75.6])
    tricks = ([], ["cosine"], ["smoothing"], ["cosine", "smoothing"])
    for row, has, of_row in zip(results["rows"], tricks, values, strict=True):
        row["tricks"], row["cells"] = has, row["cells"][:3]
        row["reference"] = results["rows"][0]["name"] if has else None
        for cell, value in zip(row["cells"], of_row, strict=True):
            cell["validation"] = {"accuracy": value}
    assert candidates_of(results) == []


def test_the_recipe_is_trained_saved_and_predicts(tmp_path):
    cells = filled(tmp_path)
    found = chosen(cells)
    folder = train_and_save(found, cells, tmp_path / "recommended", plan=Plan())
    facts = json.loads((folder / "model.json").read_text())
    assert facts["tricks"] == ["good", "better"]
    assert facts["test"]["gain"]["mean"] == pytest.approx(found.test.mean)
    assert facts["confirmation"]["mean"] == pytest.approx(found.confirmation.mean)
    assert facts["seed"] == FRESH[0]
    with np.load(folder / "predictions.npz") as saved:
        assert saved["output"].shape == (16, SOURCE.classes)
        np.testing.assert_array_equal(saved["label"], SOURCE.test["label"])
        again = predict(found.recipe, SOURCE, portable.load(folder).variables, SOURCE.test["image"])
        np.testing.assert_allclose(again, saved["output"], rtol=1e-5)


@pytest.mark.parametrize("confirmed", [True, False])
def test_the_test_set_is_not_measured_again_by_the_network_that_is_kept(tmp_path, monkeypatch, confirmed):
    """Its recipe and seed were confirmed: the figures are those of that run, also of a baseline that is kept."""
    cells = filled(tmp_path, fresh_worth=WORTH if confirmed else dict.fromkeys(WORTH, 0.0))
    found, asked, console = chosen(cells), [], Console(file=io.StringIO(), width=200)
    train = lambda *parts, **options: asked.append(options["test"]) or fit(*parts, **options)  # noqa: E731
    monkeypatch.setattr(saved, "fit", train)
    folder = train_and_save(found, cells, tmp_path / "kept", plan=Plan(seeds_on="devices"), console=console)
    assert asked == [False]
    facts = json.loads((folder / "model.json").read_text())
    assert facts["test"]["figures"] == cells.get(found.recipe, FRESH[0])["test"]
    assert (facts["tricks"] == ["good", "better"]) == confirmed
    assert re.search(r"the recipe to keep  seed 200 .* left 0:00", console.file.getvalue())


def test_the_network_that_is_kept_repeats_the_confirmed_run(tmp_path):
    cells, plan = Cells(tmp_path, SOURCE), Plan(seeds_on="devices")
    run_cells([Variant("selected", (), recipe(), None, None, None)], cells, seeds=FRESH[:2], plan=plan)
    choice = Recommendation((), recipe(), (), ("good",), None, None)
    folder = train_and_save(choice, cells, tmp_path / "kept", plan=plan)
    figures = json.loads((folder / "model.json").read_text())["test"]["figures"]
    with np.load(folder / "predictions.npz") as said:
        logits, label = said["output"], said["label"]
    assert figures["accuracy"] == pytest.approx(100 * np.mean(logits.argmax(-1) == label))
    loss = np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(label)), label]
    assert figures["loss"] == pytest.approx(loss.mean(), rel=1e-5)


def test_each_step_shows_its_progress_and_the_time_left(tmp_path):
    cells, told, console = filled(tmp_path), [], Console(file=io.StringIO(), width=200)
    for path in [cells.path(apply(recipe(), ("good",), LADDER), 1), cells.path(recipe(), FRESH[1])]:
        path.unlink()
    chosen(cells, ("good",), say=told.append, console=console)
    assert told[0] == "Selection, step 1: 2 recipes, 3 seeds each."
    shown = console.file.getvalue()
    assert "[2/2] good  compiling" in shown
    assert re.search(r"\[2/2\] good  seed 1  2.5 epochs .* left 0:00", shown)


def test_the_test_set_is_read_where_nothing_was_chosen_too(tmp_path):
    found = chosen(filled(tmp_path), ())
    folder = train_and_save(found, cells := Cells(tmp_path / "new", SOURCE), tmp_path / "recommended", plan=Plan())
    facts = json.loads((folder / "model.json").read_text())
    assert (facts["tricks"], facts["confirmation"], facts["test"]["gain"]) == ([], None, None)
    with np.load(folder / "predictions.npz") as saved:
        right = np.mean(saved["output"].argmax(-1) == saved["label"])
    assert set(facts["test"]["figures"]) == set(recipe().task.metrics)
    assert facts["test"]["figures"]["accuracy"] == pytest.approx(100 * right)
    assert cells.dataset is SOURCE


class Files:
    """Images that are decoded when they are read."""

    def __init__(self, images):
        self.images, self.shape, self.dtype, self.most = images, images.shape, images.dtype, 0

    def identity(self):
        return ["files", len(self.images)]

    def read(self, index, *, seed, epoch, train):
        self.most = max(self.most, len(index))
        return self.images[index]


def test_predictions_of_images_that_are_read_in_batches(tmp_path, monkeypatch):
    """As a folder of photographs is; a batch is in memory, and the rows are those of the split, in order."""
    monkeypatch.setattr("jaxtricks.ablation.saved.BATCH", 5)
    portable.save(
        tmp_path, recipe=recipe(), dataset=SOURCE, variables=build_model(recipe(), SOURCE).init(key(1)), facts={}
    )
    network, files = portable.load(tmp_path), Files(SOURCE.test["image"])
    kept = predictions(network, data.Split({"image": files, "label": SOURCE.test["label"]}), columns=("label",))
    np.testing.assert_allclose(kept["output"], network.predict(SOURCE.test["image"]).output, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(kept["label"], SOURCE.test["label"])
    assert files.most == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": ("none",)}, "candidates"),
        ({"fresh": (0, 7)}, "fresh"),
        ({"fresh": (7,)}, "fresh"),
    ],
)
def test_bad_input_is_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        chosen(Cells(tmp_path, SOURCE), **change)
    with pytest.raises(ValueError, match="validation"):
        chosen(Cells(tmp_path, data.fake(train=64, test=16, shape=(4, 4, 1))))
