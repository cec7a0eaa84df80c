"""The convolution of every model: XLA's, with forms and gradients that a CPU and a GPU compute fast."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxtricks import check
from jaxtricks.layers._sharding import explicit

CHUNK = 16  # images in one step of the filter gradient's loop, at most,
WHOLE = 64  # and in a batch without a loop, at most: in a loop's body, devices that share a batch wait for each other
WIDE = (
    8,
    32,
)  # channels of the fast forms, the fewer and the more. Narrower ones were slower (16 -> 16: 1.5 times), and
# their sums over positions would be split over the threads, so that the last bits would depend on their number.
FEW = (16, 48)  # channels: up to which a CPU's fast convolution wants more, and of outputs, from which it wants none
COLUMNS = 32  # of a kernel of few channels, rows times columns times channels, at most
NHWC = ("NHWC", "HWIO", "NHWC")
Pairs = tuple[tuple[int, int], tuple[int, int]]


class _Options(NamedTuple):
    strides: tuple[int, int]
    padding: Pairs
    precision: Any
    wide: Any  # preferred_element_type


def conv(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = NHWC,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> jax.Array:
    r"""``jax.lax.conv_general_dilated`` with fast gradients on CPU and GPU, for ``nnx.Conv(conv_general_dilated=)``.

    .. math:: y_{b,i,j,d} = \sum_{u,v,c} x_{b,\,s i + u - p,\,s j + v - p,\,c} K_{u,v,c,d}

    The numbers are XLA's to rounding, in every derivative, forward and reverse. What differs:

    - a kernel of 1 x 1 without padding is one matrix product, forward and in both gradients, on CPU and GPU;
    - so is, on a GPU, one that sees few channels, up to 32 numbers, such as 3 x 3 of three colours: they are laid out
      under each position;
    - on a CPU the gradient of a larger one is summed over chunks of up to 16 images, one a step of a loop, where the
      batch has more than 64: it becomes the channel axis of a convolution, and what that moves fits into a cache;
    - there few channels get others that are zero, with which XLA takes its fast convolution: those that are no multiple
      of four, and, where the program has several CPU devices, up to 16;
    - there both gradients are laid out as the fast convolution wants them. XLA does that by itself in the main program,
      but not in the body of a loop, such as an accumulation over microbatches, where it is some ten times slower.

    All else is XLA's own: on a CPU the gradient of kernels of fewer than 8 channels on one side or 32 on the other;
    groups, dilations, another rank or order of axes, arrays on a mesh with explicit axes; other devices. Under ``vmap``
    with a kernel an example, such as several seeds at once, larger kernels become XLA's grouped convolution as ever.

    Args:
      x: ``[B, H, W, C]``, floating point.
      kernel: K, ``[rows, columns, C, D]``, the dtype of x.
      strides: s, of rows and columns.
      padding: p, zeros before and after rows and columns; negative ones crop; or ``"SAME"``, ``"VALID"``.
      lhs_dilation, rhs_dilation, dimension_numbers, feature_group_count, batch_group_count, precision,
        preferred_element_type, out_sharding: as of ``jax.lax.conv_general_dilated``.

    Returns:
      ``[B, H', W', D]``.

    Raises:
      ValueError: if an array is not of floating point.
      ValueError, TypeError: as ``jax.lax.conv_general_dilated``.

    Example:
      >>> x, kernel = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 5))
      >>> conv(x, kernel, (1, 1), "VALID").shape
      (1, 2, 2, 5)
    """
    for name, array in (("x", x), ("kernel", kernel)):
        check.min_rank(name, array, 2)
        check.floating(name, array)
    check.rank("x", x, jnp.ndim(kernel))
    if isinstance(padding, str):
        check.option("padding", padding.upper(), ("SAME", "SAME_LOWER", "VALID"))
    usual = (
        jnp.ndim(x) == jnp.ndim(kernel) == 4
        and feature_group_count == batch_group_count == 1
        and all(factor == 1 for dilation in (lhs_dilation, rhs_dilation) for factor in dilation or ())
        and out_sharding is None
        and not explicit(x, kernel)
        and lax.conv_dimension_numbers(x.shape, kernel.shape, dimension_numbers)
        == lax.conv_dimension_numbers(x.shape, kernel.shape, NHWC)
    )
    if usual:
        check.shape("x", x, (None, None, None, kernel.shape[2]))
    if not usual:
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            padding,
            lhs_dilation,
            rhs_dilation,
            dimension_numbers,
            feature_group_count,
            batch_group_count,
            precision,
            preferred_element_type,
            out_sharding,
        )
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    (top, bottom), (left, right) = padding
    (down, across) = strides
    options = _Options((down, across), ((top, bottom), (left, right)), precision, preferred_element_type)
    shape = jax.eval_shape(partial(_by_xla, options), x, kernel).shape  # its errors are XLA's
    return _conv(options, x, kernel) if math.prod(shape) else _by_xla(options, x, kernel)


def _by_xla(options: _Options, x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        options.strides,
        options.padding,
        dimension_numbers=NHWC,
        precision=options.precision,
        preferred_element_type=options.wide,
    )


def _product(options: _Options, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution of 1x1, as a product of matrices: more axes would be moved before the product of the gradient."""
    down, across = options.strides
    x = x[:, ::down, ::across]
    y = lax.dot_general(
        x.reshape(math.prod(x.shape[:3]), x.shape[3]),
        kernel[0, 0],
        (((1,), (0,)), ((), ())),
        precision=options.precision,
        preferred_element_type=options.wide,
    )
    return y.reshape(*x.shape[:3], y.shape[1])


