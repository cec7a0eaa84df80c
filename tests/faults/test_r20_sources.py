"""Row 20 for data: hostile archives, folders, images and descriptions are refused by name; nothing of them runs."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxtricks import data
from jaxtricks.archive import ArchiveError, open_npz
from jaxtricks.data import DataError, read_npz
from jaxtricks.data._files import decode

MEMORY = 40  # MiB that refusing any of these files may take
GOOD = {
    "x_train": np.arange(40 * 16, dtype=np.uint8).reshape(40, 4, 4),
    "y_train": np.arange(40) % 2,
    "x_test": np.zeros((4, 4, 4), np.uint8),
    "y_test": np.arange(4) % 2,
}


class Payload:
    """What a pickle runs when it is loaded."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def npy(array, *, header=None, version=(1, 0)):
    if header is None:
        out = io.BytesIO()
        np.lib.format.write_array(out, np.asarray(array), version=version)
        return out.getvalue()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + array


def described(shape, descr="'|u1'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()


def archive(path, changes=(), *, method=zipfile.ZIP_STORED, lie=None, extra=()):
    """The good arrays with some members replaced; ``lie`` gives the first one a size in the directory."""
    members = {f"{name}.npy": npy(array) for name, array in GOOD.items()} | dict(changes)
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as out:
        for name, raw in (*members.items(), *extra):
            out.writestr(name, raw)
        if lie is not None:
            out.filelist[0].file_size = lie
    return path


def flipped(path):
    raw = bytearray(path.read_bytes())
    raw[raw.index(GOOD["x_train"].tobytes()) + 5] ^= 1
    path.write_bytes(raw)
    return path


def marked_encrypted(path):
    raw = path.read_bytes()
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = raw.index(mark) + place
        raw = raw[:at] + b"\x01" + raw[at + 1 :]
    path.write_bytes(raw)
    return path


def hostile(folder, canary):
    """Name to (file, words of the refusal)."""
    zeros = bytes(2**26)
    pickled = pickle.dumps(Payload(canary))
    files = {}

    def add(name, words, make, *args, **options):
        path = folder / f"{name}.npz"
        files[name] = (make(path, *args, **options), words)

    def raw(path, content):
        path.write_bytes(content)
        return path

    first = "x_train.npy"
    add("pickle", "File is not a zip file", raw, pickled)
    add("npy", "File is not a zip file", raw, npy(GOOD["x_train"]))
    add("empty", "File is not a zip file", raw, b"")
    add("pickled member", "no array of numbers", archive, {first: pickled})
    objects = np.array([Payload(canary)], dtype=object)
    add("objects", "dtype object; allowed: numbers", archive, {first: npy(objects)})
    add(
        "objects in a record", "allowed: numbers", archive, {first: npy(b"", header=described("(1,)", "[('a', '|O')]"))}
    )
    add("text", "dtype <U3; allowed: numbers", archive, {first: npy(np.array(["abc"]))})
    for name in ("../x_train.npy", "a/../../x.npy", "/etc/x.npy", "C:\\x.npy", "..\\x.npy"):
        add(f"path {len(files)}", "points outside of the archive", archive, extra=[(name, npy(GOOD["x_train"]))])
    add(
        "larger than it says",
        "cannot be read",
        archive,
        {first: npy(zeros, header=described("(8,)"))},
        lie=72,
        method=8,
    )
    add(
        "more elements than bytes",
        "but holds 64 bytes",
        archive,
        {first: npy(bytes(64), header=described(f"({10**12},)"))},
    )
    huge = described(f"({10**12},)")
    size = 10**12 + 10 + len(huge)
    add("a lie on both sides", "take 1,000,000,000,", archive, {first: npy(bytes(64), header=huge)}, lie=size)
    add("overflow", "but holds", archive, {first: npy(b"", header=described(f"({2**32}, {2**32})"))})
    add("negative", "but holds", archive, {first: npy(bytes(8), header=described("(-2, -4)"))})
    long = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(zeros)) + zeros
    add("long header", "has a header of 67,108,864 characters", archive, {first: long}, method=8)
    add("deep header", "a header that is none", archive, {first: npy(b"", header=b"(" * 9000)})
    add("minus signs", "a header that is none", archive, {first: npy(b"", header=b"-" * 9000 + b"1")})
    add(
        "code", "cannot be read", archive, {first: npy(b"", header=f"__import__('os').mkdir({str(canary)!r})".encode())}
    )
    add("version 9", "no array of numbers", archive, {first: npy(b"", header=b"{}", version=(9, 0))})
    add("cut off", "cannot be read", lambda path: raw(path, archive(path).read_bytes()[:-40]))
    add("flipped bit", "Bad CRC-32", lambda path: flipped(archive(path)))
    add("packed unusually", "packed unusually; allowed: stored or deflated", archive, method=zipfile.ZIP_LZMA)
    add("encrypted", "encrypted", lambda path: marked_encrypted(archive(path)))
    return files


