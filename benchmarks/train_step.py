"""Images a second of a complete training step, beside PyTorch on the same machine in the same run.

    python -m benchmarks.train_step --model resnet50 --tweaks bcd --precision bfloat16 --size 224 --batch 256

Forward, backward, SGD with Nesterov momentum and weight decay, label smoothing, on uint8 images that lie on the device.
PyTorch: channels last, autocast for bfloat16, eager and with ``torch.compile`` where that works (it is said where not);
the ratio is to the faster of the two. Each of these measures another form of the same step too: ``--plain conv`` has
the gradients of convolutions that XLA and JAX derive by themselves; ``norm`` those of normalisation with its ReLU,
``pool`` those of the pools; ``written`` leaves it to XLA what is written to memory after a residual sum, as on a GPU in
any case; ``--autodiff`` is all four. Residual sums have no derivative of their own: with the mask of their ReLU taken
from its result, XLA's program for an H200 is the same (``benchmarks.passes``). ``--scan 8`` is the step under
``lax.scan``, ``--keep`` one that does not donate its state, ``--flags NAME=VALUE`` one compiled with an option of XLA.
All sides are timed in turns, with a pause in which the threads of the side before go to sleep; a ratio is the median
over the turns. Processor time tells more on a CPU that does other work too.

On a CPU the batch is spread over one device a core. Where weights outweigh images one device with all cores is faster:
put ``XLA_FLAGS=--xla_force_host_platform_device_count=1`` before the command.
"""

import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import jax
import numpy as np
import tyro

from benchmarks._figures import PAUSE, keep_memory, module, write
from benchmarks._plain import Plain, plain_gradients
from benchmarks.device import PRECISIONS, products
from benchmarks.kernels import PROFILED, PROGRAM
from jaxtricks import ablation, data, models, tasks, train
from jaxtricks.train.program import Program
from jaxtricks.tricks import bag

MATMUL = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": None}  # JAX's names


