"""Losses on the distances between features."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.losses import _arguments, _safe


def center(features: jax.Array, labels: jax.Array, centers: jax.Array) -> jax.Array:
    r"""Center loss: half the squared distance to the centre of the true class.

    .. math:: \tfrac{1}{2} \|x - c_y\|^2

    Added to a classification loss with a small weight. The centres do not move by this gradient but by
    `update_centers`; in a recipe they are parameters, and `center_pull` moves them.

    Args:
      features: x, ``[..., D]``, floating point.
      labels: y, ``[...]``, integers in 0 to C - 1.
      centers: c, ``[C, D]``, floating point; no gradient flows into them.

    Returns:
      The loss of each example, ``[...]``, float32 or wider; NaN without gradient where the label is out of range.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(center(jnp.array([[3.0, 4.0]]), jnp.array([0]), jnp.zeros((2, 2))))
      [12.5]

    Reference:
      Wen et al., A discriminative feature learning approach for deep face recognition, ECCV 2016.
    """
    features, centers = _features_and_centers(features, labels, centers)
    class_center, is_class = _arguments.rows(jax.lax.stop_gradient(centers), labels)
    return jnp.where(is_class, 0.5 * jnp.sum((features - class_center) ** 2, axis=-1), jnp.nan)


def update_centers(centers: jax.Array, features: jax.Array, labels: jax.Array, *, rate: float = 0.5) -> jax.Array:
    r"""The centres of `center` after one batch.

    .. math:: c_j - \alpha \frac{\sum_{b: y_b = j} (c_j - x_b)}{1 + \sum_{b: y_b = j} 1}

    Args:
      centers: c, ``[C, D]``, floating point.
      features: x, ``[..., D]``, floating point.
      labels: y, ``[...]``, integers in 0 to C - 1; an example whose label is out of range is left out.
      rate: alpha, 0 to 1.

    Returns:
      The new centres, ``[C, D]``, of the dtype of the old; a class that is not in the batch stays where it was.

    Raises:
      ValueError: if a shape, a dtype or rate is wrong.

    Example:
      >>> print(update_centers(jnp.zeros((2, 1)), jnp.array([[4.0]]), jnp.array([1])))  # rate * 4 / (1 + 1)
      [[0.]
       [1.]]

    Reference:
      Wen et al., A discriminative feature learning approach for deep face recognition, ECCV 2016.
    """
    check.between("rate", rate, 0.0, 1.0)
    dtype = jnp.result_type(centers)
    features, centers = _features_and_centers(features, labels, centers)
    classes, size = centers.shape
    labels = jnp.ravel(labels)
    _arguments.in_range(labels, classes)
    count = _counts(labels, centers)[:, None]
    total = jax.ops.segment_sum(features.reshape(labels.size, size), labels, classes)
    return (centers - rate * (count * centers - total) / (1.0 + count)).astype(dtype)


def center_pull(features: jax.Array, labels: jax.Array, centers: jax.Array) -> jax.Array:
    r"""A loss under whose gradient plain SGD moves the centres of `center` as `update_centers` does.

    .. math:: \frac{B}{1 + n_y} \, \tfrac{1}{2} \|x - c_y\|^2, \quad n_j = \sum_{b: y_b = j} 1

    with the mean over the B examples of the batch as the objective, and the learning rate as the rate alpha. Features
    get no gradient, so it is added to `center` and to the loss on the labels. In a recipe the centres are one more
    leaf of the parameters, which the model's ``init`` adds and its ``apply`` does not read::

        loss=lambda params, out, batch: ... + center_pull(out[1]["features"], batch["label"], params["centers"])
        optimizer=lambda schedule: optim.by_path({"^centers$": optax.sgd(0.5), "": optax.sgd(schedule)})

    The counts are those of the examples that are given: with the batch in parts (``shard_map``, ``pmap``, accumulation)
    the centres move by the mean of what `update_centers` does with each part.

    Args:
      features: x, ``[..., D]``, floating point; no gradient flows into them. All but the last axis are the batch.
      labels: y, ``[...]``, integers in 0 to C - 1.
      centers: c, ``[C, D]``, floating point.

    Returns:
      The loss of each example, ``[...]``, float32 or wider; NaN without gradient where the label is out of range.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> pull = jax.grad(lambda c: center_pull(jnp.array([[3.0, 4.0]]), jnp.array([0]), c).sum())
      >>> print(pull(jnp.zeros((2, 2))))
      [[-1.5 -2. ]
       [ 0.   0. ]]

    Reference:
      Wen et al., A discriminative feature learning approach for deep face recognition, ECCV 2016.
    """
    features, centers = _features_and_centers(features, labels, centers)
    class_center, is_class = _arguments.rows(centers, labels)
    weights = jnp.size(labels) / (1.0 + _counts(labels, centers)[jnp.where(is_class, labels, 0)])
    squares = jnp.sum((jax.lax.stop_gradient(features) - class_center) ** 2, axis=-1)
    return jnp.where(is_class, 0.5 * weights * squares, jnp.nan)


def supervised_contrastive(features: jax.Array, labels: jax.Array, *, temperature: float = 0.1) -> jax.Array:
    r"""Pulls each example towards the others of its class in the batch, away from the rest.

    .. math::
       \frac{-1}{|P(i)|} \sum_{p \in P(i)}
       \log \frac{e^{z_i \cdot z_p / \tau}}{\sum_{a \ne i} e^{z_i \cdot z_a / \tau}},
       \quad z = x / \|x\|, \quad P(i) = \{p \ne i : y_p = y_i\}

    The form with the sum outside the logarithm. Give it two views of each image.

    Args:
      features: x, ``[B, D]``, floating point and finite; only the directions count. A zero vector has cosine 0 to all.
      labels: y, ``[B]``, integers; only equality counts, so any value is a class.
      temperature: tau > 0.

    Returns:
      The loss of each example, ``[B]``, float32 or wider; 0 for one that is alone in its class.

    Raises:
      ValueError: if a shape, a dtype or temperature is wrong.

    Example:
      >>> features = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
      >>> print(np.asarray(supervised_contrastive(features, jnp.array([0, 0, 1]), temperature=1.0))[:2].round(3))
      [0.313 0.313]

    Reference:
      Khosla et al., Supervised contrastive learning, arXiv 2004.11362.
    """
    check.positive("temperature", temperature)
    check.rank("features", features, 2)
    check.integer("labels", labels)
    check.shape("labels", labels, jnp.shape(features)[:1])
    directions, labels = _safe.unit(_arguments.wide("features", features), axis=-1), jnp.asarray(labels)
    cosines = jnp.matmul(directions, directions.T, precision=jax.lax.Precision.HIGHEST)
    itself = jnp.eye(labels.size, dtype=bool)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    log_p = jax.nn.log_softmax(cosines / temperature, axis=-1, where=~itself)
    total = jnp.sum(log_p, axis=-1, where=positive)
    return -_safe.ratio(total, jnp.sum(positive, axis=-1).astype(total.dtype))


def _counts(labels, centers: jax.Array) -> jax.Array:
    """How many of the labels each centre has, ``[C]``; one that has no centre counts nowhere."""
    labels = jnp.ravel(labels)
    return jax.ops.segment_sum(jnp.ones_like(labels, centers.dtype), labels, centers.shape[0])


def _features_and_centers(features, labels, centers) -> tuple[jax.Array, jax.Array]:
    """Features ``[..., D]`` and centres ``[C, D]`` that fit each other and the labels ``[...]``."""
    check.rank("centers", centers, 2)
    features = _arguments.wide("features", features, rank=1)
    check.shape("centers", centers, (None, features.shape[-1]))
    check.integer("labels", labels)
    check.shape("labels", labels, features.shape[:-1])
    if jnp.shape(centers)[0] == 0:
        raise ValueError(f"centers has shape {jnp.shape(centers)}, no class; allowed: 1 class or more.")
    return features, _arguments.wide("centers", centers)
