"""Results made by hand, for the tests of the report."""

from types import SimpleNamespace

import pytest

ARMS = SimpleNamespace(
    base=(84.0, 84.5, 83.7, 84.2, 84.1),
    up=(
        85.1,
        85.4,
        84.9,
        85.2,
        85.3,
    ),  # above base by 1.08, deviation 0.1304: half-width 2.776 x 0.1304 / sqrt 5 = 0.162
    level=(85.0, 85.6, 84.7, 85.4, 85.1),  # not to be told from up
    down=(83.0, 83.5, 82.8, 83.4, 83.0),  # clearly below level
)


ACCURACY = {"name": "accuracy", "unit": "%", "better": "higher", "bounds": [0, 100]}
DEGREES = {"name": "error", "unit": "°", "better": "lower", "bounds": [0, None]}


def _cell(seed, value, *, seconds=10.0, epochs=3, metric="accuracy"):
    epoch = list(range(1, epochs + 1))
    return {
        "seed": seed,
        "tested": True,
        "test": {metric: value, "loss": 0.4},
        "validation": {metric: value - 0.5, "loss": 0.5},
        "curve": {
            "epoch": epoch,
            "train_loss": [1 / e for e in epoch],
            "validation": {metric: [value - 5 / e for e in epoch], "loss": [0.5] * epochs},
        },
        "seconds": seconds,
        "step_ms": 2.0,
        "wait_percent": 1.0,
        "skipped_steps": 1,
    }


def _row(name, values, *, reference=None, expected=1, seconds=10.0, failed=(), paper=None, metric="accuracy"):
    """A row from ``{seed: value}`` or a list, whose seeds are 0, 1, ..."""
    values = dict(enumerate(values)) if not isinstance(values, dict) else values
    return {
        "name": name,
        "tricks": [] if reference is None else [name],
        "reference": reference,
        "expected": expected,
        "paper": paper,
        "cells": [
            _cell(seed, value, seconds=seconds * (1 + 0.001 * seed), metric=metric) for seed, value in values.items()
        ],
        "failed": [{"seed": seed, "error": "FloatingPointError: loss <nan>"} for seed in failed],
        "cost": {"macs": 12_300_000, "train_flops": None, "peak_bytes": 2**21, "parameters": 272_474, "step_ms": 2.0},
    }


def _results(*rows, seeds=5, mode="stack", headline=ACCURACY):
    return {
        "title": "Bag of tricks",
        "created": "2026-01-05T12:30:00+00:00",
        "command": "python -m experiments.bag_of_tricks --seeds 5",
        "machine": {
            "cpu": "a CPU",
            "cores": 2,
            "devices": ["cpu:0", "cpu:1"],
            "jax": "0.10",
            "python": "3.11",
            "platform": "Linux",
        },
        "data": {"name": "fake", "train": 4000, "validation": 500, "test": 1000, "classes": 10, "shape": [28, 28, 1]},
        "headline": headline,
        "mode": mode,
        "seeds": list(range(seeds)),
        "model": "resnet8",
        "epochs": 3.0,
        "batch": 64,
        "sd_assumed": {"value": 0.5, "from": "pilot runs"},
        "resolvable": 0.84 if seeds > 1 else float("inf"),
        "rows": list(rows),
        "recipe": {row["name"]: {"lr": "0.1", "trick": row["name"]} for row in rows},
    }


@pytest.fixture
def arms():
    return ARMS


@pytest.fixture
def make_cell():
    return _cell


@pytest.fixture
def make_row():
    return _row


@pytest.fixture
def make_results():
    return _results


@pytest.fixture
def results():
    """A stack with a rung that helps, one without an effect and one that hurts."""
    rows = (
        _row("baseline", ARMS.base, expected=0),
        _row("cosine", ARMS.up, reference="baseline", paper="+0.7 points (a paper)"),
        _row("smoothing", ARMS.level, reference="cosine", seconds=12.0),
        _row("mixup", ARMS.down, reference="smoothing", seconds=9.0),
    )
    for place, row in enumerate(rows):
        row["tricks"] = [below["name"] for below in rows[1 : place + 1]]
    return _results(*rows)


@pytest.fixture
def degrees():
    """An error in degrees, of which less is better: the second row is better as was expected, the third is not."""
    rows = (
        ("baseline", (7.3, 7.6, 7.1, 7.4, 7.5), None),
        ("smooth targets", (6.2, 6.6, 6.1, 6.2, 6.5), "baseline"),
        ("wide targets", (8.4, 8.6, 8.1, 8.5, 8.6), "baseline"),
    )
    return _results(
        *(_row(name, values, reference=reference, metric="error") for name, values, reference in rows),
        mode="add-one",
        headline=DEGREES,
    )
