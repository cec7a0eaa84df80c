"""Weights that were trained elsewhere: a file with the names of torchvision's and timm's ResNets, into our tree."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check
from jaxtricks.init._tensors import Header, opened

Tree = dict[str, Any]

LISTED = 6  # mismatches that an error spells out; it counts them all
UNUSED = "num_batches_tracked"  # which nothing here needs
FLOATS = {"F64", "F32", "F16", "BF16", "float64", "float32", "float16"}
GATE = {"squeeze": "fc1", "excite": "fc2"}
LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
TO_OURS = {4: (2, 3, 1, 0), 3: (2, 1, 0), 2: (1, 0)}  # OIHW to HWIO, OIW to WIO, [out, in] to [in, out]
TO_TORCH = {4: (3, 2, 0, 1), 3: (2, 1, 0), 2: (1, 0)}
Names = Callable[[Iterable[str]], dict[str, str]]


class PretrainedMismatchError(ValueError):
    """A file of weights and a model differ in names, shapes or dtypes; the message lists where."""


def load_pretrained(
    variables: tuple[Tree, Tree],
    path: str | os.PathLike,
    *,
    skip: Sequence[str] = (),
    names: Names | None = None,
    prefix: str | None = None,
) -> tuple[Tree, Tree]:
    """Parameters and batch statistics of a network from a file with torchvision's or timm's names.

    ``init.densenet_names`` and its kin have those of each family. Without they are a residual network's: both call a
    tensor ``layer1.0.conv2.weight``, ``layer2.0.downsample.0.weight``, ``bn1.running_var``, ``fc.bias``; timm's of type
    D ``conv1.0.weight`` and ``layer2.0.downsample.1.weight``. Kernels are transposed from
    ``[out, in, height, width]`` and ``[out, in]``; ``num_batches_tracked``, which nothing here needs, is passed over.
    Every other tensor and every leaf must find its partner, of the same shape. Files never run code: a pickle is
    refused, and no tensor is read before its shape is known to be that of its leaf.

    Wrappers put a prefix before all names: ``module.`` (DataParallel), ``model.`` (Lightning), ``_orig_mod.``
    (``torch.compile``), ``backbone.``. One that all names share is taken off, with a warning. A file with several sets
    of weights, such as plain and averaged ones, is refused until ``prefix`` chooses one.

    A file does not say what has no weights. The network must be built with the switches that its weights were trained
    with: torchvision's and timm's ``resnet50``, ``resnet101``, ``resnet152`` have ``b=True``, timm's ``resnet50d`` and
    its kin ``b=True, c=True, d=True``, its ``resnet18d`` and ``resnet34d`` ``c=True, d=True``, ``resnet18`` and
    ``resnet34`` none. Nor does it say how images were scaled: see the page of the weights.

    Args:
      variables: ``(params, stats)`` of a model, as ``model.init(key)`` gives them; their shapes, from
        ``jax.eval_shape``, are enough where nothing is skipped.
      path: a ``.safetensors`` file (extra ``weights``) or an ``.npz`` file, with numbers of 16 to 64 bits.
      skip: regular expressions, searched in the paths of the leaves (``head/kernel``, ``stage1/0/last_bn/mean``); what
        they take keeps its value, whatever the file holds for it: ``("^head/",)`` for another number of classes.
      names: ``paths of all leaves -> {path: name in the file}``, such as ``init.densenet_names``; None for a
        ``models.resnet``.
      prefix: of the names in the file that are meant, such as ``"ema."``; it is taken off, and what does not begin with
        it is passed over. ``""`` means the names as they are, None all names, by what they share.

    Returns:
      ``(params, stats)`` in the structure and dtypes of ``variables``: what ``train.fit`` takes as ``initial``.

    Raises:
      PretrainedMismatchError: a ValueError, if tensors are missing or too many, or of another shape or no floating
        point; it says how many names match, and names the first 6 places.
      ValueError: if the file is no safetensors or npz file, or damaged; if a pattern of ``skip`` takes nothing, or
        together they take everything.
      ImportError: if the file is a safetensors file, and safetensors is not installed.

    Reference:
      He et al., Deep residual learning for image recognition, arXiv 1512.03385.
    """
    leaves = {_path(keys): leaf for tree in variables for keys, leaf in jax.tree.leaves_with_path(tree)}
    kept = _kept(leaves, skip)
    with opened(path) as (headers, read):
        headers, prefix = _within(headers, prefix, path, set(_called(leaves, headers, names).values()))
        called = _called(leaves, headers, names)
        wrong = list(_mismatches(leaves, kept, called, headers))
        if wrong:
            raise PretrainedMismatchError(_sentence(path, wrong, called, kept, headers))

        def load(keys, leaf):
            if _path(keys) in kept:
                return leaf
            array = read(prefix + called[_path(keys)])
            array = array.reshape(array.shape[: len(leaf.shape)])  # a dense layer may be a 1x1 convolution there
            return jnp.asarray(array.transpose(TO_OURS.get(array.ndim, range(array.ndim))), leaf.dtype)

        params, stats = (jax.tree.map_with_path(load, tree) for tree in variables)
    return params, stats


def from_pretrained(
    build: Callable,
    path: str | os.PathLike,
    *,
    skip: Sequence[str] = (),
    names: Names | None = None,
    prefix: str | None = None,
    **options: Any,
) -> Any:
    """A network whose fresh weights are those of a file: a recipe's ``model`` for fine-tuning.

    ``replace(recipe, model=partial(init.from_pretrained, recipe.model, "resnet50.npz", skip=("^head/",)))`` starts each
    seed from the file, with a head of its own. A recipe's description holds the path, not what the file holds.

    Args:
      build: ``(**options) -> Model``.
      path, skip, names, prefix: as for ``load_pretrained``; what skip takes is drawn afresh.
      options: for build.

    Returns:
      The Model that build gives, with another ``init``; errors of ``load_pretrained`` are raised there.
    """
    model = build(**options)
    return model._replace(
        init=lambda key: load_pretrained(model.init(key), path, skip=skip, names=names, prefix=prefix)
    )


def save_pretrained(variables: tuple[Tree, Tree], path: str | os.PathLike, *, pooled: bool = False) -> None:
    """Write parameters and batch statistics of a residual network with torchvision's and timm's names.

    What ``load_pretrained`` reads, and torch as ``{name: torch.from_numpy(array)}``: kernels are transposed to
    ``[out, in, height, width]`` and ``[out, in]``. Each keeps its dtype, but for those that NumPy does not have:
    bfloat16 and smaller ones are written as float32, which holds them exactly. The file is complete or not there.

    Args:
      variables: ``(params, stats)`` of a ``models.resnet``.
      path: an ``.npz`` file.
      pooled: whether shortcuts average first, ``d=True``: timm counts that layer too.

    Raises:
      ValueError: if the file has another suffix, or a leaf belongs to no tensor of a ResNet or is no floating point.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path is {str(path)!r}; allowed: a file with the suffix .npz.")
    leaves = {_path(keys): leaf for tree in variables for keys, leaf in jax.tree.leaves_with_path(tree)}
    names = torch_names(leaves, pooled=pooled)
    if odd := sorted(set(leaves) - set(names)):
        raise ValueError(f"variables has {odd[0]!r} ({len(odd)} such); allowed: leaves of a ResNet.")
    tensors = {}
    for place, leaf in leaves.items():
        check.floating(f"variables[{place!r}]", leaf)
        array = np.asarray(leaf)
        array = array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32)
        tensors[names[place]] = array.transpose(TO_TORCH.get(array.ndim, range(array.ndim)))
    part = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(part, **tensors)
    part.replace(path)


