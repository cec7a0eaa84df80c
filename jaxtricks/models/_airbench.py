"""The network of the CIFAR-10 speed records: frozen whitening, convolutions that start as the identity."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._conv_gradient import conv
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._plain import batch_norm

AIRBENCH94 = (64, 256, 256)
NORM = partial(batch_norm, momentum=0.6, epsilon=1e-12, use_scale=False)
GELU = partial(jax.nn.gelu, approximate=False)
LECUN_UNIFORM = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")  # torch's default


def _identity(inner: Callable, key: jax.Array, shape: tuple[int, ...], dtype=jnp.float32) -> jax.Array:
    """The first I of the O filters pass one input each; the others are drawn."""
    rows, columns, inputs, outputs = shape
    kernel = inner(key, shape, dtype)
    first = min(inputs, outputs)
    passing = jnp.zeros((rows, columns, inputs, first), dtype)
    passing = passing.at[rows // 2, columns // 2, jnp.arange(first), jnp.arange(first)].set(1)
    return kernel.at[..., :first].set(passing)


def airbench(
    widths: tuple[int, ...],
    *,
    classes: int,
    channels: int = 3,
    scale: float = 1 / 9,
    frozen: bool = True,
    identity: bool = True,
    norm: Callable | None = NORM,
    act: Callable[[jax.Array], jax.Array] = GELU,
    kernel_init: Callable = LECUN_UNIFORM,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """Keller Jordan's eight-layer network for images of 28x28 to 32x32, made to learn in a few epochs.

    Its first layer whitens patches of 2x2: start it with ``init.patch_whitening``; its kernel gets no gradient where it
    is frozen, its bias does. The normalisations have no gamma, unless ``norm`` is another. Its recipe trains their
    biases at 64 times the rate: ``optim.layer_rates``.

    Args:
      widths: channels of the blocks of two 3x3 convolutions; ``AIRBENCH94`` is the published one. The first convolution
        of each is followed by a 2x2 max pool.
      classes: number of classes, C >= 1.
      channels: of the input image.
      scale: of the logits, greater than 0.
      frozen: whether the kernel of the first layer stays as it is.
      identity: whether the other convolutions start as the identity, as far as they have filters for it.
      norm: ``(features, axis_name=, rngs=) -> layer``; None for biases.
      act: the activation.
      kernel_init: of every convolution and of the classifier.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model. Taps: ``whiten``, ``stage1``, ... ``[B, H, W, D]``, ``features`` ``[B, D]``, maxima of the last 3x3.

    Raises:
      ValueError: if a width, the scale or ``classes`` is out of range; when called, if the image is too small.

    Reference:
      Jordan, 94 % on CIFAR-10 in 3.29 seconds on a single GPU, arXiv 2404.00498.
    """
    nets.positive_widths("widths", widths)
    check.positive("scale", scale)
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    dense = shared.dense
    if identity:
        shared = shared._replace(conv=partial(shared.conv, kernel_init=partial(_identity, kernel_init)))
    whiten = partial(nnx.Conv, kernel_init=kernel_init, dtype=dtype, conv_general_dilated=conv)
    return functional(partial(_Airbench, shared, dense, whiten, widths, classes, channels, scale, frozen))


class _Half(nnx.Module):
    """A convolution, a pool or none, a normalisation without gamma, an activation."""

    def __init__(self, parts, inputs, outputs, pool, rngs):
        self.conv = parts.conv(inputs, outputs, (3, 3), padding=1, use_bias=parts.norm is None, rngs=rngs)
        self.bn = None if parts.norm is None else parts.norm(outputs, rngs=rngs)
        self.pool, self.act = pool, parts.act

    def __call__(self, x, train):
        x = self.conv(x)
        x = nets.max_pool(x, 2, 2) if self.pool else x
        return self.act(x if self.bn is None else self.bn(x, train=train))


class _Airbench(nnx.Module):
    def __init__(self, parts, dense, whiten, widths, classes, channels, scale, frozen, rngs):
        self.parts, self.channels, self.scale, self.stages = parts, channels, scale, len(widths)
        self.frozen = frozen
        inputs = 2 * channels * 4  # both signs of every direction of a patch
        self.whiten = whiten(channels, inputs, (2, 2), padding=0, rngs=rngs)
        for number, width in enumerate(widths, 1):
            halves = [_Half(parts, inputs, width, True, rngs), _Half(parts, width, width, False, rngs)]
            setattr(self, f"stage{number}", nnx.List(halves))
            inputs = width
        self.head = dense(inputs, classes, use_bias=False, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = nets.begin(image, self.channels, self.parts.dtype)
        nets.fits(x, (2, 2))
        if self.frozen:
            self.whiten.kernel[...] = jax.lax.stop_gradient(self.whiten.kernel[...])
        taps = {}
        x = taps["whiten"] = self.parts.act(self.whiten(x))
        for number in range(1, self.stages + 1):
            x = taps[f"stage{number}"] = nets.through(x, getattr(self, f"stage{number}"), train)
        features = taps["features"] = nets.max_pool(x, 3, 3).max((1, 2)).astype(jnp.float32)
        return nets.logits_of(self.head, features) * self.scale, taps
