"""Masks in files: run lengths against pycocotools, palettes, and images with masks of one's own."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxtricks import data, tasks
from jaxtricks.ablation import sources
from jaxtricks.data import DataError
from jaxtricks.data._masks import palette
from jaxtricks.data._outlines import polygon_mask
from tests.golden import make_masks as golden


@pytest.mark.parametrize("name", golden.MASKS)
def test_run_lengths_are_those_of_pycocotools(name):
    mask = golden.MASKS[name]()
    text = json.loads(golden.PATH.read_text())[name]
    assert data.encode_rle(mask) == {"size": list(mask.shape), "counts": text}
    for counts in (text, text.encode(), data.encode_rle(mask, compressed=False)["counts"]):
        np.testing.assert_array_equal(data.decode_rle({"size": mask.shape, "counts": counts}), mask)


@pytest.mark.parametrize("name", golden.POLYGONS)
def test_polygons_are_painted_as_by_pycocotools(name):
    polygons, size = golden.POLYGONS[name]
    assert data.encode_rle(polygon_mask(polygons, size=size))["counts"] == json.loads(golden.PATH.read_text())[name]


def test_polygons_by_hand():
    """A pixel is inside where its middle is: from 1 to 3 across are columns 1 and 2."""
    square = polygon_mask([[1, 0, 3, 0, 3, 2, 1, 2]], size=(3, 4))
    assert square.astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert polygon_mask([], size=(2, 2)).sum() == polygon_mask([[0, 0, 1, 0, 1, 1]], size=(0, 3)).sum() == 0
    for wrong, words in (([[0, 0, 1, 1]], "three points"), ([[0, 0, 1, 0, 1, float("nan")]], "not finite")):
        with pytest.raises(DataError, match=words):
            polygon_mask(wrong, size=(3, 3))


def test_run_lengths_by_hand():
    """Down the columns: 1 nothing, 2 of the object, 1 nothing, 2 of the object."""
    mask = np.array([[0, 0], [1, 1], [1, 1]], bool)
    assert data.encode_rle(mask, compressed=False) == {"size": [3, 2], "counts": [1, 2, 1, 2]}
    assert data.encode_rle(~mask, compressed=False)["counts"] == [0, 1, 2, 1, 2]
    assert data.encode_rle(np.zeros((0, 3), bool), compressed=False)["counts"] == []


@pytest.mark.parametrize(
    ("rle", "words"),
    [
        ({"size": [2, 2], "counts": [1, 2]}, "counts add up to 3; allowed: 4, the pixels of 2 x 2"),
        ({"size": [2, 2], "counts": [1, -1, 4]}, "allowed: integers of 0 or more"),
        ({"size": [2, 2], "counts": [1.0, 3]}, "allowed: integers of 0 or more"),
        ({"size": [2, 2], "counts": "\u20ac"}, "add up|allowed: COCO's text"),
        ({"size": [2, 2], "counts": "o"}, "cut off; allowed: COCO's text"),
        ({"size": [2, 2], "counts": "o" * 20}, "allowed: COCO's text"),
        ({"size": [2], "counts": []}, r"size is \[2\]; allowed: height and width"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "pixels in all"),
        ([[1.0, 2.0, 3.0]], "size is None"),
    ],
)
def test_what_is_no_run_length(rle, words):
    with pytest.raises(DataError, match=words):
        data.decode_rle(rle)


def test_the_palette_of_voc(tmp_path):
    """The first colours of VOC's own colour map, and white-ish 224, 224, 192 for what counts nothing."""
    assert palette()[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert palette()[[20, 255]].tolist() == [[0, 64, 128], [224, 224, 192]]
    mask = np.arange(256).reshape(16, 16)
    data.write_mask(tmp_path / "a.png", mask)
    np.testing.assert_array_equal(data.read_mask(tmp_path / "a.png"), mask)
    with Image.open(tmp_path / "a.png") as image:
        assert (image.mode, image.convert("RGB").getpixel((1, 0))) == ("P", (128, 0, 0))


def test_masks_of_other_kinds(tmp_path):
    Image.fromarray(np.array([[0, 7]], np.uint8)).save(tmp_path / "grey.png")
    assert data.read_mask(tmp_path / "grey.png").tolist() == [[0, 7]]
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "bits.png")
    assert data.read_mask(tmp_path / "bits.png").tolist() == [[0, 1]]
    Image.new("RGB", (2, 2)).save(tmp_path / "colours.png")
    (tmp_path / "text.png").write_text("no image")
    Image.new("L", (2, 2)).save(tmp_path / "photo.png", "JPEG")
    for name, words in (("colours", "has mode RGB; allowed: a palette"), ("text", "be read"), ("photo", "be read")):
        with pytest.raises(DataError, match=words):
            data.read_mask(tmp_path / f"{name}.png")
    for mask in (np.array([[256]]), np.array([[-1]]), np.array([[0.5]]), np.zeros((2, 2, 1), int)):
        with pytest.raises(DataError, match="mask is"):
            data.write_mask(tmp_path / "a.png", mask)


