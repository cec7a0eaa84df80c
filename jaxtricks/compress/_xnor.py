"""XNOR networks: signs of weights and of inputs, simulated in floating point or computed on packed bits.

Both paths give the same numbers: the sum of n products of signs is an integer, n - 2 popcount(a xor b), and the scales
are multiplied in one order. Padding counts as 0, whose sign is 1.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.compress._binary import filter_scales, sign, straight_through
from jaxtricks.optim import path_mask

Tree = Any
WORD = 32


def xnor_dense(x: jax.Array, kernel: jax.Array) -> jax.Array:
    r"""A dense layer of signs, with a scale for each example and each output; use it in training.

    .. math:: y = \overline{|x|} \, \alpha \odot (\operatorname{sign}(x) \operatorname{sign}(W)), \quad
       \alpha_d = \overline{|W_d|}

    The gradient goes through the scales, and through the signs as 1 where the number is within 1.

    Args:
      x: ``[B, C]``, floating point.
      kernel: ``[C, D]``, floating point.

    Returns:
      ``[B, D]``.

    Raises:
      ValueError: if a shape or a dtype is wrong.

    Reference:
      Rastegari et al., XNOR-Net, arXiv 1603.05279.
    """
    _dense("x", x, kernel)
    signs = straight_through(sign, limit=1.0)
    return _scaled(signs(x) @ signs(kernel), jnp.mean(jnp.abs(x), -1, keepdims=True), filter_scales(kernel))


def xnor_conv(x: jax.Array, kernel: jax.Array, *, strides: int = 1, padding: int = 0) -> jax.Array:
    """A convolution of signs, with a scale for each position and each output; use it in training.

    The scale of a position is the mean magnitude of what its window sees.

    Args:
      x: ``[B, H, W, C]``, floating point.
      kernel: ``[h, w, C, D]``, floating point.
      strides: of the window, 1 or more.
      padding: on every side, 0 or more; a padded input is 0, and its sign 1.

    Returns:
      ``[B, H', W', D]``.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.

    Reference:
      Rastegari et al., XNOR-Net, arXiv 1603.05279.
    """
    x = _padded(x, kernel, strides, padding)
    signs = straight_through(sign, limit=1.0)
    return _scaled(_conv(signs(x), signs(kernel), strides), _window_scales(x, kernel, strides), filter_scales(kernel))


def pack_signs(x: jax.Array, *, axis: int = -1) -> jax.Array:
    """Signs as bits, 32 in a word: 1 for 0 and more.

    Args:
      x: floating point.
      axis: that is packed, of C numbers.

    Returns:
      uint32, the axis ``ceil(C / 32)``; bits beyond C are 0.

    Raises:
      ValueError: if the dtype is wrong, or there is no such axis.
    """
    check.floating("x", x)
    if isinstance(axis, bool) or not isinstance(axis, int) or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis is {axis!r}; allowed: an axis of an array of rank {x.ndim}.")
    bits = jnp.moveaxis(jnp.asarray(x) >= 0, axis, -1)
    bits = jnp.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, -bits.shape[-1] % WORD)])
    words = bits.reshape(*bits.shape[:-1], bits.shape[-1] // WORD, WORD).astype(jnp.uint32)
    places = jnp.arange(WORD, dtype=jnp.uint32).reshape((1,) * (words.ndim - 1) + (WORD,))
    return jnp.moveaxis(jnp.sum(words << places, axis=-1, dtype=jnp.uint32), -1, axis)


def packed_params(params: Tree, *, patterns: Sequence[str] = ("conv/kernel$",)) -> Tree:
    """Kernels as bits and scales, for ``models.xnor(..., packed=True)``: 32 weights in a word.

    Args:
      params: nested dicts of arrays.
      patterns: of the kernels, ``[h, w, C, D]``, which are packed.

    Returns:
      The dicts, with ``words`` and ``scales`` beside what was beside such a ``kernel``.

    Raises:
      ValueError: if a pattern is found nowhere, or takes something else than kernels of convolutions.
    """

    def one(tree, taken):
        if not isinstance(tree, dict):
            return tree
        out = {}
        for name, leaf in tree.items():
            if isinstance(leaf, dict) or not taken[name]:
                out[name] = one(leaf, taken[name])
                continue
            check.rank("a kernel that is packed", leaf, 4)
            out |= {"words": pack_signs(leaf, axis=2), "scales": filter_scales(leaf)}
        return out

    return one(params, path_mask(params, *patterns))


def packed_dense(x: jax.Array, words: jax.Array, scales: jax.Array) -> jax.Array:
    """``xnor_dense`` at inference, on the packed kernel: a 32nd of the bytes.

    Args:
      x: ``[B, C]``, floating point.
      words: ``pack_signs(kernel, axis=0)``, uint32 ``[ceil(C / 32), D]``.
      scales: ``filter_scales(kernel)``, ``[1, D]``.

    Returns:
      ``[B, D]``, the numbers of ``xnor_dense``.

    Raises:
      ValueError: if a shape or a dtype is wrong.
    """
    check.rank("x", x, 2)
    check.floating("x", x)
    _words("words", words, 2, x.shape[-1])
    check.shape("scales", scales, (1, words.shape[-1]))
    differing = _popcount(pack_signs(x)[:, None] ^ words.T[None])
    product = (x.shape[-1] - 2 * differing).astype(x.dtype)
    return _scaled(product, jnp.mean(jnp.abs(x), -1, keepdims=True), scales)


def packed_conv(x: jax.Array, words: jax.Array, scales: jax.Array, *, strides: int = 1, padding: int = 0) -> jax.Array:
    """``xnor_conv`` at inference, on the packed kernel.

    Args:
      x: ``[B, H, W, C]``, floating point.
      words: ``pack_signs(kernel, axis=2)``, uint32 ``[h, w, ceil(C / 32), D]``.
      scales: ``filter_scales(kernel)``, ``[1, 1, 1, D]``.
      strides, padding: as for ``xnor_conv``.

    Returns:
      ``[B, H', W', D]``, the numbers of ``xnor_conv``.

    Raises:
      ValueError: if a shape, a dtype or an option is wrong.
    """
    check.rank("x", x, 4)
    _words("words", words, 4, x.shape[-1])
    height, width, _, outputs = words.shape
    check.shape("scales", scales, (1, 1, 1, outputs))
    like = jax.ShapeDtypeStruct((height, width, x.shape[-1], outputs), x.dtype)
    x = _padded(x, like, strides, padding)
    packed = pack_signs(x)
    down, right = x.shape[1] - height + 1, x.shape[2] - width + 1
    differing = jnp.zeros((), jnp.int32)
    for i in range(height):
        for j in range(width):
            seen = packed[:, i : i + down : strides, j : j + right : strides, None]
            differing = differing + _popcount(seen ^ words[i, j].T[None, None, None])
    product = (height * width * x.shape[-1] - 2 * differing).astype(x.dtype)
    return _scaled(product, _window_scales(x, like, strides), scales)


def _scaled(product, of_inputs, of_filters):
    return product * of_inputs * of_filters


def _popcount(words):
    return jnp.sum(jax.lax.population_count(words), axis=-1, dtype=jnp.int32)


def _conv(x, kernel, strides):
    return jax.lax.conv_general_dilated(
        x, kernel, (strides, strides), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _window_scales(x, kernel, strides):
    """The mean magnitude of each window, ``[B, H', W', 1]``."""
    size = (kernel.shape[0], kernel.shape[1], 1, 1)
    return _conv(jnp.mean(jnp.abs(x), -1, keepdims=True), jnp.full(size, 1 / (size[0] * size[1]), x.dtype), strides)


def _dense(name, x, kernel) -> None:
    check.rank(name, x, 2)
    check.rank("kernel", kernel, 2)
    for label, array in ((name, x), ("kernel", kernel)):
        check.floating(label, array)
    check.shape(name, x, (None, kernel.shape[0]))


def _padded(x, kernel, strides, padding):
    check.rank("x", x, 4)
    check.rank("kernel", kernel, 4)
    check.floating("x", x)
    check.floating("kernel", kernel)
    check.shape("x", x, (None, None, None, kernel.shape[2]))
    if 0 in kernel.shape:
        raise ValueError(f"kernel has shape {kernel.shape}; allowed: one weight or more.")
    check.at_least("strides", strides, minimum=1)
    padding = check.at_least("padding", padding)
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    if x.shape[1] < kernel.shape[0] or x.shape[2] < kernel.shape[1]:
        raise ValueError(f"kernel has shape {kernel.shape}; allowed: a window that fits into {x.shape}, padded.")
    return x


def _words(name, words, rank, channels) -> None:
    check.rank(name, words, rank)
    if words.dtype != jnp.uint32 or words.shape[-2] != -(-channels // WORD):
        raise ValueError(
            f"{name} is {words.dtype} of shape {words.shape}; allowed: uint32, {-(-channels // WORD)} words for "
            f"{channels} channels."
        )
