"""Row 1: SIGKILL at a random moment of a run with crops, dropout, BN, EMA and mixup; it ends as if nothing had been."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from children import Child, unbroken

MOMENTS = 0.8  # seconds of a run, from its first word, in which it is killed


def survive(folder, kills, seed):
    """Start and kill runs until so many kills have fallen; each run is started again until it ends.

    Returns:
      What the runs gave, and how many kills fell while a checkpoint was being written.
    """
    draws = random.Random(seed)
    ends, done, saving = [], 0, 0
    while done < kills or not ends:
        run = folder / f"run{len(ends)}"
        out = run.with_suffix(".json")
        while not out.exists():
            child = Child(folder=run, save_every=5, pause=0.02, out=out)
            if done < kills:
                child.until("start")
                time.sleep(draws.uniform(0, MOMENTS))
                if child.kill() == 0:
                    continue  # it was faster
                done += 1
                saving += child.last("saving") != child.last("saved")
            else:
                assert child.end() == 0, child.complaint
        ends.append(json.loads(out.read_text(encoding="utf-8")))
    return ends, saving


def check(ends):
    for end in ends:
        assert end == unbroken()
    leaves = unbroken()["leaves"]
    for part in (".step", ".key", ".params", ".stats", ".opt", ".ema", ".value", ".bad", ".sums"):
        assert any(name.startswith(part) for name in leaves), part


@pytest.mark.parametrize(
    ("chains", "kills"), [pytest.param(1, 1, id="short"), pytest.param(2, 25, id="full", marks=pytest.mark.slow)]
)
def test_r01_sigkill_at_a_random_moment(tmp_path, chains, kills, card):
    unbroken()  # fills the cache before anything is killed
    with ThreadPoolExecutor(chains) as pool:
        chains_run = list(pool.map(lambda i: survive(tmp_path / str(i), kills, seed=i), range(chains)))
    ends = [end for chain, _ in chains_run for end in chain]
    saving = sum(inside for _, inside in chains_run)
    check(ends)
    what = "kills, of them inside a save; ends bit-identical to the unbroken run"
    card("r01", what, f"{chains * kills}, {saving}; {len(ends)} of {len(ends)}")
