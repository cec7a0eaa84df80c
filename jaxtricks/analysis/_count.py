"""What a network costs, layer by layer: parameters, multiply-accumulates, operations, bytes."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.extend.core import Literal

from jaxtricks.analysis._cost import _macs
from jaxtricks.analysis._walk import Walk, walk

REST = "(no parameters)"
ELEMENTWISE = frozenset(
    """abs add add_any atan2 cbrt cos div erf erf_inv exp exp2 expm1 integer_pow log log1p logistic max min mul neg pow
    rem rsqrt sign sin sqrt square sub tan tanh""".split()
)
REDUCTIONS = frozenset("reduce_max reduce_min reduce_prod reduce_sum argmax argmin".split())
WINDOWS = frozenset("reduce_window reduce_window_max reduce_window_min reduce_window_sum".split())


class LayerCost(NamedTuple):
    """What one layer costs.

    Fields:
      name: path of its parameters, such as ``stage1/0/last_conv``; ``(no parameters)`` for activations, pools, sums.
      kind: such as ``conv 3x3``, ``conv 3x3 /32`` in 32 groups, ``dense``; empty for what has no product.
      output: shape of what it computes; empty for the last row.
      parameters: numbers that are trained.
      macs: multiply-accumulates of convolutions and products.
      flops: floating-point operations: of a product of n terms 2 n - 1, and each sum, scale or function of an element.
      bytes: of the output.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int
    flops: int
    bytes: int


