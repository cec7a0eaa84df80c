"""How different the members of an ensemble are: pairwise measures. Members that err together gain nothing together."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.ensembles._combine import some_images


def disagreement(predicted: jax.Array) -> jax.Array:
    """The share of images on which two members predict different classes.

    Args:
      predicted: integers ``[M, N]``, classes.

    Returns:
      ``[M, M]``, 0 to 1, float32, 0 on the diagonal.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(disagreement(jnp.array([[0, 1, 2, 3], [0, 1, 0, 0]])))
      [[0.  0.5]
       [0.5 0. ]]

    Reference:
      Kuncheva and Whitaker, Measures of diversity in classifier ensembles, Machine Learning 2003.
    """
    check.rank("predicted", predicted, 2)
    check.integer("predicted", predicted)
    some_images("predicted", predicted, 1)
    predicted = jnp.asarray(predicted)
    return jnp.mean(predicted[:, None] != predicted[None], axis=-1, dtype=jnp.float32)


def q_statistic(correct: jax.Array) -> jax.Array:
    r"""Whether two members are right on the same images (1), by chance (0), or on different ones (-1).

    .. math:: Q = (n_{11} n_{00} - n_{01} n_{10}) / (n_{11} n_{00} + n_{01} n_{10})

    Args:
      correct: bool ``[M, N]``; n01 counts the images on which the first member is wrong and the second right.

    Returns:
      ``[M, M]``, -1 to 1, float32; NaN where both products are 0, as for a member that is always right.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> q = q_statistic(jnp.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 0]], bool))
      >>> print(f"{q[0, 1]:.3f}")  # 2, 1, 1, 1
      0.333

    Reference:
      Kuncheva and Whitaker, Measures of diversity in classifier ensembles, Machine Learning 2003.
    """
    both, neither, first, second = _table(correct)
    alike, unlike = both * neither, first * second
    return jnp.where(alike + unlike == 0, jnp.nan, (alike - unlike) / (alike + unlike))


def error_correlation(correct: jax.Array) -> jax.Array:
    r"""The correlation of two members' errors: 0 is the best that independent members can be.

    .. math:: \rho = (n_{11} n_{00} - n_{01} n_{10}) / \sqrt{(n_{11} + n_{10}) (n_{01} + n_{00}) (n_{11} + n_{01})
       (n_{10} + n_{00})}

    Args:
      correct: bool ``[M, N]``.

    Returns:
      ``[M, M]``, -1 to 1, float32; NaN where a member is always right, or always wrong.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> rho = error_correlation(jnp.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 0]], bool))
      >>> print(f"{rho[0, 1]:.3f}")
      0.167

    Reference:
      Kuncheva and Whitaker, Measures of diversity in classifier ensembles, Machine Learning 2003.
    """
    both, neither, first, second = _table(correct)
    size = (both + first) * (second + neither) * (both + second) * (first + neither)
    return jnp.where(size == 0, jnp.nan, (both * neither - first * second) / jnp.sqrt(jnp.where(size == 0, 1.0, size)))


def _table(correct: jax.Array) -> tuple[jax.Array, ...]:
    """Shares of images, ``[M, M]``: both right, neither, the first alone, the second alone."""
    check.rank("correct", correct, 2)
    check.boolean("correct", correct)
    some_images("correct", correct, 1)
    right = jnp.asarray(correct).astype(jnp.float32)
    wrong, size = 1 - right, right.shape[1]
    products = ((right, right), (wrong, wrong), (right, wrong), (wrong, right))
    return tuple(jnp.einsum("mn,kn->mk", a, b, precision="highest") / size for a, b in products)
