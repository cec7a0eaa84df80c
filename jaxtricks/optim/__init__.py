"""Learning rates, schedules, optimisers by path, and what optax does not have."""

from jaxtricks.optim._averages import ema, ema_decay, greedy_soup, lawa, soup, swa, swa_decay
from jaxtricks.optim._coupled import coupled_sgd
from jaxtricks.optim._cycles import one_cycle, restarts, triangular
from jaxtricks.optim._decays import exponential, inverse_sqrt, inverse_time, natural_exponential
from jaxtricks.optim._gradients import accumulate, sam
from jaxtricks.optim._partition import by_path, freeze, layerwise_decay, unfreeze_at
from jaxtricks.optim._paths import decay_mask, layer_rates, leaf_table, path_mask
from jaxtricks.optim._phases import alternate, switch
from jaxtricks.optim._plateau import plateau
from jaxtricks.optim._rates import scaled_lr
from jaxtricks.optim._schedules import constant, cosine, polynomial, stable_decay, step_decay, with_warmup
from jaxtricks.optim._updates import centralize, max_norm
from jaxtricks.optim._wrappers import evaluate_at, line_search, lookahead, measure, skip_spikes

__all__ = [
    "accumulate",
    "alternate",
    "by_path",
    "centralize",
    "constant",
    "cosine",
    "coupled_sgd",
    "decay_mask",
    "ema",
    "ema_decay",
    "evaluate_at",
    "exponential",
    "freeze",
    "greedy_soup",
    "inverse_sqrt",
    "inverse_time",
    "lawa",
    "layer_rates",
    "layerwise_decay",
    "leaf_table",
    "line_search",
    "lookahead",
    "max_norm",
    "measure",
    "natural_exponential",
    "one_cycle",
    "path_mask",
    "plateau",
    "polynomial",
    "restarts",
    "sam",
    "scaled_lr",
    "skip_spikes",
    "soup",
    "stable_decay",
    "step_decay",
    "swa",
    "swa_decay",
    "switch",
    "triangular",
    "unfreeze_at",
    "with_warmup",
]


def __dir__() -> list[str]:
    return __all__
