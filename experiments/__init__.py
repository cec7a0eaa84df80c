"""Experiments: one table a file. On a CPU, JAX is given one device a core, which must be said before it is imported."""

import os

_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={_CORES}".strip()
    )
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings of XLA's own about the machine's features
