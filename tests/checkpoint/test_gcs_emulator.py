"""A bucket of Google Cloud Storage, through gcsfs and an emulator on this machine: stopped runs go on from it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from gcp_storage_emulator.server import create_server

ROOT = Path(__file__).parents[2]
TYPED = "--data fake --model logistic --epochs 6 --batch 8 --seeds 2 --only cosine".split()


@pytest.fixture
def bucket():
    """``gs://bucket``, the variables that lead to it, and a function that lists its files."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    emulator = create_server("localhost", port, in_memory=True, default_bucket="bucket")
    emulator.start()
    address = f"http://localhost:{port}"

    def names():
        with urllib.request.urlopen(f"{address}/storage/v1/b/bucket/o?prefix=states") as answer:
            return [item["name"] for item in json.load(answer).get("items", ())]

    # without the second variable gcsfs asks the kind of the bucket by gRPC, which the emulator does not speak
    variables = {"STORAGE_EMULATOR_HOST": address, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    yield variables, names
    emulator.stop()


def begun(out, variables, *more):
    command = [sys.executable, "-m", "experiments.bag_of_tricks", *TYPED, "--out", str(out), *more]
    environment = os.environ | variables | {"JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def values(out):
    rows = json.loads((out / "results.json").read_text(encoding="utf-8"))["rows"]
    return {(row["name"], cell["seed"]): (cell["test"], cell["validation"]) for row in rows for cell in row["cells"]}


def test_a_ladder_that_is_stopped_goes_on_from_the_bucket_and_leaves_nothing_there(bucket, tmp_path):
    variables, names = bucket
    assert begun(tmp_path / "unbroken", {}).wait(300) == 0
    process = begun(tmp_path / "broken", variables, "--checkpoints", "gs://bucket/states")
    for _ in range(3000):
        if names() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 128 + signal.SIGTERM
    assert any(name.endswith("SHA256SUMS") for name in names())
    assert begun(tmp_path / "broken", variables, "--checkpoints", "gs://bucket/states").wait(300) == 0
    assert values(tmp_path / "broken") == values(tmp_path / "unbroken")
    assert not names()
