"""The search of the learning rates before a comparison: trains what is missing, chooses, and tells what was tried."""

from functools import partial
from pathlib import Path

import jax

from jaxtricks import ablation
from jaxtricks.ablation import Display
from jaxtricks.ablation.progress import tasks

SEEDS = (100, 101)  # no comparison that follows a search has them


def tuned(rows, cells, *, factors, costs, plan, log, console) -> list[ablation.Variant]:
    """The rows, each with the best of its rates; what was tried is left as ``rates.md`` beside the cells."""
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    trials = ablation.rate_trials(rows, factors=factors)
    work = [costs[row.name] for row in rows for _ in factors]
    costs = {trial.name: each for trial, each in zip(trials, work, strict=True)}
    todo = tasks(cells.todo(trials, SEEDS, test=False), costs)
    say(f"First {len(factors)} learning rates for each row, with seeds {SEEDS[0]} and {SEEDS[1]}, on held-out images.")
    with Display(todo, len(trials), console=console) as display:
        ablation.run_cells(trials, cells, seeds=SEEDS, plan=plan, test=False, log=(display.log, *log))
    rows, told = ablation.best_rates(rows, cells, factors=factors, seeds=SEEDS)
    for each in told:
        edge = ", at the edge of what was tried" if each["edge"] else ""
        say(f"{each['name']}: rate {each['rate']:.3g}{edge}")
    if jax.process_index() == 0:
        write(told, cells.folder.parent / "rates.md")
    return rows


def write(told: list[dict], path: Path) -> None:
    """The table of the search."""
    head = ["row", "rate: held-out accuracy, %", "chosen"]
    lines = [head, ["---"] * len(head)]
    for each in told:
        tried = zip(each["rates"], each["accuracies"], strict=True)
        cells = ", ".join(f"{rate:.3g}: {'failed' if score is None else f'{score:.2f}'}" for rate, score in tried)
        lines.append([each["name"], cells, f"{each['rate']:.3g}" + (" (edge)" if each["edge"] else "")])
    path.write_text("\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n", encoding="utf-8")
