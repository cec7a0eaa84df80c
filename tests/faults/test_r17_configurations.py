"""Wrong configurations: a typed error that names what, what it was and what may be, before anything is compiled."""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import LAYOUT, dataset, recipe

from experiments.bag_of_tricks import LADDER, PRESETS
from jaxtricks import ablation, augment, data, init, models, optim, preprocess, tasks
from jaxtricks.ablation import cli
from jaxtricks.train import EarlyStopping, Plan, Precision, RecipeError, fit, mean_of
from jaxtricks.tricks import bag

COMPILED: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, seconds, **_: COMPILED.append(name) if name.endswith("backend_compile_duration") else None
)
SOURCE = dataset()
TASK = tasks.classification(10)
TEN = models.resnet(LAYOUT, classes=10)
SIX = models.resnet(LAYOUT, classes=6)


class Wrong(NamedTuple):
    """A configuration: what is done, what it raises, and what the message says."""

    do: callable
    error: type
    says: str


def made(error, says, **changes) -> Wrong:
    """A recipe that cannot even be made."""
    return Wrong(lambda tmp_path: recipe(**changes), error, says)


def given(error, says, *, source=SOURCE, changes=None, **arguments) -> Wrong:
    """A recipe that is well made, given to fit with these arguments."""
    return Wrong(lambda tmp_path: fit(recipe(**(changes or {})), source, **arguments), error, says)


def fits_not(says, *, source=SOURCE, plan=None, **changes) -> Wrong:
    """A recipe whose parts do not fit each other or the data."""
    return given(RecipeError, says, source=source, changes=changes, plan=plan)


def typed(says, error=cli.UsageError, **options) -> Wrong:
    """What may be typed on the command line."""

    def do(tmp_path):
        short = {
            "data": "digits",
            "model": "resnet_digits",
            "epochs": 1.0,
            "batch": 8,
            "seeds": 2,
            "out": tmp_path / "o",
        }
        options_ = cli.Options(**(short | options))
        cli.run("bag_of_tricks", options_, bag.standard, LADDER, PRESETS, title="Test")

    return Wrong(do, error, says)


def into_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    fit(recipe(), SOURCE, folder=tmp_path / "file" / "run")


def out_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    typed("", out=tmp_path / "file").do(tmp_path)


def only_logits(**options):
    return models.Model(TEN.init, lambda *args, **kwargs: TEN.apply(*args, **kwargs)[0][0])


def other_channels(**options):
    return models.resnet(LAYOUT, classes=10, channels=1)


def repeated(key, batch):
    return augment.repeat_batch(batch, times=2) | {"label": batch["label"]}


def relabelled(labels, part="train"):
    split = getattr(SOURCE, part)
    return dataclasses.replace(SOURCE, **{part: data.Split({"image": split["image"], "label": labels(split["label"])})})


def eleven(params):
    return params | {"head": params["head"] | {"bias": jnp.zeros(11)}}


def plateau(schedule):
    return optax.chain(optax.sgd(schedule), optax.contrib.reduce_on_plateau())


def forgetful():
    """A state that is float32 before the first step, and bfloat16 after it."""
    return optax.GradientTransformation(
        lambda params: (jnp.float32(0),), lambda updates, state, params=None: (updates, (jnp.bfloat16(0),))
    )


HELD_OUT = SOURCE.hold_out(0.25)
VARIABLES = jax.eval_shape(TEN.init, jax.eval_shape(lambda: jax.random.key(0)))
ZEROS = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), VARIABLES)
OTHERS = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), jax.eval_shape(SIX.init, jax.random.key(0)))
WIDE = jax.tree.map(
    lambda x: np.zeros(x.shape, x.dtype),
    jax.eval_shape(models.resnet(models.LAYOUTS["resnet_digits"], classes=10).init, jax.random.key(0)),
)

