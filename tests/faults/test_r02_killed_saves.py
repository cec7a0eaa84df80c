"""Row 2: SIGKILL inside a save. The previous step is restored, and nothing incomplete is ever listed."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress

import pytest
from stores import WHERE, before_each_operation, fill, restore, same, state, tree

from jaxtricks.checkpoint import Checkpoints
from jaxtricks.checkpoint.mounted import TEMPORARY

SIZE = 2**20


def digest(folder):
    sums = hashlib.sha256()
    for inside, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            sums.update(os.path.relpath(f"{inside}/{name}", folder).encode())
            with open(f"{inside}/{name}", "rb") as file:
                sums.update(file.read())
    return sums.hexdigest()


def moments(folder, work):
    """What SIGKILL would leave: the folder as it is before every single operation on its files; like ones once."""
    copies, seen, lock = [], set(), threading.Lock()

    def copy(_):
        with lock:
            with suppress(shutil.Error, FileNotFoundError):  # a file that orbax moves meanwhile
                if (sums := digest(folder)) not in seen:
                    seen.add(sums)
                    copies.append(folder.with_name(f"copy{len(copies)}"))
                    shutil.copytree(folder, copies[-1], symlinks=True)

    with before_each_operation(folder, copy):
        work()
    assert len(copies) >= 10
    return copies


@pytest.mark.parametrize("asynchronous", [False, True])
def test_r02_at_every_moment_of_a_save_the_disk_holds_an_intact_step(tmp_path, asynchronous, card):
    folder = tmp_path / "run"
    fill(folder, 1)
    copies = moments(folder, lambda: fill(folder, 2, keep=1, asynchronous=asynchronous))
    restored = []
    for copy in copies:
        step, warned = restore(copy)
        assert not warned
        restored.append(step)
        assert Checkpoints(copy).latest() == step
        assert {p.name for p in copy.iterdir()} <= {"1", "2", TEMPORARY}
    assert restored == sorted(restored)  # once the new step is there, it stays
    assert set(restored) == {1, 2}
    how = "asynchronous" if asynchronous else "waiting"
    card("r02", f"moments of a save ({how}) at which no intact step lay on the disk", f"0 of {len(copies)}")


def test_r02_at_every_moment_a_step_that_is_replaced_is_there(tmp_path, card):
    folder = tmp_path / "run"
    fill(folder, 1)

    def again(note):
        checkpoints = Checkpoints(folder)
        checkpoints.save(1, state(1), {"step": 1, "note": note})

    copies, notes = moments(folder, lambda: again("new")), []
    for copy in copies:
        got, meta = Checkpoints(copy).restore(state(0), wanted={"step": 1})
        notes.append(meta.get("note"))
        same(got, state(1))
    assert notes == sorted(notes, key=lambda note: note is not None)
    assert set(notes) == {None, "new"}
    before = tree(folder)
    again("new")  # is there
    assert tree(folder) == before
    card("r02", "moments of replacing the only step at which it was lost", f"0 of {len(copies)}")


def kill_some(folder, kills, asynchronous):
    """Kill a process that saves all the time; returns how many of the kills fell inside a save."""
    inside, last = 0, 0
    while inside < kills:
        command = [sys.executable, WHERE / "saver.py", folder, str(SIZE), "asynchronous" if asynchronous else "waiting"]
        env = os.environ | {"PYTHONPATH": f"{WHERE.parents[1]}"}
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline().strip() == str(last + 1)  # it went on where the last one was killed
            time.sleep(random.uniform(0.0, 0.3))
            process.kill()
            said = last + 1 + len(process.stdout.read().split())
        partial = (folder / TEMPORARY).exists()
        checkpoints = Checkpoints(folder)
        assert checkpoints.latest() in ((said - 1, said) if asynchronous else (said, said + 1))
        last, warned = restore(folder, SIZE)
        assert last == checkpoints.latest()
        assert not warned
        inside += partial
    return inside


@pytest.mark.parametrize("kills", [pytest.param(1, id="short"), pytest.param(10, id="full", marks=pytest.mark.slow)])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_r02_sigkill_inside_a_save(tmp_path, asynchronous, kills, card):
    random.seed(kills)
    fill(tmp_path, 0, size=SIZE)
    kills_inside = kill_some(tmp_path, kills, asynchronous)
    how = "asynchronous" if asynchronous else "waiting"
    card("r02", f"SIGKILL inside a save ({how}): steps lost, or partial steps listed", f"0 of {kills_inside}")


def test_r02_what_a_killed_save_left_is_removed_by_the_next(tmp_path):
    fill(tmp_path, 1)
    left = tmp_path / TEMPORARY / "2.orbax-checkpoint-tmp" / "state"
    left.mkdir(parents=True)
    (left / "half").write_bytes(bytes(1000))
    assert Checkpoints(tmp_path).steps() == [1]
    fill(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]


def test_r02_a_step_without_its_list_is_not_listed(tmp_path):
    fill(tmp_path, 1, 2)
    (tmp_path / "2" / "SHA256SUMS").unlink()
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.steps(), checkpoints.latest()) == ([1], 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkpoints.restore(state(0), wanted={})
    checkpoints.save(2, state(2), {"step": 2})
    assert restore(tmp_path) == (2, [])
