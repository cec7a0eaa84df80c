"""Reading rows of a split: errors that name the record, every row for an evaluation, the readable ones for a fit."""

import threading
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jaxtricks.data._ahead import FeedError, read_ahead
from jaxtricks.data._columns import DataError, Split, dtype_of

NAMED = 10  # records that a message names; it counts the others
CORRUPT_SHARE = 0.01  # of a split
RESIDENT_LIMIT = 2**30  # bytes of decoded images beyond which a source is streamed instead of held in memory
CHUNK = 64  # rows that a thread reads at a time for a fit


def read_rows(
    split: Split, rows: np.ndarray, *, seed: int = 0, epoch: int = 0, train: bool = False
) -> dict[str, np.ndarray]:
    """The columns of these rows; where reading fails, the record is found by reading them one by one.

    Args:
      split: what to read.
      rows: integers ``[B]``.
      seed, epoch, train: as in Records.

    Returns:
      Name to ``[B, ...]``.

    Raises:
      DataError: if a record is unreadable, as its source says it.
      FeedError: if anything else is raised; the message names the thread and the record.
    """
    try:
        return split.read(rows, seed=seed, epoch=epoch, train=train)
    except DataError:
        raise
    except (Exception, SystemExit) as error:  # SystemExit would end a thread without a word
        if len(rows) > 1:
            for i in range(len(rows)):
                try:
                    read_rows(split, rows[i : i + 1], seed=seed, epoch=epoch, train=train)
                except DataError:
                    pass  # not what failed
        alone = "" if len(rows) == 1 else ", none of which fails alone"
        worker = threading.current_thread().name
        why = f"{type(error).__name__}: {error}".rstrip(".: ")
        raise FeedError(f"{worker} failed at {say_rows(rows)}{alone}: {why}.") from error


def read_singly(split: Split, rows: np.ndarray) -> tuple[list[dict[str, np.ndarray]], dict[int, str]]:
    """The readable ones of these rows in the evaluation view, and the others.

    Args:
      split: what to read.
      rows: integers ``[B]``.

    Returns:
      The columns of each, ``[1, ...]``, and row to reason.

    Raises:
      FeedError: if anything else than DataError is raised, as in read_rows.
    """
    values, unreadable = [], {}
    for row in rows:
        try:
            values.append(read_rows(split, np.array([row])))
        except DataError as error:
            unreadable[int(row)] = str(error)
    return values, unreadable


