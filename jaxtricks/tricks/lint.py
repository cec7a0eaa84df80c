"""Parts of a recipe that work against each other: each pair that is known to, with the reason."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks.fingerprint import describe
from jaxtricks.train.recipe import Recipe


class RecipeWarning(UserWarning):
    """Parts of a recipe work against each other; the message names the fields and says why."""


@dataclass(frozen=True)
class Conflict:
    """Two parts of a recipe that work against each other.

    Fields:
      fields: of the recipe.
      why: in a sentence.
    """

    fields: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"{' and '.join(f'recipe.{name}' for name in self.fields)}: {self.why}"


def conflicts(recipe: Recipe, variables: tuple[Any, Any]) -> tuple[Conflict, ...]:
    """What is known to go wrong with this combination of parts.

    A trick is recognised by the names of the functions that the recipe is made of, averaged weights by the optimiser's
    state, and decay of frozen leaves by what it does to them.

    Args:
      recipe: the whole recipe.
      variables: ``(params, stats)`` of its model, arrays or shapes.

    Returns:
      The conflicts, none if all is well.
    """
    params, stats = variables
    told = {name: json.dumps(describe(getattr(recipe, name))) for name in recipe.__dataclass_fields__}

    def has(field: str, *names: str) -> bool:
        return any(name in told[field] for name in names)

    normalised = bool(jax.tree.leaves(stats))
    smoothed = has("targets", "smooth_labels")
    found = []

    def add(wrong: bool, fields: str, why: str) -> None:
        if wrong:
            found.append(Conflict(tuple(fields.split()), why))

    add(
        (smoothed and has("augment", *MIXING)) or has("mix", "smooth_labels"),
        "targets mix" if has("mix", "smooth_labels") else "augment targets",
        "targets are smoothed after they were mixed; smooth in targets and mix in mix.",
    )
    add(
        smoothed and has("loss", "binary_cross_entropy"),
        "loss targets",
        "every class of smoothed targets is a positive of alpha / C to binary losses; use losses.bce_targets.",
    )
    add(
        normalised and any(name in _states(recipe.optimizer, params) for name in AVERAGING),
        "optimizer model",
        "weights are averaged and batch statistics are not; recalibrate them (layers.recalibrate) before evaluating.",
    )
    add(
        isinstance(recipe.ema, float) and normalised and _momentum(told["model"]) > recipe.ema,
        "ema model",
        "the statistics of batch normalisation follow more slowly than the averaged weights; recalibrate them "
        "(layers.recalibrate), or give batch normalisation a smaller momentum.",
    )
    add(
        has("gradient", ".sam") and "float16" in recipe.precision[:2],
        "gradient precision",
        "SAM divides by the norm of a float16 gradient, which overflows with a loss scale and vanishes without; "
        "use bfloat16 or float32.",
    )
    add(
        has("gradient", ".accumulate") and normalised,
        "gradient model",
        "batch statistics are those of a microbatch: the step is not that of the large batch.",
    )
    add(
        has("init", "zero_gamma") and not any("last_bn" in jax.tree_util.keystr(path) for path, _ in _leaves(params)),
        "init model",
        "the model has no residual blocks whose last scale could start at zero.",
    )
    decayed = _decayed_though_frozen(recipe.optimizer, params)
    add(
        bool(decayed),
        "optimizer",
        f"{', '.join(decayed[:3])}{' ...' if len(decayed) > 3 else ''} get no gradient, yet are decayed; "
        "put the decay inside optim.freeze.",
    )
    add(
        has("preprocess", "jaxtricks.augment."),
        "preprocess augment",
        "preprocess is applied in evaluation too; what augments belongs into augment.",
    )
    return tuple(found)


def _momentum(model: str) -> float:
    """The largest momentum of batch normalisation that the description of a model names; 0 if it names none."""
    return max((float(found) for found in re.findall(r'"momentum": "([0-9.e+-]+)"', model)), default=0.0)


AVERAGING = ("[LookaheadState]", "[ScheduleFreeState]")
MIXING = ("mix.mixup", "mix.cutmix", "mix_pairs", "cut_pairs")


def _leaves(tree: Any) -> list:
    return jax.tree_util.tree_flatten_with_path(tree)[0]


def _tiny(params: Any) -> Any:
    """One number for each leaf, of the same rank, and so small that no limit of a norm holds it."""
    return jax.tree.map(lambda leaf: jnp.full((1,) * len(leaf.shape), 1e-3), params)


def _states(optimizer: Callable, params: Any) -> str:
    """The types that the state of an optimiser is made of, as text."""
    return str(jax.tree.structure(jax.eval_shape(optimizer(optax.constant_schedule(1.0)).init, _tiny(params))))


def _decayed_though_frozen(optimizer: Callable, params: Any) -> list[str]:
    """Leaves whose update is not zero and yet the same for a gradient and its opposite, on numbers of the same rank."""
    tiny = _tiny(params)
    tx = optax.with_extra_args_support(optimizer(optax.constant_schedule(1.0)))
    state = tx.init(tiny)
    given = {"value": jnp.float32(1), "loss": jnp.float32(1)}
    up, down = (tx.update(jax.tree.map(lambda p, s=s: s * p, tiny), state, tiny, **given)[0] for s in (0.5, -0.5))
    return [
        "/".join(str(getattr(k, "key", k)) for k in path)
        for (path, a), (_, b) in zip(_leaves(up), _leaves(down), strict=True)
        if bool(jnp.all(a == b)) and bool(jnp.any(a != 0))
    ]
