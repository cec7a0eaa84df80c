"""Gradients that XLA's CPU backend computes slowly, beside the same numbers in other forms; plain JAX, for a report.

    XLA_FLAGS=--xla_force_host_platform_device_count=1 python -m benchmarks.derived

**Kernels.** The gradient of a convolution's kernel is a convolution with the batch in the place of channels. For a
kernel of 1x1 one matrix product is the same; for others the sum over chunks of 4 to 32 images in a loop, each with its
axes moved before, as ``layers.conv`` has it for large batches. XLA moves axes by itself, but not in the body of a loop:
the derived form over two halves of the batch, as an accumulation over microbatches has it, is measured too.

**Batch normalisation.** What JAX derives reads the input more often than the textbook's formula: with the normalised
``z``, ``dx = scale rsqrt(var + eps) (dy - mean(dy) - z mean(dy z))``.

**Inputs of a strided kernel.** XLA spreads the gradient over a grid of four times the places, most of them zero. The
same are four convolutions of stride 1, one for each parity of row and column, each with the taps that meet it.

**Tails of a block.** ReLU after the sum of a block and its normalised convolution: the derivatives of normalisation in
closed form, of sum and ReLU by JAX, beside one of all three, which keeps the convolution's result and ReLU's alone.

Times are of processors, since XLA computes some forms on one core only; a ratio is the median over the turns.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro
from jax import lax

from benchmarks._figures import chosen, keep_memory, write
from jaxtricks.ablation import machine

NHWC = ("NHWC", "HWIO", "NHWC")
CHUNKS = (4, 8, 16, 32)  # images
KERNELS = {  # batch, height and width, side of the kernel, stride, inputs, outputs
    "1x1, 16 -> 64, 32 px": (128, 32, 1, 1, 16, 64),
    "1x1, 64 -> 256, 56 px": (16, 56, 1, 1, 64, 256),
    "3x3, 16 -> 16, 32 px": (128, 32, 3, 1, 16, 16),
    "3x3, 32 -> 32, 32 px": (128, 32, 3, 1, 32, 32),
    "3x3, 64 -> 64, 56 px": (16, 56, 3, 1, 64, 64),
    "3x3, 128 -> 128, 28 px": (16, 28, 3, 1, 128, 128),
    "3x3, 256 -> 256, 14 px": (16, 14, 3, 1, 256, 256),
    "3x3, 32 -> 64, 32 px, stride 2": (128, 32, 3, 2, 32, 64),
    "7x7, 3 -> 64, 112 px, stride 2": (16, 112, 7, 2, 3, 64),
}
NORMS = {"batch normalisation, 64x32x32x64": (64, 32, 32, 64), "batch normalisation, 16x56x56x256": (16, 56, 56, 256)}
STRIDED = {  # batch, height and width, inputs, outputs
    "input, 3x3, 16 -> 32, 32 px, stride 2": (128, 32, 16, 32),
    "input, 3x3, 32 -> 64, 16 px, stride 2": (128, 16, 32, 64),
    "input, 3x3, 128 -> 128, 56 px, stride 2": (16, 56, 128, 128),
    "input, 3x3, 128 -> 128, 24 px, stride 2": (8, 24, 128, 128),
    "input, 3x3, 256 -> 256, 12 px, stride 2": (8, 12, 256, 256),
    "input, 3x3, 512 -> 512, 6 px, stride 2": (8, 6, 512, 512),
}
TAILS = {"four blocks, 64x32x32x16": (64, 32, 16), "four blocks, 16x56x56x64": (16, 56, 64)}
EPSILON = 1e-5
AXES = (0, 1, 2)


@dataclass(frozen=True)
class Options:
    """What to measure."""

    turns: int = 7
    """Turns of each form."""
    only: tuple[str, ...] = ()
    """Rows whose name holds one of these; all of them if empty."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def derived(x: jax.Array, dy: jax.Array, *, side: int, stride: int) -> jax.Array:
    """The kernel's gradient, as JAX and XLA derive it."""
    around = (side // 2, side // 2)
    conv = lambda k: lax.conv_general_dilated(x, k, (stride,) * 2, (around,) * 2, dimension_numbers=NHWC)  # noqa: E731
    kernel = jnp.zeros((side, side, x.shape[-1], dy.shape[-1]))
    return jax.linear_transpose(conv, kernel)(dy)[0]


def halves(x: jax.Array, dy: jax.Array, *, side: int, stride: int) -> jax.Array:
    """The derived one of two halves of the batch, in a loop."""
    parts = jax.tree.map(lambda a: a.reshape(2, -1, *a.shape[1:]), (x, dy))
    return lax.map(lambda part: derived(*part, side=side, stride=stride), parts).sum(0)


def product(x: jax.Array, dy: jax.Array, *, side: int, stride: int) -> jax.Array:
    """The same of a kernel of 1x1, as a matrix product."""
    x = x[:, ::stride, ::stride]
    return jnp.einsum("nhwc,nhwd->cd", x, dy)[None, None]


def chunks(x: jax.Array, dy: jax.Array, *, side: int, stride: int, size: int) -> jax.Array:
    """The same as a sum over chunks of images, each a convolution of NHWC with HWIO."""
    (batch, height, width, _), outputs = x.shape, dy.shape[1:3]
    down, across = (side + (n - 1) * stride - m - side // 2 for n, m in zip(outputs, (height, width), strict=True))
    padding = ((side // 2, down), (side // 2, across))  # what no output saw is cropped

    def of_chunk(total, part):
        x, dy = part
        image, kernel = x.transpose(3, 1, 2, 0), dy.transpose(1, 2, 0, 3)
        of_part = lax.conv_general_dilated(
            image, kernel, (1, 1), padding, rhs_dilation=(stride,) * 2, dimension_numbers=NHWC
        )
        return total + of_part.transpose(1, 2, 0, 3), None

    parts = jax.tree.map(lambda a: a.reshape(batch // size, size, *a.shape[1:]), (x, dy))
    return lax.scan(of_chunk, jnp.zeros((side, side, x.shape[-1], dy.shape[-1])), parts)[0]


def normalised(x: jax.Array, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
    """``(z, scale rsqrt(var + eps))`` over all but the last axis."""
    inverse = lax.rsqrt(x.var(AXES) + EPSILON)
    return (x - x.mean(AXES)) * inverse, scale * inverse


def derived_norm(x: jax.Array, dy: jax.Array, scale: jax.Array) -> jax.Array:
    """The gradient of batch normalisation in its input, as JAX derives it."""
    return jax.vjp(lambda x: scale * normalised(x, scale)[0], x)[1](dy)[0]


def closed(x: jax.Array, dy: jax.Array, scale: jax.Array) -> jax.Array:
    """The same by the textbook's formula."""
    z, factor = normalised(x, scale)
    return factor * (dy - dy.mean(AXES) - z * (dy * z).mean(AXES))


def spread(dy: jax.Array, kernel: jax.Array) -> jax.Array:
    """The gradient in the input of a 3x3 convolution of stride 2, as JAX and XLA derive it."""
    conv = lambda x: lax.conv_general_dilated(x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=NHWC)  # noqa: E731
    batch, height, width, _ = dy.shape
    return jax.linear_transpose(conv, jnp.zeros((batch, 2 * height, 2 * width, kernel.shape[2])))(dy)[0]


def parities(dy: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same as four convolutions: an even place has met the middle tap, an odd one the last and the first."""
    taps = jnp.array([1]), jnp.array([2, 0])

    def of(row: int, column: int) -> jax.Array:
        part = kernel[taps[row]][:, taps[column]].swapaxes(2, 3)
        return lax.conv_general_dilated(dy, part, (1, 1), ((0, row), (0, column)), dimension_numbers=NHWC)

    complete = jnp.stack([jnp.stack([of(row, column) for column in (0, 1)], 3) for row in (0, 1)], 2)
    batch, height, _, width, _, inputs = complete.shape
    return complete.reshape(batch, 2 * height, 2 * width, inputs)


def blocks(kernels: jax.Array, x: jax.Array, *, tail: Callable) -> jax.Array:
    """The gradient in the kernels of blocks of one convolution, whose tail takes the block's input and its result."""

    def loss(kernels):
        y = x
        for kernel in kernels:
            y = tail(y, lax.conv_general_dilated(y, kernel, (1, 1), "SAME", dimension_numbers=NHWC))
        return (y**3).mean()

    return jax.grad(loss)(kernels)


def kept(y: jax.Array) -> jax.Array:
    """y, which XLA's CPU compiler writes to memory once; see ``benchmarks.readers``."""
    return jnp.where(y == y, y, -y)


@jax.custom_vjp
def unit_norm(x: jax.Array) -> jax.Array:
    """Batch normalisation without a scale, with its gradient in closed form."""
    return normalised(x, jnp.ones(x.shape[-1]))[0]


unit_norm.defvjp(lambda x: (unit_norm(x), x), lambda x, dy: (closed(x, dy, jnp.ones(x.shape[-1])),))


def apart(x: jax.Array, y: jax.Array) -> jax.Array:
    """The tail of a block, of which normalisation has a derivative of its own."""
    return kept(jax.nn.relu(x + unit_norm(y)))


@jax.custom_vjp
def joint(x: jax.Array, y: jax.Array) -> jax.Array:
    """The same with one derivative."""
    return apart(x, y)


def _joint_forward(x, y):
    result = apart(x, y)
    return result, (y, result)


def _joint_backward(kept_ones, dy):
    y, result = kept_ones
    masked = jnp.where(result > 0, dy, 0.0)
    return masked, closed(y, masked, jnp.ones(y.shape[-1]))


joint.defvjp(_joint_forward, _joint_backward)


def forms_of(name: str) -> tuple[dict[str, Callable], tuple[jax.Array, ...]]:
    """``({form: function}, arguments)``; the first form is the derived one."""
    if name in NORMS:
        shape = NORMS[name]
        x, dy, scale = (jax.random.normal(jax.random.key(i), s) for i, s in enumerate((shape, shape, shape[-1:])))
        return {"derived": derived_norm, "closed": closed}, (x, dy, scale)
    if name in STRIDED:
        batch, size, inputs, outputs = STRIDED[name]
        dy = jax.random.normal(jax.random.key(0), (batch, size // 2, size // 2, outputs))
        return {"derived": spread, "parities": parities}, (
            dy,
            jax.random.normal(jax.random.key(1), (3, 3, inputs, outputs)),
        )
    if name in TAILS:
        batch, size, channels = TAILS[name]
        kernels = 0.1 * jax.random.normal(jax.random.key(0), (4, 3, 3, channels, channels))
        x = jax.random.normal(jax.random.key(1), (batch, size, size, channels))
        return {"apart": partial(blocks, tail=apart), "joint": partial(blocks, tail=joint)}, (kernels, x)
    batch, size, side, stride, inputs, outputs = KERNELS[name]
    x = jax.random.normal(jax.random.key(0), (batch, size, size, inputs))
    dy = jax.random.normal(jax.random.key(1), (batch, size // stride, size // stride, outputs))
    forms = {"derived": derived, "halves": halves}
    forms |= {f"chunks of {n}": partial(chunks, size=n) for n in CHUNKS if n <= batch} if side > 1 else {}
    forms |= {"product": product} if side == 1 else {}
    return {form: partial(function, side=side, stride=stride) for form, function in forms.items()}, (x, dy)


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    figures, about = {}, machine()
    print(f"{about['cpu']}, {about['cores']} cores, jax {jax.__version__}; milliseconds of processor time")
    for name in chosen((*KERNELS, *STRIDED, *NORMS, *TAILS), options.only):
        forms, args = forms_of(name)
        calls = {form: jax.jit(function).lower(*args).compile() for form, function in forms.items()}
        expected, *others = (call(*args) for call in calls.values())
        if not all(jnp.allclose(o, expected, rtol=1e-4, atol=1e-4 * float(jnp.abs(expected).max())) for o in others):
            raise AssertionError(f"{name}: the forms disagree.")
        taken: dict[str, list[float]] = {form: [] for form in forms}
        for _ in range(options.turns):
            for form, call in calls.items():
                began = time.process_time()
                call(*args).block_until_ready()
                taken[form].append(1e3 * (time.process_time() - began))
        first, *others = taken
        ratios = {
            form: statistics.median(b / a for a, b in zip(taken[first], taken[form], strict=True)) for form in others
        }
        medians = {form: statistics.median(times) for form, times in taken.items()}
        figures[name] = {"processor": medians, "by_derived": ratios}
        said = "   ".join(f"{form} {medians[form]:7.1f} ({ratio:.2f})" for form, ratio in ratios.items())
        print(f"{name:40s} {first} {medians[first]:7.1f}   {said}")
    result = {"command": " ".join(["python -m benchmarks.derived", *sys.argv[1:]]), "machine": about, "rows": figures}
    write(result, options.out)
    return result


if __name__ == "__main__":
    chosen_options = tyro.cli(Options, description=__doc__)
    keep_memory()
    main(chosen_options)
