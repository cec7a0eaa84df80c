"""Row 10: a step whose loss is far above the last ones is skipped, and told of with the rows of its batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from runs import dataset, recipe
from small import same

from jaxtricks import data, optim
from jaxtricks.train import Plan, fit

BATCH, WINDOW = 32, 4
SPIKES = (5, 10)  # steps: once the window is full, and once it has forgotten the first of them
ROWS = np.concatenate([data.epoch_permutation(0, epoch, len(dataset().train))[: 8 * BATCH] for epoch in (0, 1)])


def rows(step):
    return ROWS[BATCH * step : BATCH * (step + 1)]


def too_bright(steps, times):
    """An augmentation that multiplies the images of these steps, as a broken camera would."""

    def into(key, batch):
        number = batch["epoch"][0] * 8 + jnp.argmax((batch["index"][0] == ROWS.reshape(2, 8, BATCH)[:, :, 0]).any(0))
        return {**batch, "image": batch["image"] * jnp.where(jnp.isin(number, jnp.array(steps)), times, 1.0)}

    return into


def skipping(schedule):
    return optim.skip_spikes(optim.coupled_sgd(schedule, weight_decay=1e-4), window=WINDOW, deviations=8.0)


def run(steps, epochs=1.5, times=1e3, **changes):
    """A run with spikes in these steps, and the records of those that were held back."""
    said = []
    constant = lambda peak, *, steps, steps_per_epoch: optax.constant_schedule(peak)  # noqa: E731
    base = {"optimizer": skipping, "schedule": constant, "augment": too_bright(steps, times)}
    plan = changes.pop("plan", None)
    made = recipe(**base | {"epochs": epochs} | changes)
    return fit(made, dataset(), plan=plan, log=[said.append])[0], [r for r in said if r["kind"] == "spike"]


@pytest.mark.parametrize("kind", ["jit", "shard_map", pytest.param("pmap", marks=pytest.mark.slow)])
def test_r10_a_spike_is_skipped_and_told_with_its_rows(kind, card):
    found, told = run(SPIKES, plan=Plan(kind=kind))
    assert [record["step"] for record in told] == [step + 1 for step in SPIKES]
    for record, step in zip(told, SPIKES, strict=True):
        assert record["index"] == rows(step).tolist()
        assert record["loss"] > 100  # of ten classes, which by chance are 2.3
        assert record["seed"] == 0
    assert int(found.state.opt.rejected) == len(SPIKES)
    assert found.skipped == 0  # their losses were finite
    card(
        "r10", f"spikes of a run, {kind}: skipped, logged with the indices of their examples", f"{len(told)} of {len(SPIKES)}"
    )


def test_r10_parameters_and_optimiser_are_those_before_it(card):
    """The run that ends with the spike, and the one that ends before it."""
    last = SPIKES[0]
    before, after = (run((last,), epochs=(last + taken) / 8)[0].state for taken in (0, 1))
    assert (int(before.step), int(after.step)) == (last, last + 1)
    same(after.params, before.params)
    same(after.opt.inner.inner, before.opt.inner.inner)
    assert (int(before.opt.rejected), int(after.opt.rejected)) == (0, 1)
    plain = {"optimizer": lambda schedule: optim.coupled_sgd(schedule, weight_decay=1e-4)}
    harmed = run((last,), epochs=(last + 1) / 8, **plain)[0].state.params
    moved = [np.abs(x - y).max() for x, y in zip(*map(jax.tree.leaves, (harmed, before.params)), strict=True)]
    card("r10", "a spike: largest change of a parameter with the skip, and without", f"0; {max(moved):.2g}")
    assert max(moved) > 0.1
