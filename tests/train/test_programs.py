"""Programs that calls of fit share: a second call compiles nothing, and gives what it would have given alone."""

import re
import sys
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import pytest
from small import bare, dataset, same

from jaxtricks import augment, data, models
from jaxtricks.train import Plan, fit, program, state

ONE = Plan(devices=(jax.devices()[0],))
SOURCE = dataset().hold_out(0.125)
RECIPE = bare(epochs=0.5, model=partial(models.perceptron, (), size=64))


def instructions(compiled):
    """What a program computes, as text: without the lines of Python that it was traced from, as the cache compares."""
    text = re.sub(r", metadata=\{[^}]*\}", "", compiled.as_text())
    return re.sub(r"^FileNames$.*?^(?=%|ENTRY)", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def compiled(monkeypatch):
    """Each step that is compiled, by the learning rate of its recipe."""
    before, rates = program.Program.compile, []

    def compile_(self, *args, **kwargs):
        if self.step is None:
            rates.append(self.recipe.lr)
        before(self, *args, **kwargs)

    monkeypatch.setattr(program.Program, "compile", compile_)
    return rates


def test_more_seeds_cost_no_compilation_and_are_the_same(compiled):
    programs = {}
    first = fit(RECIPE, SOURCE, seeds=(0,), plan=ONE, programs=programs)
    second = fit(RECIPE, SOURCE, seeds=(1,), plan=ONE, programs=programs)
    assert compiled == [RECIPE.lr]
    alone = fit(RECIPE, SOURCE, seeds=(0, 1), plan=ONE)
    assert compiled == [RECIPE.lr] * 2
    for one, other in zip((*first, *second), alone, strict=True):
        same(one.state, other.state)
        assert one.test == other.test


def test_another_recipe_dataset_or_plan_is_another_program_and_the_data_lie_there_once():
    programs = {}
    for recipe, source, plan in (
        (RECIPE, SOURCE, ONE),
        (replace(RECIPE, lr=0.01), SOURCE, ONE),
        (RECIPE, dataset(), ONE),
        (RECIPE, SOURCE, Plan(devices=tuple(jax.devices()[:2]))),
    ):
        fit(recipe, source, plan=plan, test=False, programs=programs)
    (one,), (other,), (elsewhere,), (wide,) = programs.values()
    assert one.constants["data"] is other.constants["data"]
    assert one.constants["data"] is not elsewhere.constants["data"]
    assert one.constants["data"] is not wide.constants["data"]


def test_a_program_holds_the_objects_that_it_is_kept_by():
    """Or another initial tree could get the place in memory, and so the id, of one that is gone."""
    initial, programs = fit(RECIPE, SOURCE, plan=ONE, test=False)[0].variables, {}
    before = sys.getrefcount(initial)
    fit(RECIPE, SOURCE, plan=ONE, test=False, initial=initial, programs=programs)
    assert sys.getrefcount(initial) > before
    programs.clear()


def test_one_program_evaluates_all_splits():
    source = data.fake(train=300, test=200, shape=(8, 8, 3)).hold_out(0.2)
    made = program.Program(RECIPE, source, ONE)
    sizes = {len(batch["row_valid"]) for split in (source.validation, source.test) for batch in made._padded(split)}
    assert sizes == {64}
    rows = sum(int(batch["row_valid"].sum()) for batch in made._padded(source.test))
    assert rows == 200


def test_seeds_on_devices_of_their_own_trace_the_step_once_for_the_dry_run_and_for_the_compiler():
    traced = []

    def loss(params, out, batch):
        traced.append(True)
        return RECIPE.loss(params, out, batch)

    two = Plan(seeds_on="devices", devices=tuple(jax.devices()[:2]))
    fit(replace(RECIPE, loss=loss), SOURCE, seeds=(0, 1), plan=two, test=False)
    assert len(traced) == 1


def test_seeds_on_devices_have_one_update_for_all_that_is_done_to_a_batch_and_both_halves_are_counted():
    two = Plan(seeds_on="devices", devices=tuple(jax.devices()[:2]))

    def compiled_step(**changes):
        made = program.Program(replace(RECIPE, **changes), SOURCE, two)
        made.compile(made.create((0, 1)), data.Feed(SOURCE.train, (0, 1), RECIPE.batch, stacked=True))
        return made

    doubled = lambda *of: 2 * RECIPE.loss(*of)  # noqa: E731
    plain = compiled_step()
    mixed = compiled_step(mix=partial(augment.mixup, alpha=0.2))
    other = compiled_step(loss=doubled)
    assert instructions(plain.step.update) == instructions(mixed.step.update)
    assert instructions(plain.step.prepare) != instructions(mixed.step.prepare)
    assert instructions(plain.step.update) != instructions(other.step.update)

    halves = (mixed.step.prepare, mixed.step.update)
    assert mixed.cost["train_flops"] == sum(half.cost_analysis()["flops"] for half in halves)
    held = sum(half.memory_analysis().argument_size_in_bytes for half in halves)
    assert mixed.cost["peak_bytes"] >= held > sum(array.nbytes for array in mixed.constants["data"].values())


def test_a_step_that_is_not_finite_is_a_branch_on_a_cpu_and_a_selection_elsewhere():
    traced = jax.jit(state.where).trace(True, {"a": jnp.ones(3)}, {"a": jnp.zeros(3)})
    texts = {p: traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "cuda", "tpu")}
    assert {p for p, text in texts.items() if "stablehlo.select" in text} == {"cuda", "tpu"}
    for taken, expected in ((True, 1), (False, 0)):
        assert jax.jit(state.where)(taken, {"a": jnp.ones(3)}, {"a": jnp.zeros(3)})["a"].tolist() == [expected] * 3
    several = jax.vmap(state.where, (0, None, None))(jnp.array([True, False]), jnp.ones(2), jnp.zeros(2))
    assert several.tolist() == [[1, 1], [0, 0]]
