"""Parts of a recipe that work against each other: each pair that is known to, with the reason.

A part is recognised by what it is, not by what it is called: ``TAGS`` says of functions and of types of state what they
do, and a recipe is walked for these objects. ``declare`` says it of your own.
"""

import contextlib
import dataclasses
import functools
import inspect
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks import augment, init, losses, optim
from jaxtricks.optim._wrappers import LookaheadState
from jaxtricks.train import Recipe

__all__ = ["Conflict", "RecipeWarning", "conflicts", "declare", "tags", "warn"]

TAGS: dict[Any, frozenset[str]] = {
    **{value: frozenset({"augments"}) for value in map(vars(augment).get, augment.__all__) if inspect.isroutine(value)},
    **{mix: frozenset({"augments", "mixes"}) for mix in (augment.mixup, augment.cutmix)},
    **{mix: frozenset({"augments", "mixes"}) for mix in (augment.mix_pairs, augment.cut_pairs)},
    optax.smooth_labels: frozenset({"smooths"}),
    losses.smooth_labels_exclusive: frozenset({"smooths"}),
    optax.sigmoid_binary_cross_entropy: frozenset({"binary"}),
    optim.sam: frozenset({"divides by the norm"}),
    optim.accumulate: frozenset({"splits the batch"}),
    init.zero_gamma: frozenset({"zeroes last scales"}),
    LookaheadState: frozenset({"averages"}),
    optax.contrib.ScheduleFreeState: frozenset({"averages"}),
}


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


def declare(function: Callable, *names: str) -> None:
    """Say what a function of your own does, so that ``conflicts`` knows it; use it beside the definition.

    Args:
      function: or a type of optimiser state.
      *names: tags that ``TAGS`` uses: ``"augments"``, ``"mixes"``, ``"smooths"``, ``"binary"``, ``"averages"``,
        ``"divides by the norm"``, ``"splits the batch"``, ``"zeroes last scales"``.

    Raises:
      ValueError: if a tag is none of these.
    """
    allowed = frozenset().union(*TAGS.values())
    if unknown := set(names) - allowed:
        raise ValueError(f"names is {', '.join(sorted(unknown))}; allowed: {', '.join(sorted(allowed))}.")
    TAGS[function] = TAGS.get(function, frozenset()) | set(names)


def tags(part: Any) -> frozenset[str]:
    """What the functions do that a part of a recipe is made of.

    Args:
      part: a function, partial, closure, dataclass, container or object of these.

    Returns:
      Tags of ``TAGS``.
    """
    return frozenset().union(*(_of(value) for _, value in _walk("", part, set())))


def warn(recipe: Recipe, variables: tuple[Any, Any]) -> None:
    """Warn of what is known to go wrong with this combination of parts; call it before training.

    Args:
      recipe: the complete recipe.
      variables: ``(params, stats)`` of its model, arrays or shapes.

    Warns:
      RecipeWarning: once for each conflict.
    """
    for conflict in conflicts(recipe, variables):
        warnings.warn(str(conflict), RecipeWarning, stacklevel=2)


def conflicts(recipe: Recipe, variables: tuple[Any, Any]) -> tuple[Conflict, ...]:
    """What is known to go wrong with this combination of parts.

    A trick is recognised by the functions that the recipe is made of, averaged weights by the types of the optimiser's
    state, and decay of frozen leaves by what it does to them. What a function calls by a global name is not seen.

    Args:
      recipe: the complete recipe.
      variables: ``(params, stats)`` of its model, arrays or shapes.

    Returns:
      The conflicts, none if all is well.
    """
    params, stats = variables
    normalised = bool(jax.tree.leaves(stats))
    stale = normalised and recipe.recalibrate is None
    tags_of = {name: tags(getattr(recipe, name)) for name in recipe.__dataclass_fields__}

    def has(field: str, tag: str) -> bool:
        return tag in tags_of[field]

    smooths_in_mix = has("mix", "smooths")
    rows = [
        (
            (has("targets", "smooths") and has("augment", "mixes")) or smooths_in_mix,
            "targets mix" if smooths_in_mix else "augment targets",
            "targets are smoothed after they were mixed; smooth in targets and mix in mix.",
        ),
        (
            has("targets", "smooths") and has("loss", "binary"),
            "loss targets",
            "every class of smoothed targets is a positive of alpha / C to binary losses; use losses.bce_targets.",
        ),
        (
            stale and _averages(recipe.optimizer, params),
            "optimizer model",
            "weights are averaged and batch statistics are not; recalibrate them (layers.recalibrate) before "
            "evaluating.",
        ),
        (
            isinstance(recipe.ema, float) and stale and _momentum(recipe.model) > recipe.ema,
            "ema model",
            "the statistics of batch normalisation follow more slowly than the averaged weights; recalibrate them "
            "(layers.recalibrate), or give batch normalisation a smaller momentum.",
        ),
        (
            has("gradient", "divides by the norm") and "float16" in recipe.precision[:2],
            "gradient precision",
            "SAM divides by the norm of a float16 gradient, which overflows with a loss scale and vanishes without; "
            "use bfloat16 or float32.",
        ),
        (
            has("gradient", "splits the batch") and normalised,
            "gradient model",
            "batch statistics are those of a microbatch: the step is not that of the large batch.",
        ),
        (
            has("init", "zeroes last scales") and not any("last_bn" in path for path, _ in _leaves(params)),
            "init model",
            "the model has no residual blocks whose last scale could start at zero.",
        ),
        (
            bool(decayed := _decayed_though_frozen(recipe.optimizer, params)),
            "optimizer",
            f"{', '.join(decayed[:3])}{' ...' if len(decayed) > 3 else ''} get no gradient, yet are decayed; "
            "put the decay inside optim.freeze.",
        ),
        (
            has("preprocess", "augments"),
            "preprocess augment",
            "preprocess is applied in evaluation too; what augments belongs into augment.",
        ),
    ]
    return tuple(Conflict(tuple(fields.split()), why) for wrong, fields, why in rows if wrong)