def torch_names(paths: Iterable[str], *, pooled: bool) -> dict[str, str]:
    """What torchvision and timm call the leaves of a residual network; leaves of anything else are left out.

    Args:
      paths: of all the leaves, parameters and statistics, of one network: they tell its stem and its blocks.
      pooled: whether average pooling is the first layer of a shortcut, as in ResNet-D, and shifts the others.

    Returns:
      ``{path: name}``.
    """
    paths = tuple(paths)
    last = max((int(i) for path in paths for i in re.findall(r"^stem/(\d+)/", path)), default=0)
    depth = 3 if any("/inner/1/" in path for path in paths) else 2
    rules = (
        (r"stem/(\d+)/conv", lambda i: f"conv1.{3 * int(i)}" if last else "conv1"),
        (r"stem/(\d+)/bn", lambda i: "bn1" if int(i) == last else f"conv1.{3 * int(i) + 1}"),
        (r"stage(\d+)/(\d+)/inner/(\d+)/(conv|bn)", lambda s, b, i, kind: f"layer{s}.{b}.{kind}{int(i) + 1}"),
        (r"stage(\d+)/(\d+)/last_(conv|bn)", lambda s, b, kind: f"layer{s}.{b}.{kind}{depth}"),
        (
            r"stage(\d+)/(\d+)/shortcut/(conv|bn)",
            lambda s, b, kind: f"layer{s}.{b}.downsample.{pooled + (kind == 'bn')}",
        ),
        (r"stage(\d+)/(\d+)/gate/(squeeze|excite)", lambda s, b, kind: f"layer{s}.{b}.se.{GATE[kind]}"),
        (r"stage(\d+)/(\d+)/gate/conv", lambda s, b: f"layer{s}.{b}.se.conv"),
        (r"head", lambda: "fc"),
    )
    names = {}
    for path in paths:
        module, _, leaf = path.rpartition("/")
        for pattern, name in rules:
            match = re.fullmatch(pattern, module)
            if match and leaf in LEAVES:
                names[path] = f"{name(*match.groups())}.{LEAVES[leaf]}"
    return names


