"""A cell that takes hours keeps its state: stopped after an epoch, the same command goes on there."""

from dataclasses import replace
from functools import partial

import jax
import pytest
import remote_folders  # noqa: F401  memory://
from etils import epath
from small import Stopped

from experiments import bag_of_tricks
from jaxtricks import data, models, tasks
from jaxtricks._command import UsageError
from jaxtricks.ablation import Cells, cli, output, running
from jaxtricks.ablation.variants import Variant
from jaxtricks.train import Plan
from jaxtricks.tricks import bag

SOURCE = data.fake(train=40, test=8, shape=(4, 4, 1)).hold_out(0.25)
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
    assert not list(epath.Path(kept).iterdir())  # what is complete leaves nothing


def test_a_teacher_that_was_stopped_goes_on_too(tmp_path):
    student = row()
    taught = replace(student.recipe, teacher=row(lr=0.2).recipe, loss=partial(bag.distilled, loss=student.recipe.loss))
    one = replace(student, recipe=taught)
    cells = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")
    with pytest.raises(Stopped):
        epochs_of(one, cells, stopped_after=2, part="teacher")
    again = Cells(tmp_path, SOURCE, checkpoints=tmp_path / "kept")
    assert len(epochs_of(one, again, part="teacher")) < 3
    assert not list((tmp_path / "kept").iterdir())


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
    for place in (str(tmp_path / "file" / "below"), "no-such-scheme://bucket"):
        with pytest.raises(UsageError, match=f"--checkpoints is {place}; allowed"):
            output.checkpoints(cli.Options(checkpoints=place), preset, tmp_path)
    monkeypatch.setattr(jax, "process_count", lambda: 2)  # hosts that may not see each other's disks
    assert output.checkpoints(cli.Options(), preset, tmp_path) is None
    assert output.checkpoints(cli.Options(checkpoints=str(tmp_path / "all")), preset, tmp_path) == str(tmp_path / "all")
