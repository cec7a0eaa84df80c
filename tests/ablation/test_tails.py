"""What a table of long tails says beside its headline: ranks by hand, thirds, and what batches hold."""

import re

import pytest

from jaxtricks import ablation, data, tasks
from jaxtricks.ablation import cli, tails
from jaxtricks.tricks import bag, imbalance, long_tails

SOURCE = data.fake(train=2000, test=20)


def test_agreement_of_rankings_by_hand():
    """Of a, b, c, d ranked 1 2 3 4 and 1 2 4 3, five of the six pairs agree: tau 2/3; seed 1 ranks them 1 2 3 4."""
    ours = {"a": {0: 1.0, 1: 1.0}, "b": {0: 2.0, 1: 2.0}, "c": {0: 9.0, 1: 3.0}, "d": {0: 3.0, 1: 4.0}, "x": {0: 5.0}}
    found = tails.agreement(ours, {"a": 10.0, "b": 11.0, "c": 12.0, "d": 13.0, "y": 1.0})
    assert (found.rows, found.tau) == (4, pytest.approx(2 / 3))
    assert found.by_seed == pytest.approx((2 / 3, 1.0))
    # tau of 2/3 or more in size: the ranking, its three neighbours, and their mirror images, of 24
    assert found.p == pytest.approx(8 / 24)
    with pytest.raises(ValueError, match="published has 2 of the rows; allowed: 3 or more"):
        tails.agreement(ours, {"a": 1.0, "b": 2.0})


def test_every_published_row_is_a_row_and_says_so():
    rows = long_tails.rows(100)
    assert set(long_tails.PUBLISHED) - {"baseline"} < set(rows)
    assert rows["balanced softmax"].paper.endswith("CIFAR-10, factor 100: error 29.64 to 22.46 %, BagofTricks-LT")
    assert "25.19 to 18.89" in long_tails.few(50)["balanced softmax"].paper
    assert long_tails.rows(10)["balanced softmax"].paper == "arXiv 2007.07314"


def test_the_page_has_classes_batches_thirds_and_the_ranking(tmp_path, capsys):
    few = {name: trick for name, trick in long_tails.rows(100).items() if name in (*long_tails.FEW, "label shuffling")}
    settings = {"factor 100": imbalance.setting(100, few)}
    parts = {"task": tasks.classification(10), "augmented": None, "model": cli.NETWORKS["plain_mini"]}
    recipe = imbalance.begin(bag.modern(**parts, lr=0.1, batch=16, epochs=10), SOURCE, SOURCE)
    variants = ablation.settings_grid(recipe, settings)
    rows = []
    for n, variant in enumerate(variants):
        cells = [
            {"seed": s, "test": {"balanced accuracy": 50.0 + n + s, "many": 90.0, "medium": 60.0 + n, "few": 1.0 * n}}
            | {
                "seconds": 1.0,
                "wait_percent": 0.0,
                "skipped_steps": 0,
                "step_ms": 1.0,
                "cost": {},
                "curve": {"epoch": [1.0]},
            }
            for s in (0, 1)
        ]
        rows.append(
            {"name": variant.name, "tricks": list(variant.tricks), "reference": variant.reference, "paper": None}
            | {"expected": variant.expected, "cells": cells, "failed": [], "cost": {"batch": 16, "step_ms": 1.0}}
            | {"data": None, "teacher_seconds": None}
        )
    results = {"rows": rows, "mode": "add-one", "seeds": [0, 1], "margin": None, "data": {"train": 540}}
    results["headline"] = ablation.headline_of_task(recipe.task).plain()
    tails.show(results, variants, SOURCE, tmp_path)
    text = (tmp_path / "tails.md").read_text()
    assert " ".join(text.split()) in " ".join(capsys.readouterr().out.split())
    assert "200, 119, 71, 43, 25, 15, 9, 5, 3, 2" in text
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("|")}
    # 16 a batch: 40.7 % of 492 images are of class 0; balanced, 1.6 of each
    batches = text.split("| row |")[0]
    assert re.search(r"\| baseline \| 492 \| 6\.\d, ", batches)
    assert "| balanced sampling | 492 | 1.6, " in batches
    assert "| label shuffling | 2,000 | 1.6, " in batches
    assert "DRW" not in batches  # it has the batches of the baseline
    assert lines["DRW"].count("[") == 1
    softmax = next(line for line in text.splitlines() if line.startswith("| balanced softmax"))
    assert softmax.endswith("| 77.54 | +7.18 |")
    assert "Kendall's tau with the published ranking, 5 rows: " in text
