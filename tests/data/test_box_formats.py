"""Boxes in files: three forms read and written, values by hand, round trips, what is refused and what is counted."""

import json
from dataclasses import replace

import numpy as np
import pytest

from jaxtricks import data
from jaxtricks.data import DataError

COCO = {
    "images": [
        {"id": 7, "file_name": "a.jpg", "height": 40, "width": 60},
        {"id": 3, "file_name": "in/b.jpg", "height": 50, "width": 50},
    ],
    "categories": [{"id": 90, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 90, "bbox": [10.1, 20.2, 5.3, 6.07], "area": 21.5, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 60, 40], "area": 2400, "iscrowd": 1},
        {"id": 4, "image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 4]},
        {"id": 5, "image_id": 3, "category_id": 2, "keypoints": []},
    ],
}
VOC = """<annotation><filename>a.jpg</filename><size><width>60</width><height>40</height><depth>3</depth></size>
<object><name>dog</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>60</xmax><ymax>40</ymax></bndbox>
</object><object><name>cat</name><bndbox><ymax>8</ymax><ymin>3</ymin><xmin>2</xmin><xmax>4</xmax></bndbox></object>
</annotation>"""


def coco(tmp_path, **changes):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(COCO | changes))
    return path


def same(first, second, *names):
    for name in names:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_coco_by_hand(tmp_path):
    found = data.read_coco(coco(tmp_path))
    assert (found.files, found.class_names) == (("a.jpg", "in/b.jpg"), ("dog", "cat"))  # by their ids
    assert (found.image_ids, found.class_ids) == ((7, 3), (2, 90))
    assert found.sizes.tolist() == [[40, 60], [50, 50]]
    assert found.image.tolist() == [1, 0, 1]
    assert found.label.tolist() == [1, 0, 0]
    np.testing.assert_allclose(found.box, [[10.1, 20.2, 15.4, 26.27], [0, 0, 60, 40], [1, 2, 4, 6]])
    assert found.area.tolist() == [21.5, 2400, 12]  # of the outline, where it is said
    assert found.crowd.tolist() == [False, True, False]
    assert found.notes == ("1 annotations have no box and are left out.",)


def test_coco_comes_back_to_its_two_decimals(tmp_path):
    found = data.read_coco(coco(tmp_path))
    data.write_coco(tmp_path / "again.json", found)
    again = data.read_coco(tmp_path / "again.json")
    same(
        found,
        again,
        "files",
        "sizes",
        "class_names",
        "image",
        "box",
        "label",
        "crowd",
        "area",
        "image_ids",
        "class_ids",
    )
    written = json.loads((tmp_path / "again.json").read_text())
    assert written["images"] == COCO["images"]
    assert [row["bbox"] for row in written["annotations"]] == [row["bbox"] for row in COCO["annotations"][:3]]
    assert [row["id"] for row in written["annotations"]] == [1, 2, 3]  # not 0, which pycocotools takes for no match


def test_voc_by_hand_and_back(tmp_path):
    (tmp_path / "a.xml").write_text(VOC)
    found = data.read_voc(tmp_path)
    assert (found.files, found.class_names, found.sizes.tolist()) == (("a.jpg",), ("cat", "dog"), [[40, 60]])
    assert found.box.tolist() == [[0, 0, 60, 40], [1, 2, 4, 8]]  # the first pixel is 1, the last one belongs to it
    assert (found.label.tolist(), found.crowd.tolist()) == ([1, 0], [True, False])
    assert data.read_voc(tmp_path, first=0).box.tolist() == [[1, 1, 60, 40], [2, 3, 4, 8]]
    assert data.read_voc(tmp_path, class_names=["dog"]).label.tolist() == [0, -1]
    (tmp_path / "out").mkdir()
    for first in (0, 1):
        data.write_voc(tmp_path / "out", found, first=first)
        again = data.read_voc(tmp_path / "out", first=first)
        same(found, again, "files", "sizes", "class_names", "image", "box", "label", "crowd")
    assert "<xmin>1</xmin>" in (tmp_path / "out" / "a.xml").read_text()


