"""From a split to the batches of steps: order, rows, what waits for them, and what stands in for unreadable ones."""

import time
from collections.abc import Generator, Iterator
from functools import lru_cache, partial

import numpy as np

from jaxtricks.data._ahead import read_ahead
from jaxtricks.data._columns import DataError, Split, dtype_of
from jaxtricks.data._order import Sampler, epoch_order, epoch_rows, steps_per_epoch
from jaxtricks.data._rows import CORRUPT_SHARE, allowed_corrupt, check_corrupt, read_rows, say_rows, stacked


class Feed:
    """Batches of consecutive steps, on the host. A split of arrays gives row numbers; records are read ahead.

    The rows of a step are a pure function of seed and step: with n steps an epoch they are
    ``epoch_order(split, seed, step // n)[(step % n) * batch:][:batch]``, so that to resume takes one integer. Every
    batch has ``index``, rows of the training split, and ``epoch``, int32 ``[batch]``; those of a split that is not
    resident also have its columns.

    A record whose reading raises DataError is unreadable, and another takes its place in the batch, in all
    columns: the record half an epoch further on in the order of the epoch, or the first readable one after it.
    So a batch keeps its size, the readable records keep their places, and what a step gets is a pure function of seed,
    step and the files, whatever the number of workers and processes. ``corrupt`` holds every unreadable record met so
    far, row to reason, in the order of the steps; more of them than ``corrupt_share`` of the split are an error.

    Args:
      split: what to read.
      seeds: of the runs that step together; more than one stacks their batches along a first axis.
      batch: images in a step.
      stacked: whether there is a first axis of seeds.
      part: (process, processes): each process reads its own share of a batch.
      ahead: batches that may be ready before they are asked for, besides those being read, 0 or more.
      workers: threads that decode, 1 or more.
      timeout: seconds without a batch after which the feed gives up, greater than 0.
      corrupt_share: part of the split that may be unreadable, 0 to less than 1; each process counts what it met.
      sampler: ``(seed, epoch, labels) -> rows``, what an epoch reads, of one length; None for a permutation.
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
        timeout: float = 300.0,
        corrupt_share: float = CORRUPT_SHARE,
        sampler: Sampler | None = None,
    ):
        self.split, self.seeds, self.batch, self.stacked = split, tuple(seeds), batch, stacked
        self.part, self.ahead, self.workers, self.timeout = part, ahead, workers, timeout
        self.corrupt_share, self._allowed = corrupt_share, allowed_corrupt(corrupt_share, len(split))
        self._order = lru_cache(2 * len(self.seeds))(partial(epoch_order, split, sampler=sampler))
        self.rows = epoch_rows(split, sampler=sampler)
        self.steps_per_epoch = steps_per_epoch(self.rows, batch)
        self.waited = 0.0
        self.corrupt: dict[int, str] = {}
        self._known: dict[int, str] = {}  # what any worker met, so that it is read once; no batch depends on it

    def _places(self, step: int) -> np.ndarray:
        """The places in the order of the epoch that this process reads."""
        process, processes = self.part
        share = self.batch // processes
        return step % self.steps_per_epoch * self.batch + process * share + np.arange(share)

    def _orders(self, step: int) -> list[np.ndarray]:
        epoch = step // self.steps_per_epoch
        orders = [self._order(seed, epoch) for seed in self.seeds]
        for order in orders:
            if len(order) != self.rows:
                rows = f"{len(order)} rows in epoch {epoch}"
                raise ValueError(f"sampler gives {rows}; allowed: {self.rows}, as in epoch 0.")
        return orders

    def _rows(self, step: int) -> list[np.ndarray]:
        return [drawn[self._places(step)] for drawn in self._orders(step)]

    def _batch(self, step: int, rows: list[np.ndarray], **columns: list[np.ndarray]) -> dict[str, np.ndarray]:
        columns["index"] = [r.astype(np.int32) for r in rows]
        columns["epoch"] = [np.full(len(r), step // self.steps_per_epoch, np.int32) for r in rows]
        return {name: np.stack(parts) if self.stacked else parts[0] for name, parts in columns.items()}

    def steps(self, start: int, stop: int) -> Generator[dict[str, np.ndarray]]:
        """The batches of the steps from start up to, not including, stop.

        Raises:
          DataError: if too many records are unreadable; the message counts and names them.
          FeedError: if reading fails for another reason, a worker dies, or no batch comes within ``timeout``; the
            message names the worker and the record, or, where it cannot be known, the records being read.
        """
        if self.split.resident:
            for step in range(start, stop):
                yield self._batch(step, self._rows(step))
            return
        batches = read_ahead(
            self._read,
            start,
            stop,
            workers=self.workers,
            ahead=self.ahead,
            timeout=self.timeout,
            say=lambda step: f"step {step}, {say_rows(np.concatenate(self._rows(step)))}",
        )
        try:
            while True:
                began = time.perf_counter()
                item = next(batches, None)
                self.waited += time.perf_counter() - began
                if item is None:
                    return
                batch, unreadable = item
                self.corrupt |= unreadable
                check_corrupt(self.corrupt, self.corrupt_share, len(self.split))
                yield batch
        finally:
            batches.close()

    def example(self) -> dict[str, np.ndarray]:
        """A batch of zeros in the shapes and dtypes of ``steps``; nothing is read."""
        step = {name: np.zeros((), np.int32) for name in ("index", "epoch")}
        return self._zeros(step if self.split.resident else step | self._row())

    def evaluated(self) -> dict[str, np.ndarray]:
        """A batch of zeros in the shapes and dtypes of ``padded``."""
        return self._zeros(self._row() | {"index": np.zeros((), np.int32), "row_valid": np.zeros((), bool)})

    def _row(self) -> dict[str, np.ndarray]:
        columns = self.split.columns.items()
        return {name: np.broadcast_to(np.zeros((), dtype_of(col)), col.shape[1:]) for name, col in columns}

    def _zeros(self, row: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        leading = (len(self.seeds), self.batch) if self.stacked else (self.batch,)
        return {name: np.broadcast_to(value, leading + value.shape) for name, value in row.items()}

    def _read(self, step: int) -> tuple[dict[str, np.ndarray] | None, dict[int, str]]:
        """The batch of a step and the unreadable records met for it; no batch where these alone are too many."""
        unreadable: dict[int, str] = {}
        rows, values = [], []
        for seed, drawn in zip(self.seeds, self._orders(step), strict=True):
            view = {"seed": seed, "epoch": step // self.steps_per_epoch, "train": True}
            read = self._read_together(drawn[self._places(step)], view)
            if read is None:
                read = self._read_singly(drawn, self._places(step), view, unreadable)
            if read is None or len(unreadable) > self._allowed:
                return None, unreadable
            rows.append(read[0])
            values.append(read[1])
        columns = {name: [value[name] for value in values] for name in self.split.columns}
        return self._batch(step, rows, **columns), unreadable

    def _read_together(self, rows, view):
        """Rows and their columns, or None if one of them is unreadable."""
        if self._known.keys().isdisjoint(rows.tolist()):
            try:
                return rows, read_rows(self.split, rows, **view)
            except DataError:
                pass
        return None

    def _read_singly(self, drawn, places, view, unreadable):
        """Rows and their columns, others in place of unreadable ones, which are noted; None at too many."""
        rows, values = [], []
        for place in places:
            for row in (int(drawn[i]) for i in _candidates(place, len(drawn))):
                if row not in self._known:
                    try:
                        values.append(read_rows(self.split, np.array([row]), **view))
                        rows.append(row)
                        break
                    except DataError as error:
                        self._known[row] = str(error)
                unreadable[row] = self._known[row]
                if len(unreadable) > self._allowed:
                    return None
        return np.array(rows), stacked(values)


def _candidates(place: int, size: int) -> Iterator[int]:
    """A place and those that may stand in for it, half an epoch away so that few batches hold a row twice."""
    yield place
    for i in range(size):
        yield (place + size // 2 + i) % size
