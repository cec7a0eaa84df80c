"""What a table of long tails says beside its headline: classes, batches, thirds, and the ranking that was published."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from scipy.stats import kendalltau

from jaxtricks import data
from jaxtricks.ablation.summary import Row, summarise
from jaxtricks.ablation.variants import Variant
from jaxtricks.tricks.long_tails import FACTORS, PUBLISHED

THIRDS = ("many", "medium", "few")
DASH = "\N{EN DASH}"


class Agreement(NamedTuple):
    """How alike two rankings are.

    Fields:
      rows: how many both rank.
      tau: Kendall's tau-b, -1 to 1; 0 is no agreement.
      p: of none, two-sided.
      by_seed: tau with the ranking of each seed alone.
    """

    rows: int
    tau: float
    p: float
    by_seed: tuple[float, ...]


def agreement(ours: Mapping[str, Mapping[int, float]], published: Mapping[str, float]) -> Agreement:
    """Kendall's tau of two rankings of the rows that both have.

    Args:
      ours: headline by row and seed; more is better.
      published: of the same rows, more is better.

    Returns:
      The agreement of the means, and of the seeds that all rows have.

    Raises:
      ValueError: if fewer than three rows are in both.
    """
    names = [name for name in ours if name in published]
    if len(names) < 3:
        raise ValueError(f"published has {len(names)} of the rows; allowed: 3 or more, for two cannot be ranked.")
    theirs = [published[name] for name in names]
    seeds = sorted(set.intersection(*(set(ours[name]) for name in names)))
    tau, p = _tau([float(np.mean(list(ours[name].values()))) for name in names], theirs)
    by_seed = tuple(_tau([ours[name][seed] for name in names], theirs)[0] for seed in seeds)
    return Agreement(len(names), tau, p, by_seed)


def _tau(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    result: Any = kendalltau(ours, theirs)
    return float(result.statistic), float(result.pvalue)


def show(results: Mapping[str, Any], variants: Sequence[Variant], dataset: data.Dataset, folder: Path) -> None:
    """Print and leave as ``tails.md``: class sizes, batches, accuracy by thirds, published figures, Kendall's tau.

    Args:
      results: from ``gather``.
      variants: its rows, named ``SETTING: TRICK``.
      dataset: of the experiment.
      folder: of the report.
    """
    rows, entries = summarise(results), {entry["name"]: entry for entry in results["rows"]}
    settings = dict.fromkeys(row.name.split(": ")[0] for row in rows)
    parts = [
        _setting(setting, rows, entries, [v for v in variants if v.name.startswith(f"{setting}: ")], dataset)
        for setting in settings
    ]
    text = "\n\n".join(["# Thirds, batches, and the published ranking", *parts]) + "\n"
    (folder / "tails.md").write_text(text, encoding="utf-8")
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def _setting(setting: str, rows: Sequence[Row], entries, variants: Sequence[Variant], dataset: data.Dataset) -> str:
    """The part of one factor."""
    in_setting = {row.name.removeprefix(f"{setting}: "): row for row in rows if row.name.startswith(f"{setting}: ")}
    place = [f"factor {factor}" for factor in FACTORS]
    published = {}
    if setting in place:
        published = {name: 100 - errors[place.index(setting)] for name, errors in PUBLISHED.items()}
    labels = np.asarray(variants[0].dataset(dataset).train["label"])
    counts = ", ".join(map(str, data.class_counts(labels, dataset.classes or 0).tolist()))
    lines = [
        f"## {setting}",
        f"{len(labels):,} training images by class: {counts}.",
        _batches(setting, variants, labels),
    ]
    lines.append(_thirds(setting, in_setting, entries, published))
    ours = {name: dict(zip(row.seeds, row.values, strict=True)) for name, row in in_setting.items() if row.values}
    if len(set(ours) & set(published)) >= 3:
        ranks = agreement(ours, published)
        by_seed = ", ".join(f"{tau:+.2f}" for tau in ranks.by_seed)
        lines.append(
            f"Kendall's tau with the published ranking, {ranks.rows} rows: {ranks.tau:+.2f}, p = {ranks.p:.3f}; of "
            f"single seeds {by_seed}. What differs: data, network, epochs, and one run a row there."
        )
    return "\n\n".join(lines)


def _batches(setting: str, variants: Sequence[Variant], labels: np.ndarray) -> str:
    """What the batches of the last epoch hold of the largest and the smallest class, for every sampler."""
    counts = np.bincount(labels)
    ends = int(counts.argmax()), int(np.where(counts > 0, counts, counts.max()).argmin())
    lines = [["sampler", "rows an epoch", "largest class in a batch: mean, most", "smallest: mean, most"]]
    for variant in variants:
        recipe = variant.recipe
        if recipe.sampler is None and variant.reference is not None:
            continue
        split = data.Split({"label": labels})
        order = data.epoch_order(split, 0, max(0, int(np.ceil(recipe.epochs)) - 1), sampler=recipe.sampler)
        batches = data.batch_composition(order, labels, batch=recipe.batch)
        cells = [f"{batches[:, end].mean():.1f}, {batches[:, end].max()}" for end in ends]
        lines.append([variant.name.removeprefix(f"{setting}: "), f"{len(order):,}", *cells])
    return _markdown(lines)


def _thirds(setting: str, in_setting: Mapping[str, Row], entries, published: Mapping[str, float]) -> str:
    """Headline, difference, recall of the thirds, and the published difference beside ours."""
    lines = [["row", "balanced, %", "difference [95 %]", *THIRDS, "published, %", "published difference"]]
    for name, row in in_setting.items():
        cells = entries[row.name]["cells"]
        thirds = [f"{np.mean([cell['test'][third] for cell in cells]):.1f}" if cells else DASH for third in THIRDS]
        c = row.tested
        difference = DASH if c is None else f"{c.mean:+.2f} [{c.low:+.2f}, {c.high:+.2f}]"
        theirs = [DASH, DASH]
        if name in published:
            theirs = [f"{published[name]:.2f}", f"{published[name] - published['baseline']:+.2f}"]
        mean = DASH if row.mean is None else f"{row.mean:.2f}"
        lines.append([name, mean, difference, *thirds, *theirs])
    return _markdown(lines)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *body = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *body))
