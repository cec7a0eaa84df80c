"""Changes to an entire tree of fresh parameters.

A change is a pure function of the parameters, nested dicts of arrays; it chooses leaves by a regular expression,
searched in the path of the leaf: ``"stage1/0/last_bn/scale"``. Choosing no leaf is an error, for the trick would do
nothing.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check

Tree = dict[str, Any]
LIKELY = r"(?i)(norm|bn)[^/]*/(scale|weight)"  # of a normalisation, in the words of most libraries


def zero_gamma(params: Tree, *, pattern: str = r"last_bn/scale$") -> Tree:
    r"""Set gamma of the last batch normalisation of every residual block to 0.

    ``x + 0 * branch(x)``: every block starts as its shortcut, and the network as a shallow one.

    Args:
      params: nested dicts of arrays.
      pattern: chooses the leaves: ``last_bn`` in the models of this package. In others it depends on their names: with
        two normalisations a block, say ``r"Block_\d+/BatchNorm_1/scale$"`` of a linen module, ``r"norm2/scale"`` of the
        state of an nnx module, ``r"norm2/weight$"`` of an equinox module.

    Returns:
      The parameters with zeros in the chosen leaves.

    Raises:
      ValueError: if the pattern matches no leaf.

    Example:
      >>> from jaxtricks import init
      >>> linen = {"ResNetBlock_0": {"BatchNorm_0": {"scale": jnp.ones(2)}, "BatchNorm_1": {"scale": jnp.ones(2)}}}
      >>> init.zero_gamma(linen, pattern=r"Block_\d+/BatchNorm_1/scale$")["ResNetBlock_0"]["BatchNorm_1"]["scale"]
      Array([0., 0.], dtype=float32)

    Reference:
      Goyal et al., Accurate, large minibatch SGD, arXiv 1706.02677; He et al., Bag of tricks, arXiv 1812.01187.
    """
    return _change(params, pattern, lambda path, leaf: jnp.zeros_like(leaf))


def zero_last(params: Tree, pattern: str) -> Tree:
    """Set the last layer to 0, so that every class starts with the same probability.

    ``softmax(0) = 1 / C``: the first loss is log C whatever the features are. The layers before it get no gradient in
    the first step, and a gradient from the second on. More than one layer at zero never leaves zero.

    Args:
      params: nested dicts of arrays.
      pattern: chooses the leaves, for instance ``r"^head/"``.

    Returns:
      The parameters with zeros in the chosen leaves.

    Raises:
      ValueError: if the pattern matches no leaf.
    """
    return _change(params, pattern, lambda path, leaf: jnp.zeros_like(leaf))


def grown(params: Tree, trained: Tree) -> Tree:
    """Start a deep network from a trained shallow one, as the first deep VGGs did: what both have is taken over.

    Args:
      params: nested dicts of arrays: fresh weights of the deep network.
      trained: those of the shallow one.

    Returns:
      ``params``, with the leaves of ``trained`` that stand at the same path and have the same shape and dtype.

    Raises:
      ValueError: if there is no such leaf, or all are: nothing would be taken over, or nothing would be new.

    Example:
      >>> from jaxtricks import init
      >>> shallow, deep = {"a": jnp.ones(2)}, {"a": jnp.zeros(2), "b": jnp.zeros(3)}
      >>> init.grown(deep, shallow)
      {'a': Array([1., 1.], dtype=float32), 'b': Array([0., 0., 0.], dtype=float32)}

    Reference:
      Simonyan and Zisserman, Very deep convolutional networks, arXiv 1409.1556, section 3.1.
    """
    old = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(trained)}

    def shared(path, leaf):
        other = old.get(jax.tree_util.keystr(path))
        return other is not None and (other.shape, other.dtype) == (leaf.shape, leaf.dtype)

    taken = [shared(path, leaf) for path, leaf in jax.tree.leaves_with_path(params)]
    if not any(taken) or all(taken):
        raise ValueError(
            f"trained shares {sum(taken)} of {len(taken)} leaves with params; allowed: some of them, and not all."
        )
    take = lambda path, leaf: old[jax.tree_util.keystr(path)] if shared(path, leaf) else leaf  # noqa: E731
    return jax.tree.map_with_path(take, params)


def forget_bias(params: Tree, *, value: float = 1.0) -> Tree:
    """Set the bias of the forget gates of every LSTM, so that it remembers at first.

    Args:
      params: nested dicts of arrays, with those of ``flax.nnx.LSTMCell`` (``hf/bias``) or ``OptimizedLSTMCell``
        (the second quarter of ``dense_h/bias``).
      value: the bias; ``sigmoid(1) = 0.73`` of the memory stays at each step, 0.5 without the trick.

    Returns:
      The parameters with the value in these biases.

    Raises:
      ValueError: if there is no such bias.

    Reference:
      Jozefowicz et al., An empirical exploration of recurrent network architectures, ICML 2015.
    """

    def change(path, bias):
        if path.endswith("hf/bias"):
            return jnp.full_like(bias, value)
        quarter = len(bias) // 4
        return bias.at[quarter : 2 * quarter].set(value)

    return _change(params, r"(^|/)(hf|dense_h)/bias$", change)


def fixup(params: Tree, *, inner: str, last: str, branches: int, depth: int) -> Tree:
    r"""Make a residual network without normalisation trainable at the learning rate of one with it.

    .. math:: W_\mathrm{inner} \leftarrow W_\mathrm{inner} \, L^{-1 / (2m - 2)}, \quad W_\mathrm{last} \leftarrow 0

    These are the first two of Fixup's three rules, for weights drawn by ``he_normal``; the classifier starts at zero
    too (``zero_last``), and the scalar biases and multipliers of the third belong to the model.

    Args:
      params: nested dicts of arrays.
      inner: pattern of the kernels inside the residual branches; it may match the last ones too.
      last: pattern of the last kernel of each branch.
      branches: L, how many residual branches the network has, 1 or more.
      depth: m, how many layers a branch has, 2 or more.

    Returns:
      The parameters, scaled.

    Raises:
      ValueError: if a pattern matches no leaf, or branches or depth is no integer or too small.

    Reference:
      Zhang et al., Fixup initialization, arXiv 1901.09321.
    """
    branches, depth = check.at_least("branches", branches, minimum=1), check.at_least("depth", depth, minimum=2)
    factor = branches ** (-1 / (2 * depth - 2))
    return zero_last(_change(params, inner, lambda path, leaf: leaf * factor), last)


def lsuv(params: Tree, layers: Sequence[str], output: Callable[[Tree, str], jax.Array], *, steps: int = 3) -> Tree:
    r"""Scale layer after layer until the output of each has variance 1 on a batch.

    .. math:: W_l \leftarrow W_l / \mathrm{std}(\mathrm{output}_l)

    Start from orthonormal kernels (``jax.nn.initializers.orthogonal``). For a layer without bias one step is exact. A
    layer whose output is constant stays as it is.

    Args:
      params: nested dicts of arrays.
      layers: the paths of the kernels, for instance ``"stem/conv/kernel"``, from input to output.
      output: ``(params, path) -> array``, what the layer of that kernel puts out on a batch.
      steps: how often each layer is scaled, 1 or more.

    Returns:
      The parameters, scaled.

    Raises:
      ValueError: if layers is empty or names no leaf, or steps is no integer of 1 or more.

    Reference:
      Mishkin and Matas, All you need is a good init, arXiv 1511.06422.
    """
    steps = check.at_least("steps", steps, minimum=1)
    if isinstance(layers, str) or not layers:
        raise ValueError(f"layers is {layers!r}; allowed: a sequence of one or more paths.")
    for path in layers:
        for _ in range(steps):
            std = output(params, path).std()
            factor = 1 / jnp.where(std == 0, 1, std)
            params = _change(params, f"^{re.escape(path)}$", lambda _, leaf, factor=factor: leaf * factor)
    return params


def _change(params: Tree, pattern: str, change: Callable[[str, jax.Array], jax.Array]) -> Tree:
    """Replace every leaf in whose path the pattern is found by ``change(path, leaf)``."""
    paths = []

    def replace(key_path, leaf):
        path = jax.tree_util.keystr(key_path, simple=True, separator="/")
        if not re.search(pattern, path):
            return leaf
        paths.append(path)
        return change(path, leaf)

    changed = jax.tree_util.tree_map_with_path(replace, params)
    if not paths:
        every = [jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in jax.tree.leaves_with_path(params)]
        likely = [path for path in every if re.search(LIKELY, path)] or every
        example = f', such as pattern=r"{re.escape("/".join(likely[-1].split("/")[-2:]))}$"' if likely else ""
        raise ValueError(f"pattern is {pattern!r}, found in no path; allowed: one found in some of {every}{example}.")
    return changed
