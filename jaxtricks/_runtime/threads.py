"""Threads: for devices that are cores and wait for each other, and as many as there are cores."""

import os

from jaxtricks._runtime.memory import only_cpu

A_DEVICE = 4


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def enough_threads() -> None:
    """Let XLA have four threads a core on a CPU, unless ``NPROC`` says otherwise; call it before the first array.

    A collective holds a thread while it waits, and those in the body of a loop are not ordered with the others: with a
    thread a device, two devices can wait in two collectives, each for the other, until XLA ends the process after 40
    seconds (seen with jax 0.10.2, a step of ``resnet20`` at batch 128 on two cores). Seeds on devices of their own have
    no collectives, and are faster with a thread each.
    """
    if only_cpu():
        os.environ.setdefault("NPROC", str(A_DEVICE * cores()))
