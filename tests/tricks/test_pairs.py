"""Tricks of the optimiser compose: in every ordered pair both are there, and the mask of the decay, and all act.

The reference is put together by hand from optax and ``optim``: what is done to the gradient, decay, the optimiser, what
is done to the update, and what is around, in the order in which the tricks came.
"""

import functools
import itertools
import json
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import models, optim, tasks
from jaxtricks.fingerprint import describe
from jaxtricks.tricks import augmentation as a
from jaxtricks.tricks import bag, composing, finetuning, objectives, regularizers
from jaxtricks.tricks import optimizers as o

DRAWS = np.random.default_rng(0)
SHAPES = {
    "conv": {"kernel": (3, 3, 2, 4)},
    "bn": {"bias": (4,)},
    "head": {"kernel": (4, 3), "bias": (3,)},
}
PARAMS = jax.tree.map(
    lambda shape: jnp.asarray(DRAWS.normal(size=shape), jnp.float32), SHAPES, is_leaf=lambda x: isinstance(x, tuple)
)
LOSSES = (1.0, float("nan"), 1.0)  # so that the second step is one to skip
GRADIENTS = [jax.tree.map(lambda p: jnp.asarray(DRAWS.normal(size=p.shape), jnp.float32), PARAMS) for _ in LOSSES]
RATE = optax.linear_schedule(0.1, 0.05, 5)
SGD = partial(optax.sgd, momentum=0.9, nesterov=True)


@dataclass(frozen=True)
class Case:
    """A trick, and the same by hand.

    Fields:
      change: ``Recipe -> Recipe``.
      words: what ``describe`` says of it.
      slot: ``before``, ``after``, ``around``, ``core`` or ``decay``.
      by_hand: a transformation, a wrapper, ``rate -> transformation``, or the settings of the decay.
      sets: parts of the optimiser that it sets.
      plain: whether decay may act outside of the core.
    """

    change: object
    words: str
    slot: str
    by_hand: object
    sets: frozenset = frozenset()
    plain: bool = True


def core(words, core, **parts):
    plain = parts.get("decay") is not composing.own
    return Case(
        partial(composing.exchange, core=core, **parts), words, "core", core, frozenset({"core", *parts}), plain
    )


def decay(words, **parts):
    return Case(partial(composing.weight_decay, **parts), words, "decay", parts, frozenset(parts))


def around(change, words, wrap):
    return Case(change, words, "around", wrap)


def scheduled(recipe, *, change):
    """A trick without its change of rate and schedule, which are not the optimiser's."""
    return replace(recipe, optimizer=change(recipe).optimizer)


def schedule_free(rate):
    return optax.contrib.schedule_free(optax.sgd(rate), rate, 0.9)


