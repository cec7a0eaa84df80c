"""Further rows of the tables of losses, initialisers, normalisation, optimisers, schedules and regularisers."""

from functools import partial

import jax
import optax

from jaxtricks import layers, losses, models, optim
from jaxtricks.tricks import averages as a
from jaxtricks.tricks import composing, published
from jaxtricks.tricks import objectives as l
from jaxtricks.tricks import optimizers as o
from jaxtricks.tricks import parts as p
from jaxtricks.tricks import regularizers as r
from jaxtricks.tricks import schedules as s
from jaxtricks.tricks import starts as i
from jaxtricks.tricks.trick import Trick, set_fields

__all__ = [
    "DECAYS",
    "FIXUP",
    "GRADIENTS",
    "LOSSES",
    "REGULARIZERS",
    "UNBIASED",
    "averages",
    "handovers",
    "plateaus",
    "starts",
]

initializers = jax.nn.initializers
FOCAL = "arXiv 1708.02002, whose alpha is 0.25"
SRIVASTAVA = "Srivastava et al. 2014"
PLAIN_DROPOUT = models.drawn(partial(layers.dropout_plain, rate=0.2), partial(layers.dropout_plain_mean, rate=0.2))


def _trick(change, expected=None, paper=None, **options):
    return Trick(partial(change, **options), expected, paper)


REGULARIZERS = {
    "dropout 0.5": p.swap(1, SRIVASTAVA, head=r.drawn(layers.dropout, rate=0.5)),
    "plain dropout": p.swap(1, "arXiv 1207.0580", head=PLAIN_DROPOUT),
    "L2 penalty": _trick(r.penalised, weight=1e-3, penalty=r.squares),
    "elastic net": _trick(r.penalised, None, "Zou and Hastie 2005", weight=1e-4, penalty=r.elastic),
    "group sparsity": _trick(r.penalised, None, "arXiv 1608.03665", weight=1e-4, penalty=r.grouped),
    "max norm 3": _trick(r.max_norm, 1, f"{SRIVASTAVA}: 3 or 4", limit=3.0),
    "max norm 4": _trick(r.max_norm, 1, f"{SRIVASTAVA}: 3 or 4", limit=4.0),
    "EMA, recalibrated": _trick(a.recalibrated, 1, "arXiv 2105.07576", ema=0.99),
}
GRADIENTS = {
    **{
        f"norm clipped at {limit}": _trick(o.clip_norm, None, "arXiv 1211.5063", limit=float(limit))
        for limit in (1, 5, 10, 15)
    },
    "values clipped at 0.1": _trick(o.clip_values, limit=0.1),
    "gradients of norm 1": Trick(o.normalized, None),
    "spikes skipped": Trick(o.skip_spikes, 0),
    "AMSGrad": _trick(composing.exchange, None, "arXiv 1904.09237", core=optax.amsgrad, times=0.1),
}
DECAYS = {
    "half every epoch": s.trick(optim.step_decay, None, every_epochs=1, factor=0.5),
    "one over root of time": s.trick(optim.inverse_sqrt, None, "arXiv 1706.03762", hold=50),
}
LOSSES = {
    "binary focal": l.trick(l.on_classes, partial(optax.sigmoid_focal_loss, alpha=0.25, gamma=2.0), None, FOCAL),
    "L-Softmax, annealed": _trick(
        l.objective, 1, "arXiv 1612.02295", how=published.on_annealed_angles, margin=2, first=100.0, last=1.0, half=1.0
    ),
    "ArcFace": _trick(
        l.objective,
        None,
        "arXiv 1801.07698",
        how=l.on_angles,
        logits=partial(losses.arcface_logits, scale=16.0, margin=0.2),
    ),
}
UNBIASED = {"unbiased variance": p.swap(norm=partial(models.batch_norm, unbiased=True))}
FIXUP = {"Fixup": _trick(i.fixed_up, 1, "arXiv 1901.09321", branches=3, depth=3)}


def averages(steps: int) -> dict[str, Trick]:
    """What counts the steps of a run: decay in turns of an eighth, uniform averages from three quarters on, the latest.

    Args:
      steps: of the run.

    Returns:
      The tricks by name.
    """
    uniform = {"ema": partial(optim.swa_decay, start=3 * steps // 4), "schedule": optim.constant}
    return {
        "decay 1e-3, by turns": _trick(composing.weight_decay, weight=1e-3, turns=max(1, steps // 8)),
        "constant rate, SWA": _trick(set_fields, None, "arXiv 1803.05407", **uniform),
        "constant rate, SWA, recalibrated": _trick(a.recalibrated, 1, "arXiv 1803.05407", **uniform),
        "LAWA": _trick(a.latest_weights, None, "arXiv 2209.14981", every=max(1, steps // 16), last=4),
    }


def handovers(steps: int) -> dict[str, Trick]:
    """Optimisers that change half-way: a momentum that rises until then, and Adam that hands over to SGD.

    Args:
      steps: of the run.

    Returns:
      The tricks by name.
    """
    half = steps // 2
    rising = partial(o.rising_momentum, first=0.5, last=0.9, steps=half)
    over = partial(o.adam_then_sgd, at=half, share=0.04)
    return {
        "momentum 0.5 to 0.9": _trick(composing.exchange, None, "Sutskever et al. 2013", core=rising),
        "Adam, then SGD": _trick(composing.exchange, None, "arXiv 1712.07628", core=over),
    }


def plateaus(steps: int) -> dict[str, Trick]:
    """The rate that is cut by the validation loss, at the end of an epoch.

    Args:
      steps: of the run.

    Returns:
      The trick by its name.
    """
    return {"plateaus": _trick(s.on_plateaus, None, None, steps=steps, factor=0.1, patience=1)}


def starts(bare: bool) -> dict[str, Trick]:
    """Initialisers of a plain network.

    Args:
      bare: whether it is without normalisation, where the scale of the weights is all there is.

    Returns:
      The tricks by name.
    """
    kernel = partial(_trick, p.part)
    out = {
        "LeCun normal": kernel(
            -1 if bare else None, "LeCun et al. 1998: for tanh", kernel_init=initializers.lecun_normal()
        ),
        "N(0, 0.01), truncated": kernel(-1 if bare else None, kernel_init=initializers.truncated_normal(0.01)),
    }
    scaled = {"LSUV": _trick(i.orthonormal, 1, "arXiv 1511.06422", then=i.layerwise)}
    return out | scaled if bare else out
