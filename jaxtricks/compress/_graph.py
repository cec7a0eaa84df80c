"""Who feeds whom: which arrays make a channel and which read it, for the networks of ``models``.

A channel can be taken out of a network only together: out of the kernel that makes it, its bias, its normalisation and
its statistics, and out of every kernel that reads it. Layers whose outputs are added share their channels. A network
that is not known here has no graph, which is an error: write its ``Graph`` by hand, and let ``verify_graph`` try it.
"""

import re
from itertools import pairwise
from typing import Any, NamedTuple

import jax

Tree = Any
Place = tuple[str, int]  # the path of a leaf, which begins with params/ or stats/, and an axis


class GraphError(ValueError):
    """A graph that does not fit a network, or a network that has no graph here; the message names the leaf."""


class Group(NamedTuple):
    """Channels that are made and read together.

    Fields:
      makes: leaves that have one row for each channel: kernels by their last axis, biases, scales, statistics.
      feeds: kernels that read the channels, by their axis of inputs. A dense kernel may have several rows for each
        channel, one for each position of a map that was flattened, channels last.
    """

    makes: tuple[Place, ...]
    feeds: tuple[Place, ...]


class Graph(NamedTuple):
    """All groups of a network.

    Fields:
      groups: by name.
      inputs: kernels that read the image.
      outputs: leaves that make the logits.
    """

    groups: dict[str, Group]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def graph_of(params: Tree, stats: Tree) -> Graph:
    """The graph of a perceptron, a LeNet, a plain or a residual network of ``models``, by the names of its leaves.

    Args:
      params, stats: of the network; arrays or shapes.

    Returns:
      The graph, checked by ``check_graph``.

    Raises:
      GraphError: if a part of the network is not known here, such as a layer normalisation, which mixes channels.
    """
    shapes = leaves_of(params, stats)
    network = _Network(shapes)
    graph = network.residual() if "params/stem/0/conv/kernel" in shapes else network.plain()
    check_graph(graph, params, stats)
    return graph


def check_graph(graph: Graph, params: Tree, stats: Tree) -> None:
    """Raise GraphError unless every channel of a network is made and read in one group, and the sizes agree.

    Sizes cannot tell whether the right layers are joined; ``verify_graph`` can.

    Args:
      graph: of the network.
      params, stats: of the network; arrays or shapes.

    Raises:
      GraphError: if a leaf is missing, in no group or in two, or of another size than its group.
    """
    shapes = leaves_of(params, stats)
    seen: dict[Place, str] = {(path, len(shapes.get(path, ())) - 1): "the outputs" for path in graph.outputs}
    seen |= {(path, len(shapes.get(path, ())) - 2): "the inputs" for path in graph.inputs}
    for name, group in graph.groups.items():
        size = size_of(graph, name, shapes)
        for path, axis in (*group.makes, *group.feeds):
            where = (path, axis)
            if path not in shapes or not 0 <= axis < len(shapes[path]):
                raise GraphError(f"group {name} names axis {axis} of {path}; allowed: leaves and axes of the network.")
            if where in seen:
                raise GraphError(f"{path}, axis {axis}, is in group {name} and in {seen[where]}; allowed: one of them.")
            seen[where] = f"group {name}"
            channels = shapes[path][axis]
            flattened = where in group.feeds and len(shapes[path]) == 2 and channels % size == 0
            if channels != size and not flattened:
                raise GraphError(f"{path} has {channels} channels on axis {axis}; allowed: {size}, as group {name}.")
    for path, shape in shapes.items():
        wanted = [(path, len(shape) - 1)] + ([(path, len(shape) - 2)] if len(shape) > 1 else [])
        lost = [where[1] for where in wanted if where not in seen]
        if lost or not shape:
            raise GraphError(f"{path}, axis {lost}, is in no group; allowed: a graph in which every channel is.")


