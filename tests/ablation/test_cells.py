"""Cells: what tells them apart, what is trained when, and what a failure takes with it; nothing here is trained."""

import io
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import jax
import numpy as np
import optax
import pytest
from PIL import Image
from rich.console import Console
from small import recipe

from jaxtricks import ablation, data, train
from jaxtricks.ablation import Cells, Setting, Trick, cells, progress, running
from jaxtricks.train import Plan
from jaxtricks.tricks import lint, objectives

SOURCE = data.fake(train=40, test=8, shape=(4, 4, 1)).hold_out(0.25)
LADDER = {"fast": Trick(lambda r: replace(r, lr=2 * r.lr)), "long": Trick(lambda r: replace(r, epochs=9))}


@dataclass(frozen=True)
class Grey:
    """Records that are never read."""

    shape: tuple[int, int, int, int]

    def read(self, index, *, seed, epoch, train):
        raise AssertionError("a name needs no images")


@dataclass(frozen=True)
class Versioned(Grey):
    version: int

    def identity(self):
        return self.version


def changed(part, **columns):
    return replace(SOURCE, **{part: data.Split({**getattr(SOURCE, part).columns, **columns})})


SHAPE = SOURCE.train["image"].shape
LABELS = SOURCE.train["label"]
RECORDS = changed("train", image=Grey(SHAPE))
ROWS = np.arange(len(SOURCE.train))
SWAPPED = ROWS.copy()
SAME = np.flatnonzero(LABELS == LABELS[0])[:2]
SWAPPED[SAME] = SAME[::-1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SOURCE, replace(SOURCE, classes=11)),
        (SOURCE, changed("train", label=LABELS[::-1].copy())),
        (SOURCE, changed("validation", label=1 - SOURCE.validation["label"].clip(0, 1))),
        (SOURCE, changed("train", image=255 - SOURCE.train["image"])),
        (SOURCE, changed("test", image=255 - SOURCE.test["image"])),
        (SOURCE, changed("test", weight=np.ones(len(SOURCE.test)))),
        (SOURCE, replace(SOURCE, validation=None)),
        (SOURCE, RECORDS),
        (RECORDS, replace(RECORDS, train=RECORDS.train.take(SWAPPED))),
        (replace(RECORDS, train=RECORDS.train.take(ROWS)), replace(RECORDS, train=RECORDS.train.take(SWAPPED))),
        (changed("train", image=Versioned(SHAPE, 1)), changed("train", image=Versioned(SHAPE, 2))),
    ],
)
def test_a_name_holds_what_the_data_are(one, other, tmp_path):
    paths = [Cells(tmp_path, dataset).path(recipe(), 0) for dataset in (one, one, other)]
    assert paths[0] == paths[1]
    assert paths[0] != paths[2]


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)


def test_pictures_that_were_corrected_are_trained_on_again(tmp_path):
    folder = tmp_path / "pictures"
    for i, part in enumerate(("train/cat/0", "train/dog/0", "train/dog/1", "test/cat/0", "test/dog/0")):
        picture(folder / f"{part}.png", 20 * i)
    path = lambda: Cells(tmp_path, data.folder(folder, size=8)).path(recipe(), 0)  # noqa: E731
    before = path()
    assert path() == before
    picture(folder / "train/dog/1.png", 200)
    assert path() != before
    after = path()
    (folder / "train/dog/0.png").rename(folder / "train/dog/2.png")
    assert path() not in (before, after)


