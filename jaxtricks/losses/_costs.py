"""Weights of classes and costs of mistakes, from counts or from a confusion matrix, and the loss that uses costs."""

import math

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.losses import _arguments, _safe


def class_weights(counts: jax.Array, *, scheme: str = "inverse", beta: float | None = None) -> jax.Array:
    r"""A weight for each class, larger for a rarer one.

    .. math::
       w_c \propto 1 / n_c \text{ ("inverse")}, \quad w_c \propto (1 - \beta) / (1 - \beta^{n_c}) \text{ ("effective")}

    scaled to :math:`\sum_c n_c w_c = \sum_c n_c`: the mean weight of a training example is 1, so that the loss keeps
    its size. Multiply the losses by ``class_weights(counts)[labels]``.

    Args:
      counts: n, ``[C]``, training examples of each class, integers or floating point, 0 or more.
      scheme: "inverse", or "effective" for the effective number of samples.
      beta: of "effective" alone, 0 (all weights equal) to 1, exclusive; towards 1 it becomes "inverse". None is 0.999.

    Returns:
      The weights, ``[C]``, float32; 0 for a class without examples.

    Raises:
      ValueError: if counts has a wrong rank or dtype, or no class, an option is wrong, or beta goes with "inverse".

    Example:
      >>> print(np.asarray(class_weights(jnp.array([30, 10, 0]))).round(3))
      [0.667 2.    0.   ]

    Reference:
      Cui et al., Class-balanced loss based on effective number of samples, arXiv 1901.05555.
    """
    check.option("scheme", scheme, ("inverse", "effective"))
    if scheme == "inverse" and beta is not None:
        raise ValueError(f'beta is {beta!r}; allowed with the scheme "inverse": None, for it has no beta.')
    beta = 0.999 if beta is None else beta
    check.between("beta", beta, 0.0, math.nextafter(1.0, 0.0))
    counts = _arguments.class_counts(counts)
    # The effective number up to a factor, 1 - beta^n, without the rounding of a beta near 1.
    number = counts if scheme == "inverse" else -jnp.expm1(jax.scipy.special.xlog1py(counts, beta - 1.0))
    weights = _safe.ratio(1.0, number)
    return weights * _safe.ratio(jnp.sum(counts), jnp.sum(counts * weights))


def costs_from_counts(counts: jax.Array) -> jax.Array:
    r"""Costs of mistakes by class sizes: taking a rare class for a common one is expensive.

    .. math:: K_{ij} = n_j / n_i \text{ for } i \ne j, \quad K_{ii} = 0

    Args:
      counts: n, ``[C]``, training examples of each class, integers or floating point, 0 or more.

    Returns:
      K, ``[C, C]``, float32, for `expected_cost`; a row of zeros for a class without examples.

    Raises:
      ValueError: if counts has a wrong rank or dtype, or no class.

    Example:
      >>> print(np.asarray(costs_from_counts(jnp.array([30, 10]))).round(3))
      [[0.    0.333]
       [3.    0.   ]]

    Reference:
      Khan et al., Cost-sensitive learning of deep feature representations from imbalanced data, arXiv 1508.03422, which
      learns its costs from such numbers.
    """
    counts = _arguments.class_counts(counts)
    ratio = _safe.ratio(counts[None, :], counts[:, None])
    return jnp.where(jnp.eye(counts.size, dtype=bool), 0.0, ratio)


def costs_from_confusion(confusion: jax.Array) -> jax.Array:
    r"""Costs of mistakes by how often they happen: what is confused often is expensive.

    .. math:: K_{ij} = M_{ij} / \sum_k M_{ik} \text{ for } i \ne j, \quad K_{ii} = 0

    Args:
      confusion: M, ``[C, C]``, how often true class i was taken for j, on held-out data; 0 or more.

    Returns:
      K, ``[C, C]``, 0 to 1, float32, for `expected_cost`; a row of zeros for a class that never occurred.

    Raises:
      ValueError: if confusion is not square, or has a wrong dtype.

    Example:
      >>> print(np.asarray(costs_from_confusion(jnp.array([[8, 2], [5, 5]]))).round(3))
      [[0.  0.2]
       [0.5 0. ]]

    Reference:
      Khan et al., Cost-sensitive learning of deep feature representations from imbalanced data, arXiv 1508.03422, which
      learns its costs from such numbers.
    """
    check.rank("confusion", confusion, 2)
    check.shape("confusion", confusion, (jnp.shape(confusion)[0],) * 2)
    check.number("confusion", confusion)
    confusion = jnp.asarray(confusion, jnp.float32)
    rate = _safe.ratio(confusion, jnp.sum(confusion, axis=1, keepdims=True))
    return jnp.where(jnp.eye(confusion.shape[0], dtype=bool), 0.0, rate)


def expected_cost(logits: jax.Array, labels: jax.Array, cost_matrix: jax.Array) -> jax.Array:
    r"""The cost to expect if the class is drawn from the predicted probabilities.

    .. math:: \sum_j K_{yj} \, \mathrm{softmax}(x)_j

    Args:
      logits: x, ``[..., C]``, floating point; -inf is a class of probability 0.
      labels: y, ``[...]``, integers in 0 to C - 1.
      cost_matrix: K, ``[C, C]``, finite; K[i, j] is the price of taking true class i for j, 0 on the diagonal. (Elkan
        writes it transposed.)

    Returns:
      The loss of each example, ``[...]``, float32 or wider; NaN without gradient where the label is out of range.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> logits, cost = jnp.log(jnp.array([[0.75, 0.25]])), jnp.array([[0.0, 8.0], [1.0, 0.0]])
      >>> print(expected_cost(logits, jnp.array([0]), cost))
      [2.]

    Reference:
      Elkan, The foundations of cost-sensitive learning, IJCAI 2001.
    """
    logits = _arguments.scores("logits", logits)
    check.shape("cost_matrix", cost_matrix, logits.shape[-1:] * 2)
    check.shape("labels", labels, logits.shape[:-1])
    costs, is_class = _arguments.rows(_arguments.wide("cost_matrix", cost_matrix), labels)
    return jnp.where(is_class, jnp.sum(costs * jax.nn.softmax(logits), axis=-1), jnp.nan)


def cost_vector(logits: jax.Array, costs: jax.Array) -> jax.Array:
    r"""The cost to expect where each example has prices of its own, which differ from image to image.

    .. math:: \sum_j k_j \, \mathrm{softmax}(x)_j

    With the row of a cost matrix for each label it is `expected_cost`.

    Args:
      logits: x, ``[..., C]``, floating point; -inf is a class of probability 0.
      costs: k, ``[..., C]``, finite; the price of each answer for this example, 0 for the true one.

    Returns:
      The loss of each example, ``[...]``, float32 or wider.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(cost_vector(jnp.log(jnp.array([[0.75, 0.25]])), jnp.array([[0.0, 8.0]])))
      [2.]

    Reference:
      Elkan, The foundations of cost-sensitive learning, IJCAI 2001, whose costs depend on the example.
    """
    logits = _arguments.scores("logits", logits)
    costs = _arguments.like("costs", costs, "logits", logits)
    return jnp.sum(costs * jax.nn.softmax(logits), axis=-1)
