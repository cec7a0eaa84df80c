"""The search of learning rates as an experiment runs it: seeds of its own, kept as cells, listed in a table."""

import json
from pathlib import Path

import jax
import pytest

from jaxtricks._command import check
from jaxtricks.ablation import Trick, cli, search
from jaxtricks.tricks import bag

PRESETS = {"quick": cli.Preset(data="digits", model="logistic", seeds=2, epochs=1, batch=16, lr=0.05)}
LADDER = {"cosine": Trick(bag.cosine)}
FACTORS = (0.02, 1.0)


def test_rows_are_compared_at_the_rates_that_were_found(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "CACHE", jax.config.jax_compilation_cache_dir)
    given = {"title": "Test", "mode": "add-one", "factors": FACTORS}
    options = cli.Options(out=tmp_path, images=100, batch=16, epochs=1.0)
    results = cli.run("x", options, bag.standard, LADDER, PRESETS, **given)
    trials = [json.loads(path.read_text()) for path in (tmp_path / "cells").glob("*-seed10?.json")]
    assert all(cell["test"] == {} and not cell["tested"] for cell in trials)
    assert [row["name"] for row in results["rows"]] == ["baseline", "cosine"]
    assert all(sorted(cell["seed"] for cell in row["cells"]) == [0, 1] for row in results["rows"])
    found = [json.loads(path.read_text())["seed"] for path in (tmp_path / "cells").glob("*.json")]
    assert {seed: found.count(seed) for seed in set(found)} == {100: 4, 101: 4, 0: 2, 1: 2}
    assert results["recipe"]["baseline"]["lr"] in ("0.05", "0.001")
    head, _, first, second = (tmp_path / "rates.md").read_text().splitlines()
    assert head == "| row | rate: held-out accuracy, % | chosen |"
    for name, line in (("baseline", first), ("cosine", second)):
        rate = float(results["recipe"][name]["lr"])
        assert line.startswith(f"| {name} | 0.001: ")
        assert f"| {rate:.3g}" in line


def test_the_comparison_has_other_seeds_than_the_search(tmp_path):
    options = cli.Options(out=tmp_path, seeds=101)
    with pytest.raises(cli.UsageError, match=f"--seeds is 101; allowed: 1 to {min(search.SEEDS)}"):
        cli.run("x", options, bag.standard, LADDER, PRESETS, title="Test", factors=FACTORS)
    options = cli.Options(out=tmp_path, seeds=4, first_seed=97)
    with pytest.raises(cli.UsageError, match="--seeds is 4 with --first-seed 97; allowed: 1 to 3"):
        cli.run("x", options, bag.standard, LADDER, PRESETS, title="Test", factors=FACTORS)


@pytest.mark.parametrize("changes", [{"recommend": True}, {"save": Path("there")}])
def test_the_confirmation_has_seeds_of_its_own(changes, tmp_path):
    options = cli.Options(out=tmp_path, seeds=103, first_seed=98, **changes)
    with pytest.raises(
        cli.UsageError, match="--seeds is 103 with --first-seed 98; allowed: 1 to 102; the confirmation"
    ):
        cli.run("x", options, bag.standard, LADDER, PRESETS, title="Test")


@pytest.mark.parametrize("value", [-1, 99])
def test_a_first_seed_out_of_range_is_refused(value):
    with pytest.raises(cli.UsageError, match=f"--first-seed is {value}; allowed: 0 to 98"):
        check(cli.Options(first_seed=value))
