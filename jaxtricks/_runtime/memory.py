"""Memory that stays with a process that trains on a CPU."""

import ctypes
import os
import pkgutil
import resource
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path

import jax

OPTIONS = {-8: 1, -4: 0, -1: -1}  # of malloc.h: one arena, no mapped block, nothing given back
CORES = 4  # with more, threads that compile would wait for each other at the one arena
SLACK = 256 << 20  # bytes by which a process may grow beside what a step takes, and
SHARE = 8  # of what it could hold, this part if that is more
_state: list[int] = []  # bytes held when free memory was given back last, and by which it may grow; empty: none is kept


def keep_memory() -> bool:
    """Let memory that is freed stay with a process that trains on a CPU; call it before anything else of JAX.

    XLA asks for the memory of a step at its start and frees it at its end. Large blocks glibc gives back to the system,
    which then hands them out anew, page by page, filled with zeros. On Linux with glibc, up to 4 cores and no
    accelerator, this keeps them: a step of ``resnet_small``, 64 images of 32 px, took 0.71 of the processor time on two
    cores (``benchmarks/memory.py``). The commands of the experiments call it. A block that was freed may not fit the
    next step; so once the process has grown by more than a step takes and an eighth of the memory that it could have,
    or 256 MiB, training gives back what is free.

    Returns:
      Whether it was done. It is not on another system, where there are more cores, or where an accelerator may be used;
      nor where a variable of the environment sets glibc's memory already (``MALLOC_...``, ``GLIBC_TUNABLES``).

    Example:
      >>> keep_memory() in (True, False)
      True

    Reference:
      ``mallopt`` of the GNU C Library, section 3.2.3.7 of its manual.
    """
    mallopt = _mallopt()
    chosen = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if mallopt is None or chosen or not hasattr(os, "sched_getaffinity"):
        return False
    if len(os.sched_getaffinity(0)) > CORES or not only_cpu():
        return False
    kept = all([mallopt(option, value) == 1 for option, value in OPTIONS.items()])
    _state[:] = [resident(), SLACK] if kept else []
    return kept


def resident() -> int:
    """Bytes of memory that this process holds now, or at most where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def room() -> int | None:
    """Bytes that this process could hold: what it has, and what the system or its container has left, swap included.

    None where the system does not say.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        left = {name: int(value.split()[0]) << 10 for name, value in (line.split(":") for line in lines)}
        rest = left["MemAvailable"] + left["SwapFree"]
    except (OSError, ValueError, KeyError):
        return None
    group = Path("/sys/fs/cgroup")
    try:
        most, used = (int((group / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        rest = min(rest, max(0, most - used))
    except (OSError, ValueError):  # no container, or one without a limit
        pass
    return resident() + rest


def give_back(step: float | None = None) -> bool:
    """Give what is free back to the system, where ``keep_memory`` keeps it.

    glibc looks for a block and some bytes more than was asked for, and what it cuts off it may give to others. The
    place of a step's memory is then too small for the next step, and the process grows by as much with every step.

    Args:
      step: bytes that a step takes, 0 or more: it is only done where the process has grown by more since the last
        time, and by an eighth of what it could hold, or 256 MiB; None for at once.

    Returns:
      Whether it was done.
    """
    if not _state or (step is not None and resident() < step + sum(_state)):
        return False
    ctypes.CDLL(None).malloc_trim(0)
    _state[:] = [resident(), max(SLACK, (room() or 0) // SHARE)]
    return True


def _mallopt() -> Callable[[int, int], int] | None:
    """The function of glibc; None where there is none."""
    try:
        libc = ctypes.CDLL(None)
        return libc.mallopt if hasattr(libc, "gnu_get_libc_version") else None
    except (AttributeError, OSError, TypeError):  # another system's library
        return None


def only_cpu() -> bool:
    """Whether JAX will choose a CPU, as far as can be said before it does, after which it would be too late."""
    platforms = jax.config.jax_platforms  # pyright: ignore[reportAttributeAccessIssue]
    if platforms:
        return set(platforms.split(",")) == {"cpu"}
    try:
        package = util.find_spec("jax_plugins")
        plugins = package is not None and any(pkgutil.iter_modules(package.submodule_search_locations))
        return not (plugins or metadata.entry_points(group="jax_plugins") or util.find_spec("libtpu"))
    except ValueError:  # a module that was put in its place
        return False


def mappings() -> float:
    """The share that this process has of the memory mappings that Linux lets a process have; 0 on another system.

    On a CPU every compiled program has some dozens. Where none is left, the next one cannot be compiled, and that ends
    the process with a segmentation fault.
    """
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_text(encoding="ascii"))
        with open("/proc/self/maps", "rb") as lines:
            return sum(1 for _ in lines) / most
    except (OSError, ValueError):
        return 0.0
