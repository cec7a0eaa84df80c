"""What experiments show beside their table: their other figures, and the masks that are predicted over test images."""

import base64
import html
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from jaxtricks import data, train
from jaxtricks.ablation.headline import headline_of, headline_of_task
from jaxtricks.ablation.output import write_text
from jaxtricks.ablation.saved import predict
from jaxtricks.ablation.statistics import interval
from jaxtricks.ablation.summary import summarise
from jaxtricks.ablation.variants import Variant

# of Okabe and Ito, which can be distinguished without red or green; a class after the last begins anew
COLOURS = np.array([[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [204, 121, 167], [213, 94, 0]])
OVER = 0.55  # the share of the colour within an area; its border has all of it
IMAGES = 6
IGNORE = 255  # of a mask: a pixel that counts nothing
MARK = "<h2>Reproduce</h2>"
HEADING = "All figures: means over the seeds ± half of their 95 % intervals"
WORDS = "The first test images: what is there, what the baseline says, and what the best row says; seed 0."


def show(results: Mapping[str, Any], rows: Sequence[Variant], dataset: data.Dataset, folder: Path) -> None:
    """Print all figures of every row; train the baseline and the best row once more, and draw what they predict.

    The figures and overlays.png, of the first test images, are put into the report too.

    Args:
      results: of the table.
      rows: of the table.
      dataset: with the columns ``image`` and ``mask``; class 0 is the background, and what counts nothing is drawn so.
      folder: of the report.
    """
    body = figures(results, rows)
    write_lines(body)
    test, one = dataset.test.take(np.arange(min(IMAGES, len(dataset.test)))), train.Plan(devices=(jax.devices()[0],))
    test = data.decoded(test)
    mask = np.asarray(test["mask"])
    counted = mask != IGNORE  # what counts nothing, such as the frame around an image that is not square, is not drawn
    truth = np.where(counted, mask, 0)
    images, columns = np.asarray(test["image"]), {"image": None, "truth": truth}
    for row in shown(results, rows):
        (run,) = train.fit(row.recipe, row.dataset(dataset), plan=one)
        headline = headline_of_task(row.recipe.task)
        value = headline.value(f"{headline.scale * run.test[headline.name]:.1f}")
        predicted = predict(row.recipe, row.dataset(dataset), run.variables, images)
        columns[f"{row.name}\n{headline.words} {value}"] = np.where(counted, predicted.argmax(-1), 0)
    picture = folder / "overlays.png"
    draw(images, columns, names=dataset.class_names).savefig(picture, dpi=110)
    into_report(folder / "report.html", picture, [(HEADING, body)], WORDS)


def figures(results: Mapping[str, Any], rows: Sequence[Variant]) -> list[tuple[str, ...]]:
    """The means of all metrics on the test set, of the rows that have a result, with half of their 95 % intervals.

    Args:
      results, rows: of the table.

    Returns:
      Lines of text; the first has the names of the metrics, with their units. One seed, or seeds that are alike, have
      no interval.
    """
    metrics = rows[0].recipe.task.metrics
    lines = [("", *(f"{name}, {metric.unit}" if metric.unit else name for name, metric in metrics.items()))]
    for row in results["rows"]:
        if row["cells"]:
            seen = [np.array([cell["test"][name] for cell in row["cells"]], float) for name in metrics]
            lines.append((row["name"], *map(_with_interval, seen)))
    return lines


def _with_interval(values: np.ndarray) -> str:
    if not np.isfinite(values).all():
        return "none"
    low, high = interval(values)
    return f"{values.mean():.2f}" + (f" ± {(high - low) / 2:.2f}" if np.isfinite(high) else "")


def write_lines(body: Sequence[tuple[str, ...]]) -> None:
    """Print lines of text as a table.

    Args:
      body: such as ``figures`` gives.
    """
    for line in body:
        sys.stdout.write(f"{line[0]:<28}{''.join(f'{text:>20}' for text in line[1:])}\n")


def shown(results: Mapping[str, Any], rows: Sequence[Variant]) -> list[Variant]:
    """The first row and the best of the others, of those that have a result.

    Args:
      results, rows: of the table.

    Returns:
      One or two of the rows.
    """
    sign = headline_of(results).direction
    means = {row.name: sign * row.mean for row in summarise(results) if row.mean is not None}
    first, *others = [row for row in rows if row.name in means]
    return [first, *([max(others, key=lambda row: means[row.name])] if others else [])]


def overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """An image in grey with the classes of its pixels in colours; the background stays, borders are full.

    Args:
      image: uint8 ``[H, W, C]``.
      mask: integers ``[H, W]``, 0 for the background.

    Returns:
      uint8 ``[H, W, 3]``.
    """
    grey = np.repeat(image.mean(-1, keepdims=True), 3, axis=-1)
    colour = COLOURS[(mask - 1) % len(COLOURS)]
    share = np.where(_border(mask), 1.0, OVER)[..., None]
    mixed = (1 - share) * grey + share * colour
    return np.round(np.where(mask[..., None] == 0, grey, mixed)).astype(np.uint8)


def in_colour(image: np.ndarray) -> np.ndarray:
    """An image as it is, a grey one with three channels alike.

    Args:
      image: uint8 ``[H, W, C]``, of one channel or three.

    Returns:
      uint8 ``[H, W, 3]``.
    """
    return np.broadcast_to(image, (*image.shape[:2], 3)) if image.shape[-1] == 1 else image


def draw(images: np.ndarray, columns: Mapping[str, np.ndarray | None], *, names: Sequence[str] | None = None) -> Figure:
    """A row an image, a column a mask.

    Args:
      images: uint8 ``[N, H, W, C]``.
      columns: title to masks, integers ``[N, H, W]``, or None for the images as they are.
      names: of the classes 1, 2, ...; no key of colours if None.

    Returns:
      A Matplotlib figure.
    """
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(1.9 * len(columns), 1.9 * len(images) + 0.9), layout="constrained")
        grid = figure.subplots(len(images), len(columns), squeeze=False)
        for column, (title, masks) in zip(grid.T, columns.items(), strict=True):
            column[0].set_title(title)
            for number, axes in enumerate(column):
                image = images[number]
                axes.imshow(in_colour(image) if masks is None else overlay(image, masks[number]))
                axes.set_axis_off()
        if names is not None:
            key = [Patch(color=COLOURS[i % len(COLOURS)] / 255) for i in range(len(names))]
            figure.legend(key, names, loc="outside lower center", ncols=len(names), frameon=False)
    return figure


