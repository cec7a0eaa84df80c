"""Every experiment: its rows differ and can be traced, and its docstring says what was measured."""

import importlib
import re
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import ablation, augment, data, init, tasks, train
from jaxtricks.ablation import cli
from jaxtricks.fingerprint import fingerprint
from jaxtricks.tricks import (
    Setting,
    augmentation,
    bag,
    detecting,
    firing,
    imbalance,
    ordinal,
    paper,
    pointing,
    pretraining,
    prices,
    records,
    segmenting,
    starts,
    transferring,
)

ROOT = Path(__file__).parents[2]
NAMES = sorted(p.stem for p in (ROOT / "experiments").glob("[a-z]*.py"))
MODULES = {name: importlib.import_module(f"experiments.{name}") for name in NAMES}
TABLES = {name: module for name, module in MODULES.items() if hasattr(module, "PRESETS")}
RESULTS = ROOT / "experiments/results"


def with_weights(**given):
    """The baseline of finetune, which knows its weights by name."""
    recipe = bag.modern(**given)
    return replace(recipe, model=partial(pretraining.network, recipe.model, weights="untrained"))


def tailed(**given):
    """The baseline of imbalance, whose task knows the classes."""
    return imbalance.begin(imbalance.baseline(**given), SOURCE, TAILED)


def transferred(baseline, **given):
    """A baseline of transfer, which knows its backbones by name."""
    recipe = baseline(**given)
    body = partial(transferring.started_from, recipe.model.keywords["backbone"], weights="untrained", source="baseline")
    return bag.part(recipe, backbone=body)


def recorded(**given):
    """The baseline of airbench, which knows the patches of its images."""
    return records.begin(records.baseline(**given), LARGE, LARGE)


def begun(**given):
    """The baseline of init, which knows a batch of its images."""
    return starts.begin(bag.modern(**given), SOURCE, SOURCE)


BASELINES = {
    "airbench": recorded,
    "batch_size": bag.bare,
    "efficient": bag.standard,
    "init": begun,
    "refinements": paper.efficient_d,
    "tweaks": paper.efficient,
    "detect": detecting.baseline,
    "ordinal": ordinal.baseline,
    "dead_units": firing.baseline,
    "points": pointing.baseline,
    "prices": prices.baseline,
    "losses": bag.bare,
    "augment": bag.bare,
    "recipes": bag.standard,
    "finetune": with_weights,
    "imbalance": tailed,
    "optimizers": bag.bare,
    "regularizers": bag.bare,
    "segment": segmenting.baseline,
    "transfer": partial(transferred, segmenting.baseline),
    "transfer_boxes": partial(transferred, detecting.baseline),
    "schedules": MODULES["schedules"].constant,
}
SOURCE = data.fake(train=128, test=16)
TAILED = data.fake(train=2000, test=16)  # of a factor of 100, the last class keeps an image
LARGE = data.fake(train=128, test=16, shape=(28, 28, 3))
CANVASES, ITEMS = (
    data.shapes(data.load("digits").subset(130), images=(16, 4), scale=(1.5, 3.0), instances=instances)
    for instances in (False, True)
)
SOURCES = {
    **dict.fromkeys(("airbench", "architectures"), LARGE),
    "detect": ITEMS,
    "transfer_boxes": CANVASES,
    "prices": prices.priced(SOURCE),
    "points": pointing.centers(data.load("digits").subset(130)),
    "ordinal": data.fake(train=128, test=16, classes=13),
    **dict.fromkeys(("segment", "transfer"), segmenting.only_masks(CANVASES)),
    "augment": augmentation.tinted(data.load("digits").subset(130)),
}
NOT_RUN = ("architectures",)
STACKED = ("efficient", "refinements", "tweaks")  # of the rungs of bag_of_tricks, whose steps test_main traces
TRACED = {  # where the other settings have the same rows, or a step does not depend on what they change
    "activations": "no norm",
    "architectures": ("baseline", "LeNet"),  # tests/models traces all families
    "batch_size": "equal epochs",
    "detect": ("baseline", "anchor-free", "peaks", "mirrored view, fused", "copy-paste", "mosaic"),
    "points": ("baseline", "soft-argmax", "peak and offset"),
    "suggest": "fashion: ",
    "dead_units": "rate x1",
    "finetune": "little, similar",
    "normalization": ("batch 2", "batch 32: ghost"),
    "preprocess": "no norm",
    "segment": ("pyramid", "mixup"),
    "transfer": "mixup",
    "transfer_boxes": "mixup",
    "schedules": ("no warm-up: baseline", "no warm-up: plateaus"),
}
SHARED = {
    *("little, different: from scratch", "much, different: from scratch"),  # they know no source
    "equal steps: baseline",  # of batch_size: as many epochs as steps
}


