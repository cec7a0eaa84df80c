"""What an experiment on detection shows beside its table: its other figures, by size too, and the boxes it predicts."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from jaxtricks import data, metrics, train
from jaxtricks.ablation import overlays
from jaxtricks.ablation.variants import Variant
from jaxtricks.tricks import detector

BATCH = 64  # images that are predicted at once
RESAMPLES = 200  # of the bootstrap over the test images
THIRDS = (100 / 3, 200 / 3)  # percentiles of the areas of the boxes that are learnt
BY_SIZE = ("ap", "ap50", "ap_small", "ap_medium", "ap_large")
HEADING = "By size of the objects: seed 0, 95 % intervals over the test images"
WORDS = (
    "The first test images: what is there, what the baseline finds, and what the best row finds; seed 0. Of each image "
    "as many boxes as it has objects, those with the highest scores."
)


def show(results: Mapping[str, Any], rows: Sequence[Variant], dataset: data.Dataset, folder: Path) -> None:
    """Print all figures of every row; train the baseline and the best row once more, and draw the boxes they find.

    The figures, those by size and boxes.png, of the first test images, are put into the report too.

    Args:
      results: of the table.
      rows: of the table, of ``detecting.baseline``.
      dataset: with the columns of boxes.
      folder: of the report.
    """
    overlays.write_lines(body := overlays.figures(results, rows))
    limits = thirds(dataset)
    images = np.asarray(data.decoded(dataset.test.take(np.arange(min(overlays.IMAGES, len(dataset.test)))))["image"])
    columns: dict[str, dict[str, np.ndarray]] = {}
    by_size = [("", *titles(limits))]
    for row in overlays.shown(results, rows):
        (run,) = train.fit(row.recipe, row.dataset(dataset), plan=train.Plan(devices=(jax.devices()[0],)))
        detections = predicted(row.recipe, row.dataset(dataset), run.variables)
        columns.setdefault(
            "truth", {k.removeprefix("target_"): v for k, v in detections.items() if k.startswith("target_")}
        )
        columns[row.name] = best(detections)
        by_size.append((row.name, *by_thirds(detections, classes=row.recipe.task.outputs, limits=limits)))
    sys.stdout.write(f"\n{HEADING}\n")
    overlays.write_lines(by_size)
    names = dataset.class_names or [str(i) for i in range(rows[0].recipe.task.outputs)]
    picture = folder / "boxes.png"
    draw(images, columns, names=names).savefig(picture, dpi=110)
    tables = [(overlays.HEADING, body), (HEADING, by_size)]
    overlays.into_report(folder / "report.html", picture, tables, WORDS)


def thirds(dataset: data.Dataset) -> tuple[float, float]:
    """The areas, in square pixels, below and above which lies a third of the boxes for training, crowds aside.

    Args:
      dataset: with the columns of boxes, one of them there.

    Returns:
      Two rising numbers.
    """
    columns = dict(dataset.train.columns)
    there = np.asarray(columns["box_valid"]) & ~np.asarray(columns.get("box_crowd", False))
    box = np.asarray(columns["box"])[there]
    low, high = np.percentile(np.prod(box[:, 2:] - box[:, :2], -1), THIRDS)
    return float(low), float(high)


def titles(limits: tuple[float, float]) -> list[str]:
    """The names of the columns by size.

    Args:
      limits: of ``thirds``.

    Returns:
      Five titles; a size is the root of an area, in pixels of the images as they are trained on.
    """
    low, high = (f"{limit**0.5:.0f}" for limit in limits)
    return ["mAP, %", "mAP.50, %", f"below {low} px", f"{low} to {high} px", f"above {high} px"]


def predicted(recipe: train.Recipe, dataset: data.Dataset, variables: tuple[Any, Any]) -> dict[str, np.ndarray]:
    """The boxes that a trained detector finds in the test images, with the true ones beside them.

    Args:
      recipe: of ``detecting.baseline``, that it was trained by.
      dataset: that it was trained on.
      variables: ``(params, stats)`` of a Run.

    Returns:
      What ``metrics.coco_map`` takes, by name, ``[N, ...]``.
    """
    plan = recipe.model.keywords["plan"]  # pyright: ignore[reportFunctionMemberAccess]
    model, fitted = train.build_model(recipe, dataset), recipe.preprocess[0](dataset.train["image"])

    @jax.jit
    def part(batch):
        ready = jax.vmap(partial(recipe.preprocess[1], fitted))(batch["image"] / jnp.float32(255))
        out, _ = model.apply(*variables, ready, train=False)
        return detector.predictions(out, batch, plan=plan)

    names = ("image", "box", "box_label", "box_valid", "box_crowd")
    parts = []
    for start in range(0, len(dataset.test), BATCH):
        rows = data.decoded(dataset.test.take(np.arange(start, min(start + BATCH, len(dataset.test)))))
        parts.append(jax.tree.map(np.asarray, part({k: np.asarray(rows[k]) for k in names if k in rows.columns})))
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}


def by_thirds(detections: Mapping[str, np.ndarray], *, classes: int, limits: tuple[float, float]) -> list[str]:
    """The mean average precision in percent, over all boxes and by size, each with its interval over the images.

    Args:
      detections: of ``predicted``.
      classes: C.
      limits: of ``thirds``.

    Returns:
      Five texts, "none" where there is no object.
    """
    options = {"classes": classes, "limits": limits, "ci": 0.95, "ci_of": BY_SIZE}
    figures = metrics.coco_map(**detections, resamples=RESAMPLES, **options)
    assert figures.intervals is not None
    out = []
    for name in BY_SIZE:
        value, (low, high) = getattr(figures, name), figures.intervals[name]
        out.append("none" if np.isnan(value) else f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]")
    return out


def best(detections: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of each image as many of the boxes with the highest scores as it has objects.

    Args:
      detections: of ``predicted``.

    Returns:
      ``boxes``, ``labels``, ``scores`` and ``valid``, ``[N, D, ...]``.
    """
    scores = np.where(detections["valid"], detections["scores"], -np.inf)
    rank = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    chosen = detections["valid"] & (rank < detections["target_valid"].sum(1)[:, None])
    return {
        "boxes": detections["boxes"],
        "labels": detections["labels"],
        "scores": detections["scores"],
        "valid": chosen,
    }


