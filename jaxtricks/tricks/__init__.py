"""Tricks: pure functions ``Recipe -> Recipe``, by family, and what an ablation needs to know of each.

The families are modules: ``bag`` (baselines and the paper's ladder), ``augmentation``, ``objectives``, ``optimizers``,
``regularizers``, ``schedules``, ``finetuning`` (from the sources of ``pretraining``), ``ordinal``. Below them are
``composing``, the optimiser in parts, ``parts`` of networks, and ``conditions`` under which tricks are measured.
``lint`` warns of tricks that work against each other.
What most scripts need stands here::

    from functools import partial
    from jaxtricks import tricks

    LADDER = {
        "cosine": tricks.Trick(tricks.cosine),
        "mixup": tricks.Trick(partial(tricks.mixup, alpha=0.2), expected=1, paper="arXiv 1710.09412"),
        "clipping": tricks.Trick(partial(tricks.before, tx=optax.clip_by_global_norm(1.0)), expected=None),
    }
"""

from jaxtricks._signatures import name_defaults
from jaxtricks.tricks.bag import (
    bare,
    cosine,
    distillation,
    large_batch,
    low_precision,
    mixup,
    modern,
    no_bias_decay,
    part,
    smoothing,
    standard,
    tweak,
    warm_up,
    zero_gamma,
)
from jaxtricks.tricks.composing import Optimizer, after, around, before, exchange, masked, weight_decay
from jaxtricks.tricks.optimizers import lookahead, sharp, skip_spikes
from jaxtricks.tricks.regularizers import gradient_noise, max_norm
from jaxtricks.tricks.trick import Ladder, Setting, SilentTrickError, Trick, apply, merge, set_fields

__all__ = [
    "Ladder",
    "Optimizer",
    "Setting",
    "SilentTrickError",
    "Trick",
    "after",
    "apply",
    "around",
    "bare",
    "before",
    "cosine",
    "distillation",
    "exchange",
    "gradient_noise",
    "large_batch",
    "lookahead",
    "low_precision",
    "masked",
    "max_norm",
    "merge",
    "mixup",
    "modern",
    "no_bias_decay",
    "part",
    "set_fields",
    "sharp",
    "skip_spikes",
    "smoothing",
    "standard",
    "tweak",
    "warm_up",
    "weight_decay",
    "zero_gamma",
]
name_defaults(globals())


def __dir__() -> list[str]:
    return __all__
