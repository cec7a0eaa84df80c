"""Which compiled steps JAX's compilation cache may keep: read back, the collectives of a loop may overtake others."""

import threading
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from jaxtricks._runtime.compiled import anew, loops_over_arrays
from jaxtricks.train import Plan

TWO = Plan(devices=tuple(jax.devices()[:2]))
ROWS = jnp.ones((8, 4))


@pytest.fixture
def cache(tmp_path):
    """A compilation cache of its own: ``() -> names of the programs in it``."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    names += ("jax_raise_persistent_cache_errors",)
    before = {name: getattr(jax.config, name) for name in names}
    for name, value in zip(names, (str(tmp_path), 0.0, False), strict=True):
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield lambda: {file.name.split("-")[0] for file in tmp_path.iterdir()}
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def in_a_loop(state, batch, constants):
    """The sum over chunks of the batch of a matrix product, one a step of a loop."""
    chunks = batch["image"].reshape(4, 2, 4)
    total, _ = jax.lax.scan(lambda total, part: (total + part.T @ part, None), state, chunks)
    return total, {}


def at_once(state, batch, constants):
    return state + batch["image"].T @ batch["image"], {}


class State(NamedTuple):
    sums: jax.Array
    key: None = None
    step: None = None


def compile_step(plan, update):
    """What the step of this plan makes of ones."""

    def prepare(key, number, batch, constants):
        return batch

    def updated(state, batch, constants):
        sums, record = update(state.sums, batch, constants)
        return State(sums), record

    state = State(plan.put_replicated(np.zeros((4, 4), np.float32)))
    rows = plan.put_rows({"image": np.ones((8, 4), np.float32)})
    step = plan.compile_step(prepare, updated, state, rows, {})
    return np.asarray(step(state, rows, {})[0].sums)


@pytest.mark.parametrize(
    ("plan", "update", "kept"),
    [
        (TWO, at_once, True),
        (TWO, in_a_loop, False),
        (Plan(devices=TWO.devices[:1]), in_a_loop, True),
    ],
)
def test_a_step_whose_loop_sums_over_devices_is_not_kept(cache, plan, update, kept):
    np.testing.assert_array_equal(compile_step(plan, update), np.full((4, 4), 8.0))
    assert ("jit_step" in cache()) is kept
    assert jax.config.jax_enable_compilation_cache  # as before
    jax.jit(lambda x: x * 3, donate_argnums=()).lower(ROWS).compile()
    assert "jit__lambda" in cache()  # and in use again


def test_nor_is_an_evaluation(cache):
    evaluate = TWO.compile_evaluate(lambda variables, batch, constants: in_a_loop(*variables, batch, constants)[0])
    rows = TWO.put_rows({"image": np.ones((8, 4), np.float32)})
    for _ in range(2):
        np.testing.assert_array_equal(evaluate((np.zeros((4, 4), np.float32),), rows, {}), np.full((4, 4), 8.0))
    assert not [name for name in cache() if name != "jit__multi_slice"]
    assert jax.config.jax_enable_compilation_cache


def test_threads_that_compile_anew_at_once_leave_the_cache_as_it_was():
    inside, leave = threading.Event(), threading.Event()

    def first():
        with anew():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with anew():
        leave.set()
        thread.join()
        assert not jax.config.jax_enable_compilation_cache  # one has left, the other is still there
    assert jax.config.jax_enable_compilation_cache
    with pytest.raises(KeyError), anew():
        raise KeyError
    assert jax.config.jax_enable_compilation_cache


def test_what_an_older_version_kept_is_not_read(cache, monkeypatch, tmp_path):
    monkeypatch.setattr("jaxtricks._runtime.compiled.loops_over_arrays", lambda jaxpr: False)
    compile_step(TWO, in_a_loop)
    (kept,) = tmp_path.glob("jit_step*-cache")
    kept.write_bytes(b"no program")
    jax.config.update("jax_raise_persistent_cache_errors", True)
    with pytest.raises(Exception, match=r"decompress|zstd|zlib|[Ee]rror"):
        compile_step(TWO, in_a_loop)
    monkeypatch.setattr("jaxtricks._runtime.compiled.loops_over_arrays", loops_over_arrays)
    compile_step(TWO, in_a_loop)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: jax.lax.scan(lambda total, row: (total + row @ row, None), 0.0, x)[0], True),
        (lambda x: jax.lax.fori_loop(0, 3, lambda i, total: total + x.sum(), 0.0), True),
        (lambda x: jax.lax.while_loop(lambda y: y.sum() < 3, lambda y: y + 1, x), True),  # in the condition
        (lambda x: jax.jit(lambda y: jax.lax.map(lambda row: jax.nn.relu(row).sum(), y))(x), True),
        (lambda x: jax.lax.cond(x[0, 0] > 0, lambda y: jax.lax.map(jnp.sum, y), lambda y: y[:, 0], x), True),
        (lambda x: x * jax.random.beta(jax.random.key(0), 0.4, 0.4, (8, 1)), True),  # accepted when all rows are
        (lambda x: x * jax.random.gamma(jax.random.key(0), 0.4), False),
        (lambda x: x @ x.T, False),
        (lambda x: jax.lax.map(lambda row: row * 2, x), True),  # of which rows a device has is not known
        (lambda x: jax.lax.map(lambda row: row.max(), x.astype(jnp.uint8)), True),
        (lambda x: x + jax.random.bits(jax.random.key(0), x.shape), False),  # whose rounds may be a loop
        (lambda x: jax.lax.fori_loop(0, 3, lambda i, n: n + i, 0) * x, False),
        (lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y + i, 0.0) * x, True),
    ],
)
def test_loops_over_arrays(function, says):
    assert loops_over_arrays(jax.jit(function).trace(ROWS).jaxpr) is says