def test_a_cell_has_the_figures_of_its_task_in_their_units(monkeypatch):
    monkeypatch.setattr(cells, "machine", lambda: {"cpu": "a CPU"})
    figure = lambda **about: train.mean_of(lambda out, batch: out, **about)  # noqa: E731
    task = SimpleNamespace(metrics={"error": figure(unit="°"), "mAP": figure(unit="%", scale=100)})
    history = [
        {"epoch": 1, "train_loss": 2.0, "validation_error": 30.0, "validation_mAP": 0.25, "validation_loss": 9.0},
        {"epoch": 2, "train_loss": 1.0, "validation_error": 20.0, "validation_mAP": 0.5, "validation_loss": 9.0},
    ]
    about = {
        "seconds": 1.5,
        "step_ms": 2.5,
        "wait_percent": 0.5,
        "skipped": 3,
        "cost": {"train_flops": None},
        "decided": None,
    }
    run = SimpleNamespace(seed=7, test={"error": 25.0, "mAP": 0.75}, history=history, **about)
    assert cells.cell_of(run, task) == {
        "seed": 7,
        "tested": True,
        "test": {"error": 25.0, "mAP": 75.0},
        "validation": {"error": 20.0, "mAP": 50.0},
        "curve": {
            "epoch": [1, 2],
            "train_loss": [2.0, 1.0],
            "validation": {"error": [30.0, 20.0], "mAP": [25.0, 50.0]},
        },
        "seconds": 1.5,
        "step_ms": 2.5,
        "wait_percent": 0.5,
        "skipped_steps": 3,
        "cost": {"train_flops": None},
        "machine": {"cpu": "a CPU"},
    }
    assert (
        cells.cell_of(SimpleNamespace(**{**vars(run), "decided": np.array([0, 2])}), task)["decided"]["dtype"]
        == "uint8"
    )
    untested = SimpleNamespace(seed=7, test={}, history=[{"epoch": 1, "train_loss": 2.0}], **about)
    cell = cells.cell_of(untested, task)
    assert (cell["tested"], cell["test"], cell["validation"]) == (False, {}, {})
    assert cell["curve"] == {"epoch": [1], "train_loss": [2.0], "validation": {}}


def test_a_cell_that_cannot_be_written_leaves_none(tmp_path):
    held = Cells(tmp_path, SOURCE)
    with pytest.raises(TypeError, match="not JSON serializable"):
        held.put(recipe(), 0, {"seed": object()})
    assert list(held.folder.glob("*.json")) == []
    held.path(recipe(), 0).write_bytes(b'{"seed": \xff')
    assert held.missing(recipe(), (0,)) == (0,)


def test_a_cell_that_another_machine_took_over_stays_as_that_wrote_it(tmp_path):
    """A laptop that slept for an hour, and then came to the end of its run."""
    held, one = Cells(tmp_path, SOURCE), recipe()
    assert held.claim(one, (0,), most=1, test=True) == (0,)
    (claim,) = held.folder.glob("*.claim-*")
    claim.unlink()  # by who took it over, and released it
    held.path(one, 0).write_text('{"seed": 0, "by": "another"}')
    held.put(one, 0, {"seed": 0})
    assert held.get(one, 0) == {"seed": 0, "by": "another"}
    held.unclaim(one, (0,))
    held.put(one, 0, {"seed": 0})
    assert held.get(one, 0) == {"seed": 0}


def test_settings_that_differ_by_their_data_only_share_no_cell(tmp_path):
    def other_labels(dataset):
        labels = (dataset.train["label"] + 1) % dataset.classes
        return replace(dataset, train=data.Split({**dataset.train.columns, "label": labels}))

    settings = {"clean": Setting(None, LADDER), "wrong labels": Setting(None, LADDER, other_labels)}
    rows, held = ablation.settings_grid(recipe(), settings), Cells(tmp_path, SOURCE)
    assert len({held.of(row).path(row.recipe, 0) for row in rows}) == len(rows)
    assert held.of(rows[-1]) is held.of(rows[-2])  # whose contents are read once


@pytest.fixture
def trained(monkeypatch):
    """What was trained, ``(learning rate, seeds, whether tested)``, by a fit that fails where ``wrong`` says so."""

    def fit(recipe, dataset, *, seeds, plan, done=lambda run: None, test=True, **_):
        trained.seeds.append((recipe.lr, seeds, test))
        runs = []
        for _, group in plan.groups(seeds):
            for seed in group:
                if trained.wrong(recipe, seed):
                    raise FloatingPointError(f"seed {seed}")
            runs += [SimpleNamespace(seed=seed, tested=test, variables=({"w": np.ones(2)}, {})) for seed in group]
            for run in runs[-len(group) :]:
                done(run)
        return runs

    trained = SimpleNamespace(seeds=[], wrong=lambda recipe, seed: False)
    for module in (cells, running):
        monkeypatch.setattr(module, "fit", fit)
        monkeypatch.setattr(module, "cell_of", lambda run, task: {"seed": run.seed, "tested": run.tested})
    return trained


