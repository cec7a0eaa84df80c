"""Row 8: a second signal while the first one's checkpoint is written ends the process at once, and harms nothing."""

import json
import random
import signal
import time

import pytest
from children import Child, unbroken

SAVE = 0.15  # seconds that it takes about, on a quiet machine


def strike(folder, times):
    """A run that is sent a second signal in each of its saves, until so many were sent, and then ends.

    Returns:
      How often the process was ended before the save was, and what the run gave.
    """
    draws, cut, out = random.Random(0), 0, folder / "out.json"
    for i in range(times):
        child = Child(folder=folder / "run", pause=0.02)
        begun = child.until("start")
        assert begun >= 0, (child.end(), child.complaint)
        child.until("step")
        second = (signal.SIGTERM, signal.SIGINT)[i % 2]
        child.send(signal.SIGTERM)
        child.until("saving")
        time.sleep(draws.uniform(0, SAVE) if i else 0)
        child.send(second)
        began = time.monotonic()
        # 143: it had ended by the first, or, as the last one says, was about to, its own handlers gone again
        assert child.end() in (128 + second, 143, -second)
        assert time.monotonic() - began < 10
        cut += child.last("saved") < child.last("saving")
    child = Child(folder=folder / "run", out=out)
    assert child.end() == 0, child.complaint
    assert not child.complaint.count("CheckpointWarning"), child.complaint
    return cut, json.loads(out.read_text(encoding="utf-8"))


@pytest.mark.parametrize("times", [pytest.param(1, id="short"), pytest.param(12, id="full", marks=pytest.mark.slow)])
def test_r08_a_second_signal_during_the_save(tmp_path, times, card):
    unbroken()
    cut, end = strike(tmp_path, times)
    assert end == unbroken()
    assert cut
    card("r08", "second signals, of them before the save was done; the end bit-identical", f"{times}, {cut}; yes")
