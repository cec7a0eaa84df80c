"""Crops guided by a class activation map of the model being trained."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.augment._boxes import mask_boxes
from jaxtricks.augment._crop import resized_crop


def class_activation(features: jax.Array, weights: jax.Array) -> jax.Array:
    r"""Where in the last feature map a class is seen: ``max(0, sum_k weights_k features_k)``, the greatest value 1.

    Args:
      features: ``[h, w, K]``, floating point: the tap before global average pooling.
      weights: ``[K]``: the class's column of the last layer.

    Returns:
      ``[h, w]`` in [0, 1]; zeros where nothing speaks for the class. No gradient flows back.

    Raises:
      ValueError: on a wrong rank, shape or dtype.

    Example:
      >>> features = jnp.array([[[1.0, 0.0], [0.0, 2.0]]])
      >>> print(np.asarray(class_activation(features, jnp.array([1.0, 1.0]))).squeeze().round(3))
      [0.5 1. ]

    Reference:
      Zhou et al., Learning deep features for discriminative localization, arXiv 1512.04150.
    """
    check.rank("features", features, 3)
    check.floating("features", features)
    check.shape("weights", weights, jnp.shape(features)[-1:])
    check.floating("weights", weights)
    if 0 in jnp.shape(features):
        raise ValueError(f"features has shape {jnp.shape(features)}; allowed: at least one place and one channel.")
    seen = jnp.maximum((features * weights[None, None, :]).sum(-1), 0)
    most = seen.max()
    return jax.lax.stop_gradient(seen / jnp.where(most == 0, 1, most))


def cam_box(cam: jax.Array, threshold: jax.Array | float, *, size: tuple[int, int], margin: float = 0.1) -> jax.Array:
    """The smallest box that holds all cells of a map that reach a part of its greatest value, and a margin.

    Args:
      cam: ``[h, w]``, floating point, 0 or more; constant maps give the entire image, one with a NaN gives NaN.
      threshold: part of the greatest value, 0 to 1.
      size: ``(height, width)`` of the image that the map covers.
      margin: added on each side, as a part of the box's own side, 0 or more; cut at the border of the image.

    Returns:
      ``(x0, y0, x1, y1)`` in pixels of the image, float32 ``[4]``.

    Raises:
      ValueError: on a wrong rank, dtype, size or range.
    """
    check.rank("cam", cam, 2)
    check.floating("cam", cam)
    if 0 in jnp.shape(cam):
        raise ValueError(f"cam has shape {jnp.shape(cam)}; allowed: at least one cell.")
    _checks.scalar("threshold", threshold)
    check.between("threshold", threshold, 0.0, 1.0)
    check.between("margin", margin, 0.0, float("inf"))
    height, width = _checks.size("size", size)
    cell = jnp.array([width / cam.shape[1], height / cam.shape[0]], jnp.float32)
    level = threshold * cam.max()
    box = mask_boxes(cam >= level).reshape(2, 2) * jnp.where(jnp.isnan(level), jnp.nan, cell)[None]
    extra = margin * (box[1] - box[0])
    frame = jnp.array([width, height], jnp.float32)
    return jnp.concatenate([jnp.maximum(box[0] - extra, 0), jnp.minimum(box[1] + extra, frame)])


def cam_crop(
    key: jax.Array,
    image: jax.Array,
    cam: jax.Array,
    *,
    size: int | tuple[int, int],
    threshold: tuple[float, float] = (0.4, 0.6),
    margin: float = 0.1,
) -> jax.Array:
    """Cut out what a map points at, at a random threshold, and resample it: the object fills the image.

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats.
      cam: ``[h, w]``, floating point, 0 or more, over the entire image; class_activation gives one.
      size: of the result, static: a number or ``(height, width)``.
      threshold: minimum and maximum part of the map's greatest value, uniform, within 0 to 1.
      margin: added on each side of the box, as a part of its own side, 0 or more.

    Returns:
      ``[height, width, C]``.

    Raises:
      ValueError: on a wrong rank, dtype, size or range.

    Reference:
      Hu et al., See better before looking closer: weakly supervised data augmentation network, arXiv 1901.09891.
    """
    _checks.photo("image", image)
    _checks.interval("threshold", threshold, 0.0, 1.0)
    level = jax.random.uniform(key, minval=threshold[0], maxval=threshold[1])
    return resized_crop(image, cam_box(cam, level, size=(image.shape[0], image.shape[1]), margin=margin), size=size)