@dataclass(frozen=True)
class Options:
    """What to measure."""

    model: str = "resnet50"
    """A residual network by name."""
    tweaks: str = ""
    """Letters of the ResNet tweaks that are on: b, c, d."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Of convolutions and matrix products; tf32 and float32 differ on accelerators alone."""
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
    autodiff: bool = False
    """Whether the step is measured with XLA's own gradients too, and with none of ours."""
    plain: tuple[Plain, ...] = ()
    """Operations of which it is measured with XLA's own gradients too."""
    scan: int = 1
    """If it is more than 1, it is measured with so many steps in one call, under lax.scan, too."""
    keep: bool = False
    """Whether it is measured with a state that is kept, and not donated, too."""
    flags: tuple[str, ...] = ()
    """Options of XLA, name=value, with which it is measured too."""
    parallel: Literal["jit", "shard_map", "pmap"] = "jit"
    """How the step is spread over the devices."""
    trace: Path | None = None
    """A folder for a profile of a turn of jaxtricks."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def program_of(options: Options):
    """``(recipe, dataset, plan, program, arguments)`` of the jaxtricks step."""
    rng = np.random.default_rng(0)
    shape = (options.batch, options.size, options.size, 3)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    labels = np.arange(options.batch) % options.classes
    split = data.Split({"image": images, "label": labels.astype(np.int32)})
    dataset = data.Dataset("benchmark", split, split, options.classes, shape[1:])
    switches = dict.fromkeys(options.tweaks, True)
    recipe = bag.standard(
        task=tasks.classification(options.classes),
        augmented=None,
        model=partial(models.resnet, models.LAYOUTS[options.model], **switches),
        lr=0.1,
        batch=options.batch,
        epochs=100,
    )
    recipe = bag.smoothing(recipe)
    if options.precision == "bfloat16":
        recipe = bag.low_precision(recipe)
    plan = train.Plan(kind=options.parallel)
    jax.config.update("jax_default_matmul_precision", MATMUL[options.precision])
    program = Program(recipe, dataset, plan)
    state = program.create((0,))
    feed = data.Feed(split, (0,), options.batch)
    rows = next(iter(feed.steps(0, 1)))
    if options.scan > 1:
        rows = {name: np.stack([row] * options.scan) for name, row in rows.items()}
    batch = plan.put_rows(rows, steps=options.scan)
    return recipe, dataset, plan, program, (state, batch, program.constants)


def jax_side(options: Options):
    """``(run(steps) -> seconds, costs)`` of the jaxtricks step, compiled."""
    began = time.perf_counter(), time.process_time()
    recipe, dataset, plan, program, (state, batch, constants) = program_of(options)
    if options.keep or options.flags:
        how = {"out_shardings": (plan.state_sharding, None), "donate_argnums": () if options.keep else (0,)}
        traced = jax.jit(complete(program), **how).lower(state, batch, constants)
        step = traced.compile(compiler_options(options.flags))
    else:
        step = plan.compile_step(program.prepare, program.update, state, batch, constants, steps=options.scan)
    holder = [state]

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(-(-steps // options.scan)):
            holder[0], record = step(holder[0], batch, constants)
            if jax.default_backend() == "cpu":
                jax.block_until_ready(record)
        jax.block_until_ready(holder[0])
        return time.perf_counter() - began

    run.program = step
    macs = ablation.forward_cost(recipe, dataset)["macs"]
    analysis = step.cost_analysis() if hasattr(step, "cost_analysis") else {}
    moved = (analysis or {}).get("bytes accessed")
    return run, {
        "macs": macs,
        "bytes_per_image": None if moved is None else moved / options.batch * plan.size,
        "start_seconds": time.perf_counter() - began[0],
        "start_processor_seconds": time.process_time() - began[1],
    }


def compiler_options(flags: Sequence[str]) -> dict[str, bool | str]:
    """``name=value`` as XLA takes it: text, but for truths."""
    pairs = (flag.partition("=")[::2] for flag in flags)
    return {name: {"true": True, "false": False}.get(value, value) for name, value in pairs}


def check_flags(flags: Sequence[str]) -> None:
    """SystemExit for what XLA does not take, before anything large is compiled."""
    if wrong := [flag for flag in flags if not flag.partition("=")[0] or "=" not in flag]:
        raise SystemExit(f"--flags is {' '.join(wrong)}; allowed: name=value.")
    try:
        jax.jit(lambda x: x + 1).lower(1.0).compile(compiler_options(flags))
    except jax.errors.JaxRuntimeError as error:
        raise SystemExit(f"--flags is {' '.join(flags)}; allowed: what XLA knows ({error}).") from error


def complete(program: Program) -> Callable:
    """``(state, batch, constants) -> (state, record)``, to be compiled otherwise than training does."""

    def step(state, batch, constants):
        return program.update(state, program.prepare(state.key, state.step, batch, constants), constants)

    return step


def other_forms(options: Options) -> dict[str, tuple[AbstractContextManager, Options]]:
    """``{name: (what it is traced in, its options)}`` of the forms that are measured beside the step as it is."""
    alone = as_it_is(options)
    forms: dict[str, tuple[AbstractContextManager, Options]] = {}
    if options.autodiff:
        forms["autodiff"] = plain_gradients(*get_args(Plain)), alone
    if options.plain:
        forms[f"plain {' '.join(options.plain)}"] = plain_gradients(*options.plain), alone
    if options.scan > 1:
        forms[f"scan of {options.scan}"] = nullcontext(), replace(alone, scan=options.scan)
    if options.keep:
        forms["state kept"] = nullcontext(), replace(alone, keep=True)
    if options.flags:
        forms[", ".join(options.flags)] = nullcontext(), replace(alone, flags=options.flags)
    return forms


def as_it_is(options: Options) -> Options:
    """The options without another form."""
    return replace(options, autodiff=False, plain=(), scan=1, keep=False, flags=())


def torch_sides(options: Options) -> tuple[dict[str, Callable[[int], float]], str]:
    """``({name: run(steps) -> seconds}, what they are)`` of the same step in PyTorch, eager and compiled."""
    torch = module("torch")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and jax.default_backend() != "cpu":
        return {}, f"torch {torch.__version__} sees no accelerator: not measured"
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
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision == "tf32"

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
    sides = {"torch": stepper(forward)}
    if options.compile:
        try:
            run = stepper(torch.compile(forward))
            run(2)
            sides["torch.compile"] = run
        except Exception as error:  # no compiler on this machine, or an operation it does not know
            name += f", torch.compile failed ({type(error).__name__})"
    return sides, name


def processor_time(call: Callable[[], float]) -> tuple[float, float]:
    """Seconds by the clock and of all processors of a call, after a pause."""
    time.sleep(PAUSE)
    began = time.process_time()
    seconds = call()
    return seconds, time.process_time() - began


def in_turns(sides: dict[str, Callable], options: Options, *, turns: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds by the clock and of processors of each side, turn by turn; a first turn is not counted."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for turn in range(-1, turns):
        for name, run in sides.items():
            measured = processor_time(partial(run, options.steps if turn >= 0 else 2 * options.scan))
            if turn >= 0:
                times[name].append(measured)
    return times


def summary(times: dict[str, list[tuple[float, float]]], costs: dict, peer: str, options: Options) -> dict:
    """The figures, from the times and from what is known of the step."""
    done, peak = options.steps * options.batch, costs["measured_peak_flops"]
    rates = {name: done / statistics.median(seconds for seconds, _ in pairs) for name, pairs in times.items()}
    ratios = {name: _ratio(times["jaxtricks"], pairs, 0) for name, pairs in times.items()}
    processor = {name: 1e3 * statistics.median(s for _, s in pairs) / options.steps for name, pairs in times.items()}
    theirs = [name for name in times if name.startswith("torch")]
    fastest = min(theirs, key=lambda name: ratios[name]["median"], default=None)
    return {
        "command": " ".join(["python -m benchmarks.train_step", *sys.argv[1:]]),
        "machine": ablation.machine() | {"system": platform.platform()},
        "devices": jax.device_count(),
        "precision": options.precision,
        "peer": peer,
        "images_per_second": rates,
        "processor_ms_per_step": processor,
        "ratio": None if fastest is None else ratios[fastest]["median"],
        "ratio_to": fastest,
        "ratios": ratios,
        "processor_ratios": {name: _ratio(times["jaxtricks"], pairs, 1) for name, pairs in times.items()},
        "forward_macs": costs["macs"],
        **{name: value for name, value in costs.items() if name != "macs"},
        "mfu": 6 * costs["macs"] * rates["jaxtricks"] / (peak * jax.device_count()) if peak else None,
    }


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    if options.scan < 1 or options.steps % options.scan:
        raise SystemExit(f"--scan is {options.scan}; allowed: a divisor of --steps, {options.steps}.")
    if options.autodiff and options.plain:
        raise SystemExit(f"--plain is {' '.join(options.plain)}; allowed with --autodiff, which is all of them: none.")
    if (options.keep or options.flags) and options.parallel != "jit":
        raise SystemExit(f"--parallel is {options.parallel}; allowed with --keep and --flags: jit.")
    if options.scan > 1 and options.parallel == "pmap":
        raise SystemExit("--parallel is pmap; allowed with --scan: jit, shard_map.")
    if options.batch % jax.device_count():
        parts = f"a multiple of {jax.device_count()}, one part for each device"
        raise SystemExit(f"--batch is {options.batch}; allowed: {parts}.")
    if options.model not in models.LAYOUTS:
        raise SystemExit(f"--model is {options.model}; allowed: {', '.join(models.LAYOUTS)}.")
    check_flags(options.flags)
    run, costs = jax_side(as_it_is(options))
    sides, compiling = {"jaxtricks": run}, ""
    for name, (inside, other) in other_forms(options).items():
        with inside:
            sides[name], of_form = jax_side(other)
        costs |= {f"{cost}_{name}": of_form[cost] for cost in ("start_processor_seconds", "bytes_per_image")}
        compiling += f", {of_form['start_processor_seconds']:.0f} with {name}"
    accelerator = jax.default_backend() != "cpu"
    dtype, precision = PRECISIONS[options.precision]
    costs["measured_peak_flops"] = products(8192, 10, dtype=dtype, precision=precision) if accelerator else None
    peer = "not measured"
    if options.peer:
        if options.out is not None:  # if the peer fails, or time runs out, this is there
            write(summary(in_turns(sides, options, turns=2), costs, "no figures yet", options), options.out)
        theirs, peer = torch_sides(options)
        sides |= theirs
    figures = summary(in_turns(sides, options, turns=options.turns), costs, peer, options)
    write(figures, options.out)
    if options.trace is not None:
        with jax.profiler.trace(options.trace):
            run(options.steps)
        if hasattr(run.program, "as_text"):  # names alone do not say what a CPU's kernel does
            (options.trace / PROGRAM).write_text(run.program.as_text(), encoding="utf-8")
        profiled = {name: figures[name] for name in ("command", "machine")} | {"steps": options.steps}
        write(profiled, options.trace / PROFILED)
    rates, ratios, work = (figures[name] for name in ("images_per_second", "ratios", "processor_ratios"))
    processor, peak, mfu = (figures[name] for name in ("processor_ms_per_step", "measured_peak_flops", "mfu"))
    print(f"{options.model} {options.tweaks} {options.precision} {options.size} px, batch {options.batch}")
    print(f"  {figures['machine']['cpu']}, {len(jax.devices())} x {jax.devices()[0].device_kind}, {peer}")
    print(f"  {'':14s} images/s  processor ms a step   speed of jaxtricks by it   by processor time")
    for name in sides:
        spread = f"({ratios[name]['lowest']:.2f} to {ratios[name]['highest']:.2f})"
        print(
            f"  {name:14s} {rates[name]:8.1f}  {processor[name]:19.0f}   "
            f"{ratios[name]['median']:6.2f} {spread:18s}  {work[name]['median']:6.2f}"
        )
    start = f"{costs['start_seconds']:.0f} s, {costs['start_processor_seconds']:.0f} s of processors"
    print(f"  start and compilation {start}{compiling}")
    if peak and mfu:
        print(f"  MFU {100 * mfu:.1f} % of {peak / 1e12:.0f} TFLOP/s measured in a {options.precision} matrix product")
    if costs["bytes_per_image"]:
        print(f"  {costs['bytes_per_image'] / 1e6:.1f} MB moved an image, as XLA counts")
    return figures


def _ratio(ours: list[tuple[float, float]], theirs: list[tuple[float, float]], which: int) -> dict[str, float]:
    """How many times as fast the first is, turn by turn."""
    values = [b[which] / a[which] for a, b in zip(ours, theirs, strict=True)]
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


if __name__ == "__main__":
    chosen_options = tyro.cli(Options, description=__doc__)
    keep_memory()
    main(chosen_options)
