"""Test-time augmentation: several views of an image, and their predictions as one."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks
from jaxtricks.preprocess import resize_center_crop


def flip_views(image: jax.Array) -> jax.Array:
    """The image and its mirror image.

    Args:
      image: ``[H, W, C]``, any dtype.

    Returns:
      ``[2, H, W, C]``.

    Raises:
      ValueError: on a wrong rank.

    Example:
      >>> image = jnp.arange(4.0).reshape(1, 4, 1) / 4
      >>> print(np.asarray(flip_views(image)).squeeze().round(3))
      [[0.   0.25 0.5  0.75]
       [0.75 0.5  0.25 0.  ]]
    """
    _checks.pixels("image", image)
    return jnp.stack([image, image[:, ::-1]])


def five_crops(image: jax.Array, *, size: int | tuple[int, int]) -> jax.Array:
    """The four corners and the centre, as they are: top left, top right, bottom left, bottom right, centre.

    Args:
      image: ``[H, W, C]``, any dtype.
      size: of a crop, static: a number or ``(height, width)``, at most the image's.

    Returns:
      ``[5, height, width, C]``.

    Raises:
      ValueError: on a wrong rank, or a size larger than the image.

    Example:
      >>> print(five_crops(jnp.zeros((6, 8, 3)), size=4).shape)
      (5, 4, 4, 3)
    """
    _checks.pixels("image", image)
    height, width = _checks.size("size", size)
    low, right = image.shape[0] - height, image.shape[1] - width
    if low < 0 or right < 0:
        raise ValueError(f"size is {size!r}; allowed: at most the image's, {image.shape[:2]}.")
    corners = [(0, 0), (0, right), (low, 0), (low, right), (round(low / 2), round(right / 2))]
    return jnp.stack([image[y : y + height, x : x + width] for y, x in corners])


def ten_crops(image: jax.Array, *, size: int | tuple[int, int]) -> jax.Array:
    """The five crops, then their mirror images.

    Args:
      image: ``[H, W, C]``, any dtype.
      size: of a crop, static: a number or ``(height, width)``, at most the image's.

    Returns:
      ``[10, height, width, C]``.

    Raises:
      ValueError: on a wrong rank, or a size larger than the image.

    Example:
      >>> print(ten_crops(jnp.zeros((6, 8, 3)), size=4).shape)
      (10, 4, 4, 3)
    """
    crops = five_crops(image, size=size)
    return jnp.concatenate([crops, crops[:, :, ::-1]])


def scale_views(
    image: jax.Array, *, shorter: tuple[int, ...], size: int | tuple[int, int], method: str = "bilinear"
) -> jax.Array:
    """The centre of the image at several scales: resize_center_crop for each.

    Args:
      image: ``[H, W, C]``, uint8 or floats.
      shorter: lengths of the shorter side, one a view, each at least as large as size.
      size: of a view, static: a number or ``(height, width)``.
      method: ``"bilinear"`` or ``"bicubic"``.

    Returns:
      ``[len(shorter), height, width, C]``.

    Raises:
      ValueError: on a wrong rank, dtype, size or method, or if shorter is empty.

    Example:
      >>> print(scale_views(jnp.zeros((6, 8, 3)), shorter=(4, 6), size=4).shape)
      (2, 4, 4, 3)
    """
    if not shorter:
        raise ValueError(f"shorter is {shorter!r}; allowed: at least one length.")
    return jnp.stack([resize_center_crop(image, shorter=length, size=size, method=method) for length in shorter])


def merge(logits: jax.Array, *, over: str = "probability") -> jax.Array:
    """The predictions of several views as one.

    Args:
      logits: ``[V, ..., C]``, floating point.
      over: ``"probability"``, the logarithm of the mean of the softmaxes; or ``"logit"``, the mean of the logits.

    Returns:
      ``[..., C]``, float32 or wider: log-probabilities, or logits. Argmax and softmax are those of the merged
      prediction in both cases.

    Raises:
      ValueError: on a wrong rank, dtype or option.
    """
    check.min_rank("logits", logits, 2)
    check.floating("logits", logits)
    check.option("over", over, ("probability", "logit"))
    if 0 in (logits.shape[0], logits.shape[-1]):
        raise ValueError(f"logits has shape {logits.shape}; allowed: one view and one class, or more.")
    wide = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    if over == "logit":
        return wide.mean(0)
    return jax.nn.logsumexp(jax.nn.log_softmax(wide), axis=0) - math.log(len(wide))


def over_views(
    predict: Callable[[jax.Array], jax.Array],
    views: Callable[[jax.Array], jax.Array],
    *,
    over: str = "probability",
) -> Callable[[jax.Array], jax.Array]:
    """A predictor that sees several views of each image.

    Args:
      predict: ``images [N, h, w, C] -> logits [N, K]``.
      views: ``image [H, W, C] -> [V, h, w, C]``, such as flip_views.
      over: how to merge, ``"probability"`` or ``"logit"``.

    Returns:
      ``images [B, H, W, C] -> [B, K]``; predict is called once, on all B V views.
    """

    def predict_views(images: jax.Array) -> jax.Array:
        check.rank("images", images, 4)
        seen = jax.vmap(views)(images)
        count, several = seen.shape[:2]
        logits = predict(seen.reshape(count * several, *seen.shape[2:]))
        return merge(logits.reshape(count, several, *logits.shape[1:]).swapaxes(0, 1), over=over)

    return predict_views
