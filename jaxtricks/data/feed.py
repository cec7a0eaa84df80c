"""From a split to the batches of steps: order, rows, and what waits for them."""

import queue
import threading
import time
from collections.abc import Iterator

import numpy as np

from jaxtricks.data.dataset import Split


def order(seed: int, epoch: int, size: int) -> np.ndarray:
    """The order of an epoch: a permutation that depends on nothing but its arguments.

    Args:
      seed: of the run, 0 or more.
      epoch: from 0.
      size: images in the split.

    Returns:
      int64 ``[size]``.
    """
    return np.random.default_rng((seed, epoch)).permutation(size)


def steps_per_epoch(size: int, batch: int) -> int:
    """Full batches in an epoch; the rows left over are drawn in other epochs.

    Args:
      size: images in the split.
      batch: images in a step.

    Returns:
      ``size // batch``.

    Raises:
      ValueError: if not even one batch is full.
    """
    if batch > size:
        raise ValueError(f"batch is {batch}; allowed: 1 to the {size} training images.")
    return size // batch


class Feed:
    """Batches of consecutive steps, on the host. A split that is an array gives indices; records are read ahead.

    The rows of a step are a pure function of seed and step, ``order(seed, step // n)[(step % n) * batch:][:batch]``
    with n steps an epoch: to go on where a run stopped takes one integer.

    Args:
      split: what to read.
      seeds: of the runs that step together; more than one stacks their batches along a first axis.
      batch: images in a step.
      stacked: whether there is a first axis of seeds.
      part: (process, processes): each process reads its own share of a batch.
      ahead: batches that are read before they are asked for.
      workers: threads that decode.
    """

    def __init__(
        self,
        split: Split,
        seeds: tuple[int, ...],
        batch: int,
        *,
        stacked: bool = False,
        part: tuple[int, int] = (0, 1),
        ahead: int = 4,
        workers: int = 4,
    ):
        self.split, self.seeds, self.batch, self.stacked = split, tuple(seeds), batch, stacked
        self.part, self.ahead, self.workers = part, ahead, workers
        self.steps_per_epoch = steps_per_epoch(len(split), batch)
        self.waited = 0.0

    def _rows(self, step: int, orders: dict) -> list[np.ndarray]:
        epoch, i = divmod(step, self.steps_per_epoch)
        process, processes = self.part
        share = self.batch // processes
        first = i * self.batch + process * share
        for seed in self.seeds:
            if (seed, epoch) not in orders:
                orders[seed, epoch] = order(seed, epoch, len(self.split))
        return [orders[seed, epoch][first : first + share] for seed in self.seeds]

    def _join(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.stack(parts) if self.stacked else parts[0]

    def steps(self, start: int, stop: int) -> Iterator[dict[str, np.ndarray]]:
        """The batches of the steps from start up to, not including, stop."""
        orders: dict = {}
        if self.split.resident:
            for step in range(start, stop):
                yield {"index": self._join(self._rows(step, orders)).astype(np.int32)}
            return
        yield from self._stream(start, stop, orders)

    def _stream(self, start, stop, orders):
        from concurrent.futures import ThreadPoolExecutor

        out: queue.Queue = queue.Queue(self.ahead)
        ended = threading.Event()

        def read(step):
            epoch = step // self.steps_per_epoch
            drawn = self._rows(step, orders)
            images = [
                self.split.read(r, seed=seed, epoch=epoch, train=True)
                for seed, r in zip(self.seeds, drawn, strict=True)
            ]
            labels = [self.split.labels[r] for r in drawn]
            return {"image": self._join(images), "label": self._join(labels)}

        def put(item) -> bool:
            while not ended.is_set():
                try:
                    out.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def produce():
            try:
                with ThreadPoolExecutor(self.workers) as pool:
                    pending = []
                    for step in range(start, stop):
                        pending.append(pool.submit(read, step))
                        if len(pending) >= self.workers and not put(pending.pop(0).result()):
                            break
                    for future in pending:
                        if not put(future.result()):
                            break
                put(None)
            except BaseException as error:  # handed to the training thread, which raises it
                put(error)

        thread = threading.Thread(target=produce, name="jaxtricks-feed", daemon=True)
        thread.start()
        try:
            while True:
                began = time.perf_counter()
                while True:
                    try:
                        item = out.get(timeout=1.0)
                        break
                    except queue.Empty:
                        if not thread.is_alive() and out.empty():
                            raise RuntimeError("the feed's reading thread ended without a word.") from None
                self.waited += time.perf_counter() - began
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            ended.set()


def padded(split: Split, batch: int) -> Iterator[dict[str, np.ndarray]]:
    """Every row of a split once, in order, in batches of one size; the last is padded and says so in ``valid``.

    Args:
      split: what to read.
      batch: rows in a batch.

    Returns:
      Batches with ``image``, uint8 ``[batch, H, W, C]``, ``label``, int32 ``[batch]`` and ``valid``, bool ``[batch]``.
    """
    for first in range(0, len(split), batch):
        index = np.arange(first, first + batch)
        valid = index < len(split)
        index = np.where(valid, index, 0)
        yield {"image": split.read(index), "label": split.labels[index], "valid": valid}
