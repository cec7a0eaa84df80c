"""Samplers: orders by hand, how often classes and images come, bounds of every batch, one length, any start."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from jaxtricks import data
from jaxtricks.data import DataError, Feed, Split

LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [40, 21, 9, 2]))
N = len(LABELS)
SAMPLERS = {
    "class_balanced": data.class_balanced,
    "square_root": data.square_root,
    "progressive": partial(data.progressive, epochs=6),
    "over_sample": data.over_sample,
    "over_sample half": partial(data.over_sample, ratio=0.5),
    "label_shuffle": data.label_shuffle,
    "under": partial(data.bounded_batches, batch=12, high=5),
    "under and over": partial(data.bounded_batches, batch=12, high=5, low=2),
    "repeat_factor": partial(data.repeat_factor, threshold=0.5),
    "deferred": partial(data.deferred, at=2, then=data.class_balanced),
}
EACH = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


def class_counts(order):
    return np.bincount(LABELS[order], minlength=4)


@EACH
def test_an_order_depends_on_seed_and_epoch_alone_and_has_one_length(sampler):
    orders = [sampler(seed, epoch, LABELS) for seed in (1, 2) for epoch in range(6)]
    assert len({len(order) for order in orders}) == 1
    assert len({order.tobytes() for order in orders}) == 12
    np.testing.assert_array_equal(sampler(2, 3, LABELS), orders[9])
    np.testing.assert_array_equal(class_counts(sampler(2, 3, LABELS.astype(np.uint8))), class_counts(orders[9]))


@EACH
def test_images_of_a_class_come_equally_often_to_within_one(sampler):
    orders = [sampler(5, epoch, LABELS) for epoch in range(2)]
    turns = getattr(sampler, "func", None) is data.bounded_batches
    counts = np.bincount(np.concatenate(orders) if turns else orders[1], minlength=N)
    for value in range(4):
        times = counts[value == LABELS]
        assert times.max() - times.min() <= 1, value


@EACH
def test_the_names_of_classes_do_not_matter(sampler):
    np.testing.assert_array_equal(sampler(1, 2, 3 * LABELS + 4), sampler(1, 2, LABELS))


def test_how_often_classes_come():
    """By hand, of 40, 21, 9 and 2 rows."""
    assert set(class_counts(data.class_balanced(1, 0, LABELS))) == {18}
    roots = 72 * np.sqrt([40, 21, 9, 2]) / np.sqrt([40, 21, 9, 2]).sum()  # 29.3, 21.2, 13.9, 6.5
    assert (abs(class_counts(data.square_root(1, 0, LABELS)) - roots) < 1).all()
    third = [(2 / 3) * n + 72 / 3 / 4 for n in (40, 21, 9, 2)]  # 32.7, 20, 12, 7.3
    assert (abs(class_counts(data.progressive(1, 2, LABELS, epochs=6)) - third) < 1).all()
    assert class_counts(data.progressive(1, 0, LABELS, epochs=6)).tolist() == [40, 21, 9, 2]
    assert class_counts(data.over_sample(1, 0, LABELS)).tolist() == [40] * 4
    assert class_counts(data.over_sample(1, 0, LABELS, ratio=0.5)).tolist() == [40, 21, 20, 20]
    assert class_counts(data.over_sample(1, 0, LABELS, ratio=0.05)).tolist() == [40, 21, 9, 2]
    assert class_counts(data.label_shuffle(1, 0, LABELS)).tolist() == [40] * 4
    # shares .556 .292 .125 .028; factors sqrt(.5 / f) 1, 1.309, 2, 4.243, in all 93.98, of which 93 rows
    assert len(data.repeat_factor(1, 0, LABELS, threshold=0.5)) == 93
    drawn = np.mean([class_counts(data.repeat_factor(1, e, LABELS, threshold=0.5)) for e in range(400)], 0)
    np.testing.assert_allclose(drawn, np.array([40, 27.495, 18, 8.485]) * 93 / 93.98, atol=0.1)


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_the_length_of_an_epoch_is_stated(rows):
    for sampler in (data.class_balanced, data.square_root, partial(data.progressive, epochs=3)):
        drawn = [sampler(0, epoch % 3, LABELS, rows=rows) for epoch in range(3)]
        assert {len(order) for order in drawn} == {rows}
    many = np.concatenate([data.class_balanced(0, epoch, LABELS, rows=rows) for epoch in range(200)])
    np.testing.assert_allclose(class_counts(many) / len(many), 0.25, atol=2 / np.sqrt(200 * rows) / np.sqrt(rows))


def test_label_shuffle_by_its_published_example(monkeypatch):
    """Permutation 0 4 2 1 3 of the largest class, modulo 3: rows 0 1 2 1 0 of the class of three."""
    draws = iter([np.array([3, 1, 4, 0, 2]), np.array([0, 4, 2, 1, 3]), None])

    class Generator:
        def permutation(self, x):
            return x if np.ndim(x) else next(draws)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Generator())
    assert data.label_shuffle(0, 0, np.array([0, 1, 0, 1, 0, 1, 0, 0])).tolist() == [6, 2, 7, 0, 4, 1, 3, 5, 3, 1]


def test_batches_keep_their_bounds_and_nothing_is_thrown_away():
    under = partial(data.bounded_batches, batch=12, high=5)
    both = partial(data.bounded_batches, batch=12, high=5, low=2)
    composed = [data.batch_composition(under(0, e, LABELS), LABELS, batch=12) for e in range(8)]
    assert {c.shape for c in composed} == {(6, 4)}
    assert np.max(composed) == 5
    # 5 of 12 for the first class, the other 7 by 21 : 9 : 2 would be 4.59, 1.97, 0.44
    assert np.sum(composed, (0, 1)).tolist() == [8 * 30, 8 * 27, 8 * 12, 8 * 3]
    balanced = np.array([data.batch_composition(both(0, e, LABELS), LABELS, batch=12) for e in range(8)])
    assert (balanced == [5, 3, 2, 2]).all()  # the bounds take 5, 2 and 2, the second class the rest
    # 30 of the 40 in an epoch: all of them in two, and as often as the others after four
    times = [np.bincount(np.concatenate([under(0, e, LABELS) for e in range(n)]), minlength=N) for n in (2, 4)]
    assert times[0].min() == 1
    assert set(times[1][LABELS == 0]) == {3}


def test_a_balanced_batch_is_the_limit_of_both_bounds():
    order = data.bounded_batches(3, 1, LABELS, batch=12, high=3, low=3)
    assert (data.batch_composition(order, LABELS, batch=12) == 3).all()


def test_places_are_in_random_order():
    """Over epochs: images of a class alike (chi squared), and a class anywhere in the epoch (Kolmogorov)."""
    for sampler in (data.class_balanced, data.label_shuffle, partial(data.repeat_factor, threshold=0.5)):
        orders = [sampler(1, epoch, LABELS) for epoch in range(300)]
        times = np.bincount(np.concatenate(orders), minlength=N)
        places = [np.flatnonzero(LABELS[order] == 2) / len(order) for order in orders]
        assert chisquare(times[LABELS == 1]).pvalue > 0.01
        assert kstest(np.concatenate(places), "uniform").pvalue > 0.01
    skewed = np.concatenate([np.sort(p) for p in places])[: 300 * 3] ** 1.2
    assert kstest(skewed, "uniform").pvalue < 0.01


def test_repeat_factor_takes_the_rarest_class_of_an_image():
    """Classes in 8, 4 and 1 of 8 images; the factors of 1/2 are 1, 1 and 2, so that image 0 comes twice."""
    has = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    order = data.repeat_factor(0, 0, has, threshold=0.5)
    assert np.bincount(order).tolist() == [2, 1, 1, 1, 1, 1, 1, 1]
    one = np.argmax(np.eye(4)[LABELS], 1)
    same = data.repeat_factor(0, 0, np.eye(4, dtype=int)[LABELS], threshold=0.3)
    np.testing.assert_array_equal(same, data.repeat_factor(0, 0, one, threshold=0.3))


def test_deferred_is_one_sampler_and_then_the_other():
    sampler = partial(data.deferred, at=2, then=data.class_balanced)
    np.testing.assert_array_equal(sampler(4, 1, LABELS), data.epoch_permutation(4, 1, N))
    np.testing.assert_array_equal(sampler(4, 2, LABELS), data.class_balanced(4, 2, LABELS))
    first = partial(data.deferred, at=2, first=data.square_root, then=data.class_balanced)
    np.testing.assert_array_equal(first(4, 1, LABELS), data.square_root(4, 1, LABELS))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (partial(data.class_balanced, labels=LABELS - 1), r"labels is int64\[72\]; allowed: integers of 0 or more"),
        (partial(data.class_balanced, labels=LABELS / 2), r"labels is float64\[72\]"),
        (partial(data.label_shuffle, labels=LABELS[:0]), r"labels is int64\[0\]"),
        (partial(data.square_root, labels=LABELS, rows=0), "rows is 0; allowed: an integer of 1 or more"),
        (partial(data.progressive, labels=LABELS, epochs=1), "epochs is 1; allowed: an integer of 2 or more"),
        (partial(data.progressive, epoch=7, labels=LABELS, epochs=6), "epoch is 7; allowed: 0 to 6"),
        (partial(data.over_sample, labels=LABELS, ratio=0.0), "ratio is 0.0; allowed: greater than 0"),
        (partial(data.over_sample, labels=LABELS, ratio=1.5), "ratio is 1.5; allowed: 0.0 to 1.0"),
        (partial(data.repeat_factor, labels=LABELS, threshold=2.0), "threshold is 2.0; allowed: 0.0 to 1.0"),
        (
            partial(data.bounded_batches, labels=LABELS, batch=12, high=2),
            "low and high are 0 and 2 for 4 classes in a ",
        ),
        (partial(data.bounded_batches, labels=LABELS, batch=12, high=5, low=4), "allowed: 4 low <= 12 <= 4 high"),
        (partial(data.bounded_batches, labels=LABELS, batch=99, high=50), "batch is 99; allowed: 1 to the rows of an"),
        (partial(data.deferred, labels=LABELS, at=0, then=data.square_root), "at is 0; allowed: an integer of 1"),
        (
            partial(data.deferred, labels=LABELS, at=1, then=data.over_sample),
            "then gives 160 rows an epoch; allowed: 72",
        ),
    ],
)
def test_what_is_wrong_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(**{"seed": 0, "epoch": 0} | call.keywords)


def split(records=False):
    images = np.zeros((N, 2, 2, 1), np.uint8)
    return Split({"image": images, "label": LABELS.astype(np.int32)})


@EACH
@pytest.mark.parametrize("start", [0, 1, 13])
def test_a_feed_reads_what_the_sampler_draws_from_any_step(sampler, start):
    feed = Feed(split(), (3,), 7, sampler=sampler)
    steps = len(sampler(3, 0, LABELS)) // 7
    assert feed.steps_per_epoch == steps
    for step, batch in enumerate(feed.steps(start, 20), start):
        epoch, i = divmod(step, steps)
        np.testing.assert_array_equal(batch["index"], sampler(3, min(epoch, 6), LABELS)[7 * i :][:7])
        assert set(batch["epoch"]) == {epoch}


def growing(seed, epoch, labels):
    return np.arange(10 + epoch)


@pytest.mark.parametrize(
    ("sampler", "error", "words"),
    [
        (growing, ValueError, "sampler gives 11 rows in epoch 1; allowed: 10, as in epoch 0"),
        (lambda *_: np.arange(N + 1), ValueError, "sampler gives rows 0 to 72; allowed: 0 to 71"),
        (lambda *_: np.ones(3), ValueError, r"sampler gives float64\[3\]; allowed: integers"),
        (lambda *_: np.arange(0), ValueError, r"sampler gives int64\[0\]; allowed: integers, one row or more"),
    ],
)
def test_a_sampler_that_gives_something_else_is_refused(sampler, error, words):
    with pytest.raises(error, match=words):
        list(Feed(split(), (3,), 5, sampler=sampler).steps(0, 4))


def test_labels_that_are_not_there_or_not_in_memory_are_refused():
    images = np.zeros((N, 2, 2, 1), np.uint8)
    with pytest.raises(DataError, match="there is no column 'label'"):
        Feed(Split({"image": images}), (3,), 5, sampler=data.class_balanced)
    with pytest.raises(DataError, match="column 'label' is Subset; allowed for a sampler: an array in memory"):
        Feed(Split({"image": images, "label": data._columns.Subset(Read(), np.arange(N))}), (3,), 5, sampler=growing)


class Read:
    shape = (N,)

    def read(self, index, **_):
        return LABELS[index]


def test_the_order_of_an_epoch_is_a_permutation_without_a_sampler():
    np.testing.assert_array_equal(data.epoch_order(split(), 3, 1), data.epoch_permutation(3, 1, N))
    assert data.epoch_rows(split()) == N
    assert data.epoch_rows(split(), sampler=data.over_sample) == 160
    with pytest.raises(DataError, match="there is no column 'weight'"):
        data.epoch_order(split(), 3, 1, sampler=data.over_sample, by="weight")


def test_cao_s_long_tails_have_the_published_sizes():
    sizes = {(5000, 10, 100): 12406, (500, 100, 100): 10847, (5000, 10, 50): 13996, (5000, 10, 10): 20431}
    for (largest, classes, factor), total in sizes.items():
        assert data.long_tail_counts(largest, classes, factor=factor).sum() == total
    assert data.long_tail_counts(5000, 10, factor=100).tolist() == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert data.long_tail_counts(8, 4, factor=1).tolist() == [8] * 4
    with pytest.raises(ValueError, match=r"factor is 9; allowed: 1.0 to 8"):
        data.long_tail_counts(8, 4, factor=9)


def test_a_long_tail_is_cut_from_the_training_split_alone():
    whole = data.fake(train=400, test=40).hold_out(0.2)
    tailed = {factor: data.long_tail(whole, factor=factor) for factor in (4, 16)}
    counts = np.bincount(tailed[16].train["label"])
    np.testing.assert_array_equal(counts, data.long_tail_counts(32, 10, factor=16))
    assert tailed[16].validation is whole.validation
    assert tailed[16].test is whole.test
    images = {factor: {image.tobytes() for image in d.train["image"]} for factor, d in tailed.items()}
    assert images[16] < images[4]
    assert data.identity(tailed[16]) != data.identity(tailed[4])
