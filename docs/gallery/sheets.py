"""Sheets: photographs and what an augmentation makes of them, with the boxes, points and masks that go along."""

import math
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from docs.gallery.parts import Sheet, once, signs
from jaxtricks import augment

SIZE, COLUMNS, GAP, LINE = 96, 6, 4, 15  # pixels
SQUARES = (("china", 0, 0, 427), ("flower", 100, 0, 427), ("china", 213, 0, 427), ("flower", 237, 120, 150))
# Outlines in pixels of the photographs: a pagoda, two flowers, a tree; an ellipse or a rectangle by two corners.
PAGODA = ((205, 30), (325, 120), (330, 185), (352, 255), (345, 320), (372, 345), (300, 390), (75, 340), (62, 265))
PAGODA += ((85, 180), (95, 120))
OUTLINES = (
    (("polygon", PAGODA),),
    (("ellipse", ((168, 84), (448, 356))), ("ellipse", ((287, 374), (470, 520)))),
    (("rectangle", ((545, 135), (640, 427))),),
    (("ellipse", ((270, 165), (350, 265))),),
)
GREY = (117, 126, 135, 255)  # seen on white and on black paper alike
MARK, SHADOW, EDGE = (182, 255, 0), (20, 24, 29), (255, 255, 255)


class Photos(NamedTuple):
    """What the sheets start from.

    Fields:
      image: a pagoda, ``[96, 96, 3]``.
      sample: flowers, ``image`` with ``box``, ``box_valid``, ``keypoint``, ``visible`` and ``mask`` of two instances.
      batch: pagoda, flowers, lake and petals, with these entries and ``label``.
      soft: ``image`` and ``target`` of the four.
    """

    image: jax.Array
    sample: dict[str, jax.Array]
    batch: dict[str, jax.Array]
    soft: dict[str, jax.Array]


@cache
def photos(side: int = SIZE) -> Photos:
    """Squares of the two photographs that scikit-learn brings along, of so many pixels a side."""
    from sklearn.datasets import load_sample_images  # a second, and for the sheets only

    by_name = dict(zip(("china", "flower"), map(Image.fromarray, load_sample_images().images), strict=True))
    samples = [
        _sample(by_name[name], box, shapes, side) for (name, *box), shapes in zip(SQUARES, OUTLINES, strict=True)
    ]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *samples)
    soft = {"image": batch["image"], "target": jnp.eye(4)}
    return Photos(samples[0]["image"], samples[1], batch | {"label": jnp.arange(8).reshape(4, 2)}, soft)


def _sample(photo: Image.Image, square: Sequence[int], shapes: Sequence, pixels: int) -> dict[str, jax.Array]:
    left, top, side = square
    small = partial(Image.Image.resize, size=(pixels, pixels), box=(left, top, left + side, top + side))
    masks = np.zeros((2, pixels, pixels), bool)
    for i, (kind, corners) in enumerate(shapes):
        mask = Image.new("L", photo.size)
        getattr(ImageDraw.Draw(mask), kind)(corners, fill=255)
        masks[i] = np.asarray(small(mask, resample=Image.Resampling.BOX)) > 127
    boxes, valid = augment.mask_boxes(masks), jnp.asarray(masks.any((1, 2)))
    return {
        "image": jnp.asarray(np.asarray(small(photo, resample=Image.Resampling.BOX), np.float32) / 255),
        "box": boxes,
        "box_valid": valid,
        "keypoint": (boxes[:, :2] + boxes[:, 2:]) / 2,
        "visible": valid,
        "mask": jnp.asarray(masks),
    }


def evaluate(sheet: Sheet, subjects: Photos) -> dict[str, list[tuple[str, dict]]]:
    """The pictures of every row with their labels; a sheet is one compilation, unless its values are static."""
    calls = [partial(call.at, *call.functions) for call in sheet.calls.values()]
    drawn = isinstance(sheet.values, int)
    if sheet.values is None:
        results = [_pictures(row) for row in once(lambda subjects: [at(subjects) for at in calls], subjects)]
    elif sheet.static:
        results = [
            [_pictures(once(lambda subjects, at=at, v=v: at(subjects, v), subjects))[0] for v in sheet.values]
            for at in calls
        ]
    else:
        values = jax.random.split(jax.random.key(0), sheet.values) if drawn else jnp.asarray(sheet.values)
        every = [jax.vmap(at, (None, 0)) for at in calls]
        results = [_pictures(row) for row in once(lambda *subjects: [at(*subjects) for at in every], subjects, values)]
    before = [] if sheet.before is None else [("original", *_pictures(sheet.before(subjects)))]
    rows = [[*before, *zip(_labels(sheet, row), row, strict=True)] for row in results]
    return dict(zip(sheet.calls, rows, strict=True))