CASES = {
    "heavy ball": core('"momentum": "0.8"', partial(optax.sgd, momentum=0.8)),
    "momentum 0.5 to 0.9": core("rising_momentum", partial(o.rising_momentum, first=0.5, last=0.9, steps=3)),
    "Adagrad": core("adagrad", optax.adagrad),
    "Adadelta": core("adadelta", optax.adadelta),
    "RMSProp": core("rmsprop", optax.rmsprop),
    "Adam": core("adam", optax.adam),
    "LARS": core("lars", optax.lars),
    "LAMB": core("lamb", optax.lamb, decay=composing.own),
    "Muon": core("muon", o.muon, decay=composing.own),
    "Adam, then SGD": core("adam_then_sgd", partial(o.adam_then_sgd, at=1, share=0.1)),
    "schedule-free": Case(
        partial(scheduled, change=partial(o.schedule_free, times=1.0)),
        "_schedule_free_sgd",
        "core",
        schedule_free,
        frozenset({"core", "evaluate"}),
    ),
    "no decay": decay('"weight": "0.0"', weight=0.0),
    "decay 1e-1": decay('"weight": "0.1"', weight=0.1),
    "decay by turns": decay('"turns": "1"', weight=0.1, turns=1),
    "decoupled decay": decay("composing.decoupled", weight=0.1, decay=composing.decoupled),
    "centralised": Case(o.centralized, "centralize", "before", optim.centralize()),
    "adaptive clipping": Case(o.adaptive_clip, "adaptive_grad_clip", "before", optax.adaptive_grad_clip(0.02)),
    "clipping": Case(partial(o.clip_norm, limit=0.1), "clip_by_global_norm", "before", optax.clip_by_global_norm(0.1)),
    "gradient noise": Case(
        partial(regularizers.gradient_noise, eta=0.01, gamma=0.5),
        "add_noise",
        "before",
        optax.add_noise(0.01, 0.5, key=0),
    ),
    "max norm": Case(partial(regularizers.max_norm, limit=0.7), "max_norm", "after", optim.max_norm(0.7)),
    "lookahead": around(
        partial(o.lookahead, sync_period=2),
        "lookahead",
        partial(optim.lookahead, sync_period=2, slow_step_size=0.5),
    ),
    "skipped spikes": around(
        partial(o.skip_spikes, window=2, deviations=1.0),
        "skip_spikes",
        partial(optim.skip_spikes, window=2, deviations=1.0),
    ),
    "frozen convolutions": around(
        partial(composing.around, wrap=a.without_convolutions),
        "without_convolutions",
        lambda tx: optim.freeze(tx, "conv/"),
    ),
    "frozen normalisation": around(
        partial(composing.around, wrap=partial(finetuning.frozen_parts, patterns=("bn/",))),
        "frozen_parts",
        lambda tx: optim.freeze(tx, "bn/"),
    ),
    "rates by layer": around(
        partial(composing.around, wrap=partial(optim.layerwise_decay, layers=("conv", "bn", "head"), decay=0.5)),
        "layerwise_decay",
        lambda tx: optim.layerwise_decay(tx, ("conv", "bn", "head"), decay=0.5),
    ),
    "unfreezing": around(
        partial(composing.around, wrap=partial(optim.unfreeze_at, steps={"head": 1})),
        "unfreeze_at",
        lambda tx: optim.unfreeze_at(tx, {"head": 1}),
    ),
    "centres": around(
        partial(composing.around, wrap=partial(objectives.centers_apart, rate=0.5)),
        "centers_apart",
        lambda tx: optim.by_path({"^centers$": optax.sgd(0.5), "": tx}),
    ),
}
PAIRS = list(itertools.permutations(CASES, 2))


def baseline():
    model = partial(models.plain, (4,))
    recipe = bag.standard(
        task=tasks.classification(10), augmented=None, model=model, lr=0.1, batch=8, epochs=1, weight_decay=0.05
    )
    return bag.no_bias_decay(recipe)


def stacked(*names):
    recipe = baseline()
    for name in names:
        recipe = CASES[name].change(recipe)
    return recipe


def tree(names):
    """Parameters and gradients, with centres where one of the tricks needs them."""
    trees = PARAMS, *GRADIENTS
    return tuple(t | {"centers": t["head"]["kernel"]} for t in trees) if "centres" in names else trees


def updates(tx, names):
    """Of three steps, or the error of the first; hardly compiled, for hundreds of programs would be run once each."""
    params, *gradients = tree(names)
    tx = optax.with_extra_args_support(tx)
    with jax.disable_jit("gradient noise" not in names):
        try:
            state, seen = tx.init(params), []
        except ValueError as error:
            return str(error)
        for gradient, loss in zip(gradients, LOSSES, strict=True):
            update, state = tx.update(gradient, state, params, loss=jnp.float32(loss))
            params = optax.apply_updates(params, update)
            seen.append(update)
    return seen


@functools.cache
def alone(name, beside):
    """Of one trick, on the tree and compiled as of a pair with those of ``beside``."""
    return updates(stacked(name).optimizer(RATE), (name, *beside))


