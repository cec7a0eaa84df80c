"""Panels of the activations."""

from functools import partial

import jax

from docs.gallery.parts import Call, Panel
from jaxtricks import layers


def layer(module, x):
    return module()(x)


def drawn(seed):
    """One draw of the slope, for every x the same."""
    return lambda f, x: f(jax.random.key(seed), x)


panel = partial(Panel, at=lambda f, x: f(x), x=(-4, 4), xlabel="input", ylabel="output")

RECTIFIED = (
    panel(
        "ReLU and leaky ReLU",
        {
            "ReLU": jax.nn.relu,
            "leaky ReLU, 0.01": jax.nn.leaky_relu,
            "leaky ReLU, 0.2": partial(jax.nn.leaky_relu, negative_slope=0.2),
        },
    ),
    panel(
        "PReLU, by its learned slope",
        {f"slope {a:g}": partial(layers.PReLU, slope=a) for a in (0.0, 0.25, 0.5, 1.0)},
        at=layer,
    ),
    panel(
        "Randomised leaky ReLU",
        {f"draw {seed}": Call(layers.rrelu, drawn(seed)) for seed in (1, 2, 3)} | {"at evaluation": layers.rrelu_mean},
        x=(-4, 1),
    ),
)

SMOOTH = (
    panel("Sigmoid and tanh", {"sigmoid": jax.nn.sigmoid, "tanh": jax.nn.tanh}),
    panel("ELU and SELU", {"ELU": jax.nn.elu, "SELU": jax.nn.selu}),
    panel(
        "SiLU, GELU, Mish",
        {
            "SiLU": jax.nn.silu,
            "GELU": partial(jax.nn.gelu, approximate=False),
            "GELU, approximate": jax.nn.gelu,
            "Mish": jax.nn.mish,
        },
    ),
    panel(
        "Swish, by its learned beta",
        {f"beta {b:g}": partial(layers.Swish, beta=b) for b in (0.0, 0.5, 1.0, 2.0, 10.0)},
        at=layer,
    ),
)