def _labels(sheet: Sheet, row: Sequence[Mapping]) -> Sequence[str]:
    if not isinstance(sheet.label, str):
        return sheet.label
    if sheet.label == "target":
        return [_mixture(picture["target"]) for picture in row]
    if isinstance(sheet.values, int):
        return [f"draw {i + 1}" for i in range(len(row))]
    return [sheet.label.format(value) for value in sheet.values]


def _pictures(pictures) -> list[dict[str, np.ndarray]]:
    """Pictures one by one, whatever axes are in front of them."""
    pictures = jax.device_get(pictures if isinstance(pictures, Mapping) else {"image": pictures})
    lead = pictures["image"].ndim - 3
    count = math.prod(pictures["image"].shape[:lead])
    flat = {name: entry.reshape(count, *entry.shape[lead:]) for name, entry in pictures.items()}
    return [{name: entry[i] for name, entry in flat.items()} for i in range(count)]


def _mixture(target: np.ndarray) -> str:
    """A target in words: ``0.70 a + 0.30 b``."""
    parts = [(share, "abcd"[i]) for i, share in enumerate(target) if share > 0.005]
    return " + ".join(f"{share:.2f} {name}" if share < 0.995 else name for share, name in parts)


def draw(rows: Mapping[str, list[tuple[str, dict]]]) -> Image.Image:
    """The sheet: up to six pictures in a line, the label of each below it, that of a row above."""
    font = ImageFont.truetype(findfont("DejaVu Sans"), 11)
    bold = ImageFont.truetype(findfont("DejaVu Sans:bold"), 11)
    cells = [picture["image"].shape for row in rows.values() for _, picture in row]
    width, height = max(s[1] for s in cells), max(s[0] for s in cells)
    count = max(map(len, rows.values()))
    lines = math.ceil(count / COLUMNS)
    columns, head = math.ceil(count / lines), LINE + 2 * GAP if "" not in rows else 0
    step = head + lines * (height + LINE + GAP)
    sheet = Image.new("RGBA", (columns * (width + GAP) - GAP, len(rows) * step), (0, 0, 0, 0))
    pen = ImageDraw.Draw(sheet)
    for row, (name, cells) in enumerate(rows.items()):
        pen.text((0, row * step + GAP), signs(name), fill=GREY, font=bold)
        for i, (label, picture) in enumerate(cells):
            x, y = i % columns * (width + GAP), row * step + head + i // columns * (height + LINE + GAP)
            y += height - picture["image"].shape[0]
            sheet.paste(_paint(picture), (x, y))
            pen.text((x, y + picture["image"].shape[0] + 1), signs(label), fill=GREY, font=font)
    return sheet


def _paint(picture: Mapping[str, np.ndarray]) -> Image.Image:
    """The image, with outlines of its masks, its valid boxes and its visible points."""
    pixels = np.round(255 * np.clip(picture["image"], 0, 1)).astype(np.uint8)
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy()
    for mask in picture.get("mask", ()):
        padded = np.pad(mask, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        pixels[mask & ~inner] = EDGE
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    for box, valid in zip(picture.get("box", ()), picture.get("box_valid", ()), strict=True):
        if valid:
            x0, y0, x1, y1 = np.round(box).astype(int).tolist()
            if min(x1 - x0, y1 - y0) > 4:
                pen.rectangle((x0 + 1, y0 + 1, x1 - 2, y1 - 2), outline=SHADOW)
            pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=MARK)
    for (x, y), visible in zip(picture.get("keypoint", ()), picture.get("visible", ()), strict=True):
        if visible:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=MARK, outline=SHADOW)
    return image
