import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import layers, optim

DRAWS = np.random.default_rng(0)


def tree(value=None):
    """Weights and statistics, of one value or drawn."""

    def leaf(*shape):
        return jnp.asarray(DRAWS.normal(size=shape) if value is None else np.full(shape, value), jnp.float32)

    return {"params": {"kernel": leaf(2, 3), "bias": leaf(3)}, "stats": {"mean": leaf(3)}}


def close(a, b, rtol=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-7), a, b)


@pytest.mark.parametrize(
    ("count", "decay", "expected"),
    [(None, 0.75, 1.25), (0, 0.75, 1.9), (2, 0.75, 1.75), (10**6, 0.75, 1.25), (None, 1.0, 1.0), (None, 0.0, 2.0)],
)
def test_ema_by_hand(count, decay, expected):
    close(optim.ema(tree(1.0), tree(2.0), decay=decay, count=count), tree(expected))


def test_ema_is_the_loop():
    average, expected = tree(), None
    expected = jax.tree.map(lambda x: np.asarray(x, np.float64), average)
    for t in range(30):
        fresh = tree()
        average = optim.ema(average, fresh, decay=0.6, count=t)
        d = min(0.6, (1 + t) / (10 + t))
        expected = jax.tree.map(lambda a, w, d=d: d * a + (1 - d) * np.asarray(w), expected, fresh)
    close(average, expected, rtol=1e-5)


def test_ema_of_what_does_not_move_keeps_its_bits():
    start = tree()
    average = optim.ema(start, start, decay=0.999, count=3)
    jax.tree.map(np.testing.assert_array_equal, average, start)


def test_ema_keeps_the_dtype_of_the_average():
    average = optim.ema({"w": jnp.zeros(3)}, {"w": jnp.ones(3, jnp.bfloat16)}, decay=0.999, count=0)
    assert average["w"].dtype == jnp.float32


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_decay_of_an_epoch(steps):
    average = 1.0
    for _ in range(steps):
        average *= optim.ema_decay(0.3, steps_per_epoch=steps)
    assert average == pytest.approx(0.3, rel=1e-9)


def test_swa_is_the_mean():
    trees = [tree() for _ in range(6)]
    average = tree()
    for count, fresh in enumerate(trees):
        average = optim.swa(average, fresh, count=count)
    expected = jax.tree.map(lambda *leaves: np.mean(np.stack(leaves), 0), *trees)
    close(average, expected, rtol=1e-4)
    close(optim.soup(trees), expected, rtol=1e-5)


def test_soup_of_halves_is_summed_in_float32():
    out = optim.soup([{"w": jnp.full(2, 1 + 2**-7, jnp.bfloat16)}, {"w": jnp.ones(2, jnp.bfloat16)}] * 128)
    assert out["w"].dtype == jnp.bfloat16
    np.testing.assert_allclose(out["w"].astype(jnp.float32), 1.0, atol=2**-7)


def test_soup_does_not_know_an_order():
    trees = [tree() for _ in range(4)]
    close(optim.soup(trees), optim.soup(trees[::-1]), rtol=1e-5)


def test_lawa_is_the_mean_of_the_last():
    trees = [tree() for _ in range(5)]
    history = ()
    for t, fresh in enumerate(trees):
        history, average = optim.lawa(history, fresh, last=3)
        close(average, optim.soup(trees[max(0, t - 2) : t + 1]), rtol=1e-5)
    assert len(history) == 3


IMAGES = DRAWS.normal(size=(4, 16, 3))


@jax.jit
def running(kernel, stats, x):
    """The running statistics of a linear layer's output after a batch, as batch normalisation keeps them."""
    hidden = x @ kernel
    mean, var = hidden.mean(0), hidden.var(0)
    return {"bn": {"mean": 0.9 * stats["bn"]["mean"] + 0.1 * mean, "var": 0.9 * stats["bn"]["var"] + 0.1 * var}}


def of_data(kernel):
    """Mean and variance of what the layer puts out on all images, in NumPy."""
    hidden = IMAGES.reshape(-1, 3) @ np.asarray(kernel, np.float64)
    return {"bn": {"mean": hidden.mean(0), "var": hidden.var(0)}}


