"""What a set of images holds, in words, and the experiment that takes it."""

import shlex

from jaxtricks.data._dataset import Dataset

WORDS = {"box": "boxes", "mask": "masks", "label": "a class each"}  # by column, the first that is there
EXPERIMENTS = {"box": "detect", "mask": "segment", "label": "bag_of_tricks"}


def kind_of(dataset: Dataset) -> str:
    """What its images have, such as "images with boxes".

    Args:
      dataset: any.

    Returns:
      Words.
    """
    has = [words for column, words in WORDS.items() if column in dataset.train.columns]
    if dataset.classes is None and WORDS["label"] in has:
        has[has.index(WORDS["label"])] = "a label each, which is no class"
    return f"images with {' and '.join(has)}" if has else "images alone"


def other_kind(dataset: Dataset, needed: str) -> str:
    """A sentence on images that a command cannot take, and one on the command that does.

    Args:
      dataset: what it was given.
      needed: what it takes, in words.

    Returns:
      Text.
    """
    holds, height, width, channels = kind_of(dataset), *dataset.shape
    form = f"{height} x {width} pixels, {'grey' if channels == 1 else f'{channels} channels'}"
    fits = [name for column, name in EXPERIMENTS.items() if column in dataset.train.columns]
    fits = [] if dataset.classes is None else fits
    said = f"{dataset.name} holds {holds} ({form}); allowed: {needed}."
    takes = " or ".join(f"python -m experiments.{name} --data {shlex.quote(dataset.name)}" for name in fits[:2])
    return f"{said} For {holds}: {takes}" if takes else said
