"""What orbax leaves in its event loops when a save or a restore fails is closed, and nothing is when all is well."""

import asyncio
import gc
import inspect
import sys

import jax.numpy as jnp
import pytest

from jaxtricks.checkpoint import Checkpoints, CheckpointSaveError, leaves, manifest

BODY = """
async def write(started):
    started.append(1)
    await never


async def fails(started):
    first = [asyncio.get_running_loop().create_task(write(started)) for _ in range(2)]
    await asyncio.sleep(0)
    tasks.extend(first)
    raise OSError("no room")
"""


def abandon(file):
    """Tasks of a closed loop by code of this file, as orbax's run_sync leaves them: two wait, one never began."""
    names = {"asyncio": asyncio, "tasks": [], "never": None}
    loop = asyncio.new_event_loop()
    names["never"] = loop.create_future()
    exec(compile(BODY, str(file), "exec"), names)
    started = []
    with pytest.raises(OSError, match="no room"):
        loop.run_until_complete(names["fails"](started))
    names["tasks"].append(loop.create_task(names["write"](started)))
    loop.close()
    assert len(started) == 2
    return names["tasks"]


def states(tasks):
    return [inspect.getcoroutinestate(task.get_coro()) for task in tasks]


@pytest.fixture
def unraisable(monkeypatch):
    """What Python could not raise, such as a warning of a coroutine that was never awaited."""
    said = []
    monkeypatch.setattr(sys, "unraisablehook", lambda about: said.append(str(about.exc_value)))
    return said


def test_what_a_failed_save_left_is_closed(tmp_path, monkeypatch, unraisable):
    tasks = abandon(leaves.ORBAX / "x.py")
    assert states(tasks) == ["CORO_SUSPENDED", "CORO_SUSPENDED", "CORO_CREATED"]

    def full(folder):
        raise OSError("no room")

    monkeypatch.setattr(manifest, "write", full)
    with pytest.raises(CheckpointSaveError, match="no room"):
        Checkpoints(tmp_path).save(1, {"w": jnp.ones(2)}, {})
    assert states(tasks) == ["CORO_CLOSED"] * 3
    del tasks
    gc.collect()
    assert not [text for text in unraisable if "never awaited" in text]


def test_python_warns_of_what_nobody_closes(unraisable):
    """The reason for all this: the warning comes whenever the garbage is collected, in whatever test runs then."""
    tasks = abandon(leaves.ORBAX / "x.py")
    del tasks
    gc.collect()
    assert [text for text in unraisable if "never awaited" in text] == ["coroutine 'write' was never awaited"]


def test_the_coroutines_of_others_and_of_open_loops_are_left_alone(tmp_path):
    tasks = abandon(tmp_path / "x.py")
    names, loop = {}, asyncio.new_event_loop()
    exec(compile("async def idle():\n    return 7", str(leaves.ORBAX / "x.py"), "exec"), names)
    waiting = loop.create_task(names["idle"]())
    leaves.close_abandoned()
    assert states(tasks) == ["CORO_SUSPENDED", "CORO_SUSPENDED", "CORO_CREATED"]
    assert loop.run_until_complete(waiting) == 7
    loop.close()
    for task in tasks:
        task.get_coro().close()
