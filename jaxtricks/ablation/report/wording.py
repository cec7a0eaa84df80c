"""Rows and results in words: the findings, the facts, and numbers as text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtricks.ablation.headline import headline_of, plural
from jaxtricks.ablation.summary import Row
from jaxtricks.ablation.verdicts import ALPHA, MOST_SEEDS, margin_of

NAMED = 20  # classes that a report names
DASH, MINUS, TIMES = "\u2013", "\u2212", "\u00d7"
NOISY = 10  # an interval of a time ratio whose ends are so many times apart says nothing


def findings(results: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """What was resolved and what was not, in one paragraph of plain text.

    Args:
      results: from ``gather``.
      rows: from ``summarise``, of the same results.

    Returns:
      One paragraph.
    """
    planned, headline = len(results["seeds"]), headline_of(results)
    sentences = [f"{plural(len(results['rows']), 'variant')}, {plural(planned, 'seed')} each."]
    compared = [row for row in rows if row.verdict is not None]
    resolved = [row for row in compared if row.verdict in ("helps", "hurts")]
    absent = [row.name for row in compared if row.verdict == "no effect"]
    unresolved = [row for row in compared if row.verdict == "not resolved"]
    if compared:
        sentences.append(
            f"Of {plural(len(compared), 'difference')}, {len(resolved) or 'none'} differ from zero "
            "(resolved: Holm-corrected p below 0.05)."
        )
    if headline.better == "lower":
        sentences.append(f"A lower {headline.words} is better.")
    if resolved:
        effects = [
            f"{row.name} {row.verdict}, {headline.difference(difference(row))} {against(row)}{_surprise(row)}"
            for row in resolved
        ]
        sentences.append(f"Resolved: {'; '.join(effects)}.")
    if absent:
        sentences.append(f"No effect beyond {margin(results)}: {'; '.join(absent)}.")
    if unresolved:
        sentences.append(
            f"Not resolved: {'; '.join(row.name + _seeds(row) for row in unresolved)}. Such an effect may be absent, "
            "or smaller than these runs can show; it is not shown to be zero."
        )
    smallest, assumed = results["resolvable"], results["sd_assumed"]
    if planned < 2:
        sentences.append("With fewer than two pairs no difference can be resolved, however large.")
    else:
        deviation = headline.difference(f"{assumed['value']:.2f}")
        with_pairs = f"with {plural(planned, 'pair')} and a standard deviation of {deviation} ({assumed['from']})"
        sentences.append(
            f"Resolution: {with_pairs} no difference can be resolved, however large."
            if smallest is None or not math.isfinite(smallest)
            else f"Resolution: {with_pairs}, a single comparison finds a true difference of "
            f"{headline.difference(f'{smallest:.2f}')} in four experiments out of five, "
            "before the correction for several comparisons."
        )
    failed = sum(len(row.failed) for row in rows)
    if failed:
        sentences.append(f"{failed} of {plural(planned * len(rows), 'run')} failed.")
    absent = sum(len(set(row.missing) - {seed for seed, _ in row.failed}) for row in rows)
    if absent:
        sentences.append(f"{absent} of {plural(planned * len(rows), 'run')} not run yet.")
    if any(row.missing for row in rows):
        sentences.append("A difference is taken over the seeds that both of its variants finished.")
    return " ".join(sentences)


def margin(results: Mapping[str, Any]) -> str:
    """What counts as no effect, with its unit, "\u00b10.5 points"; empty where nothing does."""
    headline = headline_of(results)
    largest = margin_of(results.get("margin"), headline)
    return "" if largest is None else headline.difference(f"\u00b1{largest:g}")


def against(row: Row) -> str:
    """What a difference is taken to, in words."""
    if row.about == "interaction":
        return "beyond the sum of both alone"
    return f"against {row.reference}"


def verdict_of(row: Row, results: Mapping[str, Any]) -> str:
    """The verdict in words, the margin with it; a dash where nothing is compared."""
    return f"no effect beyond {margin(results)}" if row.verdict == "no effect" else row.verdict or DASH


def method(results: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """How the differences were tested, what that assumes and what the plain test says; if nothing was borrowed, how."""
    tested = [row.tested for row in rows if row.tested is not None]
    plain = [row.plain_p for row in rows if row.plain_p is not None]
    borrowed = max((one.borrowed for one in tested), default=0.0)
    test = "Verdicts: a t-test of paired differences, corrected by Holm's method over all rows with a reference."
    if not borrowed:
        return test
    return (
        f"{test} Each row's variance is drawn towards those of the other rows, for up to {borrowed:.1f} degrees of "
        "freedom more, which assumes that the rows of a setting vary alike from seed to seed, and the less the more "
        "their variances are seen to differ; a row that varies more than the others keeps its own. By the plain test, "
        f"with each row's own variance alone, {sum(p < ALPHA for p in plain)} of {len(plain)} differ from zero."
    )


def costs(row: Row) -> tuple[str, ...]:
    """Seconds, step ms, MACs, step FLOPs, peak MiB, parameters, percent of waiting, skipped steps, as text."""
    peak = row.cost.get("peak_bytes")
    return (
        number(row.seconds, "{:.1f}"),
        number(row.cost.get("step_ms"), "{:.1f}"),
        amount(row.cost.get("macs")),
        amount(row.cost.get("train_flops")),
        number(None if peak is None else peak / 2**20, "{:.0f}"),
        amount(row.cost.get("parameters")),
        number(row.wait, "{:.1f}"),
        str(row.skipped) if row.seeds else DASH,
    )


def about(results: Mapping[str, Any]) -> dict[str, str]:
    """When, on which data and how the runs were made, and what was measured, as text."""
    data, headline = results["data"], headline_of(results)
    shape = f"\u00a0{TIMES}\u00a0".join(map(str, data["shape"]))
    classes = "" if data["classes"] is None else f", {data['classes']} classes{_named(data.get('class_names'))}"
    return {
        "created": results["created"][:16].replace("T", " "),
        "data": f"{data['name']}, {data['train']:,} training, {data['validation']:,} validation and {data['test']:,} "
        f"test images of {shape}{classes}{_data_of_rows(results)}",
        **({"notes": " ".join(data["notes"])} if data.get("notes") else {}),
        "runs": f"{results['model']}, {plural(results['epochs'], 'epoch')}, batch {results['batch']}, "
        f"mode {results['mode']}, seeds {', '.join(map(str, results['seeds']))}",
        "measured": f"{headline.title}; {headline.better} is better",
    }


def _named(names: Sequence[str] | None) -> str:
    """The classes by name, in brackets."""
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f" ({', '.join(names[:NAMED])}{more})"


def _data_of_rows(results: Mapping[str, Any]) -> str:
    """What the rows train on, where not all of them train on the data of the experiment."""
    if not any(row.get("data") for row in results["rows"]):
        return ""
    data = [row.get("data") or results["data"] for row in results["rows"]]
    names = dict.fromkeys(f"{entry['name']} ({entry['train']:,} training images an epoch)" for entry in data)
    return f"; the rows train on {'; '.join(names)}"


def made_with(results: Mapping[str, Any]) -> dict[str, str]:
    """The machine, and the code and the versions where the results name them, as text."""
    facts = results["machine"] | results.get("versions", {})
    code = results.get("code") or {}
    facts |= {f"code, {part}": code[part] for part in ("commit", "digest") if code.get(part)}
    return {key: ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact) for key, fact in facts.items()}


def signed(value: float) -> str:
    """A difference with its sign: +0.70, -0.35, 0.00; the minus is the long one."""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", MINUS)


def bounds(low: float | None, high: float | None, show=signed) -> str:
    """An interval as text, a dash where it is unknown on both sides."""
    if low is None or high is None or not (math.isfinite(low) or math.isfinite(high)):
        return DASH
    return f"[{show(low) if math.isfinite(low) else MINUS + '∞'}, {show(high) if math.isfinite(high) else '∞'}]"


def difference(row: Row) -> str:
    """Mean difference and interval of a row as text, a dash where there is none."""
    if row.tested is None:
        return DASH
    return f"{signed(row.tested.mean)} {bounds(row.tested.low, row.tested.high)}"


def gain_of(gain: tuple[float, float, float] | None) -> str:
    """What a trick adds to the headline, and its interval, as text; a dash where there is none."""
    return DASH if gain is None else f"{signed(gain[0])} {bounds(*gain[1:])}"


def time_of(ratio: float | None, low: float | None, high: float | None) -> str:
    """A ratio of training times with its interval, as text; a dash where there is none."""
    return DASH if ratio is None else f"{TIMES}{ratio:.2f} {time_bounds(low, high)}".rstrip()


def time_bounds(low: float | None, high: float | None) -> str:
    """The interval of a time ratio as text; empty where it is unfinite, and a word where it says nothing."""
    if low is None or high is None or low <= 0 or not math.isfinite(high):
        return ""
    return f"[{low:.2f}, {high:.2f}]" if high < NOISY * low else "(too noisy to tell)"


def number(value: float | None, pattern: str = "{:.2f}") -> str:
    """A number as text, a dash where there is none."""
    return DASH if value is None or not math.isfinite(value) else pattern.format(value)


def p_value(value: float | None) -> str:
    """A p-value as text."""
    return "< 0.001" if value is not None and value < 0.001 else number(value, "{:.3f}")


def amount(value: float | None) -> str:
    """A count with three digits and a suffix: "272 k", "1.82 G"."""
    if value is None:
        return DASH
    for factor, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * factor:
            return f"{value / factor:#.3g}".rstrip(".") + f" {suffix}"
    return f"{value:.0f}"


def _surprise(row: Row) -> str:
    if row.agreement is None:
        return ""
    signs = {1: "an increase", -1: "a decrease", 0: "no effect", None: ""}
    return ", as expected" if row.agreement == "agrees" else f", where {signs[row.sign]} was expected"


def _seeds(row: Row) -> str:
    """How many seeds would resolve the row."""
    if row.tested is None or not math.isfinite(row.tested.sd):
        return ""
    return f" ({row.needed} seeds would do)" if row.needed else f" (more than {MOST_SEEDS} seeds)"
