"""A saved network for other programs."""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from jaxtricks import check, init
from jaxtricks.archive import read_npz
from jaxtricks.portable._network import FILES, Saved

SUFFIXES = {"npz": ".npz", "safetensors": ".safetensors", "jax": ".stablehlo"}


def export(saved: Saved, path: str | Path, *, to: str) -> Path:
    """Write a network for other programs.

    Args:
      saved: from ``load``.
      path: of the file; it is complete or not there.
      to: ``"npz"``, the arrays by the names of this package; ``"safetensors"``, those of a residual network by the
        names of torchvision and timm (extra ``weights``); ``"jax"``, the program, for ``jax.export.deserialize``: it
        takes ``(params, stats, images)``, uint8 ``[b, H, W, C]``.

    Returns:
      The path.

    Raises:
      ValueError: if to is none of these, the suffix does not fit, or safetensors is asked for what is no ResNet.
      ImportError: if safetensors is asked for, and is not installed.
    """
    check.option("to", to, tuple(SUFFIXES))
    path, suffix = Path(path), SUFFIXES[to]
    if path.suffix != suffix:
        raise ValueError(f"path is {str(path)!r}; allowed: a file with the suffix {suffix}.")
    part = path.with_name(f"{path.name}.part")
    if to == "safetensors":
        try:
            from safetensors.numpy import save_file
        except ImportError as error:
            raise ImportError("to is 'safetensors'; allowed: with pip install 'jaxtricks[weights]'.") from error
        with tempfile.TemporaryDirectory() as place:
            init.save_pretrained(saved.variables, Path(place) / "x.npz", pooled=saved.facts["pooled"])
            arrays = {name: np.ascontiguousarray(array) for name, array in read_npz(Path(place) / "x.npz").items()}
            save_file(arrays, part)
    else:
        shutil.copyfile(saved.folder / FILES["weights" if to == "npz" else "program"], part)
    return part.replace(path)