def _of(value: Any) -> frozenset[str]:
    """The tags of one object itself."""
    try:
        return TAGS.get(value, frozenset())
    except TypeError:  # it has no hash, and so no tags
        return frozenset()


def _walk(name: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """A value and all that it is made of, each with the name under which it is there."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield name, value
    for inner_name, inner in _inside(value):
        yield from _walk(inner_name, inner, seen)


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value is made of, by name: arguments, what a function closed over, fields, entries."""
    if isinstance(value, functools.partial):
        yield "", value.func
        yield from (("", part) for part in value.args)
        yield from value.keywords.items()
    elif isinstance(value, types.FunctionType):
        for cell_name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # a cell may still be empty
                yield cell_name, cell.cell_contents
        signature = inspect.signature(value, follow_wrapped=False).parameters.values()
        yield from ((p.name, p.default) for p in signature if p.default is not p.empty)
    elif isinstance(value, types.MethodType):
        yield from (("", value.__func__), ("", value.__self__))
    elif callable(inner := getattr(value, "__wrapped__", None)):
        yield "", inner
    elif isinstance(value, Mapping):
        yield from ((str(name), part) for name, part in value.items())
    elif isinstance(value, (tuple, list, set, frozenset)):
        yield from (("", part) for part in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    elif not isinstance(value, (type, types.ModuleType)):
        yield from getattr(value, "__dict__", {}).items()


def _momentum(model: Callable) -> float:
    """The largest momentum of batch normalisation that a model is made with; 0 if it names none."""
    parts = (value for name, value in _walk("", model, set()) if name == "momentum")
    return max((float(value) for value in parts if isinstance(value, (int, float))), default=0.0)


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    """Leaves with their paths."""
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in paths]


def _tiny(params: Any) -> Any:
    """One number for each leaf, of the same rank, and so small that no limit of a norm holds it."""
    return jax.tree.map(lambda leaf: jnp.full((1,) * len(leaf.shape), 1e-3), params)


def _averages(optimizer: Callable, params: Any) -> bool:
    """Whether a part of the optimiser's state is of a type that averages weights."""

    def averages(node: Any) -> bool:
        return "averages" in _of(type(node))

    state = jax.eval_shape(optimizer(optax.constant_schedule(1.0)).init, _tiny(params))
    return any(map(averages, jax.tree.leaves(state, is_leaf=averages)))


def _decayed_though_frozen(optimizer: Callable, params: Any) -> list[str]:
    """Leaves whose update is not zero and yet the same for a gradient and its opposite, on numbers of the same rank."""
    tiny = _tiny(params)
    tx = optax.with_extra_args_support(optimizer(optax.constant_schedule(1.0)))
    state = tx.init(tiny)
    extra = {"value": jnp.float32(1), "loss": jnp.float32(1)}
    up, down = (tx.update(jax.tree.map(lambda p, s=s: s * p, tiny), state, tiny, **extra)[0] for s in (0.5, -0.5))
    return [
        path
        for (path, a), (_, b) in zip(_leaves(up), _leaves(down), strict=True)
        if bool(jnp.all(a == b)) and bool(jnp.any(a != 0))
    ]
