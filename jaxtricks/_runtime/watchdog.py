"""A thread that ends the process when its run stands still, so that one process that hangs does not hold all others."""

import faulthandler
import os
import threading

import jax

STATUS = 75  # EX_TEMPFAIL of sysexits: a temporary failure, to be tried again
TICKS = 20  # looks within the limit
PATIENCE = 10  # times the limit for what gives no sign of life on its way: compiling, restoring, saving


class Watchdog:
    """Ends the process when its run has stood still for too long, and says which process it was and what it did.

    The stacks of all threads go to standard error, and the exit status is 75. It also ends a process whose main thread
    is blocked in a collective; not one whose C code holds Python's lock. Time in which the process itself was stopped
    and could not have gone on does not count.

    Args:
      seconds: the limit, greater than 0; nothing is watched if None.

    Raises:
      ValueError: if seconds is not greater than 0.
    """

    def __init__(self, seconds: float | None):
        if seconds is not None and not (isinstance(seconds, (int, float)) and seconds > 0):
            raise ValueError(f"watchdog is {seconds!r}; allowed: greater than 0, or None.")
        self.seconds = seconds
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.beat("starting")

    def beat(self, doing: str, *, patience: float = 1) -> None:
        """Say that the run goes on, what it does next, and how many times the limit that may take."""
        self._last = doing, patience

    def __enter__(self) -> "Watchdog":
        if self.seconds is not None:
            name = f"process {jax.process_index()} of {jax.process_count()}"
            self._thread = threading.Thread(target=self._watch, args=(name,), name="jaxtricks-watchdog", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, name: str) -> None:
        seen, ticks = None, 0
        while not self._ended.wait(self.seconds / TICKS):
            seen, ticks = self._last, ticks + 1 if seen is self._last else 0
            doing, patience = seen
            if ticks >= TICKS * patience:
                limit = f"{self.seconds * patience:g} s"
                os.write(2, f"jaxtricks: {name} has stood still for {limit} while {doing}; it ends.\n".encode())
                faulthandler.dump_traceback(2)
                os._exit(STATUS)
