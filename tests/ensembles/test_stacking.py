"""Stacking without a leak, linear classifiers by scikit-learn, balanced parts, copies of a network side by side."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from jaxtricks import ensembles
from jaxtricks.ensembles import Fold
from jaxtricks.models import Model

RNG = np.random.default_rng(2)
N, C = 90, 3
LABELS = RNG.integers(0, C, N)
PARTS = [RNG.normal(size=(N, d)) + 2 * LABELS[:, None] * np.eye(1, d) for d in (4, 2)]
PEERS = {"logistic": LogisticRegression(C=0.5, max_iter=1000), "svm": LinearSVC(C=0.5, dual=False)}


@pytest.mark.parametrize("kind", PEERS)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_linear_classifier_is_scikit_learn_s_pipeline(kind, classes):
    rows = LABELS < classes
    x, y = np.concatenate(PARTS, 1)[rows], LABELS[rows]
    peer = make_pipeline(StandardScaler(), PEERS[kind]).fit(x, y)
    linear = ensembles.fit_linear([part[rows] for part in PARTS], y, kind=kind, strength=0.5)
    scores = np.asarray(ensembles.linear_scores(linear, [np.float32(part[rows]) for part in PARTS]))
    if classes == 2:
        np.testing.assert_allclose(scores[:, 1] - scores[:, 0], peer.decision_function(x), atol=1e-4)
    else:
        np.testing.assert_allclose(scores, peer.decision_function(x), atol=1e-4)
    np.testing.assert_array_equal(scores.argmax(-1), peer.predict(x))
    if kind == "logistic":
        np.testing.assert_allclose(jax.nn.softmax(scores), peer.predict_proba(x), atol=1e-4)


def test_a_class_without_rows_is_never_predicted_and_a_constant_feature_does_nothing():
    y = np.where(LABELS == 1, 3, LABELS)
    constant = np.ones((N, 1))
    linear = ensembles.fit_linear([*PARTS, constant], y, classes=5)
    scores = ensembles.linear_scores(linear, [*PARTS, constant])
    assert scores.shape == (N, 5)
    assert np.isneginf(scores[:, [1, 4]]).all()
    np.testing.assert_allclose(linear.kernel[-1], 0, atol=1e-6)
    same = ensembles.linear_scores(ensembles.fit_linear(PARTS, y, classes=5), PARTS)
    np.testing.assert_allclose(scores, same, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parts": []}, "parts is list; allowed: a list of one array or more"),
        ({"parts": [PARTS[0], PARTS[1][:-1]]}, r"parts\[1\] has shape \(89, 2\); allowed: the rows of parts\[0\]"),
        ({"parts": [np.full((N, 2), np.inf)]}, "parts hold a NaN or an infinity"),
        ({"labels": LABELS[:-1]}, r"labels is int64\[89\]; allowed: integers, \[90\]"),
        ({"labels": 0 * LABELS}, r"labels are \[0\]; allowed: two classes or more"),
        ({"classes": 2}, r"labels are \[0, 1, 2\]; allowed: two classes or more of 0 to 1"),
        ({"kind": "forest"}, "kind is 'forest'; allowed: 'logistic', 'svm'"),
        ({"strength": 0.0}, "strength is 0.0; allowed: greater than 0"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    given = {"parts": PARTS, "labels": LABELS} | change
    with pytest.raises(ValueError, match=words):
        ensembles.fit_linear(given.pop("parts"), given.pop("labels"), **given)
    with pytest.raises(ValueError, match="parts has shape"):
        ensembles.linear_scores(ensembles.fit_linear(PARTS, LABELS), PARTS[:1])


def folds(leak=0):
    splits = StratifiedKFold(4).split(PARTS[0], LABELS)
    return [Fold(np.append(train, held[:leak]), held, np.stack([held, held**2], 1)) for train, held in splits]


def test_out_of_fold_predictions_are_in_the_order_of_the_rows():
    np.testing.assert_array_equal(ensembles.out_of_fold(folds(), rows=N)[:, 0], np.arange(N))
    np.testing.assert_array_equal(ensembles.out_of_fold(folds()[::-1], rows=N)[:, 1], np.arange(N) ** 2)


def test_a_leak_is_an_error():
    with pytest.raises(ensembles.LeakError, match=r"folds\[0\] predicts 2 rows that it was trained on \(\d+, \d+\)"):
        ensembles.out_of_fold(folds(leak=2), rows=N)
    first, *rest = folds()
    for wrong, words in (
        ([first, first], "folds predict row .* times; allowed: every row once"),
        (rest, "folds predict row .* 0 times"),
        ([], "folds is empty"),
        ([first._replace(values=first.values[1:]), *rest], r"folds\[0\].values has shape"),
        ([first._replace(rows=first.rows + N), *rest], r"folds\[0\].rows is int64\[23\]; allowed: integers of 0 to 89"),
    ):
        with pytest.raises(ValueError, match=words):
            ensembles.out_of_fold(wrong, rows=N)


def test_what_the_leak_would_have_been_worth():
    """Members that know their training labels by heart and nothing else: stacked out of fold they are worth nothing."""
    rng = np.random.default_rng(3)
    held_out = ensembles.out_of_fold([f._replace(values=rng.random((len(f.rows), C))) for f in folds()], rows=N)
    by_heart = np.eye(C)[LABELS]
    seen, unseen = (ensembles.fit_linear([x], LABELS) for x in (by_heart, held_out))
    assert np.abs(seen.kernel).max() > 3 * np.abs(unseen.kernel).max()


def test_easy_ensembles_are_balanced_and_take_turns():
    labels = np.repeat([0, 1, 5], [17, 6, 4])
    rows = ensembles.easy_ensemble(1, labels, members=4)
    assert rows.shape == (4, 12)
    for member in rows:
        assert np.bincount(labels[member])[[0, 1, 5]].tolist() == [4, 4, 4]
        assert len(set(member)) == 12 or np.bincount(member).max() == 2  # a turn may end within a member
    times = np.bincount(rows.ravel(), minlength=len(labels))
    assert set(times[labels == 0]) == {0, 1}
    assert set(times[labels == 1]) == {2, 3}
    assert set(times[labels == 5]) == {4}
    with pytest.raises(ValueError, match="members is 0"):
        ensembles.easy_ensemble(1, labels, members=0)
    with pytest.raises(ValueError, match="labels is float64"):
        ensembles.easy_ensemble(1, labels / 2, members=1)


def network(classes):
    """A layer with a count of its calls, and noise in training."""

    def init(key):
        return {"kernel": jax.random.normal(key, (4, classes))}, {"calls": jnp.zeros(())}

    def apply(params, stats, image, *, train, key=None):
        x = image.reshape(len(image), -1)
        if train:
            draw = jax.random.normal if key.ndim == 0 else jax.vmap(lambda k, row: jax.random.normal(k, row.shape))
            x = x + (draw(key, x.shape) if key.ndim == 0 else draw(key, x))
        return (x @ params["kernel"], {}), {"calls": stats["calls"] + train}

    return Model(init, apply)


def test_networks_side_by_side_are_the_networks_and_their_mean():
    alone, both = network(3), ensembles.side_by_side(network, members=2, classes=3)
    keys = jax.random.split(jax.random.key(0))
    variables = [alone.init(key) for key in keys]
    image = jnp.asarray(RNG.normal(size=(5, 2, 2, 1)), jnp.float32)
    params, stats = ensembles.stack_members(variables)
    np.testing.assert_array_equal(both.init(jax.random.key(0))[0]["kernel"], params["kernel"])
    (out, taps), _ = both.apply(params, stats, image, train=False)
    logits = [alone.apply(*v, image, train=False)[0][0] for v in variables]
    np.testing.assert_allclose(taps["members"], jnp.stack(logits, 1), rtol=1e-5)
    np.testing.assert_allclose(jnp.exp(out), ensembles.average(jax.nn.softmax(jnp.stack(logits))), rtol=1e-5)
    for key in (keys[0], jax.random.split(keys[0], 5)):
        (_, noisy), after = both.apply(params, stats, image, train=True, key=key)
        assert np.asarray(after["calls"]).tolist() == [1, 1]
        moved = noisy["members"] - taps["members"]
        moved, kernels = np.asarray(moved), np.asarray(params["kernel"])
        noise = [np.linalg.lstsq(kernels[m].T, moved[:, m].T, rcond=None)[0] for m in (0, 1)]
        assert np.abs(noise[0] - noise[1]).max() > 0.1  # the members draw for themselves
    with pytest.raises(ValueError, match="members is 0"):
        ensembles.side_by_side(network, members=0, classes=3)
    with pytest.raises(ValueError, match="variables is empty"):
        ensembles.stack_members([])
    with pytest.raises(ValueError, match=r"variables\[1\] are of another structure or shape"):
        ensembles.stack_members([variables[0], network(4).init(keys[0])])