def average(method, trees):
    if method == "swa":
        mean = trees[0]
        for count, each in enumerate(trees):
            mean = optim.swa(mean, each, count=count)
        return mean
    history = ()
    for each in trees:
        history, mean = optim.lawa(history, each, last=len(trees))
    return mean


@pytest.mark.parametrize("method", ["swa", "lawa"])
def test_averaged_weights_get_statistics_of_their_own(method):
    kernels = [jnp.asarray(DRAWS.normal(size=(3, 2)), jnp.float32) for _ in range(3)]
    trees = [(kernel, jax.tree.map(lambda s: jnp.asarray(s, jnp.float32), of_data(kernel))) for kernel in kernels]
    kernel, stale = average(method, trees)
    stats = layers.recalibrate(lambda stats, x: running(kernel, stats, x), stale, jnp.asarray(IMAGES, jnp.float32))
    close(stats, of_data(kernel), rtol=1e-4)
    assert np.abs(stale["bn"]["var"] / of_data(kernel)["bn"]["var"] - 1).max() > 0.2  # the average of the statistics


def scored(target):
    """Higher where the first bias is nearer to a target."""
    return lambda candidate: -abs(float(candidate["params"]["bias"][0]) - target)


@pytest.mark.parametrize(
    ("values", "target", "kept", "soup"),
    [
        ((1.0, 4.0, -3.0), 2.0, (0, 1), 2.5),  # 2.5 lies nearer than 1; with -3 it would be 2/3
        ((1.0, 3.0, 9.0), 2.0, (0, 1), 2.0),
        ((0.0, 2.5, 2.0, 1.0), 2.0, (2,), 2.0),
        ((5.0,), 2.0, (0,), 5.0),
        ((2.0, 2.0), 2.0, (0, 1), 2.0),  # not lower is enough
        ((float("nan"), 3.0), 2.0, (1,), 3.0),
    ],
)
def test_greedy_soup_by_hand(values, target, kept, soup):
    out, positions = optim.greedy_soup([tree(value) for value in values], scored(target))
    assert positions == kept
    close(out, tree(soup))


def test_greedy_soup_is_never_worse_than_the_best():
    for seed in range(5):
        draws = np.random.default_rng(seed)
        trees = [tree(value) for value in draws.normal(size=6)]
        score = scored(draws.normal())
        assert score(optim.greedy_soup(trees, score)[0]) >= max(map(score, trees)) - 1e-6


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b, t: optim.ema(a, b, decay=0.9, count=t),
        lambda a, b, t: optim.swa(a, b, count=t),
        lambda a, b, t: optim.soup([a, b]),
    ],
    ids=["ema", "swa", "soup"],
)
def test_eager_jit_and_vmap_agree(function):
    a, b = tree(), tree()
    stacked = jax.tree.map(lambda x, y: jnp.stack([x, y]), (a, b), (b, a))
    eager = function(a, b, jnp.int32(4))
    close(eager, jax.jit(function)(a, b, jnp.int32(4)))
    close(eager, jax.tree.map(lambda x: x[0], jax.vmap(function)(*stacked, jnp.array([4, 5]))))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("per_epoch", lambda: optim.ema_decay(1.5, steps_per_epoch=10)),
        ("steps_per_epoch", lambda: optim.ema_decay(0.5, steps_per_epoch=0)),
        ("decay", lambda: optim.ema(tree(), tree(), decay=1.1)),
        ("average", lambda: optim.ema({"w": jnp.ones(2, int)}, {"w": jnp.ones(2)}, decay=0.9)),
        ("tree", lambda: optim.ema({"w": jnp.ones(2)}, {"w": jnp.ones(3)}, decay=0.9)),
        ("count", lambda: optim.swa(tree(), tree(), count=-1)),
        ("trees", lambda: optim.soup([])),
        ("trees", lambda: optim.soup([{"w": jnp.ones(2)}, {"w": jnp.ones(3)}])),
        ("last", lambda: optim.lawa((), tree(), last=0)),
        ("trees", lambda: optim.greedy_soup([], scored(0.0))),
    ],
)
def test_bad_arguments(name, call):
    with pytest.raises(ValueError, match=f"^{name} (is|has)"):
        call()
