"""Codebooks, hashes and Huffman's code: scikit-learn, brute force, and Python's integers."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.cluster import KMeans

from jaxtricks import compress, models

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(12, 10)).astype(np.float32)


def inertia(values, centers, labels):
    return float(((values - np.asarray(centers)[labels]) ** 2).sum())


@pytest.mark.parametrize("start", ["linear", "density"])
def test_k_means_has_scikit_learns_inertia_from_the_same_start(start):
    values = RNG.normal(size=200)
    begin = np.linspace(values.min(), values.max(), 5)
    if start == "density":
        begin = np.quantile(values, [0.1, 0.3, 0.5, 0.7, 0.9])
    fit = KMeans(5, init=begin[:, None], n_init=1, tol=0, max_iter=1000).fit(values[:, None])
    centers, labels = compress.kmeans(values, clusters=5, start=start, steps=1000)
    np.testing.assert_allclose(inertia(values, centers, labels), fit.inertia_, rtol=1e-9)
    np.testing.assert_allclose(centers, np.sort(fit.cluster_centers_[:, 0]), rtol=1e-9)
    np.testing.assert_array_equal(labels, np.abs(values[:, None] - centers).argmin(1))


def test_k_means_by_hand_and_clusters_that_get_nothing():
    centers, labels = compress.kmeans(np.array([0.0, 1, 9, 10]), clusters=2)
    assert (centers.tolist(), labels.tolist()) == ([0.5, 9.5], [0, 0, 1, 1])
    centers, labels = compress.kmeans(np.array([0.0, 0, 0, 9]), clusters=4)
    assert (np.diff(centers) >= 0).all()
    assert centers[labels].tolist() == [0, 0, 0, 9]


def test_a_codebook_of_all_values_is_the_kernel_and_zeros_stay():
    code = compress.quantize(np.float32([[1, 2], [3, 4]]), clusters=4)
    assert compress.decode(code).tolist() == [[1, 2], [3, 4]]
    sparse = np.where(np.abs(KERNEL) > 1, KERNEL, 0)
    code = compress.quantize(sparse, clusters=4, sparse=True)
    assert (code.values.size, code.values[0], code.indices.dtype) == (5, 0, np.uint8)
    np.testing.assert_array_equal(np.asarray(compress.decode(code)) == 0, sparse == 0)


def test_the_gradient_of_a_codebook_is_summed_over_those_that_share_a_value():
    """By the chain rule, and by finite differences of the loss of a network through its codes."""
    code = compress.quantize(KERNEL, clusters=4)
    weights = RNG.normal(size=KERNEL.shape).astype(np.float32)
    gradient = jax.grad(lambda v: jnp.sum(jnp.sin(compress.decode(code._replace(values=v))) * weights))(code.values)
    by_weight = np.cos(code.values[code.indices]) * weights
    wanted = [by_weight[code.indices == k].sum() for k in range(4)]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-5)
    np.testing.assert_allclose(compress.codebook_gradient(by_weight, code.indices, size=4), wanted, rtol=1e-5)
    left_out = compress.codebook_gradient(jnp.float32([1, 2, 4]), jnp.array([0, 9, -1]), size=2)
    assert left_out.tolist() == [1, 0]


def test_a_network_is_trained_through_its_codes():
    model = models.perceptron((6,), size=4, classes=3)
    params, stats = model.init(jax.random.key(0))
    kernel = compress.quantize(params["hidden"]["0"]["kernel"], clusters=4)
    codes = params | {"hidden": {"0": {"kernel": kernel, "bias": params["hidden"]["0"]["bias"]}}}
    values = compress.values_of(codes)
    assert values["hidden"]["0"]["kernel"].shape == (4,)
    coded = compress.through(
        model, lambda p: compress.from_values(p, codes, compress.decode), init=lambda key: (values, stats)
    )
    image = RNG.normal(size=(2, 2, 2, 1)).astype(np.float32)
    assert jax.tree.structure(coded.init(jax.random.key(1))[0]) == jax.tree.structure(params)
    decoded = params | {"hidden": {"0": {"kernel": compress.decode(kernel), "bias": params["hidden"]["0"]["bias"]}}}
    ours, theirs = (m.apply(p, stats, image, train=True)[0][0] for m, p in ((coded, values), (model, decoded)))
    np.testing.assert_array_equal(ours, theirs)

    def loss(m):
        return lambda p: (m.apply(p, stats, image, train=True)[0][0] ** 2).sum()

    of_values = jax.grad(loss(coded))(values)["hidden"]["0"]["kernel"]
    of_weights = jax.grad(loss(model))(decoded)["hidden"]["0"]["kernel"]
    np.testing.assert_allclose(of_values, compress.codebook_gradient(of_weights, kernel.indices, size=4), rtol=1e-5)


def test_product_codes():
    """Every vector has its nearest; as many vectors as columns are exact; the gradient reaches the codebook."""
    code = compress.product_quantize(KERNEL, length=3, clusters=4)
    assert (code.values.shape, code.indices.shape) == ((4, 4, 3), (4, 10))
    kernel = np.asarray(compress.product_decode(code, shape=(12, 10)))
    for place, d in product(range(4), range(10)):
        vector = KERNEL[3 * place : 3 * place + 3, d]
        gaps = ((vector - code.values[place]) ** 2).sum(-1)
        assert gaps[code.indices[place, d]] <= gaps.min() + 1e-6
        np.testing.assert_array_equal(kernel[3 * place : 3 * place + 3, d], code.values[place, code.indices[place, d]])
    exact = compress.product_quantize(KERNEL, length=3, clusters=10)
    np.testing.assert_allclose(compress.product_decode(exact, shape=(12, 10)), KERNEL, atol=1e-6)
    counts = jax.grad(lambda v: compress.product_decode(code._replace(values=v), shape=(12, 10)).sum())(code.values)
    for place in range(4):
        np.testing.assert_array_equal(counts[place, :, 0], np.bincount(code.indices[place], minlength=4))


def test_the_hash_is_murmurs_by_pythons_integers():
    def mixed(x, seed):
        x ^= seed * 0x9E3779B9 % 2**32
        for factor, shift in ((0x85EBCA6B, 16), (0xC2B2AE35, 13)):
            x = (x ^ (x >> shift)) * factor % 2**32
        return x ^ (x >> 16)

    buckets, signs = compress.hash_places(50, buckets=7, seed=12345)
    assert buckets.tolist() == [mixed(2 * i, 12345) % 7 for i in range(50)]
    assert signs.tolist() == [1 - 2 * (mixed(2 * i + 1, 12345) % 2) for i in range(50)]


def test_hashed_kernels_are_spread_evenly_and_folding_is_least_squares():
    buckets, signs = compress.hash_places(20_000, buckets=10, seed=3)
    assert abs(np.bincount(buckets) - 2000).max() < 5 * np.sqrt(2000)
    assert abs(float(signs.sum())) < 5 * np.sqrt(20_000)
    buckets, signs = compress.hash_places(120, buckets=9, seed=4)
    design = np.eye(9)[buckets] * np.asarray(signs)[:, None]
    folded = compress.fold_kernel(KERNEL, buckets=9, seed=4)
    np.testing.assert_allclose(folded, np.linalg.lstsq(design, KERNEL.ravel(), rcond=None)[0], atol=1e-5)
    spread = compress.hashed_kernel(folded, shape=(12, 10), seed=4)
    np.testing.assert_allclose(spread, (design @ folded).reshape(12, 10), atol=1e-6)
    gradient = jax.grad(lambda w: (compress.hashed_kernel(w, shape=(12, 10), seed=4) * KERNEL).sum())(folded)
    np.testing.assert_allclose(gradient, design.T @ KERNEL.ravel(), atol=1e-4)


@pytest.mark.parametrize("counts", [[5, 3, 1, 1], [1, 1, 1, 1, 1], [8, 4, 2, 1, 1], [9, 0, 1, 3, 3]])
def test_no_prefix_code_is_shorter_than_huffmans(counts):
    """Brute force over all lengths that fulfil Kraft's inequality."""
    used = [count for count in counts if count]
    codes = (
        lengths for lengths in product(range(1, len(used)), repeat=len(used)) if sum(2.0**-n for n in lengths) <= 1
    )
    best = min(int(np.dot(lengths, used)) for lengths in codes)
    text = np.repeat(np.arange(len(counts)), counts)
    assert compress.huffman_bits(text) == best
    assert [bool(n) for n in compress.huffman_lengths(counts)] == [bool(n) for n in counts]