def photographs(folder, masks, *, kinds=("images", "masks"), ending="jpg"):
    for name, mask in masks.items():
        for kind in kinds:
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", mask.shape[::-1], (200, 0, 0)).save(folder / kinds[0] / f"{name}.{ending}")
        data.write_mask(folder / kinds[1] / f"{name}.png", mask)


def loaded(path, size=4):
    said = []
    return sources.load(str(path), size=size, images=None, say=said.append), said


WIDE = np.array([[0, 0, 1, 1, 2, 2, 255, 255]] * 4)  # 8 x 4: at 4 x 4 a pixel of each pair, a row above and below


def test_images_and_masks_of_ones_own(tmp_path):
    photographs(tmp_path, {"train/a": WIDE, "train/b": WIDE, "val/c": WIDE})
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    Image.new("RGB", (8, 4)).save(tmp_path / "images" / "train" / "alone.jpg")
    data.write_mask(tmp_path / "masks" / "val" / "lonely.png", WIDE)
    photographs(tmp_path, {"train/odd": WIDE})
    data.write_mask(tmp_path / "masks" / "train" / "odd.png", WIDE[:, :5])
    splits, said = loaded(tmp_path)
    assert (splits.shape, splits.classes, splits.class_names) == ((4, 4, 3), 2, ("cat", "dog"))
    assert (len(splits.train), len(splits.test)) == (2, 1)
    assert splits.test["mask"].tolist() == [[[255] * 4, [0, 1, 2, 255], [0, 1, 2, 255], [255] * 4]]
    assert splits.test["image"][0, :, 0, 0].tolist() == [114, 200, 200, 114]
    assert said == [
        "Images, training + test: 2 + 1, each brought to 4 x 4.",
        "Pixels of each class, training + test: background 33.3 + 33.3 %, cat 33.3 + 33.3 %, dog 33.3 + 33.3 %; "
        "62.5 + 62.5 % of all count nothing: the frame around images that are not square, and what the masks say by "
        "255.",
        f"{tmp_path}/images/train: 1 images have no mask of their name and are left out, such as alone.jpg.",
        f"{tmp_path}/images/val: 1 masks have no image of their name and are left out, such as lonely.png.",
        f"{tmp_path}, training: 1 images cannot be read, or have another height and width than their mask, and are "
        "left out: odd.jpg.",
    ]


def test_masks_of_0_and_255_are_those_of_one_class(tmp_path):
    """As many programs write them; by VOC's rule all of the object would count nothing, without a word."""
    photographs(tmp_path, {name: np.array([[0, 255]] * 4) for name in "abcde"}, ending="png")
    splits, said = loaded(tmp_path)
    assert (splits.classes, len(splits.train), len(splits.test)) == (1, 4, 1)
    assert splits.test["mask"].tolist() == [[[255, 0, 1, 255]] * 4]
    assert any("hold 0 and 255 alone, which is taken for class 1" in line for line in said)


def test_the_folders_of_voc(tmp_path):
    photographs(tmp_path, {name: WIDE for name in "abc"}, kinds=("JPEGImages", "SegmentationClass"))
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nc\nx\n")
    (lists / "val.txt").write_text("b\n")
    splits, _ = loaded(tmp_path)
    assert (len(splits.train), len(splits.test), splits.classes) == (2, 1, 2)


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({"a": WIDE}, "has one image with a mask; allowed: two or more"),
        (dict.fromkeys("ab", 0 * WIDE), "the training masks have no pixel of a class"),
        (dict.fromkeys("ab", 9 * (WIDE == 1)), "the masks have the numbers 9; allowed: 1 to C, or names"),
    ],
)
def test_masks_that_cannot_be_trained_on(tmp_path, masks, words):
    photographs(tmp_path, masks)
    with pytest.raises(DataError, match=words):
        data.masked(tmp_path, size=4)


def test_grey_levels_of_a_smoothed_mask_are_no_classes(tmp_path):
    photographs(tmp_path, dict.fromkeys("ab", np.arange(256).reshape(16, 16)))
    with pytest.raises(DataError, match=r"the masks have the numbers 1, 2, .*; allowed: 1 to C, or names of all"):
        data.masked(tmp_path, size=16)


