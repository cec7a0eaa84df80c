"""The command, started as two processes of one run by the environment alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from children import Child, free_port

from experiments.bag_of_tricks import LADDER

SCRIPT = Path(__file__).parent / "ladder_of_two.py"
BAG = Path(__file__).parent / "bag_of_two.py"
DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"}


def started(tmp_path, *typed, script=SCRIPT, env=None):
    named = {"JAX_COORDINATOR_ADDRESS": f"localhost:{free_port()}", "JAXTRICKS_PROCESSES": "2", "NPROC": "16"}
    typed = ("--out", tmp_path / "out", *typed)
    named |= env or {}
    children = [Child(script, typed, env=named | {"JOB_COMPLETION_INDEX": str(index)}) for index in (0, 1)]
    return [child.end() for child in children], [child.complaint for child in children]


def test_a_ladder_with_a_seed_on_each_device_is_trained_by_two_processes_together(tmp_path):
    statuses, said = started(tmp_path)
    assert statuses == [0, 0], said
    assert said[0].count("2 processes train each network together: one seed after another (--seeds-on map).") == 1
    assert "processes train" not in said[1]  # only the first process talks
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert [len(row["cells"]) for row in results["rows"]] == [2, 2]
    assert (tmp_path / "out/report.html").exists()
    assert len(results["machine"]["devices"]) == 4


def test_a_seed_on_each_device_that_was_typed_is_refused(tmp_path):
    statuses, said = started(tmp_path, "--seeds-on", "devices")
    assert statuses == [2, 2], said
    assert "two: --seeds-on is devices with 2 processes; allowed: --seeds-on map, or vmap." in said[0]


@pytest.mark.slow
def test_the_whole_ladder_by_two_processes_is_that_of_one(tmp_path):
    """Each rung, its teacher too, over the devices of both; figures differ by the order of sums alone."""
    typed = ["--preset", "full", "--data", "fake", "--model", "resnet_digits", "--epochs", 3, "--batch", 8]
    typed += ["--seeds", 2, "--seeds-on", "map"]
    statuses, said = started(tmp_path, *typed, script=BAG, env=DEVICES)
    assert statuses == [0, 0], said
    one = Child(BAG, ("--out", tmp_path / "one", *typed), env=DEVICES | {"NPROC": "16"})
    assert one.end() == 0, one.complaint
    both, alone = (
        json.loads((tmp_path / name / "results.json").read_text(encoding="utf-8")) for name in ("out", "one")
    )
    assert [row["name"] for row in both["rows"]] == [row["name"] for row in alone["rows"]]
    assert len(both["rows"]) == len(LADDER) + 1
    for ours, theirs in zip(both["rows"], alone["rows"], strict=True):
        assert len(ours["cells"]) == len(theirs["cells"]) == 2
        losses = [[cell["curve"]["train_loss"] for cell in row["cells"]] for row in (ours, theirs)]
        np.testing.assert_allclose(*losses, rtol=0.02, err_msg=ours["name"])
