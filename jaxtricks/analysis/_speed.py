"""How long a function takes: latency and throughput, of a compiled function that is warm, waited for."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxtricks import check


class Latency(NamedTuple):
    """Seconds of one call.

    Fields:
      median: of all.
      lower, upper: the first and the third quartile; far apart where something else ran on the machine.
    """

    median: float
    lower: float
    upper: float


class Throughput(NamedTuple):
    """What a batch size gives.

    Fields:
      batch: images in a call.
      rate: images a second, by the median.
      latency: seconds of one call.
    """

    batch: int
    rate: float
    latency: Latency


def latency(
    function: Callable, *args: Any, repeats: int = 20, warm: int = 2, clock: Callable[[], float] = time.perf_counter
) -> Latency:
    """Seconds that a call takes, each waited for until its results are there.

    Args:
      function: compiled by ``jax.jit``, best; it is called ``warm + repeats`` times.
      *args: of the function.
      repeats: calls that are timed, 1 or more.
      warm: calls before, 1 or more: the first compiles.
      clock: seconds now.

    Returns:
      Median and quartiles.

    Raises:
      ValueError: if repeats or warm is no integer of 1 or more.
    """
    repeats, warm = check.at_least("repeats", repeats, minimum=1), check.at_least("warm", warm, minimum=1)
    for _ in range(warm):
        jax.block_until_ready(function(*args))
    seconds = []
    for _ in range(repeats):
        begin = clock()
        jax.block_until_ready(function(*args))
        seconds.append(clock() - begin)
    lower, median, upper = np.percentile(seconds, (25, 50, 75))
    return Latency(float(median), float(lower), float(upper))


def throughput(
    function: Callable[[int], Callable[[], Any]], batches: Iterable[int], **options: Any
) -> list[Throughput]:
    """Images a second at several batch sizes, the fastest first.

    Args:
      function: ``batch size -> call without arguments``, which computes one batch.
      batches: batch sizes, 1 or more.
      options: of ``latency``.

    Returns:
      One entry a batch size, by falling rate.

    Raises:
      ValueError: if there is no batch size, or one is no integer of 1 or more.
    """
    out = []
    for batch in batches:
        batch = check.at_least("batches", batch, minimum=1)
        took = latency(function(batch), **options)
        out.append(Throughput(batch, batch / took.median if took.median else float("inf"), took))
    if not out:
        raise ValueError("batches is empty; allowed: one or more.")
    return sorted(out, key=lambda entry: -entry.rate)


def utilization(macs: int, seconds: float, *, peak: float) -> float:
    """The share of a machine's arithmetic that a computation uses (MFU).

    Args:
      macs: multiply-accumulates of one call, as ``count`` gives them; training counts three times its forward pass.
      seconds: of one call.
      peak: floating-point operations a second that the machine reaches, measured by a large matrix product, best.

    Returns:
      ``2 macs / (seconds peak)``.

    Raises:
      ValueError: if seconds or peak is not greater than 0, or macs is no integer of 0 or more.

    Example:
      >>> from jaxtricks import analysis
      >>> analysis.utilization(4_089_184_256, 0.1, peak=1e12)  # a ResNet-50, 0.1 s, 1 TFLOP/s
      0.08178368512
    """
    check.positive("seconds", seconds)
    check.positive("peak", peak)
    return 2 * check.at_least("macs", macs) / (seconds * peak)
