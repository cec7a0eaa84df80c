"""Kernels of a structure and weights of a pattern: what the steps keep of a trained network, and what trains on."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from jaxtricks import compress, data, layers, models, tasks, train
from jaxtricks.tricks import bag, compression, factoring, sparsity

DATA = data.fake(train=64, test=16, shape=(6, 6, 1))
KEY = jax.random.key(0)
GIVEN = {"task": tasks.classification(DATA.classes), "augmented": None, "lr": 0.05, "batch": 16, "epochs": 1}


@cache
def network(*widths):
    """A plain network of these widths, or logistic regression."""
    build = partial(models.plain, widths) if widths else partial(models.perceptron, (), size=36)
    recipe = bag.bare(model=build, **GIVEN)
    return compression.begin(recipe, train.build_model(recipe, DATA).init(jax.random.key(1)))


@cache
def batch():
    target = jax.nn.one_hot(DATA.train["label"][:8], DATA.classes)
    return {"image": jnp.float32(DATA.train["image"][:8]) / 255, "target": target}


def test_three_factors_and_all_of_the_energy_are_the_kernel():
    plain = network(4, 6)
    kernel = plain.params["stages"]["1"]["conv"]["kernel"]
    step = partial(factoring.recoded, patterns=("stages/1/conv",), batch=batch(), key=KEY)
    full = step(plain, encode=partial(factoring.tucker, share=1.0), decode=factoring.thrice)
    np.testing.assert_allclose(full.unpack(full.params)["stages"]["1"]["conv"]["kernel"], kernel, atol=1e-5)
    assert factoring.tucker(kernel, share=0.3)["core"].shape == (3, 3, 2, 2)
    head = plain.params["head"]["kernel"]
    whole = factoring.multiplied(factoring.energetic(head, energy=1.0), head.shape)
    np.testing.assert_allclose(whole, head, rtol=1e-4, atol=1e-5)
    left_out = np.linalg.norm(head - factoring.multiplied(factoring.energetic(head, energy=0.7), head.shape)) ** 2
    assert 0.01 < left_out / np.linalg.norm(head) ** 2 <= 0.3


def test_the_nearest_toeplitz_matrix_has_the_means_of_diagonals():
    matrix = scipy.linalg.toeplitz([1.0, 2, 3], [1.0, 4, 5, 6]).T.astype(np.float32)  # 4 inputs, 3 outputs
    np.testing.assert_allclose(factoring.aligned(factoring.diagonals(jnp.asarray(matrix)), (4, 3)), matrix, atol=1e-5)
    nearest = factoring.aligned(factoring.diagonals(jnp.asarray([[1.0, 5], [2, 3]])), (2, 2))
    np.testing.assert_allclose(nearest, [[2, 5], [2, 2]], atol=1e-5)


def test_structures_of_a_convolution_are_those_of_its_matrix():
    """A kernel ``[h, w, C, D]`` is the matrix of its windows; each structure is a projection, and of few numbers."""
    kernel = jax.random.normal(KEY, (2, 2, 3, 5))
    for name, step in factoring.structures("a").items():
        smaller = step.keywords["encode"](kernel)
        once = step.keywords["decode"](smaller, kernel.shape)
        assert once.shape == kernel.shape
        assert sum(leaf.size for leaf in jax.tree.leaves(smaller)) < kernel.size or "energy" in name
        if name in ("circulant", "Toeplitz"):
            matrix = np.asarray(once).reshape(12, 5)
            np.testing.assert_allclose(matrix[1:, 1:], matrix[:-1, :-1], atol=1e-5)
        assert jnp.linalg.norm(once) <= 1.01 * jnp.linalg.norm(kernel)


def test_two_of_four_stay_along_the_inputs_while_the_others_train():
    smaller = sparsity.n_of_m(network(4, 6), n=2, m=4, patterns=("stages/1/conv",), batch=batch(), key=KEY)
    kernel = smaller.params["stages"]["1"]["conv"]["kernel"]
    np.testing.assert_array_equal((kernel != 0).sum(2), 2)
    np.testing.assert_array_equal(smaller.params["head"]["kernel"], network(4, 6).params["head"]["kernel"])
    tx = smaller.recipe.optimizer(lambda step: 0.1)
    gradient = jax.tree.map(jnp.ones_like, smaller.params)
    updates, _ = jax.jit(tx.update)(gradient, tx.init(smaller.params), smaller.params)
    after = kernel + updates["stages"]["1"]["conv"]["kernel"]
    np.testing.assert_array_equal(after == 0, kernel == 0)
    assert (updates["head"]["kernel"] != 0).all()


def test_the_curvature_is_that_of_the_loss():
    """Of logistic regression the Hessian is known: x_d^2 p_c (1 - p_c) for weight d of class c."""
    plain, images = network(), np.asarray(batch()["image"]).reshape(8, -1)
    scores = sparsity.curvature(plain, batch=batch(), key=KEY, samples=800)["head"]["kernel"]
    kernel = plain.params["head"]["kernel"]
    shares = np.asarray(jax.nn.softmax(images @ kernel + plain.params["head"]["bias"]))
    wanted = 0.5 * kernel**2 * (images.T**2 @ (shares * (1 - shares))) / 8
    assert np.corrcoef(scores.ravel(), wanted.ravel())[0, 1] > 0.9
    assert abs(float(scores.sum() / wanted.sum()) - 1) < 0.1
    noisy = jax.tree.leaves(sparsity.curvature(plain, batch=batch(), key=KEY, samples=1))
    assert min(leaf.min() for leaf in noisy) >= 0  # or what matters most would go first


def test_a_perceptron_of_circulant_layers():
    """One number an input of each hidden layer, and its products are those of the matrix."""
    model = partial(models.perceptron, (12,), size=36, layer=layers.Circulant)(classes=3, channels=1)
    params, stats = model.init(KEY)
    assert jax.tree.map(np.shape, params["hidden"]["0"]) == {"column": (36,), "bias": (12,)}
    (_, taps), _ = model.apply(params, stats, batch()["image"], train=False)
    matrix = scipy.linalg.circulant(np.asarray(params["hidden"]["0"]["column"]))[:12]
    signs = np.asarray(compress.hash_places(36, buckets=1, seed=0)[1])
    wanted = np.maximum(np.asarray(batch()["image"]).reshape(8, -1) * signs @ matrix.T, 0)
    np.testing.assert_allclose(taps["hidden1"], wanted, rtol=1e-4, atol=1e-4)