def stacked(values: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Columns of several rows, from the columns of one each.

    Args:
      values: one or more, with the same names.

    Returns:
      Name to ``[B, ...]``.
    """
    return {name: np.concatenate([value[name] for value in values]) for name in values[0]}


def say_rows(rows: Sequence[int] | np.ndarray) -> str:
    """The rows in words for a message, the first of them by number.

    Args:
      rows: integers.

    Returns:
      Such as ``records 3, 1, 4``.
    """
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"record{'s' * (len(rows) > 1)} {', '.join(str(int(r)) for r in rows[:NAMED])}{more}"


def check_corrupt(corrupt: Mapping[int, str], share: float, size: int) -> None:
    """Raise DataError, with counts and names, if more records are unreadable than a share of the split.

    Args:
      corrupt: row to reason.
      share: 0 to less than 1.
      size: rows of the split.
    """
    if len(corrupt) > allowed_corrupt(share, size):
        named = "; ".join(f"{row}: {corrupt[row].rstrip('.')}" for row in sorted(corrupt)[:NAMED])
        more = f"; and {len(corrupt) - NAMED} more" if len(corrupt) > NAMED else ""
        raise DataError(
            f"{len(corrupt)} of {size} records cannot be read; "
            f"allowed: {allowed_corrupt(share, size)}, a share of {share:g}. Record {named}{more}. Delete or mend "
            f"{'it' if len(corrupt) == 1 else 'them'}."
        )


def allowed_corrupt(share: float, size: int) -> int:
    """How many records a share of the split is, never all of them.

    Args:
      share: 0 to less than 1.
      size: rows of the split.

    Returns:
      ``min(floor(share * size), size - 1)``.

    Raises:
      ValueError: if share lies outside 0 to less than 1.
    """
    if not 0 <= share < 1:
        raise ValueError(f"corrupt_share is {share!r}; allowed: 0 to less than 1.")
    return min(int(share * size), size - 1)


def padded(split: Split, batch: int, *, workers: int = 4, timeout: float = 300.0) -> Iterator[dict[str, np.ndarray]]:
    """Every row of a split once, in order, in batches of one size; the last is padded and says so in ``row_valid``.

    Args:
      split: what to read.
      batch: rows in a batch.
      workers: threads that decode, where the split is no array.
      timeout: seconds without a batch after which reading gives up and names what is being read.

    Returns:
      Batches with the columns of the split, ``index``, int32, and ``row_valid``, bool, ``[batch]``.

    Raises:
      DataError: if records are unreadable, after the last batch and with all of them: a score over the others would be
        that of another set.
      FeedError: if reading fails for another reason, a worker dies, or no batch comes within ``timeout``.
    """

    def rows(number: int) -> np.ndarray:
        index = number * batch + np.arange(batch)
        return np.where(index < len(split), index, 0)

    def read(number: int) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        index = rows(number)
        row_valid = number * batch + np.arange(batch) < len(split)
        try:
            columns, unreadable = read_rows(split, index), {}
        except DataError:
            values, unreadable = read_singly(split, index)
            columns = {} if unreadable else stacked(values)
        return {**columns, "index": index.astype(np.int32), "row_valid": row_valid}, unreadable

    count = -(-len(split) // batch)
    if split.resident:
        yield from (read(number)[0] for number in range(count))
        return
    corrupt: dict[int, str] = {}
    say = lambda number: say_rows(rows(number))  # noqa: E731
    for values, unreadable in read_ahead(read, 0, count, workers=workers, ahead=1, timeout=timeout, say=say):
        corrupt |= unreadable
        if not corrupt:
            yield values
    check_corrupt(corrupt, 0.0, len(split))


def readable(
    split: Split,
    rows: np.ndarray,
    *,
    column: str = "image",
    corrupt_share: float = CORRUPT_SHARE,
    workers: int = 4,
    timeout: float = 300.0,
) -> np.ndarray:
    """One column of these rows without the unreadable ones, for what is fitted on a sample of a training set.

    Args:
      split: what to read.
      rows: integers ``[K]``.
      column: its name.
      corrupt_share: part of the split that may be unreadable, 0 to less than 1, as in Feed.
      workers: threads that decode, where the split is no array.
      timeout: seconds without progress after which reading gives up and names what is being read.

    Returns:
      ``[K or fewer, ...]``, in the order of rows.

    Raises:
      DataError: if more of them are unreadable than that share of the split, or all of them are.
      FeedError: if reading fails for another reason, a worker dies, or nothing comes within ``timeout``.
    """
    source = split[column]
    if isinstance(source, np.ndarray):
        return source[rows]
    split = Split({column: source})
    values, corrupt = [], {}
    for good, unreadable in _chunks(split, rows, workers=workers, timeout=timeout):
        values += good
        corrupt |= unreadable
        check_corrupt(corrupt, corrupt_share, len(split))
    if not values:
        raise DataError(f"none of {len(rows)} records can be read; allowed: one or more readable ones.")
    return stacked(values)[column]


def check_readable(
    split: Split, *, corrupt_share: float = 0.0, workers: int = 4, timeout: float = 300.0
) -> dict[int, str]:
    """Read every row of a split once, so that what cannot be read is known before anything is trained.

    Args:
      split: any; of one in memory nothing is to be read.
      corrupt_share: part of it that may be unreadable, 0 to less than 1.
      workers: threads that decode.
      timeout: as in readable.

    Returns:
      The rows that cannot be read, row to reason.

    Raises:
      DataError: if they are more than that share; it names them.
      FeedError: as readable.
    """
    corrupt: dict[int, str] = {}
    if not split.resident:
        for _, unreadable in _chunks(split, np.arange(len(split)), workers=workers, timeout=timeout):
            corrupt |= unreadable
    check_corrupt(corrupt, corrupt_share, len(split))
    return corrupt


def decoded(split: Split, *, limit: int = RESIDENT_LIMIT) -> Split:
    """A split with all its columns in memory, as an evaluation sees them: for what needs all images at once.

    Args:
      split: any.
      limit: bytes that the columns may take.

    Returns:
      A split of arrays.

    Raises:
      DataError: if the columns take more, or records are unreadable; it names them.
    """
    if split.resident:
        return split
    sizes = {name: int(np.prod(column.shape)) * dtype_of(column).itemsize for name, column in split.columns.items()}
    if sum(sizes.values()) > limit:
        shapes = ", ".join(f"{name} {list(split[name].shape)}" for name in sizes)
        take = f"{shapes} take {sum(sizes.values()) / 2**30:.1f} GiB in memory"
        raise DataError(f"{take}; allowed: {limit / 2**30:g} GiB: fewer images, or of a smaller size.")
    batches = list(padded(split, CHUNK))
    names = split.columns
    return Split({name: np.concatenate([b[name] for b in batches])[: len(split)] for name in names})


def _chunks(split: Split, rows: np.ndarray, *, workers: int, timeout: float):
    """Some of these rows after others, each as read_singly gives it."""
    chunks = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
    say = lambda number: say_rows(chunks[number])  # noqa: E731
    read = lambda number: read_singly(split, chunks[number])  # noqa: E731
    yield from read_ahead(read, 0, len(chunks), workers=workers, ahead=4, timeout=timeout, say=say)