def test_yolo_by_hand_and_back(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "a.txt").write_text("1 0.5 0.25 0.5 0.5\n\n0 0.1 0.2 0.3 0.2 0.2 0.6\n")
    given = {"files": ["a.jpg", "in/b.png"], "sizes": [(40, 60), (50, 50)], "class_names": ["cat", "dog"]}
    found = data.read_yolo(tmp_path, **given)
    np.testing.assert_allclose(found.box, [[15, 0, 45, 20], [6, 8, 18, 24]])  # an outline is the box around it
    assert (found.label.tolist(), found.image.tolist()) == ([1, 0], [0, 0])
    assert found.notes == (
        "1 of 2 images have no .txt file: they have no box.",
        "1 of 2 boxes are those of outlines.",
    )
    (tmp_path / "out").mkdir()
    data.write_yolo(tmp_path / "out", found)
    assert (tmp_path / "out" / "a.txt").read_text().splitlines()[0] == "1 0.500000 0.250000 0.500000 0.500000"
    assert (tmp_path / "out" / "in" / "b.txt").read_text() == ""
    again = data.read_yolo(tmp_path / "out", **given)
    np.testing.assert_allclose(again.box, found.box, atol=60e-6)  # half of the last decimal, of centre and of extent
    same(found, again, "label", "image", "files", "class_names")
    data.write_yolo(tmp_path / "out", again)
    same(again, data.read_yolo(tmp_path / "out", **given), "box")


def test_one_form_into_another(tmp_path):
    found = data.read_coco(coco(tmp_path))
    whole = replace(found, box=np.round(found.box))
    (tmp_path / "voc").mkdir()
    data.write_voc(tmp_path / "voc", whole)
    again = data.read_voc(tmp_path / "voc", class_names=whole.class_names)
    for number, name in enumerate(again.files):
        np.testing.assert_array_equal(
            again.box[again.image == number], whole.box[whole.image == whole.files.index(name)]
        )


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("classes.txt", "cat\nsea lion\n", ("cat", "sea lion")),
        ("data.yaml", "train: x\nnames: ['cat', \"sea lion\"]  # two\nnc: 2\n", ("cat", "sea lion")),
        ("data.yaml", "names: ['cat, sitting', it's, \"a, b\",]\n", ("cat, sitting", "it's", "a, b")),
        ("data.yaml", "names:\n  - cat\n  - sea lion\nnc: 2\n", ("cat", "sea lion")),
        ("data.yaml", "names:\n  1: sea lion\n  0: cat\n", ("cat", "sea lion")),
        ("data.yaml", "names: [\n  cat,\n  sea lion\n]\n", ("cat", "sea lion")),
        ("data.yaml", "names:\n  1: cat\n", "has the classes"),
        ("data.yaml", "nc: 2\n", "has no names"),
        ("data.yaml", "names: {0: cat}\n", "has names: {0: cat}"),
        ("classes.txt", "\n", "has no name of a class"),
    ],
)
def test_names_of_classes(tmp_path, name, text, names):
    (tmp_path / name).write_text(text)
    if isinstance(names, str):
        with pytest.raises(DataError, match=names):
            data.read_names(tmp_path / name)
    else:
        assert data.read_names(tmp_path / name) == names


BAD = {
    "good": [1, 1, 5, 5],
    "over the border": [55, 30, 70, 45],
    "without an area": [5, 5, 5, 9],
    "inverted": [9, 9, 5, 12],
    "not finite": [np.nan, 1, 2, 3],
    "infinite": [0, 0, np.inf, 3],
    "outside of the image": [61, 1, 70, 3],
    "of a class without a name": [2, 2, 4, 4],
}


def bad(**changes):
    many = len(BAD)
    given = {
        "files": ("a", "b"),
        "sizes": np.array([[40, 60], [40, 60]]),
        "class_names": ("cat",),
        "image": np.zeros(many, int),
        "box": np.array(list(BAD.values())),
        "label": np.array([0] * (many - 1) + [1]),
    }
    return data.Annotations(**(given | changes))