def _border(mask: np.ndarray) -> np.ndarray:
    """The pixels with a neighbour of another class above, below, left or right."""
    around = np.pad(mask, 1, mode="edge")
    others = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    return np.any([other != mask for other in others], axis=0)


def into_report(page: Path, picture: Path, tables: Sequence[tuple[str, Sequence[Sequence[str]]]], words: str) -> None:
    """Put a picture and tables into a report's page itself, which needs no other file.

    Args:
      page: report.html, which has its heading of how to reproduce it once.
      picture: a PNG.
      tables: a heading and lines of text each, the first with the names of the columns.
      words: under the picture, and in its place where it is not seen.

    Raises:
      ValueError: if the page has no such heading.
    """
    image = f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
    text = page.read_text(encoding="utf-8")
    if text.count(MARK) != 1:
        raise ValueError(f"{page} has {MARK} {text.count(MARK)} times; allowed: once.")
    shown = f'<img src="{image}" alt="{html.escape(words)}" style="max-width: 100%">'
    parts = [_table(heading, body) for heading, body in tables]
    parts.append(f"<h2>Predictions</h2>\n{shown}\n<p>{html.escape(words)}</p>\n{MARK}")
    write_text(page, text.replace(MARK, "".join(parts)))


def _table(heading: str, body: Sequence[Sequence[str]]) -> str:
    names = [f'<th scope="row">{html.escape(name)}</th>' for name, *_ in body]
    numbers = ["".join(f'<td class="n">{html.escape(text)}</td>' for text in rest) for _, *rest in body]
    lines = "\n".join(f"<tr>{name}{rest}</tr>" for name, rest in zip(names, numbers, strict=True))
    return f'<h2>{html.escape(heading)}</h2>\n<div class="scroll"><table>\n{lines}\n</table></div>\n'
