"""The command, started as two processes of one run by the environment alone."""

import json
from pathlib import Path

from children import Child, free_port

SCRIPT = Path(__file__).parent / "ladder_of_two.py"


def started(tmp_path, *typed):
    named = {"JAX_COORDINATOR_ADDRESS": f"localhost:{free_port()}", "JAXTRICKS_PROCESSES": "2", "NPROC": "16"}
    typed = ("--out", tmp_path / "out", *typed)
    children = [Child(SCRIPT, typed, env=named | {"JOB_COMPLETION_INDEX": str(index)}) for index in (0, 1)]
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
