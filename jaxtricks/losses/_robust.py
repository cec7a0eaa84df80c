"""Losses that a few wrong labels or wild residuals cannot dominate."""

import math

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.losses import _arguments


def tukey_biweight(residuals: jax.Array, *, c: float = 4.6851) -> jax.Array:
    r"""Tukey's biweight: quadratic near 0, constant for outliers.

    .. math:: \rho(r) = \tfrac{c^2}{6} \left(1 - (1 - (r / c)^2)^3\right) \text{ for } |r| \le c, \quad
              \tfrac{c^2}{6} \text{ beyond}

    Divide the residuals by their scale first (`mad_scale`): c counts standard deviations. With c to infinity it
    becomes :math:`r^2 / 2`.

    Args:
      residuals: r, any shape, floating point; infinite ones are allowed.
      c: where the loss goes flat, > 0; infinity is allowed where no residual is infinite.

    Returns:
      The loss of each residual, of their shape, 0 to c^2 / 6, float32 or wider.

    Raises:
      ValueError: if residuals are no floating point or c is not positive.

    Example:
      >>> print(np.asarray(tukey_biweight(jnp.array([0.0, 1.0, 5.0, 1e6]))).round(3))  # flat from c on
      [0.    0.478 3.658 3.658]

    Reference:
      Belagiannis et al., Robust optimization for deep regression, arXiv 1505.06606.
    """
    check.positive("c", c)
    near = jnp.clip(_arguments.wide("residuals", residuals), -c, c)
    u = (near / c) ** 2
    return near**2 / 6 * (3.0 - 3.0 * u + u**2)  # 1 - (1 - u)^3 over u, without its cancellation at small u


def mad_scale(residuals: jax.Array, *, floor: float = 1e-6) -> jax.Array:
    r"""Scale of residuals by their median absolute deviation: the standard deviation if they are normal.

    .. math:: 1.4826 \, \mathrm{median}_b |r_b - \mathrm{median}_b r_b|

    Args:
      residuals: r, ``[B, ...]`` with B >= 1, floating point; each output has a scale of its own.
      floor: the smallest scale returned, > 0, so that dividing is safe where more than half of the residuals agree.

    Returns:
      The scale, ``[1, ...]``, so that ``residuals / mad_scale(residuals)`` needs no reshaping; float32 or wider. No
      gradient flows through it.

    Raises:
      ValueError: if residuals have no row, a wrong rank or dtype, or floor is not positive.

    Example:
      >>> print(np.asarray(mad_scale(jnp.array([-1.0, 0.0, 1.0, 100.0]))).round(3))
      [1.483]

    Reference:
      Belagiannis et al., Robust optimization for deep regression, arXiv 1505.06606.
    """
    check.positive("floor", floor)
    residuals = jax.lax.stop_gradient(_arguments.wide("residuals", residuals, rank=1))
    if residuals.shape[0] == 0:
        raise ValueError(f"residuals has shape {residuals.shape}; allowed: 1 row or more.")
    deviation = jnp.abs(residuals - jnp.median(residuals, axis=0, keepdims=True))
    # 1.4826... is one over the third quartile of the standard normal distribution.
    return jnp.maximum(1.482602218505602 * jnp.median(deviation, axis=0, keepdims=True), floor)


def generalized_cross_entropy(logits: jax.Array, targets: jax.Array, *, q: float = 0.7) -> jax.Array:
    r"""Between cross-entropy (q to 0) and the mean absolute error of the probabilities (q = 1).

    .. math:: \sum_c t_c \frac{1 - p_c^q}{q}, \quad p = \mathrm{softmax}(s)

    Args:
      logits: s, ``[..., C]``, floating point; -inf is a class of probability 0.
      targets: t, ``[..., C]``, floating point, rows of sum 1.
      q: above 0, to 1.

    Returns:
      The loss of each example, ``[...]``, 0 to 1 / q, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or q is wrong.

    Example:
      >>> logits = jnp.log(jnp.array([0.64, 0.36]))
      >>> print(np.asarray(generalized_cross_entropy(logits, jnp.array([1.0, 0.0]), q=0.5)).round(3))  # (1 - 0.8) / 0.5
      0.4

    Reference:
      Zhang and Sabuncu, Generalized cross entropy loss for training deep neural networks with noisy labels,
      arXiv 1805.07836.
    """
    check.positive("q", q)
    check.between("q", q, 0.0, 1.0)
    logits = _arguments.scores("logits", logits)
    targets = _arguments.like("targets", targets, "logits", logits)
    return jnp.sum(targets * -jnp.expm1(q * jax.nn.log_softmax(logits)) / q, axis=-1)


