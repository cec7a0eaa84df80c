"""Low rank: NumPy's SVD, a convolution that is the product of two, and the ranks that brute force finds."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import compress

RNG = np.random.default_rng(0)
DENSE = RNG.normal(size=(6, 4)).astype(np.float32)
CONV = RNG.normal(size=(3, 3, 4, 5)).astype(np.float32)
IMAGE = RNG.normal(size=(2, 7, 7, 4)).astype(np.float32)


def conv(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pointwise(x, kernel):
    return jnp.einsum("bhwc,cd->bhwd", x, kernel[0, 0])


@pytest.mark.parametrize("rank", [1, 3, 4])
def test_the_error_of_an_svd_is_what_the_singular_values_left_out_say(rank):
    """Eckart and Young: no matrix of that rank is nearer."""
    first, second = compress.svd(DENSE, rank=rank)
    assert (first.shape, second.shape) == ((6, rank), (rank, 4))
    left_out = np.linalg.svd(DENSE)[1][rank:]
    np.testing.assert_allclose(np.linalg.norm(DENSE - first @ second), np.sqrt((left_out**2).sum()), atol=1e-5)


def test_two_layers_compute_what_the_product_of_their_kernels_does():
    first, second = compress.svd(CONV, rank=5)
    np.testing.assert_allclose(pointwise(conv(IMAGE, first), second), conv(IMAGE, CONV), atol=1e-4)
    first, second = compress.svd(CONV, rank=2)
    nearest = np.einsum("ijcr,rd->ijcd", first, second[0, 0])
    np.testing.assert_allclose(pointwise(conv(IMAGE, first), second), conv(IMAGE, nearest), atol=1e-4)
    u, s, vt = np.linalg.svd(CONV.reshape(36, 5), full_matrices=False)
    np.testing.assert_allclose(nearest.reshape(36, 5), (u[:, :2] * s[:2]) @ vt[:2], atol=1e-5)


def test_tucker_is_exact_at_full_ranks_and_near_a_kernel_of_these_ranks():
    first, core, last = compress.tucker2(CONV, ranks=(4, 5))
    y = pointwise(conv(pointwise(IMAGE, first), core), last)
    np.testing.assert_allclose(y, conv(IMAGE, CONV), atol=1e-4)
    low = np.einsum("ijrs,cr,ds->ijcd", RNG.normal(size=(3, 3, 2, 3)), RNG.normal(size=(4, 2)), RNG.normal(size=(5, 3)))
    first, core, last = compress.tucker2(np.float32(low), ranks=(2, 3))
    assert (first.shape, core.shape, last.shape) == ((1, 1, 4, 2), (3, 3, 2, 3), (1, 1, 3, 5))
    again = np.einsum("cr,ijrs,sd->ijcd", first[0, 0], core, last[0, 0])
    np.testing.assert_allclose(again, low, atol=1e-4)


def test_ranks_by_energy():
    diagonal = np.diag(np.float32([3, 2, 1, 0.5]))  # energies 9, 4, 1, 0.25 of 14.25
    for energy, rank in ((9 / 14.25, 1), (0.7, 2), (13 / 14.25, 2), (0.95, 3), (1.0, 4)):
        assert compress.rank_of_energy(diagonal, energy=energy) == rank


@pytest.mark.parametrize("budget", [0.3, 0.5, 0.8])
def test_ranks_under_one_budget_keep_what_brute_force_keeps(budget):
    """Where a rank costs the same in all layers, the greedy choice is the best one."""
    kernels = {"a": DENSE, "b": (DENSE * [[5, 1, 1, 0.1]]).astype(np.float32), "c": DENSE[::-1].copy() ** 3}
    energies = {name: np.linalg.svd(k, compute_uv=False) ** 2 for name, k in kernels.items()}
    shares = {name: np.cumsum(e) / e.sum() for name, e in energies.items()}

    def kept(ranks):
        return sum(shares[name][rank - 1] for name, rank in zip(kernels, ranks, strict=True))

    fits = [ranks for ranks in product(range(1, 5), repeat=3) if 10 * sum(ranks) <= budget * 72]
    ranks = compress.ranks_of_budget(kernels, budget=budget) if fits else None
    if fits:
        assert tuple(ranks.values()) in fits
        np.testing.assert_allclose(kept(ranks.values()), max(map(kept, fits)), atol=1e-6)
    else:
        with pytest.raises(ValueError, match="enough for rank 1 in every layer, 30"):
            compress.ranks_of_budget(kernels, budget=budget)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compress.svd(DENSE, rank=5), "rank is 5; allowed: 1 to 4, the smaller side"),
        (lambda: compress.svd(DENSE, rank=0), "rank is 0"),
        (lambda: compress.svd(DENSE[0], rank=1), "kernel has shape"),
        (lambda: compress.svd(DENSE.astype(int), rank=1), "floating"),
        (lambda: compress.tucker2(CONV, ranks=(5, 5)), r"ranks\[0\] is 5; allowed: 1 to 4"),
        (lambda: compress.tucker2(CONV, ranks=2), "two integers"),
        (lambda: compress.tucker2(CONV[:1, :1, :2], ranks=(2, 4)), "allowed: 1 to 2 and 1 to 2"),
        (lambda: compress.rank_of_energy(DENSE, energy=0.0), "energy is 0.0"),
        (lambda: compress.rank_of_energy(0 * DENSE, energy=0.5), "zero or not finite"),
        (lambda: compress.ranks_of_budget({}, budget=0.5), "empty"),
        (lambda: compress.ranks_of_budget({"a": DENSE}, budget=1.0), "budget is 1.0"),
    ],
)
def test_what_is_no_rank_is_an_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()
