"""The report as one HTML page: no scripts, nothing loaded from elsewhere, light and dark, screen and paper."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jaxtricks.ablation import plots
from jaxtricks.ablation.summary import Row
from jaxtricks.ablation.wording import (
    DASH,
    TIMES,
    about,
    bounds,
    changes,
    costs,
    findings,
    made_with,
    number,
    p_value,
    signed,
)

CSS = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SYMBOL = {"agrees": "●", "disagrees": "◆", "higher": "▲", "lower": "▼", "not resolved": "○"}
CLASS = {"agrees": "agrees", "disagrees": "disagrees", "higher": "found", "lower": "found", "not resolved": "open"}
EXPECTED = {1: "increase", 0: "no effect", -1: "decrease", None: DASH}


def render(results: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The whole page."""
    compared = [row for row in rows if row.reference is not None]
    parts = [
        f"<h1>{escape(results['title'])}</h1>",
        f'<p class="meta">{escape(" · ".join(about(results).values()))}</p>',
        f'<p class="lead">{escape(findings(results, rows))}</p>',
        _overview(results, rows, compared),
        "<h2>Results</h2>",
        _main_table(rows, len(results["seeds"])),
        _cost(rows),
        _curves(results),
        _statistics(compared),
        _recipes(results, rows),
        _failures(rows),
        "<h2>Reproduce</h2>",
        f"<pre>{escape(results['command'])}</pre>",
        _pairs(made_with(results)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(results['title'])}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _overview(results: Mapping[str, Any], rows: Sequence[Row], compared: Sequence[Row]) -> str:
    stack = results["mode"] == "stack"
    band = ""
    if results["resolvable"] is not None and math.isfinite(results["resolvable"]):
        band = " The grey band holds differences smaller than these runs were planned to resolve."
    to = "the row above it" if stack else "its reference"
    left = _figure(
        plots.differences(rows, least=results["resolvable"]),
        f"Difference of each variant to {to}: mean and 95 % interval of the paired differences; ticks below the line "
        "are the pairs. "
        '<span class="agrees">● resolved, as expected</span>; '
        '<span class="disagrees">◆ resolved, not as expected</span>; ▲ ▼ resolved, nothing expected; '
        '<span class="open">○ not resolved</span>. '
        "An interval may leave zero out and yet be not resolved, because the verdict is corrected for the number of "
        "comparisons. An arrow marks an interval that goes on beyond the axis; a mark without a line has none." + band,
    )
    right = _figure(
        plots.accuracies(rows, connect=stack),
        "Test accuracy of each variant: mean and 95 % interval over the seeds; ticks are the seeds. Intervals that "
        "overlap here may still belong to a resolved difference, since pairs share their seed.",
    )
    return f'<h2>Differences and accuracy</h2>\n<div class="pair">{left if compared else ""}{right}</div>'


def _main_table(rows: Sequence[Row], planned: int) -> str:
    body = []
    for row in rows:
        name = f"{escape(row.name)}"
        if row.reference is not None:
            name += f"<small>against {escape(row.reference)}</small>"
        if row.paper:
            name += f"<small>paper: {escape(row.paper)}</small>"
        if row.missing:
            name += f'<small class="warn">{len(row.seeds)} of {planned} seeds</small>'
        compared = row.reference is not None
        gain = DASH if row.gain is None else signed(row.gain)
        verdict = DASH
        if compared:
            verdict = f'<span class="verdict {CLASS[row.verdict]}">{SYMBOL[row.verdict]} {row.verdict}</span>'
        body.append(
            [
                name,
                EXPECTED[row.expected] if compared else DASH,
                number(row.mean) + _small(bounds(row.low, row.high, "{:.2f}".format)) if row.seeds else DASH,
                _difference(row),
                p_value(row.adjusted_p if row.comparison else None),
                verdict,
                number(row.ratio["time"], TIMES + " {:.2f}"),
                f'<span class="{"" if compared and row.verdict != "not resolved" else "open"}">{gain}</span>',
            ]
        )
    head = [
        "Variant",
        "Expected",
        "Test accuracy, %<small>95 % interval</small>",
        "Difference, points<small>95 % interval</small>",
        "p (Holm)",
        "Verdict",
        "Training time<small>to reference</small>",
        "Points per 1 %<small>more time</small>",
    ]
    return _table(head, body, left=(0, 1, 5), style="cards")


def _cost(rows: Sequence[Row]) -> str:
    body = [[escape(row.name), *costs(row)] for row in rows]
    head = ["Variant", "Run, s", "Step, ms", "MACs<small>forward, one image</small>"]
    head += ["FLOPs<small>training step</small>", "Peak, MiB", "Parameters", "Waiting for input, %", "Skipped steps"]
    plot = ""
    timed = [row for row in rows if row.comparison]
    if timed:
        plot = _figure(
            plots.gain_per_cost(timed),
            "Difference in accuracy against extra training time, each relative to the variant's reference. Time is the "
            "mean ratio of the seconds of the paired runs; the axis is linear to 20 % and logarithmic beyond. Points "
            "per 1 % more time are given only where the extra time can itself be told from zero.",
        )
    return f"<h2>Cost</h2>\n{plot}\n{_table(head, body)}"


def _curves(results: Mapping[str, Any]) -> str:
    by_name = {row["name"]: row for row in results["rows"]}
    drawn = [row for row in results["rows"] if row["cells"]]
    if not drawn:
        return ""
    limits = plots.curve_limits(drawn)
    panels = [
        f"<div><h3>{escape(row['name'])}</h3>{plots.curves(row, by_name.get(row['reference']), limits)}</div>"
        for row in drawn
    ]
    return (
        '<h2>Learning curves</h2>\n<p class="note">By epoch, above: validation accuracy, %; below: training loss. '
        '<span class="agrees">Colour: the variant</span>; grey: its reference. Lines are means over the seeds, bands '
        "reach from the lowest to the highest seed; the axes leave out the first steep part. Training losses "
        "compare only where the targets are the same: not across label smoothing, mixup or distillation.</p>\n"
        f'<figure class="many">{"".join(panels)}</figure>'
    )


def _statistics(compared: Sequence[Row]) -> str:
    body = []
    for row in compared:
        c = row.comparison
        body.append(
            [
                escape(row.name),
                str(c.n if c else 0),
                signed(c.mean) if c else DASH,
                number(c and c.sd),
                bounds(c.low, c.high) if c else DASH,
                bounds(c.bootstrap_low, c.bootstrap_high) if c else DASH,
                p_value(c and c.p),
                p_value(c and row.adjusted_p),
            ]
        )
    head = ["Variant", "Pairs", "Mean", "Deviation", "t interval", "Bootstrap-t interval", "p", "p (Holm)"]
    return (
        f"<h2>Statistics</h2>\n{_table(head, body)}\n"
        '<p class="note">Differences in points, treated minus reference at the same seed. Both intervals are at 95 % '
        "and not corrected for several comparisons; p is that of the two-sided paired t-test, Holm's correction is "
        "over all rows of this table, and below 0.05 after it a difference is resolved. One pair, or pairs without "
        "any spread, allow no interval and count as p = 1, as does a row without pairs. The bootstrap gives no "
        "interval for fewer than four pairs, and may leave a side open where pairs are equal. Seeds vary the "
        "weights, the order and the augmentation, not the data: nothing here is claimed for other data sets.</p>"
    )


def _recipes(results: Mapping[str, Any], rows: Sequence[Row]) -> str:
    body, whole = [], []
    for row in rows:
        if row.reference is None:
            recipe = _pairs(results["recipe"].get(row.name, {}))
            whole.append(f"<details><summary>Recipe of {escape(row.name)}</summary>{recipe}</details>")
            continue
        name = f"{escape(row.name)}<small>against {escape(row.reference)}</small>"
        changed = changes(results, row)
        body += [[name, *(f"<code>{escape(part)}</code>" for part in change)] for change in changed]
        body += [] if changed else [[name, '<span class="warn">nothing</span>', DASH, DASH]]
    table = _table(["Variant", "Field", "Before", "After"], body, left=(0, 1, 2, 3), style="diff") if body else ""
    return "<h2>What changed in each recipe</h2>\n" + table + "\n".join(whole)


def _failures(rows: Sequence[Row]) -> str:
    body = []
    for row in rows:
        errors = {seed: f"<code>{escape(error)}</code>" for seed, error in row.failed}
        body += [[escape(row.name), str(seed), errors.get(seed, "not run yet")] for seed in row.missing]
    return "<h2>Runs without a result</h2>\n" + _table(["Variant", "Seed", "Reason"], body, left=(0, 2)) if body else ""


def _difference(row: Row) -> str:
    if row.comparison is None:
        return DASH
    return signed(row.comparison.mean) + _small(bounds(row.comparison.low, row.comparison.high))


def _small(text: str) -> str:
    return f"<small>{text}</small>"


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{caption}</figcaption></figure>"


def _table(head: Sequence[str], body: Iterable[Sequence[str]], *, left: Sequence[int] = (0,), style: str = "") -> str:
    """A table of cells that are HTML already; the first of a row is its heading, numbers stand on the right."""
    kind = ["" if i in left else ' class="n"' for i in range(len(head))]
    labels = [escape(text.split("<")[0]) for text in head]
    lines = [
        f'<tr><th scope="row">{first}</th>'
        + "".join(f'<td{kind[i]} data-label="{labels[i]}"><div>{cell}</div></td>' for i, cell in enumerate(rest, 1))
        + "</tr>"
        for first, *rest in body
    ]
    top = "".join(f'<th scope="col"{kind[i]}>{text}</th>' for i, text in enumerate(head))
    table = f'<table class="{style}"><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _pairs(entries: Mapping[str, Any]) -> str:
    lines = [
        f'<tr><th scope="row">{escape(str(key))}</th><td><code>{escape(str(value))}</code></td></tr>'
        for key, value in entries.items()
    ]
    return f'<div class="scroll"><table class="narrow"><tbody>{"".join(lines)}</tbody></table></div>'
