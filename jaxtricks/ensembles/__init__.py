"""Several networks as one: means and votes, calibration, stacking, diversity, and predictions balanced by a prior."""

from jaxtricks.ensembles._balancing import balance_predictions, prior_correction, sinkhorn
from jaxtricks.ensembles._calibration import temperature
from jaxtricks.ensembles._combine import average, borda, coverage, fit_weights, geometric, majority, plurality
from jaxtricks.ensembles._diversity import disagreement, error_correlation, q_statistic
from jaxtricks.ensembles._linear import Fold, LeakError, Linear, fit_linear, linear_scores, out_of_fold
from jaxtricks.ensembles._members import easy_ensemble, side_by_side, stack_members

__all__ = [
    "Fold",
    "LeakError",
    "Linear",
    "average",
    "balance_predictions",
    "borda",
    "coverage",
    "disagreement",
    "easy_ensemble",
    "error_correlation",
    "fit_linear",
    "fit_weights",
    "geometric",
    "linear_scores",
    "majority",
    "out_of_fold",
    "plurality",
    "prior_correction",
    "q_statistic",
    "side_by_side",
    "sinkhorn",
    "stack_members",
    "temperature",
]


def __dir__() -> list[str]:
    return __all__
