"""Early stopping on a validation value, as a pure fold over the epochs."""

import math
from dataclasses import dataclass
from typing import NamedTuple


class Watch(NamedTuple):
    """Best value so far, and epochs since."""

    best: float
    since: int


@dataclass(frozen=True)
class EarlyStopping:
    """Stop once a validation value has not improved for a while; the best weights are restored.

    Fields:
      metric: which of the validation metrics, such as ``"loss"`` or ``"accuracy"``.
      mode: ``"min"`` or ``"max"``.
      patience: epochs without improvement that are borne, 1 or more.
      least: how much counts as an improvement, 0 or more.
    """

    metric: str = "loss"
    mode: str = "min"
    patience: int = 5
    least: float = 0.0

    def __post_init__(self):
        if self.mode not in ("min", "max"):
            raise ValueError(f"mode is {self.mode!r}; allowed: 'min', 'max'.")
        if self.patience < 1:
            raise ValueError(f"patience is {self.patience!r}; allowed: 1 or more.")
        if self.least < 0:
            raise ValueError(f"least is {self.least!r}; allowed: 0 or more.")

    def init(self) -> Watch:
        """Before the first epoch."""
        return Watch(math.inf if self.mode == "min" else -math.inf, 0)

    def update(self, watch: Watch, value: float) -> tuple[Watch, bool, bool]:
        """After an epoch: ``(watch, improved, stop)``. A value that is not a number never improves."""
        gain = watch.best - value if self.mode == "min" else value - watch.best
        improved = gain > self.least
        watch = Watch(value, 0) if improved else Watch(watch.best, watch.since + 1)
        return watch, improved, watch.since >= self.patience
