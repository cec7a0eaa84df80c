"""Early stopping on a validation value, as a pure fold over the epochs."""

import math
import sys
from dataclasses import dataclass
from typing import NamedTuple

from jaxtricks import check


class Watch(NamedTuple):
    """Best value so far, and epochs since."""

    best: float
    since: int


@dataclass(frozen=True)
class EarlyStopping:
    """Stop once a validation value has not improved for a while; the best weights are restored.

    Fields:
      metric: which of the validation metrics, such as ``"loss"``.
      mode: ``"min"`` or ``"max"``.
      patience: epochs without improvement that are tolerated, 1 or more.
      min_delta: an improvement is a change by more than this; 0 or more, finite.
    """

    metric: str = "loss"
    mode: str = "min"
    patience: int = 5
    min_delta: float = 0.0

    def __post_init__(self):
        if self.mode not in ("min", "max"):
            raise ValueError(f"mode is {self.mode!r}; allowed: 'min', 'max'.")
        check.at_least("patience", self.patience, minimum=1)
        check.between("min_delta", self.min_delta, 0, sys.float_info.max)

    def init(self) -> Watch:
        """Before the first epoch."""
        return Watch(math.inf if self.mode == "min" else -math.inf, 0)

    def update(self, watch: Watch, value: float) -> tuple[Watch, bool, bool]:
        """After an epoch: ``(watch, improved, stop)``. A value that is not a number never improves."""
        gain = watch.best - value if self.mode == "min" else value - watch.best
        improved = gain > self.min_delta
        watch = Watch(value, 0) if improved else Watch(watch.best, watch.since + 1)
        return watch, improved, watch.since >= self.patience