def test_what_cannot_be_learnt_is_counted():
    columns, notes = bad().columns()
    assert columns["box"].dtype == np.float32
    assert columns["box"].tolist() == [[[1, 1, 5, 5], [55, 30, 60, 40]], [[0] * 4] * 2]
    assert columns["box_valid"].tolist() == [[True, True], [False, False]]
    assert notes == (
        "6 of 8 boxes are left out: 1 of a class without a name, 2 not finite, 1 inverted, 1 without an area, "
        "1 outside of the image.",
        "1 of 8 boxes reach over the border of their image and are cut to it.",
        "1 of 2 images have no box; all of each is background.",
    )
    assert bad(sizes=np.zeros((2, 2), int)).columns()[0]["box_valid"].sum() == 3  # where nobody knows the border


def test_more_boxes_than_places_are_counted_and_the_largest_kept():
    box = np.array([[0, 0, 1, 1], [0, 0, 9, 9], [0, 0, 2, 2], [0, 0, 3, 3.0]])
    crowded = bad(box=box, label=np.zeros(4, int), image=np.array([0, 0, 0, 1]))
    columns, notes = crowded.columns(boxes=2)
    assert columns["box"][..., 2].tolist() == [[9, 2], [3, 0]]
    assert notes == ("1 of 4 boxes are left out: 1 images have more than 2; the largest are kept.",)
    assert crowded.columns()[0]["box"][..., 2].tolist() == [[1, 9, 2], [3, 0, 0]]  # in the order of the file
    with pytest.raises(ValueError, match="boxes is 0; allowed"):
        crowded.columns(boxes=0)


def test_no_boxes_at_all():
    nothing = bad(box=np.zeros((0, 4)), label=np.zeros(0, int), image=np.zeros(0, int))
    columns, notes = nothing.columns()
    assert columns["box"].shape == (2, 1, 4)
    assert not columns["box_valid"].any()
    assert notes == ("2 of 2 images have no box; all of each is background.",)


@pytest.mark.parametrize("images", [[0, 0], [2], [-1], [True, False], [0.0], 1])
def test_images_that_are_none(images):
    with pytest.raises(DataError, match=r"images is .*; allowed: integers of 0 to 1, each once"):
        bad().take(np.array(images))


def test_some_of_the_images():
    assert bad().take(np.array([])).files == ()
    some = bad(image=np.array([1] * 7 + [0])).take(np.array([1]))
    assert (some.files, some.image_ids, len(some.box)) == (("b",), (2,), 7)
    assert some.image.tolist() == [0] * 7


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": []}, "has no images; allowed"),
        ({"categories": []}, "has no categories; allowed"),
        ({"images": 3}, "has no list of images"),
        ({"annotations": [{"image_id": 5, "bbox": [1, 2, 3, 4]}]}, "annotation 0 is of image 5; allowed: an id"),
        ({"annotations": [{"image_id": [7], "bbox": [1, 2, 3, 4]}]}, r"annotation 0 is of image \[7\]; allowed: an id"),
        ({"annotations": [{"image_id": 7, "bbox": [1, 2, 3]}]}, r"has bbox \[1, 2, 3\]; allowed: four numbers"),
        ({"annotations": [{"image_id": 7, "bbox": [1, 2, 3, "4"]}]}, "has '4'; allowed: numbers"),
        ({"categories": [{"id": 1}, {"id": 1}]}, "categories have the id 1; allowed: an integer, each once"),
        ({"images": [{"id": 1, "file_name": "../../etc/passwd"}]}, "passwd'; allowed: the name of a file within"),
        ({"images": [{"id": 1, "file_name": "/etc/passwd"}]}, "allowed: the name of a file within"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}]}, "has a as two images"),
        ({"annotations": COCO["annotations"][:1] * 2}, "annotations have the id 1 twice; allowed: each once"),
        ({"annotations": [COCO["annotations"][0] | {"iscrowd": "0"}]}, "has iscrowd '0'; allowed: 0 or 1"),
    ],
)
def test_what_is_no_coco(tmp_path, changes, words):
    with pytest.raises(DataError, match=words):
        data.read_coco(coco(tmp_path, **changes))


