"""SIGTERM and SIGINT: the first asks a run to end after the step in hand, the second ends the process at once."""

import os
import signal
import threading

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(SystemExit):
    """A run was ended by a signal, its state saved where it has a folder; uncaught, the exit status is 143 or 130.

    Fields:
      signal: SIGTERM or SIGINT.
      code: 128 + signal.
      step: steps taken; with a folder, the same call goes on from here.
    """

    def __init__(self, number: int, step: int):
        super().__init__(128 + number)
        self.signal, self.step = signal.Signals(number), step

    def __str__(self) -> str:
        return f"ended by {self.signal.name} after step {self.step}."


class Signals:
    """Receives SIGTERM and SIGINT while it is entered; when it is left, the handlers that were there come back.

    A thread reads them from a pipe into which Python writes before any handler runs, so that the second signal counts
    even while the main thread is inside the compiler or waits for other processes. What ``jax.distributed.initialize``
    installs for SIGTERM has no effect from then on. A signal that is ignored stays ignored. Outside the main thread,
    where Python allows no handlers, nothing is done.

    Fields:
      received: the first signal, or 0.
    """

    def __init__(self):
        self.received = 0
        self._thread: threading.Thread | None = None

    @property
    def listening(self) -> bool:
        """Whether signals are received: not outside of the main thread, and not before it is entered."""
        return self._thread is not None

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            read, self._write = os.pipe()
            os.set_blocking(self._write, False)
            self._thread = threading.Thread(target=self._listen, args=(read,), name="jaxtricks-signals", daemon=True)
            self._thread.start()
            self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._receive) for number in handled}
        return self

    def __exit__(self, *error) -> None:
        if self._thread is not None:
            for number, handler in self._before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            signal.set_wakeup_fd(self._wakeup)
            os.close(self._write)
            self._thread.join()

    def _receive(self, number: int, frame=None) -> None:
        self.received = self.received or number

    def _listen(self, pipe: int) -> None:
        with open(pipe, "rb", buffering=0) as stream:
            count = 0
            while number := stream.read(1):
                if number[0] in SIGNALS:
                    count += 1
                    if count > 1:
                        os._exit(128 + number[0])
                    self._receive(number[0])
