"""A starting recipe from the data: each rule at its limit, and every figure where its table has it."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxtricks import __main__ as command
from jaxtricks import _suggest, data, models, optim, recipes, train
from jaxtricks.ablation import suggesting
from jaxtricks.ablation.summary import summarise
from jaxtricks.fingerprint import describe

RESULTS = Path(__file__).parents[1] / "experiments/results"


def images(count, classes=2, shape=(16, 16, 3), labels=None):
    labels = np.arange(count) % classes if labels is None else labels
    columns = {"image": np.zeros((len(labels), *shape), np.uint8), "label": labels.astype(np.int32)}
    test = {name: value[:4] for name, value in columns.items()}
    return data.from_columns("made", train=columns, test=test, classes=classes)


@pytest.mark.parametrize(
    ("count", "classes", "batch"), [(999, 2, 16), (1000, 2, 16), (1000, 49, 16), (1000, 50, 128), (999, 50, 16)]
)
def test_the_batch(count, classes, batch):
    recipe, reasons = recipes.suggest(images(count, classes))
    assert recipe.batch == batch
    assert recipe.lr == pytest.approx(0.05 * (batch / 16) ** 0.5)
    assert recipe.warmup is not None  # without it the network with a pyramid died on two of five data sets
    assert recipe.schedule is optim.cosine
    assert any("warm-up" in str(reason) and "+6.92" in str(reason) for reason in reasons)
    assert (recipe.augment is None) == (count < 1000)
    assert ("Not done" in reasons[0].says) == (count < 1000)


def test_few_images_take_128_steps_at_least():
    assert recipes.suggest(images(10))[0].epochs == 128
    assert recipes.suggest(images(2000))[0].epochs == 20
    assert recipes.suggest(images(10), epochs=3)[0].epochs == 3


@pytest.mark.parametrize(("smallest", "sampled"), [(100, True), (101, False)])
def test_classes_are_sampled_from_a_ratio_of_ten_on(smallest, sampled):
    recipe, reasons = recipes.suggest(images(0, labels=np.repeat([0, 1], [1000, smallest])))
    assert (recipe.sampler is not None) == sampled
    assert any("10 times the images" in reason.says for reason in reasons) == sampled
    if sampled:
        labels = np.repeat([0, 1], [1000, 100])
        rows = recipe.sampler(0, 0, labels)
        assert np.bincount(labels[rows]).tolist() == [550, 550]


@pytest.mark.parametrize(
    ("count", "side", "family", "switches"),
    [
        (1000, 8, "plain", set()),
        (1000, 16, "plain", {"readout"}),
        (1000, 64, "plain", {"readout"}),
        (1000, 65, "resnet", {"d"}),
    ],
)
def test_the_network_follows_the_size(count, side, family, switches):
    recipe, reasons = recipes.suggest(images(count, shape=(side, side, 1)))
    model = recipe.model
    assert model.func.__name__ == family
    assert set(model.keywords) - {"kernel_init"} == switches
    assert sum("small network" in reason.says for reason in reasons) == (side <= 64) + 1  # dropout's is of one too
    assert jax.eval_shape(train.build_model(recipe, images(8, shape=(side, side, 1))).init, jax.random.key(0))


def test_many_large_images_get_a_deep_network():
    source = replace(images(4, shape=(224, 224, 3)), name="many")
    large = replace(source, train=source.train.take(np.zeros(10_000, int)))
    recipe, _ = recipes.suggest(large)
    assert recipe.model.args == (models.LAYOUTS["resnet50"],)
    assert {name for name in recipe.model.keywords if name != "kernel_init"} == {"b", "d"}


@pytest.mark.parametrize("folder", sorted({folder for folder, _ in _suggest.MEASURED}))
def test_every_figure_is_that_of_its_table(folder):
    rows = {row.name: row for row in summarise(json.loads((RESULTS / folder / "results.json").read_text("utf-8")))}
    for (where, name), figure in _suggest.MEASURED.items():
        if where == folder:
            assert rows[name].tested.mean == pytest.approx(figure, abs=0.00501), name
            assert rows[name].verdict in ("helps", "hurts"), name  # the sentences say nothing of doubt


def test_every_reason_has_a_source():
    for source in (images(20), images(2000), images(2000, shape=(80, 80, 3))):
        for reason in recipes.suggest(source)[1]:
            assert reason.source == _suggest.THUMB or (RESULTS.parents[1] / reason.source.split(",")[0]).is_dir()
            assert str(reason).endswith(f"[{reason.source}]")


def test_what_has_no_classes_or_no_epochs_is_refused():
    source = images(20)
    with pytest.raises(ValueError, match=r"^dataset made holds images with a label each, which is no class \("):
        recipes.suggest(replace(source, classes=None))
    other = {"image": np.zeros((2, 8, 8, 3), np.uint8), "mask": np.zeros((2, 8, 8), np.uint8)}
    masks = data.from_columns("a b", other, other, classes=2)
    needed = r"allowed: images with a class each\. For images with masks: python -m experiments\.segment --data 'a b'$"
    with pytest.raises(
        ValueError, match=r"^dataset a b holds images with masks \(8 x 8 pixels, 3 channels\); " + needed
    ):
        recipes.suggest(masks)
    with pytest.raises(ValueError, match=r"^epochs is 0; allowed: "):
        recipes.suggest(source, epochs=0)


def test_the_command_prints_the_recipe_and_why(capsys):
    command.main(["suggest", "digits"])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "batch 16, learning rate 0.05, 20 epochs"
    assert len(lines) >= 4
    assert all(line.startswith("- ") and line.endswith("]") for line in lines)


def test_the_command_says_what_was_left_out_as_a_sentence(tmp_path, capsys):
    draws = np.random.default_rng(0)
    for number in range(62):  # 51 for training, 3 steps an epoch: 42.67 epochs
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        pixels = draws.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    (tmp_path / "a" / "broken.png").write_bytes(b"no image")
    (tmp_path / "a" / "words.txt").write_text("no image")
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        command.main(["suggest", str(tmp_path)])
    assert not [one for one in raised if issubclass(one.category, data.DataWarning)]
    out, err = capsys.readouterr()
    assert out.startswith(
        "batch 16, learning rate 0.05, 42.7 epochs\n- 51 training images are fewer than 1,000: a rule"
    )
    assert "the notes" not in out
    assert "are not read (.txt 1)" in err


def test_the_search_is_drawn_by_name_and_takes_a_share_of_the_epochs():
    source = suggesting.images_of("digits")
    base = recipes.suggest(source, epochs=8)[0]
    tries = [suggesting.drawn(base, name="digits", number=k) for k in range(suggesting.TRIES)]
    assert sum(recipe.epochs for recipe in tries) == 8
    assert len({(recipe.lr, recipe.batch) for recipe in tries}) == len(tries)
    again = suggesting.drawn(base, name="digits", number=1)
    assert describe(tries[1]) == describe(again)


def test_the_best_try_of_each_seed_is_chosen_on_held_out_images(tmp_path, capsys):
    def cells(name, held_out, test):
        pairs = enumerate(zip(held_out, test, strict=True))
        return {
            "name": f"digits: {name}",
            "cells": [{"seed": s, "validation": {"accuracy": v}, "test": {"accuracy": t}} for s, (v, t) in pairs],
        }

    rows = [
        cells("baseline", (0, 0), (50, 52)),
        cells("suggested", (0, 0), (60, 64)),
        cells("try 1", (70, 60), (55, 10)),  # best of seed 0
        cells("try 2", (60, 70), (99, 57)),  # best of seed 1
    ]
    suggesting.show({"rows": rows, "seeds": [0, 1]}, (), None, tmp_path)
    line = "| digits | 51.00 | 62.00 | 56.00 | +11.00 [-1.71, +23.71] | +6.00 [-6.71, +18.71] |"  # t(1) is 12.71
    assert line in (tmp_path / "search.md").read_text("utf-8")
    assert line in capsys.readouterr().out


def test_other_data_are_refused():
    with pytest.raises(ValueError, match=r"^--data is digits; allowed: without --data and --images"):
        suggesting.only_shipped(data.load("digits"))
