"""A long table on a CPU: programs are dropped before the system has no memory mapping left for another."""

import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
import small

from jaxtricks import data, models
from jaxtricks._runtime import memory
from jaxtricks.ablation import Cells, Trick, running, variants
from jaxtricks.train import Plan
from jaxtricks.tricks.trick import set_fields

SOURCE = data.fake(train=32, test=16, shape=(4, 4, 1)).hold_out(0.25)
RECIPE = small.recipe(model=partial(models.perceptron, (), size=16), augment=None, mix=None, ema=None, batch=8)
ROWS = variants(RECIPE, {f"x{i}": Trick(partial(set_fields, lr=0.1 * i)) for i in (2, 3)}, mode="add-one")
LIMIT = Path("/proc/sys/vm/max_map_count")


def scores(folder, programs, share, monkeypatch, seeds_on):
    monkeypatch.setattr(memory, "mappings", lambda: share)
    cells, plan = Cells(folder, SOURCE), Plan(seeds_on=seeds_on)
    for seeds in ((0, 1), (2, 3)):
        running.run_cells(ROWS, cells, seeds=seeds, plan=plan, programs=programs)
    files = [json.loads(cells.path(row.recipe, seed).read_text()) for row in ROWS for seed in range(4)]
    assert not [cell["error"] for cell in files if "error" in cell]
    return [(cell["test"], cell["validation"]) for cell in files]


@pytest.mark.parametrize("seeds_on", ["map", "devices"])
def test_dropped_programs_are_made_again_and_the_figures_are_the_same(tmp_path, monkeypatch, seeds_on):
    kept, dropped = {}, {}
    alone = scores(tmp_path / "kept", kept, 0.0, monkeypatch, seeds_on)
    assert scores(tmp_path / "dropped", dropped, 0.9, monkeypatch, seeds_on) == alone
    assert (len(kept), len(dropped)) == (3, 1)


@pytest.mark.skipif(not LIMIT.exists(), reason="of Linux")
def test_programs_take_mappings_and_give_them_back():
    def function(x):
        return jnp.tanh(x @ x.T).sum()

    before = memory.mappings()
    assert 0 < before < 1
    programs = [jax.jit(jax.grad(function)).lower(jnp.ones((n, n))).compile() for n in range(2, 34)]
    full = memory.mappings()
    assert (full - before) * int(LIMIT.read_text()) > 32
    programs.clear()
    running._drop({})
    assert memory.mappings() < full


def test_where_the_system_does_not_say_nothing_is_dropped(monkeypatch):
    monkeypatch.setattr(memory.Path, "read_text", lambda self, **_: (_ for _ in ()).throw(FileNotFoundError()))
    assert memory.mappings() == 0.0
