"""The recommended recipe, trained and saved, and what it says of images."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from jaxtricks import portable
from jaxtricks.ablation import states
from jaxtricks.ablation.cells import Cells, cell_of
from jaxtricks.ablation.headline import headline_of_task
from jaxtricks.ablation.progress import Display, Job, work
from jaxtricks.ablation.recommend import FRESH, Recommendation, candidates_of, recommend, sentence
from jaxtricks.data import Dataset, Split, padded
from jaxtricks.train import Guard, Plan, Recipe, build_model, fit
from jaxtricks.tricks.trick import Ladder

BATCH = 256  # images that are predicted at once
NAME = "the recipe to keep"  # in the progress


def train_and_save(
    choice: Recommendation,
    cells: Cells,
    folder: str | Path,
    *,
    plan: Plan,
    seed: int = FRESH[0],
    log: Iterable[Callable[[dict], None]] = (),
    guard: Guard | None = None,
    console: Console | None = None,
) -> Path:
    """Train the recommended recipe, and leave its weights, its description and its predictions for the test images.

    The test set is not measured a second time: the figures are those of the confirmed run of this recipe and seed. Only
    where there is none, for no trick was chosen, it is read when the network is trained; nothing depends on it.

    Args:
      choice: from ``recommend``.
      cells: as there; its dataset is trained on, and a teacher is kept there.
      folder: made if missing; the files of ``portable.save``, and ``predictions.npz``, of ``predictions``, are written,
        by the first process. ``test`` of model.json has the ``figures`` of this recipe and seed, in the units of
        reports, and the ``gain`` of ``choice.test``, None where nothing was chosen.
      plan: where the steps run, that of the confirmed run, which is repeated bit by bit; but for ``seeds_on="vmap"``,
        where this is one seed alone, equal to rounding.
      seed: of the run.
      log, guard: as in ``run_cells``.
      console: as in ``recommend``.

    Returns:
      The folder.
    """
    recipe, log, folder = choice.recipe, tuple(log), Path(folder)
    plan = replace(plan, seeds_on="map") if plan.seeds_on == "vmap" else plan
    teacher = None
    if recipe.teacher is not None:
        teacher = cells.teacher(recipe.teacher, plan, _to_all(log), test=False, guard=guard)
    confirmed = not cells.missing(recipe, (seed,))
    headline, console = headline_of_task(recipe.task), Console(quiet=True) if console is None else console
    with Display([Job(NAME, work(recipe, cells.dataset), 1)], 1, headline=headline, console=console) as display:
        show = lambda record: display.log({**record, "variant": NAME, "rung": 1})  # noqa: E731
        show({"kind": "rung", "seeds": [seed]})
        options = {"teacher": teacher, "test": not confirmed, "log": (show, *log), "guard": guard}
        (run,) = states.train(fit, cells, recipe, (seed,), plan=plan, **options)
        states.forget(cells, recipe, (seed,))
    if jax.process_index() == 0:
        figures = (cells.get(recipe, seed) or {})["test"] if confirmed else cell_of(run, recipe.task)["test"]
        facts = {
            "tricks": list(choice.tricks),
            "selected": list(choice.selected),
            "sentence": sentence(choice, headline),
            "steps": [asdict(step) for step in choice.steps],
            "confirmation": choice.confirmation and asdict(choice.confirmation),
            "test": {
                "figures": figures,
                "gain": choice.test and asdict(choice.test),
            },
            "seed": seed,
        }
        portable.save(folder, recipe=recipe, dataset=cells.dataset, variables=run.variables, facts=facts)
        columns = [column.name for column in recipe.task.columns]
        said: dict[str, Any] = predictions(portable.load(folder), cells.dataset.test, columns=columns)
        np.savez(folder / "predictions.npz", **said)
    return folder


def predictions(network: portable.Saved, split: Split, *, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """What a saved network says of every row of a split, in their order, and what is true of them.

    Args:
      network: of ``portable.load``.
      split: in memory, or read in batches, such as a folder of photographs.
      columns: names of those to keep beside it, such as ``label``; what is not an array is left to its files.

    Returns:
      ``output``, ``[N, ...]``; of a detector ``boxes [N, K, 4]``, in pixels of what it sees, as ``box`` is, ``scores``,
      ``classes`` and ``valid``, ``[N, K]``; of a segmenter ``classes``, uint8 ``[N, H, W]``. And the columns.
    """
    parts = []
    for batch in padded(split, BATCH):
        said = network.predict(batch["image"][batch["row_valid"]])
        if network.kind == "boxes":
            parts.append(said.output)
        else:
            parts.append({"output": said.output} if said.masks is None else {"classes": np.stack(said.masks)})
    everything: dict[str, np.ndarray] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name in columns:
        if isinstance(column := split[name], np.ndarray):
            everything[name] = column
    return everything


def build_recommendation(
    baseline: Recipe,
    ladder: Ladder,
    cells: Cells,
    results: Mapping[str, Any],
    *,
    plan: Plan,
    log: Iterable[Callable[[dict], None]],
    guard: Guard | None,
    say: Callable[[str], None],
    console: Console,
    save: Path | None = None,
) -> Recommendation:
    """What ``--recommend`` does behind a finished table: choose, confirm, train and save, beside the report.

    Args:
      baseline, ladder, cells: as in ``recommend``.
      results: of the table, from ``gather``.
      plan, log, guard, say, console: as in ``recommend``.
      save: folder of the trained network; recommended, beside the report, if None.

    Returns:
      The Recommendation.
    """
    candidates, log = [name for name in candidates_of(results) if name in ladder], tuple(log)
    say(f"Resolved on held-out images, to the better: {', '.join(candidates) or 'no trick'}.")
    running = {"plan": plan, "log": log, "guard": guard, "console": console}
    choice = recommend(baseline, ladder, cells, candidates=candidates, seeds=results["seeds"], say=say, **running)
    say(sentence(choice, headline_of_task(baseline.task)))
    folder = train_and_save(choice, cells, cells.folder.parent / "recommended" if save is None else save, **running)
    masks = " --masks FOLDER" if portable.kind(choice.recipe, cells.dataset) == "mask" else ""
    say(f"Trained and saved: {folder}. Use it: python -m jaxtricks predict {folder} IMAGES...{masks}")
    return choice


def _to_all(log: Sequence[Callable[[dict], None]]) -> Callable[[dict], None]:
    def write(record):
        for one in log:
            one(record)

    return write


def predict(recipe: Recipe, dataset: Dataset, variables: tuple[Any, Any], images: np.ndarray) -> np.ndarray:
    """What a trained network says of images.

    Args:
      recipe: that it was trained by.
      dataset: that it was trained on, in memory, which its preprocessing was fitted to.
      variables: ``(params, stats)``, from a Run or ``load``.
      images: ``[N, H, W, C]`` uint8, as in the dataset.

    Returns:
      The output, such as logits ``[N, C]``.
    """
    model = build_model(recipe, dataset)
    fitted = recipe.preprocess[0](dataset.train["image"])

    @jax.jit
    def part(batch):
        ready = jax.vmap(partial(recipe.preprocess[1], fitted))(batch / jnp.float32(255))
        return model.apply(*variables, ready, train=False)[0][0]

    parts = [np.asarray(part(images[start : start + BATCH])) for start in range(0, len(images), BATCH)]
    return np.concatenate(parts)
