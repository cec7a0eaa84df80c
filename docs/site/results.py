"""The committed results, read once more: one Measured a trick and setting, with the trick that was measured."""

import functools
import importlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docs import uses
from jaxtricks import data
from jaxtricks.ablation.headline import Headline, headline_of
from jaxtricks.ablation.summary import Row, summarise
from jaxtricks.tricks import Setting, Trick

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
SEARCHES = ("suggest",)  # whose rows are draws of a random search, and no tricks
WITHOUT = "on top of all others"  # the setting of a trick that was taken away from all
BESIDE = (  # runs on other images, networks or lengths than the experiment's own table, or of rows that it lacks
    "augment-overfit",
    "cifar10-leave-one-out",
    "detect-deepforest",
    "imbalance-cifar10",
    "refinements-inception",
    "refinements-mobilenet",
    "regularizers-overfit",
)


@dataclass(frozen=True, eq=False)
class Measured:
    """What one run of an experiment says of one trick.

    Fields:
      experiment: its name, such as "losses".
      setting: of the experiment, such as "40 % wrong"; empty where it has one.
      trick: as the experiment calls it.
      row: the tested difference, from ``summarise``.
      headline: what was measured, with its unit.
      facts: of the results: data, model, epochs, batch, seeds, machine, command.
      entry: the Trick in the experiment's table; None where the table has it no more.
      cost: operations of training on an image, over the reference's; None where they were not counted.
    """

    experiment: str
    setting: str
    trick: str
    row: Row
    headline: Headline
    facts: dict[str, Any]
    entry: Trick | None
    cost: float | None

    @property
    def improvement(self) -> float:
        """The mean difference, positive where it is for the better."""
        return self.headline.direction * self.row.tested.mean

    @property
    def certain(self) -> float:
        """The end of the interval that is nearer to a loss, positive where it is for the better."""
        return min(self.headline.direction * self.row.tested.low, self.headline.direction * self.row.tested.high)

    @property
    def verdict(self) -> str:
        return self.row.verdict or "not resolved"


@functools.cache
def ladder(experiment: str) -> dict[str, Any]:
    """The table of an experiment: tricks by name, or settings by name."""
    module = importlib.import_module(f"experiments.{experiment}")
    return dict(getattr(module, "SETTINGS", None) or module.LADDER)


@functools.cache
def about(experiment: str) -> str:
    """The first line of an experiment's docstring."""
    return (importlib.import_module(f"experiments.{experiment}").__doc__ or "").split("\n\n")[0].replace("\n", " ")


def of_experiment(name: str, results: dict[str, Any]) -> list[Measured]:
    """Every tested row of some results, in their order; complete stacks and interactions are left out."""
    table, headline = ladder(name), headline_of(results)
    facts = {key: value for key, value in results.items() if key not in ("rows", "summary", "recipe")}
    costs = {row["name"]: row["cost"] for row in results["rows"]}
    measured = []
    for row in summarise(results):
        if row.about != "difference" or row.tested is None:
            continue
        setting, _, trick = row.name.partition(": ")
        if not isinstance(place := table.get(setting), Setting):  # the name of a trick may have a colon
            setting, trick, place = "", row.name, None
        trick = trick.removeprefix("+ ")
        if results["mode"] == "leave-one-out":
            setting, trick, row = WITHOUT, trick.removeprefix("without "), turned(row)
        entry = (table if place is None else place.ladder).get(trick)
        over, under = (row.reference, row.arm) if setting == WITHOUT else (row.arm, row.reference)
        cost = _ratio(_operations(costs[over]), _operations(costs[under]))
        measured.append(Measured(name, setting, trick, row, headline, facts, entry, cost))
    return measured


def turned(row: Row) -> Row:
    """What a trick gives to all others, of the row that is without it."""
    tested = replace(row.tested, mean=-row.tested.mean, low=-row.tested.high, high=-row.tested.low)
    verdict = {"helps": "hurts", "hurts": "helps"}.get(row.verdict, row.verdict)
    ratio = {name: 1 / value if value else None for name, value in row.ratio.items()}
    low, high = (1 / end if end else None for end in (row.time_high, row.time_low))
    signs = {name: value and -value for name, value in (("expected", row.expected), ("sign", row.sign))}
    return replace(row, tested=tested, verdict=verdict, ratio=ratio, time_low=low, time_high=high, **signs)


def _operations(cost: dict[str, Any]) -> float | None:
    """Of training on an image."""
    return cost["train_flops"] / cost["batch"] if cost.get("train_flops") and cost.get("batch") else None


def _ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value and reference else None


@functools.cache
def everything() -> tuple[Measured, ...]:
    """What the committed results say, experiment after experiment, each followed by its runs of BESIDE.

    Of two other runs of one experiment that with more rows, or seeds.
    """
    chosen: dict[str, dict[str, Any]] = {}
    others: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(RESULTS.glob("*/results.json")):
        results = json.loads(path.read_text(encoding="utf-8"))
        if "rows" in results:  # compress keeps a table of its own
            experiment = re.search(r"experiments\.(\w+)", results["command"])
            name = experiment[1] if experiment else path.parent.name
            if name in SEARCHES:
                continue
            if path.parent.name in BESIDE:
                others.setdefault(name, []).append(results)
                continue
            size = (len(results["rows"]), len(results["seeds"]))
            if name not in chosen or size > (len(chosen[name]["rows"]), len(chosen[name]["seeds"])):
                chosen[name] = results
    runs = [(name, run) for name, results in chosen.items() for run in (results, *others.get(name, ()))]
    return tuple(one for name, run in runs for one in of_experiment(name, run))


@functools.cache
def apart() -> dict[str, str]:
    """The tables of the experiments that keep one of another form, as text, by folder: of members, of schemes."""
    files = {path.name: sorted(path.glob("*.txt")) for path in sorted(RESULTS.iterdir())}
    return {folder: text[0].read_text(encoding="utf-8") for folder, text in files.items() if text}


@functools.cache
def used_apart() -> dict[str, frozenset[int]]:
    """By experiment with such a table, identities of the functions that its committed rows use."""
    seen: dict[str, frozenset[int]] = {}
    for folder in apart():
        experiment = folder.split("-")[0]
        module = importlib.import_module(f"experiments.{experiment}")
        used = uses.used(experiment)
        if hasattr(module, "rows"):  # of schemes: those that were trained, which may be a few; of views: all
            networks, file = module.rows(data.digits()), RESULTS / folder / "results.json"
            ran = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
            schemes = [networks[network][1][name] for network in ran for name in ran[network] if network in networks]
            schemes = schemes if ran else [way for *_, ways in networks.values() for way in ways.values()]
            used = frozenset().union(*map(uses.of, schemes))
        seen[experiment] = seen.get(experiment, frozenset()) | used
    return seen


@functools.cache
def used_by(measured: Measured) -> frozenset[int]:
    """Identities of the functions that the trick uses."""
    return frozenset() if measured.entry is None else uses.of(measured.entry)
