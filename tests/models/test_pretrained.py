"""Weights of torchvision and timm: their logits, every mismatch by name, and files that are not to be trusted."""

import io
import json
import pickle
import re
import sys
import tracemalloc
import zipfile
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import make_resnet_logits as golden
from safetensors.numpy import save_file

from jaxtricks import init
from jaxtricks.models import LAYOUTS, Layout, resnet

STORED = json.loads(golden.STORED.read_text(encoding="utf-8"))["models"]
BASIC = Layout((1, 2), (4, 6), bottleneck=False, stem=(7, 2), pool=True)
BOTTLENECK = BASIC._replace(bottleneck=True)
SPOT = Layout((1,), (1,), bottleneck=False, stem=(3, 1), pool=False)
SWITCHES = {  # what torchvision's and timm's networks of these names are in terms of the paper
    "resnet18": "",
    "resnet34": "",
    "resnet50": "b",
    "resnet101": "b",
    "resnet152": "b",
    "resnet18d": "cd",
    "resnet34d": "cd",
    "resnet50d": "bcd",
    "resnet101d": "bcd",
}


def build(layout, switches="", *, classes=3, channels=3):
    return resnet(layout, classes=classes, channels=channels, **dict.fromkeys(switches, True))


def shapes(model):
    return jax.eval_shape(model.init, jax.random.key(0))


def save(path, tensors):
    """A file of the format that the suffix says."""
    if path.suffix == ".npz":
        np.savez(path, **tensors)
    else:
        save_file(tensors, path)
    return path


@cache
def published(name):
    """A network as timm builds it, its shapes, and its compiled evaluation."""
    model = build(LAYOUTS[name.removesuffix("d")], SWITCHES[name], classes=golden.CLASSES)
    return shapes(model), jax.jit(lambda variables, x: model.apply(*variables, x, train=False)[0][0])


