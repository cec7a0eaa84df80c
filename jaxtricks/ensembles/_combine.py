"""Several predictions as one: means, and votes. The first axis is that of the members."""

import jax
import jax.numpy as jnp

from jaxtricks import check


def average(probabilities: jax.Array, *, weights: jax.Array | None = None) -> jax.Array:
    r"""The weighted mean of the members' probabilities, the usual way to combine networks; calibrate them before.

    .. math:: \sum_m w_m p_m / \sum_m w_m

    Args:
      probabilities: p, ``[M, ..., C]``, floating point, M of 1 or more.
      weights: w, ``[M]``, 0 or more, such as `fit_weights` gives; equal if None.

    Returns:
      ``[..., C]``, float32 or wider; NaN if all weights are 0.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> members = jnp.array([[0.9, 0.1], [0.5, 0.5]])
      >>> print(np.asarray(average(members, weights=jnp.array([3.0, 1.0]))).round(3))
      [0.8 0.2]
    """
    probabilities = members_of("probabilities", probabilities)
    if weights is None:
        return jnp.mean(probabilities, axis=0)
    check.shape("weights", weights, probabilities.shape[:1])
    check.number("weights", weights)
    weights = jnp.asarray(weights, probabilities.dtype)
    return jnp.tensordot(weights, probabilities, 1) / jnp.sum(weights)


def geometric(probabilities: jax.Array, *, weights: jax.Array | None = None) -> jax.Array:
    r"""The mean of log-probabilities, made probabilities again: a class that one member rules out is ruled out.

    .. math:: q_c = e^{l_c} / \sum_k e^{l_k}, \quad l_c = \sum_m w_m \log p_{mc} / \sum_m w_m

    Args:
      probabilities: p, ``[M, ..., C]``, floating point, M of 1 or more.
      weights: w, ``[M]``, 0 or more; equal if None.

    Returns:
      ``[..., C]``, float32 or wider; NaN where every class is ruled out, or all weights are 0.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> print(np.asarray(geometric(jnp.array([[0.9, 0.1], [0.5, 0.5]]))).round(3))  # 3 to 1
      [0.75 0.25]

    Reference:
      Hinton, Training products of experts by minimizing contrastive divergence, Neural Computation 2002.
    """
    probabilities = members_of("probabilities", probabilities)
    if weights is None:
        weights = jnp.ones(probabilities.shape[0])
    check.shape("weights", weights, probabilities.shape[:1])
    check.number("weights", weights)
    share = jnp.asarray(weights, probabilities.dtype) / jnp.sum(jnp.asarray(weights, probabilities.dtype))
    share = share.reshape(-1, *(1,) * (probabilities.ndim - 1))
    return jax.nn.softmax(jnp.sum(jax.scipy.special.xlogy(share, probabilities), axis=0))


def fit_weights(probabilities: jax.Array, labels: jax.Array, *, steps: int = 1000) -> jax.Array:
    r"""The weights of `average` with the smallest log loss on data that no member was trained on.

    .. math:: \min_w -\tfrac1N \sum_n \log \sum_m w_m p_{mn y_n}, \quad w_m \ge 0, \; \sum_m w_m = 1

    The problem is convex; each step is one of expectation maximisation, ``w_m <- mean_n w_m p_mn / sum_k w_k p_kn``,
    from equal weights, and never makes the loss larger.

    Args:
      probabilities: p, ``[M, N, C]``, floating point.
      labels: y, ``[N]``, integers in 0 to C - 1. A row whose label is out of range, or has probability 0 in every
        member, says nothing and is left out.
      steps: of expectation maximisation, 1 or more.

    Returns:
      w, ``[M]``, float32 or wider, of sum 1; NaN if a probability is, or no row is left.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> sure, unsure = jnp.array([[0.9, 0.1], [0.2, 0.8]]), jnp.full((2, 2), 0.5)
      >>> print(np.asarray(fit_weights(jnp.stack([sure, unsure]), jnp.array([0, 1]))).round(2))
      [1. 0.]

    Reference:
      Jordan and Jacobs, Hierarchical mixtures of experts and the EM algorithm, Neural Computation 1994.
    """
    check.at_least("steps", steps, minimum=1)
    probabilities = members_of("probabilities", probabilities)
    check.rank("probabilities", probabilities, 3)
    some_images("probabilities", probabilities, 1)
    true, is_class = _of_labels(probabilities, labels)
    counts = is_class & (jnp.sum(true, axis=0) != 0)

    def step(_, weights):
        part = weights[:, None] * true
        part = part / jnp.where(counts, jnp.sum(part, axis=0), 1.0)[None]
        return jnp.sum(jnp.where(counts[None], part, 0.0), axis=1) / jnp.sum(counts).astype(part.dtype)

    start = jnp.full(true.shape[:1], 1 / true.shape[0], true.dtype)
    return jax.lax.fori_loop(0, steps, step, start)


def plurality(probabilities: jax.Array) -> jax.Array:
    """The class that most members predict; use it where their probabilities cannot be compared.

    Args:
      probabilities: ``[M, ..., C]``, or any scores, floating point. A member whose row has a NaN does not vote.

    Returns:
      int32 ``[...]``; of classes with as many votes the one with the larger mean over those who vote, then the lower
      class; -1 where nobody votes.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> members = jnp.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
      >>> print(plurality(members), average(members).argmax())
      1 0
    """
    votes, voters, mean = _votes(probabilities)
    most = votes == jnp.max(votes, axis=-1, keepdims=True)
    return jnp.where(voters > 0, jnp.argmax(jnp.where(most, mean, -jnp.inf), axis=-1), -1).astype(jnp.int32)


