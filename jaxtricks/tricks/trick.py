"""A trick: a pure function ``Recipe -> Recipe`` with what its paper says of it; ladders and settings of tricks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtricks._signatures import shown
from jaxtricks.data import Dataset
from jaxtricks.fingerprint import describe
from jaxtricks.train import Recipe


class SilentTrickError(ValueError):
    """A trick left the recipe as it was: it would have been measured as something it is not."""


@dataclass(frozen=True)
class Trick:
    """One change of a recipe.

    Fields:
      change: ``Recipe -> Recipe``.
      expected: sign of the paper's effect on accuracy: +1, -1, 0 for none (a trick that saves time), or None where
        nothing is expected.
      paper: what the paper reports, and where.
    """

    change: Callable[[Recipe], Recipe]
    expected: int | None = 1
    paper: str | None = None

    def __repr__(self) -> str:
        return shown(self)

    def __post_init__(self):
        if not callable(self.change):
            raise TypeError(f"change is {self.change!r}; allowed: a function Recipe -> Recipe.")
        if self.expected not in (-1, 0, 1, None):
            raise ValueError(f"expected is {self.expected!r}; allowed: -1, 0, 1, None.")


Ladder = Mapping[str, Trick]


@dataclass(frozen=True)
class Setting:
    """Circumstances under which a table is measured, such as a share of wrong labels, or few images.

    Fields:
      change: ``Recipe -> Recipe`` that makes them from the baseline, or None for the baseline as it is.
      ladder: the tricks that are measured there.
      data: ``Dataset -> Dataset`` that makes its data from the experiment's, or None for the same.
    """

    change: Callable[[Recipe], Recipe] | None
    ladder: Ladder
    data: Callable[[Dataset], Dataset] | None = None


def apply(recipe: Recipe, names: Sequence[str], ladder: Ladder) -> Recipe:
    """The recipe with these tricks, one after another.

    Args:
      recipe: to start from.
      names: of tricks, in order.
      ladder: the tricks by name.

    Returns:
      The changed recipe.

    Raises:
      SilentTrickError: if a trick leaves the recipe as it was.
      TypeError: if a trick returns no recipe.
    """
    for name in names:
        changed = ladder[name].change(recipe)
        if not isinstance(changed, Recipe):
            raise TypeError(f"trick {name!r} returned {type(changed).__name__}; allowed: Recipe.")
        if describe(changed) == describe(recipe):
            raise SilentTrickError(f"trick {name!r} left the recipe as it was; it would silently do nothing.")
        recipe = changed
    return recipe


def set_fields(recipe: Recipe, **fields: Any) -> Recipe:
    """Other fields of the recipe: what mixes, the schedule, the average, the precision.

    Args:
      recipe: any.
      **fields: of ``Recipe``, by name, but ``optimizer``, which ``tricks.composing`` changes.

    Returns:
      The recipe with these fields.

    Raises:
      ValueError: if ``optimizer`` is among the fields.
    """
    if "optimizer" in fields:
        raise ValueError("fields is optimizer; allowed: other fields, since this would drop mask, decay and wrappers.")
    return replace(recipe, **fields)


def merge(ladder: Ladder, groups: Mapping[str, Sequence[str]]) -> dict[str, Trick]:
    """A shorter ladder, in which several neighbouring rungs are one.

    Args:
      ladder: the tricks by name.
      groups: ``new name: names that it stands for``; rungs in no group stay.

    Returns:
      The tricks by name; a merged one stands where its first was. Its expected sign is the one its parts share, zeros
      aside; 0 if all are 0, None otherwise.

    Raises:
      ValueError: if a group names a trick that is not there, or two groups name one.
    """
    where: dict[str, str] = {}
    for group, names in groups.items():
        for name in names:
            if name not in ladder or name in where:
                raise ValueError(f"group {group!r} names {name!r}; allowed, once each: {', '.join(ladder)}.")
            where[name] = group
    out: dict[str, Trick] = {}
    for name, trick in ladder.items():
        group = where.get(name)
        if group is None:
            out[name] = trick
        elif group not in out:
            parts = [ladder[n] for n in ladder if where.get(n) == group]
            signs = {p.expected for p in parts} - {0} or {0}
            papers = "; ".join(p.paper for p in parts if p.paper) or None
            out[group] = Trick(
                _Merged(tuple(p.change for p in parts)), signs.pop() if len(signs) == 1 else None, papers
            )
    return out


@dataclass(frozen=True)
class _Merged:
    """Several changes as one, each of which must change something."""

    changes: tuple[Callable[[Recipe], Recipe], ...]

    def __call__(self, recipe: Recipe) -> Recipe:
        for change in self.changes:
            changed = change(recipe)
            if describe(changed) == describe(recipe):
                raise SilentTrickError(f"{change.__name__} left the recipe as it was; it would silently do nothing.")
            recipe = changed
        return recipe


def unset(recipe: Recipe, field: str) -> Recipe:
    """The recipe, if a field of it is None, for a trick that would drop what is there.

    Args:
      recipe: any.
      field: its name, such as ``augment``.

    Returns:
      The same recipe.

    Raises:
      ValueError: if the field is set.
    """
    if (value := getattr(recipe, field)) is not None:
        raise ValueError(f"recipe.{field} is {value!r}; allowed: None, for it would be dropped.")
    return recipe
