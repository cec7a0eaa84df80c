"""The rows of benchmarks/accelerator.py, in the order of their worth: commands, limits, toy sizes, what is shown."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("torch", "torchvision")  # that find_spec is asked for


@dataclass(frozen=True)
class Row:
    """A command of its own.

    Fields:
      part: a letter; rows of one part answer one question.
      name: of the row.
      module: that is run.
      options: of the module; {OUT} is a JSON file, {DATA} CIFAR-10, {WORK} a folder that is not
        kept, {MINUTES} most of the row's time.
      toy: options at toy size.
      seconds: the limit.
      show: the figures in words.
      needs: libraries, and ``cifar10``.
      without_peer: options with which it can do without its libraries; none where it cannot.
      after: ``(work, folder, out)``: takes along what the row has left.
    """

    part: str
    name: str
    module: str
    options: tuple[str, ...]
    toy: tuple[str, ...]
    seconds: float
    show: Callable[[dict], str]
    needs: tuple[str, ...] = ()
    without_peer: tuple[str, ...] = ()
    after: Callable[[Path, Path, Path], None] | None = None


TINY = "--model resnet_digits --tweaks d --size 8 --batch 8 --classes 10 --steps 2 --turns 1 --no-peer"


def split(text: str) -> tuple[str, ...]:
    """Options as they are typed."""
    return tuple(text.split())


def step(
    part: str,
    name: str,
    options: str,
    *,
    seconds: float,
    toy: str = "",
    peer: bool = False,
) -> Row:
    """A training step of ResNet-50 or -50-D, beside PyTorch, another form of it, or alone."""
    alone = "" if peer else " --no-peer"
    return Row(
        part=part,
        name=name,
        module="benchmarks.train_step",
        options=split(f"--model resnet50 --size 224 --out {{OUT}} {options}{alone}"),
        toy=split(f"{TINY} {toy} --out {{OUT}}"),
        seconds=seconds,
        show=step_words,
        needs=("torch",) if peer else (),
        without_peer=("--no-peer",) if peer else (),
    )


def step_words(figures: dict) -> str:
    """Images a second, how many times as fast as PyTorch and as other forms, share of the peak, bytes."""
    rates, ratios, fastest = figures["images_per_second"], figures["ratios"], figures["ratio_to"]
    words = ", ".join(f"{name} {rate:,.0f} images/s" for name, rate in rates.items())
    compared = [name for name in rates if name == fastest or not name.startswith(("jaxtricks", "torch"))]
    words += "".join(
        f"; {ratios[name]['median']:.2f} x {name} ({ratios[name]['lowest']:.2f} to {ratios[name]['highest']:.2f})"
        for name in compared
    )
    if figures["mfu"]:
        words += f"; MFU {100 * figures['mfu']:.0f} % of the peak in {figures['precision']}"
    if figures["bytes_per_image"]:
        words += f"; {figures['bytes_per_image'] / 1e6:.0f} MB an image"
    return words


def device_words(figures: dict) -> str:
    """The device, and its two ceilings."""
    names = figures["machine"]["devices"]
    flops = ", ".join(f"{name} {value / 1e12:.2f}" for name, value in figures["flops"].items())
    return f"{len(names)} x {names[0]}: {flops} TFLOP/s; copy {figures['copy_bytes_per_second'] / 1e9:,.0f} GB/s"


def seeds_words(figures: dict) -> str:
    """Times as fast as one after another."""
    ways = zip(figures["step_ms_per_seed"].items(), figures["speed_against_map"].values(), strict=True)
    return "; ".join(f"{name} {ms:.2f} ms ({speed:.2f} x)" for (name, ms), speed in ways)


def airbench_words(figures: dict) -> str:
    """Accuracy, number of runs, seconds."""
    mean = sum(figures["accuracies"]) / len(figures["accuracies"])
    seconds = sorted(figures["seconds"])[len(figures["seconds"]) // 2]
    interval = figures.get("interval")
    spread = f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
    return f"{mean:.2f} %{spread} in {len(figures['accuracies'])} runs; {seconds:.2f} s a warm run"


def chain_words(figures: dict) -> str:
    """Images a second, and share of the step."""
    rate, share = figures["chain_images_per_second"], figures["share_of_step"]
    return f"{rate:,.0f} images/s, {100 * share:.1f} % of a step"


def nms_words(figures: dict) -> str:
    """Milliseconds, and our time by torchvision's, where that ran on the same device."""

    def of_row(row):
        return "" if row["ratio"] is None else f", {row['ratio']:.2f} of torchvision's time"

    rows = figures["rows"].items()
    return "; ".join(f"{name.removeprefix('nms, ')} {row['ours_ms']:.2f} ms{of_row(row)}" for name, row in rows)


def ladder_words(figures: dict) -> str:
    """Rows, seeds and the time they took."""
    seconds = sum(figures["budget"]["seconds"].values())
    return f"{len(figures['rows'])} rows, {figures['budget']['seeds']} seeds, {seconds:.0f} s"


def reports(work: Path, folder: Path, out: Path) -> None:
    """Keep the report of an experiment, and its results as the row's figures."""
    for name in ("results.json", "report.md", "report.html"):
        if (work / name).exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(work / name, folder / name)
    if (work / "results.json").exists():
        results = json.loads((work / "results.json").read_text(encoding="utf-8"))
        kept = {name: results[name] for name in ("machine", "budget", "seeds")}
        names = [{"name": row["name"]} for row in results["rows"]]
        out.write_text(json.dumps(kept | {"rows": names}), encoding="utf-8")


