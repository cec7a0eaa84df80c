"""Intersection over union of classes of pixels: counts an image, compiled, and their mean, on the host."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtricks import check


def intersections_and_unions(
    predicted: jax.Array, target: jax.Array, *, classes: int, ignore: int = 255
) -> tuple[jax.Array, jax.Array]:
    """Pixels in which prediction and target agree, and in which either has the class; sum them, then mean_iou.

    ``I_c = #{p : predicted_p = c and target_p = c}``, ``U_c = #{p : predicted_p = c or target_p = c}`` over the pixels
    whose target is not ``ignore``. Counts are exact and add up over images, which the ratios do not.

    Args:
      predicted: classes, int ``[B, H, W]``. A pixel outside 0 to C - 1 has no class.
      target: classes, int ``[B, H, W]``. A pixel outside 0 to C - 1 other than ``ignore`` has no class, so that
        whatever is predicted there is wrong.
      classes: C, an integer of 1 or more.
      ignore: the target of pixels that do not count, an integer; often 255 or -1.

    Returns:
      Intersections and unions, int32 ``[B, C]`` each.

    Raises:
      ValueError: on wrong ranks, sizes, dtypes or options.

    Example:
      >>> predicted, target = jnp.array([[[0, 1, 1]]]), jnp.array([[[0, 0, 1]]])
      >>> [counts.tolist() for counts in intersections_and_unions(predicted, target, classes=2)]
      [[[1, 1]], [[2, 2]]]

    Reference:
      Everingham et al., The Pascal visual object classes challenge: a retrospective, IJCV 2015.
    """
    check.rank("predicted", predicted, 3)
    check.integer("predicted", predicted)
    check.same_shape("target", target, "predicted", predicted)
    check.integer("target", target)
    classes = check.at_least("classes", classes, minimum=1)
    check.rank("ignore", ignore, 0)
    check.integer("ignore", ignore)
    predicted, target = (jnp.asarray(array).astype(jnp.int32)[:, None] for array in (predicted, target))
    class_index = jnp.arange(classes)[None, :, None, None]
    counts = target != ignore
    is_predicted, is_target = (predicted == class_index) & counts, (target == class_index) & counts
    return (is_predicted & is_target).sum((2, 3)), (is_predicted | is_target).sum((2, 3))


def mean_iou(intersections: np.ndarray | jax.Array, unions: np.ndarray | jax.Array) -> float:
    """The mean intersection over union of the classes; the usual metric of segmentation.

    ``mIoU = mean_c (sum I_c / sum U_c)`` over the classes whose union is not empty. It runs on the host, in float64.

    Args:
      intersections: counts ``[..., C]``, 0 or more, which are added over all axes but the last.
      unions: counts of the same shape, no smaller than the intersections.

    Returns:
      0 to 1; NaN if no class has a pixel.

    Raises:
      ValueError: on wrong ranks, sizes or dtypes, without a class, or if a count is negative, not finite, or greater
        than its union.

    Example:
      >>> mean_iou(np.array([1, 3, 0]), np.array([2, 4, 0]))
      0.625

    Reference:
      Everingham et al., The Pascal visual object classes challenge: a retrospective, IJCV 2015.
    """
    both, either = _totals(intersections, unions)
    return float((both / either).mean()) if len(both) else float("nan")


def mean_dice(intersections: np.ndarray | jax.Array, unions: np.ndarray | jax.Array) -> float:
    """The mean Dice coefficient of the classes, the F1 of pixels; usual in medicine.

    ``mean_c (2 sum I_c / (sum I_c + sum U_c))`` over the classes whose union is not empty, since the sizes of
    prediction and target add up to ``I + U``. It runs on the host, in float64.

    Args:
      intersections: counts ``[..., C]``, 0 or more, which are added over all axes but the last.
      unions: counts of the same shape, no smaller than the intersections.

    Returns:
      0 to 1; NaN if no class has a pixel.

    Raises:
      ValueError: on wrong ranks, sizes or dtypes, without a class, or if a count is negative, not finite, or greater
        than its union.

    Example:
      >>> round(mean_dice(np.array([1, 3, 0]), np.array([2, 4, 0])), 4)  # (2 / 3 + 6 / 7) / 2
      0.7619

    Reference:
      Dice, Measures of the amount of ecologic association between species, 1945.
    """
    both, either = _totals(intersections, unions)
    return float((2 * both / (both + either)).mean()) if len(both) else float("nan")


def boundary_intersections_and_unions(
    predicted: jax.Array, target: jax.Array, *, classes: int, width: int = 1, ignore: int = 255
) -> tuple[jax.Array, jax.Array]:
    """As ``intersections_and_unions``, of the pixels near the border of each class: sum them, then mean_iou.

    A pixel of a class is at its border if a pixel within ``width`` rows and columns is of another class or outside
    the image. Unlike the IoU of all pixels it sees the outline of large objects. The paper takes 2 % of the diagonal.

    Args:
      predicted: classes, int ``[B, H, W]``. A pixel outside 0 to C - 1 has no class.
      target: classes, int ``[B, H, W]``. A pixel outside 0 to C - 1 other than ``ignore`` has no class.
      classes: C, an integer of 1 or more.
      width: pixels, an integer of 1 or more.
      ignore: the target of pixels that do not count, an integer.

    Returns:
      Intersections and unions, int32 ``[B, C]`` each.

    Raises:
      ValueError: on wrong ranks, sizes, dtypes or options.

    Example:
      >>> square = jnp.pad(jnp.ones((1, 3, 3), int), ((0, 0), (1, 1), (1, 1)))
      >>> [part.tolist() for part in boundary_intersections_and_unions(square, square, classes=2)]
      [[[16, 8]], [[16, 8]]]

    Reference:
      Cheng et al., Boundary IoU: improving object-centric image segmentation evaluation, arXiv 2103.16562.
    """
    check.rank("predicted", predicted, 3)
    check.integer("predicted", predicted)
    check.same_shape("target", target, "predicted", predicted)
    check.integer("target", target)
    classes = check.at_least("classes", classes, minimum=1)
    width = check.at_least("width", width, minimum=1)
    check.rank("ignore", ignore, 0)
    check.integer("ignore", ignore)
    predicted, target = (jnp.asarray(array).astype(jnp.int32)[:, None] for array in (predicted, target))
    class_index = jnp.arange(classes)[None, :, None, None]
    counts = target != ignore
    is_predicted, is_target = (_border(array == class_index, width) & counts for array in (predicted, target))
    return (is_predicted & is_target).sum((2, 3)), (is_predicted | is_target).sum((2, 3))


def _border(mask: jax.Array, width: int) -> jax.Array:
    """The pixels of ``[B, C, H, W]`` of which something within ``width`` is not of the mask."""
    if 0 in mask.shape:
        return mask
    side = 2 * width + 1
    padding = [(0, 0), (0, 0), (width, width), (width, width)]
    other = jnp.pad(~mask, padding, constant_values=True).astype(jnp.float32)
    return mask & (lax.reduce_window(other, -jnp.inf, lax.max, (1, 1, side, side), (1, 1, 1, 1), "VALID") > 0)


def _totals(intersections, unions) -> tuple[np.ndarray, np.ndarray]:
    """The sums of both for the classes that have a pixel, checked."""
    check.min_rank("intersections", intersections, 1)
    check.number("intersections", intersections)
    check.same_shape("unions", unions, "intersections", intersections)
    check.number("unions", unions)
    if 0 in intersections.shape:
        raise ValueError(f"intersections has shape {intersections.shape}; allowed: no axis of size 0.")
    both, either = (np.asarray(counts, np.float64) for counts in (intersections, unions))
    right = (both >= 0) & (both <= either) & np.isfinite(either)
    if not right.all():
        raise ValueError(
            f"intersections hold {both[~right][0]:g} of a union of {either[~right][0]:g}; allowed: 0 to the union."
        )
    both, either = (counts.reshape(-1, counts.shape[-1]).sum(0) for counts in (both, either))
    there = either > 0
    return both[there], either[there]
