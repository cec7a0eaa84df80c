"""From JPEG files to batches of 224 px: images a second and core, beside torch's loader in the same run.

    python -m benchmarks.input --images 2000 --workers 2        # with torch and torchvision as the peer

The images are tiles of photographs at ImageNet's sizes, from a folder, and from ArrayRecord with ``--records``. Ours is
the feed of the training loop: threads, random resized crop; mirroring is the device's, and is done here on the batch.
Theirs is ImageFolder with RandomResizedCrop and RandomHorizontalFlip in a DataLoader with as many worker processes,
batches of uint8. Both are timed in turns; processor time, of all threads and processes, tells more than the clock
where a machine does other work too. Then, over ten epochs of ours with steps of ``--step-ms``: the share of the time in
which the loop waits for a batch, memory after each epoch, and the slope of a line through it from the second on. At
last damaged files are counted, and batches after a restart in the middle compared to those of a run without one.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks import photographs
from benchmarks._figures import module, write
from jaxtricks import ablation, data

Loader = Callable[..., int]  # epoch -> images


@dataclass(frozen=True)
class Options:
    """What to measure."""

    images: int = 2000
    """Of the training set."""
    batch: int = 128
    """Images in a batch."""
    size: int = 224
    """Height and width of a batch's images."""
    workers: int = 2
    """Threads of ours, processes of theirs."""
    turns: int = 3
    """Epochs of each side."""
    epochs: int = 10
    """After which memory is compared."""
    cut: int = 5
    """Files that are cut off."""
    step_ms: float = 0.0
    """Milliseconds that the loop sleeps after each batch while waiting is measured, as an accelerator's step takes."""
    records: bool = False
    """Whether ours reads ArrayRecord."""
    peer: bool = True
    """Whether torch's loader is measured."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def ours(dataset: data.Dataset, options: Options) -> tuple[Loader, data.Feed]:
    """The feed, an epoch at a time."""
    feed = data.Feed(dataset.train, (0,), options.batch, workers=options.workers)

    def epoch(number: int, *, step: float = 0.0) -> int:
        flips, seen = np.random.default_rng(number), 0
        first = number * feed.steps_per_epoch
        for batch in feed.steps(first, first + feed.steps_per_epoch):
            image = batch["image"]
            mirrored = flips.random(len(image)) < 0.5
            image[mirrored] = image[mirrored, :, ::-1]
            time.sleep(step)
            seen += len(image)
        return seen

    return epoch, feed


def theirs(folder: Path, options: Options) -> Loader:
    """Torch's loader, on the same files; what is cut off is skipped, as their users do by a loader of their own."""
    torch, vision = module("torch"), module("torchvision")
    transform = vision.transforms.Compose(
        [
            vision.transforms.RandomResizedCrop(options.size),
            vision.transforms.RandomHorizontalFlip(),
            vision.transforms.PILToTensor(),
        ]
    )
    intact = sorted(str(path) for path in (folder / "train").rglob("*.jpg"))
    damaged = {str(path) for path in (folder / "train").rglob("*.jpg") if int(path.stem) < options.cut}
    images = vision.datasets.ImageFolder(
        str(folder / "train"), transform, is_valid_file=lambda path: path in intact and path not in damaged
    )
    loader = torch.utils.data.DataLoader(
        images, options.batch, shuffle=True, num_workers=options.workers, drop_last=True
    )
    return lambda number: sum(len(batch) for batch, _ in loader)


def timed(loader: Loader, number: int) -> dict[str, float]:
    """Images a second by the clock, and a second of processors, children included."""
    began, used = time.perf_counter(), _processors()
    images = loader(number)
    return {
        "images_per_second": images / (time.perf_counter() - began),
        "images_per_processor_second": images / (_processors() - used),
    }


def _processors() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def resident() -> float:
    """Megabytes that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def slope(memory: list[float]) -> float | None:
    """Megabytes an epoch, of the line of least squares; the first epoch, in which caches fill, is left out."""
    rest = memory[2:]  # before the first epoch and after it
    return float(np.polyfit(np.arange(len(rest)), rest, 1)[0]) if len(rest) > 1 else None


def goes_on(dataset: data.Dataset, options: Options) -> bool:
    """Whether a batch in the middle of an epoch is the same after a restart, with other workers."""
    step = data.Feed(dataset.train, (0,), options.batch).steps_per_epoch // 2
    batches = []
    for first, workers in ((0, options.workers), (step, 1)):
        feed = data.Feed(dataset.train, (0,), options.batch, workers=workers)
        batches.append(list(feed.steps(first, step + 1))[-1])
    return all(np.array_equal(batches[0][name], batches[1][name]) for name in batches[0])


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    with tempfile.TemporaryDirectory() as temporary:
        place = photographs.folder(Path(temporary) / "jpeg", options.images, cut=options.cut)
        dataset = data.load(str(place), size=options.size)
        if options.records:
            records = photographs.array_record(Path(temporary) / "records", options.images)
            dataset = data.tfds_set("photographs", size=options.size, data_dir=str(records))
        epoch, feed = ours(dataset, options)
        sides = {"jaxtricks": epoch} | ({"torch": theirs(place, options)} if options.peer else {})
        measured: dict[str, list[dict]] = {name: [] for name in sides}
        for turn in range(options.turns):
            for name, loader in sides.items():
                measured[name].append(timed(loader, turn))
        memory, waited, began = [resident()], feed.waited, time.perf_counter()
        for number in range(options.epochs):
            epoch(number, step=options.step_ms / 1000)
            memory.append(resident())
        waiting = (feed.waited - waited) / (time.perf_counter() - began)
        figures = {
            "command": " ".join(["python -m benchmarks.input", *sys.argv[1:]]),
            "machine": ablation.machine(),
            "rates": {
                name: {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
                for name, turns in measured.items()
            },
            "waiting_share": waiting,
            "memory_mb": memory,
            "memory_mb_per_epoch": slope(memory),
            "damaged": len(feed.corrupt),
            "the same after a restart": goes_on(dataset, options),
        }
    for name, rate in figures["rates"].items():
        by_clock, by_processor = rate["images_per_second"], rate["images_per_processor_second"]
        print(f"  {name:10s} {by_clock:8.0f} images/s, {by_processor:8.0f} a second of a processor")
    if options.peer:
        figures["ratio"] = statistics.median(
            a["images_per_processor_second"] / b["images_per_processor_second"]
            for a, b in zip(measured["jaxtricks"], measured["torch"], strict=True)
        )
        print(f"  x {figures['ratio']:.2f} by processor time")
    print(f"  {100 * waiting:.0f} % of the time waiting for a batch, with steps of {options.step_ms:g} ms")
    print(f"  memory {memory[1]:.0f} MB after an epoch, {memory[-1]:.0f} MB after {options.epochs}", end="")
    print("" if (growth := figures["memory_mb_per_epoch"]) is None else f", {growth:+.2f} MB an epoch")
    print(f"  {figures['damaged']} damaged files; after a restart {_same(figures['the same after a restart'])}")
    write(figures, options.out)
    return figures


def _same(same: bool) -> str:
    return "the same batches" if same else "OTHER batches"


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