def majority(probabilities: jax.Array, *, share: float = 0.5) -> jax.Array:
    """The class that more than half of the members predict, or none: for uses where no answer beats a wrong one.

    Args:
      probabilities: ``[M, ..., C]``, or any scores, floating point. A member whose row has a NaN does not vote, and
        counts among the M.
      share: of the M votes, 0.5 or more and less than 1, which the class must exceed.

    Returns:
      int32 ``[...]``; -1 where no class has so many. `coverage` says how often that is.

    Raises:
      ValueError: if a shape or a dtype is wrong, or the share is out of range.

    Example:
      >>> members = jnp.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
      >>> print(majority(members), majority(members, share=0.7))
      1 -1
    """
    check.between("share", share, 0.5, 1.0)
    if share == 1:
        raise ValueError("share is 1; allowed: 0.5 or more, less than 1, for no class has more than all votes.")
    votes, _, _ = _votes(probabilities)
    enough = votes > share * jnp.shape(probabilities)[0] + 1e-6  # 0.7 of ten votes is a little less than seven
    return jnp.where(jnp.any(enough, axis=-1), jnp.argmax(enough, axis=-1), -1).astype(jnp.int32)


def coverage(predicted: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How many predictions are made, and how many of these are right: what `majority` gains by saying nothing.

    Args:
      predicted: integers ``[N]``; below 0 is none.
      labels: integers ``[N]``.

    Returns:
      The share of predictions that are made, and the accuracy of these, float32; NaN where there are none.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> covered, accuracy = coverage(jnp.array([0, -1, 1, 1]), jnp.array([0, 0, 1, 0]))
      >>> print(f"{covered:.2f} {accuracy:.3f}")
      0.75 0.667
    """
    check.rank("predicted", predicted, 1)
    check.integer("predicted", predicted)
    some_images("predicted", predicted, 0)
    check.shape("labels", labels, jnp.shape(predicted))
    check.integer("labels", labels)
    predicted, labels = jnp.asarray(predicted), jnp.asarray(labels)
    decided, right = predicted >= 0, (predicted == labels) & (predicted >= 0)
    answers = jnp.sum(decided).astype(jnp.float32)
    return answers / predicted.size, jnp.sum(right).astype(jnp.float32) / answers


def borda(probabilities: jax.Array) -> jax.Array:
    r"""Points by rank, averaged over the members: a second choice counts, how sure a member is does not.

    .. math:: b_c = \tfrac1M \sum_m \left(\#\{k : p_{mk} < p_{mc}\} + \tfrac12 \#\{k \ne c : p_{mk} = p_{mc}\}\right)

    Args:
      probabilities: p, ``[M, ..., C]``, or any scores, floating point.

    Returns:
      b, ``[..., C]``, 0 to C - 1, float32 or wider; NaN where a member's row has one.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> points = borda(jnp.array([[0.6, 0.3, 0.1], [0.1, 0.5, 0.4], [0.2, 0.4, 0.4]]))
      >>> print(np.asarray(points).round(3))
      [0.667 1.5   0.833]

    Reference:
      Ho, Hull and Srihari, Decision combination in multiple classifier systems, PAMI 1994.
    """
    probabilities = members_of("probabilities", probabilities)
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    ordered = jnp.sort(rows, axis=-1)
    below = jax.vmap(lambda s, x: jnp.searchsorted(s, x, side="left"))(ordered, rows)
    up_to = jax.vmap(lambda s, x: jnp.searchsorted(s, x, side="right"))(ordered, rows)
    points = (below + up_to - 1).astype(rows.dtype) / 2
    points = jnp.where(jnp.isnan(rows).any(-1, keepdims=True), jnp.nan, points)
    return jnp.mean(points.reshape(probabilities.shape), axis=0)


def members_of(name: str, values: jax.Array) -> jax.Array:
    """The predictions of one member or more as floats of 32 bits or more; ValueError for anything else."""
    check.min_rank(name, values, 2)
    check.floating(name, values)
    values = jnp.asarray(values)
    for axis in (0, -1):
        if not values.shape[axis]:
            raise ValueError(f"{name} has shape {values.shape}; allowed: one member or more, one class or more.")
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def some_images(name: str, values: jax.Array, axis: int) -> None:
    """ValueError where an array has no image: what is said of all of them would be said of none."""
    if not jnp.shape(values)[axis]:
        raise ValueError(f"{name} has shape {jnp.shape(values)}; allowed: one image or more.")


def _votes(probabilities: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Votes of each class, how many members vote, and the mean of their probabilities."""
    probabilities = members_of("probabilities", probabilities)
    valid = ~jnp.isnan(probabilities).any(-1, keepdims=True)
    votes = jnp.where(valid, jax.nn.one_hot(jnp.argmax(probabilities, -1), probabilities.shape[-1]), 0.0).sum(0)
    voters = jnp.sum(valid[..., 0], axis=0)
    mean = jnp.sum(jnp.where(valid, probabilities, 0.0), axis=0) / jnp.maximum(voters, 1)[..., None].astype(
        probabilities.dtype
    )
    return votes, voters, mean


def _of_labels(probabilities: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Probabilities ``[M, N]`` of the labels, and whether these are classes."""
    check.shape("labels", labels, probabilities.shape[1:2])
    check.integer("labels", labels)
    labels = jnp.asarray(labels)
    is_class = (labels >= 0) & (labels < probabilities.shape[-1])
    return jnp.take_along_axis(probabilities, jnp.where(is_class, labels, 0)[None, :, None], axis=2)[..., 0], is_class
