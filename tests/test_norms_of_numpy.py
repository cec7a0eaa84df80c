"""Norms of vectors and of matrices: what jnp.linalg.norm, the symbol of the index, must compute."""

import jax.numpy as jnp
import numpy as np
import pytest

V, M = np.array([3.0, -4.0, 0.0]), np.array([[1.0, -2.0], [-3.0, 4.0]])


@pytest.mark.parametrize(
    ("array", "order", "expected"),
    [
        (V, 1, 7.0),
        (V, 2, 5.0),
        (V, np.inf, 4.0),
        (V, 3, 91 ** (1 / 3)),
        (V, 0, 2.0),
        (M, 1, 6.0),  # the largest column sum
        (M, np.inf, 7.0),  # the largest row sum
        (M, 2, ((30 + np.sqrt(30**2 - 4 * 2**2)) / 2) ** 0.5),  # the root of the largest eigenvalue of M^T M
        (M, "fro", 30**0.5),
        (M, "nuc", (30 + 2 * 2) ** 0.5),  # singular values a, b: (a + b)^2 = a^2 + b^2 + 2 |det|
    ],
)
def test_norm(array, order, expected):
    np.testing.assert_allclose(jnp.linalg.norm(jnp.asarray(array), ord=order), expected, rtol=1e-5)