def test_names_do_not_begin_with_the_background(tmp_path):
    photographs(tmp_path, dict.fromkeys("ab", WIDE))
    (tmp_path / "classes.txt").write_text("_background_\ncat\ndog\n")
    with pytest.raises(DataError, match="begins with '_background_'; allowed: the name of class 1"):
        data.masked(tmp_path, size=4)


def test_endings_of_files(tmp_path):
    """Capitals are no other form; of two images of one name one is used, which is said."""
    photographs(tmp_path, dict.fromkeys("abc", WIDE))
    for name in "abc":
        (tmp_path / "masks" / f"{name}.png").rename(tmp_path / "masks" / f"{name}.PNG")
    Image.new("RGB", (8, 4)).save(tmp_path / "images" / "a.bmp")
    splits, said = loaded(tmp_path)
    assert (splits.classes, len(splits.train) + len(splits.test)) == (2, 3)
    assert any(
        "1 images have the name of another one but for the ending and are left out, such as" in line for line in said
    )


def test_a_class_beyond_the_names(tmp_path):
    photographs(tmp_path, dict.fromkeys("ab", WIDE))
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(DataError, match="a mask has 2; allowed: 0 to 1, the names, and 255"):
        data.masked(tmp_path, size=4)


def test_what_counts_nothing_changes_neither_loss_nor_metric():
    """Predictions differ in the ignored pixels alone; and a right prediction of the others is a mIoU of 1."""
    task = tasks.segmentation(3)
    mask = jnp.array([[[0, 1], [2, 255]]], jnp.uint8)
    right = 30 * jax.nn.one_hot(jnp.array([[[0, 1], [2, 0]]]), 3)
    other = right.at[0, 1, 1].set(jnp.array([0.0, 0.0, 50.0]))
    batch = task.encode({"mask": mask, "row_valid": jnp.ones(1, bool)})
    assert not batch["target"][0, 1, 1].any()
    for name in ("mIoU", "pixel accuracy"):
        metric = task.metrics[name]
        parts = [jax.tree.map(np.asarray, metric.part((out, {}), batch)) for out in (right, other)]
        jax.tree.map(partial(np.testing.assert_array_equal), *parts)
        assert metric.compute(metric.update(metric.init(), parts[0])) == 1.0


LEFT, ALL = [0, 0, 4, 0, 4, 4, 0, 4], [0, 0, 8, 0, 8, 4, 0, 4]  # of an image of 8 x 4


