"""The receptive field of every tap of a network, by formula, read from its equations."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax.extend.core import Literal

from jaxtricks import check
from jaxtricks.analysis._shapes import ReceptiveField
from jaxtricks.analysis._walk import walk

Pair = tuple[ReceptiveField, ReceptiveField]  # of rows, of columns
AXES = (1, 2)  # of rows and columns in [B, H, W, C]
ORDERED = frozenset(
    "sort gather scatter dynamic_slice dynamic_update_slice cumsum transpose fft while scan cond".split()
)


def receptive_fields(apply: Callable, params: Any, stats: Any, image: Any) -> dict[str, Pair]:
    """Which rows and columns of the image one position of every tap sees, through all branches of a network.

    Convolutions, pools, padding and slices are followed as ``receptive_field`` follows a list of windows; where
    branches meet, the field reaches from the first to the last pixel that one of them sees. What depends on a global
    average sees the image: its stride is 0.

    Args:
      apply: ``(params, stats, image, train=) -> ((logits, taps), stats)``, the ``apply`` of a model.
      params: nested dicts of arrays, or of their shapes.
      stats: batch statistics, likewise.
      image: ``[B, H, W, C]``, an array or its shape. The fields do not depend on H and W, if the network takes it.

    Returns:
      ``{tap: (rows, columns)}``.

    Raises:
      ValueError: if the network refuses the image, or moves pixels in a way that has no such field.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxtricks import analysis, models
      >>> model = models.plain((4, 8), classes=2)
      >>> params, stats = jax.eval_shape(model.init, jax.random.key(0))
      >>> image = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
      >>> fields = analysis.receptive_fields(model.apply, params, stats, image)
      >>> fields["stage2"][0]  # 3x3, pool 2x2, 3x3
      ReceptiveField(size=8, stride=2, first=-3)

    Reference:
      Araujo et al., Computing receptive fields of convolutional neural networks, Distill, 2019.
    """
    check.rank("image", image, 4)
    everything = (ReceptiveField(image.shape[1], 0, 0), ReceptiveField(image.shape[2], 0, 0))
    traced = walk(partial(apply, train=False), params, stats, image)
    fields: dict[Any, Pair] = {traced.inputs[-1]: (ReceptiveField(1, 1, 0), ReceptiveField(1, 1, 0))}
    for step in traced.steps:
        seen = [(value, fields[value]) for value in step.inputs if not isinstance(value, Literal) and value in fields]
        if seen:
            field = _after(step.equation, seen, everything)
            fields.update(dict.fromkeys(step.outputs, field))
    (_, taps), _ = jax.tree.unflatten(traced.tree, traced.outputs)
    return {name: fields[value] for name, value in taps.items()}


def _after(equation, seen: list, everything: Pair) -> Pair:
    """The field of an equation's result."""
    name, params = equation.primitive.name, equation.params
    shape, out = seen[0][0].aval.shape, equation.outvars[0].aval.shape
    first = seen[0][1]
    if name == "conv_general_dilated":
        spec, kernel = params["dimension_numbers"], equation.invars[1].aval.shape
        if spec.lhs_spec[2:] != AXES or set(params["lhs_dilation"]) != {1}:
            raise ValueError("the network has a transposed convolution; allowed: convolutions of [B, H, W, C].")
        sizes = [kernel[d] for d in spec.rhs_spec[2:]]
        numbers = zip(first, sizes, params["window_strides"], params["padding"], params["rhs_dilation"], strict=True)
        return tuple(_window(*row) for row in numbers)  # pyright: ignore[reportReturnType]
    if name.startswith("reduce_window"):
        rows = zip(
            first,
            *(params[key][1:3] for key in ("window_dimensions", "window_strides", "padding", "window_dilation")),
            strict=True,
        )
        return tuple(_window(*row) for row in rows)  # pyright: ignore[reportReturnType]
    if name == "pad":
        low = [params["padding_config"][axis][0] for axis in AXES]
        return tuple(f._replace(first=f.first - before * f.stride) for f, before in zip(first, low, strict=True))  # pyright: ignore[reportReturnType]
    if name == "slice":
        steps = params["strides"] or (1,) * len(shape)
        rows = zip(first, params["start_indices"][1:3], steps[1:3], strict=True)
        return tuple(_window(f, 1, step, (-start, 0), 1) for f, start, step in rows)  # pyright: ignore[reportReturnType]
    if name == "concatenate" and params["dimension"] in AXES:
        return _joined(params["dimension"], seen)
    if name in ORDERED or (name == "reshape" and len(shape) == len(out) == 4 and shape[1:3] != out[1:3]):
        raise ValueError(f"the network has {name} of pixels; allowed: convolutions, pools, padding, slices, sums.")
    if len(shape) == 4 and (len(out) < 4 or out[1:3] == (1, 1) != shape[1:3]):
        return everything  # reduced or flattened
    field = first
    for _, other in seen[1:]:
        field = tuple(map(_union, field, other))
    return field  # pyright: ignore[reportReturnType]


def _window(field: ReceptiveField, size: int, step: int, padding: tuple[int, int], dilation: int) -> ReceptiveField:
    before = field.first - padding[0] * field.stride
    return ReceptiveField(field.size + dilation * (size - 1) * field.stride, field.stride * step, before)


def _union(one: ReceptiveField, other: ReceptiveField) -> ReceptiveField:
    """From the first to the last pixel of both."""
    if 0 in (one.stride, other.stride):
        return min(one, other, key=lambda field: field.stride)
    if one.stride != other.stride:
        raise ValueError(f"the network adds maps of stride {one.stride} and {other.stride}; allowed: of one stride.")
    first = min(one.first, other.first)
    return ReceptiveField(max(one.first + one.size, other.first + other.size) - first, one.stride, first)


def _joined(axis: int, seen: list) -> Pair:
    """A map with reflected rows or columns around it: the field of the map, moved."""
    sizes = [value.aval.shape[axis] for value, _ in seen]
    largest = sizes.index(max(sizes))
    fields = list(seen[largest][1])
    field = fields[axis - 1]
    fields[axis - 1] = field._replace(first=field.first - sum(sizes[:largest]) * field.stride)
    return tuple(fields)  # pyright: ignore[reportReturnType]
