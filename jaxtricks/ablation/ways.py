"""What is made of the predictions of several networks: ``(held-out, test) -> probabilities, scores or classes``.

Whatever a way fits, weights or temperatures or a second level, it fits on images held out of the training set.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import ensembles, layers


class Predictions(NamedTuple):
    """What the members of a group say of a split.

    Fields:
      logits: ``[M, N, C]``.
      features: ``[N, D]`` of each member.
      labels: ``[N]``.
      trained: training images of each class, ``[C]``.
      layers: of the first member, the means of its maps, ``[N, D]`` each.
      columns: of the first member, hyper-columns ``[N, D]``; None where there are none.
      scores: accuracy of each member on the fold that was kept from it, ``[M]``; None without a cross-validation.
      unseen: probabilities ``[T, C]`` of the training rows, each by the member that has not seen it, and the labels
        ``[T]``; None without a cross-validation.
    """

    logits: np.ndarray
    features: tuple[np.ndarray, ...]
    labels: np.ndarray
    trained: np.ndarray
    layers: tuple[np.ndarray, ...] = ()
    columns: np.ndarray | None = None
    scores: np.ndarray | None = None
    unseen: tuple[np.ndarray, np.ndarray] | None = None

    def of(self, members: slice) -> "Predictions":
        """Those of some members."""
        return self._replace(logits=self.logits[members], features=self.features[members])


# One compilation each, in the place of one an operation.
probabilities = jax.jit(jax.nn.softmax)
mean_of, mean_of_logs, votes_of, majority_of, points_of = map(
    jax.jit, (ensembles.average, ensembles.geometric, ensembles.plurality, ensembles.majority, ensembles.borda)
)
weights_for, temperature_of, bayes = map(
    jax.jit, (ensembles.fit_weights, ensembles.temperature, ensembles.prior_correction)
)
coefficients_of = jax.jit(partial(ensembles.balance_predictions, iterations=1000))


def average(held: Predictions, test: Predictions):
    """The mean probability."""
    return mean_of(probabilities(test.logits))


def geometric(held: Predictions, test: Predictions):
    """The mean log-probability."""
    return mean_of_logs(probabilities(test.logits))


def weighted(held: Predictions, test: Predictions):
    """The mean probability under the weights of smallest held-out log loss."""
    weights = weights_for(probabilities(held.logits), jnp.asarray(held.labels))
    return mean_of(probabilities(test.logits), weights=weights)


def calibrated(held: Predictions, test: Predictions):
    """The mean probability after a temperature for each member."""
    sharp = np.stack([np.asarray(temperature_of(jnp.asarray(x), jnp.asarray(held.labels))) for x in held.logits])
    return mean_of(probabilities(test.logits / sharp[:, None, None]))


def plurality(held: Predictions, test: Predictions):
    """The class of most votes."""
    return votes_of(jnp.asarray(test.logits))


def majority(held: Predictions, test: Predictions):
    """The class of more than half of the votes, or none; accuracy is that of what is predicted."""
    return majority_of(jnp.asarray(test.logits))


def borda(held: Predictions, test: Predictions):
    """Points by rank."""
    return points_of(jnp.asarray(test.logits))


def best(held: Predictions, test: Predictions, *, keep: int):
    """The mean probability of the members that were best on the fold kept from each (top-k)."""
    if held.scores is None:
        raise ValueError("scores is None; allowed: members of a cross-validation, which have scores.")
    chosen = np.argsort(-held.scores, kind="stable")[:keep]
    return mean_of(probabilities(test.logits[chosen]))


def stacked(held: Predictions, test: Predictions):
    """A logistic regression of all members' probabilities, fitted on the held-out images, which none was trained on."""
    parts = [list(np.asarray(probabilities(split.logits))) for split in (held, test)]
    return second_level(parts, held, kind="logistic")


def stacked_out_of_fold(held: Predictions, test: Predictions):
    """A logistic regression, fitted on the training rows as members that had not seen them predict; for their mean."""
    if held.unseen is None:
        raise ValueError("unseen is None; allowed: members of a cross-validation, which have it.")
    values, labels = held.unseen
    classes = test.logits.shape[-1]
    linear = ensembles.fit_linear([values], labels, classes=classes, kind="logistic", strength=0.1)
    return ensembles.linear_scores(linear, [mean_of(probabilities(test.logits))])


def joined(held: Predictions, test: Predictions, *, kind: str):
    """A linear classifier of all members' features, fitted on the held-out images."""
    return second_level([list(split.features) for split in (held, test)], held, kind=kind)


def of_layers(held: Predictions, test: Predictions, *, kind: str, unit: bool = False):
    """A linear classifier of the means of all maps of one network, fitted on the held-out images.

    With ``unit`` the vector of each map has length 1, so that none speaks louder than another.
    """
    scaled = (lambda x: np.asarray(layers.l2_normalize(jnp.asarray(x)))) if unit else np.asarray
    return second_level([[scaled(layer) for layer in split.layers] for split in (held, test)], held, kind=kind)


def of_columns(held: Predictions, test: Predictions, *, kind: str):
    """A linear classifier of the hyper-columns of one network, fitted on the held-out images."""
    return second_level([[split.columns] for split in (held, test)], held, kind=kind)


def second_level(parts, held: Predictions, *, kind: str):
    """The scores of the test split by a linear classifier of the held-out split, which no member was trained on."""
    linear = ensembles.fit_linear(parts[0], held.labels, classes=held.logits.shape[-1], kind=kind, strength=0.1)
    return ensembles.linear_scores(linear, parts[1])


def even(held: Predictions, test: Predictions, *, how: Callable, prior: Callable | None = None):
    """The mean probability, balanced by a prior: equal shares if None."""
    mean = mean_of(probabilities(test.logits))
    shares = None if prior is None else jnp.asarray(prior(test), jnp.float32)
    return how(mean, prior=shares)


def by_coefficients(mean: jax.Array, *, prior: jax.Array | None):
    """Scores under the coefficients of ``ensembles.balance_predictions``."""
    return mean * coefficients_of(mean, prior=prior)[None]


def corrected(held: Predictions, test: Predictions, *, prior: Callable | None = None):
    """The mean probability by Bayes' rule, from the training shares to equal ones or a prior."""
    mean = mean_of(probabilities(test.logits))
    shares = jnp.ones(mean.shape[1]) if prior is None else jnp.asarray(prior(test), jnp.float32)
    return bayes(mean, prior=shares, trained=jnp.asarray(test.trained))


def reversed_tail(test: Predictions) -> np.ndarray:
    """A prior that is wrong: the training shares in the order of the classes turned round."""
    return test.trained[::-1]
