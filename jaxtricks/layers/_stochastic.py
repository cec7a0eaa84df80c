"""Layers that draw: in training only, from one key or from a key for every example.

With a key for every example, ``keys[B]``, the draw of an example does not depend on the others, so that the result is
the same however the batch is spread over devices. With one key the complete array is drawn from it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.keys import typed


def each(draw: Callable[[jax.Array, jax.Array], jax.Array], keys: jax.Array, x: jax.Array) -> jax.Array:
    """Call a random function of an array with one key, or of an example with a key for every example.

    Args:
      draw: ``(key, x[...]) -> array``, for an array with or without a batch axis.
      keys: a key, or ``[B]`` of them.
      x: any shape with one key; ``[B, ...]`` with B.

    Returns:
      ``draw(keys, x)`` with one key; else ``draw(keys[i], x[i])`` for every i, stacked.

    Raises:
      ValueError: if keys are no keys, or neither one nor as many as the examples.
    """
    keys = _checked_keys(keys, x)
    return draw(keys, x) if keys.ndim == 0 else jax.vmap(draw)(keys, x)


def dropout(keys: jax.Array, x: jax.Array, *, rate: float) -> jax.Array:
    r"""Inverted dropout: ``flax.nnx.Dropout`` with one key, or a key for every example.

    .. math:: y = x \, m / (1 - \mathrm{rate}), \quad m \sim \mathrm{Bernoulli}(1 - \mathrm{rate})

    The mean of y is x: at evaluation there is nothing to do.

    Args:
      keys: a key, or ``[B]`` of them.
      x: ``[B, ...]``, any shape with one key; floating point.
      rate: probability of dropping an element, 0 to 1; a Python number.

    Returns:
      The shape and dtype of x; zeros for rate 1.

    Raises:
      ValueError: if keys are no keys, or neither one nor as many as the examples; if x is no floating point; if
        rate lies outside 0 to 1.

    Reference:
      Srivastava et al., Dropout, JMLR 15, 2014.
    """
    check.floating("x", x)
    check.between("rate", rate, 0.0, 1.0)
    layer = nnx.Dropout(rate)
    return each(lambda key, x: layer(x, rngs=key), keys, x)


def dropout_plain(keys: jax.Array, x: jax.Array, *, rate: float) -> jax.Array:
    r"""Dropout as first published: what stays is not scaled in training, but at evaluation by ``dropout_plain_mean``.

    .. math:: y = x \, m, \quad m \sim \mathrm{Bernoulli}(1 - \mathrm{rate})

    Args:
      keys: a key, or ``[B]`` of them.
      x: ``[B, ...]``, any shape with one key; floating point.
      rate: probability of dropping an element, 0 to 1.

    Returns:
      The shape and dtype of x.

    Raises:
      ValueError: as ``dropout``.

    Reference:
      Hinton et al., Improving neural networks by preventing co-adaptation of feature detectors, arXiv 1207.0580.
    """
    check.floating("x", x)
    check.between("rate", rate, 0.0, 1.0)
    return each(lambda key, x: jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x, 0), keys, x)


def dropout_plain_mean(x: jax.Array, *, rate: float) -> jax.Array:
    """The mean of ``dropout_plain``, for evaluation: ``x * (1 - rate)``.

    Args:
      x: any shape, floating point.
      rate: the rate of training, 0 to 1.

    Returns:
      The shape and dtype of x.

    Raises:
      ValueError: if x is no floating point, or rate lies outside 0 to 1.
    """
    check.floating("x", x)
    check.between("rate", rate, 0.0, 1.0)
    return x * (1 - rate)


def stochastic_depth(keys: jax.Array, x: jax.Array, *, rate: float, per: str = "sample") -> jax.Array:
    r"""Drop the residual branch of some examples, before it is added to the shortcut.

    .. math:: y = x \, m / (1 - \mathrm{rate}), \quad m \sim \mathrm{Bernoulli}(1 - \mathrm{rate})

    with one m an example, or one for the batch. The mean of y is x: at evaluation there is nothing to do (the
    paper scales the branch there instead).

    Args:
      keys: a key, or ``[B]`` of them.
      x: output of the branch, ``[B, ...]``, floating point.
      rate: probability of dropping the branch, 0 to 1; a Python number.
      per: ``"sample"``, the choice of the DropPath of recent recipes, or ``"batch"``, the paper's. The latter draws
        from the first of several keys; under ``shard_map`` and ``pmap`` every replica draws for its part.

    Returns:
      The shape and dtype of x; zeros for rate 1.

    Raises:
      ValueError: as ``dropout``, or if x has no batch axis, or per is neither of the two.

    Reference:
      Huang et al., Deep networks with stochastic depth, arXiv 1603.09382.
    """
    check.min_rank("x", x, 1)
    check.option("per", per, ("sample", "batch"))
    check.floating("x", x)
    check.between("rate", rate, 0.0, 1.0)
    keys = _checked_keys(keys, x)
    several = keys.ndim == 1

    def drop(key, x, first):
        return nnx.Dropout(rate, broadcast_dims=range(first, x.ndim))(x, rngs=key)

    if per == "batch":
        return drop(keys[0] if several else keys, x, 0)
    return each(lambda key, x: drop(key, x, 0 if several else 1), keys, x)


def drop_block(keys: jax.Array, x: jax.Array, *, rate: float, block: int) -> jax.Array:
    r"""Drop square blocks of each channel of a feature map.

    .. math:: y = x \, m \, n / \sum m, \quad
        \gamma = \frac{\mathrm{rate}}{b^2} \frac{H W}{(H - b + 1)(W - b + 1)}

    A block of b x b starts at each place where it fits with probability gamma; m is 0 in the blocks; n counts the
    elements of an example. Because blocks overlap, a little less than rate is dropped. At evaluation there is nothing
    to do.

    Args:
      keys: a key, or ``[B]`` of them.
      x: ``[B, H, W, D]``, floating point.
      rate: about the share of elements that is dropped, 0 to 1.
      block: b, side of a block, 1 to min(H, W).

    Returns:
      The shape and dtype of x; an example of which everything is dropped becomes 0.

    Raises:
      ValueError: as ``dropout``, or if x has another rank or block is no integer in its range.

    Reference:
      Ghiasi et al., DropBlock, arXiv 1810.12890.
    """
    check.rank("x", x, 4)
    check.floating("x", x)
    check.between("rate", rate, 0.0, 1.0)
    height, width = x.shape[1:3]
    block = check.at_least("block", block, minimum=1)
    check.between("block", block, 1, min(height, width))
    rows, columns = height - block + 1, width - block + 1
    gamma = rate / block**2 * height * width / (rows * columns)

    def drop(key, x):
        starts = jax.random.bernoulli(key, gamma, (*x.shape[:-3], rows, columns, x.shape[-1]))
        same = [(0, 0)] * (x.ndim - 3)
        around = [*same, (block - 1, block - 1), (block - 1, block - 1), (0, 0)]
        shape = (1,) * len(same) + (block, block, 1)
        hit = jax.lax.reduce_window(starts, False, jax.lax.max, shape, (1,) * x.ndim, around)
        kept = jnp.sum(~hit, axis=(-3, -2, -1), keepdims=True)
        size = height * width * x.shape[-1]
        return jnp.where(hit, 0, x * (size / jnp.maximum(kept, 1)).astype(x.dtype))

    return each(drop, keys, x)


def classifier_noise(keys: jax.Array, logits: jax.Array, *, std: float) -> jax.Array:
    r"""Add normal noise to the output of the classifier in training.

    .. math:: y = z + \mathrm{std} \, n, \quad n \sim N(0, 1)

    The mean of y is z: at evaluation there is nothing to do. Noise on the labels instead is
    ``augment.label_noise``.

    Args:
      keys: a key, or ``[B]`` of them.
      logits: z, ``[B, C]``, any shape with one key; floating point.
      std: standard deviation of the noise, in logits, 0 or more.

    Returns:
      The shape and dtype of the logits.

    Raises:
      ValueError: if keys are no keys, or neither one nor as many as the examples; if logits is no floating point;
        if std is negative.
    """
    check.floating("logits", logits)
    check.between("std", std, 0.0, float("inf"))
    return each(lambda key, z: z + std * jax.random.normal(key, z.shape, z.dtype), keys, logits)


def _checked_keys(keys: jax.Array, x: jax.Array) -> jax.Array:
    """One typed key, or as many of them as x has examples; ValueError for anything else."""
    keys = typed(keys)
    if keys.ndim:
        check.min_rank("x", x, 1)
        check.shape("keys", keys, (x.shape[0],))
    return keys
