"""Strict JAX on four forced CPU devices; a program is compiled once a machine and user, and in haste."""

import os
import tempfile
from pathlib import Path

FLAGS = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{FLAGS} {os.environ.get('XLA_FLAGS', '')}"  # of a flag given twice the last one holds
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("NPROC", "8")  # threads: more than four devices can hold while they wait for each other

import jax

CACHE = Path(tempfile.gettempdir()) / f"jaxtricks-test-cache-{os.getuid()}"

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
