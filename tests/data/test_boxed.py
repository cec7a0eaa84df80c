"""Images with boxes of one's own: brought to one size, splits found, everything that is left out said."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxtricks import augment, data
from jaxtricks.ablation import sources
from jaxtricks.data import DataError
from jaxtricks.data._boxed import FILL, letterboxed, place_of


def photographs(folder, names, *, size=(20, 10), **options):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", size, (200, 0, 0)).save(folder / name, **options)


def coco(file, names, boxes, *, size=(10, 20), categories=("cat", "dog"), **more):
    """A COCO file; boxes are ``(image, category, x, y, width, height)``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    content = {
        "images": [{"id": i, "file_name": name, "height": height, "width": width} for i, name in enumerate(names)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories)],
        "annotations": [{"image_id": i, "category_id": c, "bbox": box, **more} for i, c, *box in boxes],
    }
    file.write_text(json.dumps(content))
    return file


def loaded(path, size=8):
    said = []
    return sources.load(str(path), size=size, images=None, say=said.append), said


def test_a_letterbox_on_the_host_is_that_of_augment():
    sizes = np.random.default_rng(0).integers(1, 60, (40, 2))
    for source, (top, left, height, width) in zip(sizes.tolist(), place_of(sizes, 24).tolist(), strict=True):
        matrix = augment.letterboxing(tuple(source), 24)
        wanted = [[width / source[1], 0, left], [0, height / source[0], top], [0, 0, 1]]
        np.testing.assert_allclose(matrix, wanted, rtol=1e-6)
    pixels = np.random.default_rng(1).integers(0, 256, (13, 22, 3)).astype(np.uint8)
    on_host = letterboxed(Image.fromarray(pixels), 9)
    np.testing.assert_allclose(on_host, augment.letterbox_sample({"image": pixels}, size=9, fill=FILL)["image"], atol=1)


def test_a_coco_file_of_train_and_one_of_val(tmp_path):
    photographs(tmp_path / "train2017", ["a.png", "b.png"])
    photographs(tmp_path / "val2017", ["c.png"], size=(10, 20))
    boxes = [(0, 1, 2, 2, 10, 5), (0, 0, 0, 0, 20, 10), (1, 1, 18, 8, 10, 10), (1, 1, 3, 3, 0, 2)]
    coco(tmp_path / "annotations" / "instances_train2017.json", ["a.png", "b.png"], boxes)
    coco(tmp_path / "annotations" / "instances_val2017.json", ["c.png"], [(0, 0, 0, 0, 5, 10)], size=(20, 10))
    found, said = loaded(tmp_path)
    assert (found.shape, found.classes, found.class_names) == ((8, 8, 3), 2, ("cat", "dog"))
    train = found.train.columns
    assert sorted(train) == ["box", "box_label", "box_valid", "image"]
    # 20 x 10 is scaled by 0.4 to 8 x 4, with two rows above
    np.testing.assert_allclose(train["box"][0], [[0.8, 2.8, 4.8, 4.8], [0, 2, 8, 6]], atol=1e-6)
    np.testing.assert_allclose(train["box"][1], [[7.2, 5.2, 8, 6], [0] * 4], atol=1e-6)
    assert (train["box_label"].tolist(), train["box_valid"].tolist()) == ([[1, 0], [1, 0]], [[1, 1], [1, 0]])
    np.testing.assert_allclose(found.test["box"][0, 0], [2, 0, 4, 4], atol=1e-6)
    assert train["image"][0, :, 0, 0].tolist() == [FILL, FILL, 200, 200, 200, 200, FILL, FILL]
    assert said[:2] == [
        "Images, training + test: 2 + 1, each brought to 8 x 8.",
        "Boxes of each class, training + test: cat 1 + 1, dog 2 + 0.",
    ]
    assert said[2].startswith("Boxes an image: 1 to 2, in the middle 2;")
    assert said[3:] == [
        f"{tmp_path}, training: 1 of 4 boxes are left out: 1 without an area.",
        f"{tmp_path}, training: 1 of 4 boxes reach over the border of their image and are cut to it.",
    ]


