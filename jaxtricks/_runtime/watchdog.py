"""A thread that ends the process when its run stands still, so that one process that hangs does not hold all others."""

import faulthandler
import math
import os
import threading

import jax

STATUS = 75  # EX_TEMPFAIL of sysexits: a temporary failure, to be tried again
TICKS = 20  # looks within the limit
LIMIT_FACTOR = 10  # limits that a call may take which gives no sign of life: compiling, restoring, saving


class Watchdog:
    """Ends the process when its run has stood still for too long, and says which process it was and what it did.

    The stacks of all threads go to standard error, and the exit status is 75. It also ends a process whose main thread
    is blocked in a collective; not one whose C code holds Python's lock. Time in which the process itself was stopped
    and could not have gone on does not count. The thread that watches runs while the watchdog is entered.

    Args:
      seconds: the limit, greater than 0.

    Raises:
      ValueError: if seconds is not a finite number greater than 0.
    """

    def __init__(self, seconds: float):
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
            raise ValueError(f"watchdog is {seconds!r}; allowed: seconds, greater than 0.")
        self.seconds = seconds
        self._ended = threading.Event()
        self.beat("starting")

    def beat(self, doing: str, times: float = 1) -> None:
        """Say that the run goes on.

        Args:
          doing: what it does next, such as ``"saving step 8"``.
          times: how many limits that may take.
        """
        self._last = doing, times

    def __enter__(self) -> "Watchdog":
        name = f"process {jax.process_index()} of {jax.process_count()}"
        self._thread = threading.Thread(target=self._watch, args=(name,), name="jaxtricks-watchdog", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self, name: str) -> None:
        last, ticks = None, 0
        while not self._ended.wait(self.seconds / TICKS):
            last, ticks = self._last, ticks + 1 if last is self._last else 0
            doing, times = last
            if ticks >= TICKS * times:
                limit = f"{self.seconds * times:g} s"
                os.write(2, f"jaxtricks: {name} has stood still for {limit} while {doing}; it ends.\n".encode())
                faulthandler.dump_traceback(2)
                os._exit(STATUS)
