"""Backbones of several recipes: what is kept is what is started from, each run draws one, the head stays fresh."""

from functools import partial
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxtricks import data, losses, models, optim, tasks, train
from jaxtricks.tricks import segmenting, transferring

LAYOUT = models.Layout((1, 1, 1), (4, 4, 4), bottleneck=False, stem=(3, 2), pool=False)
BODY = partial(models.resnet, LAYOUT)
ITEMS = data.fake(train=16, test=4, classes=3, shape=(8, 8, 1))


def recipe():
    given = {"task": tasks.classification(3), "augmented": None, "model": BODY, "lr": 0.1, "batch": 4, "epochs": 2.0}
    return segmenting.baseline(**given)


def test_the_sources_stack_as_in_the_paper():
    recipes = transferring.classifiers(BODY, ITEMS, lr=0.1, batch=4)
    assert list(recipes) == ["baseline", "cosine", "smoothing", "mixup"]
    assert [r.schedule is optim.cosine for r in recipes.values()] == [False, True, True, True]
    assert [r.targets is not None for r in recipes.values()] == [False, False, True, True]
    assert [r.mix is not None for r in recipes.values()] == [False, False, False, True]
    assert recipes["mixup"].targets.func is losses.smooth_labels_exclusive
    assert {r.epochs for r in recipes.values()} == {transferring.EPOCHS}


def test_begin_trains_each_source_once_and_a_run_starts_from_one_of_its_backbones(tmp_path, monkeypatch):
    trained = []

    def fit(classifier, dataset, *, seeds, plan, test):
        """Weights that say by which recipe and seed they were trained."""
        trained.append(classifier)
        shapes = jax.eval_shape(classifier.model(classes=3, channels=1).init, jax.random.key(0))
        full = lambda value: jax.tree.map(lambda leaf: np.full(leaf.shape, value, leaf.dtype), shapes)  # noqa: E731
        return [SimpleNamespace(variables=full(10 * len(trained) + seed)) for seed in seeds]

    monkeypatch.setattr(transferring, "CACHE", tmp_path)
    monkeypatch.setattr(train, "fit", fit)
    begun = transferring.begin(recipe(), ITEMS, ITEMS, lr=0.1)
    assert len(trained) == 4
    assert str(transferring.begin(recipe(), ITEMS, ITEMS, lr=0.1)) == str(begun)
    assert len(trained) == 4
    rows = {"baseline": begun, "third": transferring.from_source(begun, source="smoothing")}
    init = {name: jax.jit(jax.vmap(row.model(classes=4, channels=1).init)) for name, row in rows.items()}
    keys = jax.random.split(jax.random.key(0), 12)  # seeds of one vectorised step
    drawn = {}
    for name, start in init.items():
        params, stats = start(keys)
        head = params["backbone"].pop("head")
        assert head["kernel"].shape == (12, 4, 1)
        assert np.unique(head["kernel"]).size == 12 * 4
        leaves = jax.tree.leaves((params["backbone"], stats["backbone"]))
        seen = np.stack([leaf.reshape(12, -1)[:, 0] for leaf in leaves])
        assert all((leaf.reshape(12, -1) == leaf.reshape(12, -1)[:, :1]).all() for leaf in leaves)
        assert (seen == seen[:1]).all()  # parameters and statistics are of one network
        drawn[name] = seen[0]
    np.testing.assert_array_equal(drawn["third"] - drawn["baseline"], 20)  # the third recipe, the same seed of it
    assert set(drawn["baseline"] - 10) == set(transferring.SEEDS)
    fresh = transferring.from_source(begun, source=None).model(classes=4, channels=1)
    plain = recipe().model(classes=4, channels=1)
    assert len({str(jax.make_jaxpr(model.init)(keys[0])) for model in (fresh, plain)}) == 1
    with pytest.raises(ValueError, match="allowed: a network that no trick has changed"):
        segmenting.unet(begun, widths=(4, 8))


def test_the_rows_of_the_table():
    rows = transferring.ladder({"cosine": (1, "78.30 to 79.23 %"), "mixup": (-1, "worse")})
    assert list(rows) == ["from scratch", "cosine", "mixup"]
    assert [row.expected for row in rows.values()] == [-1, 1, -1]
    assert rows["cosine"].paper == "78.30 to 79.23 %"