def _called(leaves: Tree, headers: dict[str, Header], names: Names | None) -> dict[str, str]:
    """What the file calls each leaf."""
    if names is not None:
        return names(leaves)
    return torch_names(leaves, pooled=any(name.endswith(".downsample.2.weight") for name in headers))


def _within(
    headers: dict[str, Header], prefix: str | None, path: str | os.PathLike, ours: set[str]
) -> tuple[dict[str, Header], str]:
    """The tensors behind a prefix, without it, and the prefix: the caller's, or the one that all names share."""
    tensors = [name for name in headers if not name.endswith(UNUSED)]
    if prefix is None:
        prefix = _shared_prefix(tensors, path, ours)
    elif not any(name.startswith(prefix) for name in tensors):
        first = ", ".join(map(repr, tensors[:3]))
        raise ValueError(f"prefix is {prefix!r}; allowed: what some names in {path} begin with: {first}, ...")
    elif not prefix:  # names as they are
        return {name: header for name, header in headers.items() if name in ours}, prefix
    return {name.removeprefix(prefix): header for name, header in headers.items() if name.startswith(prefix)}, prefix


def _shared_prefix(tensors: Sequence[str], path: str | os.PathLike, ours: set[str]) -> str:
    """What stands before all names, where most of ours stand behind it."""
    fronts = Counter()
    for name in tensors:
        parts = name.split(".")
        ends = (".".join(parts[i:]) for i in range(len(parts)))
        fronts.update(name.removesuffix(end) for end in ends if end in ours)
    sets = sorted(front for front, count in fronts.items() if 2 * count > len(ours))
    if len(sets) > 1:
        words = " or ".join(map(repr, sets))
        raise PretrainedMismatchError(f"{path} holds {len(sets)} sets of these weights; allowed: prefix={words}.")
    if sets in ([], [""]):
        return ""
    (prefix,) = sets
    others = sum(not name.startswith(prefix) for name in tensors)
    if others:
        raise PretrainedMismatchError(
            f"{path} has {fronts[prefix]} of {len(ours)} names behind {prefix!r}, and {others} other names; "
            f"allowed: prefix={prefix!r}, which passes over these."
        )
    warnings.warn(f"{path}: {prefix!r} is taken off all names.", stacklevel=4)
    return prefix


def _sentence(
    path: str | os.PathLike, wrong: Sequence[str], called: dict[str, str], kept: set[str], headers: dict[str, Header]
) -> str:
    """How many names match, and the first places that do not."""
    wanted = {name for leaf, name in called.items() if leaf not in kept}
    more = [f"and {len(wrong) - LISTED} more."] if len(wrong) > LISTED else []
    count = f"{len(wrong)} place{'s' * (len(wrong) > 1)}"
    matched = f"{len(wanted & set(headers))} of {len(wanted)} names match"
    return f"{path} and the model differ in {count}; {matched}:\n  " + "\n  ".join([*wrong[:LISTED], *more])


def _kept(leaves: Iterable[str], skip: Sequence[str]) -> set[str]:
    """The paths that a pattern of skip is found in."""
    if isinstance(skip, str):
        raise ValueError(f"skip is {skip!r}; allowed: a sequence of patterns.")
    for pattern in skip:
        if not any(re.search(pattern, path) for path in leaves):
            raise ValueError(f"skip has {pattern!r}, found in no path; allowed: one found in some of {sorted(leaves)}.")
    kept = {path for path in leaves if any(re.search(pattern, path) for pattern in skip)}
    if kept == set(leaves):
        raise ValueError(f"skip is {tuple(skip)}, which takes every leaf; allowed: patterns that leave one to load.")
    return kept


def _mismatches(leaves: Tree, kept: set[str], names: dict[str, str], headers: dict[str, Header]) -> Iterable[str]:
    """A line for each leaf without its tensor, each tensor unlike its leaf, and each tensor without a leaf."""
    for path, leaf in leaves.items():
        if path in kept:
            continue
        if path not in names:
            yield f"{path}: no tensor of a ResNet belongs to this leaf."
            continue
        name, shape = names[path], tuple(leaf.shape)
        wanted = tuple(shape[axis] for axis in TO_TORCH.get(len(shape), range(len(shape))))
        if name not in headers:
            yield f"{name}, for {path}: missing."
        elif headers[name].shape not in (wanted, (*wanted, 1, 1) if len(wanted) == 2 else wanted):
            yield f"{name}, for {path}: shape {headers[name].shape}; allowed: {wanted}."
        elif headers[name].dtype not in FLOATS:
            yield f"{name}, for {path}: dtype {headers[name].dtype}; allowed: {', '.join(sorted(FLOATS))}."
    for name in sorted(set(headers) - set(names.values())):
        if not name.endswith(UNUSED):
            yield f"{name}, shape {headers[name].shape}: no leaf of the model takes it."


def _path(keys) -> str:
    return jax.tree_util.keystr(keys, simple=True, separator="/")
