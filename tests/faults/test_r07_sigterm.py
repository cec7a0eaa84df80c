"""Row 7: SIGTERM and SIGINT end a run after the step in hand, with its state saved, and exit 143 or 130."""

import json
import os
import random
import signal
import threading
import time
from dataclasses import replace

import pytest
from children import Child, free_port, pair, unbroken
from runs import dataset, interrupted_at, recipe, whole
from small import same

from jaxtricks import data
from jaxtricks.checkpoint import Checkpoints
from jaxtricks.train import EarlyStopping, Guard, Interrupted, Plan, fit

MOMENTS = 0.5  # seconds of a run, from its first word, in which it is sent a signal
HANDLED = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", HANDLED, ids=lambda n: n.name)
def test_r07_a_signal_between_steps(tmp_path, number):
    before = [signal.getsignal(n) for n in HANDLED]
    said = []
    with pytest.raises(Interrupted) as caught, interrupted_at(3, number) as log:
        fit(recipe(), dataset(), folder=tmp_path, guard=Guard(), log=[log, said.append])
    assert isinstance(caught.value, SystemExit)
    assert (caught.value.code, caught.value.signal, caught.value.step) == (128 + number, number, 3)
    assert Checkpoints(tmp_path / "seed0").latest() == 3
    assert (said[-1]["kind"], said[-1]["signal"]) == ("interrupted", number)
    assert [signal.getsignal(n) for n in HANDLED] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert not [t for t in threading.enumerate() if t.name.startswith("jaxtricks-signals")]
    run = fit(recipe(), dataset(), folder=tmp_path, log=[said.append])[0]
    assert [r["step"] for r in said if r["kind"] == "start"] == [0, 3]
    same(run.state, whole().state)
    assert run.test == whole().test


def test_r07_without_a_folder_and_with_seeds_together():
    with pytest.raises(Interrupted), interrupted_at(1, signal.SIGTERM) as log:
        fit(recipe(), dataset(), seeds=(1, 2), plan=Plan(seeds_on="devices"), guard=Guard(), log=[log])


class Telling:
    """The images of an array as Records; the first time that they are evaluated, they send this process a signal."""

    def __init__(self, images):
        self.images, self.shape, self.sent = images, images.shape, False

    def read(self, index, *, seed, epoch, train):
        if not (train or self.sent):
            self.sent = True
            os.kill(os.getpid(), signal.SIGTERM)
        return self.images[index]


@pytest.mark.parametrize(("where", "step"), [("validation", 8), ("test", 12)])
def test_r07_a_signal_during_an_evaluation(tmp_path, where, step):
    """The state is saved as it was before the evaluation; early stopping and its best weights go on as well."""
    source = dataset()
    stop = EarlyStopping(metric="accuracy", patience=2)  # lower is better here, so that the best are not the last
    whole = fit(recipe(), source, stop=stop)[0]
    split = getattr(source, where)
    telling = replace(source, **{where: data.Split({"image": Telling(split["image"]), "label": split["label"]})})
    with pytest.raises(Interrupted) as caught:
        fit(recipe(), telling, stop=stop, folder=tmp_path, guard=Guard())
    assert caught.value.step == step
    run = fit(recipe(), telling, stop=stop, folder=tmp_path)[0]
    same(run.state, whole.state)
    same(run.variables, whole.variables)
    assert run.test == whole.test


def test_r07_a_signal_when_all_is_done():
    with pytest.raises(Interrupted):
        kill = lambda run: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731
        fit(recipe(epochs=0.5), dataset(), guard=Guard(), done=kill)


def test_r07_in_another_thread_nothing_is_installed():
    before, runs = signal.getsignal(signal.SIGTERM), []
    thread = threading.Thread(target=lambda: runs.extend(fit(recipe(epochs=0.5), dataset(), guard=Guard())))
    thread.start()
    thread.join()
    assert len(runs) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def interrupt(folder, times, **options):
    """Send SIGTERM at random moments to a run that is started again each time, until so many were heard.

    Returns:
      What the runs gave.
    """
    draws, ends, heard = random.Random(0), [], 0
    while heard < times or not ends:
        run, out, saved = folder / f"run{len(ends)}", folder / f"run{len(ends)}.json", 0
        while not out.exists():
            child = Child(folder=run, out=out, pause=0.02, **options)
            assert child.until("start") == saved, (child.end(), child.complaint)
            if heard < times:
                time.sleep(draws.uniform(0, MOMENTS))
                child.send(signal.SIGTERM)
            if (status := child.end()) == 143 and child.last("interrupted") >= 0:
                heard += 1
                saved = child.last("interrupted")
                assert saved == child.last("saved") == max(child.last("start"), child.last("step") + 1)
            elif status:  # it was faster: the signal came when all was done, or after the run, as to any other process
                assert status in (143, -signal.SIGTERM), child.complaint
                saved = child.last("end")
                assert saved == 60
        ends.append(json.loads(out.read_text(encoding="utf-8")))
    return ends


@pytest.mark.parametrize("times", [pytest.param(1, id="short"), pytest.param(20, id="full", marks=pytest.mark.slow)])
def test_r07_a_process_of_its_own(tmp_path, times, card):
    ends = interrupt(tmp_path, times)
    assert all(end == unbroken() for end in ends)
    card("r07", "SIGTERMs with exit 143, no step lost; ends bit-identical", f"{times}; {len(ends)} of {len(ends)}")


@pytest.mark.slow
def test_r07_a_process_that_has_joined_jax_distributed(tmp_path, card):
    """Its notifier of preemptions, which takes SIGTERM and does nothing, is out of force."""
    ends = interrupt(tmp_path, 1, port=free_port(), processes=1)
    assert ends == [unbroken()]
    card("r07", "the same after jax.distributed.initialize", "1 of 1")


@pytest.mark.slow
def test_r07_a_signal_to_one_of_two_processes_ends_both_after_the_same_step(tmp_path, card):
    children = pair(folder=tmp_path / "run", pause=0.02)
    for child in children:
        child.until("step")
    time.sleep(0.3)
    children[1].send(signal.SIGTERM)
    assert [child.end() for child in children] == [143, 143], [child.complaint for child in children]
    taken = [child.last("step") + 1 for child in children]
    assert taken[0] == taken[1] == children[0].last("interrupted") == children[0].last("saved")
    card("r07", "SIGTERM to one of two processes: both saved and ended after step", f"{taken[0]} and {taken[1]}")
