"""``python -m jaxtricks data NAME FILE.npz``: image sets for ``--data`` that the package does not bring along."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxtricks import data


def write(name: str, file: Path) -> None:
    """Write a set of images of one size to an .npz file: x_train, y_train, x_test, y_test.

    Args:
      name: as ``--data`` takes it, such as cifar10 for that of TensorFlow Datasets.
      file: for ``--data``.

    Raises:
      DataError: if the set cannot be read, is decoded as it is read, or the folder of the file is missing.
    """
    if file.suffix != ".npz" or not file.parent.is_dir():
        raise data.DataError(f"file is {file}; allowed: a name that ends in .npz, in a folder that exists.")
    dataset = data.load(name)
    if not dataset.train.resident:
        raise data.DataError(f"{name} is decoded as it is read; allowed: sets of one size that fit in memory.")
    parts = {"train": dataset.train, "test": dataset.test}
    arrays: dict[str, Any] = {f"x_{name}": split["image"] for name, split in parts.items()}
    arrays |= {f"y_{name}": split["label"] for name, split in parts.items()}
    np.savez_compressed(file, **arrays)
    print(f"{file}: {len(dataset.train):,} training and {len(dataset.test):,} test images.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line; exit status 2 and a sentence for what cannot be done.

    Args:
      arguments: without the program; those of the process if None.
    """
    parser = argparse.ArgumentParser(prog="python -m jaxtricks", description=__doc__)
    command = parser.add_subparsers(required=True).add_parser("data", help="write an image set to an .npz file")
    command.add_argument("name", help="such as cifar10, of TensorFlow Datasets")
    command.add_argument("file", type=Path, help="the .npz file, for --data")
    options = parser.parse_args(arguments)
    try:
        write(options.name, options.file)
    except data.DataError as error:
        print(f"jaxtricks: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
