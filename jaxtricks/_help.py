"""The short help of an experiment: one line an option, by what a person wants to say. ``--help-all`` has the rest.

Printed into ``| head``, it ends quietly, as every command does: ``while_read``.
"""

import os
import select
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

GROUPS: Mapping[str, Mapping[str, str]] = {
    "What is trained": {
        "data": "a folder of images, .csv, .parquet, .npz, a TFDS set, ...",
        "model": "a network by name; python -m jaxtricks lists them",
        "only": "these tricks, by name",
        "under": "these settings, where there are several",
        "mode": "stack, add-one, leave-one-out or pairwise",
        "preset": "values to start from: quick, full, ...",
    },
    "How long": {
        "minutes": "of the table: as many seeds as fit, two at least",
        "seeds": "this many paired seeds",
        "first-seed": "number of the first one, where earlier ones were looked at",
        "epochs": "passes over the training set",
        "images": "train on this many images only",
    },
    "How": {
        "batch": "images in a step; the rate follows it",
        "lr": "peak learning rate",
        "size": "height and width that images of any size get (224)",
        "precision": "float32, bfloat16 or float16",
        "parallel": "jit, shard_map or pmap",
        "seeds-on": "map, vmap or devices",
        "ahead": "compile the next row while one is trained",
        "on": "here, or as jobs: slurm, local",
        "workers": "jobs that share the folder",
        "slurm": "what SLURM is asked for, such as gpus_per_node=1",
    },
    "What comes out": {
        "out": "folder of cells and report",
        "margin": "the largest difference that counts as no effect (0.5 points)",
        "recommend": "also choose, confirm, train a recipe, after the minutes",
        "save": "as --recommend, and keep the network in this folder",
        "checkpoints": "where a run keeps its state after every epoch, to go on there",
        "tensorboard": "also write TensorBoard events",
    },
}

_CANVASES = "small grey images with a class each: fashion_mini, digits, .npz"
DATA: Mapping[str, str] = {  # by experiment, where --data is something else
    "detect": "boxes: a COCO .json, a folder of COCO, VOC or YOLO",
    "segment": "masks: images/ and masks/, a folder of VOC, a COCO .json",
    "points": _CANVASES,
    "transfer": _CANVASES,
    "transfer_boxes": _CANVASES,
    "suggest": "not taken: its five sets are fixed",
}


def short_help(started: str, description: str | None) -> str:
    """The text, under forty lines of 80 columns.

    Args:
      started: how the program was started.
      description: of the program; its first paragraph is shown.
    """
    first = " ".join((description or "").split("\n\n")[0].split())
    lines = [
        f"usage: {started} [options]",
        "--help-all says each option in full, and its default.",
        "",
        *textwrap.wrap(first, 80)[:3],
    ]
    instead = {"data": DATA[name]} if (name := started.rpartition(".")[2]) in DATA else {}
    for title, options in GROUPS.items():
        options = {option: instead.get(option, words) for option, words in options.items()}
        lines += ["", title]
        lines += [f"  --{name:<12} {words}" for name, words in options.items()]
    return "\n".join(lines)


@contextmanager
def while_read() -> Iterator[None]:
    """End the process with 141, in silence, once nobody reads what it prints, as behind ``| head``."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_unread(sys.stdout):
            raise  # of another pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is written at the end of Python
        sys.exit(141)


def _is_unread(stream: TextIO) -> bool:
    """Whether the other end of a stream's pipe is closed."""
    if not hasattr(select, "poll"):
        return True
    asked = select.poll()
    try:
        asked.register(stream.fileno(), 0)
    except (OSError, ValueError):  # it is no file
        return False
    return any(event & select.POLLERR for _, event in asked.poll(0))
