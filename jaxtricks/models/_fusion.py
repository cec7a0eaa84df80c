"""Several layers of a network together: pooled before the classifier, or a column of them for each pixel."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.models._functional import Model

SIDE = 32  # of the image on which the widths of taps are seen; nothing is computed


def fuse_taps(
    build: Callable, *, taps: Sequence[str], how: str = "concat", channels: int = 3, **arguments: Any
) -> Model:
    r"""A network whose classifier sees several layers, such as the last two stages: cheap, and small things stay seen.

    .. math:: h = W [f, g_1, g_2, \dots] + b \text{ ("concat")}, \quad h = W (f + \sum_t P_t g_t) + b \text{ ("add")}

    with the network's own features f and the mean over positions g of each tap. New weights start at 0, where the
    network is what it was.

    Args:
      build: ``(channels=, **arguments) -> Model`` with the tap ``features`` and a last linear layer ``head``.
      taps: names of taps, ``[B, H, W, D]`` or ``[B, D]``, one or more, without ``features``.
      how: ``"concat"``, a classifier of all of them side by side; ``"add"``, maps to the width of the features first,
        which are added.
      channels: of the input image.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model; ``fusion`` among its parameters has a kernel for each tap, and its tap ``features`` is what was.

    Raises:
      ValueError: if there is no such tap, ``features`` is among them, or how is another.

    Example:
      >>> from functools import partial
      >>> from jaxtricks.models._plain import plain
      >>> model = fuse_taps(partial(plain, (4, 8)), taps=("stage1",), classes=3)
      >>> params, stats = model.init(jax.random.key(0))
      >>> params["fusion"]["stage1"]["kernel"].shape
      (4, 3)

    Reference:
      Hariharan et al., Hypercolumns for object segmentation and fine-grained localization, arXiv 1411.5752.
    """
    check.option("how", how, ("concat", "add"))
    taps, model = tuple(taps), build(channels=channels, **arguments)
    variables = jax.eval_shape(model.init, jax.random.key(0))
    image = jax.ShapeDtypeStruct((1, SIDE, SIDE, channels), jnp.float32)
    shapes = jax.eval_shape(lambda v, x: model.apply(*v, x, train=False), variables, image)[0][1]
    if not taps or not set(taps) <= set(shapes) - {"features"} or len(set(taps)) < len(taps):
        raise ValueError(f"taps is {taps}; allowed, once each: {', '.join(sorted(set(shapes) - {'features'}))}.")
    width, classes = variables[0]["head"]["kernel"].shape

    def init(key):
        params, stats = model.init(key)
        outputs = classes if how == "concat" else width
        return {**params, "fusion": {t: {"kernel": jnp.zeros((shapes[t].shape[-1], outputs))} for t in taps}}, stats

    def apply(params, stats, image, *, train, key=None):
        (logits, seen), stats = model.apply(params, stats, image, train=train, key=key)
        new = sum(_pooled(seen[t]) @ params["fusion"][t]["kernel"] for t in taps)
        return (logits + (new if how == "concat" else new @ params["head"]["kernel"]), seen), stats

    return Model(init, apply)


def hyper_columns(taps: Sequence[jax.Array], *, size: tuple[int, int]) -> jax.Array:
    """What several layers say of each pixel, side by side: for classifiers of pixels, and to look at.

    Args:
      taps: ``[B, H, W, D]`` each, of any height, width and depth.
      size: height and width to which they are resized, linearly.

    Returns:
      ``[B, *size, sum of D]``.

    Raises:
      ValueError: if there is no tap, one is no map, or the sizes of the batches differ.

    Example:
      >>> hyper_columns([jnp.zeros((2, 8, 8, 3)), jnp.zeros((2, 4, 4, 5))], size=(8, 8)).shape
      (2, 8, 8, 8)

    Reference:
      Hariharan et al., Hypercolumns for object segmentation and fine-grained localization, arXiv 1411.5752.
    """
    if not taps:
        raise ValueError("taps is empty; allowed: one map or more.")
    for i, tap in enumerate(taps):
        check.shape(f"taps[{i}]", tap, (jnp.shape(taps[0])[0] if jnp.ndim(taps[0]) else None, None, None, None))
        check.floating(f"taps[{i}]", tap)
    maps = [jax.image.resize(tap, (tap.shape[0], *size, tap.shape[-1]), "linear", antialias=False) for tap in taps]
    return jnp.concatenate(maps, axis=-1)


def _pooled(tap: jax.Array) -> jax.Array:
    return tap.mean((1, 2), dtype=jnp.float32) if tap.ndim == 4 else tap
