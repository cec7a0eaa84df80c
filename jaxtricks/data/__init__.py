"""Image sets, the order of their rows, and the feed of batches."""

from jaxtricks.data.ahead import FeedError
from jaxtricks.data.archive import read_npz
from jaxtricks.data.dataset import DataError, Dataset, Records, Split, class_counts, from_arrays
from jaxtricks.data.feed import Feed, order, steps_per_epoch
from jaxtricks.data.nearest import nearest_source
from jaxtricks.data.prepared import tfds_set
from jaxtricks.data.rows import padded, readable
from jaxtricks.data.sources import digits, fake, fashion_mini, folder, load, npz

__all__ = [
    "DataError",
    "Dataset",
    "Feed",
    "FeedError",
    "Records",
    "Split",
    "class_counts",
    "digits",
    "fake",
    "fashion_mini",
    "folder",
    "from_arrays",
    "load",
    "nearest_source",
    "npz",
    "order",
    "padded",
    "read_npz",
    "readable",
    "steps_per_epoch",
    "tfds_set",
]