LOAD = """
import json, re, sys
from pathlib import Path
from jaxtricks import data
from jaxtricks.data import _files as files
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
out = {}
for path in json.loads(sys.stdin.read()):
    before = peak()
    try:
        if path.endswith(".npz"):
            data.load(path)
        else:
            files.decode(Path(path))
        found = "read"
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    out[path] = found, peak() - before
before = peak()
_ = b"x" * 2**26
out["control"] = "", peak() - before
print(json.dumps(out))
"""


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb_png(width, height, *extra):
    ends = [chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")]
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + b"".join([start, *extra, *ends])


def bomb_tiff(tile):
    """A TIFF of 10 x 10 pixels in LZW with one tile of tile x tile."""
    tags = [
        (256, 10),
        (257, 10),
        (258, 8),
        (259, 5),
        (262, 1),
        (277, 1),
        (322, tile),
        (323, tile),
        (324, 200),
        (325, 64),
    ]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return (struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + body).ljust(264, b"\0")


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
IMAGES = {
    "large.png": (bomb_png(9_500, 9_500), "9500 x 9500 pixels; allowed: 89,478,485"),
    "huge.png": (bomb_png(60_000, 60_000), "decompression bomb"),
    "text.png": (bomb_png(4, 4, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26), 1))), None),
    "profile.png": (bomb_png(4, 4, chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(2**26), 1))), "too large"),
    "tiles.tif": (bomb_tiff(32_000), "its tiles have more than"),
    "postscript.jpg": (POSTSCRIPT, "it is no image"),
}


def test_hostile_archives_and_images_are_refused_in_little_memory(tmp_path, card):
    canary = tmp_path / "canary"
    wanted = {str(path): words for path, words in hostile(tmp_path, canary).values()}
    for name, (raw, words) in IMAGES.items():
        (tmp_path / name).write_bytes(raw)
        wanted[str(tmp_path / name)] = words
    programs = tmp_path / "bin"  # what PIL would start for PostScript
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\nmkdir {canary}\n")
    (programs / "gs").chmod(0o755)
    before = {str(path) for path in tmp_path.rglob("*")}
    outside = sorted(os.listdir(tmp_path.parent))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD],
        input=json.dumps(list(wanted)),
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found.pop("control")[1] > MEMORY
    for path, words in wanted.items():
        said, grown = found[path]
        if words is None:  # read, without what is hostile in it
            assert (said, grown < MEMORY) == ("read", True), (path, grown)
            continue
        assert said.startswith("DataError: "), (path, said)
        assert words in said, (path, said)
        assert path in said or not path.endswith(".npz"), (path, said)
        assert grown < MEMORY, (path, grown)
    assert not canary.exists()
    assert {str(path) for path in tmp_path.rglob("*")} == before
    assert sorted(os.listdir(tmp_path.parent)) == outside
    worst = max(grown for _, grown in found.values())
    card("r20", f"{len(wanted)} hostile archives and images", f"all refused, nothing ran, at most {worst:.0f} MiB more")


def test_pil_would_start_a_program_for_postscript():
    """Why the formats are named: without that list the bytes decide, whatever the name says."""
    with Image.open(io.BytesIO(POSTSCRIPT)) as image:
        assert image.format == "EPS"
    with pytest.raises(DataError, match="it is no image"):
        decode(io.BytesIO(POSTSCRIPT))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_good_arrays_are_read_as_numpy_reads_them(tmp_path, method):
    arrays = GOOD | {
        "fortran": np.asfortranarray(np.arange(24.0).reshape(4, 6)),
        "swapped": np.arange(5, dtype=">i4"),
        "scalar": np.float32(3),
        "none": np.zeros((0, 3), bool),
        "complex": np.full(3, 1j),
    }
    path = archive(tmp_path / "a.npz", {f"{n}.npy": npy(a) for n, a in arrays.items()}, method=method)
    found = read_npz(path)
    with np.load(path) as theirs:
        assert list(found) == list(theirs)
        for name in found:
            np.testing.assert_array_equal(found[name], theirs[name])
            assert found[name].dtype == theirs[name].dtype
            assert found[name].flags.writeable
    assert list(read_npz(path, names=("scalar", "none"))) == ["scalar", "none"]
    long = archive(tmp_path / "b.npz", {"x_train.npy": npy(GOOD["x_train"], version=(2, 0))})
    np.testing.assert_array_equal(read_npz(long)["x_train"], GOOD["x_train"])


def test_the_limit_is_of_all_arrays_together(tmp_path):
    path = archive(tmp_path / "a.npz")
    size = sum(array.nbytes for array in GOOD.values())
    assert len(data.npz(path, limit=size).train) == 40
    with pytest.raises(DataError, match=rf"a\.npz cannot be read as \.npz: its arrays take {size:,} bytes; allowed: "):
        data.npz(path, limit=size - 1)
    assert read_npz(path, names=("y_test",), limit=32)["y_test"].tolist() == [0, 1, 0, 1]


