"""Every task: figures exact to the last row, the same on all plans, streamed as in memory, resumed bit for bit."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import Stopped, same, stop_at
from test_toy_tasks import DETECTION, ONE, RECIPES, SOURCE

from jaxtricks import data, metrics, tasks
from jaxtricks.models import Model
from jaxtricks.train import Column, Metric, Plan, Recipe, RecipeError, collected, fit, mean_of

RNG = np.random.default_rng(0)
TRAIN = {"image": RNG.integers(0, 256, (96, 4, 4, 1), np.uint8)}
TEST = {"image": RNG.integers(0, 256, (50, 4, 4, 1), np.uint8)}
for split in (TRAIN, TEST):
    mean = split["image"].astype(np.float64).mean((1, 2, 3))
    split["value"] = mean - 127.5
    split["label"] = (mean[:, None] > [110, 125, 140]).astype(np.int64)
NUMBERS = data.from_columns("numbers", TRAIN, TEST).hold_out(0.25, by=None)


def linear(*, classes, channels, dtype=jnp.float32, axis_name=None):
    def init(key):
        return {"kernel": jax.random.normal(key, (16 * channels, classes))}, {}

    def apply(params, stats, image, *, train, key=None):
        return (image.reshape(len(image), -1) @ params["kernel"], {}), stats

    return Model(init, apply)


def squared(params, out, batch):
    return jnp.square(out[0] - batch["target"]).mean(-1)


COMMON = {k: getattr(RECIPES["mAP"], k) for k in ("lr", "schedule", "optimizer", "preprocess")}
COMMON |= {"model": linear, "loss": squared, "batch": 24, "epochs": 2.0}
ALL = {
    "regression": (Recipe(task=tasks.regression(unit="°"), **COMMON), NUMBERS),
    "multilabel": (Recipe(task=tasks.multilabel(3), **COMMON), NUMBERS),
    "segmentation": (replace(RECIPES["mIoU"], epochs=2.0), SOURCE),
    "detection": (replace(RECIPES["mAP"], epochs=2.0), SOURCE),
}
EVERY = pytest.mark.parametrize("name", ALL)


class Rows:
    """Records of any shape and dtype."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def read(self, index, *, seed, epoch, train):
        return self.array[index]


def streamed(split):
    return data.Split({name: Rows(column) for name, column in split.columns.items()})


def test_regression_is_in_its_own_unit():
    recipe, source = ALL["regression"]
    run = fit(recipe, source, plan=ONE)[0]
    kernel = np.asarray(run.variables[0]["kernel"], np.float64)
    out = (source.test["image"].reshape(50, -1) / 255.0) @ kernel
    assert run.test["MAE"] == pytest.approx(np.abs(out[:, 0] - source.test["value"]).mean(), rel=1e-5)
    assert recipe.task.metrics["MAE"].unit == "°"
    assert recipe.task.metrics["MAE"].better == "lower"


def test_multilabel_is_the_mean_average_precision_of_all_rows_at_once():
    recipe, source = ALL["multilabel"]
    run = fit(recipe, source, plan=ONE)[0]
    out = (source.test["image"].reshape(50, -1) / 255.0) @ np.asarray(run.variables[0]["kernel"], np.float64)
    expected = metrics.mean_average_precision(out, source.test["label"])
    assert run.test["mAP"] == pytest.approx(float(expected), abs=1e-6)
    validation = run.history[-1]["validation_mAP"]
    assert 0 < validation < 1


@EVERY
def test_streamed_as_in_memory(name):
    recipe, source = ALL[name]
    lazy = replace(source, train=streamed(source.train), test=streamed(source.test))
    a, b = (fit(recipe, s, plan=ONE)[0] for s in (source, lazy))
    same(a.state.params, b.state.params)
    assert a.test == b.test


@EVERY
def test_the_same_on_all_plans(name):
    recipe, source = ALL[name]
    expected = fit(recipe, source, plan=ONE)[0]
    for plan in (Plan(), Plan(kind="shard_map"), Plan(kind="pmap")):
        run = fit(recipe, source, plan=plan)[0]
        for metric, value in run.test.items():
            assert value == pytest.approx(expected.test[metric], rel=2e-4, abs=2e-4), (plan, metric)
        leaves = zip(*map(jax.tree.leaves, (run.state.params, expected.state.params)), strict=True)
        for x, y in leaves:
            np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)
    both = fit(recipe, source, seeds=(0, 1), plan=Plan(seeds_on="devices"))
    for metric, value in both[0].test.items():
        assert value == pytest.approx(expected.test[metric], rel=2e-4, abs=2e-4)


