"""One table of cases a family: what a public function takes and what is documented of it, once for every test of it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

SIZES = {"B": 4, "C": 5, "D": 3, "H": 7, "W": 9, "K": 3, "M": 2, "N": 6, "h": 4, "w": 5}
CODES = {"f": np.float32, "i": np.int32, "u": np.uint8, "b": np.bool_, "c": np.complex64}
EDGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "zeros": lambda x: 0 * x,
    "ones": lambda x: 0 * x + 1,
    "equal": lambda x: 0 * x + 0.3,
    "high": lambda x: 0 * x + 1e4,
    "low": lambda x: 0 * x - 1e4,
    "apart": lambda x: np.where(x > np.median(x), 1e4, -1e4),
    "one far above": lambda x: np.where(np.arange(x.size).reshape(x.shape) == 0, 1e4, x),
    "one row zero": lambda x: np.where(np.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1)) == 0, 0, x),
    "tiny": lambda x: x * 1e-30,
}


@dataclass(frozen=True)
class Array:
    """One array among the arguments.

    Fields:
      shape: a letter of ``SIZES`` or a number for each axis; arrays that share a letter share that size.
      draw: ``(rng, shape) -> values`` in the documented range.
      edges: names of ``EDGES`` that lie in that range.
      dtypes: kinds of NumPy dtypes that are allowed, such as "f" or "iu"; the first is drawn.
      lead: whether axes may be put in front, or taken away there.
      free: whether every shape is allowed, as of a leaf in a tree of parameters.
      still: whether nobody takes its gradient.
      own: whether it is a parameter of a layer, so that only its values are hostile.
      classes: the letter of their number, for labels.
      boxes: whether the last axis is x0, y0, x1, y1.
    """

    shape: tuple[str | int, ...]
    draw: Callable = lambda rng, shape: rng.normal(size=shape)
    edges: tuple[str, ...] = ()
    dtypes: str = "f"
    lead: bool = False
    free: bool = False
    still: bool = False
    own: bool = False
    classes: str | None = None
    boxes: bool = False

    def make(self, rng: np.random.Generator, sizes: Mapping[str, int]) -> np.ndarray:
        shape = tuple(sizes.get(n, n) for n in self.shape)
        if self.classes is not None:
            return rng.integers(0, max(sizes[self.classes], 1), shape).astype(np.int32)
        return np.asarray(self.draw(rng, shape)).astype(CODES[self.dtypes[0]])


@dataclass(frozen=True)
class Key:
    """A random key."""

    def make(self, rng: np.random.Generator, sizes: Mapping[str, int]) -> jax.Array:
        return jax.random.key(int(rng.integers(2**31)))


@dataclass(frozen=True)
class Says:
    """What happens instead of the default.

    Fields:
      words: of the docstring (of the function, its module or its package) that say it.
      judge: ``(clean, hostile, at) -> bool`` for the leaves of the results and the place of the hostile element.
      of: the argument for which it is said; all of them if empty.
    """

    words: str
    judge: Callable | None = None
    of: str = ""


Tree = Any


@dataclass(frozen=True)
class Case:
    """What a public function takes and does; the defaults are what most functions do.

    Four fields are tests of the values, for a function that needs no test file of its own: numbers computed by hand, a
    limit case, an independent reference, an invariance. ``tests/test_cases.py`` runs them.

    Fields:
      by_hand: pairs of arguments by name, and the result computed by hand.
      limit: options, and what the function is with them: a function of the same arguments.
      reference: the same function from elsewhere or written otherwise, in NumPy: never the code again.
      invariance: arguments by name -> arguments by name that give the same result.
      tolerance: relative error of these comparisons.
      variants: options besides ``options`` for which the tests of the family hold as well.
      kind: of the first argument of a loss, where its name does not say it: "logits", "binary", "feature", "number",
        "box", or "" for what is no loss by itself: targets, weights, scales.
      absent: whether a class whose logit is -inf has probability 0, so that the loss is finite.
      arrays: argument -> tree of Array and Key, or names of those that ``ARGUMENTS`` knows, such as "logits labels".
        What is not named is found there by the names of the function's own arguments.
      options: values of the other arguments; these and the defaults are fuzzed as well.
      call: called in place of the function, by argument name; for one that takes or gives functions.
      nan: a NaN spreads to all that depends on it, or Says.
      inf: what is finite is the limit, or Says.
      labels: one that is no class gives a row of NaN without gradient and leaves the other rows alone, or Says.
      boxes: one without area gives finite results, or Says.
      empty: letters of the axes that may be empty; for the others it is a ValueError.
      finite: results of arguments in their range are finite, or Says.
      gradient: finite wherever the result is; Says where it is not for infinite arguments; False where there is none.
      rows: example i of the result depends on example i of the arguments only, so that gradients are judged by rows.
      holds: ``(leaves of the result) -> bool`` for arguments in their range.
      host: runs on NumPy arrays, not under jit.
      right: ``{option: values}`` that look hostile and are allowed.
      deep: seconds to compile; only the full form runs it on values.
    """

    arrays: Mapping[str, Tree] | str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    call: Callable | None = None
    nan: Says | None = None
    inf: Says | None = None
    labels: Says | None = None
    boxes: Says | None = None
    empty: str = ""
    finite: Says | None = None
    gradient: Says | bool = True
    rows: bool = False
    holds: Callable | None = None
    host: bool = False
    right: Mapping[str, tuple] = field(default_factory=dict)
    deep: bool = False
    by_hand: tuple[tuple[Mapping[str, Any], Any], ...] = ()
    limit: tuple[Mapping[str, Any], Callable] | None = None
    reference: Callable | None = None
    invariance: Callable | None = None
    tolerance: float = 1e-5
    variants: tuple[Mapping[str, Any], ...] = ()
    kind: str | None = None
    absent: bool = True

    @property
    def numbers(self) -> bool:
        """Whether the tests of the values are all there; what takes no arrays has no reference and no invariance."""
        others = (self.limit,) if self.arrays == {} else (self.limit, self.reference, self.invariance)
        return bool(self.by_hand) and None not in others

    def says(self) -> list[Says]:
        """What must be found in the docstring."""
        every = (self.nan, self.inf, self.labels, self.boxes, self.finite, self.gradient)
        return [value for value in every if isinstance(value, Says)]


class Subject:
    """A public function with its case: it makes arguments, and calls the function with them."""

    def __init__(self, name: str, function: Callable, case: Case, arguments: Mapping[str, Tree]):
        self.name, self.function, self.case = name, function, case
        self.call = case.call or function
        package = name.split(".")[1]
        known = lambda argument: arguments.get(f"{package}.{argument}", arguments.get(argument))  # noqa: E731
        found = inspect.signature(function).parameters.values()
        self.options = dict(case.options)
        given = case.arrays
        if isinstance(given, str):
            given = {argument: known(argument) for argument in given.split()}
        self.arrays = dict(given or {})
        if case.call is None:
            for p in found:
                if p.default is not p.empty:
                    self.options.setdefault(p.name, p.default)
                elif p.name not in self.arrays and p.name not in self.options:
                    self.arrays[p.name] = known(p.name)
            self.options = {k: v for k, v in self.options.items() if k not in self.arrays}
        unknown = [argument for argument, tree in self.arrays.items() if tree is None]
        if unknown:
            raise LookupError(f"{name}: say in its Case what {unknown} are: ARGUMENTS does not know them.")
        self.leaves, self.structure = jax.tree.flatten(self.arrays, is_leaf=lambda x: isinstance(x, (Array, Key)))

    def make(self, seed: int, **sizes: int) -> list:
        """Arguments in their range."""
        rng = np.random.default_rng(seed)
        return [leaf.make(rng, SIZES | sizes) for leaf in self.leaves]

    def named(self, values: list) -> dict[str, Tree]:
        """The values by argument."""
        return jax.tree.unflatten(self.structure, values)

    def result(self, values: list, **options) -> Tree:
        """What the function gives, without jit."""
        return self.call(**self.named(values), **(self.options | options))
