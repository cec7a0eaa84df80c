"""A folder of photographs as people have them: what is read, what is left out, what is said, how it is split."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from jaxtricks import data
from jaxtricks.data import DataError, DataWarning
from jaxtricks.data._files import decode


def photo(path, size=(8, 6), colour=(255, 0, 0), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def photos(folder, count, **options):
    for i in range(count):
        photo(folder / f"{i}.png", **options)


def load(path, size=8):
    return data.load(str(path), size=size)


@pytest.fixture
def halves(tmp_path):
    """A folder whose owner has made the test set."""
    for part, count in (("train", 3), ("val", 1)):
        photos(tmp_path / part / "cat", count, size=(40, 30))
        photos(tmp_path / part / "dog", count, size=(30, 50), colour=7, mode="L")
    return tmp_path


def test_a_folder_with_a_test_set_is_taken_as_it_is(halves):
    found = load(halves, size=16)
    assert found.shape == (16, 16, 3)
    assert found.train["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert (found.class_names, found.notes) == (("cat", "dog"), ())
    batch = found.train.read(np.array([0, 5]), train=True)["image"]
    assert batch[0].reshape(-1, 3).tolist() == [[255, 0, 0]] * 256
    assert set(batch[1].ravel()) == {7}
    held = found.hold_out(0.34)
    assert len(held.train) == 4
    assert held.validation.read(np.array([0]))["image"].shape == (1, 16, 16, 3)


def test_what_is_wrong_is_named(halves):
    (halves / "train" / "cat" / "1.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"cat/1\.png cannot be read as an image"):
        load(halves).train.read(np.array([1]))
    photo(halves / "val" / "bird" / "0.png")
    with pytest.raises(DataError, match="val/bird is no class of train/; allowed: cat, dog"):
        load(halves)


@pytest.mark.parametrize("within", ["", "train"])
def test_one_folder_is_split_by_class_always_alike_and_this_is_said(tmp_path, within):
    for name, count in (("cat", 20), ("dog", 11), ("bird", 3)):
        photos(tmp_path / within / name, count)
    found = load(tmp_path)
    assert np.bincount(found.train["label"]).tolist() == [2, 16, 9]  # bird, cat, dog: a fifth is 1 (of 3), 4, 2
    assert np.bincount(found.test["label"]).tolist() == [1, 4, 2]
    files = [{str(file) for file in split["image"].files} for split in (found.train, found.test)]
    assert (len(files[0] & files[1]), len(files[0] | files[1])) == (0, 34)
    assert {str(file) for file in load(tmp_path).test["image"].files} == files[1]
    (note,) = found.notes
    assert "has no test set: 7 of 34 images, a fifth of each class" in note
    assert len(found.hold_out(0.125).validation) == 2 + 1 + 1


def test_the_drawn_rows_are_not_the_first_ones(tmp_path):
    photos(tmp_path / "a", 50)
    photos(tmp_path / "b", 50)
    rows = sorted(int(file.stem) for file in load(tmp_path).test["image"].files[:10])
    assert rows != list(range(10))


def test_a_class_too_small_to_split_is_named(tmp_path):
    photos(tmp_path / "cat", 9)
    photos(tmp_path / "dog", 2)
    with pytest.raises(DataError, match=r"/dog has 2 images; allowed: 3 or more where the folder is split here"):
        load(tmp_path)


def test_a_class_too_small_to_hold_out_is_named(halves):
    for i in (1, 2):
        (halves / f"train/dog/{i}.png").unlink()
    with pytest.raises(DataError, match=r"class 'dog' has 1 training images, too few to hold out 0\.125.*leave that"):
        load(halves).hold_out(0.125)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: photos(root / "cat", 3), "has one folder, cat/; allowed: two or more, one for each class"),
        (lambda root: photos(root, 3), "has no folder and 3 images in none; allowed: two or more"),
        (
            lambda root: [photos(root / "archive" / name, 3) for name in ("cat", "dog")],
            r"has one folder, archive/;.* Perhaps you meant .*/archive\?",
        ),
        (lambda root: [photos(root / part / "cat", 3) for part in ("train", "val")], "train has one folder, cat/;"),
        (lambda root: [photos(root / "val" / name, 3) for name in ("cat", "dog")], "has val/ and no train/"),
    ],
)
def test_what_is_no_set_of_classes_is_refused(tmp_path, make, words):
    make(tmp_path)
    with pytest.raises(DataError, match=words):
        load(tmp_path)


def test_an_empty_class_is_named_by_its_folder(halves):
    (halves / "train" / "bird").mkdir()
    with pytest.raises(DataError, match="train/bird has no image; allowed: one or more, of JPEG"):
        load(halves)
    (halves / "train/bird/1.HEIC").write_bytes(b"")
    with pytest.raises(DataError, match=r"train/bird has no image \(\.heic 1\); allowed"):
        load(halves)


def test_files_of_other_kinds_are_counted_and_named(halves):
    for i in range(60):
        (halves / f"train/cat/{i}.HEIC").write_bytes(b"")
    (halves / "train/cat/notes.txt").write_text("")
    (halves / "train/cat/README").write_text("")
    photo(halves / "train/dog/a.jfif", format="JPEG")
    photo(halves / "train/dog/B.JPG")
    with pytest.warns(DataWarning, match=r"62 of 72 files in .* are not read \(\.heic 60, "):
        found = load(halves)
    assert len(found.train) == 3 + 3 + 2
    assert ".txt 1" in found.notes[0]
    assert "no ending 1" in found.notes[0]


def test_images_in_folders_within_are_of_the_class(halves):
    photos(halves / "train/cat/holiday/2020", 4)
    photos(halves / "train", 2)
    with pytest.warns(DataWarning, match="2 images in .* lie in no folder of a class"):
        found = load(halves)
    assert np.bincount(found.train["label"]).tolist() == [7, 3]
    assert found.notes[-1].startswith("4 of 12 images lie in folders within")


def test_a_circle_of_links_is_refused(halves):
    (halves / "train/cat/again").symlink_to(halves / "train/cat", target_is_directory=True)
    with pytest.raises(DataError, match="again is a link to a folder that it lies in"):
        load(halves)


def test_hidden_names_are_left_out_everywhere(halves):
    before = load(halves)
    photos(halves / "train/.ipynb_checkpoints", 2)
    photos(halves / "val/.ipynb_checkpoints", 2)
    photos(halves / "train/cat/.ipynb_checkpoints", 2)
    photos(halves / "__MACOSX/train/cat", 1)
    photos(halves / "train/__MACOSX", 1)
    (halves / "train/cat/._0.png").write_bytes(b"of a file system")
    (halves / "train/.link").symlink_to(halves / "nowhere")
    found = load(halves)
    assert (found.train["image"].files, found.notes) == (before.train["image"].files, ())


def test_a_test_folder_without_labels_gives_way_to_val(halves):
    photos(halves / "test", 5)
    found = load(halves)
    assert len(found.test) == 2
    assert found.notes == ("test/ is not used: it has no image in a folder of a class.",)
    photos(halves / "test/cat", 2)
    found = load(halves)
    assert found.test["label"].tolist() == [0, 0]
    assert found.notes == ("test/ has no image of dog.", "val/ is not used: another one is the test set.")


def test_a_test_folder_without_labels_alone_is_no_test_set(tmp_path):
    photos(tmp_path / "train/cat", 5)
    photos(tmp_path / "train/dog", 5)
    photos(tmp_path / "test", 5)
    (tmp_path / "other").mkdir()
    found = load(tmp_path)
    assert len(found.test) == 2
    assert [note.split(":")[0] for note in found.notes[:2]] == ["Not used", "test/ is not used"]
    assert "has no test set" in found.notes[2]


def test_names_that_are_not_utf8_are_told_in_text_that_is(tmp_path):
    for name in (b"caf\xe9", b"dog"):
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        photos(folder, 4)
    found = load(tmp_path)
    assert found.class_names == ("caf\N{REPLACEMENT CHARACTER}", "dog")
    damaged = found.train["image"].files[0]
    damaged.write_bytes(b"")
    with pytest.raises(DataError, match="caf\N{REPLACEMENT CHARACTER}/") as error:
        found.train.read(np.array([0]))
    json.dumps([str(error.value), found.name]).encode()
    assert len(data.identity(found)) == 16


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    ("orientation", "corner"),  # where the white corner, at the top left of the pixels, is to be seen
    [(1, (0, 0)), (3, (39, 59)), (6, (0, 59)), (8, (39, 0))],
)
def test_photographs_are_upright(tmp_path, kind, orientation, corner):
    image = Image.new("RGB", (60, 40) if orientation > 4 else (40, 60))
    image.paste((255, 255, 255), (0, 0, 16, 16))
    if orientation > 4:
        corner = {6: (39, 0), 8: (0, 59)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / f"a.{kind}", exif=exif)
    upright = decode(tmp_path / f"a.{kind}")
    assert upright.size == (40, 60)
    assert upright.getpixel(corner)[0] > 200
    assert decode(tmp_path / f"a.{kind}", upright=False).size == image.size
    assert decode(tmp_path / f"a.{kind}", channels=1).size == (40, 60)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_turns_nothing(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode(tmp_path / "a.jpg").size == (60, 40)


@pytest.mark.parametrize("add", ["add_text", "add_itxt"])
def test_a_png_with_much_text_is_read(tmp_path, add):
    text = PngImagePlugin.PngInfo()
    getattr(text, add)("workflow", "x" * 3_000_000, zip=True)
    photo(tmp_path / "a.png", colour=(1, 2, 3), pnginfo=text)
    assert decode(tmp_path / "a.png").getpixel((7, 5)) == (1, 2, 3)
    raw = bytearray((tmp_path / "a.png").read_bytes())
    raw[raw.index(b"IDAT") + 6] ^= 1
    (tmp_path / "a.png").write_bytes(raw)
    with pytest.raises(DataError):
        decode(tmp_path / "a.png")


def test_all_images_at_once(halves):
    found = load(halves)
    split = data.decoded(found.train)
    assert split.resident
    np.testing.assert_array_equal(split["image"], found.train.read(np.arange(6))["image"])
    assert data.decoded(split) is split
    with pytest.raises(DataError, match=r"image \[6, 8, 8, 3\], label \[6\] take 0\.0 GiB in memory; allowed: "):
        data.decoded(found.train, limit=6 * 8 * 8 * 3 + 23)


def test_unreadable_images_are_all_named_at_once(halves):
    (halves / "train/cat/1.png").write_bytes(b"")
    (halves / "train/dog/0.png").write_bytes(b"")
    train = load(halves).train
    for read in (data.check_readable, data.decoded):
        with pytest.raises(DataError, match=r"2 of 6 records cannot be read.*cat/1\.png.*dog/0\.png"):
            read(train)
    assert list(data.check_readable(train, corrupt_share=0.5)) == [1, 3]


def test_a_name_that_is_not_utf8_is_printable():
    assert data.printable(b"caf\xe9") == "caf\ufffd"
    assert data.printable("café/a b.png") == "café/a b.png"
