"""All cards on one page that loads nothing: searchable, with filters; light and dark; on a telephone and on paper."""

import base64
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from docs.gallery.page import DARK
from docs.gallery.panels import SERIES
from docs.site import markdown
from docs.site.cards import FAMILIES, Card, cards
from docs.site.mathml import mathml
from docs.site.results import Measured

FOLDER = Path(__file__).parent / "offline"
TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
CLASSES = {"helps": "helps", "hurts": "hurts", "no effect": "none", "not resolved": "open"}
WIDTH, HEIGHT = 260, 14  # of an interval, in pixels


def render(pictures: Mapping[str, Sequence[str]], folder: Path, *, version: str) -> str:
    """The page.

    Args:
      pictures: by public name, files of pictures from the folder.
      folder: of the site, from which the pictures are taken into the page.
      version: of the package.
    """
    deck = cards()
    series = lambda colours: Markup("".join(f"--{name}: {colour};" for name, colour in colours.items()))  # noqa: E731
    return TEMPLATES.get_template("cards.html.j2").render(
        cards=deck,
        families={letter: title for letter, (title, _) in FAMILIES.items()},
        verdicts=(
            "helps",
            "hurts",
            "no effect",
            "not resolved",
            "in a table apart",
            "in the baseline",
            "not run",
            "no experiment",
        ),
        needs=sorted({need for card in deck for need in card.needs}),
        years=sorted({card.year for card in deck if card.year}),
        pictures={card.anchor: picture_tags(card, pictures, folder) for card in deck},
        css=Markup((FOLDER / "cards.css").read_text(encoding="utf-8")),
        script=Markup((FOLDER / "cards.js").read_text(encoding="utf-8")),
        series=(series(SERIES), series(DARK)),
        classes=CLASSES,
        text=text,
        formula=lambda latex: Markup(mathml(latex, display="block")),
        interval=interval,
        gain=markdown.gain,
        cost=markdown.cost,
        where=markdown.where,
        published=markdown.published,
        efficiency=efficiency,
        words=words,
        tally=tally,
        version=version,
    )


def text(sentence: str) -> Markup:
    """A sentence of a docstring: literals as code, formulas as MathML."""
    parts = re.split(r"(``[^`]*``|:math:`[^`]*`)", " ".join(sentence.split()))
    shown = []
    for part in parts:
        if part.startswith("``"):
            shown.append(Markup("<code>{}</code>").format(part.strip("`")))
        elif part.startswith(":math:"):
            shown.append(Markup(mathml(part[7:-1])))
        else:
            shown.append(escape(part))
    return Markup("").join(shown)


def words(card: Card) -> str:
    """What the search looks through."""
    names = " ".join(symbol.name for symbol in card.symbols)
    tricks = " ".join(one.trick for one in card.measured)
    return f"{card.id} {card.title} {names} {card.summary} {' '.join(card.papers)} {tricks}".lower()


def tally(card: Card) -> str:
    """How many measurements there are of each verdict."""
    counts = Counter(one.verdict for one in card.measured)
    return (
        f"{sum(counts.values())} measurements: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}."
    )


def efficiency(measured: Measured | None) -> float:
    """What is certain of the gain, for the operations of a step: the order of "gain for its cost"."""
    if measured is None:
        return -math.inf
    return measured.certain / max(measured.cost or 1.0, 1.0) if measured.certain > 0 else measured.certain


def interval(measured: Measured) -> Markup:
    """The difference as a picture: zero, the interval, the mean."""
    tested, direction = measured.row.tested, measured.headline.direction
    low, mean, high = sorted((direction * tested.low, direction * tested.mean, direction * tested.high))
    if not (math.isfinite(low) and math.isfinite(high)):
        return Markup("")
    reach = 1.08 * max(abs(low), abs(high), 1e-9)
    at = lambda value: round(WIDTH * (value / reach + 1) / 2, 1)  # noqa: E731
    kind = CLASSES[measured.verdict]
    return Markup(
        f'<svg class="interval {kind}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(markdown.gain(measured))}">'
        f'<line class="zero" x1="{WIDTH / 2}" x2="{WIDTH / 2}" y1="0" y2="{HEIGHT}"/>'
        f'<line class="bar" x1="{at(low)}" x2="{at(high)}" y1="{HEIGHT / 2}" y2="{HEIGHT / 2}"/>'
        f'<circle cx="{at(mean)}" cy="{HEIGHT / 2}" r="4"/></svg>'
    )


def picture_tags(card: Card, pictures: Mapping[str, Sequence[str]], folder: Path) -> list[Markup]:
    """The pictures of a card, within the page: SVG as it is, others as data."""
    files = list(dict.fromkeys(file for symbol in card.symbols for file in pictures.get(symbol.name, ())))
    return [_tag(folder / file, card.title) for file in files]


def _tag(path: Path, title: str) -> Markup:
    if path.suffix == ".html":
        return Markup(path.read_text(encoding="utf-8"))
    data = base64.b64encode(path.read_bytes()).decode()
    return Markup(f'<img src="data:image/png;base64,{data}" alt="{escape(title)}" loading="lazy">')
