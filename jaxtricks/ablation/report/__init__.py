"""A report of an ablation: a table for the terminal, and results.json, report.md and report.html."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from jaxtricks.ablation.advice import Advice, advise, lesson, note
from jaxtricks.ablation.headline import Headline, headline_of
from jaxtricks.ablation.output import write_text
from jaxtricks.ablation.report import classes
from jaxtricks.ablation.report.html import CSS, render
from jaxtricks.ablation.report.recipe_changes import changes
from jaxtricks.ablation.report.wording import (
    DASH,
    MINUS,
    about,
    costs,
    difference,
    findings,
    gain_of,
    made_with,
    method,
    number,
    p_value,
    time_of,
    verdict_of,
)
from jaxtricks.ablation.summary import Row, summarise

__all__ = ["CSS", "Row", "findings", "markdown", "render", "summarise", "table", "write"]

STYLE = {"helps": "bold blue", "hurts": "bold red", "no effect": "bold", "not resolved": "dim", None: ""}
SIGNS = {1: "+", 0: "0", -1: MINUS, None: DASH}
COSTS = ("variant", "run s", "step ms", "MACs", "step FLOPs", "peak MiB", "parameters", "waiting %", "skipped steps")
ADVICE = ("trick", "advice", "gain, held-out [95 %]", "gain, test [95 %]", "time [95 %]", "why")


P, VERDICT, TIME = 4, 5, 6  # of the columns


def head(headline: Headline) -> tuple[str, ...]:
    """The columns of the short table."""
    return ("variant", "paper", headline.title, "difference [95 %]", "p Holm", "verdict", "time")


def table(results: Mapping[str, Any]) -> Table:
    """The rows as a table for the terminal.

    Args:
      results: as for ``summarise``.

    Returns:
      A rich Table: print it by ``rich.print``.
    """
    rows = summarise(results)
    body = [list(_cells(row, results)) for row in rows]
    longest = max((len(word) for cells in body for word in cells[0].split()), default=1)
    title = Text(results["title"])
    lines = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown = [i for i in range(len(body[0])) if i != P] if body else []  # a terminal is narrow, and the verdict says it
    for i in shown:
        column = head(headline_of(results))[i]
        lines.add_column(
            column.replace(", ", "\n") if i == 2 else column,
            justify="left" if i in (0, 1, VERDICT) else "right",
            overflow="fold",
            no_wrap=i not in (0, VERDICT),
            max_width=len("not resolved") if i == VERDICT else None,
            min_width=longest if i == 0 else None,
        )
    for row, cells in zip(rows, body, strict=True):
        cells[1] = cells[1].replace("disagrees", "✗").replace("agrees", "✓")
        cells[TIME] = cells[TIME].partition(" ")[0]
        lines.add_row(*[Text(cells[i], style=STYLE[row.verdict] if i == VERDICT else "") for i in shown])
    tested = [(row.verdict, row.tested) for row in rows if row.tested is not None]
    if any(verdict == "not resolved" and one.low * one.high > 0 for verdict, one in tested):
        said = f"Clear of zero and yet not resolved: verdicts are corrected for all {len(tested)} comparisons."
        lines.caption, lines.caption_justify = Text(said), "left"
    return lines


def write(results: Mapping[str, Any], folder: str | Path) -> Path:
    """Write ``results.json`` (with the summary), ``report.md`` and ``report.html``.

    A ``results.json`` that this function wrote can be read and given to it again.

    Args:
      results: as for ``summarise``.
      folder: made if it does not exist; files of these names are overwritten.

    Returns:
      The path of ``report.html``, which needs no other file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = summarise(results)
    full = _plain({**results, "summary": [dataclasses.asdict(row) for row in rows]})
    page = render(results, rows)
    text = json.dumps(full, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for name, content in (("results.json", text), ("report.md", markdown(results, rows)), ("report.html", page)):
        write_text(folder / name, content)
    return folder / "report.html"


def markdown(results: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The report as GitHub-flavoured Markdown, without figures; ``write`` writes it, this is for a page of your own.

    Args:
      results: from ``gather``.
      rows: from ``summarise``, of the same results.

    Returns:
      Text.
    """
    headline, advice = headline_of(results), advise(results, rows)
    facts = about(results) | made_with(results)
    variants = [row for row in rows if row.arm == row.name]
    changed = [(row.name, *change) for row in variants if row.reference is not None for change in changes(results, row)]
    failed = [(row.name, str(seed), error) for row in rows for seed, error in row.failed]
    papers = [(row.name, row.paper) for row in rows if row.paper]
    parts = [
        f"# {_escape(results['title'])}",
        f"**{_escape(lesson(results, rows, advice))}**",
        f"**{_escape(results['recommendation'])}**" if results.get("recommendation") else "",
        _escape(findings(results, rows)),
        _grid(head(headline), [_cells(row, results) for row in rows]),
        f"Difference{' in ' + headline.step if headline.step else ''}; paper: the sign that it leads to expect"
        f"{', a lower ' + headline.words + ' is better' if headline.better == 'lower' else ''}, and whether what was "
        "resolved agrees. Time: of training, ratio to the reference [95 %]. " + _escape(method(results, rows)),
        "## Advice, for this data" if advice else "",
        _grid(ADVICE, [_advised(one) for one in advice]) if advice else "",
        _escape(note(results, advice)) if advice else "",
        *_by_class(results),
        "## Papers" if papers else "",
        _grid(("variant", "paper"), papers) if papers else "",
        _escape(results.get("tables") or "") if papers else "",
        "## Cost",
        _grid(COSTS, [(row.name, *costs(row)) for row in variants]),
        "## What changed in each recipe" if changed else "",
        _grid(("variant", "field", "before", "after"), changed) if changed else "",
        "## Failed runs" if failed else "",
        _grid(("variant", "seed", "error"), failed) if failed else "",
        "## Reproduce",
        "    " + results["command"].replace("\n", "\n    "),
        "\n".join(f"- {key}: {_escape(value)}" for key, value in facts.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cells(row: Row, results: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of the short table, in the order of ``head``."""
    compared, planned = row.reference is not None, len(results["seeds"])
    return (
        row.name + (f" ({len(row.seeds)} of {planned} seeds)" if row.missing else ""),
        SIGNS[row.sign] + (f" {row.agreement}" if row.agreement else "") if compared else DASH,
        number(row.mean),
        difference(row),
        p_value(row.adjusted_p if row.tested else None),
        verdict_of(row, results),
        time_of(row.ratio["time"], row.time_low, row.time_high),
    )


def _by_class(results: Mapping[str, Any]) -> list[str]:
    """What is right of each class, and the most frequent confusions; nothing where no decisions are kept."""
    said = results.get("decisions")
    if not said:
        return []
    arms = [said[arm] for arm in ("reference", "row") if said[arm] is not None]
    heads, change = [f"{arm}, %" for arm in arms], ["gain [95 %]"] if said["row"] else []
    return [
        "## By class",
        _escape(" ".join(classes.sentences(said))),
        _grid(("class", "test images", *heads, *change), classes.by_class_rows(said)),
        _grid(("true class", "taken for", *heads, *(["change"] if change else [])), classes.pairs(said)),
    ]


def _advised(advice: Advice) -> tuple[str, ...]:
    """A row of the table of advice."""
    gains = gain_of(advice.held_out_gain), gain_of(advice.gain)
    return (advice.trick, advice.action, *gains, time_of(*advice.time or (None,) * 3), advice.why)


def _grid(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [
        [_escape(text) for text in heads],
        ["---"] * len(heads),
        *[[_escape(cell) for cell in line] for line in body],
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#~$&])", r"\\\1", " ".join(text.split()))


def _plain(value: Any) -> Any:
    """What JSON can hold: null for a number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
