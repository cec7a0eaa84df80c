"""Memory that stays with the process: what is set, and where nothing is."""

import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxtricks._runtime import memory
from jaxtricks._runtime.threads import enough_threads
from jaxtricks.train import RecipeError, keep_memory
from jaxtricks.train.program import Program

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

NEVER_FITTING = """
import ctypes, os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
from jaxtricks._runtime import memory
memory.SLACK, memory.SHARE = 32 << 20, 1 << 20
if sys.argv[1] != "not kept":
    assert memory.keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
size, before, times = 32 << 20, memory.resident(), 0
for i in range(20):
    block = libc.malloc(size + 8192 * i)
    libc.memset(block, 1, size)
    libc.malloc(size + 8192 * i + 4096)  # lies behind it, and is never touched
    libc.free(block)
    if sys.argv[1] != "kept":
        times += memory.give_back(size / 2)
print(round((memory.resident() - before) / size), times)
"""


@pytest.fixture
def asked(monkeypatch):
    """What mallopt is asked for, on a system where it is there, with two cores and no plugin."""
    calls = []
    monkeypatch.setattr(memory, "_state", [])
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


@pytest.mark.skipif(not sys.platform.startswith("linux") or memory._mallopt() is None, reason="glibc's")
def test_places_that_are_too_small_for_the_next_step_are_given_back():
    grown = {}
    for how in ("kept", "given back", "not kept"):
        environment = {name: v for name, v in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
        out = subprocess.run(
            [sys.executable, "-c", NEVER_FITTING, how],
            capture_output=True,
            text=True,
            check=True,
            env=environment | {"JAX_PLATFORMS": "cpu"},
        ).stdout.split()
        grown[how] = [int(count) for count in out]
    assert grown["kept"] == [20, 0]
    assert grown["given back"][0] <= 2
    assert 8 <= grown["given back"][1] <= 14  # not with every block: what one step takes may stay
    assert grown["not kept"] == [0, 0]


def test_the_process_may_grow_by_a_step_and_a_share_of_its_room(monkeypatch):
    held, trims = [1 << 30], []
    monkeypatch.setattr(memory, "_state", [])
    monkeypatch.setattr(memory, "resident", lambda: held[0])
    monkeypatch.setattr(memory, "room", lambda: 16 << 30)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=trims.append))
    assert not memory.give_back()  # nothing is kept
    memory._state[:] = [1 << 30, memory.SLACK]
    assert memory.give_back()
    assert memory._state == [1 << 30, 2 << 30]
    held[0] = (4 << 30) - 1
    assert not memory.give_back(1 << 30)
    held[0] = 4 << 30
    assert memory.give_back(1 << 30)
    monkeypatch.setattr(memory, "room", lambda: None)
    assert memory.give_back()
    assert memory._state == [4 << 30, 256 << 20]
    assert trims == [0, 0, 0]


def test_a_step_asks_for_what_it_takes_on_all_devices(monkeypatch):
    asked = []
    monkeypatch.setattr(memory, "give_back", lambda step=None: asked.append(step))
    program = object.__new__(Program)
    program.cost, program.plan = {"peak_bytes": 1000}, SimpleNamespace(size=2)
    program.step, program.constants = (lambda state, batch, constants: (state + 1, batch)), None
    assert program.take(1, {}, 1) == (2, {})
    program.cost = {"peak_bytes": None}  # a backend that does not tell
    program.take(1, {}, 1)
    assert asked == [2000, 0]


def test_the_room_is_what_the_process_has_and_what_is_left_in_its_container(monkeypatch):
    files = {
        "/proc/meminfo": "MemTotal: 24000 kB\nMemFree: 10 kB\nMemAvailable: 4000 kB\nSwapFree: 1000 kB\nHugePages: 0\n",
        "/proc/self/statm": "900 70 30",
    }
    monkeypatch.setattr(memory, "resource", SimpleNamespace(getpagesize=lambda: 4096))

    def read_text(path, encoding):
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(memory.Path, "read_text", read_text)
    assert memory.room() == 70 * 4096 + 5000 * 1024
    files |= {"/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory.current": "5\n"}
    assert memory.room() == 70 * 4096 + 5000 * 1024
    files["/sys/fs/cgroup/memory.max"] = "1000005\n"
    assert memory.room() == 70 * 4096 + 1_000_000
    files["/sys/fs/cgroup/memory.max"] = "3\n"
    assert memory.room() == 70 * 4096
    del files["/proc/meminfo"]
    assert memory.room() is None


def test_a_step_that_does_not_fit_is_refused_with_both_figures(monkeypatch):
    program = object.__new__(Program)
    device = SimpleNamespace(platform="cpu")
    program.plan = SimpleNamespace(size=2, mesh=SimpleNamespace(devices=np.asarray([device, device])))
    program.cost, program.recipe = {"peak_bytes": 8_000_000_000}, SimpleNamespace(batch=256)
    for room in (None, 16_000_000_000):
        monkeypatch.setattr(memory, "room", lambda room=room: room)
        program._check_room()
    monkeypatch.setattr(memory, "room", lambda: 15_900_000_000)
    with pytest.raises(RecipeError, match=r"^recipe\.batch is 256, .* takes 16\.0 GB of memory; allowed: .* 15\.9 GB "):
        program._check_room()
    device.platform, program.cost = "gpu", {"peak_bytes": 8_000_000_000}  # which says so itself
    program._check_room()


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
