"""What tells two datasets apart."""

import hashlib

import numpy as np

from jaxtricks.data._dataset import Dataset


def identity(dataset: Dataset) -> str:
    """A digest of everything that a run can see of a dataset.

    Args:
      dataset: any.

    Returns:
      Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256(repr((dataset.name, dataset.classes, dataset.shape)).encode())
    for part in ("train", "validation", "test"):
        split = getattr(dataset, part)
        for name, column in sorted(split.columns.items()) if split is not None else ():
            digest.update(f"{part} {name} {column.shape}".encode())
            if isinstance(column, np.ndarray):
                digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]
