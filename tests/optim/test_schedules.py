"""Schedules over a run: those of schedules.py, decays.py and cycles.py, which share one shape."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import optim

RUN = {"steps": 120, "steps_per_epoch": 10}
FALLING = {
    "constant": optim.constant,
    "step_decay": optim.step_decay,
    "polynomial": partial(optim.polynomial, power=2.0, end=0.1),
    "cosine": optim.cosine,
    "stable_decay": optim.stable_decay,
    "exponential": partial(optim.exponential, factor=0.8),
    "natural_exponential": partial(optim.natural_exponential, rate=0.3),
    "inverse_time": partial(optim.inverse_time, rate=0.5),
    "restarts": optim.restarts,
}
RISING = {
    "triangular": partial(optim.triangular, epochs=4, low=0.1, shrink=0.5),
    "one_cycle": optim.one_cycle,
    "warmed": optim.with_warmup(optim.cosine, epochs=2),
}
ALL = FALLING | RISING


def rates(schedule, steps=120):
    return np.array([schedule(t) for t in range(steps)])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (optim.constant, {0: 0.4, 119: 0.4}),
        (optim.step_decay, {0: 0.4, 29: 0.4, 30: 0.04, 59: 0.04, 60: 4e-3, 89: 4e-3, 90: 4e-4, 119: 4e-4}),
        (partial(optim.step_decay, fractions=(0.5,), factor=0.2), {59: 0.4, 60: 0.08}),
        (optim.polynomial, {0: 0.4, 30: 0.3, 60: 0.2, 120: 0.0, 200: 0.0}),
        (partial(optim.polynomial, power=2.0, end=0.5), {0: 0.4, 60: 0.25, 120: 0.2}),
        (optim.cosine, {0: 0.4, 40: 0.3, 60: 0.2, 80: 0.1, 120: 0.0}),
        (partial(optim.cosine, end=0.5), {0: 0.4, 60: 0.3, 120: 0.2}),
        (partial(optim.stable_decay, decay=0.25), {0: 0.4, 90: 0.4, 105: 0.2, 120: 0.0}),
        (partial(optim.exponential, factor=0.5), {0: 0.4, 5: 0.4 / math.sqrt(2), 10: 0.2, 20: 0.1}),
        (partial(optim.exponential, factor=0.5, staircase=True), {0: 0.4, 9: 0.4, 10: 0.2, 19: 0.2}),
        (partial(optim.natural_exponential, rate=1.0), {0: 0.4, 10: 0.4 / math.e, 5: 0.4 / math.sqrt(math.e)}),
        (partial(optim.natural_exponential, rate=1.0, staircase=True), {9: 0.4, 10: 0.4 / math.e}),
        (partial(optim.inverse_time, rate=1.0), {0: 0.4, 5: 0.4 / 1.5, 10: 0.2, 30: 0.1}),
        (partial(optim.inverse_time, rate=1.0, staircase=True), {9: 0.4, 10: 0.2, 39: 0.1}),
        (partial(optim.restarts, cycles=3, growth=1.0), {0: 0.4, 20: 0.2, 40: 0.4, 60: 0.2, 80: 0.4, 100: 0.2}),
        (partial(optim.restarts, cycles=2), {0: 0.4, 20: 0.2, 40: 0.4, 80: 0.2, 120: 0.0}),
        (partial(optim.triangular, epochs=4), {0: 0.0, 10: 0.2, 20: 0.4, 30: 0.2, 40: 0.0, 60: 0.4}),
        (partial(optim.triangular, epochs=4, low=0.5, shrink=0.5), {0: 0.2, 20: 0.4, 40: 0.2, 60: 0.3, 100: 0.25}),
        (optim.one_cycle, {0: 0.016, 18: 0.208, 36: 0.4, 78: (0.4 + 1.6e-6) / 2, 120: 1.6e-6}),
        (optim.with_warmup(optim.cosine, epochs=2), {0: 0.0, 1: 0.02, 10: 0.2, 20: 0.4, 70: 0.2, 120: 0.0}),
        (
            optim.with_warmup(optim.cosine, epochs=0.4, from_zero=False),
            {0: 0.1, 1: 0.2, 3: 0.4, 4: 0.4, 62: 0.2, 120: 0.0},
        ),
        (optim.with_warmup(optim.step_decay, epochs=2), {10: 0.2, 20: 0.4, 29: 0.4, 30: 0.04, 60: 4e-3, 90: 4e-4}),
        (optim.with_warmup(optim.stable_decay, epochs=0.5), {0: 0.0, 2: 0.16, 5: 0.4, 96: 0.4, 108: 0.2, 120: 0.0}),
        (optim.with_warmup(partial(optim.exponential, factor=0.5), epochs=1), {5: 0.2, 10: 0.4, 20: 0.2}),
        (
            optim.with_warmup(partial(optim.restarts, cycles=2, growth=1), epochs=2),
            {20: 0.4, 45: 0.2, 70: 0.4, 95: 0.2},
        ),
    ],
)
def test_by_hand(schedule, expected):
    schedule = schedule(0.4, **RUN)
    np.testing.assert_allclose([schedule(t) for t in expected], list(expected.values()), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_eager_jit_and_vmap_agree(name):
    schedule = ALL[name](0.4, **RUN)
    eager = rates(schedule)
    np.testing.assert_allclose(eager, [jax.jit(schedule)(jnp.int32(t)) for t in range(120)], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(eager, jax.vmap(schedule)(jnp.arange(120)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_proportional_to_the_peak_and_never_above_it(name):
    once, twice = rates(ALL[name](0.4, **RUN)), rates(ALL[name](0.8, **RUN))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6, atol=1e-7)
    assert once.max() <= 0.4 * (1 + 1e-6)
    assert once.min() >= 0


@pytest.mark.parametrize("name", ALL)
def test_the_peak_may_be_traced(name):
    traced = jax.jit(lambda peak: ALL[name](peak, **RUN)(33))
    np.testing.assert_allclose(traced(0.4), ALL[name](0.4, **RUN)(33), rtol=1e-6)


@pytest.mark.parametrize("name", FALLING)
def test_starts_at_the_peak(name):
    assert FALLING[name](0.37, **RUN)(0) == pytest.approx(0.37, rel=1e-7)


@pytest.mark.parametrize("name", FALLING)
@pytest.mark.parametrize("epochs", [0.3, 1, 2.5])
def test_warmup_is_a_line_that_reaches_the_peak_exactly(name, epochs):
    warm = round(epochs * 10)
    schedule = optim.with_warmup(FALLING[name], epochs=epochs)(0.37, **RUN)
    np.testing.assert_allclose(rates(schedule, warm), 0.37 * np.arange(warm) / warm, rtol=1e-6, atol=1e-7)
    assert np.float32(schedule(warm)) == np.float32(0.37)


@pytest.mark.parametrize("name", FALLING)
def test_no_warmup_is_the_schedule(name):
    assert optim.with_warmup(FALLING[name], epochs=0) is FALLING[name]


def test_step_decay_keeps_its_points_under_a_warmup():
    plain, warmed = optim.step_decay(0.1, **RUN), optim.with_warmup(optim.step_decay, epochs=2.9)(0.1, **RUN)
    np.testing.assert_array_equal(rates(warmed)[29:], rates(plain)[29:])


def test_cosine_with_warmup_is_optax_s_with_the_warmup_inside_decay_steps():
    peer = optax.warmup_cosine_decay_schedule(0.0, 0.4, warmup_steps=20, decay_steps=120)
    np.testing.assert_allclose(rates(RISING["warmed"](0.4, **RUN)), rates(peer), rtol=1e-6, atol=1e-7)


def test_restarts_are_optax_s_sgdr():
    peer = optax.sgdr_schedule(
        [dict(init_value=0.0, peak_value=0.4, warmup_steps=0, decay_steps=n) for n in (20, 40, 80)]
    )
    ours = optim.restarts(0.4, steps=140, steps_per_epoch=10, cycles=3, growth=2.0)
    np.testing.assert_allclose(rates(ours, 140), rates(peer, 140), rtol=1e-6, atol=1e-7)


def test_triangular_is_the_paper_s_code():
    def smith(t, size, low, high):
        cycle = math.floor(1 + t / (2 * size))
        x = abs(t / size - 2 * cycle + 1)
        return low + (high - low) * max(0.0, 1 - x) / 2 ** (cycle - 1)

    ours = optim.triangular(0.4, steps=100, steps_per_epoch=7, epochs=2, low=0.25, shrink=0.5)
    np.testing.assert_allclose(rates(ours, 100), [smith(t, 7, 0.1, 0.4) for t in range(100)], rtol=1e-5)


@pytest.mark.parametrize("name", ["inverse_time", "natural_exponential"])
def test_finite_where_a_joined_schedule_does_not_look(name):
    schedule = FALLING[name](0.4, steps=120, steps_per_epoch=10, begin=20)
    np.testing.assert_allclose(schedule(-20), 0.4, rtol=1e-7)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        *[("peak", partial(schedule, -0.1, **RUN)) for schedule in ALL.values()],
        *[("steps", partial(schedule, 0.1, steps=0, steps_per_epoch=10)) for schedule in FALLING.values()],
        *[("begin", partial(schedule, 0.1, **RUN, begin=120)) for schedule in FALLING.values()],
        ("steps", lambda: optim.cosine(0.1, steps=12.5, steps_per_epoch=10)),
        ("steps_per_epoch", lambda: optim.cosine(0.1, steps=120, steps_per_epoch=0)),
        ("factor", lambda: optim.step_decay(0.1, **RUN, factor=0.0)),
        ("fractions", lambda: optim.step_decay(0.1, **RUN, fractions=(0.5, 0.25))),
        ("fractions", lambda: optim.step_decay(0.1, **RUN, fractions=(0.5, 1.0))),
        ("fractions", lambda: optim.step_decay(0.1, steps=3, steps_per_epoch=1)),
        ("fractions", lambda: optim.step_decay(0.1, **RUN, begin=30)),
        ("power", lambda: optim.polynomial(0.1, **RUN, power=0)),
        ("end", lambda: optim.polynomial(0.1, **RUN, end=1.5)),
        ("end", lambda: optim.cosine(0.1, **RUN, end=-0.1)),
        ("decay", lambda: optim.stable_decay(0.1, **RUN, decay=0.0)),
        ("decay", lambda: optim.stable_decay(0.1, **RUN, begin=60, decay=0.6)),
        ("end", lambda: optim.stable_decay(0.1, **RUN, end=2.0)),
        ("factor", lambda: optim.exponential(0.1, **RUN, factor=-1.0)),
        ("rate", lambda: optim.natural_exponential(0.1, **RUN, rate=0.0)),
        ("rate", lambda: optim.inverse_time(0.1, **RUN, rate=-1.0)),
        ("cycles", lambda: optim.restarts(0.1, **RUN, cycles=0)),
        ("cycles", lambda: optim.restarts(0.1, **RUN, cycles=9)),
        ("growth", lambda: optim.restarts(0.1, **RUN, growth=0.0)),
        ("epochs", lambda: optim.triangular(0.1, **RUN, epochs=0)),
        ("low", lambda: optim.triangular(0.1, **RUN, epochs=1, low=2.0)),
        ("shrink", lambda: optim.triangular(0.1, **RUN, epochs=1, shrink=0.0)),
        ("rise", lambda: optim.one_cycle(0.1, **RUN, rise=1.0)),
        ("rise", lambda: optim.one_cycle(0.1, steps=2, steps_per_epoch=1)),
        ("div_factor", lambda: optim.one_cycle(0.1, **RUN, div_factor=0.0)),
        ("final_div_factor", lambda: optim.one_cycle(0.1, **RUN, final_div_factor=0.0)),
        ("epochs", lambda: optim.with_warmup(optim.cosine, epochs=-1)),
        ("epochs", lambda: optim.with_warmup(optim.cosine, epochs=0.1, from_zero=False)(0.1, **RUN)),
        ("from_zero", lambda: optim.with_warmup(optim.cosine, epochs=1, from_zero=None)),
        ("epochs", lambda: optim.with_warmup(optim.cosine, epochs=12)(0.1, **RUN)),
        ("epochs", lambda: optim.with_warmup(optim.cosine, epochs=0.01)(0.1, **RUN)),
    ],
)
def test_bad_arguments(name, call):
    with pytest.raises(ValueError, match=f"^{name} (is|has)"):
        call()


@pytest.mark.parametrize("name", ["triangular", "one_cycle"])
def test_a_schedule_that_rises_takes_no_warmup(name):
    with pytest.raises(TypeError, match="begin"):
        optim.with_warmup(RISING[name], epochs=1)(0.1, **RUN)


NO_EPOCHS = [
    name for name in ALL if name not in {"exponential", "natural_exponential", "inverse_time", "triangular", "warmed"}
]


@pytest.mark.parametrize("name", NO_EPOCHS)
def test_what_counts_no_epochs_wants_no_steps_of_one(name):
    steps = np.arange(120)
    ours, theirs = (jax.vmap(ALL[name](0.1, **run))(steps) for run in (RUN, {"steps": 120}))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("call", "least"),
    [
        (partial(optim.one_cycle, 0.1), 4),  # int(0.3 * 4) is the first that is 1
        (partial(optim.step_decay, 0.1), 4),  # 1, 2 and 3
        (partial(optim.stable_decay, 0.1), 3),  # round(0.2 * 3) is the first that is 1
    ],
)
def test_a_run_that_is_too_short_is_told_the_least_length(call, least):
    with pytest.raises(ValueError, match=f"A run of {least} steps or more is long enough"):
        call(steps=1)
    call(steps=least)


def test_steps_every_few_epochs_count_from_the_warm_up():
    """0.94 every two epochs, as Inception's; by hand."""
    run = {"steps": 100, "steps_per_epoch": 5}
    rate = optim.step_decay(1.0, **run, begin=20, every_epochs=2, factor=0.94)
    np.testing.assert_allclose(
        [rate(n) for n in (0, 9, 10, 19, 20, 79)], [1, 1, 0.94, 0.94, 0.94**2, 0.94**7], rtol=1e-5
    )
    for wrong in ({"fractions": (0.5,)}, {"steps_per_epoch": None}):
        with pytest.raises(ValueError, match=r"^every_epochs is 2; allowed: with steps_per_epoch, and without"):
            optim.step_decay(1.0, **(run | wrong), every_epochs=2)
    with pytest.raises(ValueError, match=r"^every_epochs is 0.01, no step; allowed: 0.2 or more"):
        optim.step_decay(1.0, **run, every_epochs=0.01)


def test_one_over_the_root_of_time_behind_a_warm_up_is_noams_schedule():
    """Vaswani et al.: d^-0.5 min(t^-0.5, t W^-1.5), here with its peak, (d W)^-0.5, at 0.2."""
    warm = optim.with_warmup(optim.inverse_sqrt, epochs=4)(0.2, steps=100, steps_per_epoch=5)
    t = np.arange(1, 100)
    expected = 0.2 * 20**0.5 * np.minimum(t**-0.5, t * 20**-1.5)
    np.testing.assert_allclose([warm(n) for n in t], expected, rtol=1e-5)
    np.testing.assert_allclose(optim.inverse_sqrt(0.2, steps=100, hold=8)(24), 0.1, rtol=1e-6)
