"""Penalties on parameters; to decay weights apart from the loss, use the optimiser (``optax.add_decayed_weights``)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.losses import _safe

Mask = Any  # None, a tree of bool with the structure of the parameters, or "path/of/leaf" -> bool


def l1_penalty(params, *, mask: Mask = None) -> jax.Array:
    r"""Sum of absolute values: drives single weights to zero.

    .. math:: \sum_i |w_i|

    Args:
      params: a tree of floating-point arrays.
      mask: which leaves count: None for all, a tree of bool with the structure of ``params``, or a function of the
        path, ``"block/conv/kernel" -> bool``.

    Returns:
      A scalar, float32 or wider. The gradient at 0 is 0.

    Raises:
      ValueError: if a leaf that counts is no floating point, or mask has another structure or leaves nothing.

    Example:
      >>> params = {"kernel": jnp.array([3.0, -4.0]), "bias": jnp.array([1.0])}
      >>> print(l1_penalty(params), l1_penalty(params, mask=lambda path: path == "kernel"))
      8.0 7.0

    Reference:
      Tibshirani, Regression shrinkage and selection via the lasso, 1996.
    """
    return _total(params, mask, lambda leaf: jnp.sum(_safe.absolute(leaf)))


def l2_penalty(params, *, mask: Mask = None) -> jax.Array:
    r"""Half the sum of squares; its gradient is the weight itself.

    .. math:: \tfrac{1}{2} \sum_i w_i^2

    Args:
      params: a tree of floating-point arrays.
      mask: as in `l1_penalty`.

    Returns:
      A scalar, float32 or wider.

    Raises:
      ValueError: if a leaf that counts is no floating point, or mask has another structure or leaves nothing.

    Example:
      >>> print(l2_penalty({"kernel": jnp.array([3.0, -4.0])}))
      12.5

    Reference:
      Krogh and Hertz, A simple weight decay can improve generalization, 1991.
    """
    return _total(params, mask, lambda leaf: 0.5 * jnp.sum(leaf**2))


def elastic_net(params, *, l1: float, l2: float, mask: Mask = None) -> jax.Array:
    r"""Both penalties at once.

    .. math:: \lambda_1 \sum_i |w_i| + \tfrac{\lambda_2}{2} \sum_i w_i^2

    Args:
      params: a tree of floating-point arrays.
      l1: lambda_1, 0 or more.
      l2: lambda_2, 0 or more.
      mask: as in `l1_penalty`.

    Returns:
      A scalar, float32 or wider.

    Raises:
      ValueError: if l1 or l2 is negative, a leaf is no floating point, or mask has another structure or leaves nothing.

    Example:
      >>> print(elastic_net({"w": jnp.array([3.0, -4.0])}, l1=1.0, l2=0.5))
      13.25

    Reference:
      Zou and Hastie, Regularization and variable selection via the elastic net, 2005.
    """
    check.between("l1", l1, 0.0, float("inf"))
    check.between("l2", l2, 0.0, float("inf"))
    return l1 * l1_penalty(params, mask=mask) + l2 * l2_penalty(params, mask=mask)


def group_sparsity(params, *, mask: Mask = None) -> jax.Array:
    r"""Group lasso over output units: drives entire filters to zero.

    .. math:: \sum_o \| W_{\ldots, o} \|_2

    Args:
      params: a tree of floating-point arrays, output units on the last axis, as Flax keeps its kernels. Each entry of a
        vector (bias, scale) is a group of its own, and so is a scalar; mask them out if only filters are meant.
      mask: as in `l1_penalty`.

    Returns:
      A scalar, float32 or wider. The gradient of a group at 0 is 0.

    Raises:
      ValueError: if a leaf that counts is no floating point, or mask has another structure or leaves nothing.

    Example:
      >>> print(np.asarray(group_sparsity({"kernel": jnp.array([[3.0, 0.0], [4.0, 0.0]])})).round(3))
      5.0

    Reference:
      Wen et al., Learning structured sparsity in deep neural networks, arXiv 1608.03665.
    """
    return _total(params, mask, lambda leaf: jnp.sum(_safe.norm(leaf, axis=tuple(range(leaf.ndim - 1)))))


def _total(params, mask: Mask, penalty: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """The sum of the penalty over the leaves that the mask keeps."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    paths = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    if mask is None:
        kept = [True] * len(leaves)
    elif callable(mask):
        kept = [mask(path) for path in paths]
    else:
        if jax.tree.structure(mask) != jax.tree.structure(params):
            raise ValueError(
                f"mask has structure {jax.tree.structure(mask)}; allowed: that of params, {jax.tree.structure(params)}."
            )
        kept = jax.tree.leaves(mask)
    if not all(isinstance(keep, bool) for keep in kept):
        raise ValueError(f"mask gives {kept} for the leaves {paths}; allowed: True and False.")
    if not any(kept):
        raise ValueError(f"mask leaves nothing of the leaves {paths}; allowed: at least one.")
    total = jnp.float32(0.0)
    for path, (_, leaf), keep in zip(paths, leaves, kept, strict=True):
        if keep:
            check.floating(f"params[{path!r}]", leaf)
            total += penalty(jnp.asarray(leaf, jnp.promote_types(jnp.result_type(leaf), jnp.float32)))
    return total
