"""Two real processes on this machine train one model together, and compute what one process computes."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from children import Child, free_port
from small import dataset, recipe

from jaxtricks.train import fit

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "kind", ["jit", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("vmap", "shard_map"))]
)
def test_two_processes_are_one(tmp_path, kind):
    outs, port = [tmp_path / f"{i}.json" for i in (0, 1)], free_port()
    children = [Child(HERE / "two.py", (port, i, kind, out)) for i, out in enumerate(outs)]
    assert [child.end() for child in children] == [0, 0], [child.complaint for child in children]
    first, second = (json.loads(out.read_text()) for out in outs)
    assert first["params"] == second["params"]
    assert first["test"] == second["test"]
    assert first["decided"] == second["decided"]
    assert np.mean(first["decided"] == dataset().test["label"]) == pytest.approx(first["test"]["accuracy"])
    assert first["steps"] == 20
    assert "epoch" in first["said"]
    assert not second["said"]  # only the first process talks
    alone = fit(recipe(), dataset(), seeds=(3,))[0]
    ours = np.concatenate([np.ravel(x) for x in jax.tree.leaves(alone.state.params)])
    assert np.abs(ours - np.concatenate(first["params"])).max() < 2e-4
    assert first["test"]["loss"] == pytest.approx(alone.test["loss"], abs=1e-3)
