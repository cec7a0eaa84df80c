"""From the rows of a report to advice: adopt, drop or undecided, for every trick on this data."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxtricks.ablation.headline import headline_of, plural
from jaxtricks.ablation.summary import Row

ACTIONS = ("adopt", "drop", "undecided")
SHOWN = 6  # names in a sentence before the others are only counted


class Advice(NamedTuple):
    """What to do with a trick on this data.

    Fields:
      trick: its name, behind that of its setting.
      action: "adopt", "drop" or "undecided".
      why: in a few words.
      row: where it was tested.
      sign: 1 where the row has the trick and its reference lacks it, -1 where it is the other way round.
    """

    trick: str
    action: str
    why: str
    row: Row
    sign: int

    @property
    def gain(self) -> tuple[float, float, float] | None:
        """Mean and interval of what the trick adds to the headline; None without a test."""
        tested = self.row.tested
        if tested is None:
            return None
        ends = sorted((self.sign * tested.low, self.sign * tested.high))
        return self.sign * tested.mean, ends[0], ends[1]

    @property
    def time(self) -> tuple[float, float | None, float | None] | None:
        """Training time with the trick over that without it, and its interval; None without a measurement."""
        ratio, low, high = self.row.ratio["time"], self.row.time_low, self.row.time_high
        if ratio is None or self.sign > 0:
            return None if ratio is None else (ratio, low, high)
        return 1 / ratio, None if high is None else 1 / high, None if not low else 1 / low


def advise(results: Mapping[str, Any], rows: Sequence[Row]) -> list[Advice]:
    """Advice for each trick that a row tests against the same recipe without it.

    Adopted is what helps, and what changes nothing and is faster; dropped is what hurts, and what changes nothing
    otherwise. All else is undecided: more seeds would tell.

    Args:
      results: from ``gather``.
      rows: from ``summarise``, of the same results.

    Returns:
      In the order of the rows; nothing for complete stacks and interactions.
    """
    by_name, advised = {row.name: row for row in rows}, []
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
        advice = Advice(f"{setting}{colon}{(added or removed)[0]}", "undecided", "", row, sign)
        action, why = _action(advice)
        advised.append(advice._replace(action=action, why=why))
    return advised


def _action(advice: Advice) -> tuple[str, str]:
    verdict = advice.row.verdict
    if verdict in ("helps", "hurts"):
        helps = (verdict == "helps") == (advice.sign > 0)
        return ("adopt", "it helps") if helps else ("drop", "it hurts")
    if verdict == "no effect":
        time = advice.time
        if time is not None and time[2] is not None and time[2] < 1:
            return "adopt", "it changes nothing to speak of, and is faster"
        return "drop", "it changes nothing to speak of"
    if advice.row.tested is None:
        return "undecided", "no pair of runs"
    needed = advice.row.needed
    return "undecided", "not resolved" + (f"; {needed} seeds would do" if needed else "")


def lesson(results: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """What was learnt, for a reader who is no statistician: a sentence, and one on a complete stack.

    Args:
      results: from ``gather``.
      rows: from ``summarise``, of the same results.

    Returns:
      Plain text.
    """
    headline, advice = headline_of(results), advise(results, rows)
    where = f"On {results['data']['name']} with {results['model']}, {plural(results['epochs'], 'epoch')}"
    adopted, dropped, open_ = ([a.trick for a in advice if a.action == action] for action in ACTIONS)
    parts = [f"adopt {_names(adopted)}"] if adopted else []
    parts += [f"leave out {_names(dropped)}"] if dropped else []
    if open_:
        named = _names(open_) if len(open_) <= 2 else f"{'the other ' if parts else 'the '}{len(open_)}"
        parts.append(f"of {named} these runs cannot tell whether {'they help' if len(open_) > 1 else 'it helps'}")
    sentences = [f"{where}: {'; '.join(parts)}." if parts else f"{where}: nothing was compared."]
    values = {row.name: row.mean for row in rows}
    for row in rows:
        if row.about == "complete stack" and row.reference is not None and row.tested is not None:
            words = {"helps": "help", "hurts": "hurt", "no effect": "change nothing to speak of"}
            said = words.get(row.verdict or "", "may help or hurt")
            before, after = headline.value(f"{values[row.reference]:.1f}"), headline.value(f"{row.mean:.1f}")
            setting = row.name.rpartition(": ")[0]
            under = f" under {setting}" if setting else ""
            sentences.append(f"All tricks together{under} {said}: {headline.words} from {before} to {after}.")
    return " ".join(sentences)


def _names(names: Sequence[str]) -> str:
    """Names as a list in words; many are cut to a count."""
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
