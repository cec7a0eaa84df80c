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

import jax
import pytest
from gcp_storage_emulator.server import create_server
from small import Stopped, dataset, recipe, same, stop_at

from jaxtricks.train import Plan, fit, session

ONE = Plan(devices=(jax.devices()[0],))
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


def test_a_run_that_is_stopped_goes_on_from_the_bucket_bit_for_bit(bucket, monkeypatch):
    variables, names = bucket
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(session, "PROGRESS", 0.0)
    unbroken = fit(recipe(), dataset(), seeds=(3,), plan=ONE)[0]
    place = {"folder": "gs://bucket/states", "save_every": 2}
    with pytest.raises(Stopped):
        fit(recipe(), dataset(), seeds=(3,), plan=ONE, log=[stop_at(3)], **place)
    assert any(name.endswith("SHA256SUMS") for name in names())
    steps = []
    run = fit(recipe(), dataset(), seeds=(3,), plan=ONE, log=[lambda record: steps.append(record["step"])], **place)[0]
    assert steps[0] == 2  # where it was saved, not at the start
    same(run.state, unbroken.state)
    assert run.test == unbroken.test


@pytest.mark.slow
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
