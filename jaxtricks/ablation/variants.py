"""From a baseline and a ladder of tricks to the recipes that are compared."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import jax

from jaxtricks.data import Dataset
from jaxtricks.train import Recipe, build_model
from jaxtricks.tricks import lint
from jaxtricks.tricks.trick import Ladder, Setting, Trick, apply

MODES = ("stack", "add-one", "leave-one-out", "pairwise")


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Fields:
      name: of the row.
      tricks: the tricks in it, in order.
      recipe: the baseline with these tricks.
      reference: name of the row it is compared with, or None.
      expected: what the paper leads to expect of it: 1 (better), 0 (no effect), -1 (worse), or None.
      paper: what the paper reports.
      data: ``Dataset -> Dataset`` that makes its data from the experiment's, or None for the same.
    """

    name: str
    tricks: tuple[str, ...]
    recipe: Recipe
    reference: str | None
    expected: int | None
    paper: str | None
    data: Callable[[Dataset], Dataset] | None = None

    def dataset(self, dataset: Dataset) -> Dataset:
        """What the row is trained and tested on, from the data of the experiment."""
        return dataset if self.data is None else self.data(dataset)


def variants(baseline: Recipe, ladder: Ladder, *, mode: str = "stack") -> list[Variant]:
    """The rows of an ablation.

    Args:
      baseline: recipe without any trick.
      ladder: the tricks by name, in the order in which they stack.
      mode: ``"stack"``, each rung adds a trick to those before it and is compared with the rung below;
        ``"add-one"``, each trick alone, against the baseline; ``"leave-one-out"``, all tricks but one, against all of
        them, and the baseline, which all of them are compared with (``contrasts_of``); ``"pairwise"``, each trick alone
        against the baseline, and each pair against its first trick alone.

    Returns:
      The rows; a row's reference stands before it.

    Raises:
      ValueError: if the mode is another, or there are too few tricks for it.
      SilentTrickError: if a trick changes nothing.
    """
    names = tuple(ladder)
    minimum = {"stack": 1, "add-one": 1, "leave-one-out": 2, "pairwise": 2}
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; allowed: {', '.join(map(repr, MODES))}.")
    if len(names) < minimum[mode]:
        raise ValueError(f"mode {mode!r} has {len(names)} tricks; allowed: {minimum[mode]} or more.")

    def row(name, tricks, reference, trick=None, sign=1):
        about = ladder[trick] if trick else None
        expected = about.expected if about else 0
        expected = expected if expected is None else sign * expected
        return Variant(
            name, tricks, apply(baseline, tricks, ladder), reference, expected, about.paper if about else None
        )

    base = row("baseline", (), None)
    if mode == "stack":
        rungs = [base]
        for i, name in enumerate(names):
            rungs.append(row(f"+ {name}", names[: i + 1], rungs[-1].name, name))
        return rungs
    alone = [row(name, (name,), "baseline", name) for name in names]
    if mode == "add-one":
        return [base, *alone]
    if mode == "pairwise":
        pairs = [row(f"{a} & {b}", (a, b), a, b) for a, b in combinations(names, 2)]
        return [base, *alone, *pairs]
    full = row("all tricks", names, None)
    rest = [row(f"without {n}", tuple(m for m in names if m != n), "all tricks", n, sign=-1) for n in names]
    return [base, full, *rest]


def settings_grid(baseline: Recipe, settings: Mapping[str, Setting], *, mode: str = "add-one") -> list[Variant]:
    """The rows of an ablation that is repeated under several settings, each against its own setting's rows.

    Args:
      baseline: recipe without any trick.
      settings: by name; every row's name starts with its setting's, ``"SETTING: ROW"``.
      mode: as in ``variants``.

    Returns:
      The rows, setting by setting; a row's reference stands before it.

    Raises:
      ValueError: as ``variants``.
      SilentTrickError: if a trick or a setting's change leaves its recipe as it was.
    """
    rows = []
    for name, setting in settings.items():
        base = baseline
        if setting.change is not None:
            base = apply(baseline, (name,), {name: Trick(setting.change)})
        rows += [
            replace(
                row,
                name=f"{name}: {row.name}",
                reference=row.reference and f"{name}: {row.reference}",
                data=setting.data,
            )
            for row in variants(base, setting.ladder, mode=mode)
        ]
    return rows


def conflicts_of(recipe: Recipe, dataset: Dataset) -> list[lint.RecipeWarning]:
    """What ``tricks.lint`` has to say of a recipe, from the shapes of its variables: nothing is trained.

    Args:
      recipe: of a row.
      dataset: of the row.

    Returns:
      The warnings, none if all is well; one that says so where the recipe cannot be checked.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", lint.RecipeWarning)
        try:
            variables = jax.eval_shape(lambda: build_model(recipe, dataset).init(jax.random.key(0)))
            lint.warn(recipe, variables)
        except Exception as error:  # the check must not end a run that would have worked; fit raises what is wrong
            return [lint.RecipeWarning(f"the recipe cannot be checked for conflicts: {type(error).__name__}: {error}")]
    return [entry.message for entry in caught if isinstance(entry.message, lint.RecipeWarning)]
