"""A rate that is cut on plateaus: by hand, and beside optax, whose first epoch is a bad one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import optim


def scales(tx, values, steps=1):
    """What an update of one is multiplied by in each of so many steps after each value."""
    state, out = tx.init(jnp.ones(1)), []
    update = jax.jit(lambda state, value: tx.update(jnp.ones(1), state, jnp.ones(1), value=value))
    for value in values:
        for _ in range(steps):
            scaled, state = update(state, jnp.float32(value))
            out.append(float(scaled[0]))
    return out


def test_a_cut_acts_at_once_and_the_first_validation_is_no_bad_one():
    values = [np.inf, 5.0, 5.0, 5.0, 4.0, 4.5, np.nan, 4.0]
    got = scales(optim.plateau(every=3, factor=0.5, patience=2), values, steps=3)
    np.testing.assert_allclose(got, np.repeat([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25], 3))


def test_optax_counts_the_first_epoch_as_bad():
    values = [np.inf, 5.0, 5.0, 5.0]
    theirs = optax.contrib.reduce_on_plateau(factor=0.5, patience=2)
    assert scales(theirs, [np.inf, np.inf, 5.0]) != scales(
        optim.plateau(every=1, factor=0.5, patience=2), [np.inf] * 2 + [5]
    )
    assert scales(optim.plateau(every=1, factor=0.5, patience=2), values) == [1, 1, 1, 0.5]


def test_more_may_be_better_and_the_scale_has_an_end():
    tx = optim.plateau(every=1, factor=0.1, patience=1, mode="max", minimum=0.05, min_delta=0.1)
    np.testing.assert_allclose(scales(tx, [-np.inf, 0.5, 0.55, 0.7, 0.7, 0.7]), [1, 1, 0.1, 0.1, 0.05, 0.05])


@pytest.mark.parametrize("wrong", [{"every": 0}, {"factor": 1.0}, {"factor": 0.0}, {"patience": 0}, {"mode": "least"}])
def test_options_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is"):
        optim.plateau(**({"every": 1} | wrong))
