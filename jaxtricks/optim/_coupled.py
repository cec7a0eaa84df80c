"""SGD as the papers of residual networks mean it: weight decay added to the gradient, before the momentum."""

from collections.abc import Callable
from typing import Any

import optax

from jaxtricks import check


def coupled_sgd(
    rate: optax.ScalarOrSchedule,
    *,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 1e-4,
    mask: Any | Callable | None = None,
    clip_norm: float | None = None,
) -> optax.GradientTransformation:
    r"""Stochastic gradient descent with momentum and coupled weight decay, as ``torch.optim.SGD`` computes it.

    .. math:: g \leftarrow \mathrm{clip}(\nabla) + \lambda w, \quad m \leftarrow \mu m + g, \quad
        w \leftarrow w - \eta (g + \mu m)

    without Nesterov's ``g +``, :math:`w - \eta m`. ``optax.sgd`` has no weight decay of its own, and that of
    ``optax.adamw`` is decoupled.

    Args:
      rate: eta, a number or ``step -> number``.
      momentum: mu, 0 to 1.
      nesterov: whether the update looks ahead.
      weight_decay: lambda, 0 or more.
      mask: which leaves decay: a tree of booleans, or a function from parameters to one; all of them if None.
      clip_norm: largest global norm of the gradient, before the decay is added; None for none.

    Returns:
      An optax transformation.

    Raises:
      ValueError: if momentum lies outside 0 to 1, a number as rate or weight_decay is negative, or clip_norm is not
        positive.

    Reference:
      He et al., arXiv 1812.01187, section 2.1 (Nesterov accelerated gradient, decay 1e-4).
    """
    if not callable(rate):
        check.between("rate", rate, 0.0, float("inf"))
    check.between("momentum", momentum, 0.0, 1.0)
    check.between("weight_decay", weight_decay, 0.0, float("inf"))
    if clip_norm is not None:
        check.positive("clip_norm", clip_norm)
    return optax.chain(
        optax.identity() if clip_norm is None else optax.clip_by_global_norm(clip_norm),
        optax.add_decayed_weights(weight_decay, mask=mask),
        optax.sgd(rate, momentum=momentum, nesterov=nesterov),
    )
