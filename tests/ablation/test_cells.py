"""Cells: what tells them apart, what is trained when, and what a failure takes with it; nothing here is trained."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from small import recipe

from jaxtricks import ablation, data
from jaxtricks.ablation import Cells, Setting, Trick, cells, progress
from jaxtricks.train import Plan

SOURCE = data.fake(train=40, test=8, shape=(4, 4, 1)).hold_out(0.25)
LADDER = {"fast": Trick(lambda r: replace(r, lr=2 * r.lr)), "long": Trick(lambda r: replace(r, epochs=9))}


@dataclass(frozen=True)
class Grey:
    """Records that are never read."""

    shape: tuple[int, int, int, int]

    def read(self, index, *, seed, epoch, train):
        raise AssertionError("a name needs no images")


def changed(part, **arrays):
    return replace(SOURCE, **{part: replace(getattr(SOURCE, part), **arrays)})


RECORDS = changed("train", images=Grey(SOURCE.train["image"].shape))
ROWS = np.arange(len(SOURCE.train))
SWAPPED = ROWS.copy()
SAME = np.flatnonzero(SOURCE.train["label"] == SOURCE.train["label"][0])[:2]
SWAPPED[SAME] = SAME[::-1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SOURCE, replace(SOURCE, classes=11)),
        (SOURCE, changed("train", labels=SOURCE.train["label"][::-1].copy())),
        (SOURCE, changed("validation", labels=1 - SOURCE.validation["label"].clip(0, 1))),
        (SOURCE, changed("test", images=255 - SOURCE.test["image"])),
        (SOURCE, replace(SOURCE, validation=None)),
        (SOURCE, RECORDS),
        (RECORDS, replace(RECORDS, train=RECORDS.train.take(SWAPPED))),
        (replace(RECORDS, train=RECORDS.train.take(ROWS)), replace(RECORDS, train=RECORDS.train.take(SWAPPED))),
    ],
)
def test_a_name_holds_what_the_data_are(one, other, tmp_path):
    paths = [Cells(tmp_path, each).path(recipe(), 0) for each in (one, one, other)]
    assert paths[0] == paths[1]
    assert paths[0] != paths[2]


def test_settings_that_differ_by_their_data_only_share_no_cell(tmp_path):
    def other_labels(given):
        return replace(given, train=replace(given.train, labels=(given.train["label"] + 1) % given.classes))

    settings = {"clean": Setting(None, LADDER), "wrong labels": Setting(None, LADDER, other_labels)}
    rows, held = ablation.settings_grid(recipe(), settings), Cells(tmp_path, SOURCE)
    assert len({held.of(row).path(row.recipe, 0) for row in rows}) == len(rows)
    assert held.of(rows[-1]) is held.of(rows[-2])  # whose contents are read once


@pytest.fixture
def trained(monkeypatch):
    """What was trained, ``(learning rate, seeds, whether tested)``, by a fit that fails where ``wrong`` says so."""

    def fit(recipe, dataset, *, seeds, plan, done=lambda run: None, test=True, **_):
        found.seeds.append((recipe.lr, seeds, test))
        runs = []
        for _, group in plan.groups(seeds):
            for seed in group:
                if found.wrong(recipe, seed):
                    raise FloatingPointError(f"seed {seed}")
            runs += [SimpleNamespace(seed=seed, tested=test, variables=({"w": np.ones(2)}, {})) for seed in group]
            for run in runs[-len(group) :]:
                done(run)
        return runs

    found = SimpleNamespace(seeds=[], wrong=lambda recipe, seed: False)
    monkeypatch.setattr(cells, "fit", fit)
    monkeypatch.setattr(cells, "cell_of", lambda run: {"seed": run.seed, "tested": run.tested})
    return found


@pytest.mark.parametrize(
    ("seeds_on", "failed", "calls"),
    [
        ("map", {1: "seed 1"}, [(0, 1, 2, 3), (2, 3)]),
        ("vmap", dict.fromkeys(range(4), "seed 1"), [(0, 1, 2, 3)]),
        ("devices", dict.fromkeys((0, 1), "seed 1"), [(0, 1, 2, 3), (2, 3)]),
    ],
)
def test_a_seed_that_fails_takes_only_those_with_it_that_step_together(tmp_path, trained, seeds_on, failed, calls):
    rows, held, told = ablation.variants(recipe(), {"fast": LADDER["fast"]}), Cells(tmp_path, SOURCE), []
    trained.wrong = lambda found, seed: found.lr == rows[0].recipe.lr and seed == 1
    plan = Plan(seeds_on=seeds_on, devices=tuple(jax.devices()[: 1 if seeds_on == "map" else 2]))
    ablation.run_cells(rows, held, seeds=range(4), plan=plan, log=[told.append])
    assert [seeds for lr, seeds, _ in trained.seeds if lr == rows[0].recipe.lr] == calls
    assert trained.seeds[-1] == (rows[1].recipe.lr, (0, 1, 2, 3), True)
    found = {seed: held.get(rows[0].recipe, seed).get("error") for seed in range(4)}
    assert found == {seed: f"FloatingPointError: {failed[seed]}" if seed in failed else None for seed in range(4)}
    assert [(r["variant"], r["seeds"]) for r in told if r["kind"] == "failed"] == [("baseline", sorted(failed))]


def test_a_row_without_its_teacher_is_not_started_and_the_others_are(tmp_path, trained):
    ladder = {"taught": Trick(lambda r: replace(r, teacher=replace(r, lr=7.0))), **LADDER}
    rows, held = ablation.variants(recipe(), ladder, mode="add-one"), Cells(tmp_path, SOURCE)
    trained.wrong = lambda found, seed: found.lr == 7.0
    ablation.run_cells(rows, held, seeds=(0, 1), plan=Plan())
    assert [(lr, seeds) for lr, seeds, _ in trained.seeds] == [
        (0.02, (0, 1)),
        (7.0, (ablation.TEACHER_SEED,)),
        (0.04, (0, 1)),
        (0.02, (0, 1)),
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
    todo = progress.tasks(held.todo(rows, (0, 1)), costs)
    assert [task.teacher for task in todo] == [0.0, 600.0, 600.0, 0.0]  # 2 epochs of 30 images
    held.teacher(rows[1].recipe.teacher, Plan(), print)
    assert [task.teacher for task in progress.tasks(held.todo(rows, (0, 1)), costs)] == [0.0, 0.0, 600.0, 0.0]


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