def _of_columns(options: _Options, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution of few channels as a product of matrices: under each position all that the kernel sees."""
    (rows, columns, inputs, outputs), (down, across) = kernel.shape, options.strides
    (top, bottom), (left, right) = options.padding
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0)))
    height, width = (x.shape[1] - rows) // down + 1, (x.shape[2] - columns) // across + 1
    seen = [
        x[:, i : i + (height - 1) * down + 1 : down, j : j + (width - 1) * across + 1 : across]
        for i in range(rows)
        for j in range(columns)
    ]
    empty = COLUMNS - rows * columns * inputs  # the units of matrix products take columns by the eight
    seen = jnp.concatenate([*seen, jnp.zeros((*seen[0].shape[:3], empty), x.dtype)], axis=-1)
    wide = jnp.pad(kernel.reshape(-1, outputs), ((0, empty), (0, 0)))
    return _product(options._replace(strides=(1, 1)), seen, wide[None, None])


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _conv(options: _Options, x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _on_platform(options, _platforms(options, kernel, None), x, kernel)


def _on_platform(options: _Options, forms: dict[str, Callable], x: jax.Array, kernel: jax.Array) -> jax.Array:
    xla = partial(_by_xla, options)
    return lax.platform_dependent(x, kernel, default=xla, **forms) if forms else xla(x, kernel)


def _platforms(options: _Options, kernel: jax.Array, on_cpu: Callable | None) -> dict[str, Callable]:
    """What is faster than XLA's convolution, by platform: the default, which programs that read a network follow."""
    if _is_product(options, kernel):
        return dict.fromkeys(("cuda",) if _is_narrow(kernel) else ("cpu", "cuda"), partial(_product, options))
    forms = {"cuda": partial(_of_columns, options)} if _is_of_columns(kernel) else {}
    if on_cpu is not None and not _is_narrow(kernel):
        forms["cpu"] = partial(on_cpu, options)
    elif on_cpu is not _for_kernel and _channels(kernel) != kernel.shape[2:]:
        forms["cpu"] = partial(_padded, options)
    return forms


def _channels(kernel: jax.Array) -> tuple[int, int]:
    """With how many channels a CPU computes the convolution fastest: with as many, or with more that are zero.

    XLA's fast convolution wants more than 16 on one side and, where outputs are few, inputs by the four. It computes on
    one core. The other one, of fewer channels, computes on all that a device has, and takes longer where that is one.
    """
    (rows, columns, inputs, outputs) = kernel.shape
    if rows == columns == 1:
        return inputs, outputs
    wide = inputs if inputs == 1 or outputs >= FEW[1] else -(-inputs // 4) * 4
    if max(wide, outputs) > FEW[0]:
        return wide, outputs
    cores = jax.default_backend() == "cpu" and jax.device_count() > 1
    return (wide, FEW[0] + 4) if cores else (inputs, outputs)


def _padded(options: _Options, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The convolution with more channels, which are zero."""
    inputs, outputs = (wide - few for wide, few in zip(_channels(kernel), kernel.shape[2:], strict=True))
    x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, inputs)))
    wide = jnp.pad(kernel, ((0, 0), (0, 0), (0, inputs), (0, outputs)))
    return _by_xla(options, x, wide)[..., : kernel.shape[3]]


def _is_narrow(kernel):
    return min(kernel.shape[2:]) < WIDE[0] or max(kernel.shape[2:]) < WIDE[1]


def _is_of_columns(kernel):
    return kernel.shape[2] < WIDE[0] and math.prod(kernel.shape[:3]) <= COLUMNS <= kernel.shape[3]


def _is_product(options, kernel):
    return kernel.shape[:2] == (1, 1) and not any(options.padding[0] + options.padding[1])


def _tangent(options: _Options, primals, tangents):
    """The derivative, in a form whose transpose is fast: reverse mode is JAX's transpose of what stands here."""
    x, kernel = primals
    y = _conv(options, x, kernel)
    terms = [
        _on_platform(options, fast, *arrays)
        for tangent, arrays, fast in (
            (tangents[0], (tangents[0], kernel), _platforms(options, kernel, _for_input)),
            (tangents[1], (x, tangents[1]), _platforms(options, kernel, _for_kernel)),
        )
        if not isinstance(tangent, jax.custom_derivatives.SymbolicZero)
    ]
    return y, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(y)


_conv.defjvp(_tangent, symbolic_zeros=True)


def _for_input(options: _Options, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The convolution, whose transpose in x is one of NHWC with HWIO."""
    return lax.conv_general_dilated(
        x,
        kernel.swapaxes(2, 3),
        options.strides,
        options.padding,
        dimension_numbers=("NHWC", "HWOI", "NHWC"),
        precision=options.precision,
        preferred_element_type=options.wide,
    )


def _for_kernel(options: _Options, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The convolution in chunks, whose transpose in the kernel is a sum of those of NHWC with HWIO.

    A chunk takes every n-th image, so that a batch that is spread over devices stays where it is. Axes are moved in the
    loop: outside, XLA would compute what leads to x and y in the order of the moved axes.
    """
    size = chunk_size(x.shape[0])
    chunks = x.reshape(size, x.shape[0] // size if size else 1, *x.shape[1:]).swapaxes(0, 1)

    @partial(jax.checkpoint, prevent_cse=False)  # or the loop's forward part would keep what it moved
    def of_chunk(part):
        y = lax.conv_general_dilated(
            part.transpose(3, 1, 2, 0),
            kernel.transpose(2, 0, 1, 3),
            options.strides,
            options.padding,
            dimension_numbers=("CHWN", "IHWO", "HWNC"),
            precision=options.precision,
            preferred_element_type=options.wide,
        )
        return y.transpose(2, 0, 1, 3)

    y = of_chunk(chunks[0])[None] if len(chunks) == 1 else lax.map(of_chunk, chunks)
    return y.swapaxes(0, 1).reshape(x.shape[0], *y.shape[2:])


def chunk_size(batch: int) -> int:
    """Images in a chunk: the batch up to 64; else its largest divisor up to 16, or the batch where that is below 4."""
    if batch <= WHOLE:
        return batch
    size = max(n for n in range(1, CHUNK + 1) if batch % n == 0)
    return size if size >= 4 else batch
