"""Row 13: a transform that raises, a worker that dies or blocks: an error by name, no hang, no thread left."""

import ctypes
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from jaxtricks.data import DataError, Feed, FeedError, Split, epoch_permutation, padded
from jaxtricks.data import _ahead as module

SIZE, BATCH, BAD = 64, 8, 7
SECONDS = 10  # the card's bound


class Records:
    """Images of one value, their row; ``fault`` is called with the row before it is read."""

    def __init__(self, fault=lambda row: None):
        self.shape = (SIZE, 2, 2, 1)
        self.fault = fault

    def read(self, index, *, seed, epoch, train):
        for row in index:
            self.fault(int(row))
        return np.tile(index.astype(np.uint8)[:, None, None, None], (1, 2, 2, 1))


class Counted:
    """A fault that is none, and counts."""

    def __init__(self):
        self.rows = []

    def __call__(self, row):
        self.rows.append(row)

    def wait(self, count):
        until = time.monotonic() + SECONDS
        while len(self.rows) < count and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.2)  # and nothing more


def split(fault=lambda row: None):
    return Split({"image": Records(fault), "label": np.arange(SIZE, dtype=np.int32)})


def raises(error):
    def fault(row):
        if row == BAD:
            raise error

    return fault


def reading():
    return [t for t in threading.enumerate() if t.name.startswith("jaxtricks-feed")]


