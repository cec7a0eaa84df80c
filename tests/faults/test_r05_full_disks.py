"""Row 5: no room. A clear error or a warning, as asked; what was saved stays, rubbish goes, the next save works."""

import errno
import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from children import Child
from stores import WHERE, before_each_operation, fails, fill, holds, limited, restore, state, tree

from jaxtricks.checkpoint import Checkpoints, CheckpointSaveError, CheckpointWarning, manifest
from jaxtricks.checkpoint.mounted import TEMPORARY, Mounted

SIZE = 2**16  # 256 KiB, which do not compress


def attempt(checkpoints):
    """Save step 2; returns the error's text, None if it works."""
    try:
        checkpoints.save(2, state(2, SIZE), {"step": 2})
        checkpoints.wait()
    except CheckpointSaveError as error:
        return str(error)


@pytest.mark.parametrize("on_error", ["raise", "warn"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_r05_the_kernel_refuses_to_write(tmp_path, asynchronous, on_error, card):
    fill(tmp_path, 1, 2, size=SIZE)
    before = tree(tmp_path)
    checkpoints = Checkpoints(tmp_path, asynchronous=asynchronous, on_error=on_error)
    at_once = []
    limits = (0, 300, 100_000)  # not even the first line; the lines, but no array; half an array
    for limit in limits:
        with limited(limit):
            text = fails(checkpoints, 3, SIZE)
        assert text.startswith(f"step 3 was not saved in {tmp_path}, the newest complete step is 2. ")
        at_once.append(holds(checkpoints, [1, 2], before))
        assert restore(tmp_path, SIZE) == (2, [])
    assert any(at_once)
    checkpoints.save(3, state(3, SIZE), {"step": 3})
    checkpoints.close()
    assert checkpoints.steps() == [2, 3]
    assert restore(tmp_path, SIZE) == (3, [])
    how = f"{'asynchronous' if asynchronous else 'waiting'}, {on_error}"
    card("r05", f"the kernel refuses to write ({how}): reported, good steps intact, no rubbish", f"{len(limits)} of 3")


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("stride", [pytest.param(7, id="short"), pytest.param(1, id="full", marks=pytest.mark.slow)])
def test_r05_full_from_any_operation_on(tmp_path, asynchronous, stride, card):
    """The disk is full from the n-th file or folder on that Python makes, for n = 1, 2, ... until the save works."""
    fill(tmp_path, 1, size=SIZE)
    before, at_once = tree(tmp_path), []
    for n in itertools.count(0, stride):
        left = n

        def full(kind):
            nonlocal left
            left -= kind == "create"
            if kind == "create" and left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        checkpoints = Checkpoints(tmp_path, asynchronous=asynchronous)
        with before_each_operation(tmp_path, full):
            error = attempt(checkpoints)
        if error is None:
            break
        assert "No space left on device" in error
        at_once.append(holds(checkpoints, [1], before))
        checkpoints.save(2, state(2, SIZE), {"step": 2})
        checkpoints.close()
        assert restore(tmp_path, SIZE) == (2, [])
        (tmp_path / "2").rename(tmp_path.with_name(f"{tmp_path.name}-{n}"))
    assert n >= 10
    assert any(at_once)
    assert restore(tmp_path, SIZE) == (2, [])
    how = "asynchronous" if asynchronous else "waiting"
    card(
        "r05", f"full from some operation on ({how}): reported, good steps intact, no rubbish", f"{n // stride} points"
    )


@pytest.mark.parametrize("stride", [pytest.param(9, id="short"), pytest.param(1, id="full", marks=pytest.mark.slow)])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_r05_any_flush_or_rename_of_ours_fails(tmp_path, monkeypatch, call, stride):
    fill(tmp_path, 1, size=SIZE)
    before, real, at_once = tree(tmp_path), getattr(os, call), []
    for n in itertools.count(0, stride):
        calls = itertools.count()

        def fails_once(*args, n=n, calls=calls):
            if next(calls) == n:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*args)

        checkpoints = Checkpoints(tmp_path)
        monkeypatch.setattr(os, call, fails_once)
        error = attempt(checkpoints)
        monkeypatch.setattr(os, call, real)
        if error is None:
            break
        assert "Input/output error" in error
        at_once.append(holds(checkpoints, [1], before))
    assert any(at_once)
    assert n >= {"fsync": 10, "replace": 1}[call]  # each file, each folder, the list, the last folder; the new place
    assert restore(tmp_path, SIZE) == (2, [])


def test_r05_old_steps_that_cannot_be_removed(tmp_path, monkeypatch):
    fill(tmp_path, 1, 2)

    def refuse(*args, **options):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr(Mounted, "prune", refuse)
    with pytest.warns(CheckpointWarning, match=r"Step 3 was saved .* could not be removed: .*Permission denied"):
        checkpoints.save(3, state(3), {"step": 3})
    monkeypatch.undo()
    assert checkpoints.steps() == [1, 2, 3]
    checkpoints.save(4, state(4), {"step": 4})
    assert checkpoints.steps() == [3, 4]


def test_r05_what_late_writes_bring_back_is_removed_again(tmp_path, monkeypatch):
    """Orbax reports the first array that fails, and its threads go on with the others."""
    left = tmp_path / TEMPORARY / "1" / "state"
    left.mkdir(parents=True)
    late = iter([nothing := lambda **_: None, left.mkdir])  # not at the first look, at the second
    monkeypatch.setattr(time, "sleep", lambda _: next(late, nothing)(parents=True))
    Mounted(tmp_path).sweep(watch=0.05)
    assert next(late, None) is None
    assert not list(tmp_path.iterdir())


NAMESPACES = (("unshare", "--user", "--map-root-user", "--mount"), ("unshare", "--mount"))  # of a user, of root


def may_mount(inside):
    mount = ["mount", "-t", "tmpfs", "none", WHERE]  # gone with the name space
    return shutil.which(inside[0]) and subprocess.run([*inside, *mount], capture_output=True).returncode == 0


def test_r05_a_full_file_system(tmp_path, card):
    """A real one, in a name space of its own, where the system allows that to this user."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not (inside := next(filter(may_mount, NAMESPACES), None)):
        pytest.skip("this system lets this user mount nothing, not even in a name space of its own")
    child = Child("full_disk.py", (disk, SIZE), before=inside)
    assert child.end() == 0, child.complaint
    assert child.said == [("saved", 1), ("saved", 2)]
    card("r05", "a full tmpfs: reported, good steps intact, the next save works", f"{len(child.said)} of 2")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"on_error": "ignore"}, "on_error is 'ignore'; allowed: 'raise', 'warn'"),
        ({"keep": 0}, "keep is 0; allowed: 1 or more"),
        ({"folder": "ftp://host/run"}, "folder is 'ftp://host/run'; allowed: a path, or a URL"),
        ({"folder": Path("gs://bucket/run")}, r"folder is PosixPath\('gs:/bucket/run'\); allowed: a path, or a URL"),
    ],
)
def test_r05_wrong_options(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        Checkpoints(**{"folder": tmp_path, **changes})


def test_r05_nothing_is_saved_that_could_not_be_read(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(ValueError, match="step is -1; allowed: 0 to 999999999"):
        checkpoints.save(-1, state(1), {})
    with pytest.raises(ValueError, match=r"meta is .* characters of JSON; allowed: up to"):
        checkpoints.save(1, state(1), {"history": "x" * 2**24})
    with pytest.raises(TypeError, match="not JSON serializable"):
        checkpoints.save(1, state(1), {"seeds": {1, 2}})
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a\nb").write_text("")
    with pytest.raises(ValueError, match="is no name of a file"):
        manifest.write(tmp_path / "odd")