@pytest.mark.parametrize(
    ("seeds_on", "failed", "calls"),
    [
        ("map", {1: "seed 1"}, [(0,), (1,), (2,), (3,)]),
        ("vmap", dict.fromkeys(range(4), "seed 1"), [(0, 1, 2, 3)]),
        ("devices", dict.fromkeys((0, 1), "seed 1"), [(0, 1), (2, 3)]),
    ],
)
def test_a_seed_that_fails_takes_only_those_with_it_that_step_together(tmp_path, trained, seeds_on, failed, calls):
    rows, held, records = ablation.variants(recipe(), {"fast": LADDER["fast"]}), Cells(tmp_path, SOURCE), []
    trained.wrong = lambda recipe, seed: recipe.lr == rows[0].recipe.lr and seed == 1
    plan = Plan(seeds_on=seeds_on, devices=tuple(jax.devices()[: 1 if seeds_on == "map" else 2]))
    ablation.run_cells(rows, held, seeds=range(4), plan=plan, log=[records.append])
    assert [seeds for lr, seeds, _ in trained.seeds if lr == rows[0].recipe.lr] == calls
    assert {seed for lr, seeds, _ in trained.seeds if lr == rows[1].recipe.lr for seed in seeds} == {0, 1, 2, 3}
    errors = {seed: held.get(rows[0].recipe, seed).get("error") for seed in range(4)}
    assert errors == {seed: f"FloatingPointError: {failed[seed]}" if seed in failed else None for seed in range(4)}
    assert [(r["variant"], r["seeds"]) for r in records if r["kind"] == "failed"] == [("baseline", sorted(failed))]


def test_a_row_without_its_teacher_is_not_started_and_the_others_are(tmp_path, trained):
    ladder = {"taught": Trick(lambda r: replace(r, teacher=replace(r, lr=7.0))), **LADDER}
    rows, held = ablation.variants(recipe(), ladder, mode="add-one"), Cells(tmp_path, SOURCE)
    trained.wrong = lambda recipe, seed: recipe.lr == 7.0
    ablation.run_cells(rows, held, seeds=(0, 1), plan=Plan())
    assert [(lr, seeds) for lr, seeds, _ in trained.seeds] == [
        *((0.02, (seed,)) for seed in (0, 1)),
        (7.0, (ablation.TEACHER_SEED,)),
        *((lr, (seed,)) for lr in (0.04, 0.02) for seed in (0, 1)),
    ]
    assert held.missing(rows[1].recipe, (0, 1)) == (0, 1)
    assert held.missing(rows[3].recipe, (0, 1)) == ()


def test_trials_leave_the_test_set_alone(tmp_path, trained):
    rows, held = ablation.variants(recipe(), {"fast": LADDER["fast"]}), Cells(tmp_path, SOURCE)
    ablation.run_cells(rows, held, seeds=(0,), plan=Plan(), test=False)
    assert {test for _, _, test in trained.seeds} == {False}
    assert held.todo(rows, (0,), test=False) == []
    assert [row.seeds for row in held.todo(rows, (0,))] == [(0,), (0,)]  # a cell without them is none of a comparison
    ablation.run_cells(rows, held, seeds=(0,), plan=Plan())
    assert [test for _, _, test in trained.seeds] == [False, False, True, True]
    assert held.todo(rows, (0,)) == []


def test_each_teacher_is_one_task_however_many_rows_it_teaches(tmp_path, trained, monkeypatch):
    monkeypatch.setattr(progress, "forward_cost", lambda recipe, dataset: {"macs": 10})
    teach = lambda lr: lambda r: replace(r, teacher=replace(recipe(), lr=lr, epochs=2))  # noqa: E731
    longer = lambda r: replace(teach(7.0)(r), epochs=9)  # noqa: E731
    ladder = {"a": Trick(teach(7.0)), "b": Trick(teach(8.0)), "a, long": Trick(longer)}
    rows, held = ablation.variants(recipe(), ladder, mode="add-one"), Cells(tmp_path, SOURCE)
    costs = {row.name: 1.0 for row in rows}
    todo = progress.jobs(held.todo(rows, (0, 1)), costs)
    assert [task.teacher for task in todo] == [0.0, 600.0, 600.0, 0.0]  # 2 epochs of 30 images
    held.teacher(rows[1].recipe.teacher, Plan(), print)
    assert [task.teacher for task in progress.jobs(held.todo(rows, (0, 1)), costs)] == [0.0, 0.0, 600.0, 0.0]


