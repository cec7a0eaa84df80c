"""What a run may change about its process, and only where it is asked to: signal handlers, a watchdog, a hook."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from jaxtricks._runtime.processes import exit_on_error
from jaxtricks._runtime.signals import Interrupted, Signals
from jaxtricks._runtime.watchdog import Watchdog

T = TypeVar("T")
POLL = 0.1  # seconds after which it is seen that a signal has come while a function runs in a thread


@dataclass(frozen=True)
class Active:
    """A guard while it is entered: the run asks it for signals and reports its progress to it.

    Args:
      signals: None where the guard has no handlers.
      watchdog: None where it has no limit.
      leave_compiler: as in Guard.
    """

    signals: Signals | None
    watchdog: Watchdog | None
    leave_compiler: bool = False

    @property
    def received(self) -> int:
        """The first signal that was received, or 0; always 0 without handlers."""
        return 0 if self.signals is None else self.signals.received

    def beat(self, doing: str, times: float = 1) -> None:
        """Say that the run goes on, what it does next, and how many limits of the watchdog that may take."""
        if self.watchdog is not None:
            self.watchdog.beat(doing, times)

    def wait_for(self, function: Callable[[], T]) -> T:
        """What a function gives that no signal reaches, such as the compiler; ``Interrupted`` if one comes meanwhile.

        Where signals are to be answered at once, the function runs in a thread, which is left to itself after one.
        """
        if not (self.leave_compiler and self.signals is not None and self.signals.listening):
            return function()
        results: list[tuple[bool, Any]] = []
        finished = threading.Event()

        def work():
            try:
                results.append((True, function()))
            except BaseException as error:  # raised again, by the thread that waits
                results.append((False, error))
            finished.set()

        threading.Thread(target=work, name="jaxtricks-compiling", daemon=True).start()
        while not finished.wait(POLL):
            if self.received:
                raise Interrupted(self.received, 0)
        good, result = results[0]
        if not good:
            raise result
        return result


@dataclass(frozen=True)
class Guard:
    """Guards a run that has the process to itself, such as a job on a cluster: pass it to ``fit(..., guard=)``.

    What it changes it puts back when it is left: the handlers of SIGTERM and SIGINT, Python's wake-up descriptor, and
    ``sys.excepthook``; the last one after an error only when that error was caught and is gone, because an uncaught
    error meets the hook at the very end.

    Args:
      signals: whether the first SIGTERM or SIGINT ends the run after the step in hand, with its state saved, and the
        second one ends the process at once. In a thread other than the main one Python allows no handlers, and none
        are installed.
      watchdog: seconds without a step after which the process ends itself with status 75, greater than 0; compiling,
        saving, restoring and one batch of an evaluation may take ten times as long. None: never.
      leave_compiler: whether a signal ends the run at once while it compiles, when there is nothing to be saved. It
        compiles in a thread then, where JAX's context managers have no effect; its configuration has.
      exit_on_error: whether an uncaught error ends the process at once where several processes run together, so that
        the others fail too and do not wait for ever. A single process ends as ever.

    Raises:
      ValueError: if an argument is not one of those.

    Example:
      >>> with Guard(watchdog=600.0).activate() as active:
      ...     active.beat("compiling", times=10)
      ...     active.received
      0
    """

    signals: bool = True
    watchdog: float | None = None
    exit_on_error: bool = True
    leave_compiler: bool = False

    def __post_init__(self):
        for name in ("signals", "exit_on_error", "leave_compiler"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed: True or False.")
        if self.watchdog is not None:
            Watchdog(self.watchdog)  # checks the number, and starts nothing

    @contextmanager
    def activate(self) -> Iterator[Active]:
        """Change the process as the fields say, for as long as this is entered."""
        with ExitStack() as stack:
            if self.exit_on_error:
                stack.enter_context(exit_on_error())
            signals = stack.enter_context(Signals()) if self.signals else None
            watchdog = None if self.watchdog is None else stack.enter_context(Watchdog(self.watchdog))
            yield Active(signals, watchdog, self.leave_compiler)


# changes nothing: received is 0, and beat does nothing
UNGUARDED = Guard(signals=False, watchdog=None, exit_on_error=False)
