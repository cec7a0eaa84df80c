"""Records decoded as they are read train exactly as the same images in memory; a reader's error reaches fit."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from small import dataset, recipe

from jaxtricks.data import DataError, Feed, Split
from jaxtricks.train import Plan, fit, session


class Lazy:
    """The images of an array, as Records."""

    def __init__(self, images, broken=()):
        self.images = images
        self.shape = images.shape
        self.broken = broken
        self.reads = 0

    def read(self, index, *, seed, epoch, train):
        self.reads += train
        for row in set(index.tolist()).intersection(self.broken) if train else ():
            raise DataError(f"record {row} cannot be read")
        return self.images[index]


def streamed(source, **options):
    train = Split({"image": Lazy(source.train["image"], **options), "label": source.train["label"]})
    return replace(
        source, train=train, test=Split({"image": Lazy(source.test["image"]), "label": source.test["label"]})
    )


@pytest.mark.parametrize(
    "plan",
    [pytest.param(Plan(), id="jit"), pytest.param(Plan(seeds_on="devices"), id="devices", marks=pytest.mark.slow)],
)
def test_streamed_is_resident(plan):
    settings = recipe(epochs=1.5)
    source = dataset()
    lazy = streamed(source)
    ours = fit(settings, lazy, seeds=(3,), plan=plan)[0]
    theirs = fit(settings, source, seeds=(3,), plan=plan)[0]
    assert lazy.train["image"].reads == 12 + 1  # the steps, and one batch to compile for
    for a, b in zip(jax.tree.leaves(ours.state.params), jax.tree.leaves(theirs.state.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert ours.test["accuracy"] == theirs.test["accuracy"]
    assert 0 <= ours.wait_percent <= 100
    assert theirs.wait_percent == 0


def test_too_many_unreadable_records_end_the_run_by_name():
    words = "3 of 256 records cannot be read; allowed: 2.* 7: record 7 cannot be read; 8: record 8 cannot be read"
    with pytest.raises(DataError, match=words):
        fit(recipe(), streamed(dataset(), broken=(7, 8, 9)), seeds=(3,))


@pytest.mark.parametrize(("cores", "readers"), [(2, 4), (16, 16)])
def test_as_many_threads_read_as_there_are_cores(monkeypatch, cores, readers):
    asked = []

    class Fed(Feed):
        def __init__(self, *of, workers, **others):
            asked.append(workers)
            super().__init__(*of, workers=workers, **others)

    monkeypatch.setattr(session, "Feed", Fed)
    monkeypatch.setattr(session, "cores", lambda: cores)
    fit(recipe(epochs=1), dataset(), test=False)
    assert asked == [readers]