def test_the_first_process_decides_what_is_missing(tmp_path, trained, monkeypatch):
    held = Cells(tmp_path, SOURCE)
    held.put(recipe(), 0, {"seed": 0})
    asked = iter([True, False])
    monkeypatch.setattr(cells, "of_first", lambda function: next(asked))
    assert held.missing(recipe(), (0, 1)) == (0,)  # although here it is the other way round
    monkeypatch.setattr(cells, "of_first", lambda function: function())
    held.teacher(recipe(), Plan(), print)
    monkeypatch.setattr(cells, "everywhere", lambda good: False)  # a process that has no weights yet
    held.teacher(recipe(), Plan(), print)
    assert len(trained.seeds) == 2


BINARY = partial(objectives.on_classes, loss=optax.sigmoid_binary_cross_entropy)
AT_ODDS = {"smooth": Trick(lambda r: replace(r, loss=BINARY, targets=partial(optax.smooth_labels, alpha=0.1)))}


def test_a_row_whose_parts_work_against_each_other_is_shown_once_before_it_is_trained(tmp_path, trained):
    rows, held, records = ablation.variants(recipe(), AT_ODDS), Cells(tmp_path, SOURCE), []
    log = lambda record: records.append({**record, "trained": len(trained.seeds)})  # noqa: E731
    ablation.run_cells(rows, held, seeds=(0, 1), plan=Plan(), log=[log])
    assert len(trained.seeds) == 4
    (shown,) = [record for record in records if record["kind"] == "warning"]
    assert (shown["variant"], shown["rung"], shown["trained"]) == ("+ smooth", 2, 2)  # the baseline, and not yet itself
    assert "every class of smoothed targets is a positive" in shown["message"]
    records.clear()
    ablation.run_cells(rows, held, seeds=(0, 1), plan=Plan(), log=[log])
    assert not records  # nothing is trained, and nothing checked
    with io.StringIO() as text:
        display = progress.Display([], 2, console=Console(file=text, width=40))
        display.log(shown)
        assert text.getvalue() == f"[2/2] + smooth  warning: {shown['message']}\n"


def test_without_a_log_it_is_a_warning(tmp_path, trained):
    rows = ablation.variants(recipe(), AT_ODDS)
    with pytest.warns(lint.RecipeWarning, match="smoothed targets") as caught:
        ablation.run_cells(rows, Cells(tmp_path, SOURCE), seeds=(0,), plan=Plan())
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_recipe_that_cannot_be_checked_is_trained_all_the_same(tmp_path, trained, monkeypatch):
    def broken(recipe, variables):
        raise TypeError("an optimiser of a kind unheard of")

    monkeypatch.setattr(lint, "warn", broken)
    records, rows = [], ablation.variants(recipe(), {"fast": LADDER["fast"]})
    ablation.run_cells(rows, Cells(tmp_path, SOURCE), seeds=(0,), plan=Plan(), log=[records.append])
    assert len(trained.seeds) == 2
    said = [record["message"] for record in records if record["kind"] == "warning"]
    assert said == ["the recipe cannot be checked for conflicts: TypeError: an optimiser of a kind unheard of"] * 2


@pytest.mark.parametrize(
    ("error", "ends"), [(data.DataError("a.jpg cannot be read."), True), (ValueError("no"), False)]
)
def test_images_that_cannot_be_read_end_the_command_and_other_errors_a_cell(error, ends, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(running, "fit", fails)
    row = ablation.Variant("baseline", (), recipe(), None, None, None)
    kept = Cells(tmp_path, SOURCE)
    if ends:
        with pytest.raises(data.DataError, match=r"a\.jpg"):
            ablation.run_cells([row], kept, seeds=(0,), plan=train.Plan(), log=[lambda record: None])
    else:
        ablation.run_cells([row], kept, seeds=(0,), plan=train.Plan(), log=[lambda record: None])
    assert (kept.get(row.recipe, 0) is None) == ends
