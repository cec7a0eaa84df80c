"""Networks tested in several ways, such as on several crops of each image: the command line of such a table.

Each network is trained once a seed, or trained on from another of the same seed, and then tested in every way.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxtricks import ablation, augment, preprocess, train
from jaxtricks._runtime.threads import enough_threads
from jaxtricks.ablation import cli, output, sources
from jaxtricks.ablation.differences import differences
from jaxtricks.ablation.headline import Headline, headline_of_task
from jaxtricks.ablation.preparing import join_processes
from jaxtricks.ablation.verdicts import margin_of
from jaxtricks.data import Dataset
from jaxtricks.train import Recipe, Run

Rows = Mapping[str, tuple[Recipe, str | None, Mapping[str, Callable]]]


@dataclass(frozen=True)
class Options(sources.Images):
    """Trains every network with several paired seeds, and prints what each way to test it measures."""


def itself(image):
    """One view, the image."""
    return image[None]


def resized(image, *, size):
    """One view, at another size."""
    return preprocess.resize_center_crop(image, shorter=size, size=size)[None]


def five_of_the_padded(image):
    """Five crops of the image with a pixel more on each side."""
    return augment.five_crops(jnp.pad(image, ((1, 1), (1, 1), (0, 0))), size=image.shape[:2])


def ten_of_the_padded(image):
    """The same five crops, and their mirror images."""
    return augment.ten_crops(jnp.pad(image, ((1, 1), (1, 1), (0, 0))), size=image.shape[:2])


def score(recipe: Recipe, dataset: Dataset, run: Run, views: Callable) -> float:
    """The headline on the test set, of the views merged as probabilities.

    Args:
      recipe: of the run; its model's output is a row of logits for each image.
      dataset: in memory.
      run: whose network is tested.
      views: ``image -> [V, ...]``.

    Returns:
      The value in the unit of reports.
    """
    metric = recipe.task.metrics[recipe.task.headline]
    model = train.build_model(recipe, dataset)
    stats = recipe.preprocess[0](dataset.train["image"])
    variables = jax.tree.map(jnp.asarray, run.variables)

    @jax.jit
    def part(variables, batch):
        def predict(images):
            ready = jax.vmap(partial(recipe.preprocess[1], stats))(images)
            return model.apply(*variables, ready, train=False)[0][0]

        merged = augment.over_views(predict, views)(batch["image"])  # log-probabilities
        return metric.part((merged, {}), recipe.task.encode(batch))

    total = metric.init()
    for rows in np.array_split(np.arange(len(dataset.test)), 10):
        batch = dataset.test.take(rows).read(np.arange(len(rows)))
        batch |= {"image": batch["image"] / np.float32(255), "row_valid": np.ones(len(rows), bool)}
        total = metric.update(total, jax.tree.map(np.asarray, part(variables, batch)))
    return metric.scale * metric.compute(total)


def measure(rows: Rows, dataset: Dataset, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Scores by seed of every row and every way to test it; a row may go on from the networks of another."""
    scores, runs = {}, {}
    guard = train.Guard(signals=True, exit_on_error=True)
    for name, (recipe, start, tests) in rows.items():
        if start is None:
            plan = train.Plan(seeds_on="devices")
            runs[name] = train.fit(recipe, dataset, seeds=seeds, plan=plan, test=False, guard=guard)
        else:
            runs[name] = [
                train.fit(recipe, dataset, seeds=(seed,), initial=run.variables, test=False, guard=guard)[0]
                for seed, run in zip(seeds, runs[start], strict=True)
            ]
        for test, views in tests.items():
            scores[f"{name}: {test}"] = [score(recipe, dataset, run, views) for run in runs[name]]
    return scores


def table(scores: Mapping[str, Sequence[float]], headline: Headline) -> str:
    """The scores as text; differences are to the first row."""
    reference, *_ = scores
    width = max(map(len, scores))
    step = f", {headline.step}" if headline.step else ""
    lines = [
        f"{'':{width}}  test {headline.title}; difference{step}, 95 %; verdict",
        f"{reference:{width}}  {np.mean(scores[reference]):6.2f}",
    ]
    judged = {"limits": (-headline.span, headline.span), "margin": margin_of(None, headline)}
    for name, apart in differences(scores, reference, direction=headline.direction, **judged).items():
        lines.append(f"{name:{width}}  {np.mean(scores[name]):6.2f}  {apart.interval:22}  {apart.words}")
    return "\n".join(lines)


def main(name: str, rows: Callable[[Dataset], Rows]) -> None:
    """Train, test and print, as the command line says; exit status 2 for what was typed wrong.

    Args:
      name: of the experiment.
      rows: makes the networks for the data: by name ``(recipe, name of the network it goes on from or None, ways to
        test it by name)``.
    """
    enough_threads()
    with cli.exit_status(name):
        options = tyro.cli(Options, prog=" ".join(cli.started()), description=sys.modules["__main__"].__doc__)
        run(name, rows, options)


def run(name: str, rows: Callable[[Dataset], Rows], options: Options) -> str:
    """What main does once the command line is read; returns the text."""
    for option, value in {"seeds": options.seeds, "images": options.images or 1}.items():
        if value < 1:
            raise cli.UsageError(f"--{option} is {value}; allowed: 1 or more.")
    join_processes()
    folder = output.folder_for(name, options.data, options.out)
    dataset, networks = prepare(rows, options)
    first, *_ = (recipe for recipe, _, _ in networks.values())
    text = f"{options.seeds} paired seeds, {dataset.name}, {ablation.machine()['cpu']}\n\n"
    text += table(measure(networks, dataset, range(options.seeds)), headline_of_task(first.task)) + "\n"
    output.write_table(folder, name, options.data, text)
    return text


def prepare(rows: Callable[[Dataset], Rows], options: Options) -> tuple[Dataset, Rows]:
    """The data and the networks, built and checked; nothing is trained."""
    dataset = options.load()
    networks = rows(dataset)
    cli.check_recipes({name: recipe for name, (recipe, _, _) in networks.items()}, dataset)
    return dataset, networks
