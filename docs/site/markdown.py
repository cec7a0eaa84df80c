"""Tables and pages in Markdown, made from cards and measurements."""

import importlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from docs.gallery.parts import slug as file_slug
from docs.gallery.table import GALLERY
from docs.site import results
from docs.site.cards import FAMILIES, Card, Symbol, cards, slug
from docs.site.results import Measured
from jaxtricks.ablation.report.wording import DASH, TIMES, bounds, number, signed
from jaxtricks.recipes import BASELINE, CARDS

MARKS = {"helps": "●", "hurts": "◆", "no effect": "■", "not resolved": "○"}
FREE = 1.005  # operations over the reference's that count as none more
SHOWN = 12  # measurements on the card of a trick


def family_file(letter: str) -> str:
    """The page of a family, from the root of the site."""
    return f"families/{slug(FAMILIES[letter][0])}"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line, within a table."""
    return re.sub(r"([\\*_\[\]<>|#~$&{}])", r"\\\1", " ".join(text.split()))


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; "None." where there are no rows."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", *lines]) if lines else "None."


def prose(text: str) -> str:
    """A sentence of a docstring in Markdown: literals in code, roles of formulas as formulas."""
    text = re.sub(r":math:`([^`]*)`", r"$\1$", " ".join(text.split()))
    return re.sub(r"``([^`]*)``", r"`\1`", text)


def cost(measured: Measured) -> str:
    """Operations on an image over the reference's, in words where there are none more."""
    ratio = measured.cost
    return DASH if ratio is None else "no more" if abs(ratio - 1) < FREE - 1 else f"{TIMES}{ratio:.2f}"


def gain(measured: Measured) -> str:
    """The difference with its interval and its unit."""
    tested, headline = measured.row.tested, measured.headline
    better = "" if headline.better == "higher" else " (lower is better)"
    return f"{headline.difference(signed(tested.mean))} {bounds(tested.low, tested.high)}{better}"


def verdict(measured: Measured) -> str:
    return f"{MARKS[measured.verdict]} {measured.verdict}"


def where(measured: Measured) -> str:
    """Data, network, epochs and seeds, in a few words."""
    facts = measured.facts
    return f"{facts['data']['name']}, {facts['model']}, {facts['epochs']:g} epochs, {len(measured.row.seeds)} seeds"


def name(measured: Measured, *, setting: bool) -> str:
    """The trick, linked to its card where it has one."""
    text = escape(f"{measured.setting}: {measured.trick}" if measured.setting and setting else measured.trick)
    holder = next((card for card in cards() if measured in card.measured), None)
    return text if holder is None else f"[{text}](/{family_file(holder.letter)}.md#{holder.anchor})"


def table(measured: Sequence[Measured], *, paper: bool = False, setting: bool = True) -> str:
    """Measurements as a table: trick, published, difference, operations, verdict, and where where they are mixed."""
    mixed = len({where(one) for one in measured}) > 1
    heads = ["trick", *["published"] * paper, "difference [95 %]", "operations", "verdict", *["on"] * mixed]
    rows = [
        [
            name(one, setting=setting),
            *[escape(published(one))] * paper,
            gain(one),
            cost(one),
            verdict(one),
            *[escape(f"{one.experiment}: {where(one)}")] * mixed,
        ]
        for one in measured
    ]
    return grid(heads, rows)


def published(measured: Measured) -> str:
    """What the table of the experiment says of the paper."""
    entry = measured.entry
    return DASH if entry is None or entry.paper is None else entry.paper


def of_experiment(experiment: str) -> list[Measured]:
    return [one for one in results.everything() if one.experiment == experiment]


def expected_gain(said: str) -> list[Measured]:
    """Tricks whose paper leads to expect a gain, and of which this was the verdict; the largest loss first."""
    chosen = [one for one in results.everything() if one.row.expected == 1 and one.verdict == said]
    return sorted(chosen, key=lambda one: one.improvement)


def best() -> list[Measured]:
    """What raises a score in percent; the largest certain gain first."""
    raised = [one for one in results.everything() if one.headline.unit == "%" and one.headline.direction == 1]
    chosen = [one for one in raised if one.verdict == "helps"]
    return sorted(chosen, key=lambda one: -one.certain)


def of_results() -> str:
    """Which runs there are: command, data, network, seeds, machine."""
    rows = []
    runs = {(one.experiment, one.facts["command"]): one for one in reversed(results.everything())}
    for one in reversed(runs.values()):
        experiment, machine = one.experiment, one.facts["machine"]
        on = f"{machine['cores']} cores of {machine['cpu']}, jax {machine['jax']}"
        link = f"[{experiment}](#{slug(experiment)})"
        rows.append([link, f"`{one.facts['command']}`", escape(where(one)), escape(on), one.facts["created"][:10]])
    return grid(("experiment", "command", "on", "machine", "date"), rows)