BF16 = "--tweaks bcd --precision bfloat16"
TINY_AIRBENCH = "--data fashion_mini --images 32 --model airbench_tenth --epochs 1"
SEEDS = "--model resnet_small --data {DATA} --batch 128 --seeds 8 --epochs 0.25 --turns 2 --chunk 16"
LATENCY = "xla_gpu_enable_latency_hiding_scheduler=true"
NO_BUFFERS = "xla_gpu_graph_min_graph_size=1000000"  # kernels that one must have
PLAIN = {"conv": "convolutions", "norm": "normalisation", "pool": "pools"}
ROWS = (
    Row(
        "device",
        "device",
        "benchmarks.device",
        split("--out {OUT}"),
        split("--size 64 --megabytes 1 --turns 1 --out {OUT}"),
        25,
        device_words,
    ),
    Row(
        "d",
        "seeds",
        "benchmarks.seeds",
        split(f"{SEEDS} --precision bfloat16 --out {{OUT}}"),
        split("--model logistic --data fake --batch 8 --seeds 2 --epochs 0.2 --turns 1 --chunk 2 --out {OUT}"),
        200,
        seeds_words,
        needs=("cifar10",),
    ),
    Row(
        "e",
        "augmentation chain",
        "benchmarks.chain",
        split("--out {OUT}"),
        split(
            "--model resnet_digits --tweaks d --size 16 --batch 4 --steps 1 --turns 1 --precision float32 --out {OUT}"
        ),
        70,
        chain_words,
    ),
    Row(
        "e",
        "nms",
        "benchmarks.detection",
        split("--images 0 --out {OUT}"),
        split("--images 0 --turns 1 --no-peer --out {OUT}"),
        45,
        nms_words,
        needs=("torch", "torchvision"),
        without_peer=("--no-peer",),
    ),
    Row(
        "c",
        "ladder",
        "experiments.bag_of_tricks",
        split(
            "--preset full --data {DATA} --model resnet20 --batch 128 --epochs 10 --minutes {MINUTES} --ahead"
            " --out {WORK}"
        ),
        split(
            "--data fake --model resnet_digits --epochs 1 --batch 8 --seeds 1 --seeds-on devices --only cosine"
            " --ahead --out {WORK}"
        ),
        460,
        ladder_words,
        needs=("cifar10",),
        after=reports,
    ),
    step("a", "ResNet-50-D, bf16, batch 256", f"{BF16} --batch 256", seconds=195, peer=True),
    step("a", "ResNet-50, bf16, batch 128", "--precision bfloat16 --batch 128", seconds=155, peer=True),
    step(
        "a",
        "ResNet-50, tf32, batch 128",
        "--precision tf32 --batch 128",
        seconds=110,
        toy="--precision tf32",
        peer=True,
    ),
    step("a", "ResNet-50, fp32, batch 128", "--precision float32 --batch 128", seconds=120, peer=True),
    Row(
        "f",
        "airbench to 94 %",
        "benchmarks.airbench",
        split("--data {DATA} --seeds 50 --minutes {MINUTES} --out {OUT}"),
        split(f"{TINY_AIRBENCH} --batch 16 --seeds 2 --out {{OUT}}"),
        100,
        airbench_words,
        needs=("cifar10",),
    ),
    Row(
        "f",
        "airbench, an epoch not one program",
        "benchmarks.airbench",
        split("--data {DATA} --seeds 10 --minutes {MINUTES} --no-scan --out {OUT}"),
        split(f"{TINY_AIRBENCH} --batch 16 --seeds 1 --no-scan --out {{OUT}}"),
        70,
        airbench_words,
        needs=("cifar10",),
    ),
    step(
        "b",
        "ResNet-50-D, XLA's own gradients",
        f"{BF16} --batch 256 --autodiff",
        seconds=80,
        toy="--autodiff",
    ),
    *(
        step(
            "b",
            f"ResNet-50-D, XLA's own gradients of {names}",
            f"{BF16} --batch 256 --plain {typed}",
            seconds=75,
            toy=f"--plain {typed}",
        )
        for typed, names in PLAIN.items()
    ),
    step("b", "ResNet-50-D, scan of 8", f"{BF16} --batch 256 --scan 8 --steps 16", seconds=75, toy="--scan 2"),
    step("b", "ResNet-50-D, state kept", f"{BF16} --batch 256 --keep", seconds=70, toy="--keep"),
    step(
        "b",
        "ResNet-50-D, latency hiding",
        f"{BF16} --batch 256 --flags {LATENCY}",
        seconds=65,
        toy=f"--flags {LATENCY}",
    ),
    step(
        "b",
        "ResNet-50-D, no command buffers",
        f"{BF16} --batch 256 --flags {NO_BUFFERS}",
        seconds=65,
        toy=f"--flags {NO_BUFFERS}",
    ),
    step("a", "ResNet-50-D, bf16, batch 128", f"{BF16} --batch 128", seconds=140, peer=True),
    step("a", "ResNet-50, bf16, batch 256", "--precision bfloat16 --batch 256", seconds=140, peer=True),
    Row(
        "g",
        "rungs of airbench",
        "experiments.airbench",
        split("--preset full --precision bfloat16 --data {DATA} --minutes {MINUTES} --out {WORK}"),
        split("--data fashion_mini --images 64 --epochs 1 --batch 16 --seeds 1 --only whitening --out {WORK}"),
        780,
        ladder_words,
        needs=("cifar10",),
        after=reports,
    ),
)
