"""Detectors and segmenters in one folder: what is loaded says the boxes and masks of the task, in a file's pixels."""

import csv
import io
import json
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from jax import export as jax_export
from PIL import Image, ImageColor, ImageOps

import jaxtricks as jt
from jaxtricks import __main__ as command
from jaxtricks import data, models, portable, tasks
from jaxtricks.ablation import apply
from jaxtricks.ablation.saved import predictions
from jaxtricks.portable._printed import COLOURS
from jaxtricks.portable._views import boxes_in, mask_in
from jaxtricks.train import build_constants, build_model
from jaxtricks.tricks import detecting, detector, segmenting
from jaxtricks.tricks.detector_rows import EVERYTHING

RANDOM = np.random.default_rng(3)
SIZE = 32
BODY = partial(models.resnet, models.Layout((1, 1), (8, 8), bottleneck=False, stem=(3, 2), pool=False))
ROWS = {
    "image": RANDOM.integers(0, 256, (6, SIZE, SIZE, 3)).astype(np.uint8),
    "box": np.tile(np.array([[4, 4, 16, 20]], np.float32), (6, 1, 1)),
    "box_label": np.arange(6, dtype=np.int32)[:, None] % 2,
    "box_valid": np.ones((6, 1), bool),
}
BOXES = replace(data.from_columns("boxes", ROWS, ROWS, classes=2), class_names=("red", "blue"))
MASKED = {"image": ROWS["image"], "mask": RANDOM.integers(0, 3, (6, SIZE, SIZE)).astype(np.uint8)}
MASKS = replace(data.from_columns("masks", MASKED, MASKED, classes=2), class_names=("red", "blue"))
PLAN = {"taps": ("stage1", "stage2"), "strides": (2, 4), "scales": (3.0,), "width": 8, "depth": 1, "most": 5}
GIVEN = {"augmented": None, "model": BODY, "lr": 0.01, "batch": 2, "epochs": 1.0}


def of_boxes(**changes):
    recipe = detecting.baseline(task=detecting.task_for(BOXES), **GIVEN)
    return detector.changed(recipe, size=(SIZE, SIZE), **(PLAN | changes))


def of_masks():
    recipe = segmenting.baseline(task=segmenting.task_for(MASKS), **GIVEN)
    return replace(recipe, model=partial(segmenting.network, backbone=BODY, taps=("stage2",)))


def saved(folder, recipe, dataset):
    """The network of fresh weights, saved and loaded, and the output of the recipe's own model."""
    variables = build_model(recipe, dataset).init(jax.random.key(1))
    portable.save(folder, recipe=recipe, dataset=dataset, variables=variables)
    fitted = build_constants(recipe, dataset)["preprocess"]
    ready = jax.vmap(partial(recipe.preprocess[1], fitted))(ROWS["image"] / np.float32(255))
    return jt.load(folder), build_model(recipe, dataset).apply(*variables, ready, train=False)[0]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    recipe = of_boxes()
    return recipe, *saved(tmp_path_factory.mktemp("boxes") / "model", recipe, BOXES)


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("masks") / "model", of_masks(), MASKS)


@pytest.fixture
def photographs(tmp_path):
    """A wide and a tall image, the second in a folder of its own."""
    (tmp_path / "photos" / "tall").mkdir(parents=True)
    Image.fromarray(RANDOM.integers(0, 256, (48, 96, 3)).astype(np.uint8)).save(tmp_path / "photos" / "wide.png")
    Image.fromarray(RANDOM.integers(0, 256, (100, 25, 3)).astype(np.uint8)).save(tmp_path / "photos" / "tall" / "t.jpg")
    return tmp_path / "photos"


def test_a_saved_detector_finds_what_its_task_counts(found):
    recipe, network, out = found
    assert network.kind == "boxes"
    assert network.class_names == ("red", "blue")
    said = network.predict(ROWS["image"])
    expected = detector.predictions(out, ROWS, plan=recipe.model.keywords["plan"])
    np.testing.assert_array_equal(said.output["valid"], expected["valid"])
    assert said.output["valid"].any()
    for name, same in {"boxes": "boxes", "scores": "scores", "classes": "labels"}.items():
        there = said.output["valid"]
        np.testing.assert_allclose(said.output[name][there], expected[same][there], rtol=1e-3, atol=1e-3)
        assert not said.output[name][~there].any()
    for number, one in enumerate(said.boxes):  # an array is its own image
        assert (np.diff(one.scores) <= 0).all()
        assert one.names == tuple(network.class_names[c] for c in one.classes)
        valid = said.output["valid"][number]
        np.testing.assert_allclose(np.sort(one.scores), np.sort(said.output["scores"][number][valid]))
    assert (said.probabilities, said.classes, said.names, said.masks) == (None,) * 4


