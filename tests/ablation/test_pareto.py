"""Networks by cost: the Pareto front by hand, and the table and picture beside a report."""

from types import SimpleNamespace

import pytest

from experiments import architectures
from jaxtricks import data, tasks
from jaxtricks.ablation import cli, forward_cost, pareto
from jaxtricks.analysis import Latency, Throughput
from jaxtricks.tricks import bag


@pytest.mark.parametrize(
    ("costs", "values", "higher", "kept"),
    [
        ((3, 1, 2), (80, 70, 60), True, (1, 0)),  # in order of cost; 60 at 2 is beaten by 70 at 1
        ((1, 1, 2), (70, 72, 72), True, (1,)),  # as good at more cost is beaten, worse at the same cost too
        ((1, 1), (70, 70), True, (0, 1)),
        ((1, 2, 3), (5, 6, 4), False, (0, 2)),
        ((), (), True, ()),
    ],
)
def test_the_front_by_hand(costs, values, higher, kept):
    assert pareto.front(costs, values, higher=higher) == kept


def test_as_many_values_as_costs():
    with pytest.raises(ValueError, match=r"^values has 1 numbers; allowed: 2, one for each of the costs\.$"):
        pareto.front([1, 2], [3])


def test_the_table_has_costs_speed_and_front(make_row, make_results, arms, tmp_path, monkeypatch, capsys):
    times = {"small": 0.001, "large": 0.004, "slow": 0.009}
    measured = {name: Latency(t, 0.9 * t, 1.2 * t) for name, t in times.items()}
    best = {name: Throughput(64, 64 / t, measured[name]) for name, t in times.items()}
    monkeypatch.setattr(pareto, "speed", lambda name, _: pareto.Speed(measured[name], best[name]))
    cost = {"step_ms": 1.0, "train_flops": None, "peak_bytes": None, "batch": 8, "epoch_seconds": 1.0}
    rows = [
        make_row(name, arm, reference=None) | {"cost": cost | {"macs": macs, "parameters": macs // 100}}
        for name, arm, macs in (
            ("small", arms.base, 1_000_000),
            ("large", arms.up, 3_000_000),
            ("slow", arms.base, 2_000_000),
        )
    ]
    variants = [SimpleNamespace(name=row["name"], recipe=row["name"]) for row in rows]
    pareto.show(make_results(*rows), variants, None, tmp_path)
    text = (tmp_path / "pareto.md").read_text(encoding="utf-8")
    assert "| small | 84.10 % | 10,000 | 1.00 | 1.00 (0.90 to 1.20) | 64,000 | 64 | MACs and latency |" in text
    assert "| slow | 84.10 % | 20,000 | 2.00 | 9.00 (8.10 to 10.80) | 7,111 | 64 |  |" in text
    assert "| large | 85.18 % | 30,000 | 3.00 | 4.00 (3.60 to 4.80) | 16,000 | 64 | MACs and latency |" in text
    assert text.strip() in capsys.readouterr().out
    assert (tmp_path / "pareto.png").read_bytes().startswith(b"\x89PNG")


def recipe_of(model="plain_small"):
    source = data.fake(train=32, test=8, shape=(28, 28, 1))
    given = {"task": tasks.classification(10), "augmented": None, "lr": 0.1, "batch": 8, "epochs": 1}
    return source, bag.modern(model=cli.network(model, source), **given)


def test_speed_is_that_of_the_network_of_a_recipe():
    source, recipe = recipe_of("lenet5")
    found = pareto.speed(recipe, source, repeats=1)
    assert found.latency.median > 0
    assert found.best.rate >= 1 / found.latency.median
    assert found.best.batch in pareto.BATCHES


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in ("LeNet", "airbench") else pytest.mark.slow) for n in architectures.LADDER],
)
def test_the_networks_cost_about_as_much_as_the_baseline(name):
    source, recipe = recipe_of()
    macs = forward_cost(architectures.LADDER[name].change(recipe), source)["macs"]
    assert 1.8e6 < macs < 2.5e6
