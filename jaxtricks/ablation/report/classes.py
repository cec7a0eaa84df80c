"""Decisions on single images, for a page: confusions as a table of shades, gains by class, images that changed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
from markupsafe import Markup
from matplotlib.ticker import FuncFormatter

from jaxtricks.ablation.report import plots, wording
from jaxtricks.ablation.report.svg import MUTED, STYLE, svg_of

DEEPEST = 45  # percent of colour behind a number that must stay readable
NONE = "no class"  # what a network decides for whose output is no number
BESIDE_MATRIX = 10  # confusions that are listed where a matrix shows them all
SHORT = 16  # characters of a class's name in a matrix


class Square(NamedTuple):
    """One field of a matrix: its text, its colour ("helps", "hurts" or none), its shade in percent, and in words."""

    text: str
    tone: str
    shade: int
    words: str


class Matrix(NamedTuple):
    """A matrix: what it shows, the heads of its columns, and its rows, each with a name."""

    caption: str
    heads: list[str]
    rows: list[tuple[str, list[Square]]]


def shown(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a page shows of the decisions on single images.

    Args:
      results: from ``gather``, with ``decisions`` or without.

    Returns:
      What ``images.html.j2`` is filled with; None where there are no decisions.
    """
    said = results.get("decisions")
    if not said:
        return None
    names = [*said["names"], NONE]
    return {
        "title": f"Image by image: {said['row']} against {said['reference']}"
        if said["row"]
        else f"Image by image: {said['reference']}",
        "words": " ".join(sentences(said)),
        "matrices": _matrices(said, names),
        "pairs": pairs(said),
        "figure": Markup(by_class(said)) if said["row"] else None,
        "part": len(said["classes"]) < sum(count > 0 for count in said["of_class"]),
        "changed": [
            (title, said[kind]["count"], [_example(one, names, len(said["seeds"])) for one in said[kind]["examples"]])
            for kind, title in (("gained", "From wrong to right"), ("lost", "From right to wrong"))
            if said["row"]
        ],
        "width": 5 if max(map(len, said["names"])) <= SHORT else 8,
    }


def pairs(said: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The most frequent confusions as rows of a table: true class, taken for, then percent by arm and the change."""
    names, rows, seeds = said["names"], [], len(said["seeds"])
    for pair in said["pairs"]:
        images = seeds * said["of_class"][pair["true"]]
        shares = [100 * pair[arm] / images for arm in ("reference", "row") if arm in pair]
        change = (f"{shares[1] - shares[0]:+.1f}".replace("-", wording.MINUS),) if len(shares) == 2 else ()
        rows.append((names[pair["true"]], names[pair["taken"]], *(f"{share:.1f}" for share in shares), *change))
    return rows if "confusion" not in said else rows[:BESIDE_MATRIX]


def by_class_rows(said: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of a table: class, its test images, percent that is right by arm, the gain with its interval."""
    rows = []
    for one in said["classes"]:
        right = [wording.number(one[arm]) for arm in ("reference", "row") if arm in one]
        gain = (f"{wording.signed(one['gain'])} {wording.bounds(one['low'], one['high'])}",) if "gain" in one else ()
        rows.append((said["names"][one["class"]], str(said["of_class"][one["class"]]), *right, *gain))
    return rows


@matplotlib.rc_context(STYLE)
def by_class(said: Mapping[str, Any]) -> str:
    """The gain of each class in the share that is right, with its interval, the largest on top; an SVG.

    Args:
      said: ``results["decisions"]``, of two arms.
    """
    ranked = sorted(said["classes"], key=lambda one: -one["gain"])
    titles = [f"{_short(said['names'][one['class']])} ({said['of_class'][one['class']]})" for one in ranked]
    figure, axes = plots.ladder(titles)
    limits = plots.limits_of([(one["gains"], *_ends(one)) for one in ranked], min_span=1.0, through=0.0)
    axes.axvline(0, color=MUTED, linewidth=1)
    for y, one in enumerate(ranked):
        resolved = one["p"] < 0.05 and one["gain"] != 0
        verdict = ("helps" if one["gain"] > 0 else "hurts") if resolved else "not resolved"
        words = f"{titles[y]}: {wording.signed(one['gain'])} {wording.bounds(*_ends(one))}"
        plots.interval_line(axes, y, one["gains"], one["gain"], *_ends(one), verdict, limits, words)
    axes.set_xlim(*limits)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: plots.sign(x)))
    axes.set_xlabel("Gain, points")
    return svg_of(figure, "Gain of every class, with 95 % intervals")


