"""Run lengths of masks and polygons by pycocotools: ``python -m tests.golden.make_masks`` where it is installed."""

import json
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("masks.json")


def wide():
    """A frame, whose runs have two digits and repeat."""
    mask = np.zeros((60, 90), bool)
    mask[7:50, 11:80] = True
    mask[20:30, 30:60] = False
    return mask


def long():
    """Runs of more than 2**15 pixels, which take several characters."""
    mask = np.zeros((400, 300), bool)
    mask[:, 40:280] = True
    mask[100, 100] = False
    return mask


MASKS = {
    "empty": lambda: np.zeros((3, 4), bool),
    "full": lambda: np.ones((3, 4), bool),
    "noise": lambda: np.random.default_rng(0).random((9, 7)) < 0.5,
    "wide": wide,
    "long": long,
}


def star(points, size, *, seed=0, beyond=0.0):
    """A polygon that crosses itself, with corners between pixels, some of them outside of the image."""
    height, width = size
    low, high = -beyond, 1 + beyond
    corners = np.random.default_rng(seed).uniform(low, high, (points, 2)) * [width, height]
    return corners.ravel().round(2).tolist()


POLYGONS = {  # of each the size of the image
    "a rectangle": ([[2, 1, 6, 1, 6, 5, 2, 5]], (7, 9)),
    "a triangle between pixels": ([[0.5, 0.5, 7.49, 3.2, 1.3, 6.6]], (8, 8)),
    "a line": ([[1, 1, 6, 6, 1, 1]], (8, 8)),
    "corners that repeat": ([[1, 1, 1, 1, 6, 1, 6, 6, 6, 6, 1, 6]], (8, 8)),
    "two that overlap": ([[1, 1, 5, 1, 5, 5, 1, 5], [3, 3, 8, 3, 8, 8, 3, 8]], (9, 9)),
    "crossing itself": ([star(9, (40, 30))], (40, 30)),
    "many corners": ([star(60, (50, 70), seed=1)], (50, 70)),
    "over the border": ([star(7, (20, 25), seed=2, beyond=0.5)], (20, 25)),
    "all of it": ([[-3, -3, 40, -3, 40, 40, -3, 40]], (20, 25)),
    "outside": ([[-9, -9, -2, -9, -2, -3]], (5, 5)),
}

if __name__ == "__main__":
    from pycocotools import mask as coco

    runs = {name: coco.encode(np.asfortranarray(make(), np.uint8))["counts"].decode() for name, make in MASKS.items()}
    for name, (polygons, size) in POLYGONS.items():
        runs[name] = coco.merge(coco.frPyObjects(polygons, *size))["counts"].decode()
    PATH.write_text(json.dumps(runs, indent=1) + "\n")