def by_hand(*names):
    """The chain that the tricks stand for, the mask of the decay included."""
    cases = [CASES[name] for name in names]
    settings, make = {"weight": 0.05, "decay": composing.coupled, "turns": None}, SGD
    for case in cases:
        if case.slot == "decay":
            settings |= case.by_hand
        elif case.slot == "core":
            make = case.by_hand
            settings |= {} if case.plain else {"decay": composing.own}
    weight = settings["weight"]

    def masks(params):
        return jax.tree.map(lambda leaf: leaf.ndim > 1, params)

    def decayed(scale):
        tx = optax.chain(optax.scale(scale), optax.add_decayed_weights(weight, masks))
        return tx if settings["turns"] is None else optim.alternate(tx, optax.scale(scale), every=1)

    before = [case.by_hand for case in cases if case.slot == "before"]
    after = [case.by_hand for case in cases if case.slot == "after"]
    if settings["decay"] is composing.own:
        middle = [make(RATE, weight_decay=weight, mask=masks)]
    elif settings["decay"] is composing.coupled:
        middle = [decayed(1.0), make(RATE)]
    else:
        middle = [summed(make(RATE), optax.chain(decayed(0.0), optax.scale_by_learning_rate(RATE)))]
    tx = optax.chain(*before, *middle, *after)
    for case in cases:
        if case.slot == "around":
            tx = case.by_hand(tx)
    return tx


def summed(first, second):
    """The sum of what two transformations make of a gradient."""
    first, second = optax.with_extra_args_support(first), optax.with_extra_args_support(second)

    def update(updates, state, params, **extra):
        one, left = first.update(updates, state[0], params, **extra)
        two, right = second.update(updates, state[1], params, **extra)
        return jax.tree.map(jnp.add, one, two), (left, right)

    return optax.GradientTransformationExtraArgs(lambda p: (first.init(p), second.init(p)), update)


def clash(first, second):
    """Whether the second trick would drop the first one, or cannot act with it."""
    one, two = CASES[first], CASES[second]
    shared = one.sets & two.sets
    if one.slot == two.slot == "decay":
        return any(one.by_hand[name] != two.by_hand[name] for name in shared)
    moved = {"turns", "decay"} & (one.sets | two.sets)
    return bool(shared) or (not (one.plain and two.plain) and bool(moved & {"turns"}))


def equal(left, right):
    if isinstance(right, str):  # alone it takes no such tree
        return False
    return all(bool(jnp.array_equal(x, y)) for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True))


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{x} & {y}" for x, y in PAIRS])
def test_both_and_the_mask_are_there_and_act(first, second):
    if clash(first, second):
        with pytest.raises(ValueError, match=r"^optimizer\.\w+ is .*; allowed: "):
            stacked(first, second)
        return
    recipe = stacked(first, second)
    told = json.dumps(describe(recipe.optimizer))
    for words in (CASES[first].words, CASES[second].words, "decay_mask"):
        assert words in told
    names = (first, second)
    beside = tuple(
        name for name in ("centres", "gradient noise") if name in names
    )  # what the tree and compiling look at
    found, wanted = updates(recipe.optimizer(RATE), names), updates(by_hand(*names), names)
    if isinstance(wanted, str):  # a pattern that finds nothing where the other trick hides its leaves
        assert found == wanted
        return
    jax.tree.map(partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-7), found, wanted)
    both_decays = CASES[first].slot == CASES[second].slot == "decay"
    assert both_decays or not any(equal(found, alone(name, beside)) for name in names)
    still = updates(replace(recipe.optimizer, weight=0.0)(RATE), names)
    for group in ("bn", "head"):  # in the first step: the biases get no decay, the kernel of the head does
        np.testing.assert_allclose(found[0][group]["bias"], still[0][group]["bias"], rtol=1e-6, atol=1e-9)
    decays = recipe.optimizer.weight != 0
    assert decays != equal([u["head"]["kernel"] for u in found], [u["head"]["kernel"] for u in still])
