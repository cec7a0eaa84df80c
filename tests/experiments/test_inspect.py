"""The page about a network."""

import json

import pytest

from experiments import inspect
from jaxtricks.ablation import cli, inspection
from jaxtricks.data import DataError


def falling(recipe, dataset, *, seed):
    """A loss that falls up to a rate of 0.1 and rises behind it, in the place of training."""
    return lambda state, rate: (state, 3 - min(rate, 0.1) * 20 + max(0.0, rate - 0.1) * 9), None


def table(folder, **curves):
    """A finished table of rows with these training losses."""
    rows = [
        {"name": name, "cells": [{"curve": {"epoch": list(range(len(loss))), "train_loss": loss}}]}
        for name, loss in curves.items()
    ]
    (folder / "results.json").write_text(json.dumps({"headline": {"name": "accuracy"}, "rows": rows}))
    return folder


def test_the_page_has_costs_fields_responses_and_gradients(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(inspection.range_test, "step_at_rate", falling)
    run = table(tmp_path, baseline=[2.0, 1.0, 0.5, 0.3, 0.2], hot=[2.0, 3.0, None, 9.0], brief=[2.0, 1.0])
    options = inspect.Options(model="plain_mini", data="digits", images=8, out=tmp_path / "page", run=run)
    page = inspect.main(options).read_text("utf-8")
    assert "stages/0/conv" in capsys.readouterr().out
    assert "stage3: 18 x 18, every 4" in page  # 3, pool, 3, pool, 3: 3 + 1 + 2 x 2 + 2 + 2 x 4
    assert "features: 8 x 8, the entire image" in page
    assert page.index("stage1: 3 x 3") < page.index("stage3: 18 x 18") < page.index("features: 8 x 8")
    for about in ("Receptive field", "Images under heat", "Loss by learning rate", "Loss and score by epoch"):
        assert page.count(f'<img alt="{about}" src="data:image/png;base64,') == 1
    for words in (
        "one image: ",
        "images a second",
        "Receptive field of the middle",
        "Grad-CAM of stage3",
        "Costs",
        "conv 3x3",
        "stage1: ",
        "% zeros",
        "head: ",
        "Neither vanishes nor explodes.",
        "Start with a rate of 0.0",
        "baseline: nothing found.",
        "hot: rate too high: the loss step 3 is nan. Divide the learning rate by ten",
        "brief: 2 epochs, too few to read.",
    ):
        assert words in page


def test_a_name_that_is_none_gets_a_hint():
    with pytest.raises(cli.UsageError, match="Perhaps you meant 'plain_mini'"):
        inspect.main(inspect.Options(model="plain_min"))


@pytest.mark.parametrize("text", [None, "{", "[]", '{"rows": [{}], "headline": {"name": "accuracy"}}'])
def test_a_run_that_is_none_is_refused_before_anything_is_computed(text, tmp_path):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    with pytest.raises(DataError, match=r"--run is .*; allowed: a folder with the results.json of a table"):
        inspect.main(inspect.Options(model="plain_mini", data="digits", out=tmp_path / "page", run=tmp_path))