def test_shapes_are_there_before_any_array_is_read(tmp_path):
    """What an array claims is seen, and believed only when it is read."""
    absurd = npy(GOOD["y_test"]).replace(b"(4,)", b"(9,)")
    with open_npz(archive(tmp_path / "a.npz", extra=[("claims.npy", absurd)])) as file:
        assert list(file.members) == [*GOOD, "claims"]
        assert file.header("claims").shape == (9,)
        with pytest.raises(ArchiveError, match=r"'claims' has shape \(9,\) and dtype int\d+, but holds"):
            file.read("claims")
        np.testing.assert_array_equal(file.read("x_test"), GOOD["x_test"])
    with pytest.raises(FileNotFoundError), open_npz(tmp_path / "b.npz"):
        pass


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "a.npz", extra=[("x_train.npy", npy(GOOD["x_test"]))])
    with pytest.raises(DataError, match="it has two arrays 'x_train'"):
        data.load(str(path))


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "set"
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for i in range(2):
                Image.new("RGB", (9, 9), (i, 0, 0)).save(root / part / name / f"{i}.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    (tmp_path / "elsewhere" / "bird").mkdir(parents=True)
    return root


def as_file(root):
    (root / "train/cat/9.png").symlink_to(root.parent / "secret.png")


def as_relative(root):
    (root / "train/cat/9.png").symlink_to("../../../secret.png")


def as_class(root):
    (root / "train/bird").symlink_to(root.parent / "elsewhere/bird")


def as_part(root):
    (root / "test").symlink_to(root.parent / "elsewhere")


def as_chain(root):
    (root / "inner").symlink_to(root.parent / "secret.png")
    (root / "train/cat/9.png").symlink_to(root / "inner")


def dangling(root):
    (root / "train/cat/9.png").symlink_to(root / "none.png")


def circle(root):
    (root / "train/cat/9.png").symlink_to(root / "train/cat/9.png")


def pipe(root):
    os.mkfifo(root / "val/dog/9.png")


def directory(root):
    (root / "val/dog/9.png").mkdir()


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (
            as_file,
            r"train/cat/9\.png leads out of the folder to .*secret\.png; allowed by data\.folder\(\.\.\., links=True\)",
        ),
        (as_relative, r"train/cat/9\.png leads out of the folder to .*secret\.png"),
        (as_class, r"train/bird leads out of the folder to .*elsewhere/bird"),
        (as_part, r"set/test leads out of the folder to .*elsewhere"),
        (as_chain, r"leads out of the folder to .*secret\.png"),
        (dangling, r"train/cat/9\.png is a link that leads nowhere"),
        (circle, r"train/cat/9\.png is a link that leads nowhere"),
        (pipe, r"val/dog/9\.png is no file"),
        (directory, r"val/dog/9\.png is no file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_links_out_of_a_folder_and_what_is_no_file(tree, plant, words):
    plant(tree)
    with pytest.raises(DataError, match=words):
        data.load(str(tree), size=8)


def test_links_within_a_folder_and_to_it_are_followed(tree):
    (tree / "train/cat/9.png").symlink_to("../dog/1.png")
    (tree.parent / "name").symlink_to(tree)
    for path in (tree, tree.parent / "name"):
        found = data.load(str(path), size=8)
        assert found.train["label"].tolist() == [0, 0, 0, 1, 1]
        assert found.train.read(np.array([2]))["image"][0, 0, 0].tolist() == [1, 0, 0]
    (tree / "train/cat/9.png").unlink()
    as_file(tree)
    assert len(data.folder(tree, size=8, links=True).train) == 5


DESCRIPTION = {
    "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
    "featuresDict": {"features": {}},
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 200_000, r"features\.json is no description of features: maximum recursion"),
        ('{"a":' * 200_000, r"features\.json is no description of features: maximum recursion"),
        ("no json", r"features\.json is no description of features"),
        (json.dumps(DESCRIPTION | {"pythonClassName": "beside.Evil"}), r"names the class 'beside\.Evil'; allowed"),
        (json.dumps({"python_class_name": "beside.Evil"}), r"names the class 'beside\.Evil'"),
        (json.dumps({"a": [{"jsonFeature": {"json": '{"type": "beside.Evil"}'}}]}), r"names the class 'beside\.Evil'"),
        ('{"\\u0070ythonClassName": "beside.Evil"}', r"names the class 'beside\.Evil'"),
        ("{}", "foreign: TFDS cannot open it|is no image set known here"),
    ],
)
def test_the_description_of_a_foreign_set_cannot_name_code(tmp_path, monkeypatch, text, words):
    """TFDS imports the module of the class; the folder of the data may well be on the path."""
    folder = tmp_path / "foreign" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "features.json").write_text(text)
    (folder / "dataset_info.json").write_text('{"name": "foreign", "version": "1.0.0", "fileFormat": "array_record"}')
    (tmp_path / "beside.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'canary')!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=words):
        data.load("foreign", data_dir=str(tmp_path))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("text", ["[" * 200_000, '{"name":' * 200_000, "no json", '{"splits": 3}'])
def test_a_hostile_dataset_info_is_refused(tmp_path, text):
    folder = tmp_path / "foreign" / "1.0.0"
    folder.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(num_classes=2)}
    )
    features.save_config(folder)
    (folder / "dataset_info.json").write_text(text)
    with pytest.raises(DataError, match=r"foreign: TFDS cannot open it|is no image set known here"):
        data.load("foreign", data_dir=str(tmp_path))
