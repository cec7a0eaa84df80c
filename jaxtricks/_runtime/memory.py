"""Memory that stays with a process that trains on a CPU."""

import ctypes
import os
import pkgutil
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path

import jax

OPTIONS = {-8: 1, -4: 0, -1: -1}  # of malloc.h: one arena, no mapped block, nothing given back
CORES = 4  # with more, threads that compile would wait for each other at the one arena


def keep_memory() -> bool:
    """Let memory that is freed stay with a process that trains on a CPU; call it before anything else of JAX.

    XLA asks for the memory of a step at its start and frees it at its end. Large blocks glibc gives back to the system,
    which then hands them out anew, page by page, filled with zeros. On Linux with glibc, up to 4 cores and no
    accelerator, this keeps them: a step of ``resnet_small``, 64 images of 32 px, took 0.74 of the processor time on two
    cores (``benchmarks/memory.py``). The commands of the experiments call it. What a process held at most, it holds to
    its end.

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
    return all([mallopt(option, value) == 1 for option, value in OPTIONS.items()])


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
