"""A network in one folder: what is loaded says what was trained; files, commands and other programs agree with it."""

import csv
import io
import json
import shutil
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small
from golden import make_resnet_logits as golden
from jax import export as jax_export
from PIL import Image
from safetensors.numpy import load_file

import jaxtricks as jt
from jaxtricks import __main__ as command
from jaxtricks import analysis, data, init, models, portable
from jaxtricks.ablation.saved import predict
from jaxtricks.train import build_constants, build_model

SOURCE = data.fake(train=40, test=8, classes=3, shape=(8, 8, 3))
NETWORK = models.NETWORKS["resnet_digits"]
FACTS = {"tricks": ["cosine"]}


def saved(folder, *, model=NETWORK, source=SOURCE, cast=None):
    """A folder with fresh weights, and the recipe and the weights themselves."""
    recipe = replace(small.recipe(model=model, ema=None), task=jt.tasks.classification(3))
    variables = build_model(recipe, source).init(jax.random.key(1))
    if cast is not None:
        variables = jax.tree.map(lambda leaf: leaf.astype(cast), variables[0]), variables[1]
    portable.save(folder, recipe=recipe, dataset=source, variables=variables, facts=FACTS)
    return recipe, variables


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "model"
    return folder, *saved(folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Test images as files without loss, the first two, and a larger photograph."""
    folder = tmp_path_factory.mktemp("files")
    for number in range(2):
        Image.fromarray(np.asarray(SOURCE.test["image"][number])).save(folder / f"{number}.png")
    Image.fromarray(np.tile(np.asarray(SOURCE.test["image"][0]), (4, 6, 1))).save(folder / "large.png")
    return folder


def test_it_says_what_the_network_says(kept, files):
    folder, recipe, variables = kept
    network = jt.load(folder)
    images = np.asarray(SOURCE.test["image"])
    expected = predict(recipe, SOURCE, variables, images)
    said = network.predict(images)
    np.testing.assert_allclose(said.output, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(said.probabilities.sum(-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(said.classes, expected.argmax(-1))
    assert said.names == tuple(str(label) for label in said.classes)
    assert network.facts["tricks"] == ["cosine"]
    assert network.facts["recipe"]["batch"] == str(recipe.batch)
    of_files = network.predict([files / "0.png", files / "1.png"])
    np.testing.assert_allclose(of_files.output, expected[:2], rtol=1e-5, atol=1e-5)
    assert network.read([files / "large.png"]).shape == (1, 8, 8, 3)


def test_a_folder_of_the_first_format_still_loads(kept, tmp_path):
    folder, *_ = kept
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    facts = json.loads((old / "model.json").read_text(encoding="utf-8"))
    for name in ("kind", "empty"):
        del facts[name]
    facts |= {"format": 1, "image": {"shape": facts["image"]["shape"], "centre": False}}
    (old / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    images = np.asarray(SOURCE.test["image"])
    np.testing.assert_array_equal(jt.load(old).predict(images).output, jt.load(folder).predict(images).output)
    (old / "model.json").write_text(json.dumps(facts | {"format": 9}), encoding="utf-8")
    with pytest.raises(data.DataError, match="of another version of this package; allowed: format 1 or 2"):
        jt.load(old)


def test_it_shows_where_the_network_looks(kept):
    folder, recipe, variables = kept
    network = jt.load(folder)
    images = np.asarray(SOURCE.test["image"])[:2]
    fitted = build_constants(recipe, SOURCE)["preprocess"]
    ready = jax.vmap(partial(recipe.preprocess[1], fitted))(images / jnp.float32(255))
    raw = analysis.grad_cam(build_model(recipe, SOURCE).apply, *variables, ready, tap=network.facts["tap"])
    heat = network.heat(images)
    assert heat.shape == raw.shape
    np.testing.assert_allclose(heat, raw / np.maximum(raw.max((1, 2), keepdims=True), 1e-30), rtol=1e-3, atol=1e-4)


def test_a_perceptron_has_no_map_and_bfloat16_stays(tmp_path):
    folder = tmp_path / "flat"
    recipe, variables = saved(folder, model=partial(models.perceptron, (), size=64), cast=jnp.bfloat16)
    network = jt.load(folder)
    assert {leaf.dtype for leaf in jax.tree.leaves(network.variables[0])} == {jnp.dtype(jnp.bfloat16)}
    images = np.asarray(SOURCE.test["image"])
    np.testing.assert_allclose(network.predict(images).output, predict(recipe, SOURCE, variables, images), atol=1e-2)
    assert not (folder / "heat.stablehlo").exists()
    with pytest.raises(ValueError, match="gives no map of an image; allowed: a network with maps"):
        network.heat(images)


def test_the_command_prints_lines_csv_and_json(kept, files, capsys, tmp_path):
    folder, *_ = kept
    said = jt.load(folder).predict([files / "0.png"])
    command.main(["predict", str(folder), str(files / "0.png")])
    words = capsys.readouterr().out.split()
    assert words[:2] == [str(files / "0.png"), said.names[0]]
    assert float(words[2]) == pytest.approx(said.probabilities.max(), abs=1e-4)
    command.main(["predict", str(folder), str(files), "--top", "2", "--form", "csv", "--heat", str(tmp_path / "seen")])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["image"] for row in rows] == [str(files / name) for name in ("0.png", "1.png", "large.png")]
    assert list(rows[0]) == ["image", "class_1", "probability_1", "class_2", "probability_2"]
    assert float(rows[0]["probability_1"]) >= float(rows[0]["probability_2"])
    assert len(list((tmp_path / "seen").glob("*.png"))) == 3
    command.main(["predict", str(folder), str(files / "1.png"), "--form", "json"])
    assert json.loads(capsys.readouterr().out)[0]["image"] == str(files / "1.png")


def test_exported_files_hold_the_network(kept, tmp_path):
    folder, recipe, variables = kept
    network = jt.load(folder)
    images = np.asarray(SOURCE.test["image"])
    program = portable.export(network, tmp_path / "net.stablehlo", to="jax")
    call = jax_export.deserialize(bytearray(program.read_bytes())).call
    np.testing.assert_allclose(call(*variables, images), network.predict(images).output, rtol=1e-5, atol=1e-5)
    for suffix, kind in ((".safetensors", "safetensors"), (".npz", "npz")):
        assert portable.export(network, tmp_path / f"net{suffix}", to=kind).is_file()
    again = init.load_pretrained(jax.tree.map(jnp.zeros_like, variables), tmp_path / "net.safetensors")
    for leaf, other in zip(jax.tree.leaves(again), jax.tree.leaves(variables), strict=True):
        np.testing.assert_array_equal(leaf, other)
    with pytest.raises(ValueError, match=r"allowed: a file with the suffix \.npz"):
        portable.export(network, tmp_path / "net.bin", to="npz")
    assert build_model(recipe, SOURCE)


def test_timm_s_resnet18d_has_the_tensors_of_the_exported_file(tmp_path):
    """All names and shapes, so that timm loads it; the logits that it then has are those of test_pretrained."""
    network = models.resnet(models.LAYOUTS["resnet18"], classes=golden.CLASSES, channels=3, c=True, d=True)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), jax.eval_shape(network.init, jax.random.key(0)))
    loaded = SimpleNamespace(variables=zeros, facts={"pooled": True})
    path = portable.export(loaded, tmp_path / "x.safetensors", to="safetensors")
    shapes = {name: tensor.shape for name, tensor in load_file(path).items()}
    counters = {name.replace("running_mean", "num_batches_tracked"): () for name in shapes if "running_mean" in name}
    stored = json.loads(golden.STORED.read_text(encoding="utf-8"))["models"]["resnet18d"]["shapes"]
    assert golden.digest(shapes | counters) == stored  # a counter that is not there begins at 0 in torch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "none", "x.png"], "none has no model.json; allowed: a folder of --save."),
        (["predict", "MODEL", "x.png"], "x.png: no such file."),
        (["predict", "MODEL", "MODEL"], "has no image; allowed: ."),
        (["predict", "MODEL", "MODEL/model.json"], "model.json cannot be read as an image"),
        (["predict", "MODEL", "FILE", "--top", "0"], "--top is 0; allowed: 1 or more."),
        (["predict", "MODEL", "FILE", "--score", "0.5"], "which says classes: --top, --heat."),
        (["predict", "MODEL", "FILE", "--masks", "out"], "--masks is out; allowed with "),
        (["export", "MODEL", "x.bin", "--to", "npz"], "allowed: a file with the suffix .npz"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(kept, files, capsys, arguments, message):
    places = {"MODEL": str(kept[0]), "MODEL/model.json": f"{kept[0]}/model.json", "FILE": str(files / "0.png")}
    with pytest.raises(SystemExit) as stopped:
        command.main([places.get(word, word) for word in arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_images_of_another_shape_are_refused(kept):
    network = jt.load(kept[0])
    with pytest.raises(ValueError, match=r"images is uint8 \[1, 9, 8, 3\]; allowed: uint8 \[N, 8, 8, 3\]"):
        network.predict(np.zeros((1, 9, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="images is empty"):
        network.predict([])


def test_a_damaged_folder_is_refused(tmp_path):
    folder = tmp_path / "model"
    saved(folder, model=partial(models.perceptron, (), size=64))
    (folder / "program.stablehlo").write_bytes(b"no program")
    with pytest.raises(data.DataError, match=r"program\.stablehlo cannot be read"):
        jt.load(folder).predict(np.asarray(SOURCE.test["image"]))
    (folder / "weights.npz").write_bytes(b"no weights")
    with pytest.raises(data.DataError, match="cannot be read"):
        jt.load(folder)


def test_without_a_command_it_lists_what_there_is(capsys):
    command.main([])
    text = capsys.readouterr().out
    assert "resnet50" in text
    assert "fashion_mini" in text
    assert "predict" in text


def test_the_map_of_the_heat_is_the_last_one_of_the_network(kept):
    """The stem comes after the stages by name."""
    folder, recipe, variables = kept
    network = jt.load(folder)
    images = np.asarray(SOURCE.test["image"])
    taps = build_model(recipe, SOURCE).apply(*variables, images / np.float32(255), train=False)[0][1]
    assert list(sorted(name for name, tap in taps.items() if tap.ndim == 4))[-1] == "stem"
    assert network.facts["tap"] == "stage2"
    assert network.heat(images).shape[1:] == taps["stage2"].shape[1:3]


def test_a_folder_that_is_half_written_is_not_loaded(kept, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    saved(folder)
    monkeypatch.setattr(np, "savez", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        saved(folder)
    with pytest.raises(data.DataError, match=r"has no model\.json"):
        jt.load(folder)