def torch_shapes(layout, switches, *, classes=3, channels=3):
    """Names and shapes as torch has them, written down for themselves."""
    found = {}

    def conv(name, inputs, outputs, size):
        found[f"{name}.weight"] = (outputs, inputs, size, size)

    def norm(name, features):
        found.update({f"{name}.{leaf}": (features,) for leaf in ("weight", "bias", "running_mean", "running_var")})
        found[f"{name}.num_batches_tracked"] = ()

    width = layout.widths[0]
    if "c" in switches:
        conv("conv1.0", channels, width // 2, 3)
        norm("conv1.1", width // 2)
        conv("conv1.3", width // 2, width // 2, 3)
        norm("conv1.4", width // 2)
        conv("conv1.6", width // 2, width, 3)
    else:
        conv("conv1", channels, width, layout.stem[0])
    norm("bn1", width)
    inputs = width
    for stage, (blocks, width) in enumerate(zip(layout.blocks, layout.widths, strict=True), 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            outputs = 4 * width if layout.bottleneck else width
            sizes = [(inputs, width, 1), (width, width, 3), (width, outputs, 1)]
            if not layout.bottleneck:
                sizes = [(inputs, width, 3), (width, outputs, 3)]
            for i, size in enumerate(sizes, 1):
                conv(f"{name}.conv{i}", *size)
                norm(f"{name}.bn{i}", size[1])
            if block == 0 and (stage > 1 or inputs != outputs):
                first = int("d" in switches)
                conv(f"{name}.downsample.{first}", inputs, outputs, 1)
                norm(f"{name}.downsample.{first + 1}", outputs)
            inputs = outputs
    found |= {"fc.weight": (classes, inputs), "fc.bias": (classes,)}
    return found


def tensors_of(layout, switches="", **options):
    return {name: golden.tensor(name, shape) for name, shape in torch_shapes(layout, switches, **options).items()}


def convolve(x, kernel, stride):
    pad = (kernel.shape[-1] - 1) // 2
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, kernel)


def normalise(x, tensors, name):
    weight, bias, mean, var = (
        tensors[f"{name}.{leaf}"][:, None, None] for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias


def average(x):
    """2x2 means; a window over the edge has fewer numbers."""
    rows, columns = x.shape[2:]
    return np.stack(
        [
            np.stack([x[:, :, i : i + 2, j : j + 2].mean((2, 3)) for j in range(0, columns, 2)], axis=-1)
            for i in range(0, rows, 2)
        ],
        axis=-2,
    )


def reference(tensors, layout, switches, image):
    """The network in NumPy, channels first, from torch's names."""

    def layer(x, conv, bn, stride):
        return normalise(convolve(x, tensors[f"{conv}.weight"], stride), tensors, bn)

    relu = partial(np.maximum, 0)
    x = image.transpose(0, 3, 1, 2).astype(np.float64)
    if "c" in switches:
        x = relu(layer(x, "conv1.0", "conv1.1", layout.stem[1]))
        x = relu(layer(x, "conv1.3", "conv1.4", 1))
        x = relu(layer(x, "conv1.6", "bn1", 1))
    else:
        x = relu(layer(x, "conv1", "bn1", layout.stem[1]))
    if layout.pool:
        padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-np.inf)
        x = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2].max((-2, -1))
    for stage, blocks in enumerate(layout.blocks, 1):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            strides = [stride, 1]
            if layout.bottleneck:
                strides = [1, stride, 1] if "b" in switches else [stride, 1, 1]
            y = x
            for i, step in enumerate(strides, 1):
                y = layer(y, f"{name}.conv{i}", f"{name}.bn{i}", step)
                y = relu(y) if i < len(strides) else y
            if f"{name}.downsample.1.weight" in tensors:
                if "d" in switches:
                    x = average(x) if stride == 2 else x
                    x = layer(x, f"{name}.downsample.1", f"{name}.downsample.2", 1)
                else:
                    x = layer(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            x = relu(x + y)
    return x.mean((2, 3)) @ tensors["fc.weight"].T + tensors["fc.bias"]


def agree(ours, expected):
    assert np.abs(np.asarray(ours) - expected).max() < 1e-4 * np.abs(expected).max()


def test_one_pixel_by_hand(tmp_path):
    # 3 -> conv 6 -> bn (6 - 2) / 2 * 0.5 + 1 = 2; block: -2 -> 5 - 2 = 3 -> 3 -> 2 * (3 - 1) = 4; 4 + 2 = 6
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = {"fc.weight": np.float32([[0.5], [-1]]), "fc.bias": np.float32([1, 0])}
    for name, value in {"conv1": 2, "layer1.0.conv1": -1, "layer1.0.conv2": 1}.items():
        tensors[f"{name}.weight"] = np.full((1, 1, 3, 3), 100, np.float32)  # all but the centre fall on padding
        tensors[f"{name}.weight"][0, 0, 1, 1] = value
    for name, values in {"bn1": (0.5, 1, 2, 4), "layer1.0.bn1": (1, 5, 0, 1), "layer1.0.bn2": (2, 0, 1, 1)}.items():
        tensors |= {f"{name}.{leaf}": np.float32([value]) for leaf, value in zip(names, values, strict=True)}
    model = build(SPOT, classes=2, channels=1)
    params, stats = init.load_pretrained(shapes(model), save(tmp_path / "spot.npz", tensors))
    logits = model.apply(params, stats, jnp.full((1, 1, 1, 1), 3.0), train=False)[0][0]
    np.testing.assert_allclose(logits, [[4, -6]], rtol=5e-5)  # 1e-5, batch normalisation's epsilon, is not in the sum


@pytest.mark.parametrize(("layout", "switches"), [(BASIC, "cd"), (BOTTLENECK, "b")])
def test_logits_of_small_networks_in_numpy(layout, switches, tmp_path):
    tensors = tensors_of(layout, switches)
    image = np.random.default_rng(1).normal(size=(2, 22, 26, 3)).astype(np.float32)
    model = build(layout, switches)
    variables = init.load_pretrained(shapes(model), save(tmp_path / "w.npz", tensors))
    agree(
        jax.jit(partial(model.apply, train=False))(*variables, image)[0][0], reference(tensors, layout, switches, image)
    )


def named(name):
    """Names and shapes of a network as torch has them."""
    return torch_shapes(LAYOUTS[name.removesuffix("d")], SWITCHES[name], classes=golden.CLASSES)


@pytest.mark.parametrize("name", SWITCHES)
def test_names_are_those_of_timm(name):
    assert golden.digest(named(name)) == STORED[name]["shapes"]


FAST = {"resnet18": ".npz", "resnet50d": ".safetensors"}


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        pytest.param(name, suffix, marks=() if FAST.get(name) == suffix else pytest.mark.slow)
        for name in SWITCHES
        for suffix in (".npz", ".safetensors")
    ],
)
def test_logits_that_timm_gave(name, suffix, tmp_path):
    variables, evaluate = published(name)
    tensors = {key: golden.tensor(key, shape) for key, shape in named(name).items()}
    loaded = init.load_pretrained(variables, save(tmp_path / f"w{suffix}", tensors))
    agree(evaluate(loaded, golden.images()), np.array(STORED[name]["logits"]))


# What does not fit

TENSORS = tensors_of(BASIC)
FRESH = jax.tree.map(lambda leaf: jnp.asarray(np.full(leaf.shape, 7, leaf.dtype)), shapes(build(BASIC)))


def changed(**changes):
    """The tensors with some replaced, added, or, where the new one is None, left out; "__" stands for "."."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in {**TENSORS, **named}.items() if value is not None}


def flat(variables):
    return {
        jax.tree_util.keystr(keys, simple=True, separator="/"): leaf
        for tree in variables
        for keys, leaf in jax.tree.leaves_with_path(tree)
    }


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"bn1__bias": None}, ["bn1.bias, for stem/0/bn/bias: missing."]),
        ({"layer1__1__bn2__running_var": None}, None),  # BASIC has one block there: nothing is missing
        ({"se__weight": np.ones(3)}, ["se.weight, shape (3,): no leaf of the model takes it."]),
        (
            {"layer2__0__conv1__weight": np.ones((6, 4, 1, 1))},
            ["layer2.0.conv1.weight, for stage2/0/inner/0/conv/kernel: shape (6, 4, 1, 1); allowed: (6, 4, 3, 3)."],
        ),
        (
            {"bn1__running_mean": np.ones(4, int)},
            [
                "bn1.running_mean, for stem/0/bn/mean: dtype int64; "
                "allowed: BF16, F16, F32, F64, float16, float32, float64."
            ],
        ),
        ({"bn1__weight": np.array([None] * 4)}, ["bn1.weight, for stem/0/bn/scale: dtype object; allowed: "]),
        (
            {"fc__bias": None, "fc__weight": np.ones((5, 6)), "other": np.ones(())},
            [
                "fc.bias, for head/bias: missing.",
                "fc.weight, for head/kernel: shape (5, 6); allowed: (3, 6).",
                "other, shape (): no leaf of the model takes it.",
            ],
        ),
    ],
)
def test_every_mismatch_is_named(changes, lines, tmp_path):
    path = save(tmp_path / "w.npz", changed(**changes))
    if lines is None:
        init.load_pretrained(FRESH, path)
        return
    with pytest.raises(init.PretrainedMismatchError) as error:
        init.load_pretrained(FRESH, path)
    head, *found = str(error.value).splitlines()
    assert head.startswith(f"{path} and the model differ in {len(lines)} place{'s' * (len(lines) > 1)}; ")
    assert len(found) == len(lines)
    assert all(mine.strip().startswith(line) for mine, line in zip(found, lines, strict=True))


def test_a_long_list_is_cut_and_counted(tmp_path):
    path = save(tmp_path / "w.npz", tensors_of(BOTTLENECK))
    with pytest.raises(init.PretrainedMismatchError) as error:
        init.load_pretrained(FRESH, path)
    head, *found = str(error.value).splitlines()
    count = int(head.split("differ in ")[1].split()[0])
    assert count > 21
    named = {name for name in TENSORS if not name.endswith("num_batches_tracked")}
    assert head.endswith(f"; {len(named & set(tensors_of(BOTTLENECK)))} of {len(named)} names match:")
    assert len(found) == 7
    assert found[-1].strip() == f"and {count - 6} more."


def behind(prefix):
    return {f"{prefix}{name}": value for name, value in TENSORS.items()}


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "backbone.", "module.model."])
def test_a_prefix_that_all_names_share_is_taken_off_and_said(prefix, tmp_path):
    counted = {f"{prefix}bn1.num_batches_tracked": np.array(3)}
    path = save(tmp_path / "w.npz", behind(prefix) | counted)
    with pytest.warns(UserWarning, match=rf"^{re.escape(str(path))}: '{prefix}' is taken off all names\.$"):
        loaded = init.load_pretrained(FRESH, path)
    plain = init.load_pretrained(FRESH, save(tmp_path / "plain.npz", TENSORS))
    jax.tree.map(np.testing.assert_array_equal, loaded, plain)
    jax.tree.map(np.testing.assert_array_equal, init.load_pretrained(FRESH, path, prefix=prefix), plain)


@pytest.mark.parametrize(("first", "second"), [("", "ema."), ("model.", "model_ema.module.")])
def test_of_plain_and_averaged_weights_one_is_chosen(first, second, tmp_path):
    averaged = {name: value + 1 for name, value in behind(second).items()}
    path = save(tmp_path / "w.npz", behind(first) | averaged | {"epoch": np.array(9.0)})
    words = f"holds 2 sets of these weights; allowed: prefix={first!r} or {second!r}."
    with pytest.raises(init.PretrainedMismatchError, match=re.escape(words)):
        init.load_pretrained(FRESH, path)
    plain = init.load_pretrained(FRESH, path, prefix=first)
    other = init.load_pretrained(FRESH, path, prefix=second)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a + 1, b, rtol=1e-6), plain, other)


def test_names_beside_those_with_a_prefix_are_counted(tmp_path):
    path = save(tmp_path / "w.npz", behind("model.") | {"criterion.weight": np.ones(3)})
    count = sum(not name.endswith("num_batches_tracked") for name in TENSORS)
    words = f"has {count} of {count} names behind 'model.', and 1 other names; allowed: prefix='model.'"
    with pytest.raises(init.PretrainedMismatchError, match=re.escape(words)):
        init.load_pretrained(FRESH, path)
    assert init.load_pretrained(FRESH, path, prefix="model.")
    with pytest.raises(ValueError, match=r"^prefix is 'ema\.'; allowed: what some names in .* begin with: 'model\."):
        init.load_pretrained(FRESH, path, prefix="ema.")


def test_a_network_of_another_kind_is_refused(tmp_path):
    path = save(tmp_path / "w.npz", TENSORS)
    with pytest.raises(init.PretrainedMismatchError, match="features/0/kernel: no tensor of a ResNet belongs"):
        init.load_pretrained(({"features": {"0": {"kernel": jnp.ones((3, 3, 3, 8))}}}, {}), path)


def test_skipped_leaves_stay_and_the_rest_is_loaded(tmp_path):
    path = save(tmp_path / "w.npz", tensors_of(BASIC, classes=1000))
    with pytest.raises(init.PretrainedMismatchError, match=r"fc.weight, for head/kernel: shape \(1000, 6\)"):
        init.load_pretrained(FRESH, path)
    loaded, fresh = flat(init.load_pretrained(FRESH, path, skip=("^head/", "stem/0/bn"))), flat(FRESH)
    assert list(loaded) == list(fresh)
    kept = {path for path in fresh if loaded[path] is fresh[path]}
    assert kept == {"head/bias", "head/kernel", *(f"stem/0/bn/{leaf}" for leaf in ("scale", "bias", "mean", "var"))}
    np.testing.assert_array_equal(loaded["stage1/0/last_bn/mean"], TENSORS["layer1.0.bn2.running_mean"])


@pytest.mark.parametrize("tensors", [changed(fc__weight=None, fc__bias=None), TENSORS], ids=["without", "with"])
def test_the_file_may_or_may_not_hold_what_is_skipped(tensors, tmp_path):
    loaded = init.load_pretrained(FRESH, save(tmp_path / "w.npz", tensors), skip=("^head/",))
    assert loaded[0]["head"]["kernel"] is FRESH[0]["head"]["kernel"]


@pytest.mark.parametrize(
    ("skip", "words"),
    [
        ("^head/", "skip is '\\^head/'; allowed: a sequence"),
        (("^neck/",), "skip has '\\^neck/'"),
        (("",), "every leaf"),
    ],
)
def test_a_skip_that_does_nothing_or_all_is_refused(skip, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        init.load_pretrained(FRESH, save(tmp_path / "w.npz", TENSORS), skip=skip)


@pytest.mark.parametrize(
    ("suffix", "dtype"), [(".npz", "float16"), (".npz", ">f4"), (".npz", "float64"), (".safetensors", jnp.bfloat16)]
)
def test_other_precisions_become_those_of_the_leaves(suffix, dtype, tmp_path):
    tensors = {n: t if n.endswith("tracked") else np.asfortranarray(t.astype(dtype)) for n, t in TENSORS.items()}
    if suffix == ".safetensors":
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    params, stats = init.load_pretrained(FRESH, save(tmp_path / f"w{suffix}", tensors))
    assert {leaf.dtype for leaf in jax.tree.leaves((params, stats))} == {jnp.dtype("float32")}
    expected = tensors["layer2.0.conv2.weight"].astype(np.float32).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(params["stage2"]["0"]["last_conv"]["kernel"], expected)
    half = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16), FRESH)
    narrow = init.load_pretrained(half, save(tmp_path / "n.npz", TENSORS))
    assert {leaf.dtype for leaf in jax.tree.leaves(narrow)} == {jnp.dtype(jnp.bfloat16)}


# Files that are not to be trusted


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle ran')",)


def archive(**members):
    """A zip with these bytes, in the layout of torch.save's if the names say so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in members.items():
            file.writestr(name.replace("__", "."), value)
    return buffer.getvalue()


def npy(text, version=b"\x01\x00"):
    """An array that is all header."""
    size = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + size + text.encode()


HOSTILE = {
    "pickle.pt": (pickle.dumps(Bomb()), "has another suffix"),
    "pickle.pth": (pickle.dumps(Bomb()), "has another suffix"),
    "pickle.npz": (pickle.dumps(Bomb()), "cannot be read as .npz (File is not a zip file)"),
    "protocol0.npz": (pickle.dumps(Bomb(), protocol=0), "cannot be read as .npz (File is not a zip file)"),
    "pickle.safetensors": (pickle.dumps(Bomb()), "is no safetensors file"),
    "torch.npz": (
        archive(archive__data__pkl=pickle.dumps(Bomb())),
        "('archive.data.pkl' is no array",
    ),
    "torch.safetensors": (archive(data__pkl=pickle.dumps(Bomb())), "is no safetensors file"),
    "empty.npz": (b"", "cannot be read as .npz (File is not a zip file)"),
    "empty.safetensors": (b"", "is no safetensors file"),
    "text.npz": (archive(w__npy=b"numbers"), "cannot be read as .npz ('w' is no array"),
    "version.npz": (archive(w__npy=npy("{}", b"\x03\x00")), "cannot be read as .npz ('w' is no array"),
    "header.npz": (archive(w__npy=npy("(" * 9000)), "cannot be read as .npz ('w' has a header that is none"),
    "long.npz": (archive(w__npy=npy(" " * 60_000)), "cannot be read as .npz ('w' has a header of 60,000 characters"),
    "code.npz": (
        archive(w__npy=npy("{'descr': exit(), 'fortran_order': 0, 'shape': ()}")),
        "has a header that is none",
    ),
    "header.safetensors": ((2**62).to_bytes(8, "little") + b"{}", "is no safetensors file"),
    "deep.safetensors": ((20_000).to_bytes(8, "little") + b"[" * 20_000, "is no safetensors file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name, tmp_path):
    content, words = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="which .*" + re.escape(words)) as error:
        init.load_pretrained(FRESH, tmp_path / name)
    assert "safetensors.torch.save_file" in str(error.value)


def test_objects_in_an_npz_are_never_unpickled(tmp_path):
    path = save(tmp_path / "w.npz", changed(bn1__weight=np.array([Bomb()] * 4), extra=np.array([Bomb()])))
    with pytest.raises(init.PretrainedMismatchError, match="dtype object"):
        init.load_pretrained(FRESH, path)
    save(path, changed(fc__bias=np.array([Bomb()] * 3), fc__weight=np.array([[Bomb()] * 6] * 3)))
    init.load_pretrained(FRESH, path, skip=("^head/",))  # they are not looked at


def test_memory_is_bounded_by_the_model(tmp_path):
    path = tmp_path / "w.npz"
    np.savez_compressed(path, **changed(bn1__weight=np.zeros(2**22, np.float32), bomb=np.zeros(2**22, np.float32)))
    absurd = npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**60},)}}\n")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("absurd.npy", absurd)
    tracemalloc.start()
    try:
        with pytest.raises(init.PretrainedMismatchError) as error:
            init.load_pretrained(FRESH, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    for words in (
        "bn1.weight, for stem/0/bn/scale: shape (4194304,)",
        "bomb, shape (4194304,)",
        f"absurd, shape ({2**60},)",
    ):
        assert words in str(error.value)
    assert peak < 2**21  # an array of the file alone has 2**24 bytes


def test_a_tensor_that_is_shorter_or_longer_than_its_header_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, TENSORS["bn1.bias"])
    for content in (buffer.getvalue()[:-2], buffer.getvalue() + b"more"):
        path = save(tmp_path / "w.npz", changed(bn1__bias=None))
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("bn1.bias.npy", content)
        with pytest.raises(ValueError, match=r"'bn1.bias' has shape \(4,\) and dtype float32, but holds (14|20) bytes"):
            init.load_pretrained(FRESH, path)
        with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as file:
            file.writestr("bn1.bias.npy", content)
        with pytest.raises(ValueError, match=r"it has two arrays 'bn1.bias'"):
            init.load_pretrained(FRESH, path)


