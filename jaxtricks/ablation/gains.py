"""What rows of networks that predict together measured: values by seed, verdicts, a table, and the gain by cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from jaxtricks import ensembles
from jaxtricks.ablation.differences import Difference, differences
from jaxtricks.ablation.ways import Predictions

coverage_of = jax.jit(ensembles.coverage)


@jax.jit
def diversity(predicted: jax.Array, right: jax.Array) -> tuple[jax.Array, ...]:
    """Disagreement, Q statistic and error correlation of all pairs, ``[M, M]`` each."""
    return ensembles.disagreement(predicted), ensembles.q_statistic(right), ensembles.error_correlation(right)


@dataclass
class Row:
    """What a row measured, one value a seed.

    Fields:
      trainings, passes: what it costs, in those of one network.
      accuracy, coverage: in percent; accuracy is that of what is predicted.
      disagreement, q, correlation: means over the pairs of its members, NaN for one.
    """

    trainings: float
    passes: float = 1.0
    accuracy: list[float] = field(default_factory=list)
    coverage: list[float] = field(default_factory=list)
    disagreement: list[float] = field(default_factory=list)
    q: list[float] = field(default_factory=list)
    correlation: list[float] = field(default_factory=list)


def add(row: Row, how: Callable, held: Predictions, test: Predictions) -> None:
    """The values of one seed, of what is made of these predictions."""
    said = np.asarray(how(held, test))
    said = said.argmax(-1) if said.ndim == 2 else said
    covered, accuracy = coverage_of(jnp.asarray(said), jnp.asarray(test.labels))
    row.accuracy.append(100 * float(accuracy))
    row.coverage.append(100 * float(covered))
    predicted = jnp.asarray(test.logits.argmax(-1))
    right = predicted == jnp.asarray(test.labels)[None]
    pairs = np.triu_indices(len(predicted), 1)
    for values, matrix in zip((row.disagreement, row.q, row.correlation), diversity(predicted, right), strict=True):
        values.append(float(np.mean(np.asarray(matrix)[pairs])) if len(pairs[0]) else float("nan"))


def compared(rows: Mapping[str, Row]) -> dict[str, Difference]:
    """The difference of each row to the first.

    A row that leaves some images without an answer is accurate on others than the first, and is not compared.
    """
    reference, *_ = rows
    complete = {name: row.accuracy for name, row in rows.items() if np.mean(row.coverage) == 100 or name == reference}
    return differences(complete, reference)


def table(rows: Mapping[str, Row]) -> str:
    """The rows as text; differences are to the first one."""
    width, tests = max(map(len, rows)), compared(rows)
    room = max([12, *(len(test.words) for test in tests.values())])
    head = f"{'':{width}}  test %  difference, 95 %"
    lines = [f"{head:{width + 31}}  {'verdict':{room}}  trained  passes  disagree  Q  errors alike  answered"]
    for name, row in rows.items():
        said = ""
        if name in tests:
            said = f"{tests[name].interval:21}  {tests[name].words:{room}}"
        mean = [np.mean(values) for values in (row.disagreement, row.q, row.correlation)]
        alike = "" if np.isnan(mean[0]) else "  ".join(f"{value:.2f}" for value in mean)
        covered = f"{np.mean(row.coverage):.1f} %" if np.mean(row.coverage) < 100 else ""
        cost = f"x{row.trainings:g}  x{row.passes:.3g}"
        lines.append(
            f"{name:{width}}  {np.mean(row.accuracy):6.2f}  {said:{room + 23}}  {cost:12}  {alike}  {covered}".rstrip()
        )
    return "\n".join(lines)


def draw(rows: Mapping[str, Row]) -> Figure:
    """The gain of each row over the first with its interval, and that gain by forward pass; best rows above."""
    tests = compared(rows)
    names = sorted(tests, key=lambda name: tests[name].tested.mean)
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 1.2 + 0.2 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for y, name in enumerate(names):
            test, passes = tests[name].tested, rows[name].passes
            left.errorbar(
                test.mean, y, xerr=[[test.mean - test.low], [test.high - test.mean]], fmt="o", ms=4, color="C0"
            )
            right.plot(test.mean / passes, y, "o", ms=4, color="C1")
            right.annotate(f"x{passes:.3g}", (test.mean / passes, y), (6, -3), textcoords="offset points", fontsize=7)
        left.set_yticks(range(len(names)), names)
        reference = next(iter(rows))
        left.set(title=f"Gain over {reference}, points, 95 %")
        right.set(title="Gain by forward pass; the passes beside it")
        for axes in (left, right):
            axes.axvline(0, color="0.7", lw=0.8, zorder=0)
    return figure
