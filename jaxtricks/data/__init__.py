"""Image sets, the order of their rows, samplers of classes of unequal size, and the feed of batches."""

from jaxtricks.data._ahead import FeedError
from jaxtricks.data._annotations import Annotations
from jaxtricks.data._archive import read_npz
from jaxtricks.data._batches import batch_composition, bounded_batches, deferred
from jaxtricks.data._boxed import boxed
from jaxtricks.data._boxes_coco import read_coco, write_coco
from jaxtricks.data._boxes_voc import read_voc, write_voc
from jaxtricks.data._boxes_yolo import read_names, read_yolo, write_yolo
from jaxtricks.data._columns import Column, DataError, DataWarning, Records, Split
from jaxtricks.data._dataset import Dataset, class_counts, from_arrays, from_columns
from jaxtricks.data._deepforest import deepforest
from jaxtricks.data._feed import Feed
from jaxtricks.data._files import printable
from jaxtricks.data._folder import folder
from jaxtricks.data._identity import identity
from jaxtricks.data._long_tail import long_tail, long_tail_counts
from jaxtricks.data._masked import masked
from jaxtricks.data._masks import decode_rle, encode_rle, read_mask, write_mask
from jaxtricks.data._nearest import nearest_source
from jaxtricks.data._order import Sampler, epoch_order, epoch_permutation, epoch_rows, steps_per_epoch
from jaxtricks.data._packages import packaged
from jaxtricks.data._parquet import parquet
from jaxtricks.data._prepared import tfds_set
from jaxtricks.data._rows import CORRUPT_SHARE, check_readable, decoded, padded, readable
from jaxtricks.data._sampling import (
    class_balanced,
    label_shuffle,
    over_sample,
    progressive,
    repeat_factor,
    square_root,
)
from jaxtricks.data._shapes import shapes
from jaxtricks.data._sources import EMBEDDED, digits, fake, fashion_mini, load, npz
from jaxtricks.data._summary import repeated, summary
from jaxtricks.data._tables import table

__all__ = [
    "CORRUPT_SHARE",
    "EMBEDDED",
    "Annotations",
    "Column",
    "DataError",
    "DataWarning",
    "Dataset",
    "Feed",
    "FeedError",
    "Records",
    "Sampler",
    "Split",
    "batch_composition",
    "bounded_batches",
    "boxed",
    "check_readable",
    "class_balanced",
    "class_counts",
    "decode_rle",
    "decoded",
    "deepforest",
    "deferred",
    "digits",
    "encode_rle",
    "epoch_order",
    "epoch_permutation",
    "epoch_rows",
    "fake",
    "fashion_mini",
    "folder",
    "from_arrays",
    "from_columns",
    "identity",
    "label_shuffle",
    "load",
    "long_tail",
    "long_tail_counts",
    "masked",
    "nearest_source",
    "npz",
    "over_sample",
    "packaged",
    "padded",
    "parquet",
    "printable",
    "progressive",
    "read_coco",
    "read_mask",
    "read_names",
    "read_npz",
    "read_voc",
    "read_yolo",
    "readable",
    "repeat_factor",
    "repeated",
    "shapes",
    "square_root",
    "steps_per_epoch",
    "summary",
    "table",
    "tfds_set",
    "write_coco",
    "write_mask",
    "write_voc",
    "write_yolo",
]


def __dir__() -> list[str]:
    return __all__
