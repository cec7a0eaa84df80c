"""Other forms of a 3x3 convolution's forward pass in pure JAX, beside XLA's own, by processor time.

    python -m benchmarks.conv_forms

Nine products of shifted slices, one product of columns (im2col), and the columns of two images at a time in a loop. The
forms take turns on the same arrays, which is checked; a ratio is the median over the turns. None is used by
``layers.conv``: on a CPU all were slower.
"""

import statistics
import time

import jax
import jax.numpy as jnp
from jax import lax

SHAPES = {  # batch, height and width, channels
    "64 channels, 56 px": (16, 56, 64),
    "64 channels, 32 px": (64, 32, 64),
    "32 channels, 32 px": (128, 32, 32),
    "16 channels, 32 px": (128, 32, 16),
    "128 channels, 28 px": (16, 28, 128),
    "256 channels, 14 px": (16, 14, 256),
}
TURNS = 9


def xla(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """XLA's convolution."""
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _slices(x: jax.Array) -> list[jax.Array]:
    _, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, row : row + height, column : column + width] for row in range(3) for column in range(3)]


def nine(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The sum of nine matrix products."""
    parts = zip(_slices(x), kernel.reshape(9, *kernel.shape[2:]), strict=True)
    return sum(jnp.einsum("nhwc,cd->nhwd", part, matrix) for part, matrix in parts)


def columns(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One matrix product of all columns."""
    return jnp.einsum("nhwc,cd->nhwd", jnp.concatenate(_slices(x), -1), kernel.reshape(-1, kernel.shape[-1]))


def loop(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The columns of two images at a time."""
    pairs = x.reshape(len(x) // 2, 2, *x.shape[1:])
    return lax.map(lambda pair: columns(pair, kernel), pairs).reshape(*x.shape[:3], -1)


def main() -> None:
    """Measure and print."""
    forms = {form.__name__: jax.jit(form) for form in (xla, nine, columns, loop)}
    print(f"{'milliseconds of processor time':<32}" + "".join(f"{name:>9}" for name in forms) + "   ratio to xla")
    for label, (batch, size, channels) in SHAPES.items():
        x = jax.random.normal(jax.random.key(0), (batch, size, size, channels))
        kernel = jax.random.normal(jax.random.key(1), (3, 3, channels, channels))
        expected = forms["xla"](x, kernel)
        for name, form in forms.items():
            if not jnp.allclose(form(x, kernel), expected, atol=1e-2):
                raise AssertionError(f"{name} computes something else.")
        taken: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(TURNS):
            for name, form in forms.items():
                began = time.process_time()
                form(x, kernel).block_until_ready()
                taken[name].append(time.process_time() - began)
        medians = {name: 1000 * statistics.median(values) for name, values in taken.items()}
        ratios = "".join(f"{medians[name] / medians['xla']:7.1f}" for name in forms if name != "xla")
        print(f"{label:<32}" + "".join(f"{value:9.1f}" for value in medians.values()) + "  " + ratios)


if __name__ == "__main__":
    main()
