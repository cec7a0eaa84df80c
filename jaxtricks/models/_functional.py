"""From a flax.nnx module to two pure functions on plain nested dicts: the only bridge between Flax and the rest."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from flax import nnx

Tree = dict[str, Any]
LARGEST = 1024  # pixels, where the search for the smallest image ends


class TooSmallError(ValueError):
    """A window does not fit into a map: the image is too small for the network's strides."""


class Model(NamedTuple):
    """A network as two pure functions.

    Fields:
      init: ``key -> (params, stats)``; nested dicts with text keys, arrays as leaves.
      apply: ``(params, stats, image, *, train, key=None) -> ((logits, taps), stats)``; ``key`` is one key, or one key
        for each image, and is needed only by networks that draw (dropout, stochastic depth) while ``train`` is true.
    """

    init: Callable[[jax.Array], tuple[Tree, Tree]]
    apply: Callable[..., tuple[tuple[jax.Array, Tree], Tree]]


class _Stream(nnx.RngStream):
    """``nnx.RngStream``, which counts up by ``count[...] += 1``: in a traced function that asks for the sharding of the
    count, whose absence JAX reports with all of the program in print.
    """

    def __call__(self) -> jax.Array:
        key = jax.random.fold_in(self.key[...], self.count[...])
        self.count.set_value(self.count[...] + 1)
        return key


def _rngs(key: jax.Array) -> nnx.Rngs:
    rngs = nnx.Rngs(key)
    rngs.default = _Stream(key, tag="default")  # pyright: ignore[reportAttributeAccessIssue]
    return rngs


def functional(build: Callable[[nnx.Rngs], nnx.Module]) -> Model:
    """Turn a module into ``Model(init, apply)``.

    ``params`` are the module's ``nnx.Param`` and ``stats`` its ``nnx.BatchStat``; a module with variables of any other
    kind is refused, because they would be lost between calls. Modes (train, key) come with the call, so that none
    lives in the module.

    Args:
      build: ``rngs -> module``; the module is called as ``module(image, train=bool, key=key)`` and returns
        ``(logits, taps)``. Where it raises TooSmallError, the error says which image would do.

    Returns:
      The two pure functions.

    Raises:
      TypeError: if the module holds variables that are neither parameters nor batch statistics.
    """
    graph, params_shape, stats_shape, rest = nnx.split(
        nnx.eval_shape(lambda: build(_rngs(jax.random.key(0)))), nnx.Param, nnx.BatchStat, ...
    )
    if jax.tree.leaves(rest):
        kinds = sorted({type(v).__name__ for _, v in nnx.to_flat_state(rest)})
        raise TypeError(f"build returned a module with variables {kinds}; allowed: Param and BatchStat.")

    def init(key: jax.Array) -> tuple[Tree, Tree]:
        _, params, stats = nnx.split(build(_rngs(key)), nnx.Param, nnx.BatchStat)
        return _plain(params), _plain(stats)

    def apply(params: Tree, stats: Tree, image: jax.Array, *, train: bool, key: jax.Array | None = None):
        def call(image, train=train, key=key):
            module = nnx.merge(graph, _filled(params_shape, params), _filled(stats_shape, stats))
            return module(image, train=train, key=key), module

        try:
            (logits, taps), module = call(image)
        except TooSmallError:
            side = _smallest(lambda x: call(x, train=False, key=None)[0], image)
            fitting = f"{side} x {side} pixels or more" if side else f"an image that fits {LARGEST} x {LARGEST} windows"
            raise ValueError(f"image has shape {image.shape}; allowed: {fitting}.") from None
        return (logits, taps), _plain(nnx.state(module, nnx.BatchStat))

    return Model(init, apply)


def _smallest(call: Callable, image: Any) -> int:
    """Rows and columns of the smallest square image whose maps hold every window; 0 if there is none."""

    def fits(side):
        try:
            jax.eval_shape(call, jax.ShapeDtypeStruct((1, side, side, image.shape[-1]), image.dtype))
        except TooSmallError:
            return False
        return True

    low, high = 0, 1
    while not fits(high):
        low, high = high, 2 * high
        if high > LARGEST:
            return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _plain(state: nnx.State) -> Tree:
    """The arrays of a state under text keys: list positions become "0", "1", ..."""

    def text(tree):
        return {str(k): text(v) for k, v in tree.items()} if isinstance(tree, dict) else tree

    return text(nnx.to_pure_dict(state))


def _filled(shape: nnx.State, tree: Tree) -> nnx.State:
    """A state of the structure of ``shape`` that holds the arrays of ``tree``."""
    flat = []
    for path, variable in nnx.to_flat_state(shape):
        leaf = tree
        for part in path:
            try:
                leaf = leaf[str(part)]
            except (KeyError, TypeError):
                raise ValueError(f"the tree has no leaf {'/'.join(map(str, path))}, which the model needs.") from None
        flat.append((path, variable.replace(leaf)))
    return nnx.from_flat_state(flat)
