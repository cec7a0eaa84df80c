"""Strict JAX on four forced CPU devices; a program is compiled once a machine and user, and in haste."""

import gc
import os
import resource
import tempfile
from pathlib import Path

import jaxlib

FLAGS = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
if jaxlib.__version__.startswith("0.10."):  # later ones do not know it; a small program compiles in a third of the time
    FLAGS += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{FLAGS} {os.environ.get('XLA_FLAGS', '')}"  # of a flag given twice the last one holds
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("NPROC", "8")  # threads: more than four devices can hold while they wait for each other

import jax
import pytest

CACHE = Path(tempfile.gettempdir()) / f"jaxtricks-test-cache-{os.getuid()}"

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

LARGE = 2 << 20  # KiB of a process
gc.set_threshold(50_000, 20, 10)  # tracing makes many small objects, and hardly a circle of them


def pytest_collection_finish():
    """What collecting made lasts to the end, and is not looked through again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _programs_of_one_module():
    """What a module compiled is dropped once the process has grown large: 11,000 tests would keep some 7 GiB."""
    yield
    if _resident() > LARGE:
        jax.clear_caches()
        gc.collect()


def _resident() -> int:
    """KiB that this process holds now, or at most where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() >> 10
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
