"""Initialisers of a kernel: ``(key, shape, dtype) -> array``, as in ``jax.nn.initializers``."""

from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp

from jaxtricks import check

Initializer = Callable[..., jax.Array]  # (key, shape, dtype) -> array


def xavier_normal() -> Initializer:
    r"""Normal weights that keep the variance of signals and gradients in a linear layer.

    .. math:: W \sim N(0, 2 / (n_\mathrm{in} + n_\mathrm{out}))

    ``jax.nn.initializers.glorot_normal`` has the same variance but cuts the normal at two standard deviations.

    Returns:
      ``(key, shape, dtype=float32) -> array``; the last two axes of the shape are input and output, the others the
      receptive field.

    Reference:
      Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
    """
    return jax.nn.initializers.variance_scaling(1.0, "fan_avg", "normal")


def he_normal(*, mode: Literal["fan_in", "fan_out"] = "fan_in") -> Initializer:
    r"""Normal weights that keep the variance of signals (fan_in) or gradients (fan_out) through layers with ReLU.

    .. math:: W \sim N(0, 2 / n)

    Equal to torch's ``kaiming_normal_``; ``jax.nn.initializers.he_normal`` cuts the normal at two standard deviations.

    Args:
      mode: ``"fan_in"``, n is inputs times receptive field; ``"fan_out"``, outputs times receptive field.

    Returns:
      ``(key, shape, dtype=float32) -> array``; the last two axes of the shape are input and output, the others the
      receptive field.

    Raises:
      ValueError: if mode is neither of the two.

    Reference:
      He et al., Delving deep into rectifiers, arXiv 1502.01852.
    """
    check.option("mode", mode, ("fan_in", "fan_out"))
    return jax.nn.initializers.variance_scaling(2.0, mode, "normal")


def dirac(*, groups: int = 1, rest: Initializer = jax.nn.initializers.zeros) -> Initializer:
    """A kernel that copies its input: output channel i is input channel i.

    The kernel is 1 where the output channel's number within its group equals the input channel's, at element
    ``size // 2`` of the window, and 0 elsewhere: the identity at stride 1 and padding ``size // 2`` for odd sizes.

    Args:
      groups: of the convolution, 1 or more; each copies its own input channels.
      rest: initialiser of the output channels of a group beyond its input channels.

    Returns:
      ``(key, shape, dtype=float32) -> array``; shape ``[..., C / groups, D]``; ValueError unless groups divides D.

    Raises:
      ValueError: if groups is no integer of 1 or more.

    Reference:
      Zagoruyko and Komodakis, DiracNets, arXiv 1706.00388; with another ``rest``: Jordan, 94% on CIFAR-10 in 3.29
      seconds on a single GPU, arXiv 2404.00498.
    """
    groups = check.at_least("groups", groups, minimum=1)

    def init(key: jax.Array, shape: Sequence[int], dtype=jnp.float32) -> jax.Array:
        if len(shape) < 2 or shape[-1] % groups:
            raise ValueError(f"shape is {tuple(shape)}; allowed: rank 2 or more, the last a multiple of {groups}.")
        *window, inputs, outputs = shape
        kernel = rest(key, tuple(shape), dtype).reshape(*window, inputs, groups, outputs // groups)
        copied = jnp.arange(min(inputs, outputs // groups))[:, None]
        centre = (*(size // 2 for size in window), copied, jnp.arange(groups)[None, :], copied)
        return kernel.at[..., : len(copied)].set(0).at[centre].set(1).reshape(shape)

    return init


def patch_whitening(images: jax.Array, *, window: int, eps: float) -> jax.Array:
    r"""A kernel whose responses to the patches of some images are uncorrelated, with unit variance.

    .. math:: K = [V \Lambda_\epsilon^{-1/2}, -V \Lambda_\epsilon^{-1/2}], \quad \Lambda_\epsilon = \Lambda + \epsilon I

    from the covariance :math:`V \Lambda V^T` of all patches, largest variance first. Both signs, for the ReLU that
    follows. The mean is not subtracted: zero-centre the images, or let the layer's bias learn it.

    Args:
      images: ``[N, H, W, C]``, floating point, as the network sees them; some thousand are enough.
      window: side of a patch, 1 to min(H, W).
      eps: added to each variance, greater than 0; keeps the noise of flat directions small.

    Returns:
      ``[window, window, C, 2 * window**2 * C]``, float32 or wider; usually kept out of training.

    Raises:
      ValueError: if images has another rank, no element or no floating point, or an option lies outside its range.

    Reference:
      Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv 2404.00498.
    """
    check.rank("images", images, 4)
    check.floating("images", images)
    count, height, width, channels = images.shape
    if not count * channels:
        raise ValueError(f"images has shape {images.shape}; allowed: no empty axis.")
    window = check.at_least("window", window, minimum=1)
    check.between("window", window, 1, min(height, width))
    check.positive("eps", eps)
    images = images.astype(jnp.promote_types(images.dtype, jnp.float32))
    rows, columns = height - window + 1, width - window + 1
    shifts = [images[:, y : y + rows, x : x + columns] for y in range(window) for x in range(window)]
    patches = jnp.stack(shifts, axis=3).reshape(-1, window * window * channels)
    patches -= patches.mean(0, keepdims=True)
    covariance = jnp.matmul(patches.T, patches, precision=jax.lax.Precision.HIGHEST) / len(patches)
    variance, vectors = jnp.linalg.eigh(covariance)
    filters = (vectors / jnp.sqrt(jnp.maximum(variance, 0) + eps)[None, :])[:, ::-1]
    return jnp.concatenate([filters, -filters], axis=1).reshape(window, window, channels, -1)