def test_coco_with_numbers_that_are_none(tmp_path):
    first = '{"image_id": 7, "category_id": 2, "bbox": [NaN, 0, 1e999, null]}'
    rows = f'[{first}, {{"image_id": 7, "category_id": [], "bbox": [0, 0, 1, 1]}}]'
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(COCO | {"annotations": 0}).replace('"annotations": 0', f'"annotations": {rows}'))
    found = data.read_coco(path)
    _, notes = found.columns()
    assert notes[0] == "2 of 2 boxes are left out: 1 of a class without a name, 1 not finite."
    with pytest.raises(DataError, match="box or area is not finite"):
        data.write_coco(path, found)
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="is no JSON"):
        data.read_coco(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="is no UTF-8"):
        data.read_coco(path)


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><annotation><filename>&c;</filename></annotation>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "has a document type; allowed: XML without one"),
        (BOMB.replace("a [", 'a SYSTEM "file:///etc/passwd" ['), "has a document type"),
        (BOMB.encode("utf-16"), "is no UTF-8"),
        ("<annotation>", "is no XML"),
        ("<html/>", "has the root 'html'"),
        ("<annotation/>", "filename is None; allowed: the name of a file"),
        (VOC.replace("a.jpg", "../a.jpg"), "allowed: the name of a file within"),
        (VOC.replace("<xmin>2</xmin>", ""), "has an object without a name or a box"),
        (VOC.replace("<xmin>2</xmin>", "<xmin>two</xmin>"), "has a corner 'two'; allowed: numbers"),
    ],
)
def test_what_is_no_voc(tmp_path, text, words):
    (tmp_path / "a.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=words):
        data.read_voc(tmp_path)


def test_more_that_is_no_voc(tmp_path):
    with pytest.raises(DataError, match=r"gone\.xml is no file"):
        data.read_voc([tmp_path / "gone.xml"])
    with pytest.raises(DataError, match=r"has no \.xml file"):
        data.read_voc(tmp_path)
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text(VOC)
    with pytest.raises(DataError, match=r"two \.xml files are of a\.jpg"):
        data.read_voc(tmp_path)
    with pytest.raises(ValueError, match="first is 2; allowed: 0, 1"):
        data.read_voc(tmp_path, first=2)


@pytest.mark.parametrize("text", ["0 0.1 0.1 0.1", "0 0.1 0.1 0.1 0.1 0.9", "cat 0.1 0.1 0.1 0.1", "0 a 0.1 0.1 0.1"])
def test_what_is_no_yolo(tmp_path, text):
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{text}\n")
    with pytest.raises(DataError, match=r"a\.txt, line 2"):
        data.read_yolo(tmp_path, files=["a.jpg"], sizes=[(40, 60)], class_names=["cat"])


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="label is 1; allowed: 0 to 0"):
        data.write_coco(tmp_path / "a.json", bad(box=np.ones((8, 4))))
    with pytest.raises(DataError, match="label is 1; allowed: 0 to 0"):
        data.write_voc(tmp_path, bad())
    with pytest.raises(DataError, match="sizes of a is 0 x 0"):
        data.write_yolo(tmp_path, bad(sizes=np.zeros((2, 2), int)))
    two = bad(files=("a.jpg", "a.png"), sizes=np.full((2, 2), 9), label=np.zeros(8, int))
    with pytest.raises(DataError, match="two images are a; allowed: different names"):
        data.write_yolo(tmp_path, two)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["image", "label"])
def test_places_and_labels_are_integers(name):
    with pytest.raises(DataError, match=f"{name} has dtype float64; allowed: integers"):
        bad(**{name: np.zeros(8)})
