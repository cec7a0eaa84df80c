"""One page about a network before it is trained: what layers cost, what taps see, how signal and gradient fare.

It prints the costs and writes inspect.html: parameters, multiply-accumulates, operations and bytes by layer; the
receptive field of every tap, by formula; and, of fresh weights on some training images, the shares of dead channels and
of zeros in every tap and the gradient of every layer, with an alarm where it vanishes or explodes; the speed of this
machine; pictures of the field of the last map and of Grad-CAM.

    python -m experiments.inspect --model resnet50 --data fake --size 224
"""

import html
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro
from rich.console import Console

from jaxtricks.ablation import cli, inspection, output, sources


@dataclass(frozen=True)
class Options:
    """Prints what a network costs, and writes inspect.html."""

    model: str = "resnet_mini"
    """A network by name, such as plain_mini, mobilenet_v1_mini, resnet50."""
    data: str = "fashion_mini"
    """A folder of images, a .csv of file and label, .parquet, .npz, a TFDS set, fashion_mini, digits, fake."""
    size: int = 224
    """Height and width that images of varying size are brought to."""
    images: int = 32
    """Training images that the network sees."""
    seed: int = 0
    """Of the fresh weights."""
    out: Path | None = None
    """Folder of inspect.html; runs/inspect/DATA if it is left out."""


def prepare(options: Options):
    """The data and the network."""
    cli.choice("--model", options.model, cli.NETWORKS)
    dataset = sources.load(options.data, size=options.size, images=None, say=partial(print, file=sys.stderr))
    build = cli.network(options.model, dataset)
    return dataset, build(classes=cli.task_of(dataset).outputs, channels=dataset.shape[-1])


def main(options: Options) -> Path:
    """Inspect the network; returns the page that was written."""
    folder = output.folder_for("inspect", options.data, options.out)
    dataset, model = prepare(options)
    parts = inspection.inspected(model, dataset, images=options.images, seed=options.seed)
    text = {name: html.escape("\n".join(lines)) for name, lines in parts.items()}
    title = html.escape(f"{options.model} on {dataset.name}")
    body = "".join(f"<h2>{name}</h2><pre>{lines}</pre>" for name, lines in text.items())
    drawn = inspection.pictures(model, dataset, images=min(6, options.images), seed=options.seed)
    body += "".join(f"<h2>{html.escape(name)}</h2>{picture}" for name, picture in drawn.items())
    page = folder / "inspect.html"
    output.claim(folder, "inspect", options.data)
    output.write_text(page, f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}')
    print(*parts["Costs"], f"written: {page}", sep="\n")
    return page


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, prog="python -m experiments.inspect", description=__doc__))
    except ValueError as error:
        Console(stderr=True).print(f"inspect: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
