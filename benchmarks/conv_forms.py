"""Other forms of a 3x3 convolution's forward pass in pure JAX, beside XLA's own, by processor time.

    python -m benchmarks.conv_forms

Nine products of shifted slices; one product of columns (im2col); the columns of two images at a time in a loop; one
product of three shifts with three times the outputs, whose rows are summed, and Winograd's F(2x2, 3x3), with 2.25 times
fewer multiplications, both of two images at a time. The forms take turns on the same arrays, and the results are
compared; a ratio is the median over the turns. None is used by ``layers.conv``.

Reference: Lavin and Gray, Fast algorithms for convolutional neural networks, arXiv 1509.09308 (F(2x2, 3x3)).
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro
from jax import lax

from benchmarks._figures import chosen, keep_memory, write
from jaxtricks import ablation

SHAPES = {  # batch, height and width, channels
    "64 channels, 56 px": (16, 56, 64),
    "64 channels, 32 px": (64, 32, 64),
    "64 channels, 8 px": (64, 8, 64),
    "32 channels, 32 px": (128, 32, 32),
    "32 channels, 16 px": (64, 16, 32),
    "16 channels, 32 px": (128, 32, 16),
    "128 channels, 28 px": (16, 28, 128),
    "128 channels, 12 px": (8, 12, 128),
    "256 channels, 14 px": (16, 14, 256),
}


@dataclass(frozen=True)
class Options:
    """What to measure."""

    turns: int = 9
    """Turns of each form."""
    only: tuple[str, ...] = ()
    """Shapes whose name holds one of these; all of them if empty."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def xla(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """XLA's convolution."""
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _padded(x: jax.Array) -> jax.Array:
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _slices(x: jax.Array) -> list[jax.Array]:
    _, height, width, _ = x.shape
    padded = _padded(x)
    return [padded[:, row : row + height, column : column + width] for row in range(3) for column in range(3)]


def nine(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The sum of nine matrix products."""
    parts = zip(_slices(x), kernel.reshape(9, *kernel.shape[2:]), strict=True)
    return sum(jnp.einsum("nhwc,cd->nhwd", part, matrix) for part, matrix in parts)


def columns(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One matrix product of all columns."""
    return jnp.einsum("nhwc,cd->nhwd", jnp.concatenate(_slices(x), -1), kernel.reshape(-1, kernel.shape[-1]))


def _by_pairs(form: Callable) -> Callable:
    def looped(x: jax.Array, kernel: jax.Array) -> jax.Array:
        pairs = x.reshape(len(x) // 2, 2, *x.shape[1:])
        return lax.map(lambda pair: form(pair, kernel), pairs).reshape(*x.shape[:3], -1)

    return looped


def _shifts(x: jax.Array, kernel: jax.Array) -> jax.Array:
    batch, height, width, inputs = x.shape
    padded = _padded(x)
    wide = jnp.concatenate([padded[:, :, column : column + width] for column in range(3)], -1)
    matrix = kernel.transpose(1, 2, 0, 3).reshape(3 * inputs, -1)
    rows = (wide.reshape(-1, 3 * inputs) @ matrix).reshape(batch, height + 2, width, 3, -1)
    return sum(rows[:, row : row + height, :, row] for row in range(3))


def _winograd(x: jax.Array, kernel: jax.Array) -> jax.Array:
    batch, height, width, _ = x.shape
    g = jnp.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    weights = jnp.einsum("ai,bj,ijcd->abcd", g, g, kernel)
    padded = _padded(x)

    def of_input(t):  # the transform of a tile along one axis, four numbers to four
        return t[0] - t[2], t[1] + t[2], t[2] - t[1], t[1] - t[3]

    def of_output(t):  # four numbers to two
        return t[0] + t[1] + t[2], t[1] - t[2] - t[3]

    rows = of_input([padded[:, i : i + height : 2] for i in range(4)])
    tiles = jnp.stack([jnp.stack(of_input([row[:, :, j : j + width : 2] for j in range(4)])) for row in rows])
    matrices = tiles.reshape(16, -1, x.shape[-1]) @ weights.reshape(16, *weights.shape[2:])
    products = matrices.reshape(*tiles.shape[:5], -1)
    y = jnp.stack([jnp.stack(of_output(row), 3) for row in of_output(products)], 2)
    return y.reshape(batch, height, width, -1)


FORMS = {
    "xla": xla,
    "nine": nine,
    "columns": columns,
    "loop": _by_pairs(columns),
    "shifts": _by_pairs(_shifts),
    "winograd": _by_pairs(_winograd),
}


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    forms, machine, figures = {name: jax.jit(form) for name, form in FORMS.items()}, ablation.machine(), {}
    print(f"{'milliseconds of processor time':<32}" + "".join(f"{name:>9}" for name in forms) + "   ratio to xla")
    for label in chosen(SHAPES, options.only):
        batch, size, channels = SHAPES[label]
        x = jax.random.normal(jax.random.key(0), (batch, size, size, channels))
        kernel = jax.random.normal(jax.random.key(1), (3, 3, channels, channels))
        expected = forms["xla"](x, kernel)
        for name, form in forms.items():
            if not jnp.allclose(form(x, kernel), expected, atol=1e-2):
                raise AssertionError(f"{name} computes something else.")
        taken: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(options.turns):
            for name, form in forms.items():
                began = time.process_time()
                form(x, kernel).block_until_ready()
                taken[name].append(time.process_time() - began)
        medians = {name: 1000 * statistics.median(values) for name, values in taken.items()}
        by_xla = {name: medians[name] / medians["xla"] for name in forms if name != "xla"}
        figures[label] = {"processor": medians, "by_xla": by_xla}
        ratios = "".join(f"{ratio:7.2f}" for ratio in by_xla.values())
        print(f"{label:<32}" + "".join(f"{value:9.1f}" for value in medians.values()) + "  " + ratios)
    result = {"command": " ".join(["python -m benchmarks.conv_forms", *sys.argv[1:]]), "machine": machine}
    write(result | {"shapes": figures}, options.out)
    return result


if __name__ == "__main__":
    chosen_options = tyro.cli(Options, description=__doc__)
    keep_memory()
    main(chosen_options)
