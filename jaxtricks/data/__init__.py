"""Image sets, the order of their rows, and the feed of batches."""

from jaxtricks.data.dataset import DataError, Dataset, Records, Split, class_counts, from_arrays
from jaxtricks.data.feed import Feed, order, padded, steps_per_epoch
from jaxtricks.data.sources import digits, fake, fashion_mini, folder, load, npz, tfds_set

__all__ = [
    "DataError",
    "Dataset",
    "Feed",
    "Records",
    "Split",
    "class_counts",
    "digits",
    "fake",
    "fashion_mini",
    "folder",
    "from_arrays",
    "load",
    "npz",
    "order",
    "padded",
    "steps_per_epoch",
    "tfds_set",
]
