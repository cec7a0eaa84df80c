"""A linear classifier on what several networks give: stacking of predictions, or features side by side."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from jaxtricks import check


class LeakError(ValueError):
    """Predictions of a network on rows that it was trained on, where they must be of rows that it has not seen."""


class Fold(NamedTuple):
    """What one network of a cross-validation predicts.

    Fields:
      trained_on: numbers of the rows that it was trained on, integers ``[T]``.
      rows: numbers of the rows that are predicted, integers ``[R]``.
      values: the predictions, ``[R, D]``.
    """

    trained_on: np.ndarray
    rows: np.ndarray
    values: np.ndarray


class Linear(NamedTuple):
    """A linear classifier of standardised features, as arrays.

    Fields:
      mean: of the features it was fitted on, ``[D]``.
      scale: 1 / their standard deviation, ``[D]``; 1 where that is 0.
      kernel: ``[D, C]``.
      bias: ``[C]``; -inf for a class without a row.
    """

    mean: jax.Array
    scale: jax.Array
    kernel: jax.Array
    bias: jax.Array


def out_of_fold(folds: Sequence[Fold], *, rows: int) -> np.ndarray:
    """The predictions of a cross-validation, each row's by a network that was not trained on it: for stacking.

    Args:
      folds: of one member.
      rows: N, of the training set.

    Returns:
      float32 ``[N, D]``, in the order of the rows.

    Raises:
      LeakError: if a network was trained on a row that it predicts.
      ValueError: if a row is predicted twice or never, is out of range, or arrays do not fit.

    Example:
      >>> folds = [Fold([2, 3], [0, 1], [[0.1], [0.2]]), Fold([0, 1], [2, 3], [[0.3], [0.4]])]
      >>> out_of_fold(folds, rows=4).ravel().tolist() == np.float32([0.1, 0.2, 0.3, 0.4]).tolist()
      True

    Reference:
      Wolpert, Stacked generalization, Neural Networks 1992.
    """
    rows = check.at_least("rows", rows, minimum=1)
    if not folds:
        raise ValueError("folds is empty; allowed: one fold or more.")
    numbers = []
    for i, fold in enumerate(folds):
        trained, predicted = (_rows(f"folds[{i}].{name}", getattr(fold, name), rows) for name in ("trained_on", "rows"))
        if (seen := np.intersect1d(trained, predicted)).size:
            some = ", ".join(map(str, seen[:3]))
            raise LeakError(f"folds[{i}] predicts {seen.size} rows that it was trained on ({some}); allowed: none.")
        if np.ndim(fold.values) != 2 or len(fold.values) != len(predicted):
            shape = np.shape(fold.values)
            raise ValueError(f"folds[{i}].values has shape {shape}; allowed: ({len(predicted)}, any).")
        numbers.append(predicted)
    times = np.bincount(np.concatenate(numbers), minlength=rows)
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise ValueError(f"folds predict row {row} {times[row]} times; allowed: every row once.")
    values = np.concatenate([np.asarray(fold.values, np.float32) for fold in folds])
    return values[np.argsort(np.concatenate(numbers))]


def fit_linear(
    parts: Sequence[np.ndarray],
    labels: np.ndarray,
    *,
    classes: int | None = None,
    kind: str = "logistic",
    strength: float = 1.0,
) -> Linear:
    """A linear classifier on features side by side, by scikit-learn: a second level above trained networks.

    Of probabilities it is stacking (take those of `out_of_fold`); of features it joins several networks, or several
    layers of one. Each feature is standardised. It runs on the host.

    Args:
      parts: ``[N, D]`` each, one or more: what each network gives for the same rows.
      labels: integers ``[N]``, 0 to C - 1, of two classes or more.
      classes: C; the largest label and one if None.
      kind: ``"logistic"``, a multinomial logistic regression, or ``"svm"``, one linear support vector machine a class.
      strength: C of scikit-learn, the inverse of the penalty, greater than 0.

    Returns:
      The classifier; `linear_scores` applies it.

    Raises:
      ValueError: if arrays do not fit, hold a NaN or an infinity, or an option is wrong.

    Example:
      >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
      >>> linear = fit_linear([x, -x], np.array([0, 0, 1, 1]))
      >>> print(linear_scores(linear, [x, -x]).argmax(-1))
      [0 0 1 1]

    Reference:
      Wolpert, Stacked generalization, Neural Networks 1992; Donahue et al., DeCAF: a deep convolutional
      activation feature for generic visual recognition, arXiv 1310.1531.
    """
    check.option("kind", kind, ("logistic", "svm"))
    check.positive("strength", strength)
    features = np.asarray(_side_by_side(parts), np.float64)
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.shape != features.shape[:1]:
        raise ValueError(f"labels is {labels.dtype}{list(labels.shape)}; allowed: integers, [{len(features)}].")
    present = np.unique(labels)
    classes = int(present[-1]) + 1 if classes is None else check.at_least("classes", classes, minimum=2)
    if len(present) < 2 or present[0] < 0 or present[-1] >= classes:
        raise ValueError(f"labels are {present.tolist()}; allowed: two classes or more of 0 to {classes - 1}.")
    if not np.isfinite(features).all():
        raise ValueError("parts hold a NaN or an infinity; allowed: finite numbers.")
    mean, deviation = features.mean(0), features.std(0)
    scale = 1 / np.where(deviation > 0, deviation, 1)
    if kind == "logistic":
        model = LogisticRegression(C=strength, max_iter=1000)
    else:
        model = LinearSVC(C=strength, dual=False)  # pyright: ignore[reportArgumentType]
    model.fit((features - mean) * scale, labels)
    coefficients, intercept = model.coef_, model.intercept_
    if len(present) == 2:  # scikit-learn keeps one row, the second class's
        coefficients, intercept = (np.concatenate([-part / 2, part / 2]) for part in (coefficients, intercept))
    kernel, bias = np.zeros((features.shape[1], classes)), np.full(classes, -np.inf)
    kernel[:, present], bias[present] = coefficients.T, intercept
    return Linear(*(jnp.asarray(part, jnp.float32) for part in (mean, scale, kernel, bias)))


def linear_scores(linear: Linear, parts: Sequence[jax.Array]) -> jax.Array:
    r"""The scores of `fit_linear` for other rows: logits, if it is logistic.

    .. math:: ((x - \mathrm{mean}) \cdot \mathrm{scale}) \, K + b

    Args:
      linear: of `fit_linear`.
      parts: ``[..., D]`` each, floating point, in the same order.

    Returns:
      ``[..., C]``, float32; -inf for a class without a row.

    Raises:
      ValueError: if shapes do not fit.

    Example:
      >>> linear = Linear(jnp.array([1.0]), jnp.array([0.5]), jnp.array([[1.0, -1.0]]), jnp.array([0.0, 0.5]))
      >>> print(linear_scores(linear, [jnp.array([3.0])]))
      [ 1.  -0.5]
    """
    features = jnp.asarray(_side_by_side(parts))
    check.shape("parts", features, (*features.shape[:-1], linear.mean.shape[0]))
    mean, scale = (jnp.broadcast_to(part, features.shape) for part in (linear.mean, linear.scale))
    scores = (features - mean) * scale @ linear.kernel
    return scores + jnp.broadcast_to(linear.bias, scores.shape)


def _side_by_side(parts):
    """One array of all features; ValueError unless there is a part, and all have the same rows."""
    if not isinstance(parts, (tuple, list)) or not parts:
        raise ValueError(f"parts is {type(parts).__name__}; allowed: a list of one array or more.")
    for i, part in enumerate(parts):
        check.floating(f"parts[{i}]", part)
        check.min_rank(f"parts[{i}]", part, 1)
        if part.shape[:-1] != parts[0].shape[:-1]:
            raise ValueError(f"parts[{i}] has shape {part.shape}; allowed: the rows of parts[0], {parts[0].shape}.")
    join = np.concatenate if all(isinstance(part, np.ndarray) for part in parts) else jnp.concatenate
    return join(parts, axis=-1)


def _rows(name: str, numbers, rows: int) -> np.ndarray:
    numbers = np.asarray(numbers)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or ((numbers < 0) | (numbers >= rows)).any():
        raise ValueError(f"{name} is {numbers.dtype}{list(numbers.shape)}; allowed: integers of 0 to {rows - 1}, [R].")
    return numbers
