"""Several layers before one classifier: at first the network as it was, then the classifier of all side by side."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import models

PLAIN = partial(models.plain, (4, 6, 8))
IMAGE = jax.random.uniform(jax.random.key(1), (3, 12, 12, 1))


@pytest.mark.parametrize("how", ["concat", "add"])
def test_fused_taps_start_as_the_network_and_are_one_linear_layer(how):
    model, plain = (
        f(classes=5, channels=1) for f in (partial(models.fuse_taps, PLAIN, taps=("stage1", "stage2"), how=how), PLAIN)
    )
    params, stats = model.init(jax.random.key(0))
    own = {name: tree for name, tree in params.items() if name != "fusion"}
    (before, taps), _ = plain.apply(own, stats, IMAGE, train=False)
    np.testing.assert_array_equal(model.apply(params, stats, IMAGE, train=False)[0][0], before)

    rng = np.random.default_rng(0)
    params["fusion"] = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32), params["fusion"])
    out, _ = model.apply(params, stats, IMAGE, train=False)
    features = [np.asarray(taps["features"])] + [np.asarray(taps[t]).mean((1, 2)) for t in ("stage1", "stage2")]
    kernels = [np.asarray(params["fusion"][t]["kernel"]) for t in ("stage1", "stage2")]
    head = {name: np.asarray(leaf) for name, leaf in params["head"].items()}
    if how == "concat":
        wanted = np.concatenate(features, 1) @ np.concatenate([head["kernel"], *kernels]) + head["bias"]
    else:
        joint = features[0] + features[1] @ kernels[0] + features[2] @ kernels[1]
        wanted = joint @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(out[0], wanted, rtol=1e-4, atol=1e-5)
    shapes = {t: leaf["kernel"].shape for t, leaf in params["fusion"].items()}
    assert shapes == {"stage1": (4, 5 if how == "concat" else 8), "stage2": (6, 5 if how == "concat" else 8)}


@pytest.mark.parametrize("taps", [(), ("stage9",), ("features",), ("stage1", "stage1")])
def test_taps_that_are_not_there_are_refused(taps):
    with pytest.raises(ValueError, match=r"taps is .*; allowed, once each: stage1, stage2, stage3"):
        models.fuse_taps(PLAIN, taps=taps, classes=5)
    with pytest.raises(ValueError, match="how is 'max'; allowed: 'concat', 'add'"):
        models.fuse_taps(PLAIN, taps=("stage1",), how="max", classes=5)


def test_hyper_columns_hold_each_layer_at_each_pixel():
    coarse = jnp.arange(4.0).reshape(1, 2, 2, 1)
    fine = jnp.arange(16.0).reshape(1, 4, 4, 1)
    columns = models.hyper_columns([fine, coarse], size=(4, 4))
    np.testing.assert_array_equal(columns[..., 0], fine[..., 0])
    row = [0, 0.25, 0.75, 1]  # half-pixel centres
    np.testing.assert_allclose(columns[0, :, :, 1], np.add.outer(2 * np.array(row), row), rtol=1e-6)
    for wrong, words in (([], "taps is empty"), ([fine, coarse[0]], r"taps\[1\] has shape"), ([fine[0]], r"taps\[0\]")):
        with pytest.raises(ValueError, match=words):
            models.hyper_columns(wrong, size=(4, 4))
