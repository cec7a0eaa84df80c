"""Images a second of a complete training step, beside PyTorch on the same machine in the same run.

    python -m benchmarks.train_step --model resnet50 --tweaks bcd --precision bfloat16 --size 224 --batch 256

Forward, backward, SGD with Nesterov momentum and weight decay, label smoothing, on uint8 images that lie on the device.
PyTorch: channels last, autocast for bfloat16, ``torch.compile`` where it works (it is said where not). The two are
timed in turns, and the ratio is the median over the turns.
"""

import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks._figures import module, write
from jaxtricks import ablation, data, models, tasks, train
from jaxtricks.train.program import Program
from jaxtricks.tricks import bag


@dataclass(frozen=True)
class Options:
    """What to measure."""

    model: str = "resnet50"
    """A residual network by name."""
    tweaks: str = ""
    """Letters of the ResNet tweaks that are on: b, c, d."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of convolutions and matrix products."""
    size: int = 224
    """Height and width of the images."""
    batch: int = 32
    """Images in a step."""
    classes: int = 1000
    """Number of classes."""
    steps: int = 10
    """Steps of one turn."""
    turns: int = 5
    """Turns of each side."""
    compile: bool = True
    """Whether PyTorch may use torch.compile."""
    peer: bool = True
    """Whether PyTorch is measured."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def jax_side(options: Options):
    """``(run(steps) -> seconds, costs)`` of the jaxtricks step."""
    rng = np.random.default_rng(0)
    shape = (options.batch, options.size, options.size, 3)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    labels = np.arange(options.batch) % options.classes
    split = data.Split({"image": images, "label": labels.astype(np.int32)})
    dataset = data.Dataset("benchmark", split, split, options.classes, shape[1:])
    switches = dict.fromkeys(options.tweaks, True)
    recipe = bag.standard(
        task=tasks.classification(dataset.classes),
        augmented=None,
        model=partial(models.resnet, models.LAYOUTS[options.model], **switches),
        lr=0.1,
        batch=options.batch,
        epochs=100,
    )
    recipe = bag.smoothing(recipe)
    if options.precision == "bfloat16":
        recipe = bag.low_precision(recipe)
    plan = train.Plan()
    program = Program(recipe, dataset, plan)
    state = program.create((0,))
    feed = data.Feed(split, (0,), options.batch)
    program.compile(state, feed)
    batch = plan.put_rows(next(iter(feed.steps(0, 1))))
    holder = [state]

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            holder[0], record = program.step(holder[0], batch, program.constants)
            if jax.default_backend() == "cpu":
                jax.block_until_ready(record)
        jax.block_until_ready(holder[0])
        return time.perf_counter() - began

    macs = ablation.forward_cost(recipe, dataset)["macs"]
    analysis = program.step.cost_analysis() if hasattr(program.step, "cost_analysis") else {}
    moved = (analysis or {}).get("bytes accessed")
    return run, {"macs": macs, "bytes_per_image": None if moved is None else moved / options.batch * plan.size}


def torch_side(options: Options) -> tuple[Callable[[int], float], str]:
    """``(run(steps) -> seconds, what it is)`` of the same step in PyTorch."""
    torch = module("torch")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    from benchmarks import _torch  # after torch was needed: its classes are torch's

    if device.type == "cpu":
        torch.set_num_threads(ablation.machine()["cores"])
    torch.backends.cudnn.benchmark = True
    on = {letter: letter in options.tweaks for letter in "bcd"}
    network = _torch.resnet(models.LAYOUTS[options.model], classes=options.classes, **on)
    network = network.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    images = torch.randint(0, 256, (options.batch, 3, options.size, options.size), dtype=torch.uint8, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(options.batch, device=device) % options.classes
    low = options.precision == "bfloat16"

    def forward(x, y):
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            return loss_of(network((x.float() / 255 - 0.45) / 0.22).float(), y)

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    def stepper(function):
        def run(steps: int) -> float:
            wait()
            began = time.perf_counter()
            for _ in range(steps):
                optimizer.zero_grad(set_to_none=True)
                function(images, labels).backward()
                optimizer.step()
            wait()
            return time.perf_counter() - began

        return run

    name = f"torch {torch.__version__}, channels last"
    if options.compile:
        try:
            run = stepper(torch.compile(forward))
            run(2)
            return run, f"{name}, torch.compile"
        except Exception as error:  # no compiler on this machine, or an operation it does not know
            name += f", torch.compile failed ({type(error).__name__})"
    return stepper(forward), name


def peak_flops() -> float:
    """Floating-point operations a second of a large bfloat16 matrix product, measured here: the ceiling of MFU."""
    size = 8192
    a = jax.random.normal(jax.random.key(0), (size, size), jnp.bfloat16)
    product = jax.jit(lambda x: x @ x)
    product(a).block_until_ready()
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        product(a).block_until_ready()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    ours, costs = jax_side(options)
    theirs, peer = torch_side(options) if options.peer else (None, "not measured")
    ours(2)
    if theirs:
        theirs(2)
    rates: dict[str, list[float]] = {"jax": [], "torch": []}
    for _ in range(options.turns):
        rates["jax"].append(options.steps * options.batch / ours(options.steps))
        if theirs:
            rates["torch"].append(options.steps * options.batch / theirs(options.steps))
    median = {name: statistics.median(values) for name, values in rates.items() if values}
    ratios = [a / b for a, b in zip(rates["jax"], rates["torch"], strict=False)]
    gpu = jax.default_backend() == "gpu"
    peak = peak_flops() if gpu else None
    figures = {
        "command": " ".join(["python -m benchmarks.train_step", *sys.argv[1:]]),
        "machine": ablation.machine() | {"system": platform.platform()},
        "peer": peer,
        "images_per_second": median,
        "ratio": statistics.median(ratios) if ratios else None,
        "ratio_range": [min(ratios), max(ratios)] if ratios else None,
        "forward_macs": costs["macs"],
        "bytes_per_image": costs["bytes_per_image"],
        "measured_peak_flops": peak,
        "mfu": 6 * costs["macs"] * median["jax"] / peak if peak else None,
    }
    print(f"{options.model} {options.tweaks} {options.precision} {options.size} px, batch {options.batch}")
    print(f"  {figures['machine']['cpu']}, {len(jax.devices())} x {jax.devices()[0].device_kind}")
    print(f"  jaxtricks  {median['jax']:10.1f} images/s   (jax {jax.__version__})")
    if theirs:
        print(f"  peer       {median['torch']:10.1f} images/s   ({peer})")
        spread = f"{min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} turns"
        print(f"  ratio      {figures['ratio']:10.2f}   ({spread})")
    if gpu:
        print(f"  MFU {100 * figures['mfu']:.1f} % of {peak / 1e12:.0f} TFLOP/s measured in a bfloat16 matrix product")
    if costs["bytes_per_image"]:
        print(f"  {costs['bytes_per_image'] / 1e6:.1f} MB moved an image, as XLA counts")
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
