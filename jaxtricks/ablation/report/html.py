"""The report as one HTML page: one script, which sorts tables; nothing loaded from elsewhere; light, dark, on paper.

The words and the structure are in ``page.html.j2``; here is what it is filled with. Everything is escaped but the
figures, which escape their own texts.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jaxtricks.ablation.advice import advise, lesson, note
from jaxtricks.ablation.headline import Headline, headline_of
from jaxtricks.ablation.report import classes, plots, wording
from jaxtricks.ablation.report.recipe_changes import changes
from jaxtricks.ablation.summary import Row

FOLDER = Path(__file__).parent
CSS = (FOLDER / "page.css").read_text(encoding="utf-8")
SCRIPT = (FOLDER / "page.js").read_text(encoding="utf-8")
TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.globals |= {"css": Markup(CSS), "script": Markup(SCRIPT), "dash": wording.DASH}  # without text of the user's
TEMPLATES.filters |= {
    "signed": wording.signed,
    "number": wording.number,
    "p_value": wording.p_value,
    "gain": wording.gain_of,
    "time": lambda ratio: wording.time_of(*ratio or (None,) * 3),
    "time_interval": lambda ends: wording.time_bounds(*ends),
    "interval": lambda ends: wording.bounds(*ends),
    "interval_of_values": lambda ends: wording.bounds(ends[0], ends[1], "{:.2f}".format),
}
VERDICTS = {  # class in the style sheet, symbol
    "helps": ("helps", "●"),
    "hurts": ("hurts", "◆"),
    "no effect": ("none", "■"),
    "not resolved": ("open", "○"),
}
ACTIONS = {"adopt": "helps", "drop": "hurts", "undecided": "open"}
SIGNS = {1: "increase", 0: "no effect", -1: "decrease", None: wording.DASH}


def render(results: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The complete page.

    Args:
      results: from ``gather``.
      rows: from ``summarise``, of the same results.

    Returns:
      HTML.
    """
    headline, advice = headline_of(results), advise(results, rows)
    compared = [row for row in rows if row.reference is not None]
    variants = [row for row in rows if row.arm == row.name]  # the complete stack has no recipe or runs of its own
    return TEMPLATES.get_template("page.html.j2").render(
        results=results,
        rows=rows,
        variants=variants,
        compared=compared,
        headline=headline,
        planned=len(results["seeds"]),
        verdicts=VERDICTS,
        signs=SIGNS,
        about=[text for key, text in wording.about(results).items() if key != "notes"],
        lesson=lesson(results, rows, advice),
        findings=wording.findings(results, rows),
        method=wording.method(results, rows),
        against={row.name: wording.against(row) for row in compared},
        verdict_words={row.name: wording.verdict_of(row, results) for row in rows},
        margin=wording.margin(results),
        tables=results.get("tables") if any(row.paper for row in rows) else None,
        advice=advice,
        advice_note=note(results, advice) if advice else None,
        actions=ACTIONS,
        facts=wording.made_with(results),
        costs={row.name: wording.costs(row) for row in variants},
        changes={row.name: changes(results, row) for row in variants if row.reference is not None},
        failures=[failure for row in variants for failure in _failures(row)],
        figures=_figures(results, rows, variants, headline),
        images=classes.shown(results),
        has_band=results["resolvable"] is not None and math.isfinite(results["resolvable"]),
    )


def _figures(results, rows: Sequence[Row], variants: Sequence[Row], headline: Headline) -> dict[str, Any]:
    """The figures as SVG, None where there is nothing to draw; ``curves`` are ``(name, figure)`` by row."""
    timed = [row for row in rows if row.tested and row.ratio["time"] is not None and row.about != "interaction"]
    entries = {row["name"]: row for row in results["rows"]}
    drawn = [row for row in results["rows"] if row["cells"]]
    limits = plots.curve_limits(drawn, headline)
    compared = any(row.reference is not None for row in rows)
    shown = {"resolvable": results["resolvable"], "margin": wording.margin(results)}
    differences = plots.differences(rows, headline, **shown) if compared else None
    return {
        "differences": differences and Markup(differences),
        "values": Markup(plots.values(variants, headline, connect=results["mode"] == "stack")),
        "gain_per_cost": Markup(plots.gain_per_cost(timed, headline)) if timed else None,
        "curves": [
            (row["name"], Markup(plots.curves(row, entries.get(row["reference"]), headline, limits))) for row in drawn
        ],
    }


def _failures(row: Row) -> list[tuple[str, int, str | None]]:
    """``(row, seed, error)`` of each run without a result; None where it has not run yet."""
    errors = dict(row.failed)
    return [(row.name, seed, errors.get(seed)) for seed in row.missing]
