"""Nothing is made, opened or started before it is needed."""

import threading
import warnings

import pytest
from stores import state

from jaxtricks.checkpoint import Checkpoints


def test_the_constructor_and_reading_make_nothing(tmp_path):
    threads = threading.active_count()
    checkpoints = Checkpoints(tmp_path / "a" / "run", asynchronous=True)
    assert checkpoints.steps() == []
    assert checkpoints.latest() is None
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        checkpoints.restore(state(0), wanted={})
    checkpoints.check()
    checkpoints.wait()
    checkpoints.close()
    assert not list(tmp_path.iterdir())
    assert threading.active_count() == threads


def test_the_first_save_makes_the_folder_and_close_ends_the_thread(tmp_path):
    before = set(threading.enumerate())
    checkpoints = Checkpoints(tmp_path / "a" / "run", asynchronous=True)
    checkpoints.save(1, state(1), {})
    checkpoints.close()
    assert [path.name for path in (tmp_path / "a" / "run").iterdir()] == ["1"]
    assert not [t.name for t in set(threading.enumerate()) - before if t.name.startswith("checkpoint")]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(NotADirectoryError):
        Checkpoints(tmp_path / "run").latest()
    assert (tmp_path / "run").read_text() == "mine"


def test_many_saves_leave_no_threads_behind(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checkpoints = Checkpoints(tmp_path, asynchronous=True)
        checkpoints.save(0, state(0), {})
        checkpoints.wait()
        before = threading.active_count()
        for step in range(1, 9):
            checkpoints.save(step, state(step), {})
        checkpoints.wait()
        assert threading.active_count() <= before + 1
        checkpoints.close()
