"""The picture of the README: what each rung of the ladder gained, what helped elsewhere, and what it costs.

python -m docs.site.overview    # writes docs/gains.png from the committed results
"""

from collections import Counter
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure

from docs.gallery.panels import ROLES
from docs.site import markdown, results
from docs.site.results import Measured

FILE = results.ROOT / "docs" / "gains.png"
COLOURS = {"helps": "#0067a5", "hurts": "#b84a00", "no effect": "#1a7f5a", "not resolved": "#8a939c"}


def counts() -> str:
    """How many comparisons there are, by verdict."""
    verdicts = Counter(one.verdict for one in results.everything())
    parts = [f"{verdicts[verdict]} {verdict.replace('helps', 'help').replace('hurts', 'hurt')}" for verdict in COLOURS]
    return f"{sum(verdicts.values())} comparisons: {', '.join(parts)}"


def draw() -> Figure:
    """The figure."""
    ladder = [one for one in markdown.of_experiment("bag_of_tricks") if not one.setting]
    elsewhere = [one for one in markdown.best() if one.experiment != "bag_of_tricks"]
    rows = max(len(ladder), len(elsewhere))
    figure = Figure(figsize=(11, 1.3 + 0.17 * rows), dpi=110, layout="constrained", facecolor=ROLES["paper"])
    left, right = figure.subplots(1, 2)
    _panel(left, ladder, f"Bag of Tricks, rung by rung\n{markdown.where(ladder[0])}", [one.trick for one in ladder])
    names = [f"{one.setting}: {one.trick}" if one.setting else one.trick for one in elsewhere]
    _panel(right, elsewhere, "What helps in the other tables\neach against the baseline of its own table", names)
    figure.suptitle(counts(), x=0.01, ha="left", fontsize=12, color=ROLES["ink"], fontweight="bold")
    return figure


def _panel(axes, measured: Sequence[Measured], title: str, names: Sequence[str]) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=ROLES["ink"])
    for place, one in enumerate(measured):
        tested, colour = one.row.tested, COLOURS[one.verdict]
        axes.plot([tested.low, tested.high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(tested.mean, place, "o", color=colour, markersize=5)
        cost = markdown.cost(one).replace("no more", "free")
        axes.annotate(
            cost, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=ROLES["muted"]
        )
    axes.axvline(0, color=ROLES["muted"], linewidth=0.8, linestyle=(0, (2, 2)))
    axes.annotate("cost", (1.01, -1), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=ROLES["muted"])
    axes.set_yticks(range(len(names)), names, fontsize=8.5, color=ROLES["ink"])
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xlabel("gain in points of test accuracy, 95 % interval", fontsize=8.5, color=ROLES["muted"])
    axes.tick_params(axis="x", labelsize=8.5, colors=ROLES["muted"])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(ROLES["line"])


def main() -> None:
    """Write the picture."""
    draw().savefig(FILE)
    print(FILE)


if __name__ == "__main__":
    main()
