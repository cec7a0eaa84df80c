"""The strip that opens the README: photographs of the gallery under some augmentations.

python -m docs.gallery.strip      # writes docs/strip.png; half a minute with nothing compiled before
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from docs.gallery import sheets
from docs.gallery.sheets import Photos
from jaxtricks import augment

FILE = Path(__file__).parents[1] / "strip.png"
SIDE, GAP, LINE = 152, 6, 21  # pixels
COLOURS, SHADES = 248, 8  # of the palette, which keeps the file small: of the pictures, and of the names' edges
JITTER = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.6, "hue": 0.3}
PAGODA, FLOWERS, LAKE, PETALS = range(4)


def one(function: Callable, number: int) -> Callable[[jax.Array, Photos], jax.Array]:
    """A tile of one photograph."""
    return lambda key, photos: function(key, photos.batch["image"][number])


def mixed(function: Callable, numbers: tuple[int, ...]) -> Callable[[jax.Array, Photos], jax.Array]:
    """A tile of photographs that mix; the first example of the result."""
    places = jnp.array(numbers)
    return lambda key, photos: function(key, jax.tree.map(lambda leaf: leaf[places], photos.soft))["image"][0]


def collage(key: jax.Array, photos: Photos) -> jax.Array:
    """The four of them."""
    batch = {name: photos.batch[name] for name in ("image", "box", "box_valid", "label")}
    return augment.mosaic(key, batch, center=(0.4, 0.6))["image"][0]


TILES: dict[str, tuple[int, Callable[[jax.Array, Photos], jax.Array]]] = {  # seed, and what is drawn with it
    "original": (0, lambda key, photos: photos.batch["image"][PAGODA]),
    "flip_left_right": (0, lambda key, photos: augment.flip_left_right(photos.batch["image"][PAGODA])),
    "random_resized_crop": (1, one(partial(augment.random_resized_crop, size=SIDE, area=(0.2, 0.5)), FLOWERS)),
    "rand_augment": (8, one(partial(augment.rand_augment, count=2, strength=0.5), LAKE)),
    "color_jitter": (2, one(partial(augment.color_jitter, **JITTER), PETALS)),
    "augmix": (3, one(partial(augment.augmix, severity=8.0), PAGODA)),
    "gridmask": (4, one(partial(augment.gridmask, unit=(0.3, 0.4), fill=0.5), FLOWERS)),
    "random_erasing": (5, one(partial(augment.random_erasing, probability=1.0, area=(0.1, 0.2)), LAKE)),
    "mixup": (6, mixed(partial(augment.mixup, alpha=8.0), (PETALS, PAGODA))),
    "cutmix": (7, mixed(partial(augment.cutmix, alpha=4.0), (FLOWERS, LAKE))),
    "mosaic": (8, collage),
}


def evaluate(names: tuple[str, ...] = tuple(TILES)) -> dict[str, np.ndarray]:
    """The pictures of these tiles, floats ``[H, W, 3]``; one compilation."""

    def draw(photos):
        return [TILES[name][1](jax.random.key(TILES[name][0]), photos) for name in names]

    return dict(zip(names, map(np.asarray, jax.jit(draw)(sheets.photos(SIDE))), strict=True))


def draw(pictures: dict[str, np.ndarray]) -> Image.Image:
    """The tiles beside each other, their names below in a grey that shows on white and on black paper; a palette."""
    font = ImageFont.truetype(findfont("DejaVu Sans"), 13)
    size = len(pictures) * (SIDE + GAP) - GAP, SIDE + LINE
    tiles, names = Image.new("RGB", size), Image.new("L", size)  # the names as what they cover
    pen, seen = ImageDraw.Draw(names), np.zeros(size[::-1], bool)
    for place, (name, picture) in enumerate(pictures.items()):
        x = place * (SIDE + GAP)
        tiles.paste(Image.fromarray(np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)), (x, 0))
        seen[:SIDE, x : x + SIDE] = True
        pen.text((x, SIDE + 3), name, fill=255, font=font)
    colours = tiles.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    dithered = tiles.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
    steps = np.round(np.asarray(names) / 255 * (SHADES - 1)).astype(np.uint8)
    strip = Image.fromarray(np.where(seen, np.asarray(dithered), COLOURS + steps).astype(np.uint8), "P")
    strip.putpalette(colours.getpalette()[: 3 * COLOURS] + SHADES * list(sheets.GREY[:3]))
    strip.info["transparency"] = bytes([255] * COLOURS + [255 * step // (SHADES - 1) for step in range(SHADES)])
    return strip


def main() -> None:
    """Write the file."""
    strip = draw(evaluate())
    strip.save(FILE, optimize=True)
    sys.stdout.write(f"{FILE}: {strip.width} x {strip.height} pixels, {FILE.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
