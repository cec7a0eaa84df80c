"""Two real processes on this machine train one model together, and compute what one process computes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from small import dataset, recipe

from jaxtricks.train import fit

HERE = Path(__file__).parent


@pytest.mark.parametrize("kind", ["jit", "shard_map"])
def test_two_processes_are_one(tmp_path, kind):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    outs = [tmp_path / f"{i}.json" for i in (0, 1)]
    env = os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}"}
    env.pop("XLA_FLAGS")
    processes = [
        subprocess.Popen(
            [sys.executable, HERE / "two.py", str(port), str(i), kind, str(out)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i, out in enumerate(outs)
    ]
    try:
        texts = [p.communicate(timeout=240)[0] for p in processes]
    finally:
        for p in processes:
            p.kill()
    assert [p.returncode for p in processes] == [0, 0], texts
    first, second = (json.loads(out.read_text()) for out in outs)
    assert first["params"] == second["params"]
    assert first["steps"] == 20
    assert "epoch" in first["said"]
    assert not second["said"]  # only the first process talks
    alone = fit(recipe(), dataset(), seeds=(3,))[0]
    ours = np.concatenate([np.ravel(x) for x in jax.tree.leaves(alone.state.params)])
    assert np.abs(ours - np.concatenate(first["params"])).max() < 2e-4
    assert first["test"]["loss"] == pytest.approx(alone.test["loss"], abs=1e-3)
