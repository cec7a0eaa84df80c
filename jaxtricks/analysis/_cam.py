"""Where a network looks: Grad-CAM and Grad-CAM++ over any tap, and the effective receptive field."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaxtricks import check


def grad_cam(
    apply: Callable, params: Any, stats: Any, image: jax.Array, *, tap: str, classes: jax.Array | None = None
) -> jax.Array:
    r"""Which positions of a tap speak for a class: to see whether a network looks at the object or beside it.

    .. math:: M = \mathrm{relu}\left(\sum_c w_c A_c\right), \quad
        w_c = \frac{1}{HW} \sum_{ij} \frac{\partial z_k}{\partial A_{ijc}}

    Args:
      apply: ``(params, stats, image, train=) -> ((logits, taps), stats)``, the ``apply`` of a model.
      params: its parameters.
      stats: its batch statistics.
      image: ``[B, H, W, C]``.
      tap: name of a tap A of rank 4; the last one before the average is the usual choice.
      classes: k of each image, ``[B]``, integers; None for those with the largest logits.

    Returns:
      ``[B, h, w]``, 0 or more, of the size of the tap; not scaled.

    Raises:
      ValueError: if there is no such tap, or it has no positions.

    Reference:
      Selvaraju et al., Grad-CAM, arXiv 1610.02391.
    """
    activation, gradient = _tap_gradient(apply, params, stats, image, tap, classes)
    weights = gradient.mean((1, 2), keepdims=True)
    return jax.nn.relu((weights * activation).sum(-1))


def grad_cam_plus_plus(
    apply: Callable, params: Any, stats: Any, image: jax.Array, *, tap: str, classes: jax.Array | None = None
) -> jax.Array:
    r"""Grad-CAM whose weights favour positions that matter: better where a class is in the image several times.

    .. math:: w_c = \sum_{ij} \alpha_{ijc} \, \mathrm{relu}(g_{ijc}), \quad
        \alpha_{ijc} = \frac{g_{ijc}^2}{2 g_{ijc}^2 + g_{ijc}^3 \sum_{ab} A_{abc}}, \quad
        g = \frac{\partial z_k}{\partial A}

    for the exponential of the logit, whose factor, the same for the complete map, is left out.

    Args:
      apply: ``(params, stats, image, train=) -> ((logits, taps), stats)``, the ``apply`` of a model.
      params: its parameters.
      stats: its batch statistics.
      image: ``[B, H, W, C]``.
      tap: name of a tap A of rank 4.
      classes: k of each image, ``[B]``, integers; None for those with the largest logits.

    Returns:
      ``[B, h, w]``, 0 or more, of the size of the tap; not scaled. alpha is 0 where its denominator is.

    Raises:
      ValueError: if there is no such tap, or it has no positions.

    Reference:
      Chattopadhyay et al., Grad-CAM++, arXiv 1710.11063.
    """
    activation, g = _tap_gradient(apply, params, stats, image, tap, classes)
    below = 2 * g**2 + g**3 * activation.sum((1, 2), keepdims=True)
    alpha = jnp.where(below == 0, 0, g**2 / jnp.where(below == 0, 1, below))
    weights = (alpha * jax.nn.relu(g)).sum((1, 2), keepdims=True)
    return jax.nn.relu((weights * activation).sum(-1))


def effective_field(apply: Callable, params: Any, stats: Any, images: jax.Array, *, tap: str) -> jax.Array:
    r"""How much each pixel moves the middle of a tap: the part of the receptive field that is really used.

    .. math:: E_{ij} \propto \frac{1}{B} \sum_b \sum_c \left|
        \frac{\partial \sum_d A_{b, h/2, w/2, d}}{\partial x_{bijc}} \right|, \quad \sum_{ij} E_{ij} = 1

    Args:
      apply: ``(params, stats, image, train=) -> ((logits, taps), stats)``, the ``apply`` of a model.
      params: its parameters.
      stats: its batch statistics.
      images: ``[B, H, W, C]``, some dozen, noise or photographs.
      tap: name of a tap A of rank 4.

    Returns:
      ``[H, W]``, of sum 1; zeros where nothing moves the tap.

    Raises:
      ValueError: if there is no such tap, or it has no positions.

    Reference:
      Luo et al., Understanding the effective receptive field in deep convolutional networks, arXiv 1701.04128.
    """

    def middle(x):
        (_, taps), _ = apply(params, stats, x, train=False)
        value = _rank4(taps, tap)
        return value[:, value.shape[1] // 2, value.shape[2] // 2].astype(jnp.float32).sum()

    check.rank("images", images, 4)
    total = jnp.abs(jax.grad(middle)(images)).sum((0, 3))
    return total / jnp.maximum(total.sum(), jnp.finfo(total.dtype).tiny)


def _rank4(taps: dict, tap: str) -> jax.Array:
    maps = sorted(name for name, value in taps.items() if value.ndim == 4)
    if tap not in maps:
        raise ValueError(f"tap is {tap!r}; allowed: {', '.join(maps)}.")
    return taps[tap]


def _tap_gradient(apply, params, stats, image, tap, classes) -> tuple[jax.Array, jax.Array]:
    """A tap, and the gradient of the logits of some classes with respect to it, in float32.

    The equations of the network are cut at the tap: it becomes an argument of those behind it.
    """
    check.rank("image", image, 4)
    forward = partial(apply, train=False)
    closed, shapes = jax.make_jaxpr(forward, return_shape=True)(params, stats, image)
    places = jax.tree.unflatten(jax.tree.structure(shapes), list(range(len(jax.tree.leaves(shapes)))))
    (logits_place, taps), _ = places
    _rank4(shapes[0][1], tap)
    jaxpr, cut = closed.jaxpr, closed.jaxpr.outvars[taps[tap]]
    inputs = jax.tree.leaves((params, stats, image))
    outs = jaxpr_as_fun(closed)(*inputs)
    activation, logits = outs[taps[tap]], outs[logits_place]
    classes = logits.argmax(-1) if classes is None else classes
    check.shape("classes", classes, (image.shape[0],))
    rest = jaxpr.replace(
        invars=[*jaxpr.invars, cut],
        outvars=[jaxpr.outvars[logits_place]],
        eqns=[equation for equation in jaxpr.eqns if cut not in equation.outvars],
    )
    behind = jaxpr_as_fun(ClosedJaxpr(rest, closed.consts))

    def score(value):
        (logits,) = behind(*inputs, value)
        return jnp.take_along_axis(logits, classes[:, None], axis=-1).sum()

    return activation.astype(jnp.float32), jax.grad(score)(activation).astype(jnp.float32)
