"""A one-shot detector on the taps of any backbone: a feature pyramid, and one head for all of its levels."""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._conv_gradient import conv as convolve
from jaxtricks.models._functional import Model, functional

HEAD = jax.nn.initializers.normal(0.01)


def detector(
    backbone: Model,
    *,
    taps: Sequence[str],
    classes: int,
    channels: int = 3,
    width: int = 64,
    depth: int = 2,
    anchors: int = 1,
    centered: bool = False,
    prior: float = 0.01,
    dtype: jnp.dtype = jnp.float32,
) -> Model:
    """Scores and boxes for every cell of the maps of a backbone: RetinaNet's form, or FCOS's with ``centered``.

    The maps go through a feature pyramid (1x1 convolutions, coarser maps doubled and added, 3x3 convolutions), then
    through two towers of 3x3 convolutions with group normalisation that all levels share.

    Args:
      backbone: any model; its classifier is kept and gets no gradient.
      taps: names of the backbone's maps, from fine to coarse, each half the size of the one before.
      classes: C, an integer of 1 or more.
      channels: of the image.
      width: channels of the pyramid and the towers, a multiple of 8.
      depth: convolutions of a tower, an integer of 0 or more; 4 in the papers.
      anchors: a cell, an integer of 1 or more.
      centered: whether there is a third output, the logit of the centre-ness.
      prior: probability of an object that every score starts with, which keeps the focal loss small at first.
      dtype: of the computation.

    Returns:
      The model: its output is a dict of ``score``, logits ``[B, A, C]``, and ``box``, ``[B, A, 4]``, over all cells by
      level, row, column and anchor; with ``center``, ``[B, A]``, if centered. The taps are those of the backbone and
      ``pyramid1``, ``pyramid2``, ...

    Raises:
      ValueError: if an option is wrong.

    Reference:
      Lin et al., Feature pyramid networks for object detection, arXiv 1612.03144; Lin et al., Focal loss for dense
      object detection, arXiv 1708.02002; Tian et al., FCOS, arXiv 1904.01355.
    """
    taps = tuple(taps)
    if not taps or not all(isinstance(name, str) for name in taps):
        raise ValueError(f"taps is {taps!r}; allowed: one name or more.")
    for name, value, minimum in (("classes", classes, 1), ("depth", depth, 0), ("anchors", anchors, 1)):
        check.at_least(name, value, minimum=minimum)
    if check.at_least("width", width, minimum=8) % 8:
        raise ValueError(f"width is {width}; allowed: a multiple of 8.")
    check.positive("prior", prior)
    check.between("prior", prior, 0.0, 0.5)
    params, stats = jax.eval_shape(backbone.init, jax.random.key(0))
    image = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
    (_, maps), _ = jax.eval_shape(partial(backbone.apply, train=False), params, stats, image)
    missing = [name for name in taps if name not in maps]
    if missing:
        raise ValueError(f"taps is {taps!r}; allowed: {', '.join(map(repr, maps))}.")
    inputs = tuple(maps[name].shape[-1] for name in taps)
    head = functional(partial(_Head, inputs, classes, width, depth, anchors, centered, prior, dtype))

    def init(key):
        keys = jax.random.split(key)
        (body, of_body), (top, of_top) = backbone.init(keys[0]), head.init(keys[1])
        return {"backbone": body, "head": top}, {"backbone": of_body, "head": of_top}

    def apply(params, stats, image, *, train, key=None):
        (_, maps), of_backbone = backbone.apply(params["backbone"], stats["backbone"], image, train=train, key=key)
        levels = [maps[name] for name in taps]
        (out, pyramid), of_head = head.apply(params["head"], stats["head"], levels, train=train)
        return (out, maps | pyramid), {"backbone": of_backbone, "head": of_head}

    return Model(init, apply)  # pyright: ignore[reportArgumentType]


class _Tower(nnx.Module):
    """3x3 convolutions with group normalisation and ReLU."""

    def __init__(self, width, depth, dtype, rngs):
        conv = partial(
            nnx.Conv,
            width,
            width,
            (3, 3),
            padding=1,
            use_bias=False,
            kernel_init=HEAD,
            dtype=dtype,
            conv_general_dilated=convolve,
        )
        self.convs = nnx.List([conv(rngs=rngs) for _ in range(depth)])
        self.norms = nnx.List([nnx.GroupNorm(width, num_groups=8, rngs=rngs) for _ in range(depth)])

    def __call__(self, x):
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = jax.nn.relu(norm(conv(x)))
        return x


class _Head(nnx.Module):
    def __init__(self, inputs, classes, width, depth, anchors, centered, prior, dtype, rngs):
        conv = partial(nnx.Conv, dtype=dtype, rngs=rngs, conv_general_dilated=convolve)
        self.lateral = nnx.List([conv(n, width, (1, 1)) for n in inputs])
        self.smooth = nnx.List([conv(width, width, (3, 3), padding=1) for _ in inputs])
        self.score_tower = _Tower(width, depth, dtype, rngs)
        self.box_tower = _Tower(width, depth, dtype, rngs)
        last = partial(conv, kernel_size=(3, 3), padding=1, kernel_init=HEAD)
        rare = jax.nn.initializers.constant(-math.log((1 - prior) / prior))
        self.score = last(width, anchors * classes, bias_init=rare)
        self.box = last(width, anchors * 4)
        self.center = last(width, anchors) if centered else None
        self.anchors, self.classes = anchors, classes

    def __call__(self, levels, *, train, key=None):
        x, maps = None, {}
        for number in reversed(range(len(levels))):
            lateral = self.lateral[number](levels[number])
            if x is not None:
                check.same_shape("a level", lateral, "the coarser one, doubled", _doubled(x))
                lateral = lateral + _doubled(x)
            x = lateral
            maps[f"pyramid{number + 1}"] = self.smooth[number](x)
        outputs = [self._outputs(maps[f"pyramid{number + 1}"]) for number in range(len(levels))]
        return {name: jnp.concatenate([out[name] for out in outputs], 1) for name in outputs[0]}, maps

    def _outputs(self, x):
        scores, boxes = self.score_tower(x), self.box_tower(x)
        batch = x.shape[0]
        out = {
            "score": self.score(scores).reshape(batch, -1, self.classes),
            "box": self.box(boxes).reshape(batch, -1, 4),
        }
        if self.center is not None:
            out["center"] = self.center(boxes).reshape(batch, -1)
        return {name: value.astype(jnp.float32) for name, value in out.items()}


def _doubled(x: jax.Array) -> jax.Array:
    return x.repeat(2, 1).repeat(2, 2)
