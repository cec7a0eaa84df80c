"""Row 16: one of two processes is killed, fails or stands still; the other ends too, and both together go on again."""

import json
import signal
import time

import pytest
from children import pair

SECONDS = 15  # the card's bound, after one process has gone
WATCHDOG = 2.0  # the limit of a stall; the card's bound is 60 s
AFTER = 13  # a step of which the watchdog bears no more than any other


def ended(folder, out, epochs):
    """The processes that go on to the end, and what they give."""
    children = pair(folder=folder, out=out, save_every=5, epochs=epochs)
    assert [child.end() for child in children] == [0, 0], [child.complaint for child in children]
    return children, json.loads(out.read_text(encoding="utf-8"))


def lose(folder, how, lost, epochs):
    """Let one of two processes be killed or fail on its way.

    Returns:
      The steps of which a checkpoint may be the newest, and the seconds that the other lasted.
    """
    second = {"fail": AFTER} if how == "fails" else None
    children = pair(second, folder=folder, save_every=5, pause=0.02, epochs=epochs)
    while children[lost].until("step") not in (AFTER, -1):
        pass
    if how == "killed":
        children[lost].kill()
    began = time.monotonic()
    status = children[1 - lost].end()
    seconds = time.monotonic() - began
    assert status not in (0, -signal.SIGKILL), children[1 - lost].complaint
    assert seconds < SECONDS
    if how == "fails":
        assert children[lost].end() == 1
        assert f"the batch of step {AFTER} is wrong" in children[lost].complaint
    return {children[0].last(word) for word in ("saved", "saving")}, seconds


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return ended(folder / "run", folder / "end.json", 7.5)[1]


@pytest.mark.slow
@pytest.mark.parametrize(("how", "lost"), [("killed", 0), ("killed", 1), ("fails", 1)])
def test_r16_the_other_ends_and_both_go_on_as_if_nothing_had_been(tmp_path, whole, how, lost, card):
    _, seconds = lose(tmp_path / "run", how, lost, 7.5)
    assert ended(tmp_path / "run", tmp_path / "end.json", 7.5)[1] == whole
    what = f"{('the first', 'the second')[lost]} of two processes {how}"
    card("r16", f"{what}: the other ends within {SECONDS} s, the restart ends bit-identical", f"{seconds:.1f} s")


def test_r16_the_other_ends_and_both_go_on_from_the_last_checkpoint_short(tmp_path, card):
    saved, seconds = lose(tmp_path / "run", "fails", 1, 2.5)
    children, _ = ended(tmp_path / "run", tmp_path / "end.json", 2.5)
    assert children[0].last("start") in saved
    assert children[0].last("end") == 20
    assert min(saved) >= 8
    card("r16", f"the second of two processes fails: the other ends within {SECONDS} s", f"{seconds:.1f} s")


@pytest.mark.slow
def test_r16_one_stands_still(card):
    children = pair({"stall": AFTER}, epochs=3, watchdog=WATCHDOG)
    while children[1].until("step") not in (AFTER, -1):
        pass
    began = time.monotonic()
    assert [child.end() for child in children] == [75, 75]
    seconds = time.monotonic() - began
    first, second = (f"process {i} of 2 has stood still for {WATCHDOG:g} s while" for i in (0, 1))
    assert f"{first} taking step" in children[0].complaint
    assert f"{second} waiting for the batch of step {AFTER + 1}" in children[1].complaint
    card("r16", f"one stands still, watchdog of {WATCHDOG:g} s: both ended, by name and work", f"{seconds:.1f} s")
