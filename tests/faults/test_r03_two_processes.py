"""Rows 3, 5 and 6 with two processes: one of them checks and writes the list, both decide alike."""

import json
import os
import socket
import subprocess
import sys

from shelves import WHERE


def test_r03_r05_r06_two_processes_decide_alike(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    env = os.environ | {"PYTHONPATH": f"{WHERE.parents[1]}"}
    env.pop("XLA_FLAGS")
    outs = [tmp_path / f"{i}.json" for i in (0, 1)]
    processes = [
        subprocess.Popen(
            [sys.executable, WHERE / "two_savers.py", str(port), str(i), tmp_path / "run", out],
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
    for i, report in enumerate(json.loads(out.read_text()) for out in outs):
        told = 1 - i  # the first process warns
        assert report == {
            "waiting": {
                "saved": [3, 3, 0],
                "damaged": [2, 2, told],
                "replaced": [3, 3, 0],
                "failed": ["4", 3],
                "again": [4, 4, 0],
            },
            "asynchronous": {
                "saved": [7, 7, 0],
                "damaged": [6, 6, told],
                "replaced": [7, 7, 0],
                "failed": ["8", 7],
                "again": [8, 8, 0],
            },
            "none left": "corrupt",
        }
