"""A card a trick: what its docstrings, the papers and the committed results say, ready for any page."""

import functools
import inspect
import re
from dataclasses import dataclass

from docs import index
from docs.index_rows import Row
from docs.site import results
from docs.site.places import PLACES
from docs.site.results import Measured

FAMILIES = {  # letter of the ids in the index -> title, package whose docstring introduces it
    "A": ("Losses", "losses"),
    "B": ("Initial weights", "init"),
    "C": ("Activations", "layers"),
    "D": ("Normalisation", "layers"),
    "E": ("Pooling and convolution", "layers"),
    "F": ("Networks", "models"),
    "G": ("Augmentation", "augment"),
    "H": ("Preprocessing", "preprocess"),
    "I": ("Optimisation", "optim"),
    "J": ("Learning rates", "optim"),
    "K": ("Regularisation", "layers"),
    "L": ("Unequal classes", "data"),
    "M": ("Ensembles", "ensembles"),
    "N": ("Detection", "detection"),
    "O": ("Metrics", "metrics"),
    "P": ("Compression", "compress"),
    "Q": ("Analysis", "analysis"),
    "R": ("Training", "train"),
    "T": ("Norms", "analysis"),
}
NEEDS = {  # names of arguments -> what a trick needs
    "labels": "labels",
    "targets": "labels",
    "target": "labels",
    "teacher_logits": "a teacher",
    "boxes": "boxes",
    "box": "boxes",
    "anchors": "boxes",
    "features": "features",
    "key": "a random key",
    "image": "images",
    "images": "images",
    "batch": "a batch",
    "counts": "class counts",
    "params": "parameters",
    "path": "a file",
}
SHARE = 0.5  # of an experiment's tricks: what more of them use is not what is compared
COMMON = 4  # tricks that an experiment must have for that


@dataclass(frozen=True)
class Symbol:
    """A public name.

    Fields:
      name: such as ``losses.ramp`` or ``optax.sgd``.
      ours: whether it is jaxtricks's.
      summary: first line of its docstring.
      formula: its displayed formulas, in LaTeX.
      signature: as in a call; empty for what is not called.
      doc: the docstring.
    """

    name: str
    ours: bool
    summary: str
    formula: tuple[str, ...]
    signature: str
    doc: str


@dataclass(frozen=True)
class Card:
    """A trick.

    Fields:
      id, title: of its row in the index.
      letter: of the family.
      anchor: names it in pages.
      symbols: its public names.
      papers: as in the index.
      year: of the first paper that has one; None without.
      experiments: that use it.
      needs: what its arguments ask for.
      measured: what committed results say of it.
      status: "measured" (at least one verdict), "not resolved", "in a table apart" (of members or of compression),
        "in the baseline" (of an experiment that compares others), "not run" (in an experiment without results), or
        "no experiment".
    """

    id: str
    title: str
    letter: str
    anchor: str
    symbols: tuple[Symbol, ...]
    papers: tuple[str, ...]
    year: int | None
    experiments: tuple[str, ...]
    needs: tuple[str, ...]
    measured: tuple[Measured, ...]

    @property
    def status(self) -> str:
        if any(one.verdict != "not resolved" for one in self.measured):
            return "measured"
        if self.measured:
            return "not resolved"
        if self.apart:
            return "in a table apart"
        if not self.experiments:
            return "no experiment"
        ran = {one.experiment for one in results.everything()}
        return "in the baseline" if ran & {*self.experiments} else "not run"

    @property
    def apart(self) -> tuple[str, ...]:
        """The experiments with a table of another form, a committed row of which uses a symbol of this card."""
        values = {id(index.resolve(symbol.name)) for symbol in self.symbols}
        return tuple(name for name, used in results.used_apart().items() if values & used)

    @property
    def verdicts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.verdict for one in self.measured)) or (self.status,)

    @property
    def best(self) -> Measured | None:
        """The measurement of the largest certain improvement, in percent where there are such."""
        percent = [one for one in self.measured if one.headline.unit == "%"] or self.measured
        return max(percent, key=lambda one: one.certain, default=None)

    @property
    def summary(self) -> str:
        return next((symbol.summary for symbol in self.symbols if symbol.ours), self.symbols[0].summary)


