"""One page about a network before it is trained: what layers cost, what taps see, how signal and gradient fare.

It prints the costs and writes inspect.html: parameters, multiply-accumulates, operations and bytes by layer; the
receptive field of every tap, by formula; and, of fresh weights on some training images, the shares of dead channels and
of zeros in every tap and the gradient of every layer, with an alarm where it vanishes or explodes; the speed of this
machine; the learning rate range test; pictures of the field of the last map and of Grad-CAM. With --run, also what the
learning curves of a finished table show: a rate that is too high or too low, or too high later, or noise.

    python -m experiments.inspect --model resnet50 --data fake --size 224 --rate-steps 0
    python -m experiments.inspect --data digits --run runs/blocks/digits
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from experiments import lr_range
from jaxtricks import train
from jaxtricks._help import while_read
from jaxtricks.ablation import inspection, output


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
    rate_steps: int = 60
    """Steps of the learning rate range test; 0 for none."""
    run: Path | None = None
    """Folder of a finished table, whose learning curves are read."""
    out: Path | None = None
    """Folder of inspect.html; runs/inspect/DATA if it is left out."""


def prepare(options: Options):
    """The data, and a recipe with the network."""
    return lr_range.prepare(lr_range.Options(data=options.data, model=options.model, size=options.size))


def main(options: Options) -> Path:
    """Inspect the network; returns the page that was written."""
    folder = output.folder_for("inspect", options.data, options.out)
    elements = inspection.diagnosed(options.run) if options.run else {}
    dataset, recipe = prepare(options)
    model = train.build_model(recipe, dataset)
    parts = inspection.inspected(model, dataset, images=options.images, seed=options.seed)
    if options.rate_steps:
        elements |= inspection.rate_finder(recipe, dataset, steps=options.rate_steps, seed=options.seed)
    elements |= inspection.pictures(model, dataset, images=min(6, options.images), seed=options.seed)
    page = folder / "inspect.html"
    output.claim(folder, "inspect", options.data)
    output.write_text(page, inspection.page(f"{options.model} on {dataset.name}", parts, elements))
    print(*parts["Costs"], f"written: {page}", sep="\n")
    return page


if __name__ == "__main__":
    try:
        with while_read():
            main(tyro.cli(Options, prog="python -m experiments.inspect", description=__doc__))
    except ValueError as error:
        Console(stderr=True).print(f"inspect: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
