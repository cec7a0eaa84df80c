"""Items that threads read before they are asked for; they come out in order, and what goes wrong is raised by name."""

import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any

GRACE = 5.0  # seconds that closing waits for threads to finish the item that they read
POLL = 0.5  # seconds between two looks at whether a thread is alive


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
) -> Generator[Any, None, None]:
    """The items ``read(start)`` to ``read(stop - 1)``, in order, read by threads.

    Threads and not processes: a fork after JAX has started threads of its own can hang for ever. When the consumer
    stops early, the threads finish the item that they read, and end. A thread that is blocked in ``read`` cannot be
    ended; it is a daemon, so that it does not keep the process alive. That is why this is no ThreadPoolExecutor: Python
    joins the threads of an executor when it exits, so a blocked one would hang the process, and an executor does not
    notice that a thread has ended.

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
    tasks: queue.SimpleQueue[tuple[int, Future] | None] = queue.SimpleQueue()
    readers: dict[int, threading.Thread] = {}
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with suppress(queue.Empty):  # the timeout lets an idle thread raise what was set in it from outside
                task = tasks.get(timeout=POLL)
                if task is None or ended.is_set():
                    return
                number, future = task
                readers[number] = threading.current_thread()
                try:
                    future.set_result(read(number))
                except BaseException as error:  # SystemExit too: in a thread it ends the thread without a word
                    future.set_exception(error)
                del task, future  # an idle thread keeps no item

    threads = [threading.Thread(target=work, name=f"jaxtricks-feed-{n}", daemon=True) for n in range(workers)]
    futures: dict[int, Future] = {}
    following, grace = start, GRACE
    try:
        for thread in threads:
            thread.start()
        for number in range(start, stop):
            # Hand out what may be read by now.
            while following < min(stop, number + workers + ahead):
                futures[following] = Future()
                tasks.put((following, futures[following]))
                following += 1
            # Wait for this item, and look at its thread from time to time.
            future, until = futures.pop(number), time.monotonic() + timeout
            while not future.done():
                thread = readers.get(number)
                if not (any(t.is_alive() for t in threads) if thread is None else thread.is_alive()):
                    name = "every reading thread" if thread is None else thread.name
                    raise FeedError(f"{name} ended without a word; it was due to read {say(number)}.")
                left = until - time.monotonic()
                if left <= 0:
                    grace = POLL  # for the idle threads; the blocked one will not end
                    name = "no thread" if thread is None else thread.name
                    raise FeedError(f"nothing was read for {timeout:g} s: {name} is at {say(number)}.")
                wait([future], timeout=min(left, POLL))
            # Give the item, or say what went wrong.
            name, error = readers.pop(number).name, future.exception()
            if error is None:
                yield future.result()
            elif isinstance(error, FeedError):
                raise error
            else:
                raise FeedError(f"{name} failed at {say(number)}: {type(error).__name__}: {error}.") from error
    finally:
        ended.set()
        for _ in threads:
            tasks.put(None)
        until = time.monotonic() + grace
        for thread in filter(threading.Thread.is_alive, threads):
            thread.join(max(0.0, until - time.monotonic()))