def _ends(one: Mapping[str, Any]) -> tuple[float, float]:
    """The interval; JSON holds None for what is infinite."""
    low, high = one["low"], one["high"]
    return (-float("inf") if low is None else low, float("inf") if high is None else high)


def sentences(said: Mapping[str, Any]) -> list[str]:
    """What is compared, why, and how much of the change is chance."""
    seeds, images = len(said["seeds"]), f"{said['images']:,} test images"
    why = {
        "recommended": f"The recommended recipe was chosen on held-out images; these are its {seeds} fresh seeds, and "
        f"{images} that decided nothing.",
        "resolved": f"Of the variants that help, {said['row']} gains most, on these same {images}, which flatters it a "
        f"little; {_count(seeds)}.",
        "alone": f"No variant is shown to help, so {said['reference']} stands alone: {images}, {_count(seeds)}.",
    }
    words = [why[said["why"]]]
    if said["row"]:
        apart = said["disagreement"]
        words.append(
            f"{said['gained']['count']} images that most seeds had wrong are right with most seeds now, and "
            f"{said['lost']['count']} the other way round."
        )
        if apart["seeds"] is not None:
            words.append(
                f"Chance has a part in both: two seeds of {said['reference']} differ on {apart['seeds']:.1f} % of the "
                f"images, the two recipes at one seed on {apart['arms']:.1f} %."
            )
    return words


def _count(seeds: int) -> str:
    return f"{seeds} seed" + ("" if seeds == 1 else "s")


def _matrices(said: Mapping[str, Any], names: Sequence[str]) -> list[Matrix]:
    """The confusions of the row, or of the reference alone, and what changed; none where there are too many classes."""
    if "confusion" not in said:
        return []
    shares = {arm: _shares(counts) for arm, counts in said["confusion"].items()}
    used = len(names) if any(row[-1] for counts in said["confusion"].values() for row in counts) else len(names) - 1
    after = shares.get("row", shares["reference"])
    heads, classes = list(names[:used]), [i for i, images in enumerate(said["of_class"]) if images]
    last = said["row"] or said["reference"]
    rows = [(names[i], [_square(after[i][j], i == j, names[i], names[j]) for j in range(used)]) for i in classes]
    out = [Matrix(f"{last}: percent of each true class (row) that is taken for each class (column)", heads, rows)]
    if said["row"]:
        before = shares["reference"]
        rows = [
            (names[i], [_moved(before[i][j], after[i][j], i == j, names[i], names[j]) for j in range(used)])
            for i in classes
        ]
        out.append(Matrix(f"Change against {said['reference']}, in points", heads, rows))
    return out


def _shares(counts: Sequence[Sequence[int]]) -> list[list[float]]:
    return [[100 * count / max(sum(row), 1) for count in row] for row in counts]


def _square(share: float, right: bool, true: str, taken: str) -> Square:
    words = f"{true}: {share:.1f} % " + ("right" if right else f"taken for {taken}")
    return Square(_rounded(share), "helps" if right else "hurts", round(DEEPEST * (share / 100) ** 0.5), words)


def _moved(before: float, after: float, right: bool, true: str, taken: str) -> Square:
    change = after - before
    text = f"{change:+.0f}".replace("-", wording.MINUS) if abs(change) > 0.5 else ""
    better = change > 0 if right else change < 0
    words = f"{true} {'right' if right else f'taken for {taken}'}: {before:.1f} %, then {after:.1f} %"
    return Square(text, "helps" if better else "hurts", round(min(DEEPEST, 12 * abs(change) ** 0.5)), words)


def _rounded(share: float) -> str:
    return f"{share:.0f}" if share > 0.5 else ""


def _short(name: str) -> str:
    return name if len(name) <= SHORT else name[: SHORT - 1] + "…"


def _example(one: Mapping[str, Any], names: Sequence[str], seeds: int) -> dict[str, Any]:
    """One image: the picture, the true class, and what most seeds of each arm took it for."""
    arms = [
        {"name": names[taken], "right": taken == one["true"], "votes": f"{votes}/{seeds}"}
        for taken, votes in (one["reference"], one["row"])
    ]
    return {"picture": one["picture"], "index": one["index"], "true": names[one["true"]], "arms": arms}
