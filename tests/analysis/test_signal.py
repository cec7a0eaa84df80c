"""The signal through depth against theory, and the rank of a layer's gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks.analysis import gradient_rank, variance_by_depth

normal = jax.nn.initializers.variance_scaling


def test_linear_layers_multiply_the_variance():
    # without an activation the variance of every layer is D times that of a weight: 0.5 each, forward and backward
    kernel = normal(0.5, "fan_in", "normal")
    found = variance_by_depth(jax.random.key(0), kernel, depth=5, width=512, batch=64, activation=lambda x: x)
    np.testing.assert_allclose(found.forward, 0.5 ** np.arange(1, 6), rtol=0.25)
    np.testing.assert_allclose(found.backward, 0.5 ** np.arange(4, -1, -1), rtol=0.25)


def test_orthogonal_layers_keep_it_exactly():
    found = variance_by_depth(
        jax.random.key(0), jax.nn.initializers.orthogonal(), depth=6, width=64, activation=lambda x: x
    )
    np.testing.assert_allclose(found.backward, 1.0, rtol=1e-3)
    np.testing.assert_allclose(found.forward, found.forward[0], rtol=1e-3)


def test_relu_halves_the_second_moment_that_he_doubles():
    found = variance_by_depth(jax.random.key(0), normal(2.0, "fan_in", "normal"), depth=20, width=512)
    assert 0.2 < found.backward[0] < 5
    lost = variance_by_depth(jax.random.key(0), normal(1.0, "fan_in", "normal"), depth=20, width=512)
    np.testing.assert_allclose(jnp.log2(lost.backward[0]), -19, atol=2)  # one half a layer


@pytest.mark.parametrize(
    ("matrix", "rank"),
    [
        (np.zeros((3, 4)), 0),
        (np.ones((3, 4)), 1),
        (np.eye(4), 4),
        (np.outer([1, 2, 3], [1, 0, 2, 1]) + np.outer([1, 0, 0], [0, 1, 0, 0]), 2),
        (np.diag([1.0, 1e-2, 1e-5]), 2),
        (np.diag([1.0, np.nan, 1.0]), -1),
        (np.diag([1.0, np.inf, 1.0]), -1),
    ],
)
def test_rank(matrix, rank):
    assert gradient_rank(jnp.asarray(matrix, jnp.float32)) == rank


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradient_rank(jnp.ones(3)), "gradient"),
        (lambda: gradient_rank(jnp.ones((2, 2), jnp.int32)), "gradient"),
        (lambda: gradient_rank(jnp.ones((2, 2)), tolerance=2.0), "tolerance"),
        (lambda: variance_by_depth(jax.random.key(0), normal(1.0, "fan_in", "normal"), depth=0), "depth is 0"),
        (lambda: variance_by_depth(jax.random.key(0), normal(1.0, "fan_in", "normal"), width=2.5), "width is 2.5"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
