"""The way to run seeds and steps is the fastest of those measured, and it is said."""

from functools import partial

import jax
import pytest
from runs import recipe

from jaxtricks import data, train
from jaxtricks.ablation import pace
from jaxtricks.train import Plan

SOURCE = data.fake(train=64, test=8, shape=(8, 8, 3))


def measured(times, asked, recipe, dataset, plan, seeds, *, programs):
    asked.append((plan.seeds_on, plan.chunk, len(seeds)))
    return times[plan.seeds_on, plan.chunk > 1]


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ({("map", False): 4.0, ("map", True): 3.9, ("vmap", False): 3.9}, ("map", 1)),
        ({("map", False): 4.0, ("map", True): 2.0, ("vmap", True): 1.0}, ("vmap", 16)),
        ({("map", False): 4.0, ("map", True): 2.0, ("vmap", True): 3.0}, ("map", 16)),
        ({("map", False): 4.0, ("map", True): 5.0, ("vmap", False): 1.0}, ("vmap", 1)),
    ],
)
def test_the_fastest_is_chosen_and_a_tie_stays_as_it_was(times, wanted):
    asked = []
    parts = {"seeds": 4, "choose_seeds": True, "programs": {}, "measure": partial(measured, times, asked)}
    plan, said = pace.fastest(recipe(), SOURCE, Plan(), **parts)
    assert (plan.seeds_on, plan.chunk) == wanted
    assert asked[0] == ("map", 1, 1)
    assert asked[-1][0] == "vmap"
    assert "one after another 4.00; one after another, 16 steps in a scan" in said
    assert said.endswith(
        {"map": "one after another", "vmap": "4 in one step"}[wanted[0]]
        + ("." if wanted[1] == 1 else ", 16 steps in a scan.")
    )


def test_a_way_that_was_typed_stays():
    asked = []
    times = {("devices", False): 2.0, ("devices", True): 1.0}
    parts = {"seeds": 4, "choose_seeds": False, "programs": {}, "measure": partial(measured, times, asked)}
    plan, _ = pace.fastest(recipe(), SOURCE, Plan(seeds_on="devices"), **parts)
    assert (plan.seeds_on, plan.chunk) == ("devices", 16)
    assert asked == [("devices", 1, jax.device_count()), ("devices", 16, jax.device_count())]


@pytest.mark.slow
def test_what_was_compiled_to_be_measured_serves_the_run(monkeypatch):
    kept, base, plan = {}, recipe(batch=16, epochs=1), Plan(devices=(jax.devices()[0],))
    assert pace.step_ms(base, SOURCE, plan, (0,), programs=kept) > 0
    monkeypatch.setattr(Plan, "compile_step", None)
    (run,) = train.fit(base, SOURCE, seeds=(5,), plan=plan, programs=kept, test=False)
    assert run.history[-1]["step"] == 4
