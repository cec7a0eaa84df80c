"""A plain fit leaves its process alone: signal handlers, wake-up descriptor, hook; in threads and kernels too."""

import signal
import sys
import textwrap
import threading
from pathlib import Path

import jax
import pytest
from jupyter_client.manager import start_new_kernel
from small import dataset, recipe

from jaxtricks.train import Guard, Plan, fit

ONE = Plan(devices=(jax.devices()[0],))


def process():
    """What a run could change about its process, and the threads besides those of others that it may start."""
    wakeup = None
    if threading.current_thread() is threading.main_thread():
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("jaxtricks")}
    return signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), wakeup, sys.excepthook, names


def during(**options):
    """The process before, during every record of, and after a run."""
    seen = [process()]
    fit(recipe(epochs=1.0), dataset(), plan=ONE, log=[lambda record: seen.append(process())], **options)
    return [*seen, process()]


def test_the_same_before_during_and_after():
    seen = during()
    assert len(seen) >= 4
    assert seen == [seen[0]] * len(seen)


def test_a_guard_is_seen_while_it_lasts_and_no_longer():
    first, *middle, last = during(guard=Guard(watchdog=60.0))
    assert first == last
    for state in middle:
        assert state[0] != first[0]
        assert state[2] != first[2]
        assert {"jaxtricks-signals", "jaxtricks-watchdog"} <= state[4]


def test_the_same_in_a_thread():
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(during()))
    before = process()
    thread.start()
    thread.join()
    assert len(seen) >= 4
    assert seen == [seen[0]] * len(seen)
    assert process() == before


def test_an_error_leaves_nothing_behind(tmp_path):
    before = process()

    def fail(record):
        raise RuntimeError("a log")

    with pytest.raises(RuntimeError, match="a log"):
        fit(recipe(epochs=1.0), dataset(), plan=ONE, log=[fail], folder=tmp_path)
    assert process() == before


def test_the_same_in_a_notebook_kernel():
    code = f"""
    import sys
    sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]!r}
    from test_process import during
    seen = during()
    print("the same" if len(seen) >= 4 and seen == [seen[0]] * len(seen) else seen)
    """
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        printed = []
        client.execute_interactive(
            textwrap.dedent(code),
            timeout=120,
            output_hook=lambda message: printed.append(str(message["content"].get("text", message["content"]))),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "the same\n" in printed, printed
