"""Every experiment on every kind of data: it can be built, or a sentence says why not. Nothing is trained."""

import functools
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxtricks import augment, data
from jaxtricks.ablation import cli, compression, members, options, preparing, views

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "experiments").glob("[a-z]*.py") if path.stem != "gallery")
KINDS = ("digits", "fashion_mini", "fake", "colour.npz", "photographs", "boxes", "masks")


LOAD = functools.cache(data.load)


class Built(Exception):
    """All is checked, and training would begin."""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Kind to what is typed: few images of few classes, as people have them."""
    folder, draws = tmp_path_factory.mktemp("kinds"), np.random.default_rng(0)
    images, labels = draws.integers(0, 256, (120, 24, 24, 3), dtype=np.uint8), np.arange(120) % 4
    np.savez(folder / "colour", x_train=images, y_train=labels, x_test=images[:16], y_test=labels[:16])
    for number in range(40):
        path = folder / "photographs" / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = draws.integers(20, 60, 2)
        Image.fromarray(draws.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    boxes, masks = folder / "boxes", folder / "masks"
    for number in range(40):
        for path in (boxes / f"{number}.png", masks / "images" / f"{number}.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draws.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(path)
        mask = np.zeros((24, 24), np.uint8)
        mask[4:12, 4:12] = 1 + number % 2
        (masks / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(masks / "masks" / f"{number}.png")
    annotations = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 24, "height": 24} for n in range(40)],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
        "annotations": [{"id": n, "image_id": n, "category_id": n % 2, "bbox": [4, 4, 8, 8]} for n in range(40)],
    }
    (boxes / "coco.json").write_text(json.dumps(annotations))
    return {kind: str(folder / kind) if (folder / kind).exists() else kind for kind in KINDS}


@functools.cache
def command(name):
    """How the experiment calls its command: the command, and what it gives to it."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        for module in (cli, members, views, compression):
            patch.setattr(module, "main", lambda *args, module=module, **kwargs: calls.append((module, args, kwargs)))
        patch.setattr("sys.argv", [name, "--help"])
        patch.delitem(sys.modules, f"experiments.{name}", raising=False)  # another test may have imported it
        try:
            space = runpy.run_module(f"experiments.{name}", run_name="__main__")
        except SystemExit:  # it reads its options itself
            space = runpy.run_module(f"experiments.{name}")
    return calls[0] if calls else (None, space, {})


def build(name, spec):
    """Everything before the first training step, of the preset that is first."""
    module, args, kwargs = command(name)
    if module is None:
        return args["prepare"](args["Options"](data=spec, size=32))
    if module is cli:
        _, baseline, ladder, presets = args
        typed = cli.Options(data=spec, **({"size": 32} if Path(spec).is_dir() else {}))  # where it does something
        chosen = preparing.chosen(typed, ladder, presets, mode=kwargs["mode"] if "mode" in kwargs else "stack")
        parts = {part: kwargs.get(part) for part in ("title", "dataset", "task", "begin", "counted")}
        if name in ("finetune", "transfer", "transfer_boxes"):
            parts["begin"] = trained
        return preparing.prepare(chosen, typed, baseline, **parts, say=lambda line: None)
    typed = module.Options(data=spec)
    if module is members:
        usual = {"model": "plain_mini", "dataset": None, "begin": None}
        named = usual | {part: kwargs[part] for part in (*usual, "epochs") if part in kwargs}
        return members.prepare(typed, args[1], **named)
    return module.prepare(args[1], typed)


def trained(recipe, loaded, source):
    raise Built


TAIL, GREY, CLASSES = (
    "too few for a long tail by 100",
    "small grey images with a class each, which are put on canvases",
    "has 2 classes, of which",
)
ALL, FITS = "allowed: 1500 or more. What fits: --under 'little, similar' 'little, different'.", "What fits: --under "
ON_CANVASES = ("detect", "points", "segment", "transfer", "transfer_boxes")
OTHERS = {
    "boxes": "holds images with boxes (",
    "masks": "holds images with masks (",
}
FOR = {
    "boxes": "For images with boxes: python -m experiments.detect --data ",
    "masks": ": python -m experiments.segment ",
}
TAKEN = {  # what the experiment takes of them
    "detect": ("boxes",),
    "segment": ("masks",),
    "transfer": ("masks",),  # which its backbones, that are not trained here, refuse
    "transfer_boxes": ("boxes",),
}
REFUSED = {
    "balance": dict.fromkeys(("fake", "colour.npz", "photographs"), TAIL),
    "batch_size": dict.fromkeys(("fake", "colour.npz", "photographs"), "images is 768; allowed: "),
    **dict.fromkeys(ON_CANVASES, dict.fromkeys(("fake", "colour.npz", "photographs"), GREY)),
    "finetune": {**dict.fromkeys(("digits", "fake", "colour.npz"), ALL), "photographs": CLASSES},
    "imbalance": {
        **dict.fromkeys(("fake", "colour.npz"), f"{TAIL}; allowed: 100 or more. {FITS}'factor 10'."),
        "photographs": CLASSES,
    },
    "suggest": dict.fromkeys(
        ("digits", "fake", "colour.npz", "photographs", "boxes", "masks"),
        "allowed: without --data and --images: the five sets are fixed.",
    ),
    "normalization": {
        "colour.npz": f"to the 104 training images. {FITS}'batch 2' 'batch 4' 'batch 8' 'batch 32'.",
        "photographs": f"batch is 32; allowed: 1 to the 28 training images. {FITS}'batch 2' 'batch 4' 'batch 8'.",
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_takes_every_kind_of_data_or_says_why_not(name, kinds, monkeypatch):
    monkeypatch.setattr(options, "forward_cost", lambda recipe, dataset: {"macs": 1, "parameters": 1})
    monkeypatch.setattr(data, "load", LOAD)
    monkeypatch.setattr(augment, "rotate", lambda image, angle: image)  # what takes long, and has its own tests
    monkeypatch.setattr(data, "shapes", functools.partial(data.shapes, images=(64, 4)))
    said = {}
    for kind, spec in kinds.items():
        try:
            build(name, spec)
        except Built:
            pass
        except (cli.UsageError, data.DataError) as error:
            said[kind] = str(error)
    other = {kind: words for kind, words in OTHERS.items() if kind not in TAKEN.get(name, ())}
    refused = other | REFUSED.get(name, {})
    assert said.keys() == refused.keys(), said
    for kind, words in refused.items():
        assert words in said[kind]
        assert len(said[kind].split(". ")) <= 2
        assert kind not in OTHERS or name == "suggest" or FOR[kind] in said[kind]


@pytest.mark.parametrize("name", ["bag_of_tricks", "efficient", "refinements", "transfer", "transfer_boxes", "tweaks"])
def test_a_report_that_names_tables_says_whose(name):
    assert "arXiv 1812.01187" in command(name)[2]["tables"]
