"""Row 6: an asynchronous save that fails is reported at the next step at the latest, and is never listed."""

import threading
import time
import warnings
from concurrent.futures import wait

import jax
import numpy as np
import pytest
import runs
import small
from stores import fill, limited, restore, same, state

from jaxtricks.checkpoint import Checkpoints, CheckpointSaveError, CheckpointWarning, manifest
from jaxtricks.train import fit

NEXT = {
    "check": lambda c: c.check(),
    "save": lambda c: c.save(3, state(3), {"step": 3}),
    "restore": lambda c: c.restore(state(0), wanted={}),
    "close": lambda c: c.close(),
}


def failed(folder, **options):
    """Checkpoints whose last save has failed beside the run, and nobody knows yet."""
    fill(folder, 1)
    checkpoints = Checkpoints(folder, asynchronous=True, **options)
    with limited(10_000):
        checkpoints.save(2, state(2, 2**16), {"step": 2})
        wait([checkpoints._pending[1]])
    assert (checkpoints.steps(), checkpoints.latest()) == ([1], 1)
    return checkpoints


@pytest.mark.parametrize("call", NEXT)
def test_r06_the_next_call_reports_it(tmp_path, call, card):
    checkpoints = failed(tmp_path)
    with pytest.raises(CheckpointSaveError, match=r"step 2 was not saved in .*, the newest complete step is 1"):
        NEXT[call](checkpoints)
    assert (checkpoints.steps(), checkpoints.latest()) == ([1], 1)
    if call != "close":
        checkpoints.check()  # once
        checkpoints.save(3, state(3), {"step": 3})
        checkpoints.close()
        assert restore(tmp_path) == (3, [])
    card("r06", f"asynchronous save failed: reported by the next {call}, never listed", "1 of 1")


@pytest.mark.parametrize("call", NEXT)
def test_r06_or_it_is_a_warning_and_the_run_goes_on(tmp_path, call):
    checkpoints = failed(tmp_path, on_error="warn")
    with pytest.warns(CheckpointWarning, match=r"step 2 was not saved in .*, the newest complete step is 1") as warned:
        NEXT[call](checkpoints)
    assert len(warned) == 1
    checkpoints.close()
    assert restore(tmp_path) == ((3 if call == "save" else 1), [])


def test_r06_a_loop_that_checks_every_step_learns_within_one(tmp_path, card):
    """Between the moment of the failure and the error lies at most one step."""
    fill(tmp_path, 1)
    checkpoints = Checkpoints(tmp_path, asynchronous=True)
    late, reported = 0, None
    with limited(10_000):
        checkpoints.save(2, state(2, 2**16), {"step": 2})
        while reported is None:
            late += checkpoints._pending[1].done()
            time.sleep(0.001)  # a step
            try:
                checkpoints.check()
            except CheckpointSaveError as error:
                reported = error
    assert late <= 1
    card("r06", "steps between the failure of an asynchronous save and its error", f"{late}, allowed: 1")


def test_r06_not_listed_before_it_is_whole(tmp_path, monkeypatch):
    fill(tmp_path, 1)
    hold, real = threading.Event(), manifest.write

    def slow(folder):
        assert hold.wait(60)
        real(folder)

    monkeypatch.setattr(manifest, "write", slow)
    checkpoints = Checkpoints(tmp_path, asynchronous=True)
    checkpoints.save(2, state(2), {"step": 2})
    checkpoints.check()
    assert (checkpoints.steps(), checkpoints.latest()) == ([1], 1)
    assert restore(tmp_path) == (1, [])  # another process that looks now
    hold.set()
    checkpoints.close()
    assert checkpoints.steps() == [1, 2]
    assert restore(tmp_path) == (2, [])


def test_r06_saved_is_the_state_of_the_call(tmp_path):
    """The run goes on, and donates the state to its next step, while it is being written."""
    checkpoints = Checkpoints(tmp_path, asynchronous=True, keep=8)
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = jax.device_put(np.zeros((512, 1024), np.float32))
    for n in range(4):
        checkpoints.save(n, {"x": x}, {"step": n})
        for _ in range(5):
            x = step(x)
    checkpoints.close()
    for n in reversed(range(4)):
        got, _ = Checkpoints(tmp_path).restore({"x": x}, wanted={"step": n})
        same(got, {"x": np.full((512, 1024), 5.0 * n, np.float32)})
        (tmp_path / str(n) / manifest.NAME).unlink()
        (tmp_path / str(n)).rename(tmp_path / f"done-{n}")


def test_r06_a_save_that_works_says_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fill(tmp_path, 1, 2, 3, asynchronous=True)
    assert Checkpoints(tmp_path).steps() == [2, 3]
    assert restore(tmp_path) == (3, [])


def test_r06_a_run_that_saves_beside_its_steps(tmp_path, monkeypatch):
    """The second save fails: reported by the third at the latest, or a warning; then it is resumed."""
    taken, saves, options = [], [], {"save_every": 2, "asynchronous": True}

    def fails(folder, real=manifest.write):
        saves.append(folder.name)
        if len(saves) == 2:
            raise OSError("no room")
        real(folder)

    monkeypatch.setattr(manifest, "write", fails)
    with pytest.raises(CheckpointSaveError, match=r"step 4 was not saved .* newest complete step is 2.*no room"):
        with runs.every_step(taken.append) as log:
            fit(runs.recipe(), runs.dataset(), folder=tmp_path / "raise", log=[log], **options)
    assert 4 <= taken[-1] <= 6
    saves.clear()
    with pytest.warns(CheckpointWarning, match="step 4 was not saved") as warned:
        run = fit(runs.recipe(), runs.dataset(), folder=tmp_path / "warn", on_error="warn", **options)[0]
    assert len(warned) == 1
    assert saves == ["2", "4", "6", "8", "10", "12"]
    small.same(run.state, runs.whole().state)
    for folder in ("raise", "warn"):
        saves[:] = ["none fails"] * 2
        small.same(fit(runs.recipe(), runs.dataset(), folder=tmp_path / folder, **options)[0].state, runs.whole().state)
