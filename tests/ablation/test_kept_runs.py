"""A cell that takes hours keeps its state: stopped after an epoch, the same command goes on there."""

import io
from dataclasses import replace
from functools import partial

import jax
import pytest
import remote_folders  # noqa: F401  memory://
from etils import epath
from rich.console import Console
from small import Stopped

from experiments import bag_of_tricks
from jaxtricks import data, models, tasks
from jaxtricks._command import UsageError
from jaxtricks.ablation import Cells, cli, output, progress, running, states
from jaxtricks.ablation.variants import Variant
from jaxtricks.checkpoint import CheckpointWarning
from jaxtricks.train import Plan
from jaxtricks.tricks import bag

SOURCE = data.fake(train=40, test=8, shape=(4, 4, 1)).hold_out(0.25)
ONE = tuple(jax.devices()[:1])
PLAN = Plan(devices=tuple(jax.devices()[:2]), seeds_on="devices")


def row(**changes):
    build = partial(models.perceptron, (4,), size=16)
    recipe = bag.bare(task=tasks.classification(10), augmented=None, model=build, lr=0.1, batch=10, epochs=3)
    return Variant("one", (), replace(recipe, warmup=None, **changes), None, None, None)


def epochs_of(one, cells, *, stopped_after=None, part=None):
    """Train the row; the epochs that its runs, or those of its teacher, went through."""
    seen = []

    def log(record):
        if record["kind"] == "epoch" and record.get("part") == part:
            seen.append(record["epoch"])
            if len(seen) == stopped_after:
                raise Stopped

    running.run_cells([one], cells, seeds=(0, 1), plan=PLAN, log=(log,))
    return seen


def plain(cells, one):
    """The cells without what a clock says."""
    return [{name: cells.get(one.recipe, seed)[name] for name in ("test", "validation", "curve")} for seed in (0, 1)]


@pytest.mark.parametrize("where", ["{}/kept", "memory://kept-runs"])
def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(tmp_path, where):
    kept, one = where.format(tmp_path), row()
    cells = Cells(tmp_path / "a", SOURCE, checkpoints=kept)
    with pytest.raises(Stopped):
        epochs_of(one, cells, stopped_after=4)  # of two seeds; the state after their first epoch is kept
    assert list(epath.Path(kept).iterdir())
    again = Cells(tmp_path / "a", SOURCE, checkpoints=kept)
    rest = epochs_of(one, again)
    assert rest == [2, 2, 3, 3]
    whole = Cells(tmp_path / "b", SOURCE)
    assert len(epochs_of(one, whole)) == 6
    assert plain(again, one) == plain(whole, one)
    assert not [run for recipe in epath.Path(kept).iterdir() for run in recipe.iterdir()]


def test_a_teacher_that_was_stopped_goes_on_too(tmp_path):
    student = row()
    loss = partial(bag.distilled, loss=student.recipe.loss, temperature=20.0)
    taught = replace(student.recipe, teacher=row(lr=0.2).recipe, loss=loss)
    one = replace(student, recipe=taught)
    cells = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")
    with pytest.raises(Stopped):
        epochs_of(one, cells, stopped_after=2, part="teacher")
    again = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")
    assert len(epochs_of(one, again, part="teacher")) < 3
    assert not list((tmp_path / "kept").iterdir())


def stopped(cells, one, **at):
    with pytest.raises(Stopped):
        epochs_of(one, cells, **at)


def states_of(tmp_path):
    return sorted(path.name for path in (tmp_path / "kept").rglob("seed*"))


def test_its_time_is_that_of_all_its_parts(tmp_path):
    """Also where nothing was left but the test set: a run of no step would have taken no time."""
    one = row()
    cells = Cells(tmp_path / "a", SOURCE, checkpoints=tmp_path / "kept")

    def at_the_test_set(record):
        if record["kind"] == "end":
            raise Stopped

    with pytest.raises(Stopped):
        running.run_cells([one], cells, seeds=(0, 1), plan=PLAN, log=(at_the_test_set,))
    assert states_of(tmp_path) == ["seed0-1"]
    said = io.StringIO()
    jobs = [progress.Job("one", 1.0, 2)]
    with progress.Display(jobs, 1, headline=None, console=Console(file=said)) as display:  # as where no terminal is
        running.run_cells([one], cells, seeds=(0, 1), plan=PLAN, log=(display.log,))
    assert "goes on after step 9, from --checkpoints" in said.getvalue()
    assert "seed 1  3 epochs  left" in " ".join(said.getvalue().split("\n"))
    for seed in (0, 1):
        cell = cells.get(one.recipe, seed)
        assert cell["step_ms"] > 0
        assert cell["seconds"] > cell["step_ms"] * 9 / 1000
    assert states_of(tmp_path) == []


