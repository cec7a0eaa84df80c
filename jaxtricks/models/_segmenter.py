"""Networks that say a class for every pixel: FCN and PSPNet on the taps of any backbone, and a U-Net of its own."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.models import _layers as nets
from jaxtricks.models._functional import Model, functional
from jaxtricks.models._layers import HE_NORMAL, ConvNorm
from jaxtricks.models._plain import batch_norm


def segmenter(
    backbone: Model,
    *,
    taps: Sequence[str],
    classes: int,
    channels: int = 3,
    width: int | None = None,
    bins: Sequence[int] = (),
    auxiliary: str | None = None,
    tap_norm: Callable | None = None,
    dropout_rate: float = 0.0,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A class for every pixel from the maps of a backbone: FCN, or PSPNet with ``bins``, where a backbone is at hand.

    The head is a 3x3 convolution and a 1x1 classifier on the last map. Its logits are resized linearly to the next
    finer map, where a 1x1 classifier of that map is added, and in the end to the image. With a pyramid the 3x3
    convolution sees the map and, for each number of bins, the averages over so many times so many equal parts, after a
    1x1 convolution and resized to the map.

    Args:
      backbone: any model; its classifier is kept and gets no gradient. A ResNet with ``dilated`` has finer maps.
      taps: names of the backbone's maps, from fine to coarse; one for the FCN of dilated networks, three for FCN-8s.
      classes: C, an integer of 1 or more, the background among them.
      channels: of the image.
      width: of the 3x3 convolution, an integer of 1 or more; None for a quarter of the map's, as in the papers.
      bins: of the pyramid, integers of 1 or more, each once; (1, 2, 3, 6) in PSPNet, () for FCN.
      auxiliary: name of a map that gets a head of its own, whose loss trains the backbone below; or None.
      tap_norm: ``features -> layer``, called as ``layer(x)`` on every map before its head, such as
        ``layers.FeatureNorm`` for maps whose vectors differ in length; or None.
      dropout_rate: before the classifiers of these heads, 0 to 1; 0.1 in the papers' code.
      norm: ``(features, axis_name=, rngs=) -> layer``, called as ``layer(x, train=)``; None for biases instead.
      act: the activation.
      kernel_init: of all convolutions of the heads.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model: its output is logits ``[B, H, W, C]`` for images of any height and width that the backbone takes. The
      taps are those of the backbone and ``pixels``, ``[B, h, w, width]`` before the classifier; with an auxiliary head
      ``auxiliary``, its logits ``[B, H, W, C]``.

    Raises:
      ValueError: if an option is wrong, or the backbone has no such map.

    Example:
      >>> from jaxtricks import models
      >>> body = models.resnet(models.LAYOUTS["resnet_mini"], classes=1, dilated=2)
      >>> psp = models.segmenter(body, taps=("stage3",), classes=6, bins=(1, 2, 3, 6), auxiliary="stage2")
      >>> (logits, taps), _ = psp.apply(*psp.init(jax.random.key(0)), jnp.zeros((2, 20, 30, 3)), train=False)
      >>> logits.shape, taps["auxiliary"].shape, taps["pixels"].shape
      ((2, 20, 30, 6), (2, 20, 30, 6), (2, 10, 15, 32))

    Reference:
      Long et al., Fully convolutional networks for semantic segmentation, arXiv 1411.4038; Zhao et al., Pyramid scene
      parsing network, arXiv 1612.01105.
    """
    taps, bins = tuple(taps), tuple(bins)
    if not taps or len(set(taps)) < len(taps):
        raise ValueError(f"taps is {taps!r}; allowed: one name or more, each once.")
    if len(set(bins)) < len(bins):
        raise ValueError(f"bins is {bins}; allowed: different integers of 1 or more, or ().")
    for number in bins:
        check.at_least("bins", number, minimum=1)
    if width is not None:
        check.at_least("width", width, minimum=1)
    check.between("dropout_rate", dropout_rate, 0.0, 1.0)
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    depths = _depths(backbone, channels)
    if not set(taps) <= set(depths):
        raise ValueError(f"taps is {taps!r}; allowed: {', '.join(map(repr, depths))}.")
    if auxiliary is not None and auxiliary not in depths:
        raise ValueError(f"auxiliary is {auxiliary!r}; allowed: {', '.join(map(repr, depths))}, or None.")
    inputs = tuple(depths[name] for name in taps)
    if bins and inputs[-1] < len(bins):
        raise ValueError(f"bins is {bins}; allowed: at most {inputs[-1]}, the channels of {taps[-1]!r}.")
    sides = None if auxiliary is None else depths[auxiliary]
    head = functional(partial(_Heads, shared, inputs, sides, classes, width, bins, tap_norm, dropout_rate))

    def init(key):
        keys = jax.random.split(key)
        (body, of_body), (top, of_top) = backbone.init(keys[0]), head.init(keys[1])
        return {"backbone": body, "head": top}, {"backbone": of_body, "head": of_top}

    def apply(params, stats, image, *, train, key=None):
        (_, maps), of_body = backbone.apply(params["backbone"], stats["backbone"], image, train=train, key=key)
        levels = [maps[name] for name in taps], None if auxiliary is None else maps[auxiliary], image.shape[1:3]
        (logits, seen), of_head = head.apply(params["head"], stats["head"], levels, train=train, key=key)  # pyright: ignore[reportArgumentType]
        return (logits, maps | seen), {"backbone": of_body, "head": of_head}

    return Model(init, apply)  # pyright: ignore[reportArgumentType]


