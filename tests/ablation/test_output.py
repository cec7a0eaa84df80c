"""Where results go: named by experiment and data, never over a report of other data, never half-written."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxtricks import ablation, data
from jaxtricks.ablation import Trick, cli, output, report, sources
from jaxtricks.ablation.headline import plural
from jaxtricks.ablation.report.wording import about
from jaxtricks.tricks import bag

HALF = os.fsdecode(b"caf\xe9")  # a name that is not UTF-8
PRESETS = {"quick": cli.Preset("fake", "logistic", seeds=1, epochs=1, batch=2, lr=0.05, seeds_on="devices")}
LADDER = {"smoothing": Trick(bag.smoothing)}


@pytest.fixture
def photos(tmp_path):
    """Ten photographs of each of two classes."""
    for number in range(20):
        path = tmp_path / "my photos" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 7, 3), 10 * number, np.uint8)).save(path)
    return tmp_path / "my photos"


def test_the_folder_is_named_by_experiment_and_data(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos.parent)
    (tmp_path / "cifar10.npz").write_bytes(b"")
    names = {"fashion_mini": "fashion_mini", "coco/2017:1.1": "coco_2017_1.1", "cifar10.npz": "cifar10"}
    for spec, short in {
        **names,
        "my photos": "my_photos",
        str(photos): "my_photos",
        "./my photos/": "my_photos",
    }.items():
        assert output.folder_for("losses", spec, None) == Path("runs/losses") / short
    assert output.folder_for("losses", "digits", Path("here")) == Path("here")


def test_a_report_of_other_data_or_of_another_experiment_stays(photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.chdir(photos.parent)
    output.claim(out, "losses", "my photos")
    assert output.folder_for("losses", str(photos), out) == out
    for experiment, spec in (("losses", "digits"), ("augment", "my photos")):
        with pytest.raises(
            cli.UsageError, match=r"out, which holds a report of losses on /.*my photos; allowed: another"
        ):
            output.folder_for(experiment, spec, out)


def test_a_file_is_written_completely_or_stays(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    output.write_text(path, json.dumps({"name": HALF, "sign": "\N{MINUS SIGN}"}, ensure_ascii=False))
    assert json.loads(path.read_text("utf-8")) == {"name": HALF, "sign": "\N{MINUS SIGN}"}
    before = path.read_bytes()

    def full(self, raw):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        output.write_text(path, "")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (before, ["results.json"])


def test_a_report_names_the_classes_and_what_reading_them_decided(results, tmp_path):
    results["command"] = f"python -m experiments.losses --data {HALF}"
    results["data"] |= {
        "name": HALF,
        "classes": 3,
        "class_names": ["cat", "dog", HALF],
        "notes": ["It was split here."],
    }
    report.write(results, tmp_path)
    page, text = ((tmp_path / f"report.{kind}").read_text("utf-8") for kind in ("html", "md"))
    for words in ("3 classes (cat, dog, caf", "It was split here."):
        assert words in page
        assert words in text
    assert json.loads((tmp_path / "results.json").read_text("utf-8"))["data"]["class_names"][:2] == ["cat", "dog"]
    many = {**results, "data": {**results["data"], "classes": 30, "class_names": [f"c{n}" for n in range(30)]}}
    assert "(c0, c1, " in about(many)["data"]
    assert "c19 and 10 more)" in about(many)["data"]


def test_of_few_images_only_what_differs_is_named(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablation, "run_cells", lambda *_, **__: None)
    run(photos, tmp_path, epochs=1.0, seeds=2)
    said = capsys.readouterr().err
    assert "The images are few: batch 1 instead of batch 2." in said
    assert ", 1 epoch, " in said
    assert [plural(number, "epoch") for number in (1, 1.0, 0.5, 42.6667, 1280)] == [
        "1 epoch", "1 epoch", "0.5 epochs", "42.67 epochs", "1280 epochs",
    ]  # fmt: skip


def run(spec, tmp_path, **typed):
    options = cli.Options(data=str(spec), size=8, out=tmp_path / "out", **typed)
    return cli.run("x", options, bag.bare, LADDER, PRESETS, title="Test")


def test_the_command_says_how_a_folder_was_split_and_reports_its_classes(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablation, "run_cells", lambda *_, **__: None)
    results = run(photos, tmp_path)
    said = capsys.readouterr().err
    assert "has no test set: 4 of 20 images, a fifth of each class" in said
    assert "The images are few: batch 1 and 10 epochs instead of batch 2 and 1 epoch." in said
    assert results["data"]["class_names"] == ["cat", "dog"]
    assert "4 of 20 images" in results["data"]["notes"][0]
    with pytest.raises(cli.UsageError, match=r"holds a report of x on /.*my photos"):
        run("digits", tmp_path)


def test_a_damaged_test_image_is_named_before_anything_is_trained(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "run_cells", lambda *_, **__: pytest.fail("trained"))
    damaged = data.load(str(photos), size=8).test["image"].files[1]
    damaged.write_bytes(damaged.read_bytes()[:50])
    with pytest.raises(data.DataError, match=rf"my photos, test: 1 of 4 records cannot be read.*{damaged.name}"):
        run(photos, tmp_path)


def test_damaged_training_images_within_the_tolerated_share_are_said(photos, monkeypatch):
    found = data.load(str(photos), size=8)
    damaged = found.train["image"].files[0]
    damaged.write_bytes(b"")
    with pytest.raises(data.DataError, match="my photos, train: 1 of 16 records cannot be read"):
        sources.check_images(found, say=pytest.fail)
    monkeypatch.setattr(data, "CORRUPT_SHARE", 0.1)
    said = []
    sources.check_images(found, say=said.append)
    assert [line.split("/")[-1] for line in said] == [
        f"{damaged.name} cannot be read as an image: it is no image; allowed: JPEG, PNG, BMP, WEBP, PPM, GIF, TIFF. "
        "Others take its place in training."
    ]


def test_no_finished_run_is_a_failure(monkeypatch, capsys):
    cell = {"seed": 0, "error": "NonFiniteError: loss"}
    monkeypatch.setattr(cli, "run", lambda *_, **__: {"rows": [{"cells": [], "failed": [cell]}]})
    monkeypatch.setattr("sys.argv", ["x"])
    with pytest.raises(SystemExit) as left:
        cli.main("x", bag.bare, LADDER, PRESETS, title="Test")
    assert left.value.code == 1
    assert capsys.readouterr().err == "x: every run failed. NonFiniteError: loss\n"


def test_too_few_images_are_answered_by_the_option(tmp_path):
    with pytest.raises(cli.UsageError, match=r"^--images is 3; allowed: 10 to 256 for fake"):
        run("fake", tmp_path, images=3)


def test_steps_are_counted_with_the_time_left(capsys, monkeypatch):
    clock = iter((0.0, 0.0, 60.0, 180.0))
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    say = output.counted(3)
    for what in ("one", "two", "three"):
        say(what)
    assert capsys.readouterr().err.splitlines() == [
        "[1/3] one",
        "[2/3] two, about 2 min left",  # one took a minute
        "[3/3] three, about 2 min left",  # two took three
    ]


def test_a_size_that_does_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "run_cells", lambda *_, **__: None)
    with pytest.raises(cli.UsageError, match="--size is 8, which does nothing to fake: its images have 16 x 16 pixels"):
        run("fake", tmp_path)
