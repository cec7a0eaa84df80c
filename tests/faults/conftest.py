"""What the rows of the reliability card share. They need Linux: its signals, /proc, limits and mounts."""

import json
import os
import signal
import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def late_writes_of_orbax():
    """After an error orbax closes the event loop, and its other writes then call it in vain, whatever test runs."""
    report = sys.unraisablehook

    def hook(unraisable):
        if str(unraisable.exc_value) != "Event loop is closed":
            report(unraisable)

    sys.unraisablehook = hook  # for the rest of the session: nobody knows when the last of them comes


@pytest.fixture
def card():
    """``card(row, what, figure)``: one line for the file that JAXTRICKS_CARD names, where it names one."""

    def write(row: str, what: str, figure: str) -> None:
        if path := os.environ.get("JAXTRICKS_CARD"):
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"row": row, "what": what, "figure": figure}) + "\n")

    return write


@pytest.fixture(autouse=True)
def interruptible():
    """SIGINT as in the foreground; a shell starts what is in the background, and so its children, with it ignored."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
