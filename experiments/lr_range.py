"""The learning rate range test: the loss of a few steps while the rate rises, and the rate to start from.

It trains the baseline of the experiments on one family (SGD with Nesterov's momentum of 0.9, decay of 1e-4) once, on
one device, and writes lr_range.png. The rate that it suggests is fastai's ``valley``, the middle of the longest fall of
the smoothed loss; ``steepest``, where it falls fastest, is shown beside it and often far off, since a few noisy steps
decide it. A loss that is not finite, or a smoothed one of four times its minimum, ends the test. The command below
suggested 0.04; the other experiments on this network use 0.05 to 0.1 at batches of 16 and 32. All experiments take
the rate as ``--lr``.

    python -m experiments.lr_range --data fashion_mini --model plain_mini
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro
from rich.console import Console

from jaxtricks._help import while_read
from jaxtricks.ablation import cli, output, range_test, sources
from jaxtricks.analysis import _lr_range as lr_range
from jaxtricks.tricks import bag


@dataclass(frozen=True)
class Options:
    """Prints the rate to start from, and writes lr_range.png."""

    data: str = "fashion_mini"
    """A folder of images, a .csv of file and label, .parquet, .npz, a TFDS set, fashion_mini, digits, fake."""
    model: str = "plain_mini"
    """A network by name, such as plain_mini, resnet_mini, resnet20, resnet50."""
    batch: int | None = None
    """Images in a step; 32 if it is left out, and fewer where the images are few."""
    steps: int = 100
    """Steps from the lowest to the highest rate."""
    low: float = 1e-5
    """The lowest rate."""
    high: float = 10.0
    """The highest rate."""
    size: int = 224
    """Height and width that images of varying size are brought to."""
    seed: int = 0
    """Of initial weights, order and draws."""
    out: Path | None = None
    """Folder of lr_range.png; runs/lr_range/DATA if it is left out."""


def prepare(options: Options):
    """The data and the recipe, checked."""
    cli.choice("--model", options.model, cli.NETWORKS)
    dataset = sources.load(options.data, size=options.size, images=None, say=partial(print, file=sys.stderr))
    values = cli.fitted(dataset, lr=options.high, batch=options.batch or 32, epochs=float(options.steps))
    values |= {"lr": options.high, "batch": options.batch or values["batch"]}
    model, augmented = cli.network(options.model, dataset), bag.augmentation(dataset)
    recipe = bag.standard(task=cli.task_of(dataset), augmented=augmented, model=model, **values)
    cli.check_recipes({options.model: recipe}, dataset)
    return dataset, recipe


def main(options: Options) -> dict[str, float]:
    """Run the test; returns the rates by rule, the suggestion first."""
    folder = output.folder_for("lr_range", options.data, options.out)
    dataset, recipe = prepare(options)
    span = {"low": options.low, "high": options.high, "steps": options.steps}
    test = lr_range.lr_range_test(*range_test.step_at_rate(recipe, dataset, seed=options.seed), **span)
    curve = lr_range.middle(test, steps=options.steps)
    suggestions = {"valley": lr_range.valley(*curve), "steepest": lr_range.steepest(*curve)}
    output.claim(folder, "lr_range", options.data)
    figure = range_test.plot(test, suggestions, title=f"{options.model} on {dataset.name}")
    figure.savefig(folder / "lr_range.png", dpi=150)
    print(f"{len(test.rates)} steps, up to a rate of {test.rates[-1]:.2g}; written: {folder / 'lr_range.png'}")
    print(f"Suggestion: --lr {suggestions['valley']:.2g} --batch {recipe.batch}")
    print(f"(The smoothed loss falls fastest at {suggestions['steepest']:.2g}, by a rule that single steps decide.)")
    return suggestions


if __name__ == "__main__":
    try:
        with while_read():
            main(tyro.cli(Options, prog="python -m experiments.lr_range", description=__doc__))
    except ValueError as error:
        Console(stderr=True).print(f"lr_range: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