def test_boxes_of_files_are_in_the_pixels_of_the_files(found, photographs):
    _, network, _ = found
    files = [photographs / "wide.png", photographs / "tall" / "t.jpg"]
    pixels = network.read(files)
    assert (pixels[0, :8] == 114).all()  # 48 x 96 lies in rows 8 to 23
    assert (pixels[0, 24:] == 114).all()
    assert not (pixels[0, 8:24] == 114).all()
    inside = network.predict(pixels).boxes
    for file, of_file, of_view in zip(files, network.predict(files).boxes, inside, strict=True):
        with Image.open(file) as image:
            width, height = image.size
        wanted = boxes_in(of_view.xyxy, (height, width), (SIZE, SIZE))
        kept = (wanted[:, 2:] > wanted[:, :2]).all(-1)
        np.testing.assert_allclose(of_file.xyxy, wanted[kept], atol=1e-3)
        assert (of_file.xyxy >= 0).all()
        assert (of_file.xyxy[:, 2] <= width).all()
        assert (of_file.xyxy[:, 3] <= height).all()


def test_the_way_back_from_the_letterbox_by_hand():
    boxes = np.array([[0, 8, 32, 24], [8, 12, 16, 20], [4, 0, 8, 6], [0, 0, 16, 16]], np.float32)
    wanted = [
        [0, 0, 96, 48],
        [24, 12, 48, 36],
        [12, 0, 24, 0],
        [0, 0, 48, 24],
    ]  # times 3, rows from 8; the third is grey
    np.testing.assert_allclose(boxes_in(boxes, (48, 96), (32, 32)), wanted)
    tall = boxes_in(np.array([[12, 0, 20, 32]], np.float32), (100, 25), (32, 32))
    np.testing.assert_allclose(tall, [[0, 0, 25, 100]])
    np.testing.assert_allclose(boxes_in(boxes[1:2], (10, 40), (16, 64)), [[5, 7.5, 10, 10]])  # no square: times 5 / 8
    mask = np.zeros((32, 32), np.uint8)
    mask[8:16, :16], mask[:8], mask[24:] = 2, 7, 7
    back = mask_in(mask, (48, 96))
    assert back.shape == (48, 96)
    assert (back[:24, :48] == 2).all()
    assert np.unique(back).tolist() == [0, 2]
    assert (back == 2).sum() == 24 * 48


ACTING = ("anchor-free, centre-ness", "peaks of a heat map", "soft-NMS, linear", "DIoU-NMS", "box voting")


@pytest.mark.parametrize("name", [*ACTING, "mirrored view, fused", "larger view, fused"])
def test_every_form_of_a_detector_can_be_saved(name, tmp_path):
    recipe = apply(of_boxes(), (name,), EVERYTHING)
    network, out = saved(tmp_path / "model", recipe, BOXES)
    expected = detector.answer(out, plan=recipe.model.keywords["plan"])
    said = network.predict(ROWS["image"][:3]).output  # three of them, whatever their number when it was saved
    np.testing.assert_array_equal(said["valid"], expected["valid"][:3])
    np.testing.assert_allclose(said["scores"], expected["scores"][:3], rtol=1e-3, atol=1e-4)


