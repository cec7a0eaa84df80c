"""What a training step would move through the memory of a GPU that is not here, kernel by kernel.

    pip install jax-cuda13-plugin==VERSION jax-cuda13-pjrt==VERSION        # of jax; no driver and no GPU is needed
    python -m benchmarks.passes --target h200.txtpb --model resnet50 --tweaks bcd --precision bfloat16 --batch 256

XLA compiles for a GPU that a file describes: those of xla/backends/gpu/target_config/specs in github.com/openxla/xla.
The kernels of libraries are not chosen by measuring them, and nothing is run: the figures are sizes, not times. They
tell what XLA fuses, and what it writes to memory to read it again.
"""

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np
import tyro
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from benchmarks._figures import write
from benchmarks.kernels import KINDS, kind
from benchmarks.train_step import Options as Step
from benchmarks.train_step import complete, program_of

UNMEASURED = "--xla_gpu_autotune_level=0"  # there is nothing to measure on
DTYPES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
ARRAY = re.compile(rf"\b({'|'.join(DTYPES)})\[([\d,]*)\]")
KERNEL = re.compile(r"^ *(?:ROOT )?%?([\w.-]+) = (.*?) (fusion|custom-call)\((.*?)\)(?:, |$)", re.MULTILINE)
RESULT = re.compile(r"^ *(?:ROOT )?%?([\w.-]+) = (\([^=]*?\)|\S+) ", re.MULTILINE)


@dataclass(frozen=True)
class Options:
    """What to compile, and for which GPU."""

    target: Path
    """A GPU as XLA describes it, NAME.txtpb."""
    model: str = "resnet50"
    """A residual network by name."""
    tweaks: str = ""
    """Letters of the ResNet tweaks that are on: b, c, d."""
    precision: Literal["float32", "tf32", "bfloat16"] = "bfloat16"
    """Of convolutions and matrix products."""
    size: int = 224
    """Height and width of the images."""
    batch: int = 256
    """Images in a step."""
    largest: int = 20
    """How many kernels to print."""
    text: Path | None = None
    """A file for the compiled program."""
    out: Path | None = None
    """A JSON file to write the figures to."""


class Pass(NamedTuple):
    """A kernel, the bytes it reads and writes, and its arrays."""

    name: str
    bytes: int
    arrays: str


def size_of(shapes: str) -> int:
    """Bytes of all arrays in a piece of a program."""
    return sum(DTYPES[d] * int(np.prod([int(n) for n in dims.split(",") if n])) for d, dims in ARRAY.findall(shapes))


def passes(text: str) -> list[Pass]:
    """The kernels of a compiled program, the largest first; what a library needs for itself is not counted."""
    shapes = {name: "" if shape.startswith("(") else shape for name, shape in RESULT.findall(text)}
    kernels = []
    for name, result, what, operands in KERNEL.findall(text):
        result = re.sub(r"u8\[\d+\]", "", result) if what == "custom-call" else result
        read = [shapes.get(operand, "") for operand in re.findall(r"%([\w.-]+)", operands)]
        arrays = f"{_plain([result])} <- {_plain(read)}"
        kernels.append(Pass(name, size_of(result) + sum(map(size_of, read)), arrays))
    return sorted(kernels, key=lambda kernel: -kernel.bytes)


def _plain(shapes: Iterable[str]) -> str:
    """Arrays of a million bytes or more."""
    arrays = [f"{dtype}[{dims}]" for shape in shapes for dtype, dims in ARRAY.findall(shape)]
    return " ".join(array for array in arrays if size_of(array) >= 1e6) or "small"


def compiled(options: Options) -> str:
    """The program that XLA would run on the GPU."""
    target = options.target.read_text(encoding="utf-8")
    topology = topologies.get_topology_desc("one", "cuda", target_config=target, topology="1x1x1")
    there = SingleDeviceSharding(topology.devices[0])
    step = Step(
        model=options.model, tweaks=options.tweaks, precision=options.precision, size=options.size, batch=options.batch
    )
    *_, program, arguments = program_of(step)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
    jitted = jax.jit(complete(program), in_shardings=there, out_shardings=there, donate_argnums=0)
    return jitted.lower(*shapes).compile().as_text() or ""


def main(options: Options) -> dict:
    """Compile, print, and give back the figures."""
    text = compiled(options)
    if options.text is not None:
        options.text.write_text(text, encoding="utf-8")
    kernels = passes(text)
    kinds = dict.fromkeys(KINDS, 0.0)
    for kernel in kernels:
        kinds[KINDS[0] if "cudnn" in kernel.name or "cublas" in kernel.name else kind(kernel.name)] += kernel.bytes
    figures = {
        "command": " ".join(["python -m benchmarks.passes", *sys.argv[1:]]),
        "jax": jax.__version__,
        "megabytes_an_image": {name: value / 1e6 / options.batch for name, value in kinds.items()},
        "kernels": len(kernels),
    }
    print(f"{sum(kinds.values()) / 1e6 / options.batch:.0f} MB an image through {len(kernels)} kernels")
    for name, value in figures["megabytes_an_image"].items():
        print(f"  {value:6.0f} MB  {name}")
    print("the largest:")
    for kernel in kernels[: options.largest]:
        print(f"  {kernel.bytes / 1e6:6.0f} MB  {kernel.name[:32]:32s} {kernel.arrays}")
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {UNMEASURED}".strip()
    main(tyro.cli(Options, description=__doc__))
