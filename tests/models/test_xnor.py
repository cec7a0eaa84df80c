"""XNOR networks: the packed network has the logits of the simulated one, in a thirtieth of the bytes."""

import os

import jax
import numpy as np
import pytest

from jaxtricks import compress, models

IMAGE = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)


def test_the_packed_network_has_the_logits_of_the_simulated_one(tmp_path):
    """From a file; every convolution but the first is packed."""
    widths = (4, 40, 8)
    simulated, packed = (models.xnor(widths, classes=3, channels=1, packed=p) for p in (False, True))
    params, stats = simulated.init(jax.random.key(0))
    rng = np.random.default_rng(1)
    stats = jax.tree.map(lambda x: rng.uniform(0.5, 1.5, x.shape).astype(np.float32), stats)
    bits = compress.packed_params(params, patterns=("stages/./conv/kernel",))
    assert jax.tree.map(np.shape, bits) == jax.tree.map(np.shape, packed.init(jax.random.key(1))[0])
    compress.save(tmp_path / "bits", bits["stages"])
    compress.save(tmp_path / "floats", params["stages"])
    assert os.path.getsize(tmp_path / "floats") > 4 * os.path.getsize(tmp_path / "bits")  # of 4 channels, 28 bits idle
    loaded = bits | {"stages": compress.load(tmp_path / "bits")}
    wanted = jax.jit(lambda image: simulated.apply(params, stats, image, train=False)[0][0])(IMAGE)
    found = jax.jit(lambda image: packed.apply(loaded, stats, image, train=False)[0][0])(IMAGE)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert np.ptp(wanted) > 0.1


def test_gradients_reach_every_kernel_through_the_signs():
    model = models.xnor((3, 4), classes=2, channels=1)
    params, stats = model.init(jax.random.key(0))

    @jax.jit
    @jax.grad
    def gradient(params):
        (logits, taps), _ = model.apply(params, stats, IMAGE, train=True)
        assert set(taps) == {"stem", "stage1", "features"}
        return (logits**2).sum()

    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient(params)["stages"]))


@pytest.mark.parametrize(("widths", "words"), [((3,), "two or more"), ((3, 0), "integers of 1 or more")])
def test_wrong_widths(widths, words):
    with pytest.raises(ValueError, match=words):
        models.xnor(widths, classes=2)
