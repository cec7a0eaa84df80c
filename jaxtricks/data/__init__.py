"""Image sets, the order of their rows, and the feed of batches."""

from jaxtricks.data._ahead import FeedError
from jaxtricks.data._archive import read_npz
from jaxtricks.data._columns import Column, DataError, Records, Split
from jaxtricks.data._dataset import Dataset, class_counts, from_arrays, from_columns
from jaxtricks.data._feed import Feed, epoch_permutation, steps_per_epoch
from jaxtricks.data._identity import identity
from jaxtricks.data._nearest import nearest_source
from jaxtricks.data._prepared import tfds_set
from jaxtricks.data._rows import padded, readable
from jaxtricks.data._shapes import shapes
from jaxtricks.data._sources import digits, fake, fashion_mini, folder, load, npz

__all__ = [
    "Column",
    "DataError",
    "Dataset",
    "Feed",
    "FeedError",
    "Records",
    "Split",
    "class_counts",
    "digits",
    "epoch_permutation",
    "fake",
    "fashion_mini",
    "folder",
    "from_arrays",
    "from_columns",
    "identity",
    "load",
    "nearest_source",
    "npz",
    "padded",
    "read_npz",
    "readable",
    "shapes",
    "steps_per_epoch",
    "tfds_set",
]


def __dir__() -> list[str]:
    return __all__
