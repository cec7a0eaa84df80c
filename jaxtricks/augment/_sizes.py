"""Training at several sizes: each size is one compilation, so sizes come from a short fixed list."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment._compose import Batch
from jaxtricks.augment._labels import crop_sample


def multi_scale(batch: Batch, *, size: int | tuple[int, int]) -> Batch:
    """Resize a batch, antialiased, with its boxes, masks and keypoints.

    Args:
      batch: ``image [B, H, W, C]``, uint8 or floats, and labels as in labels.py with a first axis B.
      size: of the result, static: a number or ``(height, width)``; pick_size or progressive_size gives it.

    Returns:
      The batch resized.

    Raises:
      ValueError: on a wrong shape, dtype or size.
    """
    _checks.entries(batch, "image", others=True)
    height, width = batch["image"].shape[1:3]
    all_pixels = jnp.array([0, 0, width, height], jnp.float32)
    return jax.vmap(lambda sample: crop_sample(sample, all_pixels, size=size))(batch)


def pick_size(step: int, *, sizes: tuple[int, ...], every: int = 10, seed: int = 0) -> int:
    """The size of a step, on the host: drawn anew every few steps, a pure function of the step.

    Args:
      step: 0 or more.
      sizes: to draw from, all equally likely.
      every: steps that share a size, 1 or more.
      seed: of the draws.

    Returns:
      One of sizes.

    Raises:
      ValueError: if sizes is empty, or step or every is no such number.

    Reference:
      Redmon and Farhadi, YOLO9000: better, faster, stronger, arXiv 1612.08242, section 2.
    """
    step = check.at_least("step", step, minimum=0)
    every = check.at_least("every", every, minimum=1)
    if not sizes:
        raise ValueError(f"sizes is {sizes!r}; allowed: at least one size.")
    for size in sizes:
        _checks.size("sizes", size)
    return sizes[int(np.random.default_rng([seed, step // every]).integers(len(sizes)))]


def progressive_size(epoch: int, *, epochs: int, start: int, stop: int, stages: int = 4, multiple: int = 1) -> int:
    """The size of an epoch, on the host: from start to stop in equal stages, so that easy sizes come first.

    Args:
      epoch: 0 to epochs - 1.
      epochs: in all.
      start: size of the first stage.
      stop: size of the last stage.
      stages: how many sizes, 1 to epochs; one stage is of size stop.
      multiple: sizes between start and stop are rounded down to a multiple of this, but not below the smaller of both.

    Returns:
      The size.

    Raises:
      ValueError: if a number is out of its range.

    Reference:
      Tan and Le, EfficientNetV2: smaller models and faster training, arXiv 2104.00298, section 4.
    """
    epochs = check.at_least("epochs", epochs, minimum=1)
    epoch = check.at_least("epoch", epoch, minimum=0)
    start, stop = check.at_least("start", start, minimum=1), check.at_least("stop", stop, minimum=1)
    stages, multiple = check.at_least("stages", stages, minimum=1), check.at_least("multiple", multiple, minimum=1)
    if epoch >= epochs:
        raise ValueError(f"epoch is {epoch}; allowed: 0 to {epochs - 1}.")
    if stages > epochs:
        raise ValueError(f"stages is {stages}; allowed: 1 to {epochs}, the epochs.")
    stage = epoch * stages // epochs
    if stage == stages - 1:
        return stop
    if stage == 0:
        return start
    between = math.floor(start + (stop - start) * stage / (stages - 1))
    return max(between // multiple * multiple, min(start, stop))
