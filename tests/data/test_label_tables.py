"""Photographs that a table or Parquet files name; what is said of a set before it is trained on."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jaxtricks import data
from jaxtricks.ablation import sources
from jaxtricks.data import DataError


def encoded(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4 + colour % 3), (colour, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def photographs(folder, count):
    """Files ``0.png``, ``1.png``, ..., each of a colour of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i}.png").write_bytes(encoded(10 * i))


def written(path, rows, *, head=("file", "label"), delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *rows])
    return path


def load(path):
    return data.load(str(path), size=4)


def red(split):
    return split.read(np.arange(len(split)))["image"][:, 0, 0, 0].tolist()


def test_a_table_of_files_labels_and_splits(tmp_path):
    photographs(tmp_path / "own photos", 6)
    rows = [(f"own photos/{i}.png", ("cät", "dog")[i % 2], "test" if i > 3 else "Train") for i in range(6)]
    found = load(written(tmp_path / "labels.csv", rows, head=("File", " label", "split"), delimiter=";"))
    assert found.class_names == ("cät", "dog")
    assert (found.train["label"].tolist(), found.test["label"].tolist()) == ([0, 1, 0, 1], [0, 1])
    assert (red(found.train), red(found.test)) == ([0, 10, 20, 30], [40, 50])
    assert found.notes == ()


def test_without_a_split_a_fifth_of_each_class_is_the_test_set(tmp_path):
    photographs(tmp_path, 20)
    found = load(written(tmp_path / "labels.csv", [(f"{i}.png", 10 if i < 10 else 9) for i in range(20)]))
    assert found.class_names == ("9", "10")  # by value
    assert np.bincount(found.train["label"]).tolist() == [8, 8]
    assert sorted(red(found.train) + red(found.test)) == [10 * i for i in range(20)]
    assert "4 of 20 images, a fifth of each class" in found.notes[0]
    repeated = written(tmp_path / "again.csv", [(f"{i % 20}.png", 10 if i % 20 < 10 else 9) for i in range(23)])
    assert load(repeated).notes[0] == f"3 rows of {repeated} name a file again and are left out."


@pytest.mark.parametrize(
    ("rows", "head", "words"),
    [
        (
            [("0.png", "a"), ("7.png", "b"), ("8.png", "b")],
            ("file", "label"),
            r"names 7\.png \(2 such of 3\)",
        ),
        ([("0.png", "a"), ("1.png", "")], ("file", "label"), "row 2 has no label"),
        ([("0.png", "a"), ("0.png", "b")], ("file", "label"), r"row 2: 0\.png is there twice, as a and as b"),
        ([("0.png", "a")], ("file", "kind"), "has the columns file, kind; allowed: file and label, and split"),
        ([("0.png", "a"), ("1.png", "a")], ("file", "label"), r"has 1 classes \(a\); allowed: two or more"),
        ([("0.png", "a", "x"), ("1.png", "b", "y")], ("file", "label", "split"), "split is x, y; allowed: train, and"),
        ([("0.png", "a", "train"), ("1.png", "b", "")], ("file", "label", "split"), "1 rows have no split"),
        ([("0.png", "a", "train"), ("1.png", "b", "test")], ("file", "label", "split"), "b has no training image"),
        ([], ("file", "label"), "has no row"),
    ],
)
def test_a_table_that_does_not_do_is_named(tmp_path, rows, head, words):
    photographs(tmp_path, 2)
    with pytest.raises(DataError, match=words):
        load(written(tmp_path / "labels.csv", rows, head=head))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_folder_with_metadata_as_hugging_face_has_it(tmp_path, form):
    for part, count in (("train", 4), ("test", 2)):
        photographs(tmp_path / part, count)
        rows = [(f"{i}.png", "ab"[i % 2]) for i in range(count)]
        if form == "csv":
            written(tmp_path / part / "metadata.csv", rows, head=("file_name", "label"))
        else:
            lines = [json.dumps({"file_name": file, "label": label}) for file, label in rows]
            (tmp_path / part / "metadata.jsonl").write_text("\n".join(lines))
    found = load(tmp_path)
    assert (red(found.train), red(found.test)) == ([0, 10, 20, 30], [0, 10])
    assert found.test["label"].tolist() == [0, 1]


def test_a_table_without_classes_leaves_the_folders_their_say(tmp_path):
    for name in ("cat", "dog"):
        photographs(tmp_path / name, 3)
    written(tmp_path / "metadata.csv", [("cat/0.png", "Ann")], head=("file_name", "photographer"))
    assert load(tmp_path).class_names == ("cat", "dog")


def test_parquet_as_hugging_face_has_it(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    (tmp_path / "data").mkdir()
    for name, colours in (("train-00000-of-00002", (0, 10)), ("train-00001-of-00002", (20, 30)), ("test-0", (40, 50))):
        images = [{"bytes": encoded(colour), "path": None} for colour in colours]
        table = pa.table({"image": images, "label": [0, 1]})
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
        parquet.write_table(table, tmp_path / "data" / f"{name}.parquet")
    found = load(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert (red(found.train), red(found.test)) == ([0, 10, 20, 30], [40, 50])
    one = data.identity(found)
    assert one == data.identity(load(tmp_path))
    assert one != data.identity(data.load(str(tmp_path), size=5))
    parquet.write_table(pa.table({"image": [b"nothing"] * 8, "label": list("aaaabbbb")}), tmp_path / "small.parquet")
    broken = load(tmp_path / "small.parquet")
    assert np.bincount(broken.train["label"]).tolist() == [3, 3]
    with pytest.raises(DataError, match=r"small\.parquet, image 0 cannot be read: it is no image"):
        broken.train.read(np.array([0]))
    (tmp_path / "small.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load(tmp_path / "small.parquet")


def test_what_is_there_twice_is_said_before_anything_trains(tmp_path):
    for part, name, start in (("train", "cat", 0), ("train", "dog", 5), ("test", "cat", 10), ("test", "dog", 12)):
        folder = tmp_path / part / name
        folder.mkdir(parents=True)
        for i in range(3):
            (folder / f"{i}.png").write_bytes(encoded(start + 3 * i))
    # test cat 1 (13) and test dog 2 (18) are new; train dog 1 is 8; make two leaks, one under another class
    (tmp_path / "test/cat/1.png").write_bytes(encoded(3))
    (tmp_path / "test/dog/2.png").write_bytes(encoded(0))
    (tmp_path / "train/dog/2.png").write_bytes(encoded(5))  # as 0.png, which harms nothing
    said = []
    found = sources.load(str(tmp_path), size=4, images=None, say=said.append)
    leaked, torn = found.notes
    assert leaked.startswith("Test images that are training images too, byte for byte: 2 of 6, such as ")
    assert "/train/cat/" in leaked
    assert torn.startswith("Images that lie in two classes, byte for byte: 1, such as")
    assert torn.endswith("(cat and dog).")
    assert said[0] == "Images of each class, training + test: cat 3 + 3, dog 3 + 3."
    assert said[1] == "Sizes in pixels, of 6 looked at: 6 x 4 to 6 x 6, in the middle 6 x 6."
    assert said[2:] == [leaked, torn]
    assert data.repeated(replace(found, test=found.test.take(np.array([0])))) == []
    assert data.summary(data.fake()) == data.repeated(data.fake()) == []


@pytest.mark.parametrize("name", ["labels.csv", "small.parquet", "arrays.npz", "labels.v2"])
def test_the_folder_of_results_is_named_by_the_file(tmp_path, name):
    (tmp_path / name).touch()
    assert sources.short(str(tmp_path / name)) == (name if name == "labels.v2" else name.split(".")[0])
