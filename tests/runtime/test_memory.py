"""Memory that stays with the process: what is set, and where nothing is."""

import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import pytest

from jaxtricks._runtime import memory
from jaxtricks._runtime.threads import enough_threads
from jaxtricks.train import keep_memory

TWICE = """
import ctypes, os, resource, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
from jaxtricks.train import keep_memory
print(keep_memory() if sys.argv[1] == "yes" else "no")
size = 100 << 20
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(size)
    libc.memset(block, 1, size)
    libc.free(block)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.fixture
def asked(monkeypatch):
    """What mallopt is asked for, on a system where it is there, with two cores and no plugin."""
    calls = []
    monkeypatch.setattr(memory, "_mallopt", lambda: lambda option, value: calls.append((option, value)) or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    monkeypatch.setattr(memory.pkgutil, "iter_modules", lambda where: [])
    monkeypatch.setattr(memory.metadata, "entry_points", lambda group: ())
    for name in [name for name in os.environ if name.startswith("MALLOC_") or name == "GLIBC_TUNABLES"]:
        monkeypatch.delenv(name)
    return calls


def platforms(monkeypatch, value):
    monkeypatch.setattr(memory, "jax", SimpleNamespace(config=SimpleNamespace(jax_platforms=value)))


@pytest.mark.skipif(not sys.platform.startswith("linux") or memory._mallopt() is None, reason="glibc's")
def test_a_block_that_is_freed_is_there_again_without_a_page_fault():
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    kept |= {"JAX_PLATFORMS": "cpu"}
    faults = {}
    for asked_for in ("yes", "no"):
        out = subprocess.run(
            [sys.executable, "-c", TWICE, asked_for],
            capture_output=True,
            text=True,
            check=True,
            env=kept,
        ).stdout.split()
        assert out[0] == {"yes": "True", "no": "no"}[asked_for]
        faults[asked_for] = [int(count) for count in out[1:]]
    assert min(faults["no"]) > 40 < faults["yes"][0]  # huge pages: 50 of 2 MiB
    assert faults["yes"][1] < 10


def test_one_arena_without_blocks_that_are_given_back(asked, monkeypatch):
    for value in ("cpu", None, ""):
        asked.clear()
        platforms(monkeypatch, value)
        assert keep_memory()
        assert asked == [(-8, 1), (-4, 0), (-1, -1)]


@pytest.mark.parametrize("value", ["cuda", "cuda,cpu", "tpu", "cpu,cuda"])
def test_nothing_where_an_accelerator_is_named(asked, monkeypatch, value):
    platforms(monkeypatch, value)
    assert not keep_memory()
    assert asked == []


def test_nothing_where_a_plugin_is_installed(asked, monkeypatch):
    platforms(monkeypatch, None)
    monkeypatch.setattr(memory.metadata, "entry_points", lambda group: ("cuda",))
    assert not keep_memory()
    monkeypatch.setattr(memory.metadata, "entry_points", lambda group: ())
    monkeypatch.setattr(memory.util, "find_spec", lambda name: name if name == "libtpu" else None)
    assert not keep_memory()
    assert asked == []
    platforms(monkeypatch, "cpu")
    assert keep_memory()


def test_nothing_where_it_cannot_be_seen(asked, monkeypatch):
    platforms(monkeypatch, None)

    def broken(name):
        raise ValueError(f"{name}.__spec__ is None")

    monkeypatch.setattr(memory.util, "find_spec", broken)
    assert not keep_memory()
    platforms(monkeypatch, "cpu")
    monkeypatch.delattr(os, "sched_getaffinity")
    assert not keep_memory()
    assert asked == []


def test_nothing_with_many_cores_or_where_the_environment_says_otherwise(asked, monkeypatch):
    platforms(monkeypatch, "cpu")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(5)), raising=False)
    assert not keep_memory()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        with monkeypatch.context() as context:
            context.setenv(name, "2")
            assert not keep_memory()
    assert asked == []
    assert keep_memory()


def test_nothing_on_another_system_and_where_glibc_refuses(asked, monkeypatch):
    platforms(monkeypatch, "cpu")
    monkeypatch.setattr(memory, "_mallopt", lambda: lambda option, value: 0)
    assert not keep_memory()
    monkeypatch.setattr(memory, "_mallopt", lambda: None)
    assert not keep_memory()


@pytest.mark.parametrize(("value", "given", "set_to"), [("cpu", None, "8"), ("cpu", "3", "3"), ("cuda", None, None)])
def test_devices_that_wait_have_four_threads_each(asked, monkeypatch, value, given, set_to):
    platforms(monkeypatch, value)
    monkeypatch.delenv("NPROC", raising=False)
    if given:
        monkeypatch.setenv("NPROC", given)
    enough_threads()
    assert os.environ.get("NPROC") == set_to
    monkeypatch.delenv("NPROC", raising=False)


def test_a_library_without_the_function_is_another_system(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace())
    assert memory._mallopt() is None
    assert jax.config.jax_platforms in ("cpu", None)
