"""A trained network in one folder: weights, classes, what is done to an image, recipe. It loads without the recipe.

What computes is kept as StableHLO by ``jax.export``, the preprocessing within it, so that the code of the recipe is not
needed, and nothing of a file runs but that. JAX promises to read it for six months; the weights are plain arrays.
"""

from jaxtricks.portable._export import export
from jaxtricks.portable._kinds import kind
from jaxtricks.portable._network import Boxes, Predictions, Saved, load
from jaxtricks.portable._save import save

__all__ = ["Boxes", "Predictions", "Saved", "export", "kind", "load", "save"]


def __dir__() -> list[str]:
    return __all__