class Count(NamedTuple):
    """What a network costs.

    Fields:
      layers: in the order in which they run.
      parameters, macs, flops: the sums over layers.
      activation_bytes: of the outputs of all layers: about what training keeps for the way back.
      peak_bytes: of all that is held at one time, parameters included, if every equation writes a new array and frees
        what no later one needs. A compiler that fuses stays below.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    macs: int
    flops: int
    activation_bytes: int
    peak_bytes: int

    def table(self) -> str:
        """The layers as text, one a line, and the sums below."""
        head = ("layer", "kind", "output", "parameters", "MACs", "FLOPs", "bytes")
        rows: list[tuple[str, ...]] = [head]
        for layer in self.layers:
            shape = "x".join(map(str, layer.output))
            rows.append((layer.name, layer.kind, shape, *(f"{number:,}" for number in layer[3:])))
        sums = (self.parameters, self.macs, self.flops, self.activation_bytes)
        rows.append(("sum", "", "", *(f"{number:,}" for number in sums)))
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = []
        for row in rows:
            cells = [
                cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, f"peak {self.peak_bytes:,} bytes"])


def count(apply: Callable, params: Any, stats: Any, image: Any, *, train: bool = False) -> Count:
    r"""Parameters, multiply-accumulates, operations and bytes of a network, by layer, without running it.

    An equation belongs to the layer whose parameters it uses; what uses none (activations, pools, sums) is one row.
    A convolution of K taps over I channels, to N values, has :math:`K I N` multiply-accumulates and
    :math:`(2 K I - 1) N` operations, with a bias :math:`2 K I N`; positions in the padding count, as in the figures
    that papers print.

    Args:
      apply: ``(params, stats, image, train=) -> ((logits, taps), stats)``, the ``apply`` of a model.
      params: nested dicts of arrays, or of their shapes.
      stats: batch statistics, likewise.
      image: ``[B, H, W, C]``, an array or its shape; costs are those of this batch.
      train: count a forward pass of training instead, where normalisation takes statistics of the batch.

    Returns:
      The layers and their sums; ``.table()`` is text.

    Raises:
      ValueError: if the network refuses the image.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxtricks import analysis, models
      >>> model = models.perceptron((4,), size=6, classes=2)
      >>> params, stats = jax.eval_shape(model.init, jax.random.key(0))
      >>> cost = analysis.count(model.apply, params, stats, jax.ShapeDtypeStruct((1, 2, 3, 1), jnp.float32))
      >>> cost.parameters, cost.macs, [layer.flops for layer in cost.layers]
      (38, 32, [48, 16, 4])
    """
    traced = walk(partial(apply, train=train), params, stats, image)
    leaves = [*jax.tree.leaves_with_path((params, stats)), *[(None, leaf) for leaf in jax.tree.leaves(image)]]
    labels: dict[Any, str] = {}
    trained: Counter[str] = Counter()
    for value, (path, leaf) in zip(traced.inputs, leaves, strict=True):
        if path is None:
            continue
        name = jax.tree_util.keystr(path[1:-1], simple=True, separator="/")
        labels[value] = name
        trained[name] += leaf.size if path[0].idx == 0 else 0  # of statistics none is trained
    layers = _by_layer(traced, labels, trained)
    fields = ("parameters", "macs", "flops", "bytes")
    parameters, macs, flops, size = (sum(getattr(layer, field) for layer in layers) for field in fields)
    return Count(tuple(layers), parameters, macs, flops, size, _peak(traced))


def _by_layer(traced: Walk, labels: dict, parameters: Counter) -> list[LayerCost]:
    macs, flops, kinds, outputs = Counter(), Counter(), {}, {}
    for step in traced.steps:
        names = [labels[value] for value in step.inputs if not isinstance(value, Literal) and value in labels]
        name = names[-1] if names else REST
        macs[name] += _macs_of(step.equation)
        flops[name] += _flops(step.equation)
        if kind := _kind(step.equation):
            kinds.setdefault(name, kind)
        if names and all(isinstance(value, Literal) or value in labels for value in step.inputs):
            labels.update(dict.fromkeys(step.outputs, name))  # still a parameter: cast, reshaped, scaled
        else:
            outputs[name] = step.outputs[0].aval
    order = [name for name in outputs if name != REST]
    order += [name for name in parameters if name not in outputs]  # what no result depends on
    layers = []
    for name in order:
        shape = outputs[name].shape if name in outputs else ()
        size = _bytes(outputs[name]) if name in outputs else 0
        layers.append(LayerCost(name, kinds.get(name, ""), shape, parameters[name], macs[name], flops[name], size))
    return [*layers, LayerCost(REST, "", (), 0, macs[REST], flops[REST], 0)]


def _macs_of(equation) -> int:
    single = type("One", (), {"eqns": (equation,)})
    return _macs(single)


def _flops(equation) -> int:
    name, params = equation.primitive.name, equation.params
    out = equation.outvars[0].aval.size if equation.outvars else 0
    if name in ("dot_general", "conv_general_dilated"):
        return 2 * _macs_of(equation) - out
    if name in ELEMENTWISE:
        return out
    if name in REDUCTIONS:
        return equation.invars[0].aval.size - out
    if name in WINDOWS:
        return out * (math.prod(params["window_dimensions"]) - 1)
    inner = [part for value in params.values() for part in (value if isinstance(value, (tuple, list)) else (value,))]
    inner = [getattr(part, "jaxpr", part) for part in inner]
    inner = [sum(map(_flops, part.eqns)) for part in inner if hasattr(part, "eqns")]
    if name == "cond":
        return inner[-1] if params.get("branches_platforms") else max(inner)  # the default
    return sum(inner) * (params["length"] if name == "scan" else 1)


def _kind(equation) -> str:
    if equation.primitive.name == "dot_general":
        return "dense"
    if equation.primitive.name != "conv_general_dilated":
        return ""
    kernel, spec = equation.invars[1].aval.shape, equation.params["dimension_numbers"].rhs_spec
    groups = equation.params["feature_group_count"]
    return f"conv {'x'.join(str(kernel[d]) for d in spec[2:])}" + (f" /{groups}" if groups > 1 else "")


def _bytes(aval) -> int:
    return aval.size * aval.dtype.itemsize


def _peak(traced: Walk) -> int:
    """Bytes of all live values at the worst equation."""
    last: dict[Any, int] = {}
    for number, step in enumerate(traced.steps):
        last.update({value: number for value in step.inputs if not isinstance(value, Literal)})
    end = len(traced.steps)
    last.update({value: end for value in (*traced.outputs, *traced.inputs) if not isinstance(value, Literal)})
    ending: dict[int, list] = {}
    for value, number in last.items():
        ending.setdefault(number, []).append(value)
    held = sum(_bytes(value.aval) for value in dict.fromkeys(traced.inputs))
    peak = held
    for number, step in enumerate(traced.steps):
        held += sum(_bytes(value.aval) for value in step.outputs)
        peak = max(peak, held)
        held -= sum(_bytes(value.aval) for value in ending.get(number, ()))
        held -= sum(_bytes(value.aval) for value in step.outputs if value not in last)  # nobody needs it
    return peak
