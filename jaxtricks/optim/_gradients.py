"""How the gradient is taken: functions from value_and_grad to value_and_grad.

The function they take and give is ``value_and_grad(params, stats, batch) -> ((loss, (stats, sums)), gradients)``: the
loss is a mean over the batch, ``stats`` the batch statistics after it, ``sums`` a tree of sums over it. They compose:
``sam(accumulate(value_and_grad, n=4), rho=0.05)``.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check


def accumulate(value_and_grad: Callable, n: int) -> Callable:
    r"""The gradient of a batch as the mean over microbatches, one after another, in the memory of one of them.

    .. math:: \nabla L = \frac1n \sum_{i < n} \nabla L_i

    Loss and gradients are means and equal those of the undivided batch; ``sums`` are added; ``stats`` go from one
    microbatch to the next. Batch normalisation sees one microbatch at a time: with it, the gradient is not that of the
    undivided batch, and n updates of the running statistics are made in a step. Row r of the batch is in microbatch
    r modulo n, so that a batch spread over devices stays where it is. On CPU a convolution inside ``lax.scan`` runs in
    one thread.

    Args:
      value_and_grad: the function of one microbatch.
      n: number of microbatches, >= 1; it divides the batch.

    Returns:
      The function of the undivided batch.

    Raises:
      ValueError: if n is not positive; when called, if it does not divide the batch.
    """
    check.integer("n", n)
    check.positive("n", n)
    if n == 1:
        return value_and_grad

    def accumulated(params, stats, batch):
        def microbatches(x):
            check.min_rank("batch", x, 1)
            if x.shape[0] % n:
                raise ValueError(f"n is {n}; allowed: a divisor of the batch of {x.shape[0]}.")
            return x.reshape(x.shape[0] // n, n, *x.shape[1:]).swapaxes(0, 1)

        def add(carry, batch):
            stats, total = carry
            (loss, (stats, sums)), gradients = value_and_grad(params, stats, batch)
            return (stats, jax.tree.map(jnp.add, total, (loss, sums, gradients))), None

        # The first one outside the loop: it gives the totals their shapes, dtypes and mesh axes.
        batch = jax.tree.map(microbatches, batch)
        first, rest = jax.tree.map(lambda x: x[0], batch), jax.tree.map(lambda x: x[1:], batch)
        (loss, (stats, sums)), gradients = value_and_grad(params, stats, first)
        (stats, (loss, sums, gradients)), _ = jax.lax.scan(add, (stats, (loss, sums, gradients)), rest)
        return (loss / n, (stats, sums)), jax.tree.map(lambda g: g / n, gradients)

    return accumulated


def sam(value_and_grad: Callable, *, rho: float) -> Callable:
    r"""The gradient at the worst point nearby: sharpness-aware minimisation.

    .. math:: g = \nabla L(w + \rho \, \nabla L(w) / \lVert \nabla L(w) \rVert_2)

    Loss, statistics and sums are those of the first pass, at w. A step costs two. Where the first gradient is zero, so
    is the displacement. On several devices with explicit reductions each displaces along its own gradient.

    Args:
      value_and_grad: the function at one point: ``(params, ...) -> (value, gradients)`` of any further arguments, such
        as ``jax.value_and_grad(loss)`` with and without ``has_aux``.
      rho: distance, > 0, in the units of the parameters.

    Returns:
      The function that gives the value, and what comes with it, at one point and the gradient of its neighbour.

    Raises:
      ValueError: if rho is not positive.

    Example:
      >>> sharp = sam(jax.value_and_grad(lambda w, x: jnp.sum(x * w**2)), rho=0.5)
      >>> value, gradient = sharp(jnp.array([3.0, 4.0]), 1.0)
      >>> print(value, np.asarray(gradient).round(2))  # the gradient is 2 (w + 0.5 w / 5)
      25.0 [6.6 8.8]

    Reference:
      Foret et al., Sharpness-aware minimization for efficiently improving generalization, arXiv 2010.01412.
    """
    check.positive("rho", rho)

    def sharp(params, *arguments, **options):
        value, gradients = value_and_grad(params, *arguments, **options)
        norm = optax.tree.norm(gradients)
        scale = jnp.where(norm == 0, 0, rho / norm)
        there = jax.tree.map(lambda p, g: (p + scale * g).astype(p.dtype), params, gradients)
        return value, value_and_grad(there, *arguments, **options)[1]

    return sharp
