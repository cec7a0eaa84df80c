"""Multiply-accumulates by hand, and beside XLA's own count."""

import jax
import jax.numpy as jnp
import pytest

from jaxtricks.analysis import count_macs, count_parameters


def conv(x, k, **options):
    return jax.lax.conv_general_dilated(x, k, dimension_numbers=("NHWC", "HWIO", "NHWC"), **options)


CASES = {
    "matrix product": (lambda a, b: a @ b, [(3, 4), (4, 5)], 3 * 4 * 5),
    "batched": (lambda a, b: a @ b, [(7, 3, 4), (7, 4, 5)], 7 * 3 * 4 * 5),
    "convolution": (
        lambda x, k: conv(x, k, window_strides=(1, 1), padding="VALID"),
        [(2, 8, 8, 3), (3, 3, 3, 5)],
        2 * 6 * 6 * 5 * 27,
    ),
    "strided": (
        lambda x, k: conv(x, k, window_strides=(2, 2), padding=((1, 1), (1, 1))),
        [(1, 8, 8, 3), (3, 3, 3, 5)],
        4 * 4 * 5 * 27,
    ),
    "depthwise": (
        lambda x, k: conv(x, k, window_strides=(1, 1), padding="SAME", feature_group_count=6),
        [(1, 8, 8, 6), (3, 3, 1, 6)],
        8 * 8 * 6 * 9,
    ),
    "no product": (lambda x: jnp.tanh(x).sum(), [(9, 9)], 0),
    "in jit": (jax.jit(lambda a, b: a @ b), [(3, 4), (4, 5)], 60),
    "in vmap": (jax.vmap(lambda a, b: a @ b), [(7, 4), (7, 4, 5)], 7 * 4 * 5),
    "in scan": (lambda a: jax.lax.scan(lambda c, _: (c @ c, None), a, length=10)[0], [(4, 4)], 10 * 64),
    "in cond": (
        lambda a: jax.lax.cond(a[0, 0] > 0, lambda a: a @ a, lambda a: (a @ a) @ a, a),
        [(4, 4)],
        2 * 64,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name):
    function, shapes, expected = CASES[name]
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    assert count_macs(function, *arguments) == expected


@pytest.mark.parametrize("name", ["matrix product", "convolution", "strided"])
def test_half_of_what_xla_counts(name):
    function, shapes, expected = CASES[name]
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    found = jax.jit(function).lower(*arguments).compile().cost_analysis()
    found = found[0] if isinstance(found, list) else found
    # XLA leaves out the products with padding, which is why the padded case is a little below
    assert 0.8 * 2 * expected <= found["flops"] <= 2 * expected * 1.01


def test_parameters():
    assert count_parameters({"a": jnp.zeros((3, 4)), "b": {"c": jnp.zeros(5), "d": jnp.zeros(())}}) == 18


def test_what_is_no_array_is_told():
    with pytest.raises(ValueError, match="params holds 3; allowed: arrays"):
        count_parameters({"a": jnp.zeros(2), "b": 3})