def unet(
    widths: Sequence[int],
    *,
    classes: int,
    channels: int = 3,
    norm: Callable | None = batch_norm,
    act: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable = HE_NORMAL,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> Model:
    """A class for every pixel from a network that goes down and up again: U-Net, for few images and sharp outlines.

    Each level has two 3x3 convolutions; 2x2 max pooling leads down, a transposed 2x2 convolution of stride 2 up, where
    the map of the same level on the way down stands beside. Where the paper's convolutions lose the border, these pad
    it; a size that is odd is rounded up on the way down and cut on the way up.

    Args:
      widths: channels of each level, from fine to coarse, two or more; (64, 128, 256, 512, 1024) in the paper.
      classes: C, an integer of 1 or more, the background among them.
      channels: of the image.
      norm: ``(features, axis_name=, rngs=) -> layer``, called as ``layer(x, train=)``; None for biases, as in the
        paper.
      act: the activation.
      kernel_init: of all convolutions.
      dtype: of the computation; parameters, normalisation and logits are float32.
      axis_name: mesh axis over which batch statistics are averaged, inside shard_map and pmap.

    Returns:
      The model: its output is logits ``[B, H, W, C]`` for images of any height and width. Taps: ``down1``, ``down2``,
      ..., the maps of the levels on the way down, and ``up1``, ..., on the way up; ``up1`` is what the classifier sees.

    Raises:
      ValueError: if an option is wrong.

    Example:
      >>> from jaxtricks import models
      >>> net = models.unet((4, 8), classes=3, channels=1)
      >>> (logits, taps), _ = net.apply(*net.init(jax.random.key(0)), jnp.zeros((2, 9, 12, 1)), train=False)
      >>> logits.shape, taps["down2"].shape, taps["up1"].shape
      ((2, 9, 12, 3), (2, 5, 6, 8), (2, 9, 12, 4))

    Reference:
      Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, arXiv 1505.04597.
    """
    widths = tuple(widths)
    nets.positive_widths("widths", widths)
    if len(widths) < 2:
        raise ValueError(f"widths is {widths}; allowed: two or more.")
    shared = nets.parts(
        classes=classes,
        channels=channels,
        norm=norm,
        act=act,
        kernel_init=kernel_init,
        dtype=dtype,
        axis_name=axis_name,
    )
    return functional(partial(_UNet, shared, widths, classes, channels))


class _Head(nnx.Module):
    """A 3x3 convolution, dropout, and a classifier of each position."""

    def __init__(self, parts, inputs, width, classes, dropout_rate, name, rngs):
        self.conv = ConvNorm(parts, inputs, width, 3, rngs=rngs)
        self.score = parts.conv(width, classes, (1, 1), rngs=rngs)
        self.rate, self.name = dropout_rate, name

    def __call__(self, x, train, key):
        pixels = self.conv(x, train)
        return nets.logits_of(self.score, nets.dropped(key, self.name, pixels, self.rate, train)), pixels


class _Heads(nnx.Module):
    """What stands on the maps of a backbone: the pyramid, the head, the finer maps' classifiers, the auxiliary head."""

    def __init__(self, parts, inputs, sides, classes, width, bins, tap_norm, dropout_rate, rngs):
        *finer, last = inputs
        self.scales = nnx.List([] if tap_norm is None else [tap_norm(n) for n in inputs])
        branch = last // len(bins) if bins else 0
        self.bins = bins
        self.pyramid = nnx.List([ConvNorm(parts, last, branch, 1, rngs=rngs) for _ in bins])
        wide = partial(_Head, parts, classes=classes, dropout_rate=dropout_rate, rngs=rngs)
        joint = last + branch * len(bins)
        self.main = wide(joint, width=_quarter(last) if width is None else width, name="pixels")
        self.finer = nnx.List([parts.conv(n, classes, (1, 1), rngs=rngs) for n in finer])
        self.auxiliary = None if sides is None else wide(sides, width=_quarter(sides), name="auxiliary")

    def __call__(self, levels, *, train, key=None):
        maps, side, size = levels
        if self.scales:
            maps = [scale(x) for scale, x in zip(self.scales, maps, strict=True)]
        x = maps[-1]
        averages = [
            resized(conv(nets.adaptive_average_pool(x, number), train), x.shape[1:3])
            for number, conv in zip(self.bins, self.pyramid, strict=True)
        ]
        logits, pixels = self.main(jnp.concatenate([x, *averages], -1), train, key)
        for level, score in zip(reversed(maps[:-1]), reversed(self.finer), strict=True):
            logits = resized(logits, level.shape[1:3]) + nets.logits_of(score, level)
        seen = {"pixels": pixels}
        if self.auxiliary is not None:
            seen["auxiliary"] = resized(self.auxiliary(side, train, key)[0], size)
        return (resized(logits, size), seen)


class _Up(nnx.Module):
    """A transposed 2x2 convolution of stride 2: four pixels from each, which never overlap."""

    def __init__(self, parts, inputs, outputs, rngs):
        self.conv = parts.conv(inputs, 4 * outputs, (1, 1), use_bias=False, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(self, x):
        batch, height, width, _ = x.shape
        four = self.conv(x).reshape(batch, height, width, 2, 2, -1).transpose(0, 1, 3, 2, 4, 5)
        out = four.reshape(batch, 2 * height, 2 * width, -1)
        return out + self.bias[...].astype(out.dtype)[None, None, None]


class _UNet(nnx.Module):
    def __init__(self, parts, widths, classes, channels, rngs):
        self.parts, self.channels = parts, channels
        layer = partial(ConvNorm, parts, rngs=rngs)
        for number, (inputs, width) in enumerate(pairwise((channels, *widths)), 1):
            setattr(self, f"down{number}", nnx.List([layer(inputs, width, 3), layer(width, width, 3)]))
        for number, (width, coarser) in enumerate(pairwise(widths), 1):
            setattr(self, f"grow{number}", _Up(parts, coarser, width, rngs=rngs))
            setattr(self, f"up{number}", nnx.List([layer(2 * width, width, 3), layer(width, width, 3)]))
        self.levels = len(widths)
        self.head = parts.conv(widths[0], classes, (1, 1), rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x, taps = nets.begin(image, self.channels, self.parts.dtype), {}
        for number in range(1, self.levels + 1):
            x = x if number == 1 else nets.max_pool(x, 2, 2, ceil=True)
            x = taps[f"down{number}"] = nets.through(x, getattr(self, f"down{number}"), train)
        for number in range(self.levels - 1, 0, -1):
            same = taps[f"down{number}"]
            grown = getattr(self, f"grow{number}")(x)[:, : same.shape[1], : same.shape[2]]
            both = jnp.concatenate([same, grown], -1)
            x = taps[f"up{number}"] = nets.through(both, getattr(self, f"up{number}"), train)
        return nets.logits_of(self.head, x), taps


def resized(maps: jax.Array, size: tuple[int, int]) -> jax.Array:
    """``[B, h, w, D]`` at another height and width, linearly, with the centres of pixels at halves."""
    shape = (maps.shape[0], *size, maps.shape[-1])
    return maps if maps.shape == shape else jax.image.resize(maps, shape, "linear", antialias=False)


def _quarter(depth: int) -> int:
    return max(1, depth // 4)


def _depths(backbone: Model, channels: int) -> dict[str, int]:
    """The channels of each map of a backbone; nothing is computed."""
    params, stats = jax.eval_shape(backbone.init, jax.random.key(0))
    image: Any = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
    (_, maps), _ = jax.eval_shape(partial(backbone.apply, train=False), params, stats, image)
    return {name: value.shape[-1] for name, value in maps.items() if value.ndim == 4}
