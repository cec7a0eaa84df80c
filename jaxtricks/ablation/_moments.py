"""What every test of a table begins with: checked values, their mean, deviation and standard error."""

import numpy as np

from jaxtricks import check


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and standard error over the last axis; the error is infinite where it is unknown."""
    n = values.shape[-1]
    mean = values.mean(-1)
    if n == 1:
        return mean, np.full_like(mean, np.inf), np.full_like(mean, np.inf)
    sd = values.std(-1, ddof=1)
    sd = np.where(sd > 1e-9 * np.abs(values).max(-1), sd, 0.0)  # less is rounding
    return mean, sd, np.where(sd > 0, sd, np.inf) / np.sqrt(n)


def values_of(name: str, values) -> np.ndarray:
    """The values as an array ``[..., n]``, n >= 1, of finite float64; else ValueError."""
    values = np.asarray(values, float)
    check.min_rank(name, values, 1)
    if values.shape[-1] < 1:
        raise ValueError(f"{name} has shape {values.shape}; allowed: one value or more.")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name} is {values.tolist()}; allowed: finite values.")
    return values


def open_unit(name: str, value: float) -> None:
    """Raise ValueError for a value that is not between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value!r}; allowed: between 0 and 1, exclusive.")
