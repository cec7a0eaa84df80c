"""Tricks, the rows that they make, and the display: by hand, on recipes that are never trained."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import recipe

from jaxtricks import ablation, augment, data, train
from jaxtricks.ablation import SilentTrickError, Trick, results, running, variants
from jaxtricks.fingerprint import describe, fingerprint


def faster(recipe):
    return replace(recipe, lr=recipe.lr * 2)


def smooth(recipe, *, alpha=0.1):
    return replace(recipe, targets=partial(optax.smooth_labels, alpha=alpha))


LADDER = {
    "fast": Trick(faster, -1, "costs"),
    "smooth": Trick(smooth, 1),
    "same": Trick(lambda r: replace(r, epochs=9), 0),
}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (
            "stack",
            [("baseline", None, 0), ("+ fast", "baseline", -1), ("+ smooth", "+ fast", 1), ("+ same", "+ smooth", 0)],
        ),
        (
            "add-one",
            [("baseline", None, 0), ("fast", "baseline", -1), ("smooth", "baseline", 1), ("same", "baseline", 0)],
        ),
        (
            "leave-one-out",
            [
                ("baseline", None, 0),
                ("all tricks", None, 0),
                ("without fast", "all tricks", 1),
                ("without smooth", "all tricks", -1),
                ("without same", "all tricks", 0),
            ],
        ),
    ],
)
def test_rows(mode, expected):
    assert [(v.name, v.reference, v.expected) for v in variants(recipe(), LADDER, mode=mode)] == expected


def test_pairs():
    rows = variants(recipe(), LADDER, mode="pairwise")
    assert [(v.name, v.reference, v.expected) for v in rows[4:]] == [
        ("fast & smooth", "fast", 1),
        ("fast & same", "fast", 0),
        ("smooth & same", "smooth", 0),
    ]
    assert rows[4].recipe.lr == recipe().lr * 2
    assert rows[4].recipe.targets is not None


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="mode is 'stak'"):
        variants(recipe(), LADDER, mode="stak")
    with pytest.raises(ValueError, match="has 1 tricks; allowed: 2 or more"):
        variants(recipe(), {"fast": LADDER["fast"]}, mode="pairwise")
    with pytest.raises(SilentTrickError, match="'none' left the recipe as it was"):
        variants(recipe(), {"none": Trick(lambda r: replace(r))})
    with pytest.raises(SilentTrickError, match="'again'"):
        variants(recipe(), {"smooth": Trick(smooth), "again": Trick(smooth)})
    with pytest.raises(TypeError, match="returned int; allowed: Recipe"):
        variants(recipe(), {"none": Trick(lambda r: 3)})
    with pytest.raises(ValueError, match="expected is 2"):
        Trick(smooth, 2)
    with pytest.raises(TypeError, match="change is 'smooth'"):
        Trick("smooth")


def test_description_tells_recipes_apart_and_the_same_ones_not():
    base = recipe()
    assert fingerprint(base) == fingerprint(recipe())
    different = [
        replace(base, lr=0.03),
        smooth(base),
        smooth(base, alpha=0.2),
        replace(base, mix=partial(augment.mixup, alpha=0.2)),
        replace(base, augment=augment.chain(flip=augment.each(augment.random_flip))),
        replace(base, augment=augment.chain(turn=augment.each(augment.random_flip))),
        replace(base, augment=augment.each(partial(augment.random_pad_crop, padding=2))),
        replace(base, augment=lambda key, batch: batch),
        replace(base, augment=lambda key, batch: {**batch}),
        replace(base, teacher=base),
        replace(base, loss=partial(lambda w, p, o, b: o, np.arange(9))),
        replace(base, loss=partial(lambda w, p, o, b: o, np.arange(9) + 1)),
    ]
    assert len({fingerprint(r) for r in [base, *different]}) == len(different) + 1
    assert describe({"a": (1, jnp.float32(2))}) == {"a": ["1", "float32:2.0"]}
    for wrapped in (jax.nn.relu, jax.nn.silu, jnp.tanh):  # compiled, with derivatives of their own: nothing of a file
        assert describe(wrapped).endswith(f".{wrapped.__name__}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 0}, "recipe.batch is 0"),
        ({"batch": 1.5}, "recipe.batch is 1.5"),
        ({"epochs": -1}, "recipe.epochs is -1"),
        ({"lr": float("nan")}, "recipe.lr is nan"),
        ({"bn": "none"}, "recipe.bn is 'none'; allowed: 'all', 'replica'"),
        ({"ema": 1.0}, "recipe.ema is 1.0"),
    ],
)
def test_wrong_values_of_a_recipe(change, words):
    with pytest.raises(ValueError, match=words):
        recipe(**change)


@pytest.mark.parametrize("name", ["model", "loss", "augment", "init"])
def test_wrong_functions_of_a_recipe(name):
    with pytest.raises(TypeError, match=f"recipe.{name} is 3"):
        recipe(**{name: 3})


def test_names_of_modes_are_those_of_the_report():
    assert ablation.MODES == ("stack", "add-one", "leave-one-out", "pairwise")


def test_settings_are_tables_of_their_own():
    settings = {
        "as is": ablation.Setting(None, {"smooth": Trick(smooth, None)}),
        "large": ablation.Setting(lambda r: replace(r, batch=2 * r.batch), {"fast": LADDER["fast"]}),
    }
    rows = ablation.settings_grid(recipe(), settings)
    assert [(v.name, v.reference, v.expected) for v in rows] == [
        ("as is: baseline", None, 0),
        ("as is: smooth", "as is: baseline", None),
        ("large: baseline", None, 0),
        ("large: fast", "large: baseline", -1),
    ]
    assert [v.recipe.batch // recipe().batch for v in rows] == [1, 1, 2, 2]
    with pytest.raises(SilentTrickError, match="'nothing' left the recipe as it was"):
        ablation.settings_grid(recipe(), {"nothing": ablation.Setting(lambda r: r, LADDER)})


def test_merged_tricks_with_opposite_signs_expect_nothing():
    assert ablation.merge(LADDER, {"both": ("fast", "smooth")})["both"].expected is None
    assert ablation.merge(LADDER, {"both": ("smooth", "same")})["both"].expected == 1
    assert ablation.merge({"same": LADDER["same"]}, {"both": ("same",)})["both"].expected == 0


COSTS = {"step_ms": 1000.0, "cost": {"train_flops": None, "peak_bytes": None}}


def test_a_setting_may_have_data_of_its_own(tmp_path, monkeypatch):
    """Its rows are trained on it, their cells are others, and what two rows share is trained once."""
    source, trained = data.fake(train=40, test=8, shape=(4, 4, 1)), []

    def fit(recipe, dataset, *, seeds, done, **_):
        trained.append((recipe.batch, len(dataset.train), seeds))
        for seed in seeds:
            done(SimpleNamespace(seed=seed))

    settings = {
        "few": ablation.Setting(None, {"fast": LADDER["fast"]}, lambda d: d.subset(20)),
        "all": ablation.Setting(None, {"fast": LADDER["fast"]}),
        "again": ablation.Setting(None, {"smooth": LADDER["smooth"]}, lambda d: d.subset(20)),
    }
    rows = ablation.settings_grid(recipe(batch=16), settings)
    assert [len(row.dataset(source).train) for row in rows] == [20, 20, 40, 40, 20, 20]
    held = ablation.Cells(tmp_path, source)
    paths = [held.of(row).path(row.recipe, 0) for row in rows]
    assert paths[0] == paths[4]
    assert len(set(paths)) == 5
    assert {path.parent for path in paths} == {tmp_path / "cells"}
    monkeypatch.setattr(running, "fit", fit)
    monkeypatch.setattr(running, "cell_of", lambda run, task: {"seed": run.seed} | COSTS)
    monkeypatch.setattr(results, "forward_cost", lambda recipe, dataset: {"macs": len(dataset.train)})
    ablation.run_cells(rows, ablation.Cells(tmp_path, source), seeds=(3, 4), plan=train.Plan())
    assert [size for _, size, _ in trained] == [20] * 4 + [40] * 4 + [20] * 2
    assert [seeds for _, _, seeds in trained] == [(3,), (4,)] * 5
    about = dict.fromkeys(("title", "command", "mode", "model"), "") | {"sd_assumed": {}, "resolvable": 1.0}
    found = ablation.gather(rows, held, seeds=(3, 4), **about)["rows"]
    assert [[cell["seed"] for cell in row["cells"]] for row in found] == [[3, 4]] * 6
    assert [row["cost"]["macs"] for row in found] == [20, 20, 40, 40, 20, 20]
    assert [row["data"] and row["data"]["train"] for row in found] == [20, 20, None, None, 20, 20]
    assert [row["cost"]["epoch_seconds"] for row in found] == [1.0, 1.0, 2.0, 2.0, 1.0, 1.0]  # batches of 16
