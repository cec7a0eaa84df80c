"""Run lengths of masks by pycocotools: ``python -m tests.golden.make_masks`` where that is installed."""

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

if __name__ == "__main__":
    from pycocotools import mask as coco

    runs = {name: coco.encode(np.asfortranarray(make(), np.uint8))["counts"].decode() for name, make in MASKS.items()}
    PATH.write_text(json.dumps(runs, indent=1) + "\n")
