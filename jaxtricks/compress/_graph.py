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


class Place(NamedTuple):
    """Where a leaf has the channels of a group.

    Fields:
      path: of the leaf, which begins with params/ or stats/.
      axis: of the leaf.
      start: of the channels on that axis; other than 0 where outputs of several layers lie side by side.
    """

    path: str
    axis: int
    start: int = 0


class GraphError(ValueError):
    """A graph that does not fit a network, or a network that has no graph here; the message names the leaf."""


class Group(NamedTuple):
    """Channels that are made and read together.

    Fields:
      makes: leaves that have one row for each channel: kernels by their last axis, biases, scales, statistics. The
        first has no other channels.
      feeds: kernels that read the channels, by their axis of inputs. A dense kernel may have several rows for each
        channel, one for each position of a map that was flattened, channels last.
      norms: normalisations before an activation that the kernels of ``feeds`` have of their own, as in a DenseNet.
    """

    makes: tuple[Place, ...]
    feeds: tuple[Place, ...]
    norms: tuple[Place, ...] = ()


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
    """The graph of a perceptron, a LeNet, a plain, residual or densely connected network, by the names of its leaves.

    Args:
      params, stats: of the network; arrays or shapes.

    Returns:
      The graph, checked by ``check_graph``.

    Raises:
      GraphError: if a part of the network is not known here, such as a layer normalisation, which mixes channels.
    """
    shapes = leaves_of(params, stats)
    network = _Network(shapes)
    if "params/stem/0/conv/kernel" in shapes:
        graph = network.residual()
    else:
        graph = network.dense() if "params/last/bn/bias" in shapes else network.plain()
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
    shared = shared_axes(graph)
    seen: dict[tuple[str, int], list[tuple]] = {}  # by leaf and axis: first channel, last one, what has them
    for path in graph.outputs:
        seen[path, len(shapes.get(path, ())) - 1] = [(0, None, "the outputs")]
    for path in graph.inputs:
        seen[path, len(shapes.get(path, ())) - 2] = [(0, None, "the inputs")]
    for name in graph.groups:
        size = size_of(graph, name, shapes)
        for path, axis, start in places_of(graph, name):
            if path not in shapes or not 0 <= axis < len(shapes[path]):
                raise GraphError(f"group {name} names axis {axis} of {path}; allowed: leaves and axes of the network.")
            channels = shapes[path][axis]
            alone = (path, axis) not in shared
            flattened = (
                (path, axis) in {p[:2] for p in graph.groups[name].feeds}
                and len(shapes[path]) == 2
                and not channels % size
            )
            if (alone and channels != size and not flattened) or start + size > channels:
                raise GraphError(f"{path} has {channels} channels on axis {axis}; allowed: {size}, as group {name}.")
            seen.setdefault((path, axis), []).append((start, None if alone else start + size, f"group {name}"))
    for path, shape in shapes.items():
        for axis in (len(shape) - 1, len(shape) - 2)[: max(1, len(shape))]:
            at, before = 0, ""
            for start, end, owner in sorted(seen.get((path, axis), []), key=lambda part: part[0]):
                if start < at:
                    raise GraphError(f"{path}, axis {axis}, is in {owner} and in {before}; allowed: one of them.")
                if start == at:
                    at, before = (shape[axis] if end is None else end), owner
            if not shape or at != shape[axis]:
                raise GraphError(f"{path}, axis {axis}, is in no group; allowed: a graph in which every channel is.")


def places_of(graph: Graph, name: str) -> list[Place]:
    """All places of a group, those of a graph written by hand as pairs too."""
    group = graph.groups[name]
    return [Place(*place) for place in (*group.makes, *group.feeds, *group.norms)]


def shared_axes(graph: Graph) -> set[tuple[str, int]]:
    """Leaves and axes on which channels of several groups lie side by side."""
    return {(path, axis) for name in graph.groups for path, axis, start in places_of(graph, name) if start}


def size_of(graph: Graph, name: str, shapes: dict[str, tuple[int, ...]]) -> int:
    """Channels of a group."""
    group = graph.groups[name]
    if not group.makes or not group.feeds:
        raise GraphError(f"group {name} makes or feeds nothing; allowed: channels that are made and read.")
    path, axis, _ = Place(*group.makes[0])
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
        return tuple(Place(path, len(self.shapes[path]) - 1) for path in paths)

    def reads(self, layer: str) -> Place:
        path = f"params/{layer}/kernel"
        if path not in self.shapes:
            raise GraphError(f"the network has no leaf {path}; allowed: a plain, residual or dense one.")
        return Place(path, len(self.shapes[path]) - 2)

    def plain(self) -> Graph:
        """Layers in a row: convolutions, dense layers, the head."""
        parts = {"stages": ("/conv", "/norm"), "convs": ("/conv", "/bn"), "hidden": ("",)}
        rows = [tuple(f"{layer}{part}" for part in parts[kind]) for kind in parts for layer in self.numbers(kind)]
        rows.append(("head",))
        groups = {
            row[0].removesuffix("/conv"): Group(self.makes(*row), (self.reads(after[0]),))
            for row, after in pairwise(rows)
        }
        return Graph(groups, (self.reads(rows[0][0])[0],), tuple(path for path, *_ in self.makes("head")))

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
        return Graph(groups, (self.reads(f"{stem[0]}/conv")[0],), tuple(path for path, *_ in self.makes("head")))

    def dense(self) -> Graph:
        """Blocks whose layers read all that was made before them in the block, side by side."""
        stem = "stem/conv" if "params/stem/conv/kernel" in self.shapes else "stem"
        groups: dict[str, Group] = {}
        row = {"stem": Group(self.makes(stem, "stem/bn"), ())}
        for number, count in enumerate(self._blocks(), 1):
            for layer in (f"stage{number}/{n}" for n in range(count)):
                self._read_all(row, f"{layer}/first/bn", f"{layer}/conv1")
                groups[f"{layer}/conv1"] = Group(
                    self.makes(f"{layer}/conv1", f"{layer}/second/bn"), (self.reads(f"{layer}/conv2"),)
                )
                row[f"{layer}/conv2"] = Group(self.makes(f"{layer}/conv2"), ())
            transition = f"transitions/{number - 1}"
            if f"params/{transition}/conv/kernel" in self.shapes:
                self._read_all(row, f"{transition}/norm/bn", f"{transition}/conv")
                groups |= row
                row = {transition: Group(self.makes(f"{transition}/conv"), ())}
        self._read_all(row, "last/bn", "head")
        return Graph(groups | row, (f"params/{stem}/kernel",), tuple(path for path, *_ in self.makes("head")))

    def _blocks(self) -> list[int]:
        """Layers of each block."""
        stages = sorted({path.split("/")[1] for path in self.shapes if path.startswith("params/stage")})
        return [len(self.numbers(stage)) for stage in stages]

    def _read_all(self, row: dict[str, Group], norm: str, layer: str) -> None:
        """A layer with a normalisation of its own reads all channels of a row."""
        start, read = 0, self.reads(layer)
        for name, group in row.items():
            norms = tuple(place._replace(start=start) for place in self.makes(norm))
            row[name] = group._replace(feeds=(*group.feeds, read._replace(start=start)), norms=(*group.norms, *norms))
            path, axis, _ = group.makes[0]
            start += self.shapes[path][axis]

    def _convnorm(self, layer: str) -> tuple[Place, ...]:
        return self.makes(f"{layer}/conv", f"{layer}/bn")