def test_the_command_prints_boxes(found, photographs, capsys):
    _, network, _ = found
    command.main(["predict", str(network.folder), str(photographs), "--form", "json"])
    rows = json.loads(capsys.readouterr().out)
    files = [photographs / "tall" / "t.jpg", photographs / "wide.png"]
    assert [row["image"] for row in rows] == list(map(str, files))
    said = network.predict(files).boxes
    for row, one in zip(rows, said, strict=True):
        assert [box["class"] for box in row["boxes"]] == list(one.names)
        got = [[box[side] for side in ("left", "top", "right", "bottom")] for box in row["boxes"]]
        np.testing.assert_allclose(np.reshape(got, (-1, 4)), one.xyxy, atol=0.051)
    command.main(["predict", str(network.folder), str(files[1]), "--form", "csv", "--top", "2"])
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(table[0]) == ["image", "class", "score", "left", "top", "right", "bottom"]
    assert len(table) == 2
    command.main(["predict", str(network.folder), str(files[1])])
    words = capsys.readouterr().out.splitlines()[0].split("  ")
    assert words[:2] == [str(files[1]), said[1].names[0]]
    assert float(words[2]) == pytest.approx(said[1].scores[0], abs=1e-4)
    assert len(words) == 7
    for form, nothing in (("text", f"{files[1]}  no box\n"), ("csv", f"{files[1]},,,,,,\n")):
        command.main(["predict", str(network.folder), str(files[1]), "--score", "1", "--form", form])
        assert capsys.readouterr().out.endswith(nothing)


def test_the_command_draws_the_boxes_that_it_prints(found, photographs, capsys, tmp_path):
    _, network, _ = found
    command.main(
        ["predict", str(network.folder), str(photographs), "--form", "json", "--draw", str(tmp_path), "--top", "1"]
    )
    out, err = capsys.readouterr()
    assert err == f"2 pictures: {tmp_path}\n"
    for row, place in zip(json.loads(out), ("tall/t.png", "wide.png"), strict=True):
        (box,) = row["boxes"]
        with Image.open(row["image"]) as image, Image.open(tmp_path / place) as drawn:
            assert drawn.size == ImageOps.exif_transpose(image).size
            pixels = np.asarray(drawn)
        colour = ImageColor.getrgb(COLOURS[network.class_names.index(box["class"])])
        rows, columns = np.nonzero((pixels == colour).all(-1))
        if box["bottom"] - box["top"] > 8:  # else the words reach below it
            assert rows.max() == pytest.approx(box["bottom"] - 1, abs=1)
            lowest = columns[rows == rows.max()]
            assert (lowest.min(), lowest.max()) == pytest.approx((box["left"], box["right"] - 1), abs=1)
    command.main(
        ["predict", str(network.folder), str(photographs / "wide.png"), "--score", "1", "--draw", str(tmp_path)]
    )
    with Image.open(photographs / "wide.png") as image, Image.open(tmp_path / "wide.png") as drawn:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.asarray(drawn))


