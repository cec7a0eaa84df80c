"""Sets of images: what is right is taken as it is, what is wrong is refused by name."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxtricks import data
from jaxtricks.data import DataError
from jaxtricks.data._files import centre_view, random_view


def arrays(n=20, classes=4, shape=(6, 5, 3)):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    return {"x_train": x, "y_train": np.arange(n) % classes, "x_test": x[:8], "y_test": np.arange(8) % classes}


def test_fashion_mini_is_what_the_notice_says():
    found = data.load("fashion_mini")
    assert found.train["image"].shape == (4000, 28, 28, 1)
    assert found.test["image"].shape == (3000, 28, 28, 1)
    assert np.bincount(found.train["label"]).tolist() == [400] * 10
    assert np.bincount(found.test["label"]).tolist() == [300] * 10
    assert found.classes == 10


def test_digits_split_keeps_every_image():
    found = data.load("digits")
    assert len(found.train) + len(found.test) == 1797
    assert found.train["image"].max() == 255
    assert found.shape == (8, 8, 1)


def test_npz_round_trip(tmp_path):
    given = arrays()
    np.savez(tmp_path / "a.npz", **given)
    found = data.load(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(found.train["image"], given["x_train"])
    np.testing.assert_array_equal(found.test["label"], given["y_test"])
    assert found.classes == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_train": np.zeros((20, 6, 5, 3))}, "x_train has dtype float64; allowed: uint8"),
        ({"x_train": np.zeros((20, 30), np.uint8)}, r"x_train has shape \(20, 30\)"),
        ({"x_train": np.zeros((20, 6, 5, 2), np.uint8)}, r"x_train has shape \(20, 6, 5, 2\)"),
        ({"y_train": np.zeros(20)}, "y_train is float64"),
        ({"y_train": np.zeros(19, int)}, r"y_train is int64 \(19,\); allowed: integers, \[20\]"),
        ({"y_train": np.full(20, -1)}, r"y_train\[0\] is -1 \(20 such\); allowed: 0 to"),
        ({"y_test": np.full(8, 4)}, r"y_test\[0\] is 4 \(8 such\); allowed: 0 to 3"),
        ({"y_train": np.arange(20) % 2 * 3}, "class 1 has no training image"),
        (
            {"y_train": np.arange(20) % 2 + 10**9},
            "y_train is 1000000000 to 1000000001 in 2 classes; allowed: 0 to C - 1",
        ),
        ({"y_train": np.arange(20) % 2 * 4 + 3}, "y_train is 3 to 7 in 2 classes; allowed: 0 to C - 1"),
        ({"y_train": np.full(20, 2**63 + 1, np.uint64)}, "y_train is 9223372036854775809 to"),
        ({"y_train": np.zeros(20, int)}, "all labels are 0, one class; allowed: two or more"),
        ({"x_test": np.zeros((8, 5, 5, 3), np.uint8)}, r"test images are \(5, 5, 3\)"),
        ({"x_test": np.zeros((0, 6, 5, 3), np.uint8), "y_test": np.zeros(0, int)}, "the test split is empty"),
    ],
)
def test_wrong_arrays_are_refused_by_name(tmp_path, change, words):
    np.savez(tmp_path / "a.npz", **(arrays() | change))
    with pytest.raises(DataError, match=words):
        data.load(str(tmp_path / "a.npz"))


def test_wrong_files_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        data.load(str(tmp_path / "none.npz"))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(DataError, match=r"text\.npz cannot be read"):
        data.load(str(tmp_path / "text.npz"))
    np.savez(tmp_path / "half.npz", x_train=np.zeros(3))
    with pytest.raises(DataError, match="has no array y_train, x_test, y_test"):
        data.load(str(tmp_path / "half.npz"))
    np.savez(tmp_path / "object.npz", **(arrays() | {"y_test": np.array([{}] * 8)}))
    with pytest.raises(DataError, match=r"object\.npz cannot be read"):
        data.load(str(tmp_path / "object.npz"))
    with pytest.raises(DataError, match="has no folder; allowed: two or more, one for each class"):
        data.load(str(tmp_path))
    (tmp_path / "text.zip").write_text("")
    with pytest.raises(DataError, match=r"text\.zip is a file; allowed: a folder"):
        data.load(str(tmp_path / "text.zip"))


def test_hold_out_takes_every_class_evenly_and_loses_nothing():
    whole = data.load("digits")
    found = whole.hold_out(0.1)
    assert len(found.train) + len(found.validation) == len(whole.train)
    pixels = np.concatenate([found.train["image"], found.validation["image"]]).reshape(len(whole.train), -1)
    rows = lambda x: sorted(map(bytes, x.reshape(len(x), -1)))  # noqa: E731
    assert rows(pixels) == rows(whole.train["image"])
    share = np.bincount(found.validation["label"]) / np.bincount(whole.train["label"])
    assert abs(share - 0.1).max() < 0.01
    np.testing.assert_array_equal(found.validation["label"], whole.hold_out(0.1).validation["label"])
    assert np.bincount(whole.hold_out(0.001).validation["label"]).tolist() == [1] * 10  # one at least
    with pytest.raises(DataError, match=r"class 0 has \d+ training images, too few to hold out 0\.999 of them"):
        whole.hold_out(0.999)
    with pytest.raises(ValueError, match="share is 1"):
        whole.hold_out(1)


def test_subset_is_even_and_nested():
    whole = data.load("fashion_mini")
    some = whole.subset(1234)
    assert len(some.train) == 1234
    assert set(np.bincount(some.train["label"])) <= {123, 124}
    fewer = {bytes(x) for x in whole.subset(100).train["image"]}
    assert fewer <= {bytes(x) for x in some.train["image"]}
    with pytest.raises(DataError, match="images is 9; allowed: 10 to 4000"):
        whole.subset(9)


def test_no_class_goes_with_a_subset():
    rare = data.from_arrays("rare", **arrays(n=1010, classes=2) | {"y_train": np.arange(1010) // 1000})
    assert np.bincount(rare.subset(51).train["label"]).tolist() == [50, 1]
    with pytest.raises(DataError, match="images is 50; allowed: 51 to 1010 for rare"):
        rare.subset(50)


def test_a_view_is_that_of_the_whole_image_scaled_and_cut():
    draws = np.random.default_rng(0)
    for width, height in ((200, 100), (37, 300), (64, 64), (500, 9)):
        image = Image.fromarray(draws.integers(0, 256, (height, width, 3), dtype=np.uint8))
        scale = 64 / min(width, height)
        whole = image.resize((max(56, round(width * scale)), max(56, round(height * scale))), Image.Resampling.BILINEAR)
        left, top = round((whole.width - 56) / 2), round((whole.height - 56) / 2)
        expected = np.asarray(whole.crop((left, top, left + 56, top + 56)), int)
        assert abs(centre_view(image, 56) - expected).max() <= 1


WIDE = """
import resource
from PIL import Image
from jaxtricks.data._files import centre_view
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
for size in ((60000, 1), (1, 60000)):
    assert centre_view(Image.new("RGB", size, (1, 2, 3)), 224)[100, 100].tolist() == [1, 2, 3]
