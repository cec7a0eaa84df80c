"""A process that trains cells of a folder that others work on too; started by test_r21_claims.py.

    python sharers.py FOLDER SEEDS SECONDS [PORT INDEX]

A cell takes so many seconds, in which a file says who trains it; ``twice`` is said if another living process already
does. With a port it is one of two processes of one run, and the cells are really trained.
"""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import runs

from jaxtricks import ablation
from jaxtricks.ablation import Trick, claims, running
from jaxtricks.train import Plan, initialize_distributed
from jaxtricks.tricks import set_fields

folder, seeds, seconds, *group = sys.argv[1:]
claims.AGAIN = running.AGAIN = 0.05


def say(word, number):
    print(word, number, flush=True)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def fit(recipe, dataset, *, seeds, plan, done, **_):
    for seed in seeds:
        place = Path(folder, f"lr{recipe.lr:g}-{seed}")
        try:
            with place.open("x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            say("twice" if alive(place.read_text()) else "again", seed)
            place.write_text(str(os.getpid()))
        say("train", seed)
        time.sleep(float(seconds))
        say("trained", seed)
        done(SimpleNamespace(seed=seed))
        place.unlink()


if group:
    initialize_distributed(coordinator=f"localhost:{group[0]}", processes=2, index=int(group[1]))
else:
    running.fit, running.cell_of = fit, lambda run, task: {"seed": run.seed, "tested": True}
ladder = {f"times {n}": Trick(lambda r, n=n: set_fields(r, lr=n * r.lr)) for n in (2, 3, 4)}
rows = ablation.variants(runs.recipe(), ladder, mode="add-one")
cells = ablation.Cells(folder, runs.dataset())
ablation.run_cells(rows, cells, seeds=range(int(seeds)), plan=Plan(), log=[lambda record: None])
missing = [seed for row in rows for seed in cells.missing(row.recipe, range(int(seeds)))]
say("missing", len(missing))
say("processes", jax.process_count())
