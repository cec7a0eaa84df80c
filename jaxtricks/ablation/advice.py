"""From the rows of a report to advice: adopt, drop or undecided, for every trick on this data.

What to adopt is chosen on held-out images, by the tests of the table run on their values. The test images choose
nothing, so that they say what the chosen tricks gain.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxtricks.ablation.headline import headline_of, plural
from jaxtricks.ablation.summary import Row, summarise

ACTIONS = ("adopt", "drop", "undecided")
SHOWN = 6  # names in a sentence before the others are only counted
ON = {"stack": "on top of those before it", "leave-one-out": "on top of all others"}  # what a trick is tested on


class Advice(NamedTuple):
    """What to do with a trick on this data.

    Fields:
      trick: its name, behind that of its setting.
      action: "adopt", "drop" or "undecided".
      why: in a few words.
      row: where it was tested, on the test images.
      sign: 1 where the row has the trick and its reference lacks it, -1 where it is the other way round.
      held_out: the same row on held-out images, which the action follows from; None where the results have no such
        values, and it follows from the test images.
    """

    trick: str
    action: str
    why: str
    row: Row
    sign: int
    held_out: Row | None = None

    @property
    def gain(self) -> tuple[float, float, float] | None:
        """Mean and interval of what the trick adds to the headline on the test images; None without a test."""
        return _gain(self.row, self.sign)

    @property
    def held_out_gain(self) -> tuple[float, float, float] | None:
        """The same on held-out images; None without a test there."""
        return None if self.held_out is None else _gain(self.held_out, self.sign)

    @property
    def time(self) -> tuple[float, float | None, float | None] | None:
        """Training time with the trick over that without it, and its interval; None without a measurement."""
        ratio, low, high = self.row.ratio["time"], self.row.time_low, self.row.time_high
        if ratio is None or self.sign > 0:
            return None if ratio is None else (ratio, low, high)
        return 1 / ratio, None if high is None else 1 / high, None if not low else 1 / low


def _gain(row: Row, sign: int) -> tuple[float, float, float] | None:
    if row.tested is None:
        return None
    low, high = sorted((sign * row.tested.low, sign * row.tested.high))
    return sign * row.tested.mean, low, high


def held_out(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """The results with the held-out values in the place of the test set's, for ``summarise``.

    Args:
      results: from ``gather``.

    Returns:
      Results; None where a cell has no held-out value of the headline.
    """
    name = headline_of(results).name
    cells = [cell for row in results["rows"] for cell in row["cells"]]
    values = [(cell.get("validation") or {}).get(name) for cell in cells]
    if not all(value is not None and math.isfinite(value) for value in values):
        return None
    rows = [row | {"cells": [cell | {"test": cell["validation"]} for cell in row["cells"]]} for row in results["rows"]]
    return {**results, "rows": rows}


def advise(results: Mapping[str, Any], rows: Sequence[Row]) -> list[Advice]:
    """Advice for each trick that a row tests against the same recipe without it, chosen on held-out images.

    Adopted is what helps, and what changes nothing and is faster; dropped is what hurts, and what changes nothing
    otherwise. All else is undecided: more seeds would tell. Results without held-out values are judged by the test set.

    Args:
      results: from ``gather``.
      rows: from ``summarise``, of the same results.

    Returns:
      In the order of the rows; nothing for complete stacks and interactions.
    """
    by_name, advised = {row.name: row for row in rows}, []
    held = held_out(results)
    judged = {} if held is None else {row.name: row for row in summarise(held)}
    for row in rows:
        if row.about != "difference" or row.reference is None:
            continue
        reference = by_name[row.reference]
        setting, colon, _ = row.reference.rpartition(": ")
        added = [trick for trick in row.tricks if trick not in reference.tricks]
        removed = [trick for trick in reference.tricks if trick not in row.tricks]
        if len(added) + len(removed) != 1:
            continue
        sign = 1 if added else -1
        advice = Advice(f"{setting}{colon}{(added or removed)[0]}", "undecided", "", row, sign, judged.get(row.name))
        action, why = _action(advice)
        advised.append(advice._replace(action=action, why=why))
    dropped = {advice.trick for advice in advised if advice.action == "drop"}
    return [advice._replace(why=advice.why + _below(advice, by_name, dropped)) for advice in advised]


def _below(advice: Advice, rows: Mapping[str, Row], dropped: set[str]) -> str:
    """The tricks that it was tested on top of and that are to be left out themselves, in words; empty without any."""
    reference = rows[advice.row.reference or ""]
    setting, colon, _ = reference.name.rpartition(": ")
    both = [trick for trick in reference.tricks if trick in advice.row.tricks]
    names = [trick for trick in both if f"{setting}{colon}{trick}" in dropped]
    if not names or advice.action == "undecided":
        return ""
    return f", on top of {_names(names)}, which {'is' if len(names) == 1 else 'are'} to be left out"


def _action(advice: Advice) -> tuple[str, str]:
    row = advice.held_out or advice.row
    verdict = row.verdict
    if verdict in ("helps", "hurts"):
        helps = (verdict == "helps") == (advice.sign > 0)
        return ("adopt", "it helps") if helps else ("drop", "it hurts")
    if verdict == "no effect":
        time = advice.time
        if time is not None and time[2] is not None and time[2] < 1:
            return "adopt", "it changes nothing to speak of, and is faster"
        return "drop", "it changes nothing to speak of"
    if row.tested is None:
        return "undecided", "no pair of runs"
    return "undecided", "not resolved" + (f"; {row.needed} seeds would do" if row.needed else "")


def lesson(results: Mapping[str, Any], rows: Sequence[Row], advice: Sequence[Advice]) -> str:
    """What was learnt, for a reader who is no statistician: a sentence, and one on a complete stack.

    Args:
      results: from ``gather``.
      rows: from ``summarise``, of the same results.
      advice: from ``advise``, of the same rows.

    Returns:
      Plain text.
    """
    headline = headline_of(results)
    where = f"On {results['data']['name']} with {results['model']}, {plural(results['epochs'], 'epoch')}"
    adopted, dropped, open_ = ([a for a in advice if a.action == action] for action in ACTIONS)
    parts = [f"{verb} {_judged(some)}" for verb, some in (("adopt", adopted), ("leave out", dropped)) if some]
    where += f", {'chosen on' if parts else 'by'} {_images(advice)}" if advice else ""
    where += f", each trick {ON[results['mode']]}" if advice and results["mode"] in ON else ""
    if open_ and not parts and len(open_) > 2:
        parts = [f"these runs cannot tell of any of the {len(open_)} tricks whether it helps"]
    elif open_:
        named = _names([a.trick for a in open_]) if len(open_) <= 2 else f"the other {len(open_)}"
        parts.append(f"of {named} these runs cannot tell whether {'they help' if len(open_) > 1 else 'it helps'}")
    sentences = [f"{where}: {'; '.join(parts)}." if parts else f"{where}: nothing was compared."]
    sentences += _on_test_images(open_)
    values = {row.name: row.mean for row in rows}
    for row in rows:
        if row.about == "complete stack" and row.reference is not None and row.tested is not None:
            words = {"helps": "help", "hurts": "hurt", "no effect": "change nothing to speak of"}
            said = words.get(row.verdict or "", "may help or hurt")
            before, after = headline.value(f"{values[row.reference]:.1f}"), headline.value(f"{row.mean:.1f}")
            setting = row.name.rpartition(": ")[0]
            under = f" under {setting}" if setting else ""
            sentences.append(f"All tricks together{under} {said}: test {headline.words} from {before} to {after}.")
    return " ".join(sentences)


def _on_test_images(undecided: Sequence[Advice]) -> list[str]:
    """A sentence on what the test images tell of tricks that held-out images do not judge; none where they do not."""
    alone = [(a.trick, _action(a._replace(held_out=None))[1]) for a in undecided if a.held_out]
    parts = []
    for why, one, many in (("it helps", "helps", "help"), ("it hurts", "hurts", "hurt")):
        names = [trick for trick, reason in alone if reason == why]
        parts += [f"{_names(names)} {one if len(names) == 1 else many}"] if names else []
    return [f"On the test images, which choose nothing, {', and '.join(parts)}."] if parts else []


def _judged(some: Sequence[Advice]) -> str:
    """Their names, and which of them the test images, by themselves, would not have led to."""
    names = [a.trick for a in some]
    alone = [a.trick for a in some if _action(a._replace(held_out=None))[0] != a.action]
    if not alone:
        return _names(names)
    which = "it" if len(names) == 1 else "any of them" if len(alone) == len(names) else _names(alone)
    return f"{_names(names)} (the test images do not confirm {which})"


def note(results: Mapping[str, Any], advice: Sequence[Advice]) -> str:
    """What a table of advice rests on, in a few sentences.

    Args:
      results: from ``gather``.
      advice: from ``advise``, one or more.

    Returns:
      Plain text.
    """
    on = ON.get(results["mode"], "against its reference")
    chosen = (
        "The advice follows from the held-out images; the gain on the test images, which chose nothing, stands beside "
        "it, and the verdicts of the other tables are those of the test images."
        if advice[0].held_out
        else "These results lack values of held-out images: the advice follows from the test images, of which the gain "
        "is too, and a gain that was chosen is somewhat too large."
    )
    return (
        "Adopted is what helps, and what changes nothing and is faster; dropped is what hurts, and what changes "
        f"nothing otherwise. {chosen} Each trick was tested {on}. Started with --recommend, the command builds the "
        "recipe itself: tricks are chosen on held-out images and confirmed with fresh seeds, whose test figures "
        "choose nothing."
    )


def _images(advice: Sequence[Advice]) -> str:
    return "held-out images" if advice[0].held_out else "the test images"


def _names(names: Sequence[str]) -> str:
    """Names as a list in words; many are cut to a count."""
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
