"""Ways to combine predictions: what is fitted on what, who is left out, and that every row of a table predicts."""

from functools import partial

import numpy as np
import pytest
from scipy.special import softmax

from experiments import balance, ensembles
from jaxtricks.ablation import ways
from jaxtricks.ablation.ways import Predictions

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 300)
ROWS = {**ensembles.WAYS, **balance.WAYS}


def said(rows, sharp=(1.0, 1.0, 1.0)):
    """Three members, of which the last knows nothing."""
    right = np.eye(4)[LABELS[rows]] * np.array([2.0, 2.0, 0.0])[:, None, None]
    logits = (right + RNG.normal(size=(3, len(LABELS[rows]), 4))) * np.array(sharp)[:, None, None]
    logits = logits.astype(np.float32)
    probabilities = softmax(logits[0], -1)
    return Predictions(
        logits,
        tuple(logits),
        LABELS[rows],
        np.array([40, 30, 20, 10]),
        layers=tuple(logits[:2]),
        columns=logits[1],
        scores=np.array([0.6, 0.7, 0.2]),
        unseen=(probabilities, LABELS[rows]),
    )


HELD, TEST = said(slice(0, 150)), said(slice(150, None))


def accuracy(way, held=HELD, test=TEST):
    out = np.asarray(way(held, test))
    return np.mean((out.argmax(-1) if out.ndim == 2 else out) == test.labels)


@pytest.mark.parametrize("how", list({str(row.how): row.how for row in ROWS.values()}.values()))
def test_every_way_predicts(how):
    out = np.asarray(how(HELD, TEST))
    assert out.shape in ((150, 4), (150,))
    assert not np.isnan(out).any()


def test_what_is_fitted_on_held_out_images_leaves_the_ignorant_out():
    assert accuracy(ways.weighted) > accuracy(ways.average)
    assert accuracy(ways.stacked) > accuracy(ways.average)
    sharp = said(slice(0, 150), sharp=(1, 1, 20)), said(slice(150, None), sharp=(1, 1, 20))
    assert accuracy(ways.calibrated, *sharp) > accuracy(ways.average, *sharp) + 0.05


def test_the_best_by_their_own_folds_are_the_ones_that_predict():
    two = ways.best(HELD, TEST, keep=2)
    np.testing.assert_allclose(two, softmax(TEST.logits[:2], -1).mean(0), rtol=1e-5)
    one = ways.best(HELD, TEST, keep=1)
    np.testing.assert_allclose(one, softmax(TEST.logits[1], -1), rtol=1e-5)
    assert accuracy(partial(ways.best, keep=2)) > accuracy(ways.average)
    with pytest.raises(ValueError, match="scores is None; allowed: members of a cross-validation"):
        ways.best(HELD._replace(scores=None), TEST, keep=2)


def test_stacking_out_of_fold_learns_what_a_class_is_called():
    """Members that call class 0 a 1, and 1 a 0: a second level that was fitted on rows they had not seen knows."""
    swap = np.array([1, 0, 2, 3])
    values, labels = HELD.unseen
    held, test = HELD._replace(unseen=(values[:, swap], labels)), TEST._replace(logits=TEST.logits[:1, :, swap])
    assert accuracy(ways.average, held, test) < 0.5
    assert accuracy(ways.stacked_out_of_fold, held, test) > 0.6
    with pytest.raises(ValueError, match="unseen is None; allowed: members of a cross-validation"):
        ways.stacked_out_of_fold(HELD._replace(unseen=None), TEST)


def test_layers_and_columns_are_those_of_the_first_member():
    ignorant = {"layers": TEST.features[2:], "columns": TEST.features[2]}
    for way, name in ((ways.of_layers, "layers"), (ways.of_columns, "columns")):
        how = partial(way, kind="svm")
        assert accuracy(how) > 0.6
        nothing = [split._replace(**{name: ignorant[name]}) for split in (HELD, TEST)]
        assert accuracy(how, *nothing) < 0.4


def test_a_loud_layer_is_as_long_as_the_others():
    """With vectors of length 1 it is all the same how loud each image's map is."""
    draws = np.random.default_rng(4)
    loud = [
        split._replace(layers=tuple(x * np.exp(draws.normal(0, 2, (len(x), 1))) for x in split.layers))
        for split in (HELD, TEST)
    ]
    how = partial(ways.of_layers, kind="svm", unit=True)
    np.testing.assert_allclose(how(*loud), how(HELD, TEST), rtol=1e-3, atol=1e-3)
    assert accuracy(how, *loud) >= accuracy(partial(ways.of_layers, kind="svm"), *loud)


def test_a_wrong_prior_is_worse_than_none():
    tail = TEST._replace(logits=TEST.logits + np.log(TEST.trained / 100).astype(np.float32))
    right, wrong = (partial(ways.corrected, prior=prior) for prior in (None, ways.reversed_tail))
    assert accuracy(right, HELD, tail) > accuracy(ways.average, HELD, tail)
    assert accuracy(wrong, HELD, tail) < accuracy(right, HELD, tail)
