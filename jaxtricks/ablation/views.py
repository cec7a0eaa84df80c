"""Networks tested in several ways: each trained once a seed, or trained on from another of the same seed."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import ablation, augment, preprocess, train
from jaxtricks import data as sources
from jaxtricks.ablation import statistics
from jaxtricks.data import Dataset
from jaxtricks.train import Recipe, Run

Rows = Mapping[str, tuple[Recipe, str | None, Mapping[str, Callable]]]


def itself(image):
    """One view, the image."""
    return image[None]


def resized(image, *, size):
    """One view, at another size."""
    return preprocess.resize_center_crop(image, shorter=size, size=size)[None]


def five_of_the_padded(image):
    """Five crops of the image with a pixel more on each side."""
    return augment.five_crops(jnp.pad(image, ((1, 1), (1, 1), (0, 0))), size=image.shape[:2])


def accuracy(recipe: Recipe, dataset: Dataset, run: Run, views: Callable) -> float:
    """In percent, on the test set, of the views merged as probabilities."""
    model = train.build_model(recipe, dataset)
    stats = recipe.preprocess[0](dataset.train["image"])
    params, norms = run.variables

    def predict(images):
        ready = jax.vmap(partial(recipe.preprocess[1], stats))(images)
        return model.apply(params, norms, ready, train=False)[0][0]

    merged = jax.jit(augment.over_views(predict, views))
    parts = np.array_split(np.arange(len(dataset.test)), 10)
    found = [merged(dataset.test["image"][rows] / np.float32(255)).argmax(1) for rows in parts]
    return 100 * float((np.concatenate(found) == dataset.test["label"]).mean())


def measure(rows: Rows, dataset: Dataset, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Accuracies by seed of every row and every way to test it; a row may go on from the networks of another."""
    accuracies, runs = {}, {}
    for name, (recipe, start, tests) in rows.items():
        if start is None:
            runs[name] = train.fit(recipe, dataset, seeds=seeds, plan=train.Plan(seeds_on="devices"), test=False)
        else:
            given = [run.variables for run in runs[start]]
            runs[name] = [
                train.fit(recipe, dataset, seeds=(seed,), initial=variables, test=False)[0]
                for seed, variables in zip(seeds, given, strict=True)
            ]
        for test, views in tests.items():
            accuracies[f"{name}: {test}"] = [accuracy(recipe, dataset, run, views) for run in runs[name]]
    return accuracies


def told(accuracies: Mapping[str, Sequence[float]]) -> str:
    """A table; differences are to the first row."""
    reference, *others = accuracies
    width = max(map(len, accuracies))
    lines = [f"{'':{width}}  test %  difference, 95 %", f"{reference:{width}}  {np.mean(accuracies[reference]):6.2f}"]
    for name in others:
        c = statistics.paired(accuracies[name], accuracies[reference])
        mean = np.mean(accuracies[name])
        lines.append(f"{name:{width}}  {mean:6.2f}  {c.mean:+.2f} [{c.low:+.2f}, {c.high:+.2f}]")
    return "\n".join(lines)


def main(rows: Rows, *, data: str, seeds: Sequence[int]) -> None:
    """Measure, print, and write to the file that the command line names, if any."""
    train.initialize_distributed()
    text = f"{len(seeds)} paired seeds, {data}, {ablation.machine()['cpu']}\n\n"
    text += told(measure(rows, sources.load(data), seeds)) + "\n"
    sys.stdout.write(text)
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