def size_of(graph: Graph, name: str, shapes: dict[str, tuple[int, ...]]) -> int:
    """Channels of a group."""
    group = graph.groups[name]
    if not group.makes or not group.feeds:
        raise GraphError(f"group {name} makes or feeds nothing; allowed: channels that are made and read.")
    path, axis = group.makes[0]
    if path not in shapes or not 0 <= axis < len(shapes[path]):
        raise GraphError(f"group {name} names axis {axis} of {path}; allowed: leaves and axes of the network.")
    return shapes[path][axis]


def leaves_of(params: Tree, stats: Tree) -> dict[str, Any]:
    """The shape of each leaf by its path."""
    paths = jax.tree.leaves_with_path({"params": params, "stats": stats})
    return {jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in paths}


class _Network:
    """The layers of a network by the names of its leaves; each may be taken once."""

    def __init__(self, shapes):
        self.shapes = shapes

    def numbers(self, prefix: str) -> list[str]:
        """The entries of a list of layers, in order."""
        numbers = {m[1] for path in self.shapes if (m := re.match(rf"params/{re.escape(prefix)}/(\d+)/", path))}
        return [f"{prefix}/{n}" for n in sorted(numbers, key=int)]

    def makes(self, *layers: str) -> tuple[Place, ...]:
        """All leaves of some layers, by their last axes."""
        parents = [f"{kind}/{layer}" for layer in layers for kind in ("params", "stats")]
        leaves = ("kernel", "bias", "scale", "mean", "var")
        paths = [f"{parent}/{leaf}" for parent in parents for leaf in leaves if f"{parent}/{leaf}" in self.shapes]
        return tuple((path, len(self.shapes[path]) - 1) for path in paths)

    def reads(self, layer: str) -> Place:
        path = f"params/{layer}/kernel"
        if path not in self.shapes:
            raise GraphError(f"the network has no leaf {path}; allowed: networks of models.")
        return path, len(self.shapes[path]) - 2

    def plain(self) -> Graph:
        """Layers in a row: convolutions, dense layers, the head."""
        stages = [(f"{stage}/conv", f"{stage}/norm") for stage in self.numbers("stages")]
        rest = [(layer,) for prefix in ("convs", "hidden") for layer in self.numbers(prefix)]
        rows = [*stages, *rest, ("head",)]
        groups = {
            row[0].removesuffix("/conv"): Group(self.makes(*row), (self.reads(after[0]),))
            for row, after in pairwise(rows)
        }
        return Graph(groups, (self.reads(rows[0][0])[0],), tuple(path for path, _ in self.makes("head")))

    def residual(self) -> Graph:
        """The stem, and stages of blocks that are added to what goes past them."""
        stem = self.numbers("stem")
        groups: dict[str, Group] = {}
        for layer, after in pairwise(stem):
            groups[layer] = Group(self._convnorm(layer), (self.reads(f"{after}/conv"),))
        name, makes, feeds = stem[-1], list(self._convnorm(stem[-1])), []
        for number in range(1, 1 + len({path.split("/")[1] for path in self.shapes if "/stage" in path})):
            for block in self.numbers(f"stage{number}"):
                inner = self.numbers(f"{block}/inner")
                chain = [*(f"{layer}/conv" for layer in inner), f"{block}/last_conv"]
                feeds.append(self.reads(chain[0]))
                for layer, after in zip(inner, chain[1:], strict=True):
                    groups[layer] = Group(self._convnorm(layer), (self.reads(after),))
                if f"params/{block}/shortcut/conv/kernel" in self.shapes:  # what goes past is made anew
                    feeds.append(self.reads(f"{block}/shortcut/conv"))
                    groups[name] = Group(tuple(makes), tuple(feeds))
                    name, makes, feeds = block, list(self._convnorm(f"{block}/shortcut")), []
                makes += self.makes(f"{block}/last_conv", f"{block}/last_bn")
        groups[name] = Group(tuple(makes), (*feeds, self.reads("head")))
        return Graph(groups, (self.reads(f"{stem[0]}/conv")[0],), tuple(path for path, _ in self.makes("head")))

    def _convnorm(self, layer: str) -> tuple[Place, ...]:
        return self.makes(f"{layer}/conv", f"{layer}/bn")
