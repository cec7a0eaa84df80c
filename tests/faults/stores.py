"""Checkpoint folders to break: states that depend on their step, and what must come back."""

import os
import resource
import sys
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np

from jaxtricks.checkpoint import Checkpoints, CheckpointSaveError, CheckpointWarning
from jaxtricks.checkpoint.mounted import TEMPORARY, Mounted

WHERE = Path(__file__).parent
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}
LOOKS = {"os.scandir", "os.listdir"}
watcher, busy = None, threading.local()


def state(step, size=4096):
    """A state whose every leaf depends on the step, and does not compress to nothing."""
    numbers = np.random.default_rng(step).standard_normal(size, dtype=np.float32)
    return {
        "w": jax.device_put(numbers.reshape(-1, 64)),
        "n": jax.device_put(np.int32(step)),
        "key": jax.random.key(step),
    }


def fill(folder, *steps, size=4096, **options):
    checkpoints = Checkpoints(folder, **options)
    for step in steps:
        checkpoints.save(step, state(step, size), {"step": step})
    checkpoints.close()


def restore(folder, size=4096):
    """The step that is restored, after a comparison of all its leaves, and the warnings on the way."""
    checkpoints = Checkpoints(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CheckpointWarning)
        got, meta = checkpoints.restore(state(0, size), wanted={})
    checkpoints.close()
    same(got, state(meta["step"], size))
    return meta["step"], [str(w.message) for w in caught]


def same(got, wanted):
    for name, array in wanted.items():
        data = jax.random.key_data if name == "key" else (lambda x: x)
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(np.asarray(data(got[name])), np.asarray(data(array)))


def fails(checkpoints, step, size):
    """Save a step that cannot be saved, and wait; returns what was reported, as ``on_error`` asks for."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            checkpoints.save(step, state(step, size), {"step": step})
            checkpoints.wait()
        except CheckpointSaveError as error:
            assert checkpoints.on_error == "raise"
            return str(error)
    assert checkpoints.on_error == "warn"
    warned = [str(w.message) for w in caught if issubclass(w.category, CheckpointWarning)]
    assert len(warned) == 1, warned
    return warned[0]


def holds(checkpoints, steps, before):
    """Assert that the folder holds these steps, as they were, and nothing else; returns whether that was so at once.

    On a busy machine a thread of orbax may write later than ``Checkpoints.wait`` looks: the next save begins with this
    sweep.
    """
    at_once = not (checkpoints.folder / TEMPORARY).exists()
    Mounted(checkpoints.folder).sweep(watch=0 if at_once else 1)
    assert checkpoints.steps() == steps
    assert checkpoints.latest() == steps[-1]
    assert sorted(p.name for p in checkpoints.folder.iterdir()) == [str(s) for s in steps]
    assert tree(checkpoints.folder) == before
    waited = [t.name for t in threading.enumerate() if type(t).__module__.startswith("orbax") and not t.daemon]
    assert not waited, "the end of the process would wait for these threads, which wait for folders for five minutes"
    return at_once


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def tree(folder):
    """Every file of the folder with its contents."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files(folder)}


def hook(event, args):
    """A hook cannot be taken out again; this one is asleep without a watcher."""
    if watcher is not None and event in {"open"} | CHANGES | LOOKS and not getattr(busy, "now", False):
        busy.now = True
        try:
            kind = "create" if event == "os.mkdir" or (event == "open" and args[2] & WRITING) else event
            watcher(kind, str(args[0]))
        finally:
            busy.now = False


@contextmanager
def before_each_operation(folder, function):
    """Call ``function(kind)`` before any operation of Python on a file in the folder, in whatever thread."""
    global watcher
    if not hasattr(hook, "added"):
        sys.addaudithook(hook)
        hook.added = True

    def inside(kind, path):
        if path.startswith(str(folder)):
            function(kind)

    watcher = inside
    try:
        yield
    finally:
        watcher = None


@contextmanager
def limited(size):
    """No file grows beyond so many bytes; the kernel refuses more, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
