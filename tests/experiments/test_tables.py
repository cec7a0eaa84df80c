"""Every experiment: its rows differ and can be traced, and its docstring says what was measured."""

import importlib
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import _main, _objectives, _ordinal, _tricks
from jaxtricks import ablation, augment, data, train
from jaxtricks.ablation import Setting

ROOT = Path(__file__).parents[2]
NAMES = sorted(p.stem for p in (ROOT / "experiments").glob("[a-z]*.py"))
MODULES = {name: importlib.import_module(f"experiments.{name}") for name in NAMES}
TABLES = {name: module for name, module in MODULES.items() if hasattr(module, "PRESETS")}
BASELINES = {"ordinal": _ordinal.baseline, "losses": _objectives.bare}
SOURCE = data.fake(train=128, test=16)
SOURCES = {"ordinal": data.fake(train=128, test=16, classes=13)}


def table(module):
    return getattr(module, "SETTINGS", None) or module.LADDER


def rows(module):
    preset = module.PRESETS["quick"]
    baseline = BASELINES.get(module.__name__.removeprefix("experiments."), _tricks.modern)
    given = {"lr": preset.lr, "batch": preset.batch, "epochs": preset.epochs}
    recipe = baseline(augmented=_tricks.augmentation(SOURCE), model=_main.network(preset.model, SOURCE), **given)
    if isinstance(next(iter(table(module).values())), Setting):
        return ablation.settings_grid(recipe, table(module))
    return ablation.variants(recipe, table(module), mode="add-one")


def step_shapes(recipe, source):
    """The loss of one training step, traced and not run."""
    model = train.build_model(recipe, source)
    tx = optax.with_extra_args_support(recipe.optimizer(optax.constant_schedule(0.1)))
    prepare, update = train.make_step(recipe, model, tx, classes=source.classes)
    stats = recipe.preprocess[0](source.train.images)
    images, labels = jnp.asarray(source.train.images), jnp.asarray(source.train.labels)
    constants = {"preprocess": stats, "data": {"image": images, "label": labels}}
    index = jax.ShapeDtypeStruct((16,), jnp.int32)

    def both(key, batch):
        state = train.create_state(recipe, model, tx, key)
        return update(state, prepare(key, state.step, batch, constants), constants)

    return jax.eval_shape(both, jax.random.key(0), {"index": index, "epoch": index})


@pytest.mark.parametrize("name", [name for name in TABLES if name != "bag_of_tricks"])
def test_every_row_is_a_change_that_can_be_traced(name):
    found = rows(TABLES[name])
    assert len({row.name for row in found}) == len(found)
    seen = set()
    for row in found:
        told = train.fingerprint(row.recipe)
        assert told not in seen, f"{row.name} is a row that is there already"
        seen.add(told)
        if row.recipe.teacher is None:
            assert step_shapes(row.recipe, SOURCES.get(name, SOURCE))[1]["loss"].shape == ()


@pytest.mark.parametrize("name", TABLES)
def test_the_docstring_names_command_and_figures(name):
    text = " ".join(TABLES[name].__doc__.split())
    assert f"python -m experiments.{name}" in text
    assert re.search(r"\d paired seeds|\d seeds", text)
    assert "two cores of an" in text
    assert len(re.findall(r"[+-]\d+\.\d\d \[[+-]\d+\.\d\d, [+-]\d+\.\d\d\]", text)) >= 3


def test_a_setting_is_measured_against_itself():
    names = {row.name: row.reference for row in rows(MODULES["losses"])}
    assert names["40 % wrong: GCE"] == "40 % wrong: baseline"
    assert names["40 % wrong: baseline"] is None
    assert "20 % wrong: hinge" not in names


def test_under_and_only_choose_settings_and_tricks():
    settings = MODULES["losses"].LADDER
    chosen = _main.under(settings, _main.Options(under=("40 % wrong",), only=("GCE", "ramp")))
    assert {name: list(setting.ladder) for name, setting in chosen.items()} == {"40 % wrong": ["ramp", "GCE"]}
    with pytest.raises(_main.UsageError, match="Perhaps you meant '40 % wrong'"):
        _main.under(settings, _main.Options(under=("40 % wron",)))
    with pytest.raises(_main.UsageError, match="no such trick"):
        _main.under(settings, _main.Options(under=("40 % wrong",), only=("hinge",)))


def test_turned_images_are_turned_by_their_label():
    source = data.load("digits").subset(130)
    turned = _ordinal.turned(source)
    assert turned.classes == 13
    counts = np.bincount(turned.train.labels)
    assert counts.max() - counts.min() <= 1
    middle = np.flatnonzero(turned.train.labels == 6)[:10]  # at most five degrees
    far = np.flatnonzero(turned.train.labels == 12)[:10]
    change = [np.abs(turned.train.images[i].astype(int) - source.train.images[i]).mean() for i in (middle, far)]
    assert 3 * change[0] < change[1]
    image, moved = (jnp.asarray(d.train.images[far[0]] / np.float32(255)) for d in (source, turned))
    off = [np.abs(other - image)[2:6, 2:6].mean() for other in (augment.rotate(moved, -60.0), moved)]
    assert off[0] < 0.6 * off[1]


def test_ordinal_accuracy_loses_a_point_for_each_degree():
    logits = jnp.log(jnp.array([[0.5, 0.5] + [1e-9] * 11, [0.1, 0.9] + [1e-9] * 11, [1e-9] * 12 + [1.0]]))
    found = _ordinal.error_in_degrees((logits, {}), {"label": jnp.array([0, 1, 11])})
    np.testing.assert_allclose(found["loss"], [0.5, 0.1, 1.0], atol=1e-5)
    np.testing.assert_allclose(found["accuracy"], [0.95, 0.99, 0.9], atol=1e-5)
