"""The command line of tables about views: scores by the task's headline, options, exit status."""

import runpy
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from jaxtricks import augment, data, tasks, train
from jaxtricks.ablation import Headline, cli, views
from jaxtricks.tricks import bag

DIGITS = data.load("digits").subset(200)


def rows(dataset):
    task, model = tasks.classification(dataset.classes), cli.network("logistic", dataset)
    recipe = bag.standard(task=task, augmented=None, model=model, lr=0.1, batch=20, epochs=1)
    longer = replace(recipe, epochs=2)
    return {
        "once": (recipe, None, {"itself": views.itself, "mirrored": augment.flip_views}),
        "more": (longer, "once", {"itself": views.itself}),
    }


def test_one_view_scores_as_the_test_set_does():
    recipe = rows(DIGITS)["once"][0]
    (run,) = train.fit(recipe, DIGITS, plan=train.Plan(devices=(jax.devices()[0],)))
    assert views.score(recipe, DIGITS, run, views.itself) == pytest.approx(100 * run.test["accuracy"])
    assert views.score(recipe, DIGITS, run, augment.flip_views) != pytest.approx(100 * run.test["accuracy"])


def test_the_command_prints_and_writes_the_table(tmp_path, capsys):
    text = views.run("x", rows, views.Options(data="digits", seeds=2, images=200, out=tmp_path))
    assert capsys.readouterr().out == text == (tmp_path / "x.txt").read_text()
    head, *lines = text.splitlines()[2:]
    assert head.split() == "test accuracy, %; difference, points, 95 %; verdict".split()
    assert [line.split("  ")[0] for line in lines] == ["once: itself", "once: mirrored", "more: itself"]


def test_a_table_is_in_the_unit_of_its_headline():
    text = views.table({"a": [7.0, 7.2], "b": [6.5, 6.5]}, Headline("error", "°", "lower"))
    head, first, second = text.splitlines()
    assert head.strip() == "test error, °; difference, °, 95 %; verdict"
    assert first.split() == ["a", "7.10"]
    assert second.split()[:3] == ["b", "6.50", "-0.60"]
    assert np.isfinite(float(second.split("[")[1].split(",")[0]))
    *_, better = views.table({"a": [7.0, 7.2], "b": [6.5, 6.701]}, Headline("error", "°", "lower")).splitlines()
    assert better.endswith("helps")  # -0.5 and -0.499, where a lower error is better


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--help"], 0, "usage: python -m experiments.views"),
        (["--dat", "digits"], 2, "--data"),
        (["--seeds", "0"], 2, "--seeds is 0; allowed: 1 or more"),
        (["--data", "nowhere.npz"], 2, "nowhere.npz: no such file"),
    ],
)
def test_the_experiment_answers_what_is_typed(arguments, status, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["views.py", *arguments])
    monkeypatch.delitem(sys.modules, "experiments.views", raising=False)  # another test may have imported it
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("experiments.views", run_name="__main__", alter_sys=True)
    assert (ended.value.code or 0) == status
    said = " ".join("".join(capsys.readouterr()).replace("\u2502", " ").split())
    assert words in said
    assert "Traceback" not in said