WRONG = {
    # a recipe by itself
    "unknown field": made(TypeError, "learning_rate", learning_rate=0.1),
    "unknown field, replaced": Wrong(lambda _: dataclasses.replace(recipe(), batch_size=8), TypeError, "batch_size"),
    "no model": made(TypeError, "recipe.model is None; allowed: a function", model=None),
    "loss by name": made(TypeError, "recipe.loss is 'cross_entropy'; allowed: a function", loss="cross_entropy"),
    "augment a number": made(TypeError, "recipe.augment is 3; allowed: a function or None", augment=3),
    "preprocess alone": made(
        TypeError, "recipe.preprocess is <function standardize", preprocess=preprocess.standardize
    ),
    "preprocess of one": made(TypeError, "allowed: a tuple of two functions", preprocess=(preprocess.standardize,)),
    "gradient alone": made(TypeError, "allowed: a tuple of functions", gradient=optim.sam),
    "gradient a number": made(TypeError, "recipe.gradient is (4,); allowed: a tuple of functions", gradient=(4,)),
    "precision by name": made(TypeError, "recipe.precision is 'bfloat16'; allowed: a Precision", precision="bfloat16"),
    "unknown dtype": made(
        ValueError,
        "recipe.precision.compute is 'bfloat15'; allowed: 'float32'",
        precision=Precision(compute="bfloat15"),
    ),
    "loss scale": made(
        ValueError, "recipe.precision.scale is -1; allowed: 1 to 16777216", precision=Precision(scale=-1)
    ),
    "loss scale out of range": made(
        ValueError, "scale is 1073741824.0; allowed: 1 to 16777216, or None", precision=Precision(scale=2.0**30)
    ),
    "teacher a dict": made(TypeError, "recipe.teacher is {}; allowed: a Recipe or None", teacher={}),
    "batch 0": made(ValueError, "recipe.batch is 0; allowed: an integer of 1 or more", batch=0),
    "batch a float": made(ValueError, "recipe.batch is 32.0; allowed: an integer", batch=32.0),
    "batch text": made(ValueError, "recipe.batch is '32'; allowed: an integer", batch="32"),
    "no epochs": made(ValueError, "recipe.epochs is 0; allowed: greater than 0", epochs=0),
    "epochs NaN": made(ValueError, "recipe.epochs is nan; allowed: greater than 0", epochs=float("nan")),
    "lr negative": made(ValueError, "recipe.lr is -0.1; allowed: greater than 0, finite", lr=-0.1),
    "lr NaN": made(ValueError, "recipe.lr is nan; allowed: greater than 0, finite", lr=float("nan")),
    "lr text": made(ValueError, "recipe.lr is '0.1'; allowed: greater than 0, finite", lr="0.1"),
    "unknown bn": made(ValueError, "recipe.bn is 'sync'; allowed: 'all', 'replica'", bn="sync"),
    "ema 1.5": made(ValueError, "recipe.ema is 1.5; allowed: greater than 0, less than 1", ema=1.5),
    "ema text": made(ValueError, "recipe.ema is '0.9'; allowed: greater than 0, less than 1", ema="0.9"),
    # a plan
    "unknown parallel": Wrong(lambda _: Plan(kind="ddp"), ValueError, "parallel is 'ddp'; allowed: 'jit'"),
    "unknown seeds_on": Wrong(lambda _: Plan(seeds_on="cpu"), ValueError, "seeds_on is 'cpu'; allowed: 'map'"),
    "pmap with vmap": Wrong(
        lambda _: Plan(kind="pmap", seeds_on="vmap"), ValueError, "parallel is 'pmap' with seeds_on 'vmap'; allowed"
    ),
    "no devices": Wrong(
        lambda _: Plan(devices=()), ValueError, "devices is (); allowed: a tuple of one device or more"
    ),
    # arguments of fit
    "recipe a dict": Wrong(lambda _: fit({}, SOURCE), TypeError, "recipe is {}; allowed: a Recipe"),
    "dataset an array": Wrong(lambda _: fit(recipe(), np.zeros(3)), TypeError, "allowed: a Dataset"),
    "plan by name": given(TypeError, "plan is 'pmap'; allowed: a Plan", plan="pmap"),
    "batch on four devices": given(
        ValueError, "batch is 30; allowed: a multiple of the 4 devices", changes={"batch": 30}
    ),
    "batch of too many": given(
        ValueError, "batch is 512; allowed: 1 to the 256 training images", changes={"batch": 512}
    ),
    "replica bn under jit": given(
        ValueError, "bn is 'replica' with parallel 'jit'; allowed", changes={"bn": "replica"}
    ),
    "no seeds": given(ValueError, "seeds is (); allowed: one or more", seeds=()),
    "seeds alike": given(ValueError, "seeds is (1, 1); allowed: one or more different", seeds=(1, 1)),
    "seed negative": given(ValueError, "seeds is (-1,); allowed: one or more different integers of 0", seeds=(-1,)),
    "seed a fraction": given(ValueError, "seeds is (0.5,); allowed", seeds=(0.5,)),
    "seed of 33 bits": given(ValueError, "seeds is (0, 4294967296); allowed", seeds=(0, 2**32)),
    "one seed": given(ValueError, "seeds is 3; allowed: one or more", seeds=3),
    "steps negative": given(
        ValueError, "max_nonfinite_steps is -1; allowed: an integer of 0 or more", max_nonfinite_steps=-1
    ),
    "steps text": given(ValueError, "max_nonfinite_steps is 'ten'; allowed: an integer", max_nonfinite_steps="ten"),
    "save_every 0": given(ValueError, "save_every is 0; allowed: an integer of 1 or more", save_every=0),
    "folder in a file": Wrong(into_a_file, ValueError, "file is a file"),
    "log no function": given(TypeError, "allowed: functions", log=("log.jsonl",)),
    "stop without validation": given(ValueError, "stop needs a validation split", stop=EarlyStopping()),
    "stop by name": given(TypeError, "stop is 'loss'; allowed: an EarlyStopping", source=HELD_OUT, stop="loss"),
    "stop at an unknown metric": given(
        ValueError, "stop.metric is 'top5'; allowed: 'accuracy', 'loss'", source=HELD_OUT, stop=EarlyStopping("top5")
    ),
    "stop with vmap": given(
        ValueError, "seeds_on 'map'", source=HELD_OUT, stop=EarlyStopping(), plan=Plan(seeds_on="vmap"), seeds=(0, 1)
    ),
    "stop mode": Wrong(lambda _: EarlyStopping(mode="least"), ValueError, "mode is 'least'; allowed: 'min', 'max'"),
    "stop after a fraction": Wrong(
        lambda _: EarlyStopping(patience=2.5), ValueError, "patience is 2.5; allowed: an integer of 1 or more"
    ),
    "stop without patience": Wrong(lambda _: EarlyStopping(patience=0), ValueError, "patience is 0; allowed"),
    "stop at least NaN": Wrong(
        lambda _: EarlyStopping(min_delta=float("nan")), ValueError, "min_delta is nan; allowed: 0"
    ),
    "stop at least for ever": Wrong(
        lambda _: EarlyStopping(min_delta=float("inf")), ValueError, "min_delta is inf; allowed"
    ),
    "teacher alone": given(ValueError, "teacher and recipe.teacher go together", teacher=ZEROS),
    "teacher missing": given(ValueError, "teacher and recipe.teacher go together", changes={"teacher": recipe()}),
    "teacher of six classes": given(
        RecipeError,
        "teacher holds 0/head/bias: float32[6]; allowed: float32[10]",
        changes={"teacher": recipe()},
        teacher=OTHERS,
    ),
    "teacher sees other images": given(
        ValueError,
        "recipe.teacher.preprocess differs",
        changes={"teacher": recipe(preprocess=(preprocess.center_fit, preprocess.standardize))},
        teacher=ZEROS,
    ),
    "initial of six classes": given(
        RecipeError, "initial holds 0/head/bias: float32[6]; allowed: float32[10]", initial=OTHERS
    ),
    "initial beside init": given(
        RecipeError,
        "recipe.init is given, and initial would undo it; allowed: one",
        changes={"init": partial(init.zero_last, pattern="head")},
        initial=ZEROS,
    ),
    "initial of another network": given(RecipeError, "initial holds 0/", initial=WIDE),
    "initial in half": given(
        RecipeError, "float16[10]; allowed: float32[10]", initial=jax.tree.map(lambda x: x.astype(np.float16), ZEROS)
    ),
    # data
    "label of no class": given(data.DataError, "label 0 is ", source=relabelled(lambda labels: labels + 10)),
    "label -1": given(
        data.DataError, "test label 0 is -1; allowed: 0 to 9", source=relabelled(lambda y: 0 * y - 1, "test")
    ),
    "images of another size": given(
        data.DataError, "train images are (256, 8, 8, 3); allowed", source=dataclasses.replace(SOURCE, shape=(9, 9, 3))
    ),
    # parts that do not fit
    "no network": fits_not("recipe.model gives 3; allowed: Model(init, apply)", model=lambda **_: 3),
    "model takes other arguments": fits_not("recipe.model raised TypeError", model=lambda layout: None),
    "model of other classes": fits_not("float32[32, 6]; allowed: floating point [32, 10]", model=lambda **_: SIX),
    "model of other channels": fits_not("recipe.model raised ", model=other_channels),
    "model without taps": fits_not("allowed: ((logits, taps), stats)", model=only_logits),
    "schedule takes other arguments": fits_not(
        "recipe.schedule raised TypeError", schedule=lambda peak: optax.constant_schedule(peak)
    ),
    "schedule is a number": fits_not("recipe.schedule", schedule=lambda peak, **_: peak),
    "schedule of two rates": fits_not("allowed: one number", schedule=lambda peak, **_: lambda n: jnp.ones(2)),
    "warm-up of a schedule that rises": fits_not(
        "recipe.schedule raised TypeError", schedule=optim.one_cycle, warmup=partial(optim.with_warmup, epochs=0.5)
    ),
    "warm-up longer than the run": given(
        ValueError, "allowed: 1 to 19 of 20", changes={"warmup": partial(optim.with_warmup, epochs=9)}
    ),
    "optimizer is a number": fits_not("recipe.optimizer gives 0.1; allowed: an optax", optimizer=lambda schedule: 0.1),
    "optimizer takes other arguments": fits_not("recipe.optimizer raised TypeError", optimizer=lambda: optax.sgd(0.1)),
    "optimizer of unknown parts": fits_not(
        "recipe.optimizer raised ValueError: transforms", optimizer=lambda s: optim.by_path({"nothing": optax.sgd(s)})
    ),
    "optimizer changes its state": fits_not(
        "recipe.optimizer gives the state 0: bfloat16[]; allowed: float32[]", optimizer=lambda schedule: forgetful()
    ),
    "plateau without validation": fits_not("allowed: a validation split", optimizer=plateau),
    "plateau without a loss": fits_not(
        "allowed: a validation split and a metric 'loss'",
        source=HELD_OUT,
        optimizer=lambda schedule: optim.freeze(plateau(schedule), "^stem/"),
        task=dataclasses.replace(TASK, metrics={"accuracy": TASK.metrics["accuracy"]}),
    ),
    "loss is one number": fits_not(
        "recipe.loss is float32[]; allowed: floating point [32]", loss=lambda params, out, batch: out[0].mean()
    ),
    "loss is a row": fits_not("recipe.loss is float32[32, 10]; allowed", loss=lambda params, out, batch: out[0]),
    "loss is whole": fits_not("recipe.loss is int32[32]; allowed", loss=lambda params, out, batch: batch["label"]),
    "loss of what is not there": fits_not(
        "recipe.loss raised KeyError: 'box'", loss=lambda params, out, batch: batch["box"]
    ),
    "no task": made(TypeError, "recipe.task is None; allowed: a Task", task=None),
    "no metrics": Wrong(lambda _: dataclasses.replace(TASK, metrics={}), TypeError, "metrics is {}; allowed: a dict"),
    "metric a function": Wrong(
        lambda _: dataclasses.replace(TASK, metrics={"loss": len}), TypeError, "metrics['loss'] is <built-in"
    ),
    "headline unknown": Wrong(
        lambda _: dataclasses.replace(TASK, headline="top5"), ValueError, "headline is 'top5'; allowed: 'loss'"
    ),
    "metric is one number": fits_not(
        "recipe.task.metrics['loss'] raised ValueError: it is float32[]; allowed: one number a row, [32]",
        task=dataclasses.replace(TASK, metrics={"loss": mean_of(lambda out, batch: out[0].mean())}, headline="loss"),
    ),
    "column missing": given(
        data.DataError, "train value is missing; allowed: a column of rank 1", changes={"task": tasks.regression()}
    ),
    "encode loses the images": fits_not(
        "recipe.task.encode gives ['label']; allowed: a batch, a dict with 'image'",
        task=dataclasses.replace(TASK, encode=lambda batch: {"label": batch["label"]}),
    ),
    "augment loses the images": fits_not(
        "recipe.augment gives ['label']; allowed: a batch, a dict with 'image'",
        augment=lambda key, batch: {"label": batch["label"]},
    ),
    "augment gives images only": fits_not(
        "recipe.augment gives float32[32, 8, 8, 3]; allowed: a batch", augment=lambda key, batch: batch["image"]
    ),
    "augment changes the batch": fits_not("recipe.augment, 'label', is int32[32]; allowed: 64 rows", augment=repeated),
    "augment of one image": fits_not("recipe.augment raised ", augment=augment.random_flip),
    "augment gives integers": fits_not(
        "recipe.augment gives images uint8", augment=lambda key, b: b | {"image": b["image"].astype(jnp.uint8)}
    ),
    "targets lose a class": fits_not("recipe.targets is float32[32, 9]; allowed", targets=lambda t: t[:, 1:]),
    "mix of pairs of an odd batch": fits_not(
        "allowed: an even batch",
        plan=Plan(devices=(jax.devices()[0],)),
        batch=31,
        mix=partial(augment.cutmix, per="pair"),
    ),
    "preprocess of grey images": fits_not(
        "recipe.preprocess[1] raised ValueError: stats.shift has shape (1,)",
        preprocess=(lambda images: preprocess.Affine(np.zeros(1), np.ones(1)), preprocess.standardize),
    ),
    "init loses a layer": fits_not("recipe.init gives ", init=lambda params: {"head": params["head"]}),
    "init of another size": fits_not("recipe.init gives head/bias: float32[11]; allowed: float32[10]", init=eleven),
    "init finds nothing": fits_not(
        "recipe.init raised ValueError: pattern is", init=partial(init.zero_last, pattern="top")
    ),
    "microbatches do not divide": fits_not(
        "recipe.gradient raised ValueError: n is 5; allowed: a divisor", gradient=(partial(optim.accumulate, n=5),)
    ),
    "gradient gives nothing": fits_not("recipe.gradient raised TypeError", gradient=(lambda function: None,)),
    "replicas of a batch that mixes": fits_not(
        "allowed: a multiple of 4 devices",
        plan=Plan(kind="shard_map"),
        augment=lambda key, batch: {name: x[:30] for name, x in batch.items()},
    ),
    # a ladder
    "unknown mode": Wrong(
        lambda _: ablation.variants(recipe(), {}, mode="stak"), ValueError, "mode is 'stak'; allowed: 'stack'"
    ),
    "no trick": Wrong(
        lambda _: ablation.variants(recipe(), {}, mode="stack"), ValueError, "0 tricks; allowed: 1 or more"
    ),
    "trick that does nothing": Wrong(
        lambda _: ablation.variants(recipe(), {"same": ablation.Trick(lambda r: r)}),
        ablation.SilentTrickError,
        "'same' left",
    ),
    # the command line
    "--preset": typed("--preset is 'quik'; allowed: 'quick'", preset="quik"),
    "--model": typed("--model is 'resnet5'; allowed: ", model="resnet5"),
    "--data": typed("nowhere.npz", data="nowhere.npz"),
    "--only": typed("--only is 'warmup'; allowed: ", only=("warmup",)),
    "--seeds": typed("--seeds is 0; allowed: greater than 0", seeds=0),
    "--epochs": typed("--epochs is nan; allowed: greater than 0", epochs=float("nan")),
    "--images": typed("--images is 3; allowed: 10 to", images=3),
    "--batch": typed("batch is 7; allowed: a multiple of the 4 devices", batch=7, seeds_on="map"),
    "--parallel with --seeds-on": typed("parallel is 'pmap' with seeds_on 'vmap'", parallel="pmap", seeds_on="vmap"),
    "--precision that is the trick": typed("'low precision' left the recipe as it was", precision="bfloat16"),
    "--out": Wrong(out_is_a_file, cli.UsageError, "--out is "),
}


PASSED: set[str] = set()


@pytest.mark.parametrize("name", WRONG)
def test_r17_a_typed_error_before_the_first_compilation(name, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "CACHE", tmp_path / "cache")
    jax.clear_caches()  # as in a new process
    wrong, before = WRONG[name], len(COMPILED)
    with pytest.raises(wrong.error) as caught:
        wrong.do(tmp_path)
    compiled = len(COMPILED) - before
    assert wrong.says in str(caught.value)
    assert compiled == 0, f"{compiled} programs were compiled before the error"
    assert isinstance(caught.value, (ValueError, TypeError))
    PASSED.add(name)


def test_r17_the_listener_hears_of_compilations(card):
    before = len(COMPILED)
    jax.jit(lambda x: x * 17.25 + before)(jnp.ones(3)).block_until_ready()
    assert len(COMPILED) > before
    if PASSED:  # in this process, before this test
        figure = f"{len(PASSED)} of {len(WRONG)}"
        card("r17", "wrong configurations with a typed error before the first compilation", figure)
