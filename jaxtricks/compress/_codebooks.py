"""Kernels as codebooks: a few values and the index of one for each weight, by k-means; and of vectors of weights."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.compress._hashing import index_dtype

Tree = Any


class Codebook(NamedTuple):
    """An array of few values.

    Fields:
      values: ``[K]``, float32. Where the array is sparse, the first one is 0.
      indices: unsigned integers, 0 to K - 1, in the shape of the array.
    """

    values: Any
    indices: Any


class ProductCode(NamedTuple):
    """A kernel whose columns are cut into vectors, each of them one of a codebook of its place.

    Fields:
      values: ``[M, K, L]``, float32: of each of M places, K vectors.
      indices: unsigned integers, 0 to K - 1, ``[M, D]``.
    """

    values: Any
    indices: Any


def kmeans(values: np.ndarray, *, clusters: int, start: str = "linear", steps: int = 100) -> tuple:
    """K-means of numbers, which are sorted once so that a step costs K log N; for the weights of a layer.

    Args:
      values: ``[N]``, finite; N is clusters or more.
      clusters: K, 1 or more.
      start: ``"linear"``, between the smallest and the largest, which keeps the few large weights apart; or
        ``"density"``, at quantiles.
      steps: at most.

    Returns:
      Centres ``[K]``, ascending, float64, and the index of the nearest for each value, ``[N]``. A cluster that gets
      nothing keeps its centre.

    Raises:
      ValueError: if an argument is wrong.

    Reference:
      Lloyd 1982; the starts: Han et al., Deep compression, arXiv 1510.00149.
    """
    clusters = check.at_least("clusters", clusters, minimum=1)
    steps = check.at_least("steps", steps, minimum=1)
    check.option("start", start, ("linear", "density"))
    values = np.asarray(values)
    check.rank("values", values, 1)
    values = values.astype(np.float64)
    if len(values) < clusters or not np.isfinite(values).all():
        raise ValueError(f"values holds {len(values)} numbers; allowed: finite ones, {clusters} or more, as clusters.")
    ordered = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    if start == "linear":
        centers = np.linspace(ordered[0], ordered[-1], clusters)
    else:
        centers = np.quantile(ordered, (np.arange(clusters) + 0.5) / clusters)
    for _ in range(steps):
        ends = np.searchsorted(ordered, 0.5 * (centers[1:] + centers[:-1]), side="right")
        ends = np.concatenate([[0], ends, [len(ordered)]])
        count = np.diff(ends)
        moved = np.where(count > 0, np.diff(sums[ends]) / np.maximum(count, 1), centers)
        done = np.array_equal(moved, centers)
        centers = np.maximum.accumulate(moved)  # an empty cluster may lie beyond the mean of its neighbour
        if done:
            break
    return centers, np.searchsorted(0.5 * (centers[1:] + centers[:-1]), values, side="left")


def quantize(kernel: jax.Array, *, clusters: int, start: str = "linear", sparse: bool = False) -> Codebook:
    """Share values by k-means: 16 or 32 of them serve a dense layer; then train them by ``decode``.

    Args:
      kernel: of any shape, floating point; its numbers are read.
      clusters: K, 1 to the number of weights that are shared.
      start: as for ``kmeans``.
      sparse: whether weights that are 0 stay 0: they get a value of their own, the first, beside the K others.

    Returns:
      Codebook of K values, or of K + 1.

    Raises:
      ValueError: if an argument is wrong, or fewer weights than clusters are left.

    Reference:
      Han et al., Deep compression, arXiv 1510.00149.
    """
    check.floating("kernel", kernel)
    flat = np.asarray(kernel, np.float32).reshape(-1)
    kept = flat != 0 if sparse else np.ones(flat.size, bool)
    centers, nearest = kmeans(flat[kept], clusters=clusters, start=start)
    indices = np.zeros(flat.size, index_dtype(clusters + sparse))
    indices[kept] = nearest + sparse
    values = np.concatenate([np.zeros(int(sparse)), centers]).astype(np.float32)
    return Codebook(values, indices.reshape(np.shape(kernel)))


def decode(code: Codebook) -> jax.Array:
    """The array of a codebook; its gradient by the values is that by the weights, summed over all that share one.

    Args:
      code: of ``quantize``. A first value of 0 with an index is not known to be one: to keep zeros in training, mask
        its gradient.

    Returns:
      The array, in the dtype of the values. An index that is none gives NaN.
    """
    return jnp.asarray(code.values).at[jnp.asarray(code.indices)].get(mode="fill", fill_value=jnp.nan)


def codebook_gradient(gradient: jax.Array, indices: jax.Array, *, size: int) -> jax.Array:
    """The gradient by a codebook's values: the sum over the weights that share one. ``decode`` has it by itself.

    Args:
      gradient: by the weights, floating point.
      indices: of its shape, 0 to size - 1; another one is left out.
      size: K, 1 or more.

    Returns:
      ``[K]``, float32 or wider.

    Raises:
      ValueError: if shapes, dtypes or the size are wrong.

    Example:
      >>> print(codebook_gradient(jnp.array([1.0, 2.0, 4.0]), jnp.array([0, 1, 0]), size=2))
      [5. 2.]

    Reference:
      Han et al., Deep compression, arXiv 1510.00149, section 3.3.
    """
    check.floating("gradient", gradient)
    check.integer("indices", indices)
    check.same_shape("indices", indices, "gradient", gradient)
    size = check.at_least("size", size, minimum=1)
    flat = jnp.asarray(gradient, jnp.promote_types(jnp.asarray(gradient).dtype, jnp.float32)).reshape(-1)
    index = jnp.asarray(indices).reshape(-1)
    index = jnp.where(index < 0, size, index.astype(jnp.int32))  # a negative one would count from the end
    return jnp.zeros(size, flat.dtype).at[index].add(flat, mode="drop")


def product_quantize(kernel: jax.Array, *, length: int, clusters: int, seed: int = 0) -> ProductCode:
    """Share vectors of weights: more compression than of single ones, at a larger error; for dense layers.

    The inputs are cut into M = C / L places; at each, the D vectors of length L go to their nearest of K, by k-means.

    Args:
      kernel: ``[..., D]``, floating point, taken as ``[C, D]``; its numbers are read.
      length: L, 1 or more; C is a multiple of it.
      clusters: K, 1 to D.
      seed: of the k-means, 0 or more.

    Returns:
      ProductCode.

    Raises:
      ValueError: if an argument is wrong.

    Reference:
      Gong et al., Compressing deep convolutional networks using vector quantization, arXiv 1412.6115.
    """
    from sklearn.cluster import KMeans  # takes a second to import

    check.min_rank("kernel", kernel, 2)
    check.floating("kernel", kernel)
    length = check.at_least("length", length, minimum=1)
    clusters = check.at_least("clusters", clusters, minimum=1)
    seed = check.at_least("seed", seed)
    matrix = np.asarray(kernel, np.float32).reshape(-1, kernel.shape[-1])
    if matrix.shape[0] % length or not matrix.size:
        raise ValueError(f"length is {length}; allowed: a divisor of {matrix.shape[0]}, the inputs.")
    if clusters > matrix.shape[1]:
        raise ValueError(f"clusters is {clusters}; allowed: 1 to {matrix.shape[1]}, the outputs.")
    if not np.isfinite(matrix).all():
        raise ValueError("kernel is not finite; allowed: finite numbers.")
    places = matrix.reshape(-1, length, matrix.shape[1]).transpose(0, 2, 1)
    centers, labels = [], []
    for place in places:
        fit = KMeans(clusters, n_init=1, random_state=seed)  # pyright: ignore[reportArgumentType]
        labels.append(fit.fit_predict(place.astype(np.float64)))
        centers.append(fit.cluster_centers_)
    values, indices = np.stack(centers).astype(np.float32), np.stack(labels).astype(index_dtype(clusters))
    return ProductCode(values, indices)


def product_decode(code: ProductCode, *, shape: tuple[int, ...]) -> jax.Array:
    """The kernel of a product code; differentiable by its values.

    Args:
      code: of ``product_quantize``.
      shape: of the kernel.

    Returns:
      The kernel. An index that is none gives NaN.

    Raises:
      ValueError: if the shape does not fit the code.
    """
    values, indices = jnp.asarray(code.values), jnp.asarray(code.indices)
    if np.prod(shape) != indices.size * values.shape[-1] or shape[-1] != indices.shape[-1]:
        raise ValueError(
            f"shape is {shape}; allowed: {indices.size * values.shape[-1]} weights, {indices.shape[-1]} outputs."
        )
    vectors = jax.vmap(lambda v, i: v.at[i].get(mode="fill", fill_value=jnp.nan))(values, indices)  # [M, D, L]
    return vectors.transpose(0, 2, 1).reshape(shape)
