"""Row 19: the same seed gives the same bits, whatever hash seed and threads; without jit, with vmap, almost."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from children import Child, unbroken
from runs import dataset, recipe, residual
from small import same

from jaxtricks import data
from jaxtricks.train import Plan, create_state, fit, make_step
from jaxtricks.train.build import build_model, build_optimizer, build_schedule

# hash seed, threads of XLA's pool; 2 threads and a random hash seed are what all other rows have
SURROUNDINGS = {
    "hash 1, 1 thread": {"PYTHONHASHSEED": "1", "NPROC": "1"},
    "hash 2, 3 threads": {"PYTHONHASHSEED": "2", "NPROC": "3"},
    "hash 0, 8 threads": {"PYTHONHASHSEED": "0", "NPROC": "8"},
    "Eigen on one thread": {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
    "one core": {"OMP_NUM_THREADS": "1", "NPROC": "2"},
}


@pytest.mark.parametrize("make", [recipe, pytest.param(residual, marks=pytest.mark.slow)])
def test_r19_the_same_seed_twice(make, card):
    runs = [fit(make(epochs=1.0), dataset(), seeds=(5,))[0] for _ in range(2)]
    same(runs[1].state, runs[0].state)
    assert runs[1].test == runs[0].test
    assert [r["train_loss"] for r in runs[1].history] == [r["train_loss"] for r in runs[0].history]
    card("r19", f"the same seed twice, {make.__name__}: bit-identical", "yes")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(list(SURROUNDINGS)[:1], id="short"),
        pytest.param(list(SURROUNDINGS), id="full", marks=pytest.mark.slow),
    ],
)
def test_r19_other_hash_seeds_and_threads(names, tmp_path, card):
    whole = unbroken()
    for name in names:
        out = tmp_path / f"{name}.json"
        child = Child(out=out, env=SURROUNDINGS[name])
        assert child.end() == 0, child.complaint
        assert json.loads(out.read_text(encoding="utf-8")) == whole
    card("r19", f"runs with {'; '.join(names)}: bit-identical", f"{len(names)} of {len(names)}")


def far(a, b):
    """The largest difference of two trees of floats, by the size of the numbers where they are larger than 1."""
    pairs = zip(*(map(np.asarray, jax.tree.leaves(tree)) for tree in (a, b)), strict=True)
    return max(float((np.abs(x - y) / np.maximum(1, np.abs(y))).max()) for x, y in pairs)


def test_r19_compiled_or_not(card):
    """Three steps, operation by operation."""
    made, source, key = recipe(), dataset(), jax.random.key(5)
    model, tx = build_model(made, source), build_optimizer(made, build_schedule(made, source))
    prepare, update = make_step(made, model, tx)
    constants = {
        "preprocess": made.preprocess[0](source.train["image"]),
        "data": {"image": jnp.asarray(source.train["image"]), "label": jnp.asarray(source.train["label"])},
    }

    def step(state, batch):
        return update(state, prepare(state.key, state.step, batch, constants), constants)

    compiled, plain = jax.jit(step), create_state(made, model, tx, key)
    state, worst = plain, 0.0
    for batch in data.Feed(source.train, (5,), made.batch).steps(0, 3):
        batch = {name: jnp.asarray(x) for name, x in batch.items()}
        (state, record), (plain, told) = compiled(state, batch), step(plain, batch)
        trees = ((s.params, s.stats, s.ema, r["loss"]) for s, r in ((state, record), (plain, told)))
        worst = max(worst, far(*trees))
    assert worst <= 1e-5
    card("r19", "three steps compiled and not: largest difference", f"{worst:.1g}, allowed: 1e-5")


@pytest.mark.parametrize("on", ["vmap", pytest.param("devices", marks=pytest.mark.slow)])
def test_r19_seeds_together_or_one_by_one(on, card):
    made = recipe(epochs=1.0)
    alone = fit(made, dataset(), seeds=(5, 6), plan=Plan(devices=(jax.devices()[0],)))
    together = fit(made, dataset(), seeds=(5, 6), plan=Plan(seeds_on=on))
    worst = max(
        far((a.variables, a.test["loss"]), (b.variables, b.test["loss"])) for a, b in zip(alone, together, strict=True)
    )
    assert worst <= 1e-5
    card(
        "r19",
        f"two seeds after each other and at once ({on}), 8 steps: largest difference",
        f"{worst:.1g}, allowed: 1e-5",
    )
