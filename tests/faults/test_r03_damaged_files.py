"""Row 3: a file of the newest checkpoint truncated, emptied, deleted or added: one warning, the previous good step."""

import os
import re
import shutil
import subprocess
import warnings

import pytest
from stores import files, fill, restore, state, tree

from jaxtricks.checkpoint import CheckpointCorruptError, Checkpoints, CheckpointWarning, manifest

DAMAGES = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "without its last byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "emptied": lambda path: os.truncate(path, 0),
    "deleted": lambda path: path.unlink(),
    "longer": lambda path: os.truncate(path, path.stat().st_size + 1),
}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    fill(folder, 1, 2)
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_r03_every_file_of_the_newest(two, damage, card):
    newest, backup = two / "2", two.with_name(two.name + "-backup")
    shutil.copytree(newest, backup, dirs_exist_ok=True)
    before = tree(two / "1")
    paths = files(newest)
    assert len(paths) > 10
    for path in paths:
        DAMAGES[damage](path)
        step, warned = restore(two)
        assert step == 1
        assert len(warned) == 1, warned
        assert f"{two / '2'}: " in warned[0]
        assert "Step 1 is restored instead." in warned[0]
        name = path.relative_to(newest).as_posix()
        assert name in warned[0] or name == manifest.NAME
        shutil.copy(backup / name, path)
    assert restore(two) == (2, [])
    assert tree(two / "1") == before
    card("r03", f"newest step with a file {damage}: fell back to the one before", f"{len(paths)} of {len(paths)} files")


def test_r03_every_file_of_the_only_one(tmp_path, card):
    fill(tmp_path, 1)
    paths = files(tmp_path / "1")
    for path in paths:
        before = path.read_bytes()
        for damage in ("truncated", "emptied", "deleted"):
            DAMAGES[damage](path)
            with pytest.raises(CheckpointCorruptError, match="holds no intact checkpoint") as caught:
                Checkpoints(tmp_path).restore(state(0), wanted={})
            assert str(tmp_path / "1") in str(caught.value)
            path.write_bytes(before)
    assert restore(tmp_path) == (1, [])
    card("r03", "the only step damaged: typed error", f"{3 * len(paths)} of {3 * len(paths)}")


def test_r03_a_lost_list_is_no_fresh_start(tmp_path):
    assert Checkpoints(tmp_path).latest() is None
    fill(tmp_path, 1)
    (tmp_path / "1" / manifest.NAME).unlink()
    with pytest.raises(CheckpointCorruptError, match="SHA256SUMS is missing"):
        Checkpoints(tmp_path).latest()


def test_r03_two_damaged_ones_are_one_warning(tmp_path):
    fill(tmp_path, 1, 2, 3, keep=3)
    files(tmp_path / "3")[0].unlink()
    (tmp_path / "2" / manifest.NAME).write_text("")
    step, warned = restore(tmp_path)
    assert step == 1
    assert len(warned) == 1
    assert warned[0].index("/3: ") < warned[0].index("/2: ")


def test_r03_a_file_too_many(tmp_path):
    fill(tmp_path, 1, 2)
    (tmp_path / "2" / "state" / "array_metadatas" / "process_1").write_text("{}")
    assert restore(tmp_path)[0] == 1


def test_r03_the_run_goes_on_and_replaces_what_was_damaged(tmp_path):
    fill(tmp_path, 1, 2, 3, keep=3)
    for step in "23":
        os.truncate(files(tmp_path / step)[3], 0)
    checkpoints = Checkpoints(tmp_path)
    with pytest.warns(CheckpointWarning):
        _, meta = checkpoints.restore(state(0), wanted={})
    assert meta == {"step": 1}
    assert (checkpoints.steps(), checkpoints.latest()) == ([1], 1)
    checkpoints.save(2, state(2), {"step": 2})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]  # a damaged one is not counted as kept
    assert restore(tmp_path) == (2, [])
    before = tree(tmp_path)
    checkpoints.save(2, state(2), {"step": 2})  # there, and intact
    assert tree(tmp_path) == before
    files(tmp_path / "2")[0].unlink()
    checkpoints.save(2, state(2), {"step": 2})  # there, and damaged, though nobody knows
    assert restore(tmp_path) == (2, [])


def test_r03_the_newest_are_kept_and_never_the_last_saved_lost(tmp_path):
    fill(tmp_path, 1, 2, 3, 4)
    assert Checkpoints(tmp_path).steps() == [3, 4]
    fill(tmp_path, 1, keep=1)
    assert 1 in Checkpoints(tmp_path).steps()


def test_r03_the_list_is_one_that_sha256sum_checks(tmp_path):
    fill(tmp_path, 1)
    check = ["sha256sum", "--check", "--strict", "--quiet", manifest.NAME]
    assert subprocess.run(check, cwd=tmp_path / "1").returncode == 0
    listed = {line[66:] for line in (tmp_path / "1" / manifest.NAME).read_text().splitlines()}
    assert listed == {p.relative_to(tmp_path / "1").as_posix() for p in files(tmp_path / "1")} - {manifest.NAME}


def test_r03_the_list_is_flushed_last(tmp_path, monkeypatch):
    """Every file and folder is flushed before the list, the list before the step has its place."""
    flushed = []

    def flush(handle, real=os.fsync):
        flushed.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    def replace(source, target, real=os.replace):
        flushed.append(f"-> {target}")
        real(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", replace)
    fill(tmp_path, 1)
    # a file in the temporary folder by its name in the step, the step itself by "."
    written = [re.sub(r".*/\.saving/\d+/1(/|$)", "", name) or "." for name in flushed]
    place, last = written.index(f"-> {tmp_path / '1'}"), written.index(manifest.NAME)
    names = {p.relative_to(tmp_path / "1").as_posix() for p in (tmp_path / "1").rglob("*")} - {manifest.NAME}
    assert names <= set(written[:last])
    assert written[last + 1 : place] == ["."]
    assert written[place + 1] == str(tmp_path)


def test_r03_a_warning_as_an_error_stops_the_restore(tmp_path):
    fill(tmp_path, 1, 2)
    files(tmp_path / "2")[0].unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointWarning):
            Checkpoints(tmp_path).restore(state(0), wanted={})
