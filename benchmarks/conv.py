"""Convolution forward and its two gradients, by ``layers.conv``, by XLA and by PyTorch, shape by shape.

    python -m benchmarks.conv
    python -m benchmarks.conv --only "1x1" --turns 20

One JAX device with all cores, and torch with as many threads. The three run in turns on the same arrays, which is
checked; a ratio, time of ``layers.conv`` by time of the other, is the median over the turns. Inputs and cotangents are
the results of a short chain of elementwise operations, as in a network: XLA fuses such a chain into whatever moves
axes, and then computes it in the order of the moved axes, which a benchmark of the bare gradient does not show. XLA
runs some of its convolutions on one core, torch on all: the ratio of processor times is what a step sees in which each
device is a core.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks._figures import chosen, in_turns, keep_memory, module, write
from jaxtricks import ablation, layers

torch = module("torch")
SHAPES = {  # batch, height and width, channels, channels out, kernel, stride
    "1x1, 16 -> 64, 32 px": (128, 32, 16, 64, 1, 1),
    "1x1, 64 -> 16, 32 px": (64, 32, 64, 16, 1, 1),
    "1x1, 64 -> 256, 56 px": (16, 56, 64, 256, 1, 1),
    "1x1, 256 -> 512, 56 px, stride 2": (8, 56, 256, 512, 1, 2),
    "3x3, 16 -> 16, 32 px": (128, 32, 16, 16, 3, 1),
    "3x3, 32 -> 32, 32 px": (128, 32, 32, 32, 3, 1),
    "3x3, 64 -> 64, 32 px": (64, 32, 64, 64, 3, 1),
    "3x3, 64 -> 64, 56 px": (16, 56, 64, 64, 3, 1),
    "3x3, 128 -> 128, 28 px": (16, 28, 128, 128, 3, 1),
    "3x3, 256 -> 256, 14 px": (16, 14, 256, 256, 3, 1),
    "3x3, 32 -> 64, 32 px, stride 2": (128, 32, 32, 64, 3, 2),
    "7x7, 3 -> 64, 112 px, stride 2": (16, 112, 3, 64, 7, 2),
}
PARTS = ("forward", "input", "kernel")


@dataclass(frozen=True)
class Options:
    """What to measure."""

    turns: int = 7
    """Turns of each side."""
    only: tuple[str, ...] = ()
    """Rows whose name holds one of these; all of them if empty."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def jax_side(convolve, x, kernel, ct, *, stride: int) -> dict:
    """``{part: () -> array}``, compiled, and the seconds that compiling took under ``"compile"``."""
    pad = (kernel.shape[0] - 1) // 2
    function = lambda x, kernel: convolve(x, kernel, (stride, stride), ((pad, pad), (pad, pad)))  # noqa: E731
    before = lambda a: jnp.where(a > -9, a * 1.0001 + 0.0001, 0) * 0.9999  # noqa: E731
    parts = {
        "forward": lambda x, kernel, ct: function(before(x), kernel),
        "input": lambda x, kernel, ct: jax.vjp(lambda x: function(x, kernel), before(x))[1](before(ct))[0],
        "kernel": lambda x, kernel, ct: jax.vjp(lambda k: function(before(x), k), kernel)[1](before(ct))[0],
    }
    calls, device = {}, jax.devices()[0]
    arguments = jax.device_put((x, kernel, ct), device)
    began = time.perf_counter()
    for name, part in parts.items():
        compiled = jax.jit(part).lower(*arguments).compile()
        calls[name] = lambda c=compiled: jax.block_until_ready(c(*arguments))
    calls["compile"] = time.perf_counter() - began
    return calls


def torch_side(x, kernel, ct, *, stride: int) -> dict:
    """The same in PyTorch, channels last."""
    pad = (kernel.shape[0] - 1) // 2
    last = lambda a: torch.from_numpy(a).permute(0, 3, 1, 2)  # noqa: E731
    x, ct = last(x), last(ct)
    weight = torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    grads = lambda which: torch.ops.aten.convolution_backward(  # noqa: E731
        ct, x, weight, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, which
    )
    return {
        "forward": lambda: torch.nn.functional.conv2d(x, weight, stride=stride, padding=pad).permute(0, 2, 3, 1),
        "input": lambda: grads([True, False, False])[0].permute(0, 2, 3, 1),
        "kernel": lambda: grads([False, True, False])[1].permute(2, 3, 1, 0),
    }


def xla(x, kernel, strides, padding):
    """XLA's convolution with its own gradients."""
    return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def counted(call: Callable[[], object], spent: list[float]) -> Callable[[], None]:
    """The call, which leaves the processor seconds that it took."""

    def run():
        began = time.process_time()
        call()
        spent.append(time.process_time() - began)

    return run


def compared(times: list[list[float]]) -> tuple[list[float], list[float]]:
    """``(median milliseconds of each side, median ratio of the first to each other)``."""
    ratios = [statistics.median(a / b for a, b in zip(times[0], other, strict=True)) for other in times[1:]]
    return [1e3 * statistics.median(values) for values in times], ratios


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    machine = ablation.machine()
    torch.set_num_threads(machine["cores"])
    print(f"{machine['cpu']}, {machine['cores']} cores; milliseconds, and their ratio to those of layers.conv")
    print(f"{'':34s} {'':8s} {'ours':>8s} {'xla':>8s} {'torch':>8s}   ours/xla   ours/torch   by processor time")
    rng, rows = np.random.default_rng(0), {}
    for name in chosen(SHAPES, options.only):
        batch, size, inputs, outputs, window, stride = SHAPES[name]
        draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
        x, kernel = draw(batch, size, size, inputs), draw(window, window, inputs, outputs) / window
        ct = draw(batch, -(-size // stride), -(-size // stride), outputs)
        sides = {
            "ours": jax_side(layers.conv, x, kernel, ct, stride=stride),
            "xla": jax_side(xla, x, kernel, ct, stride=stride),
            "torch": torch_side(x, kernel, ct, stride=stride),
        }
        rows[name] = {"compile_s": {side: sides[side]["compile"] for side in ("ours", "xla")}}
        for part in PARTS:
            calls = [side[part] for side in sides.values()]
            ours, theirs, peer = (np.asarray(call()) for call in calls)
            scale = np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5 * scale, err_msg=name)
            np.testing.assert_allclose(ours, peer, rtol=1e-3, atol=1e-3 * scale, err_msg=name)
            spent: list[list[float]] = [[] for _ in calls]
            times = in_turns([counted(*pair) for pair in zip(calls, spent, strict=True)], options.turns, warm=1)
            milliseconds, ratios = compared(times)
            processor, by_processor = compared([values[-options.turns :] for values in spent])
            rows[name][part] = dict(zip(sides, milliseconds, strict=True)) | {
                "ours_by_xla": ratios[0],
                "ours_by_torch": ratios[1],
                "processor": dict(zip(sides, processor, strict=True)),
                "ours_by_torch_of_processors": by_processor[1],
            }
            figures = " ".join(f"{value:8.2f}" for value in milliseconds)
            figures += f"   {ratios[0]:8.2f}   {ratios[1]:10.2f}   {by_processor[1]:10.2f}"
            print(f"{name if part == 'forward' else '':34s} {part:8s} {figures}")
    sys.stdout.flush()
    result = {
        "command": " ".join(["python -m benchmarks.conv", *sys.argv[1:]]),
        "machine": machine,
        "torch": torch.__version__,
        "shapes": {name: rows[name] for name in rows},
    }
    write(result, options.out)
    return result


if __name__ == "__main__":
    options = tyro.cli(Options, description=__doc__)
    keep_memory()
    main(options)