def test_the_other_files_of_coco_are_not_taken_for_instances(tmp_path):
    for split in ("train2017", "val2017"):
        photographs(tmp_path / split, ["a.png"])
        coco(tmp_path / "annotations" / f"instances_{split}.json", ["a.png"], [(0, 1, 2, 2, 10, 5)])
        (tmp_path / "annotations" / f"captions_{split}.json").write_text('{"images": [], "annotations": []}')
    (tmp_path / "annotations" / "image_info_test2017.json").write_text('{"images": []}')
    found, said = loaded(tmp_path)
    assert (len(found.train), len(found.test)) == (1, 1)
    others = ("captions_train2017", "captions_val2017", "image_info_test2017")
    assert f"Not used: {', '.join(f'annotations/{name}.json' for name in others)}." in said


def test_parts_of_the_image_are_no_pixels(tmp_path):
    photographs(tmp_path, ["a.png", "b.png"])
    coco(tmp_path / "annotations.json", ["a.png", "b.png"], [(0, 0, 0.1, 0.2, 0.5, 0.5), (1, 0, 0, 0, 1, 1)])
    with pytest.raises(DataError, match="within the first pixel"):
        loaded(tmp_path)


def test_what_is_there_on_one_side_only(tmp_path):
    photographs(tmp_path, [f"{i}.png" for i in range(6)])
    photographs(tmp_path, ["turned.png"], size=(10, 20))
    (tmp_path / "broken.png").write_bytes(b"no image")
    names = [*(f"{i}.png" for i in range(5)), "gone.png", "broken.png", "turned.png"]
    file = coco(tmp_path / "boxes.json", names, [(i, 0, 0, 0, 9, 9) for i in range(8)])
    found, said = loaded(file)
    assert (len(found.train), len(found.test)) == (4, 1)
    text = "\n".join(said)
    for words in (
        f"1 images in {tmp_path} have no annotation and are not used, such as 5.png.",
        "1 of 7 annotated images are not in",
        "and are left out with 1 boxes, such as gone.png.",
        "1 images cannot be read and are left out: broken.png.",
        "1 images have another height and width than their annotation says and are left out, such as turned.png, "
        "(10, 20) against (20, 10).",
        "of 7 images, drawn by a fixed seed, are the test set.",
    ):
        assert words in text
    again, _ = loaded(file)
    np.testing.assert_array_equal(again.test["box"], found.test["box"])


def test_photographs_that_are_turned(tmp_path):
    """Boxes are of the pixels as they are stored, or upright: the size in the annotation says which."""
    exif = Image.Exif()
    exif[274] = 6  # upright it is 10 wide and 20 high
    photographs(tmp_path, ["a.jpg", "b.jpg"], exif=exif)
    for size, width in (((10, 20), 8), ((20, 10), 4)):
        boxes = [(i, 0, 0, 0, 5, 5) for i in range(2)]
        found, _ = loaded(coco(tmp_path / "boxes.json", ["a.jpg", "b.jpg"], boxes, size=size))
        assert (found.train["image"][0, 4, :, 0] > 180).sum() == width


def voc(folder, name, boxes, *, size=(10, 20)):
    annotations = data.Annotations(
        files=(name,),
        sizes=np.array([size]),
        class_names=("cat", "dog"),
        image=np.zeros(len(boxes), int),
        box=np.array([box for _, *box in boxes], float),
        label=np.array([kind for kind, *_ in boxes]),
        crowd=np.array([kind == 1 for kind, *_ in boxes]),
    )
    folder.mkdir(parents=True, exist_ok=True)
    data.write_voc(folder, annotations)


def test_voc_with_its_lists_and_difficult_ones(tmp_path):
    photographs(tmp_path / "JPEGImages", ["a.jpg", "b.jpg", "c.jpg"])
    for name in "abc":
        voc(tmp_path / "Annotations", f"{name}.jpg", [(0, 0, 0, 10, 10), (1, 10, 0, 20, 10)])
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a\nc\n")
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("b\n")
    found, said = loaded(tmp_path)
    assert said[1] == (
        "Boxes of each class, training + test: dog 0 + 0, cat 2 + 1. "
        "2 + 1 crowds, or difficult ones, are not learnt and count neither way."
    )
    assert (len(found.train), len(found.test), found.class_names) == (2, 1, ("cat", "dog"))
    assert found.test["box"].tolist() == [[[0, 2, 4, 6], [4, 2, 8, 6]]]
    assert found.test["box_crowd"].tolist() == [[False, True]]
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("x\n")
    with pytest.raises(DataError, match=r"val\.txt names no image that has an annotation"):
        data.boxed(tmp_path)