def test_a_flipped_or_lost_byte_is_found_or_harmless(tmp_path):
    path, draws, found = save(tmp_path / "w.npz", TENSORS), np.random.default_rng(0), 0
    whole, expected = path.read_bytes(), init.load_pretrained(FRESH, path)
    for trial in range(60):
        damaged = bytearray(whole)
        if trial % 3:
            damaged[draws.integers(len(damaged))] ^= 1 << draws.integers(8)
        else:
            del damaged[draws.integers(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            loaded = init.load_pretrained(FRESH, path)
        except ValueError:
            found += 1
        else:
            jax.tree.map(np.testing.assert_array_equal, loaded, expected)
    assert found > 45


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        init.load_pretrained(FRESH, str(tmp_path / "w.npz"))


def test_what_to_install_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"pip install 'jaxtricks\[weights\]'"):
        init.load_pretrained(FRESH, tmp_path / "w.safetensors")


@pytest.mark.parametrize(("layout", "switches"), [(BASIC, ""), (BASIC, "cd"), (BOTTLENECK, "b"), (BOTTLENECK, "bcd")])
def test_what_is_saved_has_torch_s_names_and_comes_back(tmp_path, layout, switches):
    tensors = tensors_of(layout, switches)
    tensors = {name: array for name, array in tensors.items() if not name.endswith("num_batches_tracked")}
    model, path = build(layout, switches), tmp_path / "again.npz"
    loaded = init.load_pretrained(shapes(model), save(tmp_path / "given.npz", tensors))
    init.save_pretrained(loaded, path, pooled="d" in switches)
    with np.load(path, allow_pickle=False) as found:
        assert set(found) == set(tensors)
        for name, array in tensors.items():
            np.testing.assert_array_equal(found[name], np.asarray(array, np.float32))
    again = init.load_pretrained(shapes(model), path)
    jax.tree.map(np.testing.assert_array_equal, again, loaded)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.npz", "given.npz"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_what_is_saved_in_any_dtype_comes_back_in_the_one_asked_for(tmp_path, dtype):
    path = tmp_path / "half.npz"
    variables = jax.tree.map(lambda leaf: leaf.astype(dtype), build(SPOT).init(jax.random.key(0)))
    init.save_pretrained(variables, path)
    with np.load(path, allow_pickle=False) as found:
        written = "float16" if dtype == "float16" else "float32"
        assert {array.dtype.name for array in found.values()} == {written}
    for asked in ("bfloat16", "float16", "float32"):
        wanted = jax.tree.map(lambda leaf, d=asked: leaf.astype(d), variables)
        again = init.load_pretrained(jax.eval_shape(lambda tree=wanted: tree), path)
        jax.tree.map(np.testing.assert_array_equal, again, wanted)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(again)} == {asked}


