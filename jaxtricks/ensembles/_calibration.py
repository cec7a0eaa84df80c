"""Temperature: probabilities that are as sure as they are right, before they are averaged or compared."""

import jax
import jax.numpy as jnp

from jaxtricks import check

LOWEST, HIGHEST = 1e-3, 1e3


def temperature(logits: jax.Array, labels: jax.Array) -> jax.Array:
    r"""The number that logits are divided by so that their log loss on held-out data is smallest; accuracy stays.

    .. math:: \min_T -\tfrac1N \sum_n \log \mathrm{softmax}(x_n / T)_{y_n}

    The loss is convex in 1 / T; its slope is brought to 0 by bisection.

    Args:
      logits: x, ``[N, C]``, floating point, finite, of images that the network was not trained on.
      labels: y, ``[N]``, integers in 0 to C - 1; a row whose label is out of range is left out.

    Returns:
      T, a scalar, float32 or wider, 0.001 to 1000; the lowest where all are right or every logit is equal, the highest
      where logits are no better than chance. NaN if a logit is NaN or infinite, or no row is left.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> logits = jnp.log(jnp.array([[0.99, 0.01]] * 4))  # 99 % sure, and right in three of four
      >>> t = temperature(logits, jnp.array([0, 0, 0, 1]))
      >>> print(f"{t:.2f}", np.asarray(jax.nn.softmax(logits[0] / t)).round(2))
      4.18 [0.75 0.25]

    Reference:
      Guo et al., On calibration of modern neural networks, arXiv 1706.04599.
    """
    check.rank("logits", logits, 2)
    check.floating("logits", logits)
    check.shape("labels", labels, jnp.shape(logits)[:1])
    check.integer("labels", labels)
    if not all(jnp.shape(logits)):
        raise ValueError(f"logits has shape {jnp.shape(logits)}; allowed: one image or more, one class or more.")
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    logits = logits - jnp.max(logits, axis=-1, keepdims=True)
    is_class = (labels >= 0) & (labels < logits.shape[-1])
    true = jnp.take_along_axis(logits, jnp.where(is_class, labels, 0)[:, None], axis=-1)[:, 0]

    def slope(log_t):
        expected = jnp.sum(jax.nn.softmax(logits * jnp.exp(-log_t)) * logits, axis=-1)
        return jnp.sum(jnp.where(is_class, expected - true, 0.0))  # by 1 / T: below 0 where T is too large

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        too_large = slope(middle) <= 0  # 0 where the softmax is all at the true class
        return jnp.where(too_large, low, middle), jnp.where(too_large, middle, high)

    ends = tuple(jnp.log(jnp.asarray(end, logits.dtype)) for end in (LOWEST, HIGHEST))
    low, high = jax.lax.fori_loop(0, 40, halve, ends)
    defined = jnp.isfinite(logits).all() & is_class.any()
    return jnp.where(defined, jnp.exp((low + high) / 2), jnp.nan)