def test_what_the_lists_of_voc_leave_out_or_have_twice_is_said(tmp_path):
    photographs(tmp_path / "JPEGImages", [f"{name}.png" for name in "abcd"])
    (tmp_path / "Annotations").mkdir()
    boxes = data.Annotations(
        files=tuple(f"{name}.png" for name in "abcd"),
        sizes=np.tile([10, 20], (4, 1)),
        class_names=("cat",),
        image=np.arange(4),
        box=np.tile([1.0, 1.0, 9.0, 9.0], (4, 1)),
        label=np.zeros(4, int),
    )
    data.write_voc(tmp_path / "Annotations", boxes)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for name, words in (("train", "a c gone"), ("val", "b c")):
        (tmp_path / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(words.split()))
    found, said = loaded(tmp_path)
    assert (len(found.train), len(found.test)) == (2, 2)
    said = "\n".join(said)
    assert "train.txt: 1 of 3 images have no annotation and are left out, such as gone." in said
    assert "1 annotated images are in no list and are not used, such as d.png." in said
    assert "1 images are in both lists: those of the test set are trained on, such as c.png." in said
    assert "have no annotation and are not used" not in said


def test_voc_in_folders_of_splits_with_different_classes(tmp_path):
    photographs(tmp_path / "train", ["a.jpg"])
    photographs(tmp_path / "valid", ["b.jpg"])
    voc(tmp_path / "train", "a.jpg", [(1, 0, 0, 10, 10)])
    voc(tmp_path / "valid", "b.jpg", [(0, 0, 0, 10, 10)])
    found, _ = loaded(tmp_path)
    assert (found.train["box_label"].tolist(), found.test["box_label"].tolist()) == ([[1]], [[0]])
    assert found.class_names == ("cat", "dog")


@pytest.mark.parametrize("form", ["labels/train", "train/labels"])
def test_yolo(tmp_path, form):
    for split, name in (("train", "a"), ("val", "b")):
        labels = tmp_path / form.replace("train", split)
        labels.mkdir(parents=True)
        (labels / f"{name}.txt").write_text("1 0.5 0.5 1 1\n")
        (labels / "alone.txt").write_text("1 0.5 0.5 1 1\n")
        images = tmp_path / form.replace("train", split).replace("labels", "images")
        photographs(images, [f"{name}.jpg", "empty.jpg"])
    with pytest.raises(DataError, match=r"has no names of classes; allowed: data\.yaml"):
        data.boxed(tmp_path)
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")
    found, said = loaded(tmp_path)
    assert found.train["box"].tolist() == [[[0, 2, 8, 6]], [[0, 0, 0, 0]]]
    assert found.train["box_label"].tolist() == [[1], [0]]
    text = "\n".join(said)
    assert "1 .txt files have no image and are left out, such as alone.txt." in text
    assert "1 of 2 images have no .txt file: they have no box." in text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: coco(f / "boxes.json", ["a.png", "x.png", "y.png"], []), "3 images, of which 1 are in"),
        (lambda f: coco(f / "boxes.json", ["a.png", "b.png"], []), "training has no box that can be learnt"),
        (lambda f: [coco(f / f"coco_{n}.json", ["a.png"], []) for n in "xy"] and f, "has 2 .json files of boxes"),
        (lambda f: voc(f / "train", "c.png", [(0, 0, 0, 2, 2)]) or voc(f / "val", "d.png", [(0, 0, 0, 2, 2)]) or f,
         "training: 1 of 1 annotated images are not in"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on(tmp_path, make, words):
    photographs(tmp_path, ["a.png", "b.png"])
    with pytest.raises(DataError, match=words):
        data.boxed(make(tmp_path), size=8)


def test_two_splits_of_other_classes(tmp_path):
    for split, names in (("train", ("cat", "dog")), ("val", ("cat",))):
        photographs(tmp_path / split, ["a.png"])
        coco(tmp_path / split / "_annotations.coco.json", ["a.png"], [(0, 0, 0, 0, 5, 5)], categories=names)
    with pytest.raises(DataError, match="train has the classes cat, dog, test cat; allowed: the same"):
        data.boxed(tmp_path)


def test_folders_of_classes_stay_what_they_are(tmp_path):
    """A folder a class, with other files beside it, is no set of boxes."""
    for name in ("cat", "labels"):
        photographs(tmp_path / name, [f"{i}.png" for i in range(4)])
    (tmp_path / "settings.json").write_text("{}")
    assert "label" in data.load(str(tmp_path), size=8).train.columns