@EVERY
def test_resumed_bit_for_bit(name, tmp_path, monkeypatch):
    from jaxtricks.train import session

    monkeypatch.setattr(session, "PROGRESS", 0.0)
    recipe, source = ALL[name]
    unbroken = fit(recipe, source, plan=ONE)[0]
    with pytest.raises(Stopped):
        fit(recipe, source, plan=ONE, folder=tmp_path, save_every=1, log=[stop_at(2)])
    resumed = fit(recipe, source, plan=ONE, folder=tmp_path)[0]
    same(resumed.state, unbroken.state)
    assert resumed.test == unbroken.test


@EVERY
def test_hold_out_and_subset_keep_rows_together(name):
    source = ALL[name][1]
    smaller = replace(source, validation=None).subset(40).hold_out(0.25)
    assert (len(smaller.train), len(smaller.validation)) == (30, 10)
    rows = {image.tobytes(): i for i, image in enumerate(source.train["image"])}
    for split in (smaller.train, smaller.validation):
        places = [rows[image.tobytes()] for image in split["image"]]
        for column in set(split.columns) - {"image"}:
            np.testing.assert_array_equal(split[column], source.train[column][places])


def test_hold_out_by_any_integer_column():
    labels = np.repeat([3, 5], [80, 20])
    images = np.zeros((100, 4, 4, 1), np.uint8)
    columns = {"image": images, "site": labels}
    split = data.from_columns("sites", columns, columns).hold_out(0.1, by="site")
    assert np.bincount(split.validation["site"])[[3, 5]].tolist() == [8, 2]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"value": TRAIN["value"][:, None]}, r"train value is \(96, 1\); allowed: rank 1"),
        ({"value": np.where(np.arange(96) == 7, np.nan, 0)}, "train value 7 is nan; allowed: -inf to inf"),
        ({"value": TRAIN["value"] > 0}, "train value has dtype bool; allowed: float"),
    ],
)
def test_a_wrong_column_is_named_before_anything_compiles(columns, words):
    task = replace(tasks.regression(), columns=(Column(name="value", rank=1, kind="float"),))
    wrong = data.from_columns("wrong", TRAIN | columns, TRAIN | columns)
    with pytest.raises(data.DataError, match=words):
        fit(replace(ALL["regression"][0], task=task), wrong, plan=ONE)


def test_boxes_outside_the_image_are_named():
    box = SOURCE.test["box"].copy()
    box[3, 0, 2] = 99
    wrong = replace(SOURCE, test=data.Split({**SOURCE.test.columns, "box": box}))
    with pytest.raises(data.DataError, match=r"test box 3, 0, 2 is 99.0; allowed: 0 to 16"):
        fit(RECIPES["mAP"], wrong, plan=ONE)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (mean_of(lambda out, batch: out[0]), r"metrics\['x'\] raised ValueError: it is float32\[24, 1\]; allowed"),
        (collected(lambda out, batch: out[0][:3], len), r"a leaf of shape \(3, 1\); allowed: 24 rows"),
        (mean_of(lambda out, batch: batch["box"]), "KeyError: 'box'"),
    ],
)
def test_a_metric_that_does_not_fit_is_named(metric, words):
    task = replace(tasks.regression(), metrics={"x": metric}, headline="x")
    with pytest.raises(RecipeError, match=words):
        fit(replace(ALL["regression"][0], task=task), NUMBERS, plan=ONE)


def test_metrics_by_hand():
    out = (jnp.array([[1.0], [2.0], [9.0]]), {})
    batch = {"row_valid": jnp.array([True, True, False])}
    for metric, expected in (
        (mean_of(lambda out, batch: out[0][:, 0]), 1.5),
        (mean_of(lambda out, batch: out[0][:, 0] > 1), 0.5),
        (collected(lambda out, batch: out[0], lambda rows: rows.max()), 2.0),
    ):
        total = metric.init()
        for _ in range(2):
            total = metric.update(total, jax.tree.map(np.asarray, jax.jit(metric.part)(out, batch)))
        assert metric.compute(total) == expected
    with pytest.raises(ValueError, match="better is 'more'; allowed: 'higher', 'lower'"):
        mean_of(len, better="more")
    with pytest.raises(TypeError, match="part is 3; allowed: a function"):
        Metric(part=3, init=list, update=len, compute=len)
    assert DETECTION.headline == "mAP"
