"""Initial weights: initialisers for a kernel, and changes to a whole tree of parameters.

An initialiser is ``(key, shape, dtype) -> array``, as in ``jax.nn.initializers``. A change is a pure function of the
parameters, nested dicts of arrays; it chooses leaves by a regular expression, searched in the path of the leaf:
``"stage1/0/last_bn/scale"``. Choosing no leaf is an error, for the trick would do nothing.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check

Tree = dict[str, Any]
Initializer = Callable[..., jax.Array]  # (key, shape, dtype) -> array


def xavier_normal() -> Initializer:
    r"""Normal weights that keep the variance of signals and gradients in a linear layer.

    .. math:: W \sim N(0, 2 / (n_\mathrm{in} + n_\mathrm{out}))

    ``jax.nn.initializers.glorot_normal`` has the same variance but cuts the normal at two standard deviations.

    Returns:
      ``(key, shape, dtype=float32) -> array``; the last two axes of the shape are input and output, the others the
      receptive field.

    Reference:
      Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
    """
    return jax.nn.initializers.variance_scaling(1.0, "fan_avg", "normal")


def he_normal(*, mode: str = "fan_in") -> Initializer:
    r"""Normal weights that keep the variance of signals (fan_in) or gradients (fan_out) through layers with ReLU.

    .. math:: W \sim N(0, 2 / n)

    Equal to torch's ``kaiming_normal_``; ``jax.nn.initializers.he_normal`` cuts the normal at two standard deviations.

    Args:
      mode: ``"fan_in"``, n is inputs times receptive field; ``"fan_out"``, outputs times receptive field.

    Returns:
      ``(key, shape, dtype=float32) -> array``; the last two axes of the shape are input and output, the others the
      receptive field.

    Raises:
      ValueError: if mode is neither of the two.

    Reference:
      He et al., Delving deep into rectifiers, arXiv 1502.01852.
    """
    check.option("mode", mode, ("fan_in", "fan_out"))
    return jax.nn.initializers.variance_scaling(2.0, mode, "normal")


def dirac(*, groups: int = 1, rest: Initializer = jax.nn.initializers.zeros) -> Initializer:
    """A kernel that copies its input: output channel i is input channel i.

    The kernel is 1 where the output channel's number within its group equals the input channel's, at element
    ``size // 2`` of the window, and 0 elsewhere: the identity at stride 1 and padding ``size // 2`` for odd sizes.

    Args:
      groups: of the convolution, 1 or more; each copies its own input channels.
      rest: initialiser of the output channels of a group beyond its input channels.

    Returns:
      ``(key, shape, dtype=float32) -> array``; shape ``[..., C / groups, D]``; ValueError unless groups divides D.

    Raises:
      ValueError: if groups is less than 1.

    Reference:
      Zagoruyko and Komodakis, DiracNets, arXiv 1706.00388; with another ``rest``: Jordan, 94% on CIFAR-10 in 3.29
      seconds on a single GPU, arXiv 2404.00498.
    """
    check.positive("groups", groups)

    def init(key: jax.Array, shape: Sequence[int], dtype=jnp.float32) -> jax.Array:
        if len(shape) < 2 or shape[-1] % groups:
            raise ValueError(f"shape is {tuple(shape)}; allowed: rank 2 or more, the last a multiple of {groups}.")
        *window, inputs, outputs = shape
        kernel = rest(key, tuple(shape), dtype).reshape(*window, inputs, groups, outputs // groups)
        copied = jnp.arange(min(inputs, outputs // groups))[:, None]
        centre = (*(size // 2 for size in window), copied, jnp.arange(groups)[None, :], copied)
        return kernel.at[..., : len(copied)].set(0).at[centre].set(1).reshape(shape)

    return init


def patch_whitening(images: jax.Array, *, window: int, eps: float) -> jax.Array:
    r"""A kernel whose responses to the patches of some images are uncorrelated, with unit variance.

    .. math:: K = [V \Lambda_\epsilon^{-1/2}, -V \Lambda_\epsilon^{-1/2}], \quad \Lambda_\epsilon = \Lambda + \epsilon I

    from the covariance :math:`V \Lambda V^T` of all patches, largest variance first. Both signs, for the ReLU that
    follows. The mean is not subtracted: zero-centre the images, or let the layer's bias learn it.

    Args:
      images: ``[N, H, W, C]``, floating point, as the network sees them; some thousand are enough.
      window: side of a patch, 1 to min(H, W).
      eps: added to each variance, greater than 0; keeps the noise of flat directions small.

    Returns:
      ``[window, window, C, 2 * window**2 * C]``, float32 or wider; usually kept out of training.

    Raises:
      ValueError: if images has another rank, no element or no floating point, or an option lies outside its range.

    Reference:
      Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv 2404.00498.
    """
    check.rank("images", images, 4)
    check.floating("images", images)
    count, height, width, channels = images.shape
    if not count * channels:
        raise ValueError(f"images has shape {images.shape}; allowed: no empty axis.")
    check.between("window", window, 1, min(height, width))
    check.positive("eps", eps)
    images = images.astype(jnp.promote_types(images.dtype, jnp.float32))
    rows, columns = height - window + 1, width - window + 1
    shifts = [images[:, y : y + rows, x : x + columns] for y in range(window) for x in range(window)]
    patches = jnp.stack(shifts, axis=3).reshape(-1, window * window * channels)
    patches -= patches.mean(0, keepdims=True)
    variance, vectors = jnp.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / jnp.sqrt(jnp.maximum(variance, 0) + eps)[None, :])[:, ::-1]
    return jnp.concatenate([filters, -filters], axis=1).reshape(window, window, channels, -1)


def zero_gamma(params: Tree, *, pattern: str = r"last_bn/scale$") -> Tree:
    """Set gamma of the last batch normalisation of every residual block to 0.

    ``x + 0 * branch(x)``: every block starts as its shortcut, and the network as a shallow one.

    Args:
      params: nested dicts of arrays.
      pattern: chooses the leaves. The models of this package call the layer ``last_bn`` in every residual block.

    Returns:
      The parameters with zeros in the chosen leaves.

    Raises:
      ValueError: if the pattern matches no leaf.

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
      ValueError: if a pattern matches no leaf, or branches or depth is too small.

    Reference:
      Zhang et al., Fixup initialization, arXiv 1901.09321.
    """
    check.between("branches", branches, 1, float("inf"))
    check.between("depth", depth, 2, float("inf"))
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
      ValueError: if layers is empty or names no leaf, or steps is less than 1.

    Reference:
      Mishkin and Matas, All you need is a good init, arXiv 1511.06422.
    """
    check.between("steps", steps, 1, float("inf"))
    if isinstance(layers, str) or not layers:
        raise ValueError(f"layers is {layers!r}; allowed: a sequence of one or more paths.")
    for path in layers:
        for _ in range(steps):
            std = output(params, path).std()
            factor = 1 / jnp.where(std > 0, std, 1)
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
        raise ValueError(f"pattern is {pattern!r}, found in no path; allowed: one found in some of {every}.")
    return changed
