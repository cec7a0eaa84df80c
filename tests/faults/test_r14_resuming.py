"""Row 14: resumed at any step, with any number of workers, a run sees the batches of the unbroken one."""

import signal
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from runs import dataset, interrupted_at, recipe
from small import same

from jaxtricks import data
from jaxtricks.data import Feed, Split
from jaxtricks.train import Guard, Interrupted, fit, session

BATCH, STEPS = 32, 8  # images, and steps of an epoch


class Rows:
    """The images of an array as Records, drawn anew every epoch: a flip by row and epoch."""

    def __init__(self, images):
        self.images, self.shape = images, images.shape

    def read(self, index, *, seed, epoch, train):
        images = self.images[index]
        flip = (index + epoch + seed) % 2 == 0 if train else np.zeros(len(index), bool)
        return np.where(flip[:, None, None, None], images[:, :, ::-1], images)


def sources():
    """The same images, in memory and streamed."""
    whole = dataset()
    streamed = Split({"image": Rows(whole.train["image"]), "label": whole.train["label"]})
    return {"resident": whole, "streamed": replace(whole, train=streamed)}


def equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize("source", sources())
def test_r14_every_start_of_three_epochs_gives_the_same_batches(source, card):
    """The feed alone: every step as the first, 1 to 5 workers, one seed and two, one process and two."""
    split, count = sources()[source].train, 0
    for options in ({"seeds": (3,)}, {"seeds": (3, 4), "stacked": True}, {"seeds": (3,), "part": (1, 2)}):
        unbroken = list(Feed(split, batch=BATCH, **options).steps(0, 3 * STEPS))
        for start in range(3 * STEPS):
            feed = Feed(split, batch=BATCH, workers=1 + start % 5, ahead=start % 3, **options)
            stop = min(start + STEPS + 1, 3 * STEPS)
            for batch, whole in zip(feed.steps(start, stop), unbroken[start:stop], strict=True):
                equal(batch, whole)
                count += 1
    drawn = [data.epoch_permutation(3, epoch, len(split))[: STEPS * BATCH] for epoch in range(3)]
    alone = Feed(split, (3,), BATCH).steps(0, 3 * STEPS)
    np.testing.assert_array_equal(np.concatenate([b["index"] for b in alone]), np.concatenate(drawn))
    card("r14", f"batches of a feed that begins at any of 24 steps, {source}: as unbroken", f"{count} of {count}")


@pytest.fixture
def seen(monkeypatch):
    """The rows of all batches that runs were given, by step."""
    rows = {}

    def steps(self, start, stop, real=Feed.steps):
        for step, batch in enumerate(real(self, start, stop), start):
            rows.setdefault(step, []).append(batch["index"].tolist())
            yield batch

    monkeypatch.setattr(Feed, "steps", steps)
    return rows


@pytest.mark.parametrize(
    ("first", "last"), [pytest.param(7, 9, id="short"), pytest.param(1, 20, id="full", marks=pytest.mark.slow)]
)
def test_r14_a_run_that_stops_after_every_step(tmp_path, monkeypatch, seen, first, last, card):
    """One run, stopped at each of these steps in turn, and gone on with another number of threads each time."""
    source, made = sources()["streamed"], recipe(epochs=2.5)
    whole = fit(made, source)[0]
    unbroken = dict(seen)
    seen.clear()
    for step in range(first, last):
        monkeypatch.setattr(session, "Feed", partial(Feed, workers=1 + step % 4, ahead=step % 3))
        with pytest.raises(Interrupted) as caught, interrupted_at(step, signal.SIGTERM) as log:
            fit(made, source, folder=tmp_path, guard=Guard(), log=[log])
        assert caught.value.step == step
    run = fit(made, source, folder=tmp_path)[0]
    assert {step: rows[-1:] for step, rows in seen.items()} == {step: rows[-1:] for step, rows in unbroken.items()}
    # the first is also compiled for, once a start
    assert {step: len(rows) for step, rows in seen.items()} == dict.fromkeys(range(20), 1) | {0: 2 + last - first}
    same(run.state, whole.state)
    assert run.test == whole.test
    stops = last - first
    card(
        "r14",
        "stops of one run of 20 steps, each with other threads: batches and end as unbroken",
        f"{stops} of {stops}",
    )