def test_what_holds_no_floating_point_cannot_be_saved(tmp_path):
    whole = jax.tree.map(lambda leaf: leaf.astype(int), build(SPOT).init(jax.random.key(0)))
    with pytest.raises(ValueError, match="has dtype int32; allowed: a floating-point dtype"):
        init.save_pretrained(whole, tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "odd", "words"),
    [("x.safetensors", {}, "path is .*; allowed: a file with the suffix .npz"), ("x.npz", {"extra": 1}, "'extra'")],
)
def test_what_cannot_be_saved_is_named(tmp_path, name, odd, words):
    params, stats = build(SPOT).init(jax.random.key(0))
    with pytest.raises(ValueError, match=words):
        init.save_pretrained(({**params, **jax.tree.map(jnp.float32, odd)}, stats), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_network_starts_from_a_file_under_a_head_of_its_own(tmp_path):
    path = tmp_path / "weights.npz"
    init.save_pretrained(build(SPOT, classes=3).init(jax.random.key(7)), path)
    wanted = init.load_pretrained(shapes(build(SPOT, classes=3)), path)
    fresh = partial(build, SPOT)
    model = init.from_pretrained(fresh, path, skip=("^head/",), classes=5)
    params, stats = model.init(jax.random.key(1))
    head = fresh(classes=5).init(jax.random.key(1))[0]["head"]
    jax.tree.map(np.testing.assert_array_equal, params["head"], head)
    rest = {name: tree for name, tree in params.items() if name != "head"}
    jax.tree.map(np.testing.assert_array_equal, (rest, stats), ({k: wanted[0][k] for k in rest}, wanted[1]))
    image = jnp.ones((2, 8, 8, 3))
    ours, theirs = (m.apply(params, stats, image, train=False)[0][0] for m in (model, fresh(classes=5)))
    np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(init.PretrainedMismatchError, match=r"fc\.weight"):
        jax.eval_shape(init.from_pretrained(fresh, path, classes=5).init, jax.random.key(1))
