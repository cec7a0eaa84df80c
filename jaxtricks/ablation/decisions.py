"""Where two rows decide differently on the test images: confusions, gains by class, examples that changed.

Nothing is chosen by any of it. It is for tasks that decide on a class for each image.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxtricks.ablation.cells import Cells, unpack
from jaxtricks.ablation.headline import headline_of
from jaxtricks.ablation.moderated import moderated
from jaxtricks.ablation.pictures import pictures_of_test
from jaxtricks.ablation.recommend import FRESH, Recommendation
from jaxtricks.ablation.statistics import holm
from jaxtricks.ablation.summary import Row
from jaxtricks.ablation.variants import Variant
from jaxtricks.data import Dataset
from jaxtricks.train import Recipe

MATRIX = 20  # classes up to which a confusion matrix can be read; of more there are the most frequent confusions
PAIRS = 15  # most frequent confusions that are listed
CLASSES = 24  # classes whose gain is listed: of more, those that gained and those that lost most
LONG = 32  # characters of a name
EXAMPLES = 12  # images of either kind
SEED = 5  # of the draw among images that changed alike


class Arm(NamedTuple):
    """One side of a comparison.

    Fields:
      name: as the report calls it.
      cells: where its cells are.
      recipe: that they were trained by.
    """

    name: str
    cells: Cells
    recipe: Recipe


def decisions(
    results: Mapping[str, Any],
    rows: Sequence[Row],
    variants: Sequence[Variant],
    cells: Cells,
    *,
    recommended: tuple[Recipe, Recommendation] | None = None,
) -> dict[str, Any] | None:
    """The entry ``decisions`` of the results: what the report shows of single images and classes.

    Compared is the recommended recipe with the baseline, by the seeds that confirmed it; without one, of the rows that
    help, the one with the largest gain with its reference; and where no row helps, the first row stands alone.

    Args:
      results: from ``gather``.
      rows: from ``summarise``, of the same results.
      variants: the rows that were trained.
      cells: of them.
      recommended: the baseline, and what was recommended instead of it; or None.

    Returns:
      Plain values, fit for JSON; None where the task decides on no class, or cells do not hold their decisions.
    """
    by_name = {variant.name: variant for variant in variants}
    if recommended is not None:
        baseline, choice = recommended
        name = ", ".join(choice.tricks)
        name = name if len(name) <= LONG else "the recommended recipe"
        arms, why = [Arm("baseline", cells, baseline), Arm(name, cells, choice.recipe)], "recommended"
        seeds = FRESH
    else:
        names, why = _resolved(results, rows)
        arms = [Arm(name, cells.of(by_name[name]), by_name[name].recipe) for name in names]
        seeds = results["seeds"]
    truths = [truth for arm in arms if (truth := _truth(arm)) is not None]
    if len(truths) < len(arms) or any(not np.array_equal(truth, truths[0]) for truth in truths):
        return None
    held = [_held(arm, seeds) for arm in arms]
    common = [seed for seed in seeds if all(seed in one for one in held)]
    if not common:
        return None
    votes = [np.stack([one[seed] for seed in common]) for one in held]
    return {
        "why": why,
        "reference": arms[0].name,
        "row": arms[1].name if len(arms) > 1 else None,
        "seeds": common,
        **compared(truths[0], *votes, dataset=arms[-1].cells.dataset),
    }


def compared(
    truth: np.ndarray, reference: np.ndarray, row: np.ndarray | None = None, *, dataset: Dataset
) -> dict[str, Any]:
    """Confusions of one or two arms, and how the second differs from the first.

    Args:
      truth: the right classes, ``[N]``, 0 to C - 1.
      reference, row: the decisions of each seed, ``[S, N]``, 0 to C; C stands for none, and is never right.
      dataset: gives C, the names of the classes and the test images.

    Returns:
      Plain values, fit for JSON; counts are sums over the seeds.
    """
    classes = int(dataset.classes or truth.max() + 1)
    arms = {"reference": reference} | ({} if row is None else {"row": row})
    counts = {name: confusions(truth, votes, classes) for name, votes in arms.items()}
    images = np.bincount(truth, minlength=classes)
    names = list(dataset.class_names or map(str, range(classes)))
    out: dict[str, Any] = {"images": len(truth), "names": names, "of_class": images.tolist()}
    if classes <= MATRIX:
        out["confusion"] = {name: matrix.tolist() for name, matrix in counts.items()}
    out["pairs"] = _pairs(counts)
    out["classes"] = _by_class(truth, arms, images)
    if row is not None:
        out["disagreement"] = _disagreement(reference, row)
        before, after = ((votes == truth).mean(0) for votes in (reference, row))
        gained = _changed(truth, reference, row, before, after, dataset)
        lost = _changed(truth, reference, row, 1 - before, 1 - after, dataset)
        out |= {"gained": gained, "lost": lost}
    return out


def confusions(truth: np.ndarray, votes: np.ndarray, classes: int) -> np.ndarray:
    """How often each class was taken for each, over all seeds: ``[C, C + 1]``, the last column for no decision."""
    places = np.broadcast_to(truth, votes.shape) * (classes + 1) + np.minimum(votes, classes)
    return np.bincount(places.ravel(), minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def _resolved(results: Mapping[str, Any], rows: Sequence[Row]) -> tuple[list[str], str]:
    """The reference and the row that helps most, or the first row alone; and why."""
    direction = headline_of(results).direction
    helping = [row for row in rows if row.verdict == "helps" and row.about != "interaction" and row.tested]
    best = max(helping, key=lambda row: direction * row.tested.mean, default=None)  # pyright: ignore[reportOptionalMemberAccess]
    if best is None or best.reference is None:
        return [results["rows"][0]["name"]], "alone"
    return [best.reference, best.arm], "resolved"


def _truth(arm: Arm) -> np.ndarray | None:
    """The right classes of the test rows, where the task decides on one."""
    column = arm.recipe.task.truth
    truth = None if column is None else arm.cells.dataset.test[column]
    return np.asarray(truth, np.int64) if isinstance(truth, np.ndarray) else None


def _held(arm: Arm, seeds: Sequence[int]) -> dict[int, np.ndarray]:
    """The decisions that the cells hold, by seed; those of earlier versions hold none."""
    entries = {seed: arm.cells.get(arm.recipe, seed) or {} for seed in seeds}
    return {seed: unpack(cell["decided"]) for seed, cell in entries.items() if cell.get("decided")}


def _pairs(counts: Mapping[str, np.ndarray]) -> list[dict[str, int]]:
    """The most frequent confusions of all arms together, the most frequent first."""
    total = np.sum(list(counts.values()), axis=0)[:, :-1]
    total = total * ~np.eye(len(total), dtype=bool)
    order = np.argsort(-total, axis=None, kind="stable")[:PAIRS]
    places = [np.unravel_index(place, total.shape) for place in order if total.flat[place]]
    return [
        {"true": int(i), "taken": int(j), **{name: int(matrix[i, j]) for name, matrix in counts.items()}}
        for i, j in places
    ]


def _by_class(truth: np.ndarray, arms: Mapping[str, np.ndarray], images: np.ndarray) -> list[dict[str, Any]]:
    """Percent of each class that is right by arm, and the gain with its interval; classes without test images lack."""
    there = np.flatnonzero(images)
    right = {name: np.array([100 * (votes[:, truth == c] == c).mean(1) for c in there]) for name, votes in arms.items()}
    out = [
        {"class": int(c), **{name: float(values[place].mean()) for name, values in right.items()}}
        for place, c in enumerate(there)
    ]
    if len(right) == 2:
        differences = right["row"] - right["reference"]
        tests = moderated(list(differences), limits=(-100, 100))
        for entry, values, test, p in zip(out, differences, tests, holm([t.p for t in tests]), strict=True):
            entry |= {"gain": test.mean, "low": test.low, "high": test.high, "p": float(p), "gains": values.tolist()}
    if len(out) <= CLASSES:
        return out
    out.sort(key=lambda entry: -entry.get("gain", -entry["reference"]))  # alone: the worst first
    return out[: CLASSES // 2] + out[-CLASSES // 2 :] if len(right) == 2 else out[:CLASSES]


def _disagreement(reference: np.ndarray, row: np.ndarray) -> dict[str, float | None]:
    """Percent of decisions that differ: between two seeds of the reference, and between the arms at one seed."""
    seeds = len(reference)
    between = [float((reference[i] != reference[j]).mean()) for i in range(seeds) for j in range(i)]
    return {
        "seeds": 100 * float(np.mean(between)) if between else None,
        "arms": 100 * float((reference != row).mean()),
    }


def _changed(truth, reference, row, before, after, dataset: Dataset) -> dict[str, Any]:
    """Images that turn from below half of the seeds to above it: how many, and those that turn with the most seeds."""
    changed = np.flatnonzero((before < 0.5) & (after > 0.5))
    drawn = np.random.default_rng(SEED).permutation(changed)
    shown = drawn[np.argsort(-(after - before)[drawn], kind="stable")][:EXAMPLES]
    pictures = pictures_of_test(dataset, shown)
    examples = [
        {
            "index": int(i),
            "true": int(truth[i]),
            "reference": _most(reference[:, i], int(truth[i])),
            "row": _most(row[:, i], int(truth[i])),
            "picture": picture,
        }
        for i, picture in zip(shown, pictures, strict=True)
    ]
    return {"count": len(changed), "examples": examples}


def _most(votes: np.ndarray, truth: int) -> list[int]:
    """The right class if most seeds decide for it, else the most frequent wrong one; and with how many seeds."""
    right = (votes == truth).mean() > 0.5
    values, counts = np.unique(votes[(votes == truth) == right], return_counts=True)
    return [int(values[counts.argmax()]), int(counts.max())]