@pytest.fixture(scope="module", autouse=True)
def untrained_weights(tmp_path_factory):
    """Weights and images of both sources where finetune looks for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "CACHE", tmp_path_factory.mktemp("cache"))
        patch.setattr(transferring, "CACHE", pretraining.CACHE)
        preset = MODULES["finetune"].PRESETS["quick"]
        given = {
            "lr": preset.lr,
            "batch": preset.batch,
            "epochs": preset.epochs,
            "augmented": None,
            "task": tasks.classification(10),
        }
        recipe = with_weights(model=cli.network(preset.model, SOURCE), **given)
        variables = recipe.model(classes=4, channels=3).init(jax.random.key(0))
        for name in ("similar", "different"):
            path = pretraining.weights_of(recipe, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            init.save_pretrained(variables, path)
            for images in pretraining.NEIGHBOURS:
                for number, by in enumerate(pretraining.FEATURES):
                    chosen = SOURCE.train["image"][number : number + 8]
                    drawn = {"images": chosen, "labels": np.arange(8) % 4, "classes": 10}
                    np.savez(pretraining.borrowed_of(recipe, name, images, by=by), **drawn)
        grey = cli.network(preset.model, SOURCE)(classes=10, channels=1).init(jax.random.key(0))
        for name in transferring._SOURCES:
            transferring.keep(transferring.weights_of("untrained", name), [grey, grey])
        yield


def table(module):
    return getattr(module, "SETTINGS", None) or module.LADDER


def rows(module):
    preset = module.PRESETS["quick"]
    baseline = BASELINES.get(module.__name__.removeprefix("experiments."), bag.modern)
    given = {"lr": preset.lr, "batch": preset.batch, "epochs": preset.epochs, "task": tasks.classification(10)}
    recipe = baseline(augmented=bag.augmentation(SOURCE), model=cli.network(preset.model, SOURCE), **given)
    mode = "stack" if module.__name__.removeprefix("experiments.") in STACKED else "add-one"
    if isinstance(next(iter(table(module).values())), Setting):
        return ablation.settings_grid(recipe, table(module), mode=mode)
    return ablation.variants(recipe, table(module), mode=mode)


def step_shapes(recipe, source):
    """The loss of one training step, traced and not run."""
    model = train.build_model(recipe, source)
    tx = optax.with_extra_args_support(recipe.optimizer(optax.constant_schedule(0.1)))
    prepare, update = train.make_step(recipe, model, tx)
    stats = recipe.preprocess[0](source.train["image"])
    columns = {name: jnp.asarray(source.train[name]) for name in source.train.columns}
    constants = {"preprocess": stats, "data": columns}
    index = jax.ShapeDtypeStruct((16,), jnp.int32)

    def both(key, batch):
        state = train.create_state(recipe, model, tx, key)
        return update(state, prepare(key, state.step, batch, constants), constants)

    return jax.eval_shape(both, jax.random.key(0), {"index": index, "epoch": index})


def _as_trained(recipe):
    """The recipe without what it reports: rows of detect that differ in their metrics alone train by one step."""
    return [getattr(recipe, field.name) for field in fields(recipe) if field.name != "task"] + [recipe.task.encode]


@pytest.mark.parametrize("name", [name for name in TABLES if name != "bag_of_tricks"])
def test_every_row_is_a_change_that_can_be_traced(name):
    found = rows(TABLES[name])
    assert len({row.name for row in found}) == len(found)
    seen, traced = set(), set()
    for row in found:
        told, trained = fingerprint([row.recipe, row.data]), fingerprint([_as_trained(row.recipe), row.data])
        assert told not in seen or row.name in SHARED, f"{row.name} is a row that is there already"
        again, traced = trained in traced, traced | {trained}
        seen.add(told)
        here = name not in STACKED and row.name.startswith(TRACED.get(name, "")) and not again
        if here and row.recipe.teacher is None:
            assert step_shapes(row.recipe, SOURCES.get(name, SOURCE))[1]["loss"].shape == ()


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("recipes", *NOT_RUN)])
def test_the_docstring_names_command_and_figures(name):
    text = " ".join(TABLES[name].__doc__.split())
    assert f"python -m experiments.{name}" in text
    assert re.search(r"\d paired seeds|\d seeds", text)
    assert "two cores of an" in text
    assert len(re.findall(r"[+-]\d+\.\d\d \[[+-]\d+\.\d\d, [+-]\d+\.\d\d\]", text)) >= 3


@pytest.mark.parametrize("name", NOT_RUN)
def test_an_experiment_that_is_not_run_says_so(name):
    assert not (RESULTS / name).exists()
    assert "not run" in TABLES[name].__doc__.lower()


@pytest.mark.parametrize("name", [name for name in TABLES if (RESULTS / f"{name}/report.md").exists()])
def test_the_docstring_holds_every_row_of_the_report(name):
    """Variant, expected, accuracy, difference with interval, verdict; the time, too, where it was measured alone."""
    report = (RESULTS / f"{name}/report.md").read_text(encoding="utf-8").split("## Papers")[0]
    lines = {" ".join(line.split()) for line in TABLES[name].__doc__.splitlines()}
    count = 0
    for line in report.splitlines():
        cells = [cell.replace("\\", "").replace("\N{MINUS SIGN}", "-").strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[0] not in ("variant", "---"):
            variant, expected, accuracy, difference, _, verdict, time = cells
            told = (variant, expected, accuracy, difference, verdict, time.replace("\N{MULTIPLICATION SIGN}", "x"))
            words = [cell for cell in told if cell != "\N{EN DASH}"]
            row, untimed = (" ".join(" ".join(some).split()) for some in (words, words[:-1]))
            assert row in lines or untimed in lines, row
            count += 1
    assert count > 3


def test_a_setting_is_measured_against_itself():
    names = {row.name: row.reference for row in rows(MODULES["losses"])}
    assert names["40 % wrong: GCE"] == "40 % wrong: baseline"
    assert names["40 % wrong: baseline"] is None
    assert "20 % wrong: hinge" not in names


def test_under_and_only_choose_settings_and_tricks():
    settings = MODULES["losses"].LADDER
    chosen = cli.under(settings, cli.Options(under=("40 % wrong",), only=("GCE", "ramp")))
    assert {name: list(setting.ladder) for name, setting in chosen.items()} == {"40 % wrong": ["ramp", "GCE"]}
    with pytest.raises(cli.UsageError, match="Perhaps you meant '40 % wrong'"):
        cli.under(settings, cli.Options(under=("40 % wron",)))
    with pytest.raises(cli.UsageError, match="no such trick"):
        cli.under(settings, cli.Options(under=("40 % wrong",), only=("hinge",)))


def test_turned_images_are_turned_by_their_label():
    source = data.load("digits").subset(130)
    turned = ordinal.turned(source)
    assert turned.classes == 13
    counts = np.bincount(turned.train["label"])
    assert counts.max() - counts.min() <= 1
    middle = np.flatnonzero(turned.train["label"] == 6)[:10]  # at most five degrees
    far = np.flatnonzero(turned.train["label"] == 12)[:10]
    change = [np.abs(turned.train["image"][i].astype(int) - source.train["image"][i]).mean() for i in (middle, far)]
    assert 3 * change[0] < change[1]
    image, moved = (jnp.asarray(d.train["image"][far[0]] / np.float32(255)) for d in (source, turned))
    off = [np.abs(other - image)[2:6, 2:6].mean() for other in (augment.rotate(moved, -60.0), moved)]
    assert off[0] < 0.6 * off[1]


def test_the_ordinal_task_reports_degrees():
    logits = jnp.log(jnp.array([[0.5, 0.5] + [1e-9] * 11, [0.1, 0.9] + [1e-9] * 11, [1e-9] * 12 + [1.0]]))
    found = ordinal.error_in_degrees((logits, {}), {"label": jnp.array([0, 1, 11])})
    np.testing.assert_allclose(found, [5, 1, 10], atol=1e-4)
    task = ordinal.task()
    assert (task.headline, task.metrics["MAE"].unit, task.metrics["MAE"].better) == ("MAE", "\N{DEGREE SIGN}", "lower")


def test_grey_images_are_tinted_each_in_its_colour():
    grey, tinted = data.load("digits").subset(130), SOURCES["augment"]
    assert augmentation.tinted(tinted) is tinted
    levels, colored = (d.train["image"].astype(float) for d in (grey, tinted))
    np.testing.assert_array_equal(tinted.train["label"], grey.train["label"])
    bright = levels[..., 0] > 100
    hue = np.stack(
        [
            (image / np.maximum(level, 1))[mask].mean(0)
            for image, level, mask in zip(colored, levels, bright, strict=True)
        ]
    )
    for image, level, color, mask in zip(colored, levels, hue, bright, strict=True):
        np.testing.assert_allclose(image[mask], (level * color)[mask], atol=1.5)
    assert hue.std(0).min() > 0.1
    assert hue.min() > 0.28


def test_stages_draw_by_their_names_alone():
    """Adding one does not shift the draws of the others."""
    stages = {"crop": augment.each(augment.random_pad_crop), "flip": augment.each(augment.random_flip)}
    base = bag.bare(
        task=tasks.classification(10), augmented=None, model=cli.NETWORKS["plain_mini"], lr=0.1, batch=8, epochs=1
    )
    once = augmentation.augmented(base, **stages)
    twice = augmentation.augmented(augmentation.augmented(base, crop=stages["crop"]), flip=stages["flip"])
    reverse = augmentation.augmented(once, nothing=lambda key, batch: batch)
    batch = {"image": jnp.asarray(SOURCE.train["image"][:16] / np.float32(255))}
    wanted = augment.chain(**stages)(jax.random.key(3), batch)["image"]
    for recipe in (once, twice, reverse):
        np.testing.assert_array_equal(recipe.augment(jax.random.key(3), batch)["image"], wanted)
    with pytest.raises(ValueError, match=r"^steps are crop; allowed: none of crop, flip"):
        augmentation.augmented(once, crop=stages["crop"])
    with pytest.raises(ValueError, match=r"^recipe\.augment is "):
        augmentation.augmented(replace(base, augment=lambda key, batch: batch), **stages)


def test_fixres_trains_small_and_then_tunes_all_but_the_convolutions():
    base = bag.bare(
        task=tasks.classification(10), augmented=None, model=cli.NETWORKS["resnet_digits"], lr=0.1, batch=16, epochs=4
    )
    small = augmentation.smaller(base, size=11)
    batch = {"image": jnp.asarray(SOURCE.train["image"][:4] / np.float32(255))}
    assert small.augment(jax.random.key(0), batch)["image"].shape == (4, 11, 11, 3)
    assert step_shapes(small, SOURCE)[1]["loss"].shape == ()
    tuned = augmentation.fix_resolution(small, epochs=1, lr=0.01)
    assert (tuned.augment, tuned.epochs, tuned.lr) == (None, 1, 0.01)
    params, _ = train.build_model(tuned, SOURCE).init(jax.random.key(0))
    tx = tuned.optimizer(optax.constant_schedule(0.1))
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    moved = {path: bool((leaf != 0).any()) for path, leaf in leaves(updates)}
    assert {path for path, change in moved.items() if change} == {
        path for path in moved if path.startswith("head/") or "/bn/" in path or "/last_bn/" in path
    }
    assert len(set(moved.values())) == 2


def leaves(tree):
    return [("/".join(k.key for k in path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]]
