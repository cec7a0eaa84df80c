"""The way to run seeds and steps is the fastest of those measured, and it is said."""

from functools import partial
from types import SimpleNamespace

import jax
import pytest
from runs import recipe

from jaxtricks import ablation, data, train
from jaxtricks.ablation import Trick, cli, pace
from jaxtricks.train import Plan
from jaxtricks.train.program import Program
from jaxtricks.tricks import bag, set_fields

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


def full_memory(way, message, recipe, dataset, plan, seeds, *, programs):
    if plan.seeds_on == way:
        raise jax.errors.JaxRuntimeError(message)
    return 4.0 if plan.chunk == 1 else 2.0


def test_a_way_that_does_not_fit_into_the_memory_is_said_and_not_chosen():
    parts = {"seeds": 50, "choose_seeds": True, "programs": {}}
    for message in ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 90 GiB.", "INTERNAL: something else"):
        measure = {"measure": partial(full_memory, "vmap", message)}
        if message.startswith("INTERNAL"):
            with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
                pace.fastest(recipe(), SOURCE, Plan(), **parts, **measure)
            continue
        plan, said = pace.fastest(recipe(), SOURCE, Plan(), **parts, **measure)
        assert (plan.seeds_on, plan.chunk) == ("map", 16)
        assert "; 50 in one step, 16 steps in a scan does not fit into the memory. So one after another" in said


def test_the_plain_way_has_to_run():
    measure = partial(full_memory, "map", "RESOURCE_EXHAUSTED: Out of memory.")
    with pytest.raises(jax.errors.JaxRuntimeError, match="Out of memory"):
        pace.fastest(recipe(), SOURCE, Plan(), seeds=4, choose_seeds=True, programs={}, measure=measure)


class Begun(Exception):
    """The first cells would be trained now."""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """``command(backend, devices, times, **typed)``: the plan that an experiment trains with, and what it has said."""

    def run(backend, devices, times, **typed):
        asked, here = [], jax.devices()[:devices]

        def begin(rows, cells, *, plan, **_):
            raise Begun(plan)

        with monkeypatch.context() as patch:
            patch.setattr(ablation, "run_cells", begin)
            patch.setattr(jax, "devices", lambda: here)
            patch.setattr(jax, "default_backend", lambda: backend)
            patch.setattr(pace, "step_ms", partial(measured, times, asked))
            presets = {"quick": cli.Preset("fake", "logistic", seeds=4, epochs=1, batch=8, lr=0.05)}
            ladder = {"fast": Trick(lambda recipe: set_fields(recipe, lr=2 * recipe.lr))}
            with pytest.raises(Begun) as begun:
                cli.run("x", cli.Options(out=tmp_path, **typed), bag.standard, ladder, presets, title="Test")
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Milliseconds")]
        return begun.value.args[0], said, asked

    return run


TIMES = {("map", False): 4.0, ("map", True): 2.0, ("vmap", True): 1.0}


def test_the_command_measures_on_an_accelerator_says_it_and_trains_so(command):
    plan, said, asked = command("gpu", 1, TIMES)
    assert (plan.seeds_on, plan.chunk, plan.size) == ("vmap", 16, 1)
    assert asked == [("map", 1, 1), ("map", 16, 1), ("vmap", 16, 4)]
    assert said == [
        "Milliseconds a step and seed, measured now: one after another 4.00; one after another, 16 steps in a scan 2.00"
        "; 4 in one step, 16 steps in a scan 1.00. So 4 in one step, 16 steps in a scan."
    ]


def test_the_command_keeps_the_way_of_seeds_that_was_typed_and_that_of_several_devices(command):
    plan, said, asked = command("gpu", 1, TIMES, seeds_on="map")
    assert (plan.seeds_on, plan.chunk) == ("map", 16)
    assert said[0].endswith("So one after another, 16 steps in a scan.")
    plan, _, _ = command("gpu", 2, TIMES)
    assert (plan.seeds_on, plan.chunk, plan.size) == ("map", 16, 2)
    assert {way for way, *_ in asked} == {"map"}


def test_seeds_in_one_step_are_measured_as_many_as_a_block_will_have(command):
    for typed, together in (({"seeds": 10}, 10), ({"seeds": 10, "minutes": 8.0}, 4), ({"seeds": 3, "minutes": 8.0}, 3)):
        _, said, asked = command("gpu", 1, TIMES, **typed)
        assert asked[-1] == ("vmap", 16, together)
        assert f"So {together} in one step" in said[0]


def test_the_command_measures_nothing_on_a_cpu(command):
    plan, said, asked = command("cpu", 1, {})
    assert (plan.seeds_on, plan.chunk, said, asked) == ("map", 1, [], [])


@pytest.mark.parametrize(("seeds_on", "chunk"), [("map", 1), ("map", 4), ("vmap", 1), ("vmap", 4)])
def test_a_step_of_each_way_is_measured_per_seed_and_what_was_compiled_serves_the_run(monkeypatch, seeds_on, chunk):
    """By a clock that goes by 6 ms for a seed's step; ten steps of chunks of four are twelve."""
    plan = Plan(seeds_on=seeds_on, chunk=chunk, devices=(jax.devices()[0],))
    base, kept, taken, take = recipe(batch=16, epochs=1), {}, [], Program.take
    seeds = (3, 5) if plan.stacked else (3,)

    def counted(program, state, batch, steps):
        state, record = take(program, state, batch, steps)
        taken.append((steps, state.step.tolist()))
        return state, record

    clock = SimpleNamespace(perf_counter=lambda: 0.006 * len(seeds) * sum(steps for steps, _ in taken))
    with monkeypatch.context() as patch:
        patch.setattr(Program, "take", counted)
        patch.setattr(pace, "STEPS", 10)
        patch.setattr(pace, "time", clock)
        assert pace.step_ms(base, SOURCE, plan, seeds, programs=kept) == pytest.approx(6.0)
    done = [chunk * (call + 1) for call in range(2 * {1: 10, 4: 3}[chunk])]  # as many calls once more, before
    assert taken == [(chunk, [step, step] if plan.stacked else step) for step in done]
    ((program,),) = kept.values()
    assert (program.step is None, program.chunk is None) == (chunk > 1, chunk == 1)  # nothing else is compiled

    monkeypatch.setattr(Plan, "compile_step", None)
    others = tuple(seed + 4 for seed in seeds)
    runs = train.fit(base, SOURCE, seeds=others, plan=plan, programs=kept, test=False)
    assert [(run.seed, run.history[-1]["step"]) for run in runs] == [(seed, 4) for seed in others]
