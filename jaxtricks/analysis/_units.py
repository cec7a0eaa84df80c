"""What units and layers do while a network trains: units that never fire, responses, gradients by depth."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxtricks import check


class Activity(NamedTuple):
    """How a layer responds to some images.

    Fields:
      dead: share of channels that are 0 or less for every image, at every position.
      sparsity: share of responses that are 0 or less (the average percentage of zeros).
      concentration: channels that an example uses, as a share of all: ``(sum a)^2 / (D sum a^2)`` of its channels' mean
        responses; 1 where all respond alike, 1 / D where one does. 0 where nothing responds.
      saturated: share of responses within 1 % of the ends of (0, 1), as of a sigmoid; only of interest for one.
    """

    dead: jax.Array
    sparsity: jax.Array
    concentration: jax.Array
    saturated: jax.Array


def unit_activity(activation: jax.Array) -> Activity:
    """Dead units, sparsity and concentration of the responses of a layer, after its activation.

    A channel that is dead for some hundred images is most likely dead for all, and gets no gradient through ReLU.

    Args:
      activation: ``[B, ..., D]``, floating point: a tap, of some hundred images.

    Returns:
      Four shares, 0 to 1, float32; NaN where the activation holds one.

    Raises:
      ValueError: if activation has no batch and channels, no element, or no floating point.

    Example:
      >>> from jaxtricks import analysis
      >>> responses = jnp.array([[1.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0]])
      >>> [float(share) for share in analysis.unit_activity(responses)[:3]]
      [0.5, 0.75, 0.25]

    Reference:
      Hu et al., Network trimming, arXiv 1607.03250.
    """
    check.min_rank("activation", activation, 2)
    check.floating("activation", activation)
    if not activation.size:
        raise ValueError(f"activation has shape {activation.shape}; allowed: no empty axis.")
    a = activation.astype(jnp.float32).reshape(activation.shape[0], -1, activation.shape[-1])
    missing = jnp.where(jnp.isnan(a).any(), jnp.nan, 0.0)
    off = a <= 0
    mean = jnp.maximum(a, 0).mean(1)
    largest = mean.max(-1, keepdims=True)
    scaled = mean / jnp.where(largest > 0, largest, 1)  # so that no square overflows
    squares = (scaled**2).sum(-1)
    used = scaled.sum(-1) ** 2 / (a.shape[-1] * jnp.where(squares > 0, squares, 1))
    ends = (a < 0.01) | (a > 0.99)
    shares = (off.all((0, 1)).mean(), off.mean(), used.mean(), ends.mean())
    return Activity(*(share.astype(jnp.float32) + missing for share in shares))


def gradient_norms(gradients: Any) -> dict[str, jax.Array]:
    r"""The norm of each layer's gradient, to see it vanish or explode with depth.

    .. math:: \sqrt{\frac{1}{n} \sum_i g_i^2}

    over the n numbers of a layer, so that layers of different sizes compare.

    Args:
      gradients: nested dicts of arrays, as ``jax.grad`` gives them for parameters.

    Returns:
      ``{path of the layer: root mean square}``, in the order of the tree; float32 scalars.

    Raises:
      ValueError: if a leaf is no array of floating-point numbers.
    """
    sums: dict[str, list] = {}
    for path, leaf in jax.tree.leaves_with_path(gradients):
        name = jax.tree_util.keystr(path[:-1], simple=True, separator="/")
        check.floating(f"gradients[{name!r}]", leaf)
        sums.setdefault(name, []).append(jnp.ravel(leaf).astype(jnp.float32))
    return {name: jnp.sqrt(jnp.mean(jnp.concatenate(parts) ** 2)) for name, parts in sums.items()}


def gradient_alarm(norms: Mapping[str, Any], *, ratio: float = 1e3) -> str | None:
    """Whether gradients vanish or explode from the last layer to the first.

    Args:
      norms: of ``gradient_norms``, from the first layer to the last.
      ratio: between the first and the last that is too much, greater than 1.

    Returns:
      A sentence with the two layers and their norms, or None.

    Raises:
      ValueError: if there are fewer than two layers, or ratio is 1 or less.
    """
    if len(norms) < 2:
        raise ValueError(f"norms has {len(norms)} layers; allowed: two or more.")
    if not ratio > 1:
        raise ValueError(f"ratio is {ratio!r}; allowed: greater than 1.")
    (first, *_, last), values = norms, [float(value) for value in norms.values()]
    begin, end = values[0], values[-1]
    seen = f"{begin:.1e} in {first}, {end:.1e} in {last}"
    broken = [name for name, value in zip(norms, values, strict=True) if not value < float("inf")]
    if broken:
        return f"The gradient is not finite in {broken[0]}."
    if begin * ratio <= end:
        return f"Gradients vanish with depth: {seen}. Try batch normalisation, shortcuts, ReLU, He's initialisation."
    if begin >= ratio * end:
        return f"Gradients explode with depth: {seen}. Try clipping, normalisation, a smaller initial variance."
    return None