def test_a_saved_segmenter_says_a_mask_and_has_no_heat(painted, photographs):
    network, out = painted
    assert network.kind == "mask"
    assert network.class_names == ("background", "red", "blue")
    assert not (network.folder / "heat.stablehlo").exists()
    said = network.predict(ROWS["image"])
    np.testing.assert_allclose(said.output, out[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(said.masks, said.output.argmax(-1))
    assert (said.probabilities, said.classes, said.names, said.boxes) == (None,) * 4
    (wide,) = network.predict([photographs / "wide.png"]).masks
    assert (wide.shape, wide.dtype) == ((48, 96), np.uint8)
    (seen,) = network.predict(network.read([photographs / "wide.png"])).masks
    np.testing.assert_array_equal(wide, mask_in(seen, (48, 96)))
    with pytest.raises(ValueError, match=r"says where by itself \(mask\); allowed: a classifier"):
        network.heat(ROWS["image"])


def test_the_command_writes_masks_and_prints_shares(painted, photographs, capsys, tmp_path):
    network, _ = painted
    arguments = ["predict", str(network.folder), str(photographs), "--masks", str(tmp_path / "out")]
    command.main([*arguments, "--form", "json"])
    rows = json.loads(capsys.readouterr().out)
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")) == [
        "tall/t.png",
        "wide.png",
    ]
    for row, size in zip(rows, ((25, 100), (96, 48)), strict=True):
        with Image.open(row["mask"]) as image:
            assert (image.mode, image.size) == ("P", size)
        mask = data.read_mask(row["mask"])
        np.testing.assert_array_equal(mask, network.predict([row["image"]]).masks[0])
        assert list(row["shares"]) == ["background", "red", "blue"]
        np.testing.assert_allclose(list(row["shares"].values()), [(mask == c).mean() for c in range(3)], atol=1e-4)
    command.main([*arguments, "--form", "csv"])
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(table[0]) == ["image", "mask", "share_background", "share_red", "share_blue"]
    command.main(arguments)
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith(
        f"{photographs / 'wide.png'}  background {100 * rows[1]['shares']['background']:.1f} %  red "
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MASKS", "PHOTOS"], "--masks is missing: "),
        (["MASKS", "PHOTOS", "--masks", "OUT", "--top", "2"], "--top is 2; allowed with "),
        (["MASKS", "PHOTOS", "--masks", "OUT", "--heat", "OUT"], "--heat is "),
        (["MASKS", "PHOTOS", "--masks", "PHOTOS"], "where wide.png is an image; allowed: another folder."),
        (["MASKS", "PHOTOS", "WIDE", "--masks", "OUT"], "would both be written as "),
        (["BOXES", "PHOTOS", "--masks", "OUT"], "which says boxes: --top, --score, --draw."),
        (["MASKS", "PHOTOS", "--masks", "OUT", "--draw", "OUT"], "--draw is "),
        (["BOXES", "PHOTOS", "--draw", "PHOTOS"], "--draw is "),
        (["BOXES", "PHOTOS", "--heat", "OUT"], "--heat is "),
        (["BOXES", "PHOTOS", "--score", "1.5"], "--score is 1.5; allowed: 0 to 1."),
        (["BOXES", "PHOTOS", "--top", "0"], "--top is 0; allowed: 1 or more."),
    ],
)
def test_what_does_nothing_is_refused(found, painted, photographs, capsys, tmp_path, options, message):
    places = {"MASKS": painted[0].folder, "BOXES": found[1].folder, "PHOTOS": photographs, "OUT": tmp_path / "out"}
    places["WIDE"] = photographs / "wide.png"
    before = (photographs / "wide.png").read_bytes()
    with pytest.raises(SystemExit) as stopped:
        command.main(["predict", *(str(places.get(word, word)) for word in options)])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert (photographs / "wide.png").read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_the_exported_program_gives_boxes(found, tmp_path):
    _, network, _ = found
    path = portable.export(network, tmp_path / "net.stablehlo", to="jax")
    call = jax_export.deserialize(bytearray(path.read_bytes())).call
    said = call(*network.variables, ROWS["image"])
    assert {name: (values.shape, values.dtype.kind) for name, values in said.items()} == {
        "boxes": ((6, 5, 4), "f"),
        "scores": ((6, 5), "f"),
        "classes": ((6, 5), "i"),
        "valid": ((6, 5), "b"),
    }


def test_predictions_of_a_split_have_what_is_true_beside_them(found, painted):
    kept = predictions(found[1], BOXES.test, columns=("box", "box_label", "box_valid"))
    assert set(kept) == {"boxes", "scores", "classes", "valid", "box", "box_label", "box_valid"}
    assert kept["boxes"].shape == (6, 5, 4)
    kept = predictions(painted[0], MASKS.test, columns=("mask",))
    np.testing.assert_array_equal(kept["classes"], painted[0].predict(ROWS["image"]).output.argmax(-1))
    np.testing.assert_array_equal(kept["mask"], MASKED["mask"])


def test_what_cannot_be_saved_is_known_before_it_is_trained(tmp_path):
    recipe = of_boxes()
    bare = replace(recipe, task=replace(recipe.task, answer=None))
    with pytest.raises(
        ValueError, match=r"recipe\.model gives a dict, and recipe\.task\.answer is None; allowed: one arr"
    ):
        portable.kind(bare, BOXES)
    with pytest.raises(ValueError, match=r"recipe\.model gives a dict"):
        portable.save(tmp_path / "model", recipe=bare, dataset=BOXES, variables=({}, {}), facts={})
    assert not (tmp_path / "model").exists()
    other = replace(recipe, task=replace(recipe.task, answer=lambda out: {"score": out[0]["score"]}))
    with pytest.raises(ValueError, match=r"recipe\.task\.answer gives score \[1, \d+, 2\]; allowed: boxes \[B, K, 4\]"):
        portable.kind(other, BOXES)
    with pytest.raises(TypeError, match="answer is 3; allowed: a function of the output, or None"):
        replace(tasks.classification(3), answer=3)
    assert portable.kind(of_masks(), MASKS) == "mask"
