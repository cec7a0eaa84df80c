"""The update rule itself is held against torch's in test_optax_notes.py."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import optim

PARAMS = {"kernel": jnp.array([[3.0, -1.0]]), "bias": jnp.array([2.0, 1.0])}
GRADIENT = {"kernel": jnp.array([[3.0, 0.0]]), "bias": jnp.array([0.0, 4.0])}  # of norm 5


def step(tx):
    return tx.update(GRADIENT, tx.init(PARAMS), PARAMS)[0]


@pytest.mark.parametrize(
    ("options", "kernel", "bias"),
    [
        ({"weight_decay": 0.0, "momentum": 0.0}, [[-3, 0]], [0, -4]),
        ({"weight_decay": 0.0, "momentum": 0.5}, [[-4.5, 0]], [0, -6]),
        ({"weight_decay": 0.0, "momentum": 0.5, "nesterov": False}, [[-3, 0]], [0, -4]),
        ({"weight_decay": 0.5, "momentum": 0.0}, [[-4.5, 0.5]], [-1, -4.5]),
        ({"weight_decay": 0.5, "momentum": 0.0, "mask": optim.decay_mask}, [[-4.5, 0.5]], [0, -4]),
        ({"weight_decay": 0.5, "momentum": 0.0, "clip_norm": 1.0}, [[-2.1, 0.5]], [-1, -1.3]),
        ({"weight_decay": 0.0, "momentum": 0.0, "clip_norm": 9.0}, [[-3, 0]], [0, -4]),
    ],
)
def test_first_step_by_hand(options, kernel, bias):
    updates = step(optim.coupled_sgd(1.0, **options))
    np.testing.assert_allclose(updates["kernel"], kernel, rtol=1e-6)
    np.testing.assert_allclose(updates["bias"], bias, rtol=1e-6)


def test_eager_and_jit_agree():
    tx = optim.coupled_sgd(optax.linear_schedule(1.0, 0.0, 9))
    jax.tree.map(np.testing.assert_allclose, step(tx), jax.jit(lambda: step(tx))())


@pytest.mark.parametrize(
    ("name", "value"), [("momentum", 1.5), ("momentum", -0.1), ("weight_decay", -1.0), ("clip_norm", 0.0)]
)
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=f"^{name} is"):
        optim.coupled_sgd(0.1, **{name: value})
