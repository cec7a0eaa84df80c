"""Targets that are not one-hot; ``optax.smooth_labels`` and ``optax.losses.kl_divergence`` go with them."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.losses import _arguments


def smooth_labels_exclusive(targets: jax.Array, alpha: float) -> jax.Array:
    r"""Label smoothing that takes alpha from the true class and gives it to the other classes only.

    .. math:: (1 - \alpha) t_c + \frac{\alpha}{C - 1} (1 - t_c)

    ``optax.smooth_labels`` gives the true class its share back: 1 - alpha + alpha / C.

    Args:
      targets: t, ``[..., C]`` with C >= 2, floating point, rows of sum 1.
      alpha: 0 to 1.

    Returns:
      The smoothed targets, ``[..., C]``, rows of sum 1, float32 or wider.

    Raises:
      ValueError: if there are fewer than 2 classes, or a shape, a dtype or alpha is wrong.

    Example:
      >>> print(smooth_labels_exclusive(jnp.array([1.0, 0.0, 0.0]), 0.5))
      [0.5  0.25 0.25]

    Reference:
      He et al., Bag of tricks for image classification with convolutional neural networks, arXiv 1812.01187; optax's
      form: Szegedy et al., Rethinking the Inception architecture, arXiv 1512.00567.
    """
    check.between("alpha", alpha, 0.0, 1.0)
    targets = _arguments.scores("targets", targets)
    classes = targets.shape[-1]
    if classes < 2:
        raise ValueError(f"targets has shape {targets.shape}, {classes} class; allowed: 2 classes or more.")
    return (1.0 - alpha) * targets + alpha / (classes - 1) * (1.0 - targets)


def gaussian_label_distribution(values: jax.Array, *, bins: jax.Array, sigma: float | jax.Array) -> jax.Array:
    r"""Number labels (an age, a pose) as distributions over bins, so that neighbours share what they learn.

    .. math:: d_k \propto \exp\left(-\frac{(v - b_k)^2}{2 \sigma^2}\right), \quad \sum_k d_k = 1

    Train with ``optax.losses.kl_divergence(jax.nn.log_softmax(logits), distribution)``; read the number off with
    `expected_value`.

    Args:
      values: v, ``[...]``, floating point. One far outside the bins, however far, puts all on the nearest bin.
      bins: b, ``[K]``, finite, the number that each class stands for.
      sigma: > 0, in units of the values; a number, or one for each value, ``[...]``.

    Returns:
      The distributions, ``[..., K]``, rows of sum 1, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or sigma is wrong.

    Example:
      >>> print(np.asarray(gaussian_label_distribution(jnp.array(1.0), bins=jnp.arange(3.0), sigma=1.0)).round(3))
      [0.274 0.452 0.274]

    Reference:
      Geng, Label distribution learning, arXiv 1408.6027; Gao et al., Deep label distribution learning with label
      ambiguity, arXiv 1611.01731.
    """
    check.positive("sigma", sigma)
    values = _arguments.wide("values", values)
    if jnp.ndim(sigma) > 0:
        check.same_shape("sigma", sigma, "values", values)
    check.number("bins", bins)
    bins = _arguments.scores("bins", jnp.asarray(bins, values.dtype))
    check.rank("bins", bins, 1)
    lowest, highest = bins.min(), bins.max()
    sigma = jnp.broadcast_to(sigma, values.shape)
    # 1e12 sigma beyond the bins only the nearest is left, unless another is less than 1e-10 sigma from it.
    values = jnp.clip(values, lowest - 1e12 * sigma, highest + 1e12 * sigma)
    bins = jnp.broadcast_to(bins, (*values.shape, bins.size))
    nearest = jnp.argmin(jnp.abs(jnp.clip(values, lowest, highest)[..., None] - bins), axis=-1, keepdims=True)
    base = jax.lax.stop_gradient(jnp.take_along_axis(bins, nearest, axis=-1))
    # The square of the nearest bin is taken off by hand: of large squares the difference would be lost.
    step, values, sigma = bins - base, values[..., None], sigma[..., None]
    return jax.nn.softmax(step / sigma * (values - base - step / 2) / sigma)


def expected_value(probabilities: jax.Array, *, bins: jax.Array) -> jax.Array:
    r"""The number that a distribution over bins stands for: its mean.

    .. math:: \sum_k p_k b_k

    Args:
      probabilities: p, ``[..., K]``, floating point, rows of sum 1; ``jax.nn.softmax(logits)``.
      bins: b, ``[K]``, the number that each class stands for.

    Returns:
      The mean, ``[...]``, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(expected_value(jnp.array([0.25, 0.5, 0.25]), bins=jnp.array([10.0, 20.0, 30.0])))
      20.0

    Reference:
      Rothe et al., DEX: deep expectation of apparent age from a single image, ICCV workshops 2015.
    """
    probabilities = _arguments.scores("probabilities", probabilities)
    check.shape("bins", bins, probabilities.shape[-1:])
    check.number("bins", bins)
    return jnp.sum(
        probabilities * jnp.broadcast_to(jnp.asarray(bins, probabilities.dtype), probabilities.shape), axis=-1
    )


def bce_targets(targets: jax.Array, *, threshold: float = 0.0) -> jax.Array:
    r"""Mixed targets for binary cross-entropy: every class in the mixture is fully there.

    .. math:: 1 \text{ if } t_c > \mathrm{threshold}, \text{ else } 0

    For ``optax.sigmoid_binary_cross_entropy`` after mixup or cutmix. Smooth the labels afterwards, or set the threshold
    above what smoothing gave to the wrong classes.

    Args:
      targets: t, ``[..., C]``, floating point, 0 to 1.
      threshold: 0 to 1.

    Returns:
      0 or 1, ``[..., C]``, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or threshold is wrong.

    Example:
      >>> print(bce_targets(jnp.array([0.7, 0.3, 0.0]), threshold=0.5))
      [1. 0. 0.]

    Reference:
      Wightman et al., ResNet strikes back: an improved training procedure in timm, arXiv 2110.00476.
    """
    check.between("threshold", threshold, 0.0, 1.0)
    targets = _arguments.scores("targets", targets)
    unknown = jnp.isnan(targets) | jnp.isnan(threshold)
    return jnp.where(unknown, jnp.nan, (targets > threshold).astype(targets.dtype))