class Custom(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (OSError(5, "Input/output error"), "OSError: .*Input/output error"),
        (MemoryError(), "MemoryError"),
        (SystemExit(0), "SystemExit: 0"),
        (StopIteration(), "StopIteration"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("workers", [1, 4])
def test_what_a_transform_raises_names_worker_and_record(error, words, workers, card):
    began = time.monotonic()
    before = epoch_permutation(0, 0, SIZE).tolist().index(BAD) // BATCH
    batches = Feed(split(raises(error)), (0,), BATCH, workers=workers).steps(0, 8)
    assert [next(batches)["index"].tolist() for _ in range(before)] == epoch_permutation(0, 0, SIZE)[
        : before * BATCH
    ].reshape(-1, BATCH).tolist()
    with pytest.raises(FeedError, match=rf"^jaxtricks-feed-\d failed at record {BAD}: {words}\.?$") as caught:
        next(batches)
    assert type(caught.value.__cause__) is type(error)
    seconds = time.monotonic() - began
    assert seconds < SECONDS
    assert not reading()
    if workers > 1:
        card("r13", f"{type(error).__name__} at a record: worker and record named", f"after {seconds:.2f} s")


def test_any_other_end_of_a_read_names_worker_and_records():
    batches = Feed(split(raises(Custom("odd"))), (0,), BATCH).steps(0, 8)
    with pytest.raises(FeedError, match=rf"jaxtricks-feed-\d failed at step \d, records .*\b{BAD}\b.*: Custom: odd"):
        list(batches)
    assert not reading()


def test_a_fault_that_does_not_come_back_is_an_error_all_the_same():
    failed = threading.Event()

    def fault(row):
        if row == BAD and not failed.is_set():
            failed.set()
            raise RuntimeError("once")

    with pytest.raises(
        FeedError, match=rf"failed at records .*\b{BAD}\b.*, none of which fails alone: RuntimeError: once"
    ):
        list(Feed(split(fault), (0,), BATCH).steps(0, 8))


def test_an_evaluation_names_them_too():
    with pytest.raises(FeedError, match=rf"jaxtricks-feed-\d failed at record {BAD}: ZeroDivisionError"):
        list(padded(split(raises(ZeroDivisionError())), 16))
    with pytest.raises(DataError, match=r"1 of 64 records cannot be read; allowed: 0, .*\. Record 7: damaged"):
        list(padded(split(raises(DataError("damaged"))), 16))
    assert not reading()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_that_end_without_a_word(card):
    """An exception set from outside, while they wait for room."""
    batches = Feed(split(counted := Counted()), (0,), BATCH, workers=2, ahead=0).steps(0, 8)
    next(batches)
    counted.wait(2 * BATCH)
    for thread in reading():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
    began = time.monotonic()
    with pytest.raises(
        FeedError, match=r"every reading thread ended without a word; it was due to read step \d, records"
    ):
        list(batches)
    seconds = time.monotonic() - began
    assert seconds < SECONDS
    assert not reading()
    card("r13", "every reading thread killed", f"an error after {seconds:.2f} s")


def test_a_thread_that_ends_in_a_read_without_a_word(monkeypatch):
    gone, release = threading.Event(), threading.Event()

    class Mortal(threading.Thread):
        def is_alive(self):
            return super().is_alive() and getattr(self, "alive", True)

    def fault(row):
        if row == BAD:
            threading.current_thread().alive = False
            gone.set()
            release.wait()

    monkeypatch.setattr(module.threading, "Thread", Mortal)
    began = time.monotonic()
    try:
        with pytest.raises(FeedError, match=rf"jaxtricks-feed-\d ended .* due to read step \d, records .*\b{BAD}\b"):
            list(Feed(split(fault), (0,), BATCH).steps(0, 8))
        assert gone.is_set()
    finally:
        release.set()
    assert time.monotonic() - began < SECONDS


def test_a_read_that_never_ends_names_its_records(card):
    release = threading.Event()

    def fault(row):
        if row == BAD:
            release.wait()

    began = time.monotonic()
    try:
        words = rf"nothing was read for 0.5 s: jaxtricks-feed-\d is at step \d, records .*\b{BAD}\b"
        with pytest.raises(FeedError, match=words):
            list(Feed(split(fault), (0,), BATCH, timeout=0.5).steps(0, 8))
        seconds = time.monotonic() - began
        assert seconds < SECONDS
        (blocked,) = reading()
        assert blocked.daemon
        with pytest.raises(FeedError, match=rf"is at records 0, 1, .*\b{BAD}\b, 8, 9 and 6 more"):
            list(padded(split(fault), 16, timeout=0.2))
    finally:
        release.set()
    for thread in reading():
        thread.join(5)
    assert not reading()
    card("r13", "a read that never ends, timeout 0.5 s", f"an error after {seconds:.2f} s")


BLOCKED = """
import threading
import numpy as np
from jaxtricks.data import Feed, Split

class Records:
    shape = (8, 2, 2, 1)
    def read(self, index, *, seed, epoch, train):
        threading.Event().wait()

list(Feed(Split({'image': Records(), 'label': np.zeros(8, np.int32)}), (0,), 4, timeout=0.3).steps(0, 2))
"""


def test_a_blocked_reader_does_not_keep_the_process():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert re.search(r"FeedError: nothing was read for 0.3 s: jaxtricks-feed-\d is at step 0", done.stderr)


@pytest.mark.parametrize("way", ["close", "break", "raise", "delete"])
def test_when_the_consumer_stops_no_thread_is_left(way):
    batches = Feed(split(lambda row: time.sleep(0.002)), (0,), BATCH).steps(0, 1000)
    next(batches)
    assert len(reading()) == 4
    if way == "close":
        batches.close()
    elif way == "delete":
        del batches
    elif way == "break":
        for _ in batches:
            break
        del batches
    else:
        with pytest.raises(KeyError):
            batches.throw(KeyError("consumer"))
    assert not reading()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"workers": 0}, "workers is 0; allowed: 1 or more"),
        ({"ahead": -1}, "ahead is -1; allowed: 0 or more"),
        ({"timeout": 0}, "timeout is 0; allowed: greater than 0"),
    ],
)
def test_wrong_options_are_refused(option, words):
    with pytest.raises(ValueError, match=words):
        next(Feed(split(), (0,), BATCH, **option).steps(0, 8))


def test_reading_ahead_is_bounded():
    batches = Feed(split(counted := Counted()), (0,), BATCH, workers=2, ahead=1).steps(0, 8)
    next(batches)
    counted.wait(3 * BATCH)
    assert len(counted.rows) == 3 * BATCH  # step 0, which was taken last, and two more
    batches.close()
