"""How much of a difference's spread is of the seeds, and how much of the test images, in a table that was trained here.

    python -m experiments.bag_of_tricks --out runs/first
    python -m benchmarks.images runs/first --out images-first.json

The cells of a table keep what each network decided on each test image. Let d be +1 where the row's network is right and
its reference's is wrong, -1 the other way round, and 0 else, of seed s and image i. As in a two-way table with one
entry a place, d has a mean, a part of s, a part of i and what is left. The difference of a seed is the mean of its d;
its spread between seeds is that of the part of s, and that of what is left over the images, which averages out with
more of them. The part of i is the same for all seeds: other test images would change the difference by that much, in no
interval.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks._figures import write
from jaxtricks import data
from jaxtricks.ablation.cells import unpack


@dataclass(frozen=True)
class Options:
    """What to read."""

    folder: tyro.conf.Positional[Path]
    """Of an experiment on images that are in memory."""
    data: str = "fashion_mini"
    """What it was run on."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def shares(differences: np.ndarray) -> dict[str, float]:
    """The parts of the spread.

    Args:
      differences: d of each seed and test image, ``[S, N]``, two seeds or more.

    Returns:
      In points: ``sd``, of the difference of a seed; ``of_seeds``, its part that no number of images averages out;
      ``of_images``, the part of these images; ``common``, what other images of the same kind would change for all seeds
      alike. In percent: ``share``, of the variance of a seed's difference, of the images; ``decided``, images that a
      pair decides differently in the sense of right and wrong.
    """
    seeds, images = differences.shape
    by_seed, by_image = differences.mean(1), differences.mean(0)
    left = differences - by_seed[:, None] - by_image[None] + differences.mean()
    residual = (left**2).sum() / ((seeds - 1) * (images - 1))
    between = by_seed.var(ddof=1)
    of_images = residual / images
    common = max(0.0, by_image.var(ddof=1) - residual / seeds) / images
    points = lambda variance: float(100 * np.sqrt(max(0.0, variance)))  # noqa: E731
    return {
        "sd": points(between),
        "of_seeds": points(between - of_images),
        "of_images": points(of_images),
        "common": points(common),
        "share": float(100 * min(1.0, of_images / between)) if between else float("nan"),
        "decided": float(100 * np.mean(differences != 0)),
    }


def main(options: Options) -> dict:
    """Read, print, and give back the figures."""
    results = json.loads((options.folder / "results.json").read_text(encoding="utf-8"))
    labels = data.load(options.data).test["label"]
    kept = {}
    for path in (options.folder / "cells").glob("*.json"):
        cell = json.loads(path.read_text(encoding="utf-8"))
        if cell.get("decided"):
            kept[cell["seed"], cell["test"]["loss"]] = unpack(cell["decided"]) == labels
    right = {
        row["name"]: {cell["seed"]: kept[cell["seed"], cell["test"]["loss"]] for cell in row["cells"]}
        for row in results["rows"]
    }
    figures: dict = {
        "command": " ".join(["python -m benchmarks.images", *sys.argv[1:]]),
        "table": results["command"],
        "images": len(labels),
        "seeds": len(results["seeds"]),
    }
    print(f"{'points':<22}{'sd':>6}{'seeds':>8}{'images':>8}{'share':>8}{'common':>8}{'decided':>9}")
    for row in results["rows"]:
        if row["reference"] is None:
            continue
        arm, reference = right[row["name"]], right[row["reference"]]
        pairs = [arm[seed].astype(float) - reference[seed] for seed in sorted(arm.keys() & reference.keys())]
        figures[row["name"]] = parts = shares(np.stack(pairs))
        sd, of_seeds, of_images, common = (parts[name] for name in ("sd", "of_seeds", "of_images", "common"))
        print(
            f"{row['name']:<22}{sd:6.2f}{of_seeds:8.2f}{of_images:8.2f}{parts['share']:7.0f}%{common:8.2f}"
            f"{parts['decided']:8.1f}%"
        )
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