def test_huffman_code_words_by_hand_and_back():
    lengths = compress.huffman_lengths([4, 2, 1, 1])
    assert lengths.tolist() == [1, 2, 3, 3]
    assert compress.huffman_encode(np.array([0, 1, 2, 3]), lengths) == bytes([0b01011011, 0b10000000])
    text = RNG.geometric(0.3, size=100_000) - 1  # longer than one block of the decoder
    lengths = compress.huffman_lengths(np.bincount(text))
    data = compress.huffman_encode(text, lengths)
    assert len(data) == -(-compress.huffman_bits(text) // 8)
    np.testing.assert_array_equal(compress.huffman_decode(data, lengths, count=len(text)), text)
    entropy = -sum(p * np.log2(p) for p in np.bincount(text) / len(text) if p)
    assert entropy <= compress.huffman_bits(text) / len(text) < entropy + 0.1
    only = compress.huffman_lengths([0, 7])
    assert compress.huffman_decode(compress.huffman_encode([1] * 7, only), only, count=7).tolist() == [1] * 7


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compress.huffman_decode(b"\xff", [1, 2, 3, 3], count=9), "allowed: 9 or more"),
        (lambda: compress.huffman_decode(b"\x80", [0, 1], count=1), "no code word at bit 0"),
        (lambda: compress.huffman_decode(b"\xdb\x80\x00", [1, 2, 3, 3], count=4), "allowed: 9, and zeros|bits"),
        (lambda: compress.huffman_decode(b"\x00", [1, 1, 1], count=1), "no complete code"),
        (lambda: compress.huffman_decode(b"\x00", [0, 0], count=1), "bits of 0 to"),
        (lambda: compress.huffman_encode([2], [1, 1]), "one that the code lacks"),
        (lambda: compress.huffman_lengths([0, 0]), "not all of them 0"),
        (lambda: compress.huffman_lengths([1.5]), "integers"),
        (lambda: compress.huffman_bits(np.array([-1])), "integers of 0 or more"),
        (lambda: compress.kmeans(np.arange(3.0), clusters=4), "4 or more, as clusters"),
        (lambda: compress.kmeans(np.array([np.nan, 1]), clusters=1), "finite"),
        (lambda: compress.kmeans(np.arange(3.0), clusters=2, start="random"), "start is 'random'"),
        (lambda: compress.quantize(0 * KERNEL, clusters=2, sparse=True), "allowed: finite ones, 2 or more"),
        (lambda: compress.product_quantize(KERNEL, length=5, clusters=2), "a divisor of 12"),
        (lambda: compress.product_quantize(KERNEL, length=3, clusters=11), "1 to 10, the outputs"),
        (lambda: compress.hash_places(0, buckets=3), "count is 0"),
        (lambda: compress.hash_places(3, buckets=3, seed=2**32), "seed is"),
        (lambda: compress.hashed_kernel(KERNEL, shape=(3,)), "rank"),
        (lambda: compress.hashed_kernel(KERNEL[0], shape=(-2, -2)), r"shape\[0\] is -2; allowed"),
        (lambda: compress.hashed_kernel(KERNEL[0], shape=4), "shape is 4; allowed: integers of 1 or more"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
