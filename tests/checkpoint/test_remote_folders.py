"""Checkpoints in remote folders: the list of digests, written last, is what makes a step."""

import itertools
import sys
import tempfile
import threading
import uuid
import warnings

import fsspec
import jax
import numpy as np
import pytest
from remote_folders import Bucket, Memory, operations
from stores import same, state

from jaxtricks.checkpoint import (
    CheckpointCorruptError,
    CheckpointMismatchError,
    Checkpoints,
    CheckpointSaveError,
    CheckpointWarning,
    manifest,
)


@pytest.fixture
def url(tmp_path, monkeypatch):
    """A folder of its own in fsspec's memory; and what is left on the local disk is found under tmp_path."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield f"memory://{uuid.uuid4().hex}/run"
    fsspec.filesystem("memory").store.clear()


def fill(url, *steps, **options):
    checkpoints = Checkpoints(url, **options)
    for step in steps:
        checkpoints.save(step, state(step), {"step": step})
    checkpoints.close()


def restore(url):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CheckpointWarning)
        got, meta = Checkpoints(url).restore(state(0), wanted={})
    same(got, state(meta["step"]))
    return meta["step"], [str(w.message) for w in caught]


def files(url):
    """Every file of the remote folder, with its contents."""
    path = Memory(url)
    return {name: path._fs.cat(name) for name in path._fs.find(path._key)}


def names(url):
    return sorted(path.name for path in Memory(url).iterdir())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_is_saved_is_restored(url, tmp_path, asynchronous):
    assert Checkpoints(url).latest() is None
    fill(url, 1, 2, 3, asynchronous=asynchronous)
    assert Checkpoints(url).steps() == [2, 3]
    assert Checkpoints(url).latest() == 3
    assert restore(url) == (3, [])
    assert names(url) == ["2", "3"]
    assert not list(tmp_path.iterdir())  # nothing stays on the local disk


def test_a_second_run_goes_on(url):
    fill(url, 1)
    checkpoints = Checkpoints(url, asynchronous=True)
    _, meta = checkpoints.restore(state(0), wanted={"step": 1})
    checkpoints.save(meta["step"], state(1), meta)  # is there
    assert names(url) == ["1"]
    checkpoints.save(2, state(2), {"step": 2})
    checkpoints.close()
    assert restore(url) == (2, [])


def test_the_list_is_written_last_and_lists_all(url, monkeypatch):
    written = []
    monkeypatch.setattr(Memory, "open", lambda self, mode="r": written.append((mode, self._key)) or bare(self, mode))
    fill(url, 1)
    keys = [key for mode, key in written if mode == "wb"]
    root = Memory(url)._key + "/1/"
    assert keys[-1] == root + manifest.NAME
    listed = {line[66:] for line in files(url)[root + manifest.NAME].decode().splitlines()}
    assert {root + name for name in listed} == set(keys[:-1])


def bare(path, mode):
    return path._fs.open(path._key, mode)


@pytest.mark.parametrize("damage", ["truncated", "deleted", "added", "flipped"])
def test_a_damaged_newest_step_falls_back_with_one_warning(url, damage):
    fill(url, 1, 2)
    fs, root = fsspec.filesystem("memory"), Memory(url)._key + "/2/"
    for name in [name for name in files(url) if name.startswith(root) and not name.endswith(manifest.NAME)]:
        before = fs.cat(name)
        if damage == "deleted":
            fs.rm(name)
        elif damage == "added":
            fs.pipe(name + ".more", b"x")
        else:
            flipped = bytes([before[0] ^ 1]) + before[1:] if before else b"x"
            fs.pipe(name, before[: len(before) // 2] if damage == "truncated" and before else flipped)
        step, warned = restore(url)
        assert step == 1
        assert len(warned) == 1
        assert f"{url}/2: " in warned[0]
        assert "Step 1 is restored instead." in warned[0]
        fs.pipe(name, before)
        if damage == "added":
            fs.rm(name + ".more")
    assert restore(url) == (2, [])


def test_the_only_step_damaged_is_a_typed_error(url):
    fill(url, 1)
    fsspec.filesystem("memory").pipe(Memory(url)._key + "/1/meta/meta.json", b"{}")
    with pytest.raises(CheckpointCorruptError, match=r"'meta/meta\.json' was changed"):
        Checkpoints(url).restore(state(0), wanted={})


def test_a_damaged_step_is_replaced_by_the_next_attempt_at_it(url):
    fill(url, 1, 2)
    fsspec.filesystem("memory").pipe(Memory(url)._key + "/2/meta/meta.json", b"{}")
    fill(url, 2)
    assert names(url) == ["1", "2-1"]
    assert restore(url) == (2, [])
    checkpoints = Checkpoints(url)
    checkpoints.save(2, state(2), {"step": 2, "note": "new"})
    assert names(url) == ["1", "2-2"]
    assert checkpoints.restore(state(0), wanted={})[1] == {"step": 2, "note": "new"}


def test_damaged_steps_do_not_count_as_kept(url):
    fill(url, 1, 2, 3, keep=3)
    for step in "23":
        fsspec.filesystem("memory").pipe(f"{Memory(url)._key}/{step}/meta/meta.json", b"{}")
    checkpoints = Checkpoints(url)
    with pytest.warns(CheckpointWarning):
        checkpoints.restore(state(0), wanted={})
    assert (checkpoints.steps(), checkpoints.latest()) == ([1], 1)
    checkpoints.save(4, state(4), {"step": 4})
    assert names(url) == ["1", "4"]


def moments(url, work):
    """What SIGKILL would leave: the remote files before every write of one."""
    copies = []
    real = Memory.open

    def watched(self, mode="r"):
        if "w" in mode:
            copies.append(files(url))
        return real(self, mode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Memory, "open", watched)
        work()
    return copies


@pytest.mark.parametrize("replaced", [False, True])
def test_at_every_moment_of_a_save_there_is_an_intact_step(url, replaced):
    fill(url, 1)
    checkpoints = Checkpoints(url, keep=1)
    step, note = (1, "new") if replaced else (2, "old")
    copies = moments(url, lambda: checkpoints.save(step, state(step), {"step": step, "note": note}))
    assert len(copies) > 10
    fs = fsspec.filesystem("memory")
    for copy in copies:
        fs.store.clear()
        for name, content in copy.items():
            fs.pipe(name, content)
        assert Checkpoints(url).steps() == [1]
        assert restore(url) == (1, [])
    fill(url, 3)  # the last of them was cut off before its list: removed by the next save
    assert names(url) == ["1", "3"]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_no_room(url, tmp_path, asynchronous, on_error):
    """From the n-th write on all fail, for some n: reported as asked, nothing lost, no rubbish, the next save works."""
    fill(url, 1)
    before = files(url)
    for n in (0, 3, 11):
        checkpoints = Checkpoints(url, asynchronous=asynchronous, on_error=on_error)
        with operations.failing_from(n), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                checkpoints.save(2, state(2), {"step": 2})
                checkpoints.wait()
            except CheckpointSaveError as error:
                assert on_error == "raise"
                text = str(error)
            else:
                assert len(caught) == 1
                text = str(caught[0].message)
        assert text.startswith(f"step 2 was not saved in {url}, the newest complete step is 1. ")
        assert "No space left on device" in text
        assert (checkpoints.steps(), checkpoints.latest()) == ([1], 1)
        assert files(url) == before
        assert not list(tmp_path.iterdir())
    checkpoints.save(2, state(2), {"step": 2})
    checkpoints.close()
    assert restore(url) == (2, [])


def test_an_asynchronous_failure_is_raised_by_the_next_check(url):
    fill(url, 1)
    checkpoints = Checkpoints(url, asynchronous=True)
    with operations.failing_from(2):
        checkpoints.save(2, state(2), {"step": 2})
        while not checkpoints._pending[1].done():
            pass
    with pytest.raises(CheckpointSaveError, match="step 2 was not saved"):
        checkpoints.check()
    checkpoints.check()  # once


def test_a_store_that_cannot_be_reached_is_a_save_error(url, monkeypatch):
    def refuse(self):
        raise ConnectionError("no route")

    checkpoints = Checkpoints(url)
    checkpoints.save(1, state(1), {"step": 1})
    monkeypatch.setattr(checkpoints, "_is_saved", lambda *_: False)
    monkeypatch.setattr(Memory, "iterdir", refuse)
    with pytest.raises(CheckpointSaveError, match=r"cannot be listed \(ConnectionError: no route\).*no route"):
        checkpoints.save(2, state(2), {"step": 2})


def test_another_process_checks_its_own_copy(url, monkeypatch):
    fill(url, 0)
    fsspec.filesystem("memory").pipe(Memory(url)._key + "/0/meta/meta.json", b"{}")
    monkeypatch.setattr(jax, "process_index", lambda: 1)  # it believes the first one, which says step 0
    with pytest.raises(CheckpointCorruptError, match=r"step 0: the copy of this process: .* was changed"):
        Checkpoints(url).restore(state(0), wanted={})


def test_another_run_is_named(url):
    fill(url, 1)
    with pytest.raises(CheckpointMismatchError, match=r"memory://.*/run, step 1: step is 1; wanted: 2\."):
        Checkpoints(url).restore(state(0), wanted={"step": 2})


def test_what_is_named_otherwise_is_left_alone(url):
    fill(url, 1)
    fs, root = fsspec.filesystem("memory"), Memory(url)._key
    for name in ("007/a", "1-0/a", "1-x/a", "notes.txt", f"{'9' * 12}/a"):
        fs.pipe(f"{root}/{name}", b"mine")
    fs.pipe(f"{root}/5/half", b"cut off")
    assert Checkpoints(url).steps() == [1]
    fill(url, 2)
    assert names(url) == sorted(["1", "2", "007", "1-0", "1-x", "notes.txt", "9" * 12])


def test_a_copy_of_the_store_is_a_folder_of_checkpoints(url, tmp_path):
    fill(url, 1, 2)
    for name, content in files(url).items():
        target = tmp_path / "copy" / name.removeprefix(Memory(url)._key + "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    got, meta = Checkpoints(tmp_path / "copy").restore(state(0), wanted={})
    assert meta == {"step": 2}
    same(got, state(2))


def test_sharded_states_come_back_as_they_were(url):
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    x = jax.device_put(np.arange(32, dtype=np.float32).reshape(8, 4), sharding)
    Checkpoints(url).save(1, {"x": x}, {})
    got, _ = Checkpoints(url).restore({"x": jax.device_put(np.zeros((8, 4), np.float32), sharding)}, wanted={})
    assert got["x"].sharding == sharding
    np.testing.assert_array_equal(got["x"], x)


@pytest.mark.parametrize("folder", ["memory://bucket/run", "bucket:///tmp/run", "gs://bucket/run"])
def test_the_constructor_reads_nothing(folder, monkeypatch):
    for cls, method in itertools.product((Memory, Bucket), ("exists", "iterdir", "open", "mkdir")):
        monkeypatch.setattr(cls, method, lambda *_, **__: pytest.fail("it reads"))
    threads = threading.active_count()
    assert str(Checkpoints(folder).folder) == folder
    assert threading.active_count() == threads


def test_gs_without_its_libraries_says_which(monkeypatch):
    """Orbax's epath reads gs:// by tensorflow, or by fsspec with gcsfs; where neither is installed it says so."""
    monkeypatch.setenv("EPATH_USE_TF", "false")
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # as where it is not installed
    with pytest.raises(ImportError, match=r"[Gg]cs"):
        Checkpoints("gs://bucket/run").latest()