"""


def test_the_view_of_a_long_image_takes_little_memory():
    """All of it at the scale of the view would be 12 GB."""
    subprocess.run([sys.executable, "-c", WIDE], check=True, timeout=100)


def test_views():
    wide = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3)))
    centre = centre_view(wide, 56)  # short side 100 to 64, centre 56: columns 57 to 143 of the original
    assert centre.shape == (56, 56, 3)
    assert abs(int(centre[0, 0, 0]) - 57) <= 1
    assert abs(int(centre[0, -1, 0]) - 143) <= 1
    same = [random_view(wide, 32, np.random.default_rng((1, 2, i))) for i in (3, 3, 4)]
    assert (same[0] == same[1]).all()
    assert (same[0] != same[2]).any()


def test_tfds_without_tensorflow(tmp_path):
    class Tiny(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = tmp_path  # of a module, not of a package: TFDS would look for its metadata there

        def _info(self):
            features = {"image": tfds.features.Image(shape=(8, 8, 3)), "label": tfds.features.ClassLabel(num_classes=3)}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(9), "test": self._generate_examples(6)}

        def _generate_examples(self, count):
            for i in range(count):
                out = io.BytesIO()
                Image.new("RGB", (8, 8), (i, 2 * i, 3 * i)).save(out, "PNG")
                out.seek(0)
                yield i, {"image": out, "label": i % 3}

    Tiny(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    found = data.tfds_set("tiny", size=8, data_dir=str(tmp_path))
    assert found.shape == (8, 8, 3)
    assert found.classes == 3
    assert found.train.resident
    colours = found.train["image"][:, 0, 0].astype(int)
    assert sorted(colours[:, 0]) == list(range(9))
    assert (colours[:, 1] == 2 * colours[:, 0]).all()
    assert (found.train["label"] == colours[:, 0] % 3).all()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("cifar10", "cifar10 is not prepared; run: pip install"),
        ("no_such_set", "is no image set known here; allowed: fashion_mini, digits, fake"),
        ("no/such/folder?", "no such file or folder"),
    ],
)
def test_a_missing_set_says_what_to_do(spec, words, tmp_path):
    with pytest.raises(DataError, match=words):
        data.load(spec, data_dir=str(tmp_path))
