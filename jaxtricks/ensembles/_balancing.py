"""Predictions whose classes are as frequent as they are known to be.

All of this needs the shares of the classes in the images that are predicted; where they are wrong, it does harm.
"""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.ensembles._combine import some_images


def prior_correction(probabilities: jax.Array, *, prior: jax.Array, trained: jax.Array) -> jax.Array:
    r"""Bayes' rule for other class shares than in training: exact if the probabilities are calibrated.

    .. math:: q_c \propto p_c \, \pi_c / \tau_c

    Args:
      probabilities: p, ``[..., C]``, floating point, 0 or more.
      prior: pi, ``[C]``, shares or counts of the classes where predictions are made: only their ratios matter.
      trained: tau, ``[C]``, shares or counts of the classes in training, greater than 0.

    Returns:
      q, ``[..., C]``, of sum 1, float32 or wider; NaN where all of it is 0.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> q = prior_correction(jnp.array([0.6, 0.4]), prior=jnp.array([1, 1]), trained=jnp.array([30, 10]))
      >>> print(np.asarray(q).round(3))
      [0.333 0.667]

    Reference:
      Saerens, Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, Neural
      Computation 2002.
    """
    probabilities = _floats(probabilities, 1)
    prior, trained = _shares("prior", prior, probabilities), _shares("trained", trained, probabilities)
    scaled = probabilities * jnp.broadcast_to(prior / trained, probabilities.shape)
    return scaled / jnp.sum(scaled, axis=-1, keepdims=True)


def sinkhorn(probabilities: jax.Array, *, prior: jax.Array | None = None, steps: int = 100) -> jax.Array:
    r"""Probabilities whose mean over the images is the prior, as near as can be to what they were.

    .. math:: q_{nc} = p_{nc} \, k_c / \sum_j p_{nj} k_j, \quad \tfrac1N \sum_n q_{nc} = \pi_c

    Args:
      probabilities: p, ``[N, C]``, floating point, 0 or more: all images at once.
      prior: pi, ``[C]``, known shares or counts of the classes among these images; equal if None.
      steps: of scaling the columns and the rows in turn, 1 or more.

    Returns:
      q, ``[N, C]``, rows of sum 1, float32 or wider; NaN where a row or a column that the prior wants is 0.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Example:
      >>> q = sinkhorn(jnp.array([[0.9, 0.1], [0.8, 0.2]]))
      >>> print(np.asarray(q.mean(0)).round(3))
      [0.5 0.5]

    Reference:
      Sinkhorn, Diagonal equivalence to matrices with prescribed row and column sums, American Mathematical Monthly
      1967.
    """
    check.at_least("steps", steps, minimum=1)
    probabilities = _floats(probabilities, 2)
    wanted = probabilities.shape[0] * _shares("prior", _uniform(prior, probabilities), probabilities)

    def step(_, scale):
        rows = jnp.sum(probabilities * scale[None], axis=1, keepdims=True)
        columns = jnp.sum(probabilities / rows, axis=0)
        return jnp.where(wanted == 0, 0.0, wanted / columns)

    scale = jax.lax.fori_loop(0, steps, step, jnp.ones_like(wanted))
    scaled = probabilities * scale[None]
    return scaled / jnp.sum(scaled, axis=1, keepdims=True)


def balance_predictions(
    probabilities: jax.Array,
    *,
    prior: jax.Array | None = None,
    step: float = 0.01,
    smallest: float = 1e-4,
    iterations: int = 3000,
) -> jax.Array:
    r"""Coefficients of the classes under which each is predicted as often as it is known to occur.

    .. math:: \max_k \sum_c \min(s_c, \pi_c), \quad s_c \text{ the share of images with } \arg\max_j p_{nj} k_j = c

    From coefficients of 1, that of the class which is predicted too often by most is lowered by ``step``, not below 0,
    ``iterations`` times; the best coefficients are kept. The search goes on from these, with half the step where there
    was no gain, until the step is below ``smallest``.

    Args:
      probabilities: p, ``[N, C]``, floating point, 0 or more: all images at once.
      prior: pi, ``[C]``, known shares or counts of the classes among these images; equal if None.
      step: from ``smallest`` to 1.
      smallest: greater than 0.
      iterations: of a round, 1 or more.

    Returns:
      k, ``[C]``, 0 to 1, float32 or wider; predict by ``(probabilities * k).argmax(-1)``. NaN if a probability is NaN.

    Raises:
      ValueError: if a shape or a dtype is wrong, or an option out of range.

    Example:
      >>> p = jnp.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]])
      >>> k = balance_predictions(p)
      >>> print(p.argmax(1), (p * k[None]).argmax(1))
      [0 0 0 0] [0 0 1 1]

    Reference:
      Ostyakov, github.com/PavelOstyakov/predictions_balancing.
    """
    check.positive("smallest", smallest)
    check.between("step", step, smallest, 1.0)
    check.at_least("iterations", iterations, minimum=1)
    probabilities = _floats(probabilities, 2)
    prior = _shares("prior", _uniform(prior, probabilities), probabilities)
    size = probabilities.shape[0]

    def shares(scale):
        predicted = jnp.argmax(probabilities * scale[None], axis=1)
        return jnp.zeros_like(prior).at[predicted].add(1.0) / size

    def score(share):
        return jnp.sum(jnp.minimum(share, prior))

    def one(_, search):
        scale, share, length, best, gained = search
        scale = scale.at[jnp.argmax(share - prior)].add(-length)
        scale = jnp.maximum(scale, 0.0)
        share = shares(scale)
        better = score(share) > gained
        return scale, share, length, jnp.where(better, scale, best), jnp.where(better, score(share), gained)

    def a_round(search):
        best, gained, length = search
        *_, after, reached = jax.lax.fori_loop(0, iterations, one, (best, shares(best), length, best, gained))
        return after, reached, jnp.where(reached > gained, length, length / 2)

    start = jnp.ones_like(prior)
    search = (start, score(shares(start)), jnp.asarray(step, prior.dtype))
    best, _, _ = jax.lax.while_loop(lambda search: search[2] >= smallest, a_round, search)
    return jnp.where(jnp.isnan(probabilities).any() | jnp.isnan(prior).any(), jnp.nan, best)


def _floats(probabilities: jax.Array, rank: int) -> jax.Array:
    """As floats of 32 bits or more, with one class or more."""
    if rank == 1:
        check.min_rank("probabilities", probabilities, 1)
    else:
        check.rank("probabilities", probabilities, rank)
        some_images("probabilities", probabilities, 0)
    check.floating("probabilities", probabilities)
    probabilities = jnp.asarray(probabilities)
    if not probabilities.shape[-1]:
        raise ValueError(f"probabilities has shape {probabilities.shape}; allowed: one class or more.")
    return probabilities.astype(jnp.promote_types(probabilities.dtype, jnp.float32))


def _uniform(prior: jax.Array | None, probabilities: jax.Array) -> jax.Array:
    return jnp.ones(probabilities.shape[-1]) if prior is None else prior


def _shares(name: str, values: jax.Array, probabilities: jax.Array) -> jax.Array:
    check.shape(name, values, probabilities.shape[-1:])
    check.number(name, values)
    values = jnp.asarray(values, probabilities.dtype)
    return values / jnp.sum(values)
