"""The order of rows is a pure function of seed and epoch, and the feed hands out exactly those rows."""

import threading

import numpy as np
import pytest

from jaxtricks import data
from jaxtricks.data import Feed, Split, epoch_permutation, padded


class Counting:
    """Records whose image i is filled with i."""

    def __init__(self, size, broken=None):
        self.shape = (size, 2, 2, 1)
        self.broken = broken

    def read(self, index, *, seed, epoch, train):
        if self.broken in index:
            raise OSError(f"record {self.broken}")
        return np.tile(index.astype(np.uint8)[:, None, None, None], (1, 2, 2, 1))


def splits(size=20):
    labels = np.arange(size, dtype=np.int32)
    images = np.tile(labels.astype(np.uint8)[:, None, None, None], (1, 2, 2, 1))
    return Split({"image": images, "label": labels}), Split({"image": Counting(size), "label": labels})


def test_order_is_pure_and_different_each_time():
    np.testing.assert_array_equal(epoch_permutation(1, 2, 50), epoch_permutation(1, 2, 50))
    assert sorted(epoch_permutation(1, 2, 50)) == list(range(50))
    assert not (epoch_permutation(1, 2, 50) == epoch_permutation(1, 3, 50)).all()
    assert not (epoch_permutation(1, 2, 50) == epoch_permutation(2, 2, 50)).all()
    # the numbers themselves, so that a change of the generator cannot pass unseen
    assert epoch_permutation(0, 0, 8).tolist() == [2, 4, 3, 6, 5, 0, 1, 7]


@pytest.mark.parametrize("start", [0, 1, 4, 5, 7])
def test_streamed_rows_are_resident_rows_from_any_step(start):
    resident, records = splits()
    indices = [b["index"] for b in Feed(resident, (3,), 4).steps(start, 12)]
    images = list(Feed(records, (3,), 4).steps(start, 12))
    assert len(indices) == len(images) == 12 - start
    for index, batch in zip(indices, images, strict=True):
        np.testing.assert_array_equal(batch["label"], index)
        np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], index)
        np.testing.assert_array_equal(batch["index"], index)
    np.testing.assert_array_equal(indices[0], epoch_permutation(3, start // 5, 20)[start % 5 * 4 :][:4])


def test_two_processes_share_a_batch():
    resident, _ = splits()
    whole = next(iter(Feed(resident, (3,), 4).steps(6, 7)))["index"]
    parts = [next(iter(Feed(resident, (3,), 4, part=(p, 2)).steps(6, 7)))["index"] for p in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_seeds_stack():
    resident, records = splits()
    both = next(iter(Feed(resident, (3, 4), 4, stacked=True).steps(0, 1)))["index"]
    assert both.shape == (2, 4)
    np.testing.assert_array_equal(both[1], epoch_permutation(4, 0, 20)[:4])
    assert next(iter(Feed(records, (3, 4), 4, stacked=True).steps(0, 1)))["image"].shape == (2, 4, 2, 2, 1)


@pytest.mark.parametrize("kind", [0, 1], ids=["resident", "records"])
@pytest.mark.parametrize("seeds", [(3,), (3, 4)])
def test_every_batch_says_which_rows_of_which_epoch_it_has(kind, seeds):
    stacked = len(seeds) > 1
    batches = list(Feed(splits()[kind], seeds, 6, stacked=stacked).steps(2, 8))  # 3 steps an epoch
    for step, batch in enumerate(batches, 2):
        epoch, i = divmod(step, 3)
        rows = [epoch_permutation(seed, epoch, 20)[6 * i :][:6] for seed in seeds]
        np.testing.assert_array_equal(batch["index"], rows if stacked else rows[0])
        np.testing.assert_array_equal(batch["epoch"], np.full((2, 6) if stacked else 6, epoch))
        assert batch["index"].dtype == batch["epoch"].dtype == np.int32
        assert batch.keys() == ({"index", "epoch"} if kind == 0 else {"index", "epoch", "image", "label"})


def test_the_number_of_workers_may_change_while_a_feed_lives():
    feed = Feed(splits()[1], (3,), 4)
    unbroken = [batch["index"] for batch in feed.steps(0, 9)]
    found = []
    for start, workers in ((0, 1), (3, 5), (6, 2)):
        feed.workers = workers
        found += [batch["index"] for batch in feed.steps(start, start + 3)]
    np.testing.assert_array_equal(found, unbroken)


def test_an_error_in_a_reader_is_raised_here_and_no_thread_is_left():
    broken = Split({"image": Counting(20, broken=7), "label": np.arange(20, dtype=np.int32)})
    with pytest.raises(data.FeedError, match="failed at record 7: OSError: record 7"):
        list(Feed(broken, (0,), 4).steps(0, 5))
    assert not [t for t in threading.enumerate() if t.name.startswith("jaxtricks-feed")]


@pytest.mark.parametrize(("size", "batch"), [(20, 4), (20, 7), (3, 8)])
def test_padded_gives_every_row_once(size, batch):
    for split in splits(size):
        seen = [b["label"][b["row_valid"]] for b in padded(split, batch)]
        np.testing.assert_array_equal(np.concatenate(seen), np.arange(size))
        assert {len(b["label"]) for b in padded(split, batch)} == {batch}


def test_a_batch_larger_than_the_set_is_refused():
    with pytest.raises(ValueError, match="batch is 21; allowed: 1 to the 20"):
        data.steps_per_epoch(20, 21)
