"""deepforest's photographs from an archive like its wheel: tiles, boxes at their borders, one photograph held out."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxtricks import data
from jaxtricks.data import DataError
from jaxtricks.data._deepforest import HELD_OUT, PHOTOGRAPHS

KINDS = ("Tree", "Dead", "Alive")
BOXES = {HELD_OUT: [(0, 0, 20, 20), (36, 8, 46, 24), (50, 8, 62, 24)]}  # within a tile of 40, over two, and cut off
OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


def contents(*, without=()):
    for number, name in enumerate(PHOTOGRAPHS):
        if name not in without:
            file = io.BytesIO()
            Image.new("RGB", (60, 40), (0, 50 * number, 0)).save(file, "PNG")
            boxes = BOXES.get(name, [(2, 2, 10, 10)])
            text = "".join(OBJECT.format(kind, *box) for kind, box in zip(KINDS, boxes, strict=False))
            size = "<size><width>60</width><height>40</height></size>"
            yield f"deepforest/data/{name}.png", file.getvalue()
            yield f"deepforest/data/{name}.xml", f"<annotation><filename>{name}.png</filename>{size}{text}</annotation>"
    yield "deepforest/evil/../../OSBS_029.xml", "<no/>"


def wheel(folder, **options):
    with zipfile.ZipFile(folder / "deepforest-9-py3-none-any.whl", "w") as archive:
        for name, content in contents(**options):
            archive.writestr(name, content)
    return folder / "deepforest-9-py3-none-any.whl"


def source(folder):
    with tarfile.open(folder / "deepforest-9.tar.gz", "w:gz") as archive:
        for name, content in contents():
            raw = content if isinstance(content, bytes) else content.encode()
            info = tarfile.TarInfo(f"deepforest-9/src/{name}")
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return folder / "deepforest-9.tar.gz"


@pytest.mark.parametrize("make", [wheel, source])
def test_tiles_with_boxes(tmp_path, make):
    """At half the size 30 x 20, in tiles of 20: one full, one half grey. Of the second tree 0.4 lie in the first."""
    tiles = data.load(str(make(tmp_path)), size=20)
    assert (tiles.shape, tiles.classes, tiles.class_names) == ((20, 20, 3), 1, ("tree",))
    assert (len(tiles.train), len(tiles.test)) == (6, 2)
    assert tiles.test["box_valid"].sum(1).tolist() == [1, 2]
    np.testing.assert_allclose(tiles.test["box"][0, 0], [0, 0, 10, 10])
    wanted = [[0, 4, 3, 12], [5, 4, 10, 12]]  # 31 is cut to 30, the width of the photograph
    np.testing.assert_allclose(tiles.test["box"][1], wanted)
    held = PHOTOGRAPHS.index(HELD_OUT)
    assert tiles.test["image"][1, 0, :, 1].tolist() == [50 * held] * 10 + [114] * 10
    assert not (tiles.train["image"][..., 1] == 50 * held).any()
    words = "3 trees on 1 photographs are 3 boxes on 2 tiles; 1 parts of less than half a tree"
    assert f"deepforest, test: {words}, cut off by a border, are left out." in tiles.notes


def test_what_is_no_such_archive(tmp_path):
    with pytest.raises(DataError, match=r"has no data/SOAP_061\.xml; allowed: deepforest"):
        data.deepforest(wheel(tmp_path, without=("SOAP_061",)), size=20)
    (tmp_path / "deepforest.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="cannot be unpacked"):
        data.load(str(tmp_path / "deepforest.zip"))
    with pytest.raises(ValueError, match="scale is 0; allowed: greater than 0"):
        data.deepforest(tmp_path / "deepforest.zip", scale=0)
