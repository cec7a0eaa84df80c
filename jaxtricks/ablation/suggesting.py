"""The suggested recipe beside the default and a random search of equal budget: data sets, rows, and the comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import optax
from rich.console import Console

from jaxtricks import data, layers, models, optim, recipes
from jaxtricks._command import UsageError
from jaxtricks.ablation.statistics import paired
from jaxtricks.ablation.variants import Setting, Variant
from jaxtricks.train import Recipe
from jaxtricks.tricks import augmentation, parts
from jaxtricks.tricks import bag as t
from jaxtricks.tricks.trick import Trick

HELD_OUT = 0.125
LONGER = {"fashion, 400 images": 10}  # times as many epochs, so that as many images are seen as of the complete set
TRIES = 4
TRY = "try"
PLAIN = partial(models.plain, (16, 32, 64))
BUILDS = (
    models.NETWORKS["plain_mini"],
    PLAIN,
    partial(PLAIN, readout=models.fixed(layers.spatial_pyramid_pool)),
    models.NETWORKS["resnet_mini"],
)


@cache
def images_of(name: str) -> data.Dataset:
    """A data set of the comparison, with a held-out split."""
    digits, fashion = partial(data.load, "digits"), partial(data.load, "fashion_mini")
    make = {
        "digits": digits,
        "digits in colour": lambda: augmentation.tinted(digits()),
        "fashion": fashion,
        "fashion, long tail": lambda: data.long_tail(fashion(), factor=20),
        "fashion, 400 images": lambda: fashion().subset(400),
    }
    return make[name]().hold_out(HELD_OUT)


def _of(source: data.Dataset, *, name: str) -> data.Dataset:
    return images_of(name)


def longer(recipe: Recipe, *, times: float) -> Recipe:
    """More epochs.

    Args:
      recipe: any.
      times: as many, > 0.

    Returns:
      The recipe with them.
    """
    return replace(recipe, epochs=times * recipe.epochs)


def as_suggested(recipe: Recipe, *, name: str) -> Recipe:
    """What ``recipes.suggest`` makes of the data, for as many epochs as the recipe has.

    Args:
      recipe: the default.
      name: of the data, as in ``images_of``.

    Returns:
      The suggested recipe.
    """
    return recipes.suggest(images_of(name), epochs=recipe.epochs)[0]


def drawn(recipe: Recipe, *, name: str, number: int) -> Recipe:
    """A try of the random search: another network, rate, batch, optimiser, schedule, smoothing and mixup.

    Args:
      recipe: the default; the try has its share of the epochs.
      name: of the data, as in ``images_of``.
      number: of the try, 0 or more.

    Returns:
      The recipe, the same for all seeds.
    """
    rng = np.random.default_rng([number, *name.encode()])
    small = min(images_of(name).shape[:2]) < 16
    builds = [build for build in BUILDS if not (small and "readout" in build.keywords)]
    recipe = parts.architecture(recipe, build=builds[rng.integers(len(builds))])
    batch = int(rng.choice([8, 16, 32, 64]))
    recipe = replace(recipe, epochs=recipe.epochs / TRIES, batch=batch, lr=float(10 ** rng.uniform(-2.3, -0.3)))
    if rng.random() < 0.5:
        recipe = replace(recipe, schedule=optim.cosine)
    if rng.random() < 0.5:
        recipe = t.warm_up(recipe)
    if rng.random() < 0.3:
        recipe = replace(recipe, optimizer=optax.adamw, lr=recipe.lr / 30)
    if rng.random() < 0.5:
        recipe = t.smoothing(recipe)
    return t.mixup(recipe) if rng.random() < 0.3 else recipe


def setting(name: str) -> Setting:
    """A data set with the suggested recipe and the tries of the search.

    Args:
      name: of the data, as in ``images_of``.

    Returns:
      The setting.
    """
    tries = {f"{TRY} {k + 1}": Trick(partial(drawn, name=name, number=k), None, "random search") for k in range(TRIES)}
    ladder = {"suggested": Trick(partial(as_suggested, name=name), None), **tries}
    return Setting(partial(longer, times=LONGER[name]) if name in LONGER else None, ladder, partial(_of, name=name))


def only_shipped(dataset: data.Dataset) -> data.Dataset:
    """UsageError for other data: the five sets are those that come with the package.

    Args:
      dataset: what was typed.

    Returns:
      It.
    """
    if dataset.name != "fashion_mini" or len(dataset.train) != len(data.load("fashion_mini").train):
        raise UsageError(f"--data is {dataset.name}; allowed: without --data and --images: the five sets are fixed.")
    return dataset


def show(results: Mapping[str, Any], variants: Sequence[Variant], dataset: data.Dataset, folder: Path) -> None:
    """Print and leave as ``search.md`` the suggested recipe against the best try of each seed, by held-out accuracy.

    Args:
      results: from ``gather``.
      variants: its rows.
      dataset: of the experiment; not used.
      folder: of the report.
    """
    rows = {row["name"]: {cell["seed"]: cell for cell in row["cells"]} for row in results["rows"]}
    lines = [("data", "default", "suggested", "random search", "suggested - default", "suggested - search")]
    lines += [("---",) * len(lines[0])]
    for name in dict.fromkeys(row.split(": ")[0] for row in rows):
        tries = [cells for row, cells in rows.items() if row.startswith(f"{name}: {TRY} ")]
        ours, default = (rows.get(f"{name}: {row}", {}) for row in ("suggested", "baseline"))
        seeds = sorted(set(ours) & set(default) & {seed for cells in tries for seed in cells})
        if not seeds:
            continue
        best = [max((c[s] for c in tries if s in c), key=lambda cell: cell["validation"]["accuracy"]) for s in seeds]
        values = [[cell["test"]["accuracy"] for cell in arm] for arm in _by_seed(seeds, default, ours)]
        values.append([cell["test"]["accuracy"] for cell in best])
        means = [f"{np.mean(arm):.2f}" for arm in values]
        lines.append((name, *means, *(_difference(values[1], other) for other in (values[0], values[2]))))
    seeds = len(results["seeds"])
    about = (
        f"Test accuracy in percent, {seeds} paired seeds, 95 % intervals. The search has {TRIES} tries of a quarter of "
        "the epochs each; of each seed the try counts that was best on held-out images."
    )
    text = "\n\n".join(["# Suggested", "\n".join(f"| {' | '.join(line)} |" for line in lines), about]) + "\n"
    (folder / "search.md").write_text(text, encoding="utf-8")
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def _by_seed(seeds, *arms):
    return [[arm[seed] for seed in seeds] for arm in arms]


def _difference(ours: Sequence[float], other: Sequence[float]) -> str:
    """The mean difference with its interval, where there are two seeds."""
    if len(ours) < 2:
        return f"{np.mean(ours) - np.mean(other):+.2f}"
    said = paired(np.asarray(ours), np.asarray(other), limits=(-100.0, 100.0))
    return f"{said.mean:+.2f} [{said.low:+.2f}, {said.high:+.2f}]"
