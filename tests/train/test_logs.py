"""Logs: valid JSON lines with the numbers of the run, and TensorBoard events that hold the same."""

import json
import math

import jax
import pytest
from small import dataset, recipe

from jaxtricks.train import Plan, fit, json_lines, tensorboard

ONE = Plan(devices=(jax.devices()[0],))


def test_logs_hold_the_numbers_of_the_run(tmp_path):
    logs = [json_lines(tmp_path / "a" / "log.jsonl"), tensorboard(tmp_path / "board")]
    run = fit(recipe(), dataset().hold_out(0.2), seeds=(3,), plan=ONE, log=logs)[0]
    lines = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert [line["train_loss"] for line in lines] == [r["train_loss"] for r in run.history]
    assert len(lines) == 3  # two whole epochs and a half
    for line in lines:
        assert {"seed", "epoch", "step", "lr", "images_per_second", "wait_percent", "validation_accuracy"} <= set(line)
    events = b"".join(p.read_bytes() for p in (tmp_path / "board" / "seed3").iterdir())
    for name in (b"train_loss", b"validation_accuracy", b"lr"):
        assert name in events


def test_numbers_that_are_not_finite_stay_valid_json(tmp_path):
    log = json_lines(tmp_path / "log.jsonl")
    log({"kind": "epoch", "train_loss": math.nan, "best": math.inf, "step": 3})
    log({"kind": "progress", "step": 4})
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(line) == {"kind": "epoch", "train_loss": "nan", "best": "inf", "step": 3}


def test_learning_rate_in_the_log_is_the_one_of_the_step(tmp_path):
    run = fit(recipe(epochs=2.0), dataset(), seeds=(3,), plan=ONE)[0]
    expected = [0.02 * 0.5 * (1 + math.cos(math.pi * (step - 1) / 16)) for step in (8, 16)]
    assert [r["lr"] for r in run.history] == pytest.approx(expected, rel=1e-5)
