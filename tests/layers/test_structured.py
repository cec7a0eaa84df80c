"""A circulant layer against its matrix, and a layer of signs against its packed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from flax import nnx

from jaxtricks import compress, layers

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("inputs", "outputs"), [(5, 3), (3, 5), (4, 4)])
def test_a_circulant_layer_is_a_block_of_a_circulant_matrix(inputs, outputs):
    layer = layers.Circulant(inputs, outputs, seed=2, rngs=nnx.Rngs(0))
    side = max(inputs, outputs)
    assert layer.column[...].shape == (side,)
    layer.bias[...] = jnp.arange(float(outputs))
    _, signs = compress.hash_places(inputs, buckets=1, seed=2)
    matrix = scipy.linalg.circulant(np.asarray(layer.column[...]))[:outputs, :inputs] * np.asarray(signs)[None]
    x = RNG.normal(size=(2, 3, inputs)).astype(np.float32)
    np.testing.assert_allclose(layer(x), x @ matrix.T + np.arange(outputs), atol=1e-5)


def test_a_packed_layer_holds_words_and_computes_the_same():
    layer = layers.XnorConv(5, 3, strides=2, rngs=nnx.Rngs(0))
    packed = layers.XnorConv(5, 3, strides=2, packed=True, rngs=nnx.Rngs(1))
    of_layer = compress.packed_params({"kernel": layer.kernel[...]}, patterns=("kernel",))
    assert of_layer["words"].shape == (3, 3, 1, 3)
    packed.words[...], packed.scales[...] = of_layer["words"], of_layer["scales"]
    x = RNG.normal(size=(2, 6, 6, 5)).astype(np.float32)
    np.testing.assert_array_equal(packed(x), layer(x))
    gradient = jax.grad(lambda x: (layer(x) ** 2).sum())(x)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Circulant(0, 3, rngs=nnx.Rngs(0)), "inputs is 0"),
        (lambda: layers.Circulant(3, 0, rngs=nnx.Rngs(0)), "outputs is 0"),
        (lambda: layers.Circulant(3, 2, rngs=nnx.Rngs(0))(jnp.ones((2, 4))), "x has shape"),
        (lambda: layers.XnorConv(3, 2, 0, rngs=nnx.Rngs(0)), "kernel is 0"),
        (lambda: compress.packed_params({"kernel": jnp.ones((2, 2))}, patterns=("kernel",)), "a kernel that is packed"),
        (lambda: compress.packed_params({"kernel": jnp.ones((2, 2))}, patterns=("conv",)), "conv"),
    ],
)
def test_wrong_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()