def outlined(folder, name, objects, *, size=(4, 8), said=(4, 8)):
    """A COCO file of one image; objects are category, segmentation and what else the annotation has."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (200, 0, 0)).save(folder / f"{name}.png")
    image = {"id": 7, "file_name": f"{name}.png"} | ({"height": said[0], "width": said[1]} if said else {})
    rows = [{"image_id": 7, "category_id": kind, "segmentation": one, **more} for kind, one, more in objects]
    kinds = [{"id": 5, "name": "dog"}, {"id": 3, "name": "cat"}]
    content = {"images": [image], "categories": kinds, "annotations": rows}
    (folder / "annotations.json").write_text(json.dumps(content))


def painted(tmp_path, objects, **options):
    """The four columns of the first row that the image has in a square of 4."""
    outlined(tmp_path / "train", "a", objects, **options)
    outlined(tmp_path / "val", "b", [(3, [LEFT], {})])
    said = []
    splits = sources.load(str(tmp_path), size=4, images=None, say=said.append, masks=True)
    assert (splits.classes, splits.class_names) == (2, ("cat", "dog"))
    assert splits.test["mask"].tolist() == [[[255] * 4, [1, 1, 0, 0], [1, 1, 0, 0], [255] * 4]]
    return splits.train["mask"][0, 1].tolist(), [line for line in said if "annotations" in line]


RUNS = {"size": [4, 8], "counts": [8, 8, 16]}  # the third and fourth column


@pytest.mark.parametrize("said", [(4, 8), None])
def test_outlines_of_a_coco_file(tmp_path, said):
    """Of what overlaps the smallest is in front, in whatever order; run lengths and polygons may stand side by side."""
    assert painted(tmp_path, [(5, [LEFT], {}), (3, [ALL], {})], said=said) == ([2, 2, 1, 1], [])
    text = data.encode_rle(data.decode_rle(RUNS))
    assert painted(tmp_path, [(3, RUNS, {}), (5, [ALL], {})])[0] == [2, 1, 2, 2]
    assert painted(tmp_path, [(3, text, {}), (5, [LEFT], {})])[0] == [2, 1, 0, 0]
    assert painted(tmp_path, [(5, [[0, 0, 2, 0, 2, 4, 0, 4], [6, 0, 8, 0, 8, 4, 6, 4]], {})])[0] == [2, 0, 0, 2]


def test_a_coco_file_may_be_named_itself(tmp_path):
    for name in "ab":
        outlined(tmp_path / name, name, [(5, [LEFT], {})])
    parts = [json.loads((tmp_path / name / "annotations.json").read_text()) for name in "ab"]
    (tmp_path / "b" / "b.png").rename(tmp_path / "a" / "b.png")
    parts[0]["images"] += [parts[1]["images"][0] | {"id": 8}]
    parts[0]["annotations"] += [parts[1]["annotations"][0] | {"image_id": 8}]
    file = tmp_path / "a" / "annotations.json"
    file.write_text(json.dumps(parts[0]))
    found = data.load(str(file), size=4, masks=True)
    assert (len(found.train), found.class_names) == (1, ("cat", "dog"))
    for one in parts[0]["annotations"]:
        one |= {"segmentation": [], "bbox": [0, 0, 4, 4]}
    file.write_text(json.dumps(parts[0]))
    with pytest.raises(data.DataError, match=r"holds no outline of an object; .* experiments\.detect --data .*\.json$"):
        data.load(str(file), size=4, masks=True)


def test_what_has_no_outline_counts_nothing(tmp_path):
    """A crowd, a box alone, a class without a name, fewer than three points: none is background; each is counted."""
    crowd = (3, [ALL], {"iscrowd": 1})
    mask, said = painted(tmp_path, [(5, [LEFT], {}), crowd])
    assert mask == [2, 2, 255, 255]
    assert said[0].endswith("1 annotations are crowds, which count nothing.")
    for bare in ([], None, [[0, 0, 1, 1]], [[0, 0, 4, 0, 4, None]], [[]]):
        mask, said = painted(tmp_path, [(5, [LEFT], {}), (3, bare, {"bbox": [4.5, 0, 3, 4]})])
        assert mask == [2, 2, 255, 255]
        assert said[0].endswith("1 annotations have no outline that can be painted; their boxes count nothing.")
    mask, said = painted(tmp_path, [(5, [LEFT], {}), (8, [ALL], {})])
    assert mask == [2, 2, 255, 255]
    assert said[0].endswith("1 annotations are of a class without a name and count nothing.")


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([(3, [["0", 0, 1, 0, 1, 1]], {})], "annotation 0 has segmentation .*; allowed: polygons, or run lengths"),
        ([(3, LEFT, {})], "allowed: polygons, or run lengths"),
        ([(3, "text", {})], "allowed: polygons, or run lengths"),
        ([(3, {"size": [4, 4], "counts": [8, 8]}, {})], r"a.png: run lengths of \(4, 4\); allowed: \(4, 8\)"),
        ([(3, {"size": [4, 8], "counts": [8]}, {})], "a.png: counts add up to 8; allowed: 32"),
        ([(3, [], {"bbox": [0, 0, 1, 1]})], "the training masks have no pixel of a class"),
    ],
)
def test_outlines_that_cannot_be_read(tmp_path, objects, words):
    with pytest.raises(DataError, match=words):
        painted(tmp_path, objects)


def test_boxes_and_masks_of_one_file(tmp_path):
    """``masks`` says which of them an experiment reads; of VOC's folders, too."""
    objects = [(3, [LEFT], {"bbox": [0, 0, 4, 4]})]
    for split, name in (("train", "a"), ("val", "b")):
        outlined(tmp_path / split, name, objects)
    columns = {masks: sorted(data.load(str(tmp_path), size=4, masks=masks).train.columns) for masks in (None, True)}
    assert columns == {None: ["box", "box_label", "box_valid", "image"], True: ["image", "mask"]}
    photographs(tmp_path / "voc", dict.fromkeys("ab", WIDE), kinds=("JPEGImages", "SegmentationClass"))
    boxes = data.Annotations(
        files=("a.jpg", "b.jpg"),
        sizes=np.array([[4, 8]] * 2),
        class_names=("cat",),
        image=np.array([0, 1]),
        box=np.array([[0.0, 0, 4, 4]] * 2),
        label=np.array([0, 0]),
    )
    (tmp_path / "voc" / "Annotations").mkdir()
    data.write_voc(tmp_path / "voc" / "Annotations", boxes)
    columns = {
        m: "mask" in data.load(str(tmp_path / "voc"), size=4, masks=m).train.columns for m in (None, True, False)
    }
    assert columns == {None: True, True: True, False: False}
