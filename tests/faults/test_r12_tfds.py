"""Row 12 for ArrayRecord: its checksums find what the image format would not; damage inside a record is the feed's."""

import io
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxtricks import data
from jaxtricks.data import DataError, Feed

TRAIN = 230  # 1 % is 2 records
CUT = 100  # the record whose image is cut off


def encoded(i):
    out = io.BytesIO()
    form = ("PNG", "BMP")[i % 2]
    Image.new("L" if i == 7 else "RGB", (10 + i % 3, 12), i if i == 7 else (i, 0, 255 - i)).save(out, form)
    return out.getvalue()[: -60 if i == CUT else None]


def prepare(name, folder, shape, examples):
    """A set of this name; examples of each part are pairs of bytes and label."""

    def info(self):
        features = {"image": tfds.features.Image(shape=shape), "label": tfds.features.ClassLabel(num_classes=10)}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def generate(self, part):
        for i, (raw, label) in enumerate(examples[part]):
            yield i, {"image": io.BytesIO(raw), "label": label}

    body = {
        "VERSION": tfds.core.Version("1.0.0"),
        "pkg_dir_path": folder,
        "_info": info,
        "_split_generators": lambda self, dl_manager: {part: generate(self, part) for part in examples},
        "_generate_examples": generate,
    }
    builder = type(name, (tfds.core.GeneratorBasedBuilder,), body)
    builder(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    examples = {part: [(encoded(i), i % 10) for i in range(n)] for part, n in (("train", TRAIN), ("test", 4))}
    return prepare("Varied", tmp_path_factory.mktemp("tfds"), (None, None, 3), examples)


def flip(folder, part, count):
    """One bit in each of some records of a part, within the bytes of the records themselves."""
    (path,) = folder.rglob(f"*{part}.array_record*")
    raw = bytearray(path.read_bytes())
    used = np.flatnonzero(np.frombuffer(raw, np.uint8))
    for share in np.linspace(0.3, 0.7, count):
        raw[used[int(share * len(used))]] ^= 16
    path.write_bytes(raw)


@pytest.fixture
def copy(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_cut_off_image_is_replaced_and_counted(prepared):
    found = data.tfds_set("varied", size=8, data_dir=str(prepared))
    assert found.shape == (8, 8, 3)
    feed = Feed(found.train, (0,), 23)
    for batch in feed.steps(0, 10):
        assert batch["image"].shape == (23, 8, 8, 3)
        first = batch["image"][:, :1, :1]
        assert (batch["image"] == first).all()
        for colour, label in zip(first[:, 0, 0], batch["label"], strict=True):
            assert colour.tolist() == ([7, 7, 7] if colour[0] == 7 else [colour[0], 0, 255 - colour[0]])
            assert label == colour[0] % 10
        np.testing.assert_array_equal(batch["label"], found.train["label"][batch["index"]])
    ((row, reason),) = feed.corrupt.items()
    assert found.train["label"][row] == CUT % 10
    assert f"record {row} cannot be read as an image" in reason


def test_a_flipped_bit_is_left_out_of_the_training_set_with_a_warning(copy, card):
    flip(copy, "train", 2)
    with pytest.warns(UserWarning, match=r"varied, train: records \d+, \d+ of 230 cannot be read and are left out"):
        found = data.tfds_set("varied", size=8, data_dir=str(copy))
    assert len(found.train) == TRAIN - 2
    batches = list(Feed(found.train, (0,), 12).steps(0, 19))
    colours = np.concatenate([batch["image"][:, 0, 0, 0] for batch in batches]).astype(int)
    np.testing.assert_array_equal(np.concatenate([batch["label"] for batch in batches]), colours % 10)
    assert len(set(colours)) == TRAIN - 3  # of those left one is cut off
    card("r12", "one bit flipped in 2 of 230 ArrayRecord records", "2 left out by name, 0 silent")


@pytest.mark.parametrize(("part", "count", "words"), [("train", 3, "3 of 230"), ("test", 1, "1 of 4")])
def test_more_flipped_bits_or_one_in_the_test_set_are_refused(copy, part, count, words):
    flip(copy, part, count)
    with pytest.raises(DataError, match=rf"varied, {part}: {words} records cannot be read.*Prepare it again: python"):
        data.tfds_set("varied", size=8, data_dir=str(copy))


def test_in_a_set_that_is_read_into_memory_a_wrong_image_is_refused(tmp_path):
    fit, wrong = (encoded(i) for i in (2, 3))  # 12 x 12 and 10 x 12 pixels
    examples = {"train": [(fit, i) for i in range(10)], "test": [(fit, 0), (wrong, 1)]}
    prepare("Fixed", tmp_path, (12, 12, 3), examples)
    words = (
        r"fixed, test: record \d cannot be read as an image: it has 10 x 12 pixels; allowed: \(12, 12\)\. Prepare it"
    )
    with pytest.raises(DataError, match=words):
        data.tfds_set("fixed", size=8, data_dir=str(tmp_path))
