"""What a weight or a channel is worth: norms, scales, zeros among activations, first and second order of the loss."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.compress._graph import Graph, Place, leaves_of, size_of

Tree = Any


def saliency(params: Tree, gradient: Tree, *, hessian: Tree = None) -> Tree:
    r"""What the loss changes by, about, if a weight becomes 0; the scores of ``share_masks`` where loss is what counts.

    .. math:: |g w| \quad \text{or, at a minimum, } \tfrac{1}{2} h w^2

    Args:
      params: w, a tree of floating-point arrays.
      gradient: g, a tree like it; it is not used where there is a Hessian.
      hessian: h, its diagonal, a tree like it, such as of ``hessian_diagonal``; or None for the first order.

    Returns:
      A tree like params, 0 or more where h is.

    Raises:
      ValueError: if the trees differ.

    Reference:
      LeCun et al., Optimal brain damage, NIPS 1989; Molchanov et al., arXiv 1611.06440, for the first order.
    """
    other, name = (gradient, "gradient") if hessian is None else (hessian, "hessian")
    if jax.tree.structure(other) != jax.tree.structure(params):
        raise ValueError(f"{name} is {jax.tree.structure(other)}; allowed: a tree like params.")
    jax.tree.map(lambda a, w: check.same_shape(name, a, "params", w), other, params)
    if hessian is None:
        return jax.tree.map(lambda g, w: jnp.abs(g * w), gradient, params)
    return jax.tree.map(lambda h, w: 0.5 * h * w**2, hessian, params)


def hessian_diagonal(key: jax.Array, loss: Callable, params: Tree, *, samples: int = 8) -> Tree:
    r"""An estimate of the diagonal of the Hessian, by products with random signs; for ``saliency``.

    .. math:: h \approx \frac{1}{n} \sum_i v_i \odot H v_i, \quad v_i \in \{-1, 1\}^P

    It is exact where the Hessian is diagonal, and unbiased elsewhere.

    Args:
      key: one key.
      loss: ``params -> scalar``.
      params: a tree of floating-point arrays.
      samples: n, 1 or more.

    Returns:
      A tree like params.

    Raises:
      ValueError: if samples is less than 1.

    Reference:
      Bekas et al., An estimator for the diagonal of a matrix, 2007.
    """
    samples = check.at_least("samples", samples, minimum=1)
    leaves, structure = jax.tree.flatten(params)

    def one(total, key):
        keys = jax.random.split(key, len(leaves))
        signs = [jax.random.rademacher(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)]
        v = jax.tree.unflatten(structure, signs)
        product = jax.jvp(jax.grad(loss), (params,), (v,))[1]
        return jax.tree.map(lambda t, a, b: t + a * b / samples, total, v, product), None

    return jax.lax.scan(one, jax.tree.map(jnp.zeros_like, params), jax.random.split(key, samples))[0]


def fisher_diagonal(loss: Callable, params: Tree, batch: Tree) -> Tree:
    r"""The mean of squared gradients of single examples: of the diagonal of the Hessian, an estimate with less noise.

    .. math:: h = \frac{1}{B} \sum_b g_b^2

    With labels drawn from what the network says it is, in the mean, the Gauss-Newton diagonal of the cross-entropy: the
    Hessian's where the network is linear in each single weight, as with ReLU.

    Args:
      loss: ``(params, batch) -> [B]``; no example may change another's loss.
      params: a tree of floating-point arrays.
      batch: a tree of arrays with B rows.

    Returns:
      A tree like params, 0 or more.

    Reference:
      Theis et al., Faster gaze prediction with dense networks and Fisher pruning, arXiv 1801.05787.
    """

    def one(total, example):
        alone = jax.tree.map(lambda x: x[None], example)
        gradient = jax.grad(lambda params: loss(params, alone).sum())(params)
        return jax.tree.map(lambda t, g: t + g**2, total, gradient), None

    rows = len(jax.tree.leaves(batch)[0])
    total = jax.lax.scan(one, jax.tree.map(jnp.zeros_like, params), batch)[0]
    return jax.tree.map(lambda t: t / rows, total)


def filter_norms(params: Tree, graph: Graph, *, order: int = 1) -> dict[str, jax.Array]:
    """The L1 or L2 norm of each filter: the usual criterion, which needs no data.

    Args:
      params: of the network.
      graph: of the network.
      order: 1 or 2.

    Returns:
      Scores by group, ``[C]``; of layers that are added, the norm over all of them.

    Raises:
      ValueError: if the order is neither.

    Reference:
      Li et al., Pruning filters for efficient convnets, arXiv 1608.08710.
    """
    check.option("order", order, (1, 2))

    def norm(name):
        places = [Place(*place) for place in graph.groups[name].makes]
        kernels = [(leaf, place.axis) for place, leaf in _parts(params, graph, name, places) if _ends(place, "/kernel")]
        power = sum(
            jnp.sum(jnp.abs(leaf) ** order, axis=[a for a in range(leaf.ndim) if a != axis]) for leaf, axis in kernels
        )
        return jnp.asarray(power) ** (1 / order)

    return {name: norm(name) for name in graph.groups}


def norm_scales(params: Tree, graph: Graph) -> dict[str, jax.Array]:
    """The magnitude of the scale of batch normalisation: the criterion of network slimming, trained with an L1 penalty.

    Args:
      params: of the network.
      graph: of the network.

    Returns:
      Scores by group, ``[C]``; of layers that are added, the sum.

    Raises:
      ValueError: if a group has no normalisation, or one without a scale.

    Reference:
      Liu et al., Learning efficient convolutional networks through network slimming, arXiv 1708.06519.
    """
    scores = {}
    for name in graph.groups:
        scales = [
            jnp.abs(leaf) for place, leaf in _parts(params, graph, name, _gates(graph, name)) if _ends(place, "/scale")
        ]
        if not scales:
            raise ValueError(f"graph has group {name} without normalisation; allowed: groups that have a scale.")
        scores[name] = sum(scales[1:], scales[0])
    return scores


def apoz(activations: jax.Array) -> jax.Array:
    """The average percentage of zeros of each channel, as a share: what is seldom active is pruned first.

    Args:
      activations: ``[..., C]``, after ReLU, of many images.

    Returns:
      0 to 1, ``[C]``, float32; its negative is a score.

    Raises:
      ValueError: if there is no activation.

    Example:
      >>> print(apoz(jnp.array([[0.0, 1.0], [0.0, 0.0]])))
      [1.  0.5]

    Reference:
      Hu et al., Network trimming, arXiv 1607.03250.
    """
    check.min_rank("activations", activations, 2)
    check.number("activations", activations)
    if not activations.size:
        raise ValueError(f"activations has shape {activations.shape}; allowed: one or more.")
    return jnp.mean(activations == 0, axis=tuple(range(activations.ndim - 1)), dtype=jnp.float32)


def taylor_filters(loss: Callable, params: Tree, graph: Graph, batch: Tree) -> dict[str, jax.Array]:
    r"""What the loss changes by, about, without a channel: the mean magnitude of its gradient by a gate.

    .. math:: s_c = \frac{1}{B} \sum_b \left|\frac{\partial L_b}{\partial g_c}\right|, \quad g_c = 1

    The gate multiplies the channel where it is made: scale and bias of its normalisation, or kernel and bias. Behind
    ReLU the derivative is the sum over positions of activation times gradient.

    Args:
      loss: ``(params, batch) -> [B]``; no example may change another's loss, so batch statistics are fixed.
      params: of the network.
      graph: of the network.
      batch: a tree of arrays with B rows.

    Returns:
      Scores by group, ``[C]``.

    Raises:
      ValueError: if a normalisation has no scale, which a gate could multiply.

    Reference:
      Molchanov et al., Pruning convolutional neural networks for resource efficient inference, arXiv 1611.06440.
    """
    shapes = leaves_of(params, {})
    gates = {name: jnp.ones(size_of(graph, name, shapes), jnp.float32) for name in graph.groups}

    def one(example):
        alone = jax.tree.map(lambda x: x[None], example)
        return jax.grad(lambda gates: loss(gated(params, graph, gates), alone).sum())(gates)

    return jax.tree.map(lambda g: jnp.abs(g).mean(0), jax.vmap(one)(batch))


def gated(params: Tree, graph: Graph, gates: dict[str, jax.Array]) -> Tree:
    """Multiply channels where they are made, so that a gate of 0.5 halves the channel behind ReLU.

    Args:
      params: of the network.
      graph: of the network.
      gates: by group, ``[C]``.

    Returns:
      The parameters.

    Raises:
      ValueError: if a normalisation has no scale, which a gate could multiply.
    """
    factors: dict[str, list] = {}
    for name, gate in gates.items():
        for path, axis, start in _gates(graph, name):
            factors.setdefault(path, []).append((axis, start, gate))

    def one(path, leaf):
        for axis, start, gate in factors.get("params/" + jax.tree_util.keystr(path, simple=True, separator="/"), ()):
            rows = jnp.ones(leaf.shape[axis], leaf.dtype).at[start : start + gate.size].set(gate.astype(leaf.dtype))
            leaf = leaf * rows.reshape((1,) * axis + (-1,) + (1,) * (leaf.ndim - 1 - axis))
        return leaf

    return jax.tree.map_with_path(one, params)


def random_filters(key: jax.Array, params: Tree, graph: Graph) -> dict[str, jax.Array]:
    """Random scores, the control of every other criterion.

    Args:
      key: one key.
      params: of the network.
      graph: of the network.

    Returns:
      Scores by group, ``[C]``, uniform in 0 to 1.
    """
    shapes = leaves_of(params, {})
    keys = jax.random.split(key, len(graph.groups))
    return {
        name: jax.random.uniform(k, (size_of(graph, name, shapes),)) for name, k in zip(graph.groups, keys, strict=True)
    }


def _gates(graph: Graph, name: str) -> list[Place]:
    """The parameters that a gate multiplies: of the last normalisation before the activation, else all that make it."""
    group = graph.groups[name]
    paths = [path for path, *_ in (*group.norms, *group.makes)]
    norms = {
        path[len("stats/") : -len("/var")] for path in paths if path.startswith("stats/") and path.endswith("/var")
    }
    for norm in sorted(norms):
        if f"params/{norm}/scale" not in paths:
            raise ValueError(f"graph has a normalisation, {norm}, without a scale; allowed: those that have one.")
    if group.norms:
        return [Place(*place) for place in group.norms if place[0].startswith("params/")]
    places = [Place(*place) for place in group.makes if place[0].startswith("params/")]
    normed = {place.path.rpartition("/")[0] for place in places if _ends(place, "/scale")}
    return [place for place in places if not normed or place.path.rpartition("/")[0] in normed]


def _parts(params: Tree, graph: Graph, name: str, places: list[Place]) -> list[tuple[Place, jax.Array]]:
    """The channels of a group in each of these parameters."""
    pairs = jax.tree.leaves_with_path({"params": params})
    leaves = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in pairs}
    size = size_of(graph, name, {path: leaf.shape for path, leaf in leaves.items()})
    return [
        (place, jax.lax.slice_in_dim(leaves[place.path], place.start, place.start + size, axis=place.axis))
        for place in places
        if place.path in leaves
    ]


def _ends(place: Place, name: str) -> bool:
    return place.path.endswith(name)