def draw(images: np.ndarray, columns: Mapping[str, Mapping[str, np.ndarray]], *, names: Sequence[str]) -> Figure:
    """A row an image, a column of boxes each.

    Args:
      images: uint8 ``[N, H, W, C]``.
      columns: title to ``boxes``, ``[N', K, 4]``, ``labels`` and ``valid``, ``[N', K]``, N' >= N, and ``scores`` where
        they are predicted.
      names: of the classes.

    Returns:
      A Matplotlib figure.
    """
    colours = overlays.COLOURS / 255
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(1.9 * len(columns), 1.9 * len(images) + 0.9), layout="constrained")
        grid = figure.subplots(len(images), len(columns), squeeze=False)
        for column, (title, boxes) in zip(grid.T, columns.items(), strict=True):
            column[0].set_title(title)
            for number, axes in enumerate(column):
                axes.imshow(overlays.in_colour(images[number]), interpolation="nearest")
                axes.set_axis_off()
                for k in np.flatnonzero(boxes["valid"][number]):
                    x0, y0, x1, y1 = boxes["boxes"][number, k] - 0.5  # a pixel is drawn around its centre
                    colour = colours[boxes["labels"][number, k] % len(colours)]
                    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, color=colour, linewidth=1.6))
                    if "scores" in boxes:
                        text = f"{boxes['scores'][number, k]:.2f}"
                        axes.text(x0, y0, text, size=6, va="bottom", color="black", backgroundcolor=colour).set_bbox(
                            {"facecolor": colour, "edgecolor": "none", "pad": 0.8}
                        )
        key = [Line2D([], [], color=colours[i % len(colours)]) for i in range(len(names))]
        figure.legend(key, names, loc="outside lower center", ncols=min(len(names), 5), frameon=False)
    return figure
