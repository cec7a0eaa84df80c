"""The nearest source samples: by hand, against scikit-learn, and whatever the size of a chunk."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from jaxtricks.data import nearest_source


def test_by_hand():
    source = np.array([[0.0, 0], [3, 4], [1, 0], [0, 2], [-3, 4]])
    # squared distances of (0, 0): 0, 25, 1, 4, 25; of (3, 3): 18, 1, 13, 10, 37
    found = nearest_source(np.array([[0.0, 0], [3, 3]]), source, k=5)
    assert found.tolist() == [[0, 2, 3, 1, 4], [1, 3, 2, 0, 4]]
    assert found.dtype == np.int32
    assert nearest_source(np.array([[0.0, 0], [3, 3]]), source, k=1).tolist() == [[0], [1]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize(("k", "chunk"), [(1, 7), (10, 7), (10, 64), (60, 1), (60, 1000)])
def test_against_scikit_learn(k, chunk, dtype):
    rng = np.random.default_rng(0)
    target, source = rng.normal(size=(13, 8)).astype(dtype), rng.normal(size=(60, 8)).astype(dtype)
    reference = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(source.astype(np.float64))
    np.testing.assert_array_equal(
        nearest_source(target, source, k=k, chunk=chunk), reference.kneighbors(target.astype(np.float64))[1]
    )


@pytest.mark.parametrize("chunk", [1, 5, 16, 1000])
def test_of_equal_distances_the_lower_index_comes_first(chunk):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 33)).astype(np.float32)  # features whose sums of squares are rounded
    source = values[rng.integers(0, 4, 40)]
    target = rng.normal(size=(9, 33)).astype(np.float32)
    exact = [[sum((float(a) - float(b)) ** 2 for a, b in zip(t, s, strict=True)) for s in source] for t in target]
    wanted = [sorted(range(40), key=lambda j, row=row: (row[j], j))[:17] for row in exact]
    assert nearest_source(target, source, k=17, chunk=chunk).tolist() == wanted
    assert nearest_source(source[:1], np.repeat(source[:1], 12, 0), k=12, chunk=chunk).tolist() == [list(range(12))]


def test_what_is_far_from_the_origin_is_not_lost_to_rounding():
    """There |t|^2 - 2 t s + |s|^2 is all rounding: 1e18 against differences of 1."""
    source = 1e9 + np.arange(20.0)[:, None] * np.ones(3)
    target = 1e9 + np.array([[7.3] * 3, [0.6] * 3])
    assert nearest_source(target, source, k=3, chunk=6).tolist() == [[7, 8, 6], [1, 0, 2]]


@pytest.mark.parametrize(
    ("target", "source", "options", "words"),
    [
        ((3,), (5, 2), {"k": 1}, r"target_features has shape \(3,\), rank 1; allowed: rank 2"),
        ((3, 2), (5, 2, 1), {"k": 1}, r"source_features has shape \(5, 2, 1\)"),
        ((3, 2), (5, 4), {"k": 1}, "source_features has 4 features; allowed: 2"),
        ((3, 2), (5, 2), {"k": 0}, "k is 0; allowed: 1 to the 5"),
        ((3, 2), (5, 2), {"k": 6}, "k is 6; allowed: 1 to the 5"),
        ((3, 2), (5, 2), {"k": 1, "chunk": 0}, "chunk is 0; allowed: 1 or more"),
    ],
)
def test_wrong_arguments(target, source, options, words):
    with pytest.raises(ValueError, match=words):
        nearest_source(np.zeros(target), np.zeros(source), **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_numbers_that_have_no_distance(value):
    features = np.zeros((4, 3))
    features[2, 1] = value
    with pytest.raises(ValueError, match=r"source_features\[2\] has a sum of squares of (nan|inf)"):
        nearest_source(np.zeros((1, 3)), features, k=1)
