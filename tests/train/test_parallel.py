"""One device, four under jit, shard_map and pmap, and several seeds at once, all compute the same thing."""

import jax
import numpy as np
import pytest
from flax import nnx
from small import dataset, recipe

from jaxtricks._runtime import distributed
from jaxtricks.layers import BatchNorm
from jaxtricks.models import functional
from jaxtricks.train import Plan, fit, initialize_distributed

ONE = Plan(devices=(jax.devices()[0],))


def flat(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


@pytest.fixture(scope="module")
def alone():
    return fit(recipe(), dataset(), seeds=(3,), plan=ONE)[0]


@pytest.fixture(scope="module")
def barely_moved():
    return fit(recipe(epochs=0.1), dataset(), seeds=(3,), plan=ONE, test=False)[0]


@pytest.mark.parametrize("kind", ["jit", "shard_map", "pmap"])
def test_twenty_steps_do_not_depend_on_devices(alone, barely_moved, kind):
    run = fit(recipe(), dataset(), seeds=(3,), plan=Plan(kind=kind))[0]
    assert int(run.state.step) == int(alone.state.step) == 20
    assert Plan(kind=kind).size == 4
    for part in ("params", "stats", "ema"):
        ours, theirs = flat(getattr(run.state, part)), flat(getattr(alone.state, part))
        assert np.abs(ours - theirs).max() < 1e-3, part
    moved = np.abs(flat(barely_moved.state.params) - flat(alone.state.params)).max()
    assert moved > 0.02  # the tolerance is far below what training does
    losses = [[r["train_loss"] for r in each.history] for each in (run, alone)]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert run.test["accuracy"] == pytest.approx(alone.test["accuracy"], abs=0.021)  # one of 50 images
    assert run.test["accuracy"] == pytest.approx((run.decided == dataset().test["label"]).mean())


@pytest.mark.parametrize("seeds_on", ["vmap", "devices"])
def test_seeds_together_are_seeds_alone(alone, seeds_on):
    runs = fit(recipe(), dataset(), seeds=(1, 3), plan=Plan(seeds_on=seeds_on))
    assert [r.seed for r in runs] == [1, 3]
    assert np.abs(flat(runs[1].state.params) - flat(alone.state.params)).max() < 2e-4
    assert np.abs(flat(runs[0].state.params) - flat(alone.state.params)).max() > 0.02
    assert runs[1].test["loss"] == pytest.approx(alone.test["loss"], abs=1e-3)
    for run in runs:
        assert run.test["accuracy"] == pytest.approx((run.decided == dataset().test["label"]).mean())
        assert not any("rows" in key for record in run.history for key in record)
        assert jax.random.key_data(run.state.key).tolist() == jax.random.key_data(jax.random.key(run.seed)).tolist()
        leaves = jax.tree.leaves((run.variables, run.state))  # arrays that may go into a step of any mesh
        assert all(isinstance(leaf, jax.Array) and len(leaf.devices()) == 1 for leaf in leaves)
    # a step that is given one of them, donated, leaves the others alone
    before = flat(runs[1].state.params)
    jax.jit(lambda tree: jax.tree.map(lambda x: 0 * x, tree), donate_argnums=0)(runs[0].state.params)
    np.testing.assert_array_equal(flat(runs[1].state.params), before)
    assert np.isfinite(flat(runs[0].variables[0])).all()


class Ghost(nnx.Module):
    def __init__(self, classes, channels, groups, axis_name, rngs):
        self.bn = BatchNorm(channels, groups=groups, axis_name=axis_name, rngs=rngs)
        self.head = nnx.Linear(8 * 8 * channels, classes, rngs=rngs)

    def __call__(self, image, *, train, key=None):
        x = self.bn(image, train=train) ** 2
        return self.head(x.reshape(len(x), -1)), {}


def ghost(groups):
    def build(*, classes, channels, dtype, axis_name):
        return functional(lambda rngs: Ghost(classes, channels, groups, axis_name, rngs))

    return build


def test_replica_statistics_are_ghost_statistics():
    settings = {"mix": None, "epochs": 1.0, "lr": 0.001}
    replica = fit(recipe(model=ghost(None), bn="replica", **settings), dataset(), plan=Plan(kind="shard_map"))[0]
    groups = fit(recipe(model=ghost(4), **settings), dataset(), plan=ONE)[0]
    whole = fit(recipe(model=ghost(None), **settings), dataset(), plan=ONE)[0]
    assert np.abs(flat(replica.state.params) - flat(groups.state.params)).max() < 1e-5
    assert np.abs(flat(replica.state.params) - flat(whole.state.params)).max() > 1e-4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: Plan(kind="pmpa"), "parallel is 'pmpa'"),
        (lambda: Plan(seeds_on="rows"), "seeds_on is 'rows'"),
        (lambda: Plan(kind="pmap", seeds_on="vmap"), "allowed: parallel 'jit'"),
        (lambda: Plan().check_batch(30), "batch is 30; allowed: a multiple of the 4 devices"),
        (lambda: Plan().check_batch(32, bn="replica"), "allowed: parallel 'shard_map' or 'pmap'"),
        (lambda: fit(recipe(), dataset(), seeds=(1, 1)), "seeds is"),
        (lambda: fit(recipe(), dataset(), seeds=()), "seeds is"),
        (lambda: fit(recipe(batch=512), dataset()), "batch is 512; allowed: 1 to the 256 training images"),
        (lambda: fit(recipe(teacher=recipe()), dataset()), "teacher and recipe.teacher go together"),
        (lambda: initialize_distributed(coordinator="localhost:1"), "go together"),
        (
            lambda: initialize_distributed(coordinator="localhost:1", processes=2, index=2),
            "index is 2; allowed: 0 to 1",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_compiling(change, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        change()


@pytest.mark.parametrize(
    ("env", "several"),
    [
        ({}, False),
        ({"SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"TPU_WORKER_HOSTNAMES": "a"}, False),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "0"}, True),
        ({"JAXTRICKS_PROCESSES": "auto"}, True),  # a TPU pod tells by its metadata server
    ],
)
def test_a_cluster_is_seen(env, several):
    assert distributed._clustered(env) is several
    assert distributed._named(env) == (None, None, None)


NAMED = {"JAX_COORDINATOR_ADDRESS": "bag-0.bag:1234", "JAXTRICKS_PROCESSES": "4"}


@pytest.mark.parametrize("index", ["JAXTRICKS_INDEX", "JOB_COMPLETION_INDEX"])
def test_processes_are_joined_as_the_environment_names_them(monkeypatch, index):
    joined = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *of: joined.append(of))
    for name, value in (NAMED | {index: "3", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}).items():
        monkeypatch.setenv(name, value)
    initialize_distributed()
    assert joined == [("bag-0.bag:1234", 4, 3)]


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (NAMED, "JAXTRICKS_PROCESSES is 4 without JAXTRICKS_INDEX or JOB_COMPLETION_INDEX"),
        ({"JAXTRICKS_PROCESSES": "4", "JAXTRICKS_INDEX": "0"}, "without JAX_COORDINATOR_ADDRESS"),
        ({"JAX_COORDINATOR_ADDRESS": "h:1"}, "JAX_COORDINATOR_ADDRESS is h:1 without JAXTRICKS_PROCESSES"),
        (NAMED | {"JAXTRICKS_INDEX": "first"}, "with index 'first'; allowed: integers, or 'auto'"),
        (NAMED | {"JAXTRICKS_INDEX": "4"}, "index is 4; allowed: 0 to 3"),
        (NAMED | {"JAXTRICKS_PROCESSES": "0", "JAXTRICKS_INDEX": "0"}, "processes is 0; allowed: 1 or more"),
        ({"JAXTRICKS_INDEX": "1"}, "JAXTRICKS_INDEX is 1 without JAXTRICKS_PROCESSES"),
    ],
)
def test_what_the_environment_lacks_is_named(monkeypatch, env, words):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=words):
        initialize_distributed()


def test_where_jax_finds_no_cluster_the_variables_are_named(monkeypatch):
    def lost():
        raise ValueError("Number of processes must be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", lost)
    for name, value in {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"must be defined.*JAX_COORDINATOR_ADDRESS, JAXTRICKS_PROCESSES and"):
        initialize_distributed()
