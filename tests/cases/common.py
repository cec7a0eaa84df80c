"""Draws and ranges that several tables share."""

import numpy as np


def within(low, high, *, slack=1e-5):
    """Every result lies in this range."""
    return lambda *out: all(((x >= low - slack) & (x <= high + slack)).all() for x in out)


def boxes(rng, shape):
    """Boxes with an area, within 10 pixels."""
    corner = rng.random((*shape[:-1], 2)) * 5
    return np.concatenate([corner, corner + 0.5 + rng.random(corner.shape) * 4], -1)