@pytest.mark.parametrize("where", ["row", "teacher"])
def test_a_state_that_is_damaged_is_said_and_the_run_begins_anew(tmp_path, where):
    one = row()
    if where == "teacher":
        loss = partial(bag.distilled, loss=one.recipe.loss, temperature=20.0)
        one = replace(one, recipe=replace(one.recipe, teacher=row(lr=0.2).recipe, loss=loss))
    part = "teacher" if where == "teacher" else None
    stopped(Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept"), one, stopped_after=2 if part else 4, part=part)
    for file in (tmp_path / "kept").rglob("meta.json"):
        file.write_text("{")
    cells = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")
    with pytest.warns(CheckpointWarning, match="holds no intact checkpoint.* The run begins anew"):
        assert len(epochs_of(one, cells, part=part)) == (3 if part else 6)
    assert states_of(tmp_path) == []
    assert all(cells.has(one.recipe, seed) for seed in (0, 1))


def test_a_state_of_another_way_to_run_seeds_is_not_used(tmp_path):
    one = row()
    stacked, single = Plan(devices=ONE, seeds_on="vmap"), Plan(devices=ONE)
    cells = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")

    def after_two(record):
        if record["kind"] == "epoch" and record["epoch"] == 2:
            raise Stopped

    with pytest.raises(Stopped):
        running.run_cells([one], cells, seeds=(0,), plan=stacked, log=(after_two,))
    with pytest.warns(CheckpointWarning, match="The run begins anew"):
        running.run_cells([one], cells, seeds=(0,), plan=single)
    assert cells.has(one.recipe, 0)
    assert states_of(tmp_path) == []


def test_states_of_complete_cells_are_removed_and_what_is_not_a_state_stays(tmp_path):
    one = row()
    kept = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")
    stopped(kept, one, stopped_after=4)
    (place,) = (tmp_path / "kept").iterdir()
    (place / "notes.txt").touch()
    epochs_of(one, Cells(tmp_path, SOURCE))  # without --checkpoints
    assert states_of(tmp_path) == ["seed0-1"]
    assert epochs_of(one, kept) == []
    assert states_of(tmp_path) == []
    assert (place / "notes.txt").exists()


def test_who_was_asleep_removes_no_state_of_who_took_over(tmp_path):
    one = row()
    mine = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")
    assert mine.claim(one.recipe, (0, 1), most=2, test=True) == (0, 1)
    stopped(Cells(tmp_path / "other", SOURCE, checkpoints=tmp_path / "kept"), one, stopped_after=4)
    assert states_of(tmp_path) == ["seed0-1"]
    for claim in mine.folder.glob("*.claim-0"):  # as of a machine that is alive
        claim.with_suffix(".claim-1").write_text(claim.read_text())
    states.forget(mine, one.recipe, (0, 1))
    assert states_of(tmp_path) == ["seed0-1"]


def test_a_state_that_cannot_be_removed_ends_nothing(tmp_path, monkeypatch):
    one, cells = row(), Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")

    def denied(*_, **__):
        raise PermissionError("denied")

    monkeypatch.setattr(type(epath.Path(tmp_path)), "rmtree", denied)
    with pytest.warns(CheckpointWarning, match="States of finished runs stay in .*denied"):
        epochs_of(one, cells)
    assert all(cells.has(one.recipe, seed) for seed in (0, 1))


def test_a_run_that_failed_leaves_no_state_from_which_it_would_fail_again(tmp_path, monkeypatch):
    cells, one = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept"), row()
    true = running.fit

    def fails(*arguments, **options):
        true(*arguments, **(options | {"done": None}))
        raise FloatingPointError("at the end")

    monkeypatch.setattr(running, "fit", fails)
    epochs_of(one, cells)
    assert cells.get(one.recipe, 0)["error"] == "FloatingPointError: at the end"
    assert not list((tmp_path / "kept").iterdir())


def test_a_place_that_is_none_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    preset = cli.Preset("fake", "logistic", seeds=2, epochs=1, batch=8, lr=0.1, hours=True)
    assert output.checkpoints(cli.Options(), preset, tmp_path) == str(tmp_path / "checkpoints")
    assert output.checkpoints(cli.Options(), replace(preset, hours=False), tmp_path) is None
    assert bag_of_tricks.PRESETS["paper"].hours
    (tmp_path / "file").touch()
    for place in (str(tmp_path / "file" / "below"), "no-such-scheme://bucket", ""):
        with pytest.raises(UsageError, match=f"--checkpoints is '{place}'; allowed"):
            output.checkpoints(cli.Options(checkpoints=place), preset, tmp_path)
    monkeypatch.setattr(jax, "process_count", lambda: 2)  # hosts that may not see each other's disks
    assert output.checkpoints(cli.Options(), preset, tmp_path) is None
    assert output.checkpoints(cli.Options(checkpoints=str(tmp_path / "all")), preset, tmp_path) == str(tmp_path / "all")
