"""A guard changes the process only as asked, while it is entered, and puts everything back."""

import gc
import os
import signal
import subprocess
import sys
import threading

import jax
import pytest

from jaxtricks._runtime.guard import UNGUARDED, Guard
from jaxtricks._runtime.signals import Interrupted
from jaxtricks._runtime.watchdog import STATUS, Watchdog

FULL = Guard(watchdog=60.0)


def process_state() -> tuple:
    """What a run could change about its process: handlers, the wake-up descriptor, hooks, our threads."""
    handlers = tuple(signal.getsignal(number) for number in signal.valid_signals())
    wakeup = None
    if threading.current_thread() is threading.main_thread():
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
    threads = sorted(t.name for t in threading.enumerate() if t.name.startswith("jaxtricks"))
    return handlers, wakeup, sys.excepthook, threading.excepthook, sys.unraisablehook, tuple(threads)


@pytest.fixture
def wakeup():
    """A wake-up descriptor of somebody else, such as asyncio's or a notebook kernel's."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    yield write
    signal.set_wakeup_fd(-1)
    os.close(read)
    os.close(write)


@pytest.fixture
def two_processes(monkeypatch):
    """As if there were two; the statuses with which this one would have ended."""
    statuses = []
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(os, "_exit", statuses.append)
    return statuses


def test_everything_comes_back_and_is_changed_in_between(wakeup):
    before = process_state()
    with FULL.activate() as active:
        during = process_state()
        active.beat("testing", times=2)
        assert active.received == 0
    assert process_state() == before
    assert signal.getsignal(signal.SIGTERM) == before[0][list(signal.valid_signals()).index(signal.SIGTERM)]
    assert during[0] != before[0]
    assert during[1] != before[1] == wakeup
    assert during[2:5] == before[2:5]  # no hook in a single process
    assert set(during[5]) - set(before[5]) == {"jaxtricks-signals", "jaxtricks-watchdog"}


def test_an_error_leaves_it_likewise(wakeup):
    before = process_state()
    with pytest.raises(KeyError), FULL.activate():
        raise KeyError("x")
    assert process_state() == before


@pytest.mark.parametrize("guard", [UNGUARDED, Guard(signals=False)], ids=["unguarded", "without signals"])
def test_what_is_not_asked_for_is_not_touched(wakeup, guard):
    before = process_state()
    with guard.activate() as active:
        assert process_state() == before
        active.beat("testing")
        assert active.received == 0
    assert process_state() == before


def test_no_hook_among_several_processes_unless_asked(two_processes):
    before = process_state()
    with UNGUARDED.activate():
        assert process_state() == before


def test_in_a_thread_no_handler_is_changed():
    before, seen = process_state(), []

    def run():
        inside = process_state()
        with FULL.activate() as active:
            seen.append((process_state()[:5] == inside[:5], active.received))
        seen.append(process_state() == inside)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(True, 0), True]
    assert process_state() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_is_received(number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("ignored here, and it stays so")
    with Guard().activate() as active:
        os.kill(os.getpid(), number)
        assert active.received == number


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Guard().activate() as active:
            os.kill(os.getpid(), signal.SIGTERM)
            assert active.received == 0
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_hook_comes_back_without_an_error_and_guards_may_be_nested(two_processes):
    before = sys.excepthook
    with Guard().activate():
        hook = sys.excepthook
        assert hook is not before
        with Guard().activate():
            assert sys.excepthook is hook
        assert sys.excepthook is hook
    assert sys.excepthook is before


def test_the_hook_comes_back_when_an_error_was_caught_and_is_gone(two_processes):
    before = sys.excepthook
    try:
        with Guard().activate():
            raise KeyError("x")
    except KeyError:
        assert sys.excepthook is not before
    gc.collect()
    assert sys.excepthook is before
    assert two_processes == []


def test_an_uncaught_error_ends_one_of_several_processes(two_processes, capsys):
    try:
        with Guard().activate():
            raise KeyError("the reason")
    except KeyError as error:
        sys.excepthook(type(error), error, error.__traceback__)  # what Python does when nobody catches it
    assert two_processes == [1]
    assert "the reason" in capsys.readouterr().err


def test_a_hook_that_somebody_wraps_does_nothing_later(two_processes, monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with Guard().activate():
        ours = sys.excepthook
        sys.excepthook = lambda *error: ours(*error)
    try:
        raise KeyError("later")
    except KeyError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert two_processes == []


def run(*lines: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "\n".join(("from jaxtricks._runtime.guard import Guard", *lines))]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_watchdog_ends_a_process_that_stands_still():
    child = run(
        "import time",
        "with Guard(watchdog=0.2).activate() as active:",
        "    active.beat('saving step 8', times=2)",
        "    time.sleep(60)",
    )
    assert child.returncode == STATUS
    assert "process 0 of 1 has stood still for 0.4 s while saving step 8; it ends." in child.stderr


def test_a_second_signal_ends_the_process_at_once():
    child = run(
        "import os, signal, time",
        "with Guard().activate():",
        "    os.kill(os.getpid(), signal.SIGTERM)",
        "    time.sleep(0.1)",
        "    os.kill(os.getpid(), signal.SIGTERM)",
        "    time.sleep(60)",
    )
    assert child.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signals": 1}, "signals is 1; allowed: True or False."),
        ({"exit_on_error": None}, "exit_on_error is None; allowed: True or False."),
        ({"watchdog": 0}, "watchdog is 0; allowed: seconds, greater than 0."),
        ({"watchdog": float("nan")}, "watchdog is nan; "),
        ({"watchdog": float("inf")}, "watchdog is inf; "),
        ({"watchdog": True}, "watchdog is True; "),
        ({"watchdog": "5"}, "watchdog is '5'; "),
    ],
)
def test_wrong_arguments(changes, message):
    with pytest.raises(ValueError, match="^" + message):
        Guard(**changes)


def test_a_watchdog_starts_no_thread_until_it_is_entered():
    before = threading.active_count()
    Watchdog(5.0).beat("testing")
    assert threading.active_count() == before


def test_a_signal_leaves_the_compiler_behind():
    """What cannot be interrupted goes on in its thread; here for as long as the test lasts."""
    compiling, end = threading.Event(), threading.Event()

    def compile_():
        compiling.set()
        os.kill(os.getpid(), signal.SIGTERM)  # a shell may have made SIGINT ignored
        end.wait(60)

    with Guard(leave_compiler=True).activate() as active:
        with pytest.raises(Interrupted) as stopped:
            active.wait_for(compile_)
        assert not end.is_set()
        end.set()
    assert compiling.is_set()
    assert (stopped.value.signal, stopped.value.code) == (signal.SIGTERM, 143)


@pytest.mark.parametrize("guard", [UNGUARDED, Guard(), Guard(leave_compiler=True)], ids=["unguarded", "here", "beside"])
def test_without_a_signal_it_gives_what_the_function_gives(guard):
    def where():
        return threading.current_thread() is threading.main_thread()

    def wrong():
        raise ValueError("of the compiler")

    with guard.activate() as active:
        assert active.wait_for(where) is not guard.leave_compiler
        with pytest.raises(ValueError, match="of the compiler"):
            active.wait_for(wrong)
