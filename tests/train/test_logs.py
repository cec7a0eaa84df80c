"""Logs: valid JSON lines with the numbers of the run, and TensorBoard events that hold the same."""

import json
import math

import jax
import pytest
from small import dataset, recipe
from tensorboardX.proto.event_pb2 import Event

from jaxtricks.train import Plan, fit, json_lines, tensorboard, wandb

ONE = Plan(devices=(jax.devices()[0],))


def scalars(folder):
    """Tag -> step -> value of the event files: records of length (8 bytes), checksum (4), event, checksum (4)."""
    found = {}
    for path in folder.iterdir():
        raw, at = path.read_bytes(), 0
        while at < len(raw):
            end = at + 12 + int.from_bytes(raw[at : at + 8], "little")
            event, at = Event.FromString(raw[at + 12 : end]), end + 4
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_logs_hold_the_numbers_of_the_run(tmp_path):
    logs = [json_lines(tmp_path / "a" / "log.jsonl"), tensorboard(tmp_path / "board")]
    run = fit(recipe(), dataset().hold_out(0.2), seeds=(3,), plan=ONE, log=logs)[0]
    lines = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert [line["train_loss"] for line in lines] == [r["train_loss"] for r in run.history]
    assert len(lines) == 3  # two whole epochs and a half
    for line in lines:
        assert {"seed", "epoch", "step", "lr", "images_per_second", "wait_percent", "validation_accuracy"} <= set(line)
    board = scalars(tmp_path / "board" / "seed3")
    assert {"train_loss", "validation_accuracy", "lr"} <= board.keys()
    for name, found in board.items():
        assert found == {r["step"]: pytest.approx(r[name], rel=1e-6) for r in run.history}, name  # float32


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


class Run:
    """As ``wandb.init()`` gives one."""

    def __init__(self):
        self.numbers = []

    def log(self, numbers):
        self.numbers.append(numbers)


def test_a_run_of_wandb_gets_the_numbers_of_an_epoch():
    run = Run()
    log = wandb(run)
    log({"kind": "start", "seeds": [3]})
    log({"kind": "epoch", "seed": 3, "step": 7, "variant": "+ mixup", "train_loss": 0.5, "note": "text"})
    log({"kind": "epoch", "seed": 4, "step": 7, "train_loss": 0.25})
    assert run.numbers == [
        {"+ mixup/seed3/step": 7, "+ mixup/seed3/train_loss": 0.5},
        {"seed4/step": 7, "seed4/train_loss": 0.25},
    ]
