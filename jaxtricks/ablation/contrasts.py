"""What is tested of a table: each row against its reference, the complete stack, interactions of two tricks."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse.csgraph import connected_components

COMPLETE = "the complete stack"
ENOUGH = 5  # rows of one setting that learn from each other alone


class Contrast(NamedTuple):
    """A weighted sum of arms at one seed, of which the mean is tested.

    Fields:
      name: of the line in a report.
      arm: the row of the results that it is about.
      about: "baseline" (nothing is tested), "difference", "complete stack" or "interaction".
      reference: the row that the arm is compared with, or None.
      weights: of the arms, by the names of their rows; empty for a baseline.
      expected: sign of the improvement that the paper leads to expect, or None.
    """

    name: str
    arm: str
    about: str
    reference: str | None
    weights: Mapping[str, float]
    expected: int | None

    def differences(self, values: Mapping[str, Mapping[int, float]]) -> list[float]:
        """The weighted sum at every seed that all arms have, in the order of the first arm's seeds.

        Args:
          values: by row and seed.

        Returns:
          One value a common seed; none for a baseline.
        """
        if not self.weights:
            return []
        seeds = [s for s in values[self.arm] if all(s in values[arm] for arm in self.weights)]
        return [sum(weight * values[arm][s] for arm, weight in self.weights.items()) for s in seeds]


def contrasts_of(rows: Sequence[Mapping[str, Any]], mode: str) -> list[Contrast]:
    """The contrasts of a table, the complete stack first, then one for each row in order.

    A stack of two rungs or more adds its last rung against its baseline, and leave-one-out all tricks against the
    baseline, if results have that row; older ones do not. Pairwise, the row of a pair becomes the 2 x 2
    contrast: what both tricks give together beyond the sum of what they give alone, of which no paper leads to expect a
    sign.

    Args:
      rows: of the results, with ``name``, ``tricks``, ``reference``, ``expected``.
      mode: as in ``variants``.

    Returns:
      The contrasts.

    Raises:
      ValueError: if a reference is no other row.
    """
    names = {row["name"] for row in rows}
    for row in rows:
        if row["reference"] is not None and row["reference"] not in names - {row["name"]}:
            others = ", ".join(repr(name) for name in names if name != row["name"])
            raise ValueError(f"reference of {row['name']!r} is {row['reference']!r}; allowed: {others}.")
    complete = {"stack": _complete_stacks, "leave-one-out": _all_tricks}.get(mode, lambda rows: [])(rows)
    return complete + [_interaction(row, rows) if mode == "pairwise" else _difference(row) for row in rows]


def _difference(row: Mapping[str, Any]) -> Contrast:
    name, reference = row["name"], row["reference"]
    if reference is None:
        return Contrast(name, name, "baseline", None, {}, row["expected"])
    return Contrast(name, name, "difference", reference, {name: 1.0, reference: -1.0}, row["expected"])


def _complete_stacks(rows: Sequence[Mapping[str, Any]]) -> list[Contrast]:
    """The last rung against its baseline, for each baseline with two rungs or more above it."""
    reference, last, rungs = {row["name"]: row["reference"] for row in rows}, {}, {}
    for name, below in reference.items():
        root, height = name, 0
        while (up := reference[root]) is not None and height < len(rows):
            root, height = up, height + 1
        if below is not None:
            last[root], rungs[root] = name, max(height, rungs.get(root, 0))
    return [_complete(top, root) for root, top in last.items() if rungs[root] > 1]


def _all_tricks(rows: Sequence[Mapping[str, Any]]) -> list[Contrast]:
    """The row with all tricks against the baseline of its setting, where that was trained."""
    alone = [row for row in rows if row["reference"] is None]
    full = {_prefixed("baseline", row["name"]): row["name"] for row in alone if row["tricks"]}
    roots = [row["name"] for row in alone if row["name"] in full]
    return [_complete(full[root], root) for root in roots]


def _complete(top: str, root: str) -> Contrast:
    """All tricks against none, with the setting of the baseline in front of its name."""
    return Contrast(_prefixed(COMPLETE, root), top, "complete stack", root, {top: 1.0, root: -1.0}, None)


def _prefixed(name: str, root: str) -> str:
    """The name with the setting of its baseline, ``"SETTING: baseline"``, in front."""
    setting, colon, _ = root.rpartition(": ")
    return f"{setting}{colon}{name}"


def _interaction(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Contrast:
    """The 2 x 2 contrast of a pair of tricks; the difference to the reference where the row is no such pair."""
    by_name = {other["name"]: other for other in rows}
    first = by_name.get(row["reference"])
    if first is None or first["reference"] is None or len(row["tricks"]) != 2:
        return _difference(row)
    base, alone = first["reference"], tuple(row["tricks"][1:])
    second = next((n for n, o in by_name.items() if tuple(o["tricks"]) == alone and o["reference"] == base), None)
    if second is None:
        return _difference(row)
    weights = {row["name"]: 1.0, first["name"]: -1.0, second: -1.0, base: 1.0}
    return Contrast(row["name"], row["name"], "interaction", first["name"], weights, None)


def correlation_of(contrasts: Sequence[Mapping[str, float]]) -> np.ndarray:
    """The correlation between the sample variances of two contrasts: the squared one of the contrasts themselves.

    Arms are taken to be independent and to have one variance.

    Args:
      contrasts: weights by arm, one or more.

    Returns:
      ``[R, R]``, with ones on the diagonal.
    """
    arms = {arm: place for place, arm in enumerate(dict.fromkeys(arm for weights in contrasts for arm in weights))}
    matrix = np.zeros((len(contrasts), len(arms)))
    for row, weights in enumerate(contrasts):
        for arm, weight in weights.items():
            matrix[row, arms[arm]] = weight
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix @ matrix.T) ** 2


def groups_of(correlation: np.ndarray) -> list[np.ndarray]:
    """The rows that learn from each other: those that are linked by shared arms, such as the rows of one setting.

    Groups of fewer than ``ENOUGH`` rows are one group together.

    Args:
      correlation: from ``correlation_of``.

    Returns:
      The places of the rows of each group.
    """
    count, component = connected_components(correlation > 0, directed=False)
    groups = [np.flatnonzero(component == i) for i in range(count)]
    small = [group for group in groups if group.size < ENOUGH]
    return [group for group in groups if group.size >= ENOUGH] + ([np.concatenate(small)] if small else [])