def bi_tempered(logits: jax.Array, targets: jax.Array, *, t1: float, t2: float) -> jax.Array:
    r"""Cross-entropy with a tempered logarithm (bounded) and a tempered softmax (heavy-tailed).

    .. math::
       \sum_c t_c (\log_{t_1} t_c - \log_{t_1} p_c) - \frac{t_c^{2 - t_1} - p_c^{2 - t_1}}{2 - t_1}, \quad
       p_c = \exp_{t_2}(s_c - \lambda), \; \sum_c p_c = 1

    with :math:`\log_t x = (x^{1-t} - 1) / (1 - t)` and :math:`\exp_t` its inverse. Both temperatures 1 give the
    cross-entropy less the entropy of the targets. Below 1, t1 bounds the loss of a far outlier; above 1, t2 lets a
    mislabelled example near the boundary keep some probability.

    Args:
      logits: s, ``[..., C]``, floating point; -inf is a class of probability 0.
      targets: t, ``[..., C]``, floating point, rows of sum 1.
      t1: temperature of the logarithm, 0 to 1. A Python number.
      t2: temperature of the softmax, 1 to 1e6, where the classes can hardly be distinguished. A Python number.

    Returns:
      The loss of each example, ``[...]``, 0 or more, float32 or wider.

    Raises:
      ValueError: if a shape, a dtype or a temperature is wrong.

    Example:
      >>> logits, targets = jnp.array([8.0, 0.0]), jnp.array([0.0, 1.0])  # sure, and wrong
      >>> pairs = (1.0, 1.0), (0.2, 2.0)  # the first gives the cross-entropy
      >>> print(np.asarray([bi_tempered(logits, targets, t1=t1, t2=t2) for t1, t2 in pairs]).round(3))
      [8.    0.942]

    Reference:
      Amid et al., Robust bi-tempered logistic loss based on Bregman divergences, arXiv 1906.03361.
    """
    check.between("t1", t1, 0.0, 1.0)
    check.between("t2", t2, 1.0, 1e6)
    logits = _arguments.scores("logits", logits)
    targets = _arguments.like("targets", targets, "logits", logits)
    log_p = _tempered_log_softmax(logits, t2)
    present = targets > 0
    log_t = jnp.log(jnp.where(present, targets, 1.0))
    gap = _tempered_log(log_t, t1) - _tempered_log(jnp.where(present, log_p, 0.0), t1)
    powers = jnp.where(present, jnp.exp((2.0 - t1) * log_t), 0.0) - jnp.exp((2.0 - t1) * log_p)
    return jnp.sum(targets * gap - powers / (2.0 - t1), axis=-1)


def _tempered_log(log_x: jax.Array, t: float) -> jax.Array:
    """log_t of x, from its logarithm."""
    return log_x if t == 1 else jnp.expm1((1.0 - t) * log_x) / (1.0 - t)


def _tempered_log_softmax(logits: jax.Array, t: float) -> jax.Array:
    """The logarithm of exp_t(logits - lambda), with the lambda that makes the sum 1."""
    if t == 1:
        return jax.nn.log_softmax(logits)
    a = t - 1.0
    depth = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True)) - logits
    absent = depth == jnp.inf
    depth = jnp.where(absent, 0.0, depth)

    # By fall, minus the logarithm of the largest p, from 0 to log C: lambda itself is about C^a, which overflows.
    def stretch(fall):
        half = jnp.exp(-0.5 * a * fall)
        return jnp.where(absent, jnp.inf, depth * half * (a * half))

    def log_p(fall):
        return -fall - jnp.log1p(stretch(fall)) / a

    def excess(fall):
        return jnp.sum(jnp.exp(log_p(fall)), axis=-1, keepdims=True) - 1.0

    def newton(_, fall):
        def step(_, fall):
            p = jnp.exp(log_p(fall))
            total, part = (jnp.sum(x, axis=-1, keepdims=True) for x in (p, p / (1.0 + stretch(fall))))
            return fall - jnp.log1p((1.0 - total) / part)

        # The sum is a concave function of the largest p: Newton's steps from 1 / C climb to the root and never pass it.
        # Eight are enough for double precision.
        return jax.lax.fori_loop(0, 8, step, fall)

    # The implicit function theorem differentiates the root, not the iteration.
    start = jnp.full_like(depth[..., :1], math.log(depth.shape[-1]))
    return log_p(jax.lax.custom_root(excess, start, newton, lambda g, y: y / g(jnp.ones_like(y))))
