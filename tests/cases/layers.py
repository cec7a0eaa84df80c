"""What the layers do with hostile arguments."""

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import layers
from tests.cases.case import Array, Case, Says

ANY = ("zeros", "equal", "high", "low", "apart", "one far above", "one row zero", "tiny")
CHANNEL = 4
MAP = Array(("B", "H", "W", "D"), edges=ANY)
INPUT = Array(("B", "H", "W", CHANNEL), edges=ANY)
INPUT_OF_ANY_RANK = Array(("B", "H", "W", CHANNEL), edges=ANY, lead=True)
FREE = Array(("B", "H", "W", 4), edges=ANY, free=True)
VECTORS = Array(("B", CHANNEL), edges=ANY, lead=True)
OWN = Array(("B", 3), lambda rng, shape: rng.random(shape), own=True)
WINDOW = {"window": 2, "strides": 2}


def module(build, x=INPUT, **case) -> Case:
    """A layer as a function of its input and its parameters."""
    graph, params, rest = nnx.split(nnx.eval_shape(lambda: build(nnx.Rngs(0))), nnx.Param, ...)
    leaves, structure = jax.tree.flatten(params)
    own = {
        f"p{i}": Array(leaf.shape, lambda rng, shape: rng.random(shape) + 0.1, own=True)
        for i, leaf in enumerate(leaves)
    }

    def call(x, **params):
        filled = jax.tree.unflatten(structure, [params[name] for name in own])
        layer = nnx.merge(graph, filled, jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), rest))
        return layer(x, train=True) if isinstance(layer, layers.BatchNorm) else layer(x)

    return Case({"x": x} | own, call=call, **case)


CASES = {
    "layers.Asymmetric": module(lambda r: layers.Asymmetric(CHANNEL, 2, rngs=r), empty="B"),
    "layers.BatchNorm": module(lambda r: layers.BatchNorm(CHANNEL, rngs=r), INPUT_OF_ANY_RANK),
    "layers.Circulant": module(
        lambda r: layers.Circulant(CHANNEL, 2, rngs=r),
        VECTORS,
        empty="B",
        nan=Says("products by FFT"),
        inf=Says("products by FFT"),
    ),
    "layers.XnorConv": module(lambda r: layers.XnorConv(CHANNEL, 2, rngs=r), empty="B"),
    "layers.DepthwiseSeparable": module(lambda r: layers.DepthwiseSeparable(CHANNEL, 2, rngs=r), empty="B"),
    "layers.EfficientChannelAttention": module(lambda r: layers.EfficientChannelAttention(CHANNEL, rngs=r), empty="B"),
    "layers.FeatureNorm": module(lambda r: layers.FeatureNorm(CHANNEL), VECTORS, empty="B"),
    "layers.GeM": module(lambda r: layers.GeM(features=CHANNEL), empty="B"),
    "layers.PReLU": module(lambda r: layers.PReLU(features=CHANNEL), VECTORS, empty="B"),
    "layers.SqueezeExcite": module(lambda r: layers.SqueezeExcite(CHANNEL, ratio=1, rngs=r), empty="B"),
    "layers.Swish": module(lambda r: layers.Swish(features=CHANNEL), VECTORS, empty="B"),
    "layers.blur_pool": Case({"x": MAP}, empty="B"),
    "layers.classifier_noise": Case({"logits": FREE}, {"std": 0.1}, empty="BHW"),
    "layers.conv": Case(
        {"x": MAP, "kernel": Array((3, 3, "D", 2), free=True, edges=("zeros",))},
        {"strides": (1, 1), "padding": "SAME"},
        empty="BDHW",
    ),
    "layers.conv2d_im2col": Case({"x": MAP, "kernel": Array((3, 3, "D", 2), free=True, edges=("zeros",))}, empty="BD"),
    "layers.deform_conv2d": Case(
        {
            "x": INPUT,
            "offsets": Array(("B", 5, 7, 18), edges=("zeros", "high", "low")),
            "kernel": Array((3, 3, CHANNEL, "C"), edges=("zeros",)),
        },
        empty="B",
        nan=Says("0 outside the image and where an offset is not finite", of="offsets"),
    ),
    "layers.dense_to_conv": Case({"kernel": Array((12, "D"), dtypes="fiubc")}, {"spatial": (2, 3)}, empty="D"),
    "layers.drop_block": Case({"x": MAP}, {"rate": 0.3, "block": 3}, empty="BD"),
    "layers.dropout": Case({"x": FREE}, {"rate": 0.3}, empty="BHW"),
    "layers.dropout_plain": Case({"x": FREE}, {"rate": 0.3}, empty="BHW"),
    "layers.dropout_plain_mean": Case({"x": FREE}, {"rate": 0.3}, empty="BHW"),
    "layers.global_average_pool": Case({"x": MAP}, empty="B"),
    "layers.im2col": Case({"x": Array(("B", "H", "W", "D"), dtypes="fiubc")}, {"window": 3}, empty="BD"),
    "layers.l2_normalize": Case({"x": FREE}, empty="BHW", right={"axis": (None,)}),
    "layers.local_response_norm": Case({"x": Array(("B", "D"), edges=ANY, lead=True)}, empty="BD"),
    "layers.lp_pool": Case({"x": MAP}, {"p": 3.0} | WINDOW, empty="B"),
    "layers.recalibrate": Case(
        {"mean": OWN, "var": OWN},
        call=lambda mean, var: layers.recalibrate(
            lambda stats, batch: {"bn": batch},
            {"bn": {"mean": mean[0], "var": var[0]}},
            [{"mean": m, "var": v} for m, v in zip(mean, var, strict=True)],
        ),
    ),
    "layers.rrelu": Case({"x": FREE}, empty="BHW"),
    "layers.rrelu_mean": Case({"x": FREE}, empty="BHW"),
    "layers.space_to_depth": Case({"x": Array(("B", 4, 6, "D"), dtypes="fiubc")}, {"block": 2}, empty="BD"),
    "layers.spatial_pyramid_pool": Case({"x": MAP}, empty="B"),
    "layers.standardize_weight": Case({"kernel": Array((3, 3, 2, 4), edges=ANY, free=True)}),
    "layers.stochastic_depth": Case({"x": FREE}, {"rate": 0.3}, empty="BHW"),
    "layers.stochastic_pool": Case({"x": MAP}, WINDOW, empty="B"),
    "layers.stochastic_pool_mean": Case({"x": MAP}, WINDOW, empty="B"),
}
