"""What fine-tuning starts from: a target, two sources, and weights that are trained once and kept.

The target is every other class of a dataset. A source is a task on which the network is trained before: a similar one,
the other classes, and a different one, another dataset. ``finetuning`` has the ways to go on from there.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import data, init, tasks, train
from jaxtricks.fingerprint import fingerprint, source_digest
from jaxtricks.train import Recipe
from jaxtricks.tricks._columns import class_count, in_memory

__all__ = [
    "BINS",
    "FEATURES",
    "NEIGHBOURS",
    "PRETRAINING",
    "ROWS",
    "begin",
    "borrowed_of",
    "classes_of",
    "few",
    "histograms",
    "like",
    "nearest",
    "network",
    "sources",
    "target",
    "weights_of",
]

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "jaxtricks" / "finetune"
PRETRAINING = 5.0  # times the epochs of the baseline
ROWS = 1500  # of an epoch, whatever the images: each comes as often as it takes
NEIGHBOURS = {50: 10, 1500: 5}  # by the number of target images: of each, so many source images
FEATURES = ("shallow", "deep")  # by which they are near
BINS = 20  # of a channel's responses


def classes_of(dataset: data.Dataset, chosen: Iterable[int]) -> data.Dataset:
    """The images of some classes, whose labels are counted anew from 0.

    Args:
      dataset: images in memory.
      chosen: classes, in rising order.

    Returns:
      A dataset of that many classes.
    """
    classes = np.asarray(list(chosen))
    parts = []
    for split in (dataset.train, dataset.test):
        image, label = in_memory(split, "image"), in_memory(split, "label")
        rows = np.flatnonzero(np.isin(label, classes))
        parts += [image[rows], np.searchsorted(classes, label[rows])]
    chosen_data = data.from_arrays(f"{dataset.name}, classes {' '.join(map(str, classes))}", *parts)
    names = dataset.class_names
    return chosen_data if names is None else replace(chosen_data, class_names=tuple(names[c] for c in classes))


def target(dataset: data.Dataset) -> data.Dataset:
    """The task that is fine-tuned for: classes 0, 2, 4, ...

    Args:
      dataset: images in memory, of 4 classes or more.

    Returns:
      A dataset of half as many classes.

    Raises:
      DataError: if there are fewer classes.
    """
    if class_count(dataset) < 4:
        few = f"{dataset.name} has {dataset.classes} classes, of which every other one is the target"
        raise data.DataError(f"{few}; allowed: 4 or more.")
    return classes_of(dataset, range(0, class_count(dataset), 2))


def few(dataset: data.Dataset, *, images: int) -> data.Dataset:
    """Little data: some training images, which come so often that an epoch has ROWS.

    Args:
      dataset: the target.
      images: so many, from the number of classes to that of the training images; drawn by class.

    Returns:
      The dataset with ROWS training rows; the test images stay.

    Raises:
      DataError: if there are fewer images.
    """
    if len(dataset.train) < images:
        there = f"{dataset.name} has {len(dataset.train)} training images"
        raise data.DataError(f"{there}; allowed: {images} or more.")
    chosen = dataset.subset(images)
    rows = np.resize(np.arange(images), ROWS)
    return replace(chosen, name=f"{dataset.name}, {images} images", train=chosen.train.take(rows))


def sources(dataset: data.Dataset) -> dict[str, data.Dataset]:
    """Two sources of weights for the target of a dataset.

    Args:
      dataset: the complete one, of which the target was made.

    Returns:
      ``similar``: the other classes. ``different``: handwritten digits, for Fashion-MNIST; else Fashion-MNIST.
    """
    other = data.digits() if dataset.name.startswith("fashion") else data.fashion_mini()
    similar = classes_of(dataset, range(1, class_count(dataset), 2))
    return {"similar": similar, "different": like(other, dataset.shape)}


def like(dataset: data.Dataset, shape: tuple[int, int, int]) -> data.Dataset:
    """Grey images at another size and with as many channels, so that a network for others takes them.

    Args:
      dataset: grey images in memory.
      shape: height, width and channels.

    Returns:
      The dataset; images are resized linearly and repeated over the channels.
    """

    def images(split):
        grey = jax.image.resize(jnp.float32(split["image"]), (len(split), *shape[:2], 1), "linear")
        return np.repeat(np.asarray(jnp.round(grey.clip(0, 255)), np.uint8), shape[2], axis=3)

    labels = (in_memory(split, "label") for split in (dataset.train, dataset.test))
    parts = zip((images(dataset.train), images(dataset.test)), labels, strict=True)
    return data.from_arrays(dataset.name, *(array for part in parts for array in part))


def begin(recipe: Recipe, complete: data.Dataset, dataset: data.Dataset) -> Recipe:
    """The baseline, which from now on knows where the weights of both sources lie; they are trained if need be.

    They are kept in the cache folder, as npz files with torchvision's names, in a folder named by the recipe, the code
    that it runs and the images of both datasets: where one of these changes, they are trained anew.

    Args:
      recipe: the baseline.
      complete: the dataset whose other classes are a source.
      dataset: the target.

    Returns:
      The recipe, whose network takes ``source=``: ``similar``, ``different``, or None for fresh weights.

    Raises:
      ValueError: in several processes.
    """
    if jax.process_count() > 1:
        raise ValueError(f"finetune is started in {jax.process_count()} processes; allowed: one.")
    longer = replace(recipe, epochs=PRETRAINING * recipe.epochs)
    identity = [longer, source_digest(longer), data.identity(complete), data.identity(dataset), FEATURES]
    recipe = replace(recipe, model=partial(network, recipe.model, weights=fingerprint(identity)))
    for name, source in sources(complete).items():
        path = weights_of(recipe, name)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            pretraining = replace(longer, task=tasks.classification(class_count(source)))
            (run,) = train.fit(pretraining, source, plan=train.Plan(devices=tuple(jax.devices()[:1])), test=False)
            for images, k in NEIGHBOURS.items():
                if images > len(dataset.train):  # no setting of so many runs
                    continue
                split, classes = dataset.subset(images).train, np.asarray(class_count(dataset))
                for by in FEATURES:
                    chosen, labels = nearest(pretraining, run.variables, split, source, k=k, by=by)
                    np.savez(borrowed_of(recipe, name, images, by=by), images=chosen, labels=labels, classes=classes)
            init.save_pretrained(run.variables, path)  # the last, so that where it is, all is
    return recipe


def nearest(recipe: Recipe, variables, split: data.Split, source: data.Dataset, *, k: int, by: str) -> tuple:
    """The source's images that lie nearest to the target's, by the features of the source's network.

    Args:
      recipe: of the source.
      variables: of its network, as a run has them.
      split: images of the target.
      source: images in memory.
      k: neighbours of each image of the target, >= 1.
      by: ``shallow``, the histograms of the stem's responses, as in the paper, or ``deep``, the last features.

    Returns:
      Images ``[N, H, W, C]`` and labels ``[N]`` of the source; each image once.
    """
    model = train.build_model(recipe, source)
    image, label = in_memory(source.train, "image"), in_memory(source.train, "label")
    stats = recipe.preprocess[0](image)
    tap = {"shallow": "stem", "deep": "features"}[by]

    @jax.jit
    def features(images):
        prepared = jax.vmap(recipe.preprocess[1], (None, 0))(stats, images / np.float32(255))
        return model.apply(*variables, prepared, train=False)[0][1][tap]

    there, here = (np.asarray(features(x)) for x in (image, split["image"]))
    if by == "shallow":
        there, here = histograms(there, there), histograms(here, there)
    rows = np.unique(data.nearest_source(here, there, k=k))
    return image[rows], label[rows]


def histograms(maps: np.ndarray, source: np.ndarray, *, bins: int = BINS) -> np.ndarray:
    """How often each channel's response falls into bins that the source's fill equally: a descriptor of low levels.

    The square roots of the shares, whose Euclidean distance is Hellinger's; the paper has the symmetric divergence of
    Kullback and Leibler, for which there are no nearest neighbours by products of matrices.

    Args:
      maps: ``[N, H, W, C]``.
      source: ``[M, H, W, C]``, which the bins are made for.
      bins: of a channel, 2 or more.

    Returns:
      ``[N, C * bins]``.

    Reference: Ge and Yu, arXiv 1702.08690.
    """
    edges = np.quantile(source, np.arange(1, bins) / bins, axis=(0, 1, 2))  # [bins - 1, C]
    counts = [
        np.bincount(np.searchsorted(edges[:, channel], image[..., channel].ravel(), side="right"), minlength=bins)
        for image in maps
        for channel in range(maps.shape[-1])
    ]
    return np.sqrt(np.reshape(counts, (len(maps), -1)) / np.prod(maps.shape[1:3]))


def weights_of(recipe: Recipe, source: str) -> Path:
    """The file of a source's weights.

    Args:
      recipe: of ``begin``.
      source: ``similar`` or ``different``.

    Returns:
      The path of an npz file.
    """
    return CACHE / recipe.model.keywords["weights"] / f"{source}.npz"


def borrowed_of(recipe: Recipe, source: str, images: int, *, by: str) -> Path:
    """The file of the source images nearest to so many images of the target, for ``co_training``.

    Args:
      recipe: of ``begin``.
      source: ``similar`` or ``different``.
      images: of the target, a key of NEIGHBOURS.
      by: of FEATURES.

    Returns:
      The path of an npz file with images, labels, and the number of classes of the target.
    """
    return weights_of(recipe, f"{source}-nearest-{images}-{by}")


def network(build: Callable, *, weights: str, source: str | None = None, **arguments: Any):
    """The network with a source's weights under a fresh head, or with fresh weights.

    Args:
      build: ``(**arguments) -> Model``.
      weights: the name of the folder in the cache.
      source: ``similar``, ``different``, or None for fresh weights.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model.
    """
    if source is None:
        return build(**arguments)
    path = CACHE / weights / f"{source}.npz"
    return init.from_pretrained(build, path, skip=("^head/",), **arguments)
