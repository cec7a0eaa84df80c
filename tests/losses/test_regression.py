import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import mean_absolute_error

from jaxtricks import losses

RNG = np.random.default_rng(11)
P, T = RNG.normal(size=(2, 6, 4)).astype(np.float32)


def test_absolute_error_by_hand_and_its_gradient_at_zero():
    found, grad = jax.vmap(jax.value_and_grad(losses.absolute_error))(jnp.array([1.0, -2.0, 3.0]), jnp.full(3, 1.0))
    np.testing.assert_array_equal(found, [0.0, 3.0, 2.0])
    np.testing.assert_array_equal(grad, [0.0, -1.0, 1.0])


def test_absolute_error_is_scikit_learns_and_the_limit_of_huber():
    np.testing.assert_allclose(losses.absolute_error(P, T).mean(), mean_absolute_error(P, T), rtol=1e-6)
    huber = optax.huber_loss(P, T, delta=1e-4) / 1e-4
    np.testing.assert_allclose(losses.absolute_error(P, T), huber, atol=1e-4)


def test_absolute_error_is_symmetric_and_blind_to_a_shift():
    np.testing.assert_array_equal(losses.absolute_error(P, T), losses.absolute_error(T, P))
    np.testing.assert_allclose(losses.absolute_error(P + 2, T + 2), losses.absolute_error(P, T), atol=1e-6)


@pytest.mark.parametrize(
    ("predictions", "targets", "message"),
    [(P, T[:, :1], "targets has shape"), (P.astype(int), T, "predictions has dtype"), (P, T > 0, "targets has dtype")],
)
def test_wrong_arguments_raise(predictions, targets, message):
    with pytest.raises(ValueError, match=message):
        losses.absolute_error(predictions, targets)
