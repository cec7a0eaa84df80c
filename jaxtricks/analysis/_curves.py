"""What learning curves tell: the rules of thumb of the lecture notes, each with its evidence."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxtricks import check

OVERFIT = "Try more or stronger augmentation, weight decay, dropout, smoothing, fewer epochs, a smaller network."
UNDERFIT = "Try a larger network, more epochs, a better learning rate, less regularisation."


class Finding(NamedTuple):
    """One thing that curves show.

    Fields:
      rule: its name.
      evidence: the figures that it was read from.
      advice: what to try.
    """

    rule: str
    evidence: str
    advice: str


def diagnose(
    train_loss: Sequence[float],
    *,
    train_score: Sequence[float] = (),
    validation_score: Sequence[float] = (),
    chance: float = 0.0,
    best: float = 1.0,
    gap: float = 0.1,
) -> list[Finding]:
    """What the curves of a run show of its learning rate and its capacity.

    - *rate too high*: the loss is not finite, or larger in the end than twice what it was at first.
    - *rate too low*: the loss falls in a straight line, by as much in the last half as in the first, and not far.
    - *rate too high later*: half of the fall in the first tenth, and nearly none in the last half.
    - *overfit*: the training score is above the validation score by more than ``gap`` of the range.
    - *underfit*: both scores, without such a gap, use less than half of the range between chance and the best.
    - *noisy*: the loss moves from step to step by more than a quarter of its complete fall.

    Args:
      train_loss: by step or epoch, four or more.
      train_score: accuracy on the training set, by epoch; more is better.
      validation_score: accuracy on held-out images, by epoch; of the same length.
      chance: score of guessing.
      best: the best score that there is.
      gap: share of the range between chance and best.

    Returns:
      What was found, in this order; empty if nothing was.

    Raises:
      ValueError: if there are fewer than four losses, scores differ in length or are not finite, or best is not above
        chance.

    Example:
      >>> from jaxtricks import analysis
      >>> (found,) = analysis.diagnose([2.3, 1.2, 0.6, 0.3, 0.1], train_score=[0.9, 0.99], validation_score=[0.7, 0.72])
      >>> found.rule, found.evidence
      ('overfit', '0.99 in training, 0.72 in validation')

    Reference:
      Karpathy, CS231n: Neural networks part 3, babysitting the learning process.
    """
    loss = np.asarray(train_loss, float)
    train, validation = (np.asarray(score, float) for score in (train_score, validation_score))
    if loss.ndim != 1 or len(loss) < 4:
        raise ValueError(f"train_loss has shape {loss.shape}; allowed: four numbers or more.")
    if len(train) != len(validation) or not np.isfinite([train, validation]).all():
        raise ValueError(f"validation_score has {len(validation)} entries; allowed: {len(train)}, all finite.")
    if not chance < best:
        raise ValueError(f"best is {best!r}; allowed: greater than chance, {chance!r}.")
    check.between("gap", gap, 0.0, 1.0)
    return [*_rate(loss), *(_capacity(train, validation, chance, best, gap) if len(train) else ())]


def _rate(loss: np.ndarray):
    begin, end = loss[0], loss[-1]
    lost = np.flatnonzero(~np.isfinite(loss))
    if len(lost) or end > 2 * begin > 0:
        where = f"step {lost[0] + 1} is {loss[lost[0]]}" if len(lost) else f"from {begin:.3g} to {end:.3g}"
        yield Finding("rate too high", f"the loss {where}", "Divide the learning rate by ten; add warm-up or clipping.")
        return
    fall, half = begin - end, loss[len(loss) // 2]
    seen = f"the loss goes {begin:.3g}, {half:.3g} (half-way), {end:.3g}"
    if fall > 0:
        late = (half - end) / fall
        line = np.linspace(begin, end, len(loss))
        if late > 0.4 and fall < 0.5 * begin and np.abs(loss - line).max() < 0.1 * fall:
            yield Finding(
                "rate too low", f"{seen}: a straight line", "Multiply the learning rate by three, or train longer."
            )
        early = (begin - loss[-(-len(loss) // 10)]) / fall
        if early > 0.5 and late < 0.02 and end > 0.2 * begin:
            yield Finding(
                "rate too high later", f"{seen}: flat", "Lower the rate where the curve is flat: steps or a cosine."
            )
        jump = np.abs(np.diff(loss) - np.diff(line)).mean() if len(loss) > 8 else 0.0
        if jump > 0.25 * fall:
            yield Finding(
                "noisy", f"steps of {jump:.2g} beside a fall of {fall:.2g}", "Use larger batches or a smaller rate."
            )


def _capacity(train, validation, chance, best, gap):
    seen = f"{train[-1]:.2f} in training, {validation[-1]:.2f} in validation"
    share = (train[-1] - validation[-1]) / (best - chance)
    if share > gap:
        yield Finding("overfit", seen, OVERFIT)
    elif max(train[-1], validation[-1]) - chance < 0.5 * (best - chance):
        yield Finding("underfit", seen, UNDERFIT)
