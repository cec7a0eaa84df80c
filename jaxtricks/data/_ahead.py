"""Items that threads read before they are asked for; they come out in order, and what goes wrong is raised by name."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

GRACE = 5.0  # seconds that closing waits for threads to finish the item they are at
POLL = 0.5  # seconds between two looks at whether the thread that is waited for is alive


class FeedError(RuntimeError):
    """Reading failed for a reason other than the data; the message names the worker, what it was reading, and why."""


def read_ahead(
    read: Callable[[int], Any],
    start: int,
    stop: int,
    *,
    workers: int,
    ahead: int,
    timeout: float,
    say: Callable[[int], str],
) -> Iterator[Any]:
    """The items ``read(start)`` to ``read(stop - 1)``, in order, read by threads.

    Threads and not processes: a fork after JAX has started threads of its own can hang for ever. When the consumer
    stops early the threads finish the item they are at and end. A thread that is blocked in ``read`` cannot be ended;
    it is a daemon, so that it does not keep the process alive.

    Args:
      read: ``number -> item``, pure, so that the items do not depend on the number of workers.
      start: the first number.
      stop: the number after the last.
      workers: threads, 1 or more.
      ahead: items that may be ready besides those being read, 0 or more.
      timeout: seconds to wait for one item, greater than 0.
      say: ``number -> words``, what that item is, for messages.

    Returns:
      An iterator of the items.

    Raises:
      ValueError: if workers, ahead or timeout is out of range.
      FeedError: if ``read`` raises, a thread ends, or an item takes longer than ``timeout``.
    """
    for name, value, fits, allowed in (
        ("workers", workers, workers >= 1, "1 or more"),
        ("ahead", ahead, ahead >= 0, "0 or more"),
        ("timeout", timeout, timeout > 0, "greater than 0 seconds"),
    ):
        if not fits:
            raise ValueError(f"{name} is {value!r}; allowed: {allowed}.")
    changed = threading.Condition()
    following, wanted, ended, grace = start, start, False, GRACE
    reading: dict[int, threading.Thread] = {}
    done: dict[int, tuple[Any, BaseException | None, str]] = {}

    def due() -> bool:
        return ended or following >= stop or following < wanted + workers + ahead

    def work() -> None:
        nonlocal following
        while True:
            with changed:
                changed.wait_for(due)
                if ended or following >= stop:
                    return
                number = following
                following += 1
                reading[number] = threading.current_thread()
            try:
                item, error = read(number), None
            except BaseException as caught:  # SystemExit too: in a thread it ends the thread without a word
                item, error = None, caught
            with changed:
                if not ended:
                    done[number] = item, error, threading.current_thread().name
                del reading[number], item, error
                changed.notify_all()

    threads = [threading.Thread(target=work, name=f"jaxtricks-feed-{n}", daemon=True) for n in range(workers)]
    try:
        for thread in threads:
            thread.start()
        for number in range(start, stop):
            until = time.monotonic() + timeout
            with changed:
                wanted = number
                changed.notify_all()
                while number not in done:
                    thread = reading.get(number)
                    if not (any(t.is_alive() for t in threads) if thread is None else thread.is_alive()):
                        name = "every reading thread" if thread is None else thread.name
                        raise FeedError(f"{name} ended without a word; it was due to read {say(number)}.")
                    left = until - time.monotonic()
                    if left <= 0:
                        grace = 0.0
                        name = "no thread" if thread is None else thread.name
                        raise FeedError(f"nothing was read for {timeout:g} s: {name} is at {say(number)}.")
                    changed.wait(min(left, POLL))
                item, error, name = done.pop(number)
            if error is None:
                yield item
                del item
            elif isinstance(error, FeedError):
                raise error
            else:
                raise FeedError(f"{name} failed at {say(number)}: {type(error).__name__}: {error}.") from error
    finally:
        with changed:
            ended = True
            done.clear()
            changed.notify_all()
        until = time.monotonic() + grace
        for thread in filter(threading.Thread.is_alive, threads):
            thread.join(max(0.0, until - time.monotonic()))
