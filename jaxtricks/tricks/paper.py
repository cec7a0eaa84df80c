"""The tables of "Bag of Tricks for Image Classification", cell by cell, and what its text says besides.

``TABLES`` holds what arXiv 1812.01187 v2 prints: top-1 and top-5 accuracy on ImageNet in percent, single runs, without
a spread or a number of seeds; table 3 has minutes of an epoch on eight V100 as well. ``rung`` makes a trick whose
expected sign is that of the printed step. The parts of the set-up in which ``bag`` departs from the text are here too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax

from jaxtricks import data, train
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag
from jaxtricks.tricks._colors import scaled_colors
from jaxtricks.tricks.trick import Ladder, Trick

__all__ = [
    "COLUMNS",
    "NONE",
    "SOURCE",
    "TABLES",
    "Cell",
    "adapted",
    "efficient",
    "efficient_d",
    "family",
    "half_precision",
    "ladder_cells",
    "rung",
    "scaled_colors",
    "step",
]
__all__ += ["taught_by_resnet", "top1", "without_teacher"]

SOURCE = (
    "Tables are those of He et al., Bag of tricks for image classification with convolutional neural networks, arXiv "
    "1812.01187. The figures are the paper's, not of these runs: single runs of ResNet-50 and other networks on "
    "ImageNet; in table 8 of a detector on Pascal VOC, in table 9 of a segmentation on ADE20K."
)
NONE = 0.1  # points: a printed step of less is read as no step, for no run here could tell

_R50, _INCEPTION, _MOBILENET = "ResNet-50", "Inception-V3", "MobileNet"
_R50D, _SMALL, _LARGE = "ResNet-50-D", "batch 256", "batch 1,024"
COLUMNS = {"resnet": _R50D, "inception_v3": _INCEPTION, "mobilenet": _MOBILENET}  # of table 6, by family
TABLES: Mapping[int, Mapping[str, Mapping[str, tuple[float, ...]]]] = {
    3: {  # top-1, top-5, minutes of an epoch
        "baseline": {
            _R50: (75.87, 92.70, 13.3),
            _INCEPTION: (77.32, 93.43, 19.8),
            _MOBILENET: (69.03, 88.71, 6.2),
        },
        "efficient": {_R50: (76.21, 92.97, 4.4), _INCEPTION: (77.50, 93.60, 8.0), _MOBILENET: (71.90, 90.47, 3.7)},
    },
    4: {
        "linear scaling": {_SMALL: (75.87, 92.70), _LARGE: (75.17, 92.54)},
        "warm-up": {_SMALL: (76.03, 92.81), _LARGE: (75.93, 92.84)},
        "zero gamma": {_SMALL: (76.19, 93.03), _LARGE: (76.37, 92.96)},
        "no bias decay": {_SMALL: (76.16, 92.97), _LARGE: (76.03, 92.86)},
        "FP16": {_SMALL: (76.15, 93.09), _LARGE: (76.21, 92.97)},
    },
    5: {
        "ResNet-50": {_R50: (76.21, 92.97)},
        "ResNet-B": {_R50: (76.66, 93.28)},
        "ResNet-C": {_R50: (76.87, 93.48)},
        "ResNet-D": {_R50: (77.16, 93.52)},
    },
    6: {
        "efficient": {_R50D: (77.16, 93.52), _INCEPTION: (77.50, 93.60), _MOBILENET: (71.90, 90.53)},
        "cosine": {_R50D: (77.91, 93.81), _INCEPTION: (78.19, 94.06), _MOBILENET: (72.83, 91.00)},
        "smoothing": {_R50D: (78.31, 94.09), _INCEPTION: (78.40, 94.13), _MOBILENET: (72.93, 91.14)},
        "distillation": {_R50D: (78.67, 94.36), _INCEPTION: (78.26, 94.01), _MOBILENET: (71.97, 90.89)},
        "mixup": {_R50D: (79.15, 94.58), _INCEPTION: (78.77, 94.39), _MOBILENET: (73.28, 91.30)},
        "distillation, mixup": {_R50D: (79.29, 94.63), _INCEPTION: (78.34, 94.16), _MOBILENET: (72.51, 91.02)},
    },
}


class Cell(NamedTuple):
    """A printed cell: number of the table, name of the row, name of the column, as in ``TABLES``."""

    table: int
    row: str
    column: str


def top1(cell: Cell) -> float:
    """The accuracy that a cell prints.

    Args:
      cell: of ``TABLES``.

    Returns:
      Percent.
    """
    return TABLES[cell.table][cell.row][cell.column][0]


def step(cell: Cell, *, below: Cell | None = None) -> float:
    """The printed difference of a cell to the one below it.

    Args:
      cell: of ``TABLES``.
      below: what it is compared with; None for the row before it in its table and column.

    Returns:
      Points, to two digits, as printed.

    Raises:
      ValueError: if it is the first of its column and ``below`` is None.
    """
    if below is None:
        rows = list(TABLES[cell.table])
        if (place := rows.index(cell.row)) == 0:
            raise ValueError(f"below is None; allowed: a cell, for {cell.row} is the first row of table {cell.table}.")
        below = cell._replace(row=rows[place - 1])
    return round(top1(cell) - top1(below), 2)


def rung(change: Callable[[Recipe], Recipe], *cells: Cell, below: Cell | None = None) -> Trick:
    """A rung of a ladder whose expected sign is read from the printed cells, which it carries.

    Args:
      change: ``Recipe -> Recipe``.
      *cells: of this rung in one column or several.
      below: as for ``step``, of all of them.

    Returns:
      The trick. Its sign is the one that the columns share, 0 where all steps are less than ``NONE``; None where the
      columns contradict each other.
    """
    steps = [step(cell, below=below) for cell in cells]
    signs = {0 if abs(points) < NONE else (1 if points > 0 else -1) for points in steps}
    expected = next(iter(signs)) if len(signs) == 1 else None
    texts = [
        f"{top1(cell) - points:.2f} to {top1(cell):.2f} % ({cell.column}, table {cell.table})"
        for cell, points in zip(cells, steps, strict=True)
    ]
    return Trick(change, expected, "; ".join(texts))


def ladder_cells(recipe: Recipe) -> dict[str, Cell]:
    """The cells that the paper prints for the rungs of ``experiments.bag_of_tricks``, for a recipe's network.

    Args:
      recipe: the baseline.

    Returns:
      By the row's name, in the order of the rungs: of MobileNet and Inception-V3 the column of theirs in tables 3 and
      6, the baseline last, for it is not right below the next; of any other network those of ResNet-50 in tables 4 (at
      batch 1,024), 5 and 6. Of a baseline in bfloat16, low precision's cell is that of the rung below, which has all of
      it.
    """
    column = COLUMNS.get(family(recipe), _R50D)
    refined = {"cosine": "cosine", "smoothing": "smoothing", "mixup": "mixup", "distillation": "distillation, mixup"}
    above = {f"+ {name}": Cell(6, row, column) for name, row in refined.items()}
    if column != _R50D:
        return {"+ low precision": Cell(3, "efficient", column)} | above | {"baseline": Cell(3, "baseline", column)}
    faster = {"large batch": "linear scaling", "low precision": "FP16"}
    names = ("large batch", "warm-up", "zero gamma", "no bias decay", "low precision")
    cells = {"baseline": Cell(4, "linear scaling", _SMALL)}
    cells |= {f"+ {name}": Cell(4, faster.get(name, name), _LARGE) for name in names}
    if recipe.precision == train.BFLOAT16:
        cells["+ no bias decay"] = cells.pop("+ low precision")
    return cells | {f"+ ResNet-{letter}": Cell(5, f"ResNet-{letter}", _R50) for letter in "BCD"} | above


def half_precision(recipe: Recipe) -> Recipe:
    """float16 with a float32 copy of the weights and a scaled loss, as in section 3.2; bfloat16 needs no scale.

    Args:
      recipe: any.

    Returns:
      The recipe at ``train.FLOAT16``, whose scale is dynamic.
    """
    return replace(recipe, precision=train.FLOAT16)


def efficient(**arguments) -> Recipe:
    """The paper's efficient training, from which its tables 5 and 6 start: section 3 as one.

    Args:
      **arguments: of ``bag.standard``, at the small batch.

    Returns:
      The recipe: four times the batch and rate, warm-up from 1/m of the peak, no bias decay, float16, and zero gamma
      where blocks end with a normalisation.
    """
    recipe = bag.warm_up(bag.large_batch(bag.standard(**arguments)), from_zero=False)
    recipe = half_precision(bag.no_bias_decay(recipe))
    return bag.zero_gamma(recipe) if family(recipe) == "resnet" else recipe


def efficient_d(**arguments) -> Recipe:
    """``efficient`` on the ResNet-D of a ResNet, and on any other network as it is: the first row of table 6.

    Args:
      **arguments: of ``bag.standard``.

    Returns:
      The recipe.
    """
    recipe = efficient(**arguments)
    return bag.tweak(recipe, b=True, c=True, d=True) if family(recipe) == "resnet" else recipe


def taught_by_resnet(recipe: Recipe, *, build: Callable | None = None, temperature: float = 20.0) -> Recipe:
    """Distillation from a ResNet-D, the teacher of all networks in table 6; trained by the same recipe.

    Args:
      recipe: any.
      build: the teacher's network; None for a larger one of the recipe's own family, which of a ResNet-50-D is the
        paper's ResNet-152-D.
      temperature: of both softmaxes, > 0.

    Returns:
      The recipe with a teacher, which learns from mixed images where the recipe does.
    """
    if build is None or family(recipe) == "resnet":
        return bag.distillation(recipe, temperature=temperature)
    model = partial(build, **{"kernel_init": recipe.model.keywords["kernel_init"], "b": True, "c": True, "d": True})
    teacher = replace(recipe, model=model, init=None)
    return replace(recipe, loss=partial(bag.distilled, loss=recipe.loss, temperature=temperature), teacher=teacher)


def without_teacher(recipe: Recipe) -> Recipe:
    """What distillation added is taken away again: table 6 goes from it to mixup in its place.

    Args:
      recipe: that ``bag.distillation`` or ``taught_by_resnet`` made.

    Returns:
      The recipe without a teacher and with the loss from before.

    Raises:
      ValueError: if it has no teacher.
    """
    if recipe.teacher is None:
        raise ValueError("recipe.teacher is None; allowed: the teacher of a distillation.")
    return replace(recipe, teacher=None, loss=recipe.loss.keywords["loss"])


def adapted(
    recipe: Recipe, ladder: Ladder, dataset: data.Dataset, *, switches: Sequence[str], teacher: Callable
) -> tuple[Ladder, list[str]]:
    """The ladder for this baseline: in bfloat16 without low precision; for no ResNet, as in table 6, taught by one.

    Args:
      recipe: the baseline.
      ladder: tricks by name.
      dataset: gives the shape of an image.
      switches: names of the tricks that turn on B, C or D.
      teacher: network of the teacher, which takes ``b``, ``c`` and ``d``.

    Returns:
      The tricks that can act, with another distillation, and a sentence on what was left out or changed. Distillation
      is expected to do what table 6 prints for this network; for one that it has not, nothing is expected.
    """
    said = []
    if recipe.precision == train.BFLOAT16 and "low precision" in ladder:
        ladder = {rung: trick for rung, trick in ladder.items() if rung != "low precision"}
        said.append("low precision is what every row computes in: left out.")
    name = family(recipe)
    if name == "resnet":
        return ladder, said
    left = {rung: "are switches of a ResNet" for rung in ladder if rung in switches}
    params = jax.eval_shape(train.build_model(recipe, dataset).init, jax.random.key(0))[0]
    if "last_bn" not in str(jax.tree.structure(params)):
        left |= {rung: "needs blocks that end with a normalisation" for rung in ladder if rung == "zero gamma"}
    kept = {rung: trick for rung, trick in ladder.items() if rung not in left}
    said += [f"{rung} {why}: left out for {name}." for rung, why in left.items()]
    if "distillation" in kept:
        columns = [COLUMNS[name]] if name in COLUMNS else COLUMNS.values()
        printed = [Cell(6, "distillation, mixup", column) for column in columns]
        kept["distillation"] = rung(partial(taught_by_resnet, build=teacher), *printed)
        said.append(f"distillation: a ResNet-D teaches {name}, as in table 6.")
    return kept, said


def family(recipe: Recipe) -> str:
    """The function that builds a recipe's network, such as "resnet".

    Args:
      recipe: any.

    Returns:
      Its name.
    """
    model = recipe.model
    while isinstance(model, partial):
        model = model.func
    return getattr(model, "__name__", "")