def of_recipes() -> str:
    """The published recipes, with what was measured here: nothing, as long as no results are committed."""
    rows = []
    for title, card in {"baseline of Bag of Tricks": BASELINE, **CARDS}.items():
        here = [one for one in of_experiment("recipes") if one.trick == title]
        measured = "; ".join(map(gain, here)) or "not run"
        figure = number(card.published, "{:g}")
        rows.append(
            [escape(title), figure, escape(card.on), measured, escape(card.source), escape(card.without) or DASH]
        )
    return grid(("recipe", "published, top-1 %", "on", "here", "source", "left out"), rows)


def of_families() -> str:
    """A line a family: how many tricks, how many of them measured."""
    rows = []
    for letter, (title, package) in FAMILIES.items():
        deck = [card for card in cards() if card.letter == letter]
        counts = [sum(card.status == status for card in deck) for status in ("measured", "not resolved")]
        rows.append([f"[{title}]({family_file(letter)}.md)", f"`{package}`", str(len(deck)), *map(str, counts)])
    return grid(("family", "package", "tricks", "measured", "not resolved"), rows)


def introduction(package: str) -> str:
    """What the docstring of a package says."""
    text = importlib.import_module(f"jaxtricks.{package}").__doc__ or ""
    return prose(text.split("\n\n")[0])


def family(letter: str, pictures: Mapping[str, Sequence[str]]) -> str:
    """The page of a family: a table of its tricks, then their cards.

    Args:
      letter: of the ids.
      pictures: by public name, files of pictures from the root of the site.
    """
    title, package = FAMILIES[letter]
    deck = [card for card in cards() if card.letter == letter]
    rows = [
        [f"[{escape(c.title)}](#{c.anchor})", prose(c.summary).replace("|", r"\|"), _best(c), c.status] for c in deck
    ]
    parts = [f"# {title}", introduction(package), grid(("trick", "what it is", "measured", "status"), rows)]
    return "\n\n".join([*parts, *(card_page(card, pictures) for card in deck)]) + "\n"


def _best(card: Card) -> str:
    return DASH if card.best is None else f"{gain(card.best)} {MARKS[card.best.verdict]}"


def card_page(card: Card, pictures: Mapping[str, Sequence[str]]) -> str:
    """The card of a trick as a section."""
    files = list(dict.fromkeys(file for symbol in card.symbols for file in pictures.get(symbol.name, ())))
    measured = sorted(card.measured, key=lambda one: -one.certain if math.isfinite(one.certain) else math.inf)
    used = ", ".join(f"`{experiment}`" for experiment in card.experiments)
    apart = f" ([{', '.join(card.apart)}](/measured.md#tables-apart))" if card.apart else ""
    facts = [
        f"**Papers** {escape('; '.join(card.papers))}" if card.papers else "",
        f"**Needs** {', '.join(card.needs)}" if card.needs else "",
        f"**Experiments** {used}" if used else "",
        f"**Status** {card.status}{apart}",
    ]
    more = len(measured) - SHOWN
    return "\n\n".join(
        part
        for part in (
            f"({card.anchor})=\n## {escape(card.title)}",
            "\n".join(map(_symbol, card.symbols)),
            *(f"```{{math}}\n{formula}\n```" for symbol in card.symbols[:3] for formula in symbol.formula[:1]),
            *(picture(file, card.title) for file in files[:4]),
            " · ".join(fact for fact in facts if fact),
            table(measured[:SHOWN]) if measured else "",
            f"and {more} more in [What was measured](/measured.md)." if more > 0 else "",
        )
        if part
    )


def gallery(pictures: Mapping[str, Sequence[str]]) -> str:
    """The page of all pictures: every loss, activation and schedule as curves, every augmentation as a contact sheet.

    Args:
      pictures: as for ``family``; families without one are left out.
    """
    files = {Path(file).stem: file for some in pictures.values() for file in some}
    parts = [
        "# Gallery",
        "Every curve and every picture comes from the library's own functions. `python -m docs.gallery` draws them.",
        picture("pictures/strip.png", "Photographs under augmentations of this library"),
    ]
    for section, families in GALLERY.items():
        parts.append(f"## {section.capitalize()}")
        for one in families:
            name = f"{section}-{file_slug(one.title)}"
            drawn = [(part.title, files.get(f"{name}-{file_slug(part.title)}")) for part in one.parts]
            shown = [f"**{escape(title)}**\n\n{picture(file, title)}" for title, file in drawn if file]
            shown = [picture(files[name], one.title)] if name in files else shown
            parts += [f"### {escape(one.title)}", escape(one.caption), *shown] if shown else []
    return "\n\n".join(part for part in parts if part) + "\n"


def picture(file: str, title: str) -> str:
    """A picture: SVG within the page, whose colours it takes, others as a file."""
    if file.endswith(".html"):
        return f"```{{raw}} html\n:file: ../{file}\n```"
    return f"![{escape(title)}](/{file})"


def _symbol(symbol: Symbol) -> str:
    link = f"{{py:obj}}`{symbol.name} <jaxtricks.{symbol.name}>`" if symbol.ours else f"`{symbol.name}`"
    return f"- {link}: {prose(symbol.summary)}" if symbol.summary else f"- {link}"
