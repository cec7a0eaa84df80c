"""A budget of minutes or seeds: block after block, every row with more seeds, until the next would not fit."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jaxtricks._runtime.processes import of_first
from jaxtricks.ablation.clock import Clock

FLOOR = 2  # seeds that are trained however long they take, since one has no spread
MOST = 100  # seeds; a search of rates has the next
SIDE_BY_SIDE = 8  # most seeds of one block, one a device
TOGETHER = 4  # seeds in one vectorised step


@dataclass(frozen=True)
class Spent:
    """What earlier commands for the same cells left.

    Fields:
      seconds: that they took, from the start of the process to the last cell.
      minutes: the largest budget that came to its end.
      seeds: of every row.
      pace: seconds of training and evaluation for one unit of work.
      compiling: seconds, of all rows.
    """

    seconds: float = 0.0
    minutes: float = 0.0
    seeds: int = 0
    pace: float = 0.0
    compiling: float = 0.0


class Budget:
    """Says after every block whether there is another one. Only the clock decides, never a result.

    The minutes are those of all commands for the same cells together, so that the same command once more adds nothing,
    and one with more minutes adds blocks. A block is one more seed of every row, or several where they are trained side
    by side. Seeds without minutes are trained block by block too: what changes on the machine meanwhile, all rows
    share.

    Args:
      file: where what was spent is kept; another recipe, dataset or code is another file.
      minutes: at most; None for no clock.
      most: seeds at most; with minutes, None for no number.
      start: number of the first seed.
      block: seeds in a block.
      work: of these seeds of all rows that is missing, in any unit.
      one: work of one new seed of every row.
      clock: of this command.
      at_once: whether all seeds that are left are one block where there are no minutes, as several processes need it,
        which would wait for each other at the end of every block; of the first process if there are several.
    """

    def __init__(
        self,
        file: Path,
        *,
        minutes: float | None,
        most: int | None,
        start: int = 0,
        block: int,
        work: Callable[[Sequence[int]], float],
        one: float,
        clock: Clock,
        at_once: Callable[[], bool] = lambda: False,
    ):
        self.file, self.minutes, self.block, self.clock = file, minutes, block, clock
        self.work, self.one, self.at_once = work, one, at_once
        self.start, self.most = start, MOST - start if most is None else most
        self.earlier = self._read()
        self._reached = of_first(lambda: max(FLOOR, self.earlier.seeds))
        self.seeds, self.pace, self.stopped = 0, 0.0, ""
        self._later = 0.0  # work of the seeds behind the block in hand, without a clock

    @property
    def limit(self) -> float | None:
        """Seconds on the clock of this command after which no block may end."""
        return None if self.minutes is None else 60 * self.minutes - self.earlier.seconds

    @property
    def trained(self) -> range:
        """The seeds of the blocks that ended."""
        return self._seeds(0, self.seeds)

    @property
    def planned(self) -> range:
        """The seeds that there will be in any case: all of them without a clock, else those of the first block."""
        return self._seeds(0, self.most) if self.minutes is None else self.first()

    def first(self) -> range:
        """The seeds of the first block: as many as were reached before, two at least."""
        blocks = -(-self._reached // self.block)
        return self._until(0, blocks * self.block)

    def next(self) -> range:
        """The seeds of the next block; none at the end, and ``stopped`` says why."""
        seeds = self._until(self.seeds, self.seeds + self.block)
        if not self.stopped and not seeds:
            self.stopped = "as many as were asked for" if self.minutes is None else f"{self.most} seeds are the most"
        if not self.stopped and not of_first(lambda: int(self._fits(seeds))):
            self.stopped = "one more block would not have fitted into the minutes"
        return range(0) if self.stopped else seeds

    def finished(self, seeds: Sequence[int], *, pace: float, good: int) -> None:
        """After a block.

        Args:
          seeds: of the block.
          pace: seconds of training and evaluation for one unit of work in this command; 0 if it trained nothing.
          good: cells of the block that did not fail; without any no other block is begun.
        """
        self.seeds, self.pace = seeds[-1] + 1 - self.start, pace
        if not of_first(lambda: good):
            self.stopped = "every row failed"

    def seconds_of_more(self, left: float, pace: float) -> float:
        """How long the blocks take that come, or will fit, once what is begun has ended, in so many seconds."""
        if self.limit is None or self.stopped:
            return pace * self._later
        seconds = pace * self.one * self.block
        return seconds * max(0, int((self.limit - self.clock.elapsed - left) / seconds)) if seconds > 0 else 0.0

    def _seeds(self, low: int, high: int) -> range:
        """By their number in the table, from 0: as many of them as there may be."""
        return range(self.start + low, self.start + min(high, self.most))

    def _until(self, low: int, high: int) -> range:
        """The seeds of a block; without a clock the work behind it is known, and it may be all that is left."""
        if self.minutes is not None:
            return self._seeds(low, high)
        seeds = self._seeds(low, self.most if of_first(self.at_once) else high)
        self._later = self.work(self._seeds(low + len(seeds), self.most))
        return seeds

    def _fits(self, seeds: Sequence[int]) -> bool:
        if self.minutes is None or self.limit is None:
            return True
        if not self.pace and self.minutes <= self.earlier.minutes:
            return False  # the same command once more, even if another one with these seeds left cells
        work = self.work(seeds)
        if not work:
            return True
        pace, compiling = (self.pace, 0.0) if self.pace else (self.earlier.pace, self.earlier.compiling)
        return self.clock.elapsed + work * pace + compiling <= self.limit

    def save(self, *, pace: float) -> None:
        """Write down what was spent, for the next command; after the last block, or an interruption.

        Args:
          pace: as for ``finished``; without any nothing is written.
        """
        if not pace:
            return
        spent = Spent(
            seconds=self.earlier.seconds + self.clock.elapsed,
            minutes=max(self.earlier.minutes, (self.minutes or 0.0) if self.stopped else 0.0),
            seeds=max(self.earlier.seeds, self.seeds),
            pace=pace,
            compiling=max(self.earlier.compiling, self.clock.seconds("compile")),
        )
        part = self.file.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(asdict(spent), indent=1), encoding="utf-8")
        part.replace(self.file)

    def plain(self) -> dict:
        """For results.json: ``minutes`` as asked for, ``seeds`` trained, why there are not more, and ``block``."""
        return {"minutes": self.minutes, "seeds": self.seeds, "stopped": self.stopped, "block": self.block}

    def _read(self) -> Spent:
        try:
            return Spent(**json.loads(self.file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return Spent()


def block_size(seeds_on: str, devices: int) -> int:
    """Seeds of every row that are trained side by side.

    Args:
      seeds_on: as on the command line.
      devices: their number.

    Returns:
      1 for seeds one after another, 4 for those in one vectorised step, and for one a device as many as there are
      devices, 8 at most.
    """
    return {"map": 1, "vmap": TOGETHER, "devices": min(devices, SIDE_BY_SIDE)}[seeds_on]


def of_one_block(seeds: int | None, minutes: float | None) -> int:
    """Seeds that one vectorised step would train: all that were asked for, but a few at a time by the clock.

    Args:
      seeds: at most; with minutes, None for no number.
      minutes: at most; None for no clock.
    """
    if minutes is None:
        return TOGETHER if seeds is None else seeds
    return TOGETHER if seeds is None else min(seeds, TOGETHER)
