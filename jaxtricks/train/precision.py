"""Mixed precision as one value: dtypes of parameters, computation and output, and dynamic loss scaling for fp16."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Precision(NamedTuple):
    """Dtypes by name.

    Fields:
      param: of the parameters and of the optimiser's state.
      compute: of convolutions and matrix products; normalisation, softmax, loss and statistics stay float32.
      output: of the logits.
      scale: initial loss scale, 1 to 2^24, or None for none; halves on an overflow, doubles after ``growth`` good
        steps, and stays in this range.
      growth: good steps before the scale doubles.
    """

    param: str = "float32"
    compute: str = "float32"
    output: str = "float32"
    scale: float | None = None
    growth: int = 2000


FLOAT32 = Precision()
BFLOAT16 = Precision(compute="bfloat16")
FLOAT16 = Precision(compute="float16", scale=2.0**15)


SCALES = (1.0, 2.0**24)  # the smallest and the largest loss scale


class LossScale(NamedTuple):
    """The scale, float32, and the good steps since it last changed, int32."""

    value: jax.Array
    good: jax.Array


def init_scale(precision: Precision) -> LossScale | None:
    """The loss scale a run starts with, or None where the precision needs none."""
    if precision.scale is None:
        return None
    return LossScale(jnp.float32(precision.scale), jnp.int32(0))


def next_scale(scale: LossScale, finite: jax.Array, *, growth: int) -> LossScale:
    """The scale after a step.

    Args:
      scale: before the step.
      finite: bool, whether every gradient was finite.
      growth: good steps in a row after which the scale doubles.

    Returns:
      Half the scale, but at least 1, after an overflow; twice, but at most 2^24, after ``growth`` good steps.
    """
    good = jnp.where(finite, scale.good + 1, 0)
    grown = good >= growth
    value = jnp.where(finite, jnp.where(grown, scale.value * 2, scale.value), scale.value / 2)
    return LossScale(jnp.clip(value, *SCALES), jnp.where(grown, 0, good))


def cast_output(out: Any, precision: Precision) -> Any:
    """What the network gave, an array or a tree of them, in the output dtype of a precision."""
    return jax.tree.map(lambda x: x.astype(precision.output), out)


def to_float(batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The batch with uint8 images as float32 in [0, 1]; floating-point images stay as they are."""
    image = batch["image"]
    return {**batch, "image": image.astype(jnp.float32) / 255 if image.dtype == jnp.uint8 else image}
