"""An optimiser in parts, and the changes of one part that keep the others; import it to write tricks that compose.

An ``Optimizer`` is ``schedule -> transformation``, made of parts::

    before -> coupled decay -> core(rate) -> decoupled decay -> after      all of it inside around, evaluate outermost

``before``, ``after`` and ``around`` add to what is there. ``exchange``, ``weight_decay`` and ``masked`` set a part; a
part that one trick has set is not set to something else by a second one, which would drop the first in silence.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import optax

from jaxtricks import check, optim
from jaxtricks.train import Recipe

__all__ = [
    "Optimizer",
    "after",
    "around",
    "before",
    "coupled",
    "decoupled",
    "exchange",
    "masked",
    "of",
    "own",
    "weight_decay",
]

Part = optax.GradientTransformation | Callable[[], optax.GradientTransformation]


def coupled(optimizer: "Optimizer", schedule: optax.Schedule) -> optax.GradientTransformation:
    """Weight decay that is added to the gradient, before the momentum; use it as ``Optimizer.decay`` of SGD.

    Args:
      optimizer: gives core, weight, mask and turns.
      schedule: ``step -> rate``.

    Returns:
      The transformation of core and decay.
    """
    return optax.chain(_decay(optimizer), _without_decay(optimizer.core, schedule))


def decoupled(optimizer: "Optimizer", schedule: optax.Schedule) -> optax.GradientTransformation:
    """Weight decay that takes its own step, rate times weight, which momentum does not see; as in AdamW.

    Args:
      optimizer, schedule: as for ``coupled``.

    Returns:
      The transformation of core and decay.
    """
    core = optax.with_extra_args_support(_without_decay(optimizer.core, schedule))
    shrink = optax.chain(optax.set_to_zero(), _decay(optimizer), optax.scale_by_learning_rate(schedule))

    def init(params):
        return core.init(params), shrink.init(params)

    def update(updates, state, params=None, **extra):
        step, inner = core.update(updates, state[0], params, **extra)
        less, count = shrink.update(updates, state[1], params)
        return jax.tree.map(lambda a, b: a + b, step, less), (inner, count)

    return optax.GradientTransformationExtraArgs(init, update)


def own(optimizer: "Optimizer", schedule: optax.Schedule) -> optax.GradientTransformation:
    """Weight decay of the core's own, which takes ``weight_decay=`` and ``mask=``; use it where decay is in the middle.

    Args:
      optimizer: gives core, weight and mask.
      schedule: ``step -> rate``.

    Returns:
      The transformation of the core.
    """
    options = {"weight_decay": optimizer.weight, "mask": optimizer.mask}
    return optimizer.core(schedule, **{name: value for name, value in options.items() if value is not None})


@dataclass(frozen=True)
class Optimizer:
    """An optimiser in parts, ``schedule -> transformation``; use it as ``Recipe.optimizer`` so that tricks can compose.

    Fields:
      core: ``schedule -> transformation``, such as ``partial(optax.sgd, momentum=0.9)``.
      weight: of the decay, 0 or more, or None where ``core`` has a weight of its own.
      decay: where it acts: ``coupled``, ``decoupled`` or ``own``.
      mask: which leaves decay, ``params -> tree of booleans``; all of them if None.
      turns: steps of a turn, decay being on in every second one; always on if None.
      before, after: transformations, or functions without arguments that make one, in the order in which they act.
      around: functions ``transformation -> transformation``, the first innermost.
      evaluate: ``(state, params) -> weights to evaluate``, or None for the parameters.
      changed: names of the fields that a trick has set.
    """

    core: Callable
    weight: float | None = 0.0
    decay: Callable = coupled
    mask: Callable | None = None
    turns: int | None = None
    before: tuple[Part, ...] = ()
    after: tuple[Part, ...] = ()
    around: tuple[Callable, ...] = ()
    evaluate: Callable | None = None
    changed: tuple[str, ...] = ()

    def __post_init__(self):
        if not callable(self.core):
            raise TypeError(f"optimizer.core is {self.core!r}; allowed: a function schedule -> transformation.")
        if self.decay not in (coupled, decoupled, own):
            raise ValueError(f"optimizer.decay is {self.decay!r}; allowed: coupled, decoupled, own.")
        if self.weight is not None:
            check.between("optimizer.weight", self.weight, 0.0, float("inf"))
        if self.turns is not None:
            check.integer("optimizer.turns", self.turns)
            check.positive("optimizer.turns", self.turns)
        if self.decay is own:
            core = f"since {_name(self.core)}"
            if self.mask is not None and not _takes(self.core, "mask"):
                raise ValueError(f"optimizer.mask is {_name(self.mask)}; allowed: None, {core} takes no mask=.")
            if self.weight is not None and not _takes(self.core, "weight_decay"):
                raise ValueError(f"optimizer.weight is {self.weight}; allowed: None, {core} takes no weight_decay=.")
            if self.turns is not None:
                raise ValueError(f"optimizer.turns is {self.turns}; allowed: None, {core} decays by itself.")

    def __call__(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        """The transformation at these rates."""
        before, after = (tuple(map(_built, parts)) for parts in (self.before, self.after))
        tx = optax.chain(*before, self.decay(self, schedule), *after)
        for wrap in self.around:
            tx = wrap(tx)
        return tx if self.evaluate is None else optim.evaluate_at(tx, self.evaluate)


def of(recipe: Recipe) -> Optimizer:
    """The recipe's optimiser in parts; use it to write a trick of your own.

    Args:
      recipe: with any optimiser ``schedule -> transformation``. One that is no ``Optimizer`` becomes the core of one,
        with decay of its own; ``mask=`` and ``weight_decay=`` that a partial holds become fields.

    Returns:
      An Optimizer.
    """
    core = recipe.optimizer
    if isinstance(core, Optimizer):
        return core
    weight = mask = None
    if isinstance(core, partial):
        options = dict(core.keywords)
        mask, weight = options.pop("mask", None), options.pop("weight_decay", None)
        core = partial(core.func, *core.args, **options)
    return Optimizer(core, weight=weight, decay=own, mask=mask)


def before(recipe: Recipe, tx: Part) -> Recipe:
    """Change the gradient before the optimiser sees it: clip it, centralise it, add noise.

    Args:
      recipe: whose mask, decay and wrappers stay.
      tx: a transformation, or a function without arguments that makes one. It acts after those that are there.

    Returns:
      The recipe, whose optimiser sees the changed gradient.
    """
    optimizer = of(recipe)
    return replace(recipe, optimizer=replace(optimizer, before=(*optimizer.before, tx)))


def after(recipe: Recipe, tx: Part) -> Recipe:
    """Do something to the update, when rate and decay are in it: limit the weights that it leads to.

    Args:
      recipe, tx: as for ``before``.

    Returns:
      The recipe, whose update is changed last.
    """
    optimizer = of(recipe)
    return replace(recipe, optimizer=replace(optimizer, after=(*optimizer.after, tx)))


def around(recipe: Recipe, wrap: Callable) -> Recipe:
    """Put something around the optimiser: freeze leaves, look ahead, skip steps.

    Args:
      recipe: any.
      wrap: ``transformation -> transformation``; it goes around those that are there.

    Returns:
      The recipe with the optimiser inside ``wrap``.
    """
    optimizer = of(recipe)
    return replace(recipe, optimizer=replace(optimizer, around=(*optimizer.around, wrap)))


def exchange(recipe: Recipe, *, core: Callable, times: float = 1.0, **parts: Any) -> Recipe:
    """Another optimiser, such as Adam, at its own rate, under the mask, decay and wrappers that are there.

    Args:
      recipe: any.
      core: ``schedule -> transformation``.
      times: the new rate in those of the recipe, > 0.
      **parts: other fields of ``Optimizer`` that come with the core: ``weight``, ``decay``, ``mask``, ``evaluate``.

    Returns:
      The recipe with that core, at ``times`` the rate.

    Raises:
      ValueError: if a trick has set one of these parts already, or the core cannot take the decay that is there.
    """
    check.positive("times", times)
    return replace(recipe, optimizer=_set(of(recipe), core=core, **parts), lr=times * recipe.lr)


def weight_decay(recipe: Recipe, *, weight: float, decay: Callable | None = None, turns: int | None = None) -> Recipe:
    """Another weight decay under the mask that is there; 0 for none.

    Args:
      recipe: any.
      weight: 0 or more.
      decay: ``coupled`` or ``decoupled``; as it is if None.
      turns: steps of a turn, decay being on in every second one; as it is if None.

    Returns:
      The recipe with that decay.

    Raises:
      ValueError: if a trick has set one of these parts already, or the core's own decay cannot be changed so.
    """
    parts = {name: value for name, value in (("decay", decay), ("turns", turns)) if value is not None}
    return replace(recipe, optimizer=_set(of(recipe), weight=weight, **parts))


def masked(recipe: Recipe, *, mask: Callable) -> Recipe:
    """Weight decay on some leaves only.

    Args:
      recipe: any whose optimiser decays.
      mask: ``params -> tree of booleans``, true where a leaf decays.

    Returns:
      The recipe with that mask.

    Raises:
      ValueError: if the optimiser takes no mask or decays nothing, or a trick has set another mask already.
    """
    optimizer = of(recipe)
    if not (optimizer.weight or (optimizer.weight is None and optimizer.decay is own)):
        raise ValueError(f"optimizer.weight is {optimizer.weight}; allowed for a mask: greater than 0.")
    return replace(recipe, optimizer=_set(optimizer, mask=mask))


def _set(optimizer: Optimizer, **parts: Any) -> Optimizer:
    """The optimiser with parts that no trick has set to something else before."""
    for name, value in parts.items():
        present = getattr(optimizer, name)
        if name in optimizer.changed and present != value:
            raise ValueError(
                f"optimizer.{name} is {_name(present)}, set by a trick; allowed: one trick that sets it, "
                f"which {_name(value)} would drop."
            )
    return replace(optimizer, **parts, changed=tuple(sorted({*optimizer.changed, *parts})))


def _decay(optimizer: Optimizer) -> optax.GradientTransformation:
    """Adds weight times parameters, under the mask, in every second turn where there are turns."""
    decay = optax.add_decayed_weights(optimizer.weight or 0.0, mask=optimizer.mask)
    return decay if optimizer.turns is None else optim.alternate(decay, optax.identity(), every=optimizer.turns)


def _without_decay(core: Callable, schedule: optax.Schedule) -> optax.GradientTransformation:
    """The core at these rates; where it would decay by itself, it does not."""
    return core(schedule, weight_decay=0.0) if _takes(core, "weight_decay") else core(schedule)


def _takes(function: Callable, name: str) -> bool:
    """Whether a function has an argument of this name."""
    return name in inspect.signature(function).parameters


def _built(part: Part) -> optax.GradientTransformation:
    return part() if callable(part) else part


def _name(value: Any) -> str:
    """What a part is called in an error."""
    while isinstance(value, partial):
        value = value.func
    return getattr(value, "__name__", repr(value))
