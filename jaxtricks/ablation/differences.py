"""The differences of a text table's rows to one of them: moderated tests, Holm's correction, verdicts in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxtricks.ablation.moderated import Moderated, moderated
from jaxtricks.ablation.statistics import holm
from jaxtricks.ablation.verdicts import MARGIN, MOST_SEEDS, equivalence, seeds_needed, verdict


@dataclass(frozen=True)
class Difference:
    """A row beside the reference.

    Fields:
      tested: its mean difference with the interval.
      verdict: as ``ablation.verdict`` says it.
      margin: of no effect, or None.
      needed: seeds that would do where it is not resolved; None for more than can be said.
    """

    tested: Moderated
    verdict: str
    margin: float | None
    needed: int | None

    @property
    def interval(self) -> str:
        """The mean and its interval, which one seed has not."""
        c = self.tested
        ends = f" [{c.low:+.2f}, {c.high:+.2f}]" if math.isfinite(c.low) and math.isfinite(c.high) else ""
        return f"{c.mean:+.2f}{ends}"

    @property
    def words(self) -> str:
        """The verdict: beyond which margin there is no effect, and how many seeds would resolve what is not."""
        if self.verdict == "no effect":
            return f"no effect beyond \u00b1{self.margin:g} points"
        if self.verdict != "not resolved" or not math.isfinite(self.tested.sd):
            return self.verdict
        return f"not resolved ({self.needed or f'more than {MOST_SEEDS}'} seeds)"


def differences(
    values: Mapping[str, Sequence[float]],
    reference: str,
    *,
    limits: tuple[float, float] = (-100.0, 100.0),
    margin: float | None = MARGIN,
    direction: int = 1,
) -> dict[str, Difference]:
    """Each row's difference to the reference, seed by seed.

    Args:
      values: by row, one a seed, in the same order.
      reference: a row of them.
      limits: that no difference can leave.
      margin: in points, that is no effect; None for none.
      direction: 1 where a higher value is better, -1 where a lower one is.

    Returns:
      By row, without the reference.
    """
    others = [name for name in values if name != reference]
    apart = [np.subtract(values[name], values[reference]) for name in others]
    tests = moderated(apart, contrasts=[{name: 1.0, reference: -1.0} for name in others], limits=limits)
    adjusted = holm([test.p for test in tests]) if tests else []
    absent = holm([equivalence(test, margin=margin) for test in tests]) if tests and margin else [1.0] * len(tests)
    rows = {}
    for name, test, p, none in zip(others, tests, adjusted, absent, strict=True):
        said = verdict(test, adjusted_p=float(p), equivalence_p=float(none), direction=direction)
        needed = seeds_needed(test, margin=margin, tests=len(tests)) if said == "not resolved" else None
        rows[name] = Difference(test, said, margin, needed)
    return rows
