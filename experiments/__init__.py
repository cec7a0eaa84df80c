"""Experiments: one table a file. Before JAX is imported, a CPU gets one device a core, and the options are read."""

import gc
import os
import sys
from pathlib import Path

from jaxtricks import _command

_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={_CORES}".strip()
    )
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings of XLA's own about the machine's features

gc.set_threshold(50_000, 20, 50)  # tracing makes many small objects, and hardly a circle of them

if sys.argv[:1] == ["-m"]:  # Python is still looking for the module that it is to run
    _command.read_early(Path(__file__).parent, sys.orig_argv)
