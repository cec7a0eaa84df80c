"""Arrays of a data set out of an .npz file: `jaxtricks.archive`, with the error of this package."""

import os
from collections.abc import Sequence

import numpy as np

from jaxtricks import archive
from jaxtricks.archive import LIMIT
from jaxtricks.data._columns import DataError


def read_npz(
    path: str | os.PathLike, *, names: Sequence[str] | None = None, limit: int = LIMIT
) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file of numbers, where the file may be damaged or hostile: `archive.read_npz`.

    Args:
      path: of the file.
      names: of the arrays to read; all of them if None. The others are not looked into.
      limit: bytes that the arrays read may take together, 0 or more.

    Returns:
      Name to array.

    Raises:
      DataError: if the file is missing or no archive, a name is missing, occurs twice or points outside of the archive,
        or an array is damaged, pickled, not of numbers, larger than its member or beyond the limit.
    """
    try:
        return archive.read_npz(path, names=names, limit=limit)
    except archive.ArchiveError as error:
        raise DataError(str(error)) from error
