"""What a run can be expected to resolve, from the spread that was measured so far."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import optimize, special

from jaxtricks.ablation.cells import Cells
from jaxtricks.ablation.contrasts import correlation_of
from jaxtricks.ablation.headline import Headline, headline_of_task, plural
from jaxtricks.ablation.moderated import FEWEST, fit_prior, moderate
from jaxtricks.ablation.statistics import resolvable
from jaxtricks.ablation.variants import Variant

TABLES = 1_000  # that are simulated
DIFFER = 0.12  # of the test images that two recipes decide differently at one seed: 0.10 to 0.14 in committed reports
MUCH = 10.0  # points, which few tricks change a share of images by
MEASURED_ON = 10_000  # test images under the deviation that is assumed, those of CIFAR-10


def assumed_spread(sd: float, source: str, *, images: int, headline: Headline) -> dict[str, Any]:
    r"""The standard deviation of paired differences before anything was trained, by the size of the test set.

    Two runs decide a share q of N test images differently, by chance for either side, so that of a difference in
    percent :math:`100 \sqrt{q / N}` are of these images alone. What was assumed has that of the set that it was
    measured on; the rest is the same for every set: the squares are added.

    Args:
      sd: assumed for a test set of 10,000 images, in the unit of the headline.
      source: where that number is from.
      images: of the test set, 1 or more.
      headline: a share in percent; of another one nothing is known, and sd stays.

    Returns:
      ``{"value": ..., "from": ...}``, as ``gather`` takes it.
    """
    if headline.unit != "%":
        return {"value": sd, "from": source}
    there, alone = (100 * np.sqrt(DIFFER / count) for count in (MEASURED_ON, images))
    on_many = f"{headline.difference(f'{sd:g}')} on {MEASURED_ON:,} test images, {source}"
    chance = f"of {images:,} chance alone gives {headline.difference(f'{alone:.2g}')}"
    why = f"{on_many}; {chance}, where two runs differ on {100 * DIFFER:.0f} % of them"
    return {"value": float(np.sqrt(max(sd**2 - there**2, 0.0) + alone**2)), "from": why}


def spread_so_far(
    rows: Sequence[Variant], cells: Cells, seeds: Iterable[int], *, assumed: float, source: str, images: int
) -> dict[str, Any]:
    """The standard deviation of paired differences, as the cells that are there show it.

    Args:
      rows: of the table.
      cells: where their cells lie.
      seeds: of the table.
      assumed: the deviation where the pairs have fewer than three degrees of freedom in all, in the unit of the
        headline; a row's are one less than its pairs.
      source: where that number is from, for the reader.
      images: of the test set; see ``assumed_spread``.

    Returns:
      ``{"value": ..., "from": ...}``, as ``gather`` takes it.
    """
    headline, values = headline_of_task(rows[0].recipe.task), {}
    name = headline.name
    for row in rows:
        runs = {seed: cells.of(row).get(row.recipe, seed) for seed in seeds}
        values[row.name] = {s: c["test"][name] for s, c in runs.items() if c and "error" not in c and name in c["test"]}
    samples, links = [], _links(rows)
    for row in rows:
        if row.reference is not None:
            reference = values[row.reference]
            samples.append([value - reference[seed] for seed, value in values[row.name].items() if seed in reference])
    df = np.array([len(sample) - 1 for sample in samples])
    variances = np.array([np.var(sample, ddof=1) if len(sample) > 1 else 0.0 for sample in samples])
    used = np.flatnonzero((df > 0) & (variances > 0))
    if df[used].sum() < FEWEST:
        return assumed_spread(assumed, source, images=images, headline=headline)
    if used.size < FEWEST:  # too few to learn a prior from: what they say together
        scale = np.average(variances[used], weights=df[used])
    else:
        scale = fit_prior(variances[used], df[used], correlation=correlation_of(links)[np.ix_(used, used)]).scale
    pairs = df[used].sum() + used.size
    return {"value": float(np.sqrt(scale)), "from": f"measured on {pairs} pairs of {plural(int(used.size), 'row')}"}


def smallest_effect(rows: Sequence[Variant], seeds: int, sd: float, *, power: float = 0.8) -> float:
    """The true difference that the moderated test of a row finds with the given power, if all rows spread alike.

    Tables without an effect are simulated, and the effect is added to each row in turn: what the rows learn from each
    other depends on the arms that they share, and no formula has it.

    Args:
      rows: of the table; those with a reference are tested.
      seeds: of every row, 0 or more.
      sd: standard deviation of the paired differences, 0 or more.
      power: between 0.05 and 1.

    Returns:
      The difference, in the unit of sd, before the correction for several rows; inf where nothing can be resolved.
    """
    links = _links(rows)
    if seeds < 2 or len(links) < FEWEST or sd == 0:
        return resolvable(seeds, sd, power=power)
    arms = {name: i for i, name in enumerate(dict.fromkeys(name for weights in links for name in weights))}
    weights = np.zeros((len(links), len(arms)))
    for row, link in zip(weights, links, strict=True):
        for name, weight in link.items():
            row[arms[name]] = weight
    noise = np.random.default_rng(0).normal(size=(TABLES, len(arms), seeds))
    differences = weights @ noise
    df, correlation = np.full(len(links), seeds - 1.0), correlation_of(links)
    variances, degrees = moderate(differences.var(-1, ddof=1) / 2, df, correlation=correlation)
    error, critical = np.sqrt(2 * variances / seeds), special.stdtrit(degrees, 0.975)
    mean = differences.mean(-1)

    def shortfall(effect: float) -> float:
        return power - np.mean(np.abs(mean + effect) > critical * error)

    high = 1.0
    while shortfall(high) > 0:
        high *= 2
    effect = optimize.bisect(shortfall, 0.0, high, xtol=1e-3)
    return float(effect * sd / np.sqrt(2))  # pyright: ignore[reportOperatorIssue] - a tuple only with full_output


def resolution(rows: Sequence[Variant], seeds: int, sd: float, headline: Headline) -> float:
    """``smallest_effect``, and inf where it is larger than any difference that the headline can have.

    Args:
      rows, seeds, sd: as for ``smallest_effect``.
      headline: with its bounds.

    Returns:
      The difference, in the unit of sd.
    """
    effect, (low, high) = smallest_effect(rows, seeds, sd), headline.bounds
    return effect if low is None or high is None or effect <= high - low else np.inf


def said(effect: float, seeds: int, spread: Mapping[str, Any], headline: Headline) -> list[str]:
    """What ``resolution`` gave, for the reader before the run, in lines.

    Args:
      effect: of ``resolution``.
      seeds: of every row.
      spread: of ``spread_so_far``.
      headline: of the rows.

    Returns:
      Text.
    """
    smallest = headline.difference(f"{effect:.1f}") if np.isfinite(effect) else "none, however large"
    differ = headline.difference(f"{spread['value']:.2g}")
    much = np.isfinite(effect) and headline.unit == "%" and effect > MUCH
    return [
        f"Smallest effect that {plural(seeds, 'seed')} resolve{'s' if seeds == 1 else ''} (80 % power): {smallest},",
        f"if paired differences spread by {differ} ({spread['from']}).",
        *(["Hardly a trick changes as much: take more seeds."] if much else []),
    ]


def _links(rows: Sequence[Variant]) -> list[dict[str, float]]:
    """The weights of the arms of every row that has a reference."""
    return [{row.name: 1.0, row.reference: -1.0} for row in rows if row.reference is not None]
