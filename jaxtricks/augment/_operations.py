"""Tables of operations with their ranges, for the policies: torchvision's for RandAugment and TrivialAugment.

Rotations keep the centre of the image in its place; shears keep its corner (0, 0), as in torchvision and in the Pillow
code of AutoAugment. ``augment.shear`` keeps the centre.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks._signatures import shown
from jaxtricks.augment import _checks, _color, _pil_ops
from jaxtricks.augment import _matrix as geometry
from jaxtricks.augment._affine import warp
from jaxtricks.preprocess._levels import like


class Op(NamedTuple):
    """An operation with its range.

    Fields:
      apply: ``(image, amount) -> image``, or where it moves ``(amount, size) -> matrix``: all movements of a table
        share one resampling.
      low: amount at strength 0.
      high: amount at strength 1.
      signed: the amount is negated with probability 1/2.
      moves: apply gives a matrix.
    """

    apply: Callable
    low: float = 0.0
    high: float = 0.0
    signed: bool = False
    moves: bool = False

    def __repr__(self) -> str:
        return shown(self)


Ops = Mapping[str, Op]


def _shear_x(amount: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Shear sideways about the corner (0, 0), by pixels a pixel down."""
    return jnp.eye(3).at[0, 1].set(amount)


def _shear_y(amount: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Shear downwards about the corner (0, 0), by pixels a pixel to the right."""
    return jnp.eye(3).at[1, 0].set(amount)


def _translate_x(amount: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Move to the right by a part of the width, rounded towards 0 to integer pixels."""
    return geometry.translation(jnp.stack([jnp.trunc(amount * size[1]), 0 * amount]))


def _translate_y(amount: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Move down by a part of the height, rounded towards 0 to integer pixels."""
    return geometry.translation(jnp.stack([0 * amount, jnp.trunc(amount * size[0])]))


def _pixels_x(amount, size):
    return geometry.translation(jnp.stack([jnp.trunc(amount), 0 * amount]))


def _pixels_y(amount, size):
    return geometry.translation(jnp.stack([0 * amount, jnp.trunc(amount)]))


def _identity(image, amount):
    return image


def _brightness(image, amount):
    return _color.adjust_brightness(image, 1 + amount)


def _contrast(image, amount):
    return _color.adjust_contrast(image, 1 + amount)


def _saturation(image, amount):
    if image.shape[-1] == 1:  # grey is as it is, as in torchvision
        return image
    return _color.adjust_saturation(image, 1 + amount)


def _sharpness(image, amount):
    return _pil_ops.adjust_sharpness(image, 1 + amount)


def _posterize(image, amount):
    return _pil_ops.posterize(image, jnp.round(amount).astype(jnp.int32))


def _autocontrast(image, amount):
    return _pil_ops.autocontrast(image)


def _equalize(image, amount):
    return _pil_ops.equalize(image)


RAND_OPS: Ops = {
    "identity": Op(_identity),
    "shear_x": Op(_shear_x, 0.0, 0.3, signed=True, moves=True),
    "shear_y": Op(_shear_y, 0.0, 0.3, signed=True, moves=True),
    "translate_x": Op(_translate_x, 0.0, 150 / 331, signed=True, moves=True),
    "translate_y": Op(_translate_y, 0.0, 150 / 331, signed=True, moves=True),
    "rotate": Op(geometry.rotation, 0.0, 30.0, signed=True, moves=True),
    "brightness": Op(_brightness, 0.0, 0.9, signed=True),
    "saturation": Op(_saturation, 0.0, 0.9, signed=True),
    "contrast": Op(_contrast, 0.0, 0.9, signed=True),
    "sharpness": Op(_sharpness, 0.0, 0.9, signed=True),
    "posterize": Op(_posterize, 8.0, 4.0),
    "solarize": Op(_pil_ops.solarize, 1.0, 0.0),
    "autocontrast": Op(_autocontrast),
    "equalize": Op(_equalize),
}

WIDE_OPS: Ops = {
    **RAND_OPS,
    "shear_x": Op(_shear_x, 0.0, 0.99, signed=True, moves=True),
    "shear_y": Op(_shear_y, 0.0, 0.99, signed=True, moves=True),
    "translate_x": Op(_pixels_x, 0.0, 32.0, signed=True, moves=True),
    "translate_y": Op(_pixels_y, 0.0, 32.0, signed=True, moves=True),
    "rotate": Op(geometry.rotation, 0.0, 135.0, signed=True, moves=True),
    "brightness": Op(_brightness, 0.0, 0.99, signed=True),
    "saturation": Op(_saturation, 0.0, 0.99, signed=True),
    "contrast": Op(_contrast, 0.0, 0.99, signed=True),
    "sharpness": Op(_sharpness, 0.0, 0.99, signed=True),
    "posterize": Op(_posterize, 8.0, 2.0),
}

MIX_OPS: Ops = {
    "autocontrast": RAND_OPS["autocontrast"],
    "equalize": RAND_OPS["equalize"],
    "posterize": Op(_posterize, 4.0, 0.0),
    "rotate": RAND_OPS["rotate"],
    "solarize": RAND_OPS["solarize"],
    "shear_x": RAND_OPS["shear_x"],
    "shear_y": RAND_OPS["shear_y"],
    "translate_x": Op(_translate_x, 0.0, 1 / 3, signed=True, moves=True),
    "translate_y": Op(_translate_y, 0.0, 1 / 3, signed=True, moves=True),
}


def apply_op(
    image: jax.Array,
    choice: jax.Array,
    strength: jax.Array | float,
    sign: jax.Array | float,
    *,
    ops: Ops,
    fill: float = 0.0,
    method: str = "nearest",
) -> jax.Array:
    """Apply one operation of a table: ``amount = low + strength (high - low)``, times the sign where it is signed.

    Args:
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      choice: place of the operation in the table, an integer scalar; outside, the nearest one.
      strength: 0 to 1.
      sign: 1 or -1.
      ops: the table.
      fill: value of what movements bring in from outside, in the units of the image: 0 to 255 for uint8.
      method: of the movements, ``"nearest"`` or ``"bilinear"``.

    Returns:
      ``[H, W, C]``.

    Raises:
      ValueError: on a wrong rank, dtype or method, an empty table, or channels that an operation refuses.
    """
    _checks.photo("image", image)
    _checks.unit("image", image)
    check.integer("choice", choice)
    check.rank("choice", choice, 0)
    if not ops:
        raise ValueError("ops is empty; allowed: at least one operation.")
    image = jnp.asarray(image)
    size = image.shape[:2]
    amounts = [(op.low + strength * (op.high - op.low)) * (sign if op.signed else 1) for op in ops.values()]
    # they differ by device where the choice does
    amounts = [jnp.asarray(amount, jnp.float32) + (0 * choice).astype(jnp.float32) for amount in amounts]
    table = list(zip(ops.values(), amounts, strict=True))
    choice = jnp.clip(choice, 0, len(ops) - 1)
    if any(op.moves for op in ops.values()):
        # all of them, for inside shard_map a branch with a constant matrix is of another type than one with a drawn one
        matrix = jnp.stack([o.apply(a, size) if o.moves else jnp.eye(3) for o, a in table])[choice]
        moves = jnp.stack([choice == i for i, op in enumerate(ops.values()) if op.moves]).any()
        image = jax.lax.cond(moves, lambda x: warp(x, matrix, method=method, fill=fill), lambda x: x, image)
    changes = [lambda x, o=o, a=a: x if o.moves else like(o.apply(x, a), x.dtype) for o, a in table]
    return jax.lax.switch(choice, changes, image)
