"""Networks by what they cost and what they reach: latency and throughput, the Pareto front, a picture of both."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from jaxtricks import analysis, data
from jaxtricks.ablation.headline import headline_of
from jaxtricks.ablation.provenance import machine
from jaxtricks.ablation.summary import summarise
from jaxtricks.ablation.variants import Variant
from jaxtricks.train import Recipe, build_model

BATCHES = (1, 16, 64)
HEAD = ("network", "test", "parameters", "MMACs", "latency, ms (quartiles)", "images/s", "at batch", "front")


class Speed(NamedTuple):
    """How fast a network predicts here.

    Fields:
      latency: seconds of one image.
      best: the batch size with the most images a second.
    """

    latency: analysis.Latency
    best: analysis.Throughput


def front(costs: Sequence[float], values: Sequence[float], *, higher: bool = True) -> tuple[int, ...]:
    """The Pareto front: what nothing else beats that costs no more.

    Args:
      costs: of each, less is better.
      values: of each.
      higher: whether more of a value is better.

    Returns:
      Indices in order of cost. Of two that agree in both, both are there.

    Raises:
      ValueError: if there are not as many values as costs.

    Example:
      >>> front([1, 2, 3], [70, 60, 80])
      (0, 2)
    """
    if len(costs) != len(values):
        raise ValueError(f"values has {len(values)} numbers; allowed: {len(costs)}, one for each of the costs.")
    signed = np.asarray(values, float) * (1 if higher else -1)
    cost = np.asarray(costs, float)
    kept = []
    for i in np.argsort(cost, kind="stable"):
        beaten = (cost <= cost[i]) & (signed >= signed[i]) & ((cost < cost[i]) | (signed > signed[i]))
        if not beaten.any():
            kept.append(int(i))
    return tuple(kept)


def speed(recipe: Recipe, dataset: data.Dataset, *, repeats: int = 20) -> Speed:
    """Latency of one image and the best throughput of a recipe's network with fresh weights.

    Args:
      recipe: gives the network.
      dataset: gives the shape of an image.
      repeats: timed calls of each batch size.

    Returns:
      Both, of this machine as it is now.
    """
    model = build_model(recipe, dataset)
    params, stats = jax.jit(model.init)(jax.random.key(0))
    predict = jax.jit(lambda image: model.apply(params, stats, image, train=False)[0][0])

    def call(batch):
        image = jnp.zeros((batch, *dataset.shape), jnp.float32)
        return lambda: predict(image)

    measured = analysis.throughput(call, BATCHES, repeats=repeats)
    return Speed(next(entry.latency for entry in measured if entry.batch == 1), measured[0])


def show(results: Mapping[str, Any], variants: Sequence[Variant], dataset: data.Dataset, folder: Path) -> None:
    """Print and leave as ``pareto.md`` what each network costs and reaches, and ``pareto.png``, which shows it.

    Args:
      results: from ``gather``.
      variants: its rows, one a network.
      dataset: of the experiment.
      folder: of the report.
    """
    headline, recipes = headline_of(results), {variant.name: variant.recipe for variant in variants}
    rows = [row for row in summarise(results) if row.mean is not None and row.name in recipes]
    speeds = [speed(recipes[row.name], dataset) for row in rows]
    values, higher = [row.mean for row in rows if row.mean is not None], headline.direction > 0
    costs = {
        "Multiply-accumulates of one image, millions": [row.cost["macs"] / 1e6 for row in rows],
        "Latency of one image, ms": [1e3 * entry.latency.median for entry in speeds],
    }
    fronts = [front(cost, values, higher=higher) for cost in costs.values()]
    lines = [HEAD, ("---",) * len(HEAD)]
    for i, (row, entry) in enumerate(zip(rows, speeds, strict=True)):
        on = [word for word, indices in zip(("MACs", "latency"), fronts, strict=True) if i in indices]
        median, lower, upper = (1e3 * seconds for seconds in entry.latency)
        lines.append(
            (
                row.name,
                f"{row.mean:.2f} {headline.unit}".strip(),
                f"{row.cost['parameters']:,}",
                f"{row.cost['macs'] / 1e6:.2f}",
                f"{median:.2f} ({lower:.2f} to {upper:.2f})",
                f"{entry.best.rate:,.0f}",
                str(entry.best.batch),
                " and ".join(on),
            )
        )
    about = f"Speed: fresh weights, float32, compiled and warm, median of 20 calls, {machine()['cpu']}."
    text = "\n\n".join(["# Costs", "\n".join(f"| {' | '.join(line)} |" for line in lines), about]) + "\n"
    (folder / "pareto.md").write_text(text, encoding="utf-8")
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    intervals = [(row.low, row.high) for row in rows]
    names = [row.name for row in rows]
    draw(names, values, intervals, costs, fronts, headline.title).savefig(folder / "pareto.png", dpi=150)


def draw(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float | None, float | None]],
    costs: Mapping[str, Sequence[float]],
    fronts: Sequence[Sequence[int]],
    title: str,
) -> Figure:
    """A panel for each cost: every network with its interval and its name, and the front as a line.

    Args:
      names: of the networks.
      values: of each, in the unit of the title.
      intervals: 95 %, of each; None where it is not known.
      costs: by the words of their axis.
      fronts: of each cost, indices from ``front``.
      title: of the values.

    Returns:
      The figure.
    """
    figure = Figure(figsize=(11, 0.3 * len(names) + 1.5), layout="constrained")
    order = np.argsort(values, kind="stable")
    for axes, (words, cost), best in zip(
        figure.subplots(1, len(costs), sharey=True), costs.items(), fronts, strict=True
    ):
        axes.plot([cost[i] for i in best], [values[i] for i in best], color="tab:orange", linewidth=1, label="front")
        for i in order:
            low, high = (values[i] if end is None else end for end in intervals[i])
            axes.plot([cost[i]] * 2, [low, high], color="0.75", linewidth=1, zorder=0)
            axes.plot(cost[i], values[i], "o", color="tab:orange" if i in best else "tab:blue", markersize=4)
        _label(axes, names, values, cost)
        axes.set_xlabel(words)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel(f"Test {title}")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), frameon=False, loc="outside upper left")
    return figure


def _label(axes, names, values, cost) -> None:
    """Names in a column right of the points, in order of height, each with a thin line to its point."""
    order = list(np.argsort(values, kind="stable"))
    axes.set_xlim(right=max(cost) + 0.45 * (max(cost) - min(cost) + 1e-9))
    low, high = axes.get_ylim()
    apart = (high - low) / (len(names) + 1)
    ends = np.asarray([values[i] for i in order], float)
    for k in range(1, len(ends)):
        ends[k] = max(ends[k], ends[k - 1] + apart)
    ends -= max(0.0, ends[-1] - high)
    for k in range(len(ends) - 2, -1, -1):
        ends[k] = min(ends[k], ends[k + 1] - apart)
    edge = max(cost) + 0.12 * (max(cost) - min(cost) + 1e-9)
    for i, end in zip(order, ends, strict=True):
        axes.annotate(
            names[i],
            (cost[i], values[i]),
            xytext=(edge, end),
            fontsize=8,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.85", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 2},
        )