def slug(text: str) -> str:
    """The text as part of an address."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def formulas(doc: str) -> tuple[str, ...]:
    """The displayed formulas of a docstring, in LaTeX, each on one line."""
    blocks = re.findall(r"\.\. math::(.*?)(?=\n\s*\n|\n\S|\Z)", doc, re.S)
    return tuple(" ".join(block.split()) for block in blocks)


def symbol_of(name: str) -> Symbol:
    """What a public name says of itself."""
    value = index.resolve(name)
    ours = name.split(".")[0] not in ("jax", "optax", "flax", "sklearn")
    doc = (inspect.getdoc(value) or "") if callable(value) else ""
    try:
        signature = f"{name}{inspect.signature(value)}" if callable(value) and ours else ""
    except (TypeError, ValueError):
        signature = ""
    signature = signature.replace("jax.jaxlib._jax.Array", "jax.Array")
    paragraph = " ".join(doc.split("\n\n")[0].split())
    formula = formulas(doc) if ours else ()
    return Symbol(name, ours, doc.split("\n")[0] if ours else paragraph, formula, signature, doc)


def needs(row: Row) -> tuple[str, ...]:
    """What the required arguments of a row's functions ask for."""
    wanted = []
    for name in index.names(row.symbols):
        value = index.resolve(name)
        if name.split(".")[0] not in ("jax", "optax", "flax", "sklearn") and inspect.isfunction(value):
            wanted += [p.name for p in inspect.signature(value).parameters.values() if p.default is p.empty]
    return tuple(dict.fromkeys(NEEDS[name] for name in wanted if name in NEEDS))


def year(papers: tuple[str, ...]) -> int | None:
    """Of the first paper that has one."""
    for paper in papers:
        if arxiv := re.search(r"arXiv (\d\d)\d\d\.", paper):
            return 2000 + int(arxiv[1])
        if plain := re.search(r"\b(19|20)\d\d\b", paper):
            return int(plain[0])
    return None


@functools.cache
def specific(experiment: str) -> dict[str, frozenset[int]]:
    """By measured trick, the functions that it uses and that fewer than half of the experiment's tricks do."""
    rows = {one.trick: results.used_by(one) for one in results.everything() if one.experiment == experiment}
    counts: dict[int, int] = {}
    for used in rows.values():
        for function in used:
            counts[function] = counts.get(function, 0) + 1
    common = {function for function, count in counts.items() if len(rows) >= COMMON and count > SHARE * len(rows)}
    return {trick: used - common for trick, used in rows.items()}


def measured_of(row: Row) -> tuple[Measured, ...]:
    """The measurements of a row: of tricks that PLACES puts there, and of those in which one of its symbols is new."""
    values = {id(index.resolve(name)) for name in index.names(row.symbols)} if row.specific else set()

    def belongs(one: Measured) -> bool:
        placed = PLACES.get(one.experiment, {}).get(one.trick)
        return bool(values & specific(one.experiment)[one.trick]) if placed is None else row.title in placed

    return tuple(one for one in results.everything() if belongs(one))


@functools.cache
def cards() -> tuple[Card, ...]:
    """Every row of the index as a card, in its order."""
    deck: list[Card] = []
    for row in index.rows():
        papers = tuple(index.references(row))
        anchor = slug(f"{row.id[0]}-{row.title}")[:60].strip("-")
        deck.append(
            Card(
                id=row.id,
                title=row.title,
                letter=row.id[0],
                anchor=anchor,
                symbols=tuple(symbol_of(name) for name in index.names(row.symbols)),
                papers=papers,
                year=year(papers),
                experiments=tuple(index.calling(row)),
                needs=needs(row),
                measured=measured_of(row),
            )
        )
    return tuple(deck)


def unassigned() -> list[str]:
    """Measured tricks that are on no card."""
    assigned = {one for card in cards() for one in card.measured}
    return sorted({f"{one.experiment}: {one.trick}" for one in results.everything() if one not in assigned})
