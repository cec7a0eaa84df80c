"""Pascal VOC's form of boxes: an XML file for each image."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from jaxtricks import check
from jaxtricks.data._annotations import Annotations, read_text, safe_name, table_of
from jaxtricks.data._columns import DataError
from jaxtricks.data._files import printable

LARGEST = 2**24  # bytes of one file


def read_voc(
    path: str | Path | Sequence[Path], *, class_names: Sequence[str] | None = None, first: int = 1
) -> Annotations:
    """The boxes of VOC's XML files, one an image: ``filename``, ``size``, and ``object`` with ``name`` and ``bndbox``.

    VOC counts pixels from 1, and both ends of a box belong to it: 1 to W is all of an image, 0 to W in xyxy. Programs
    that draw boxes often count from 0 and leave the end out; those files are for ``first=0``. ``difficult`` becomes a
    crowd, which need not be found; ``pose``, ``truncated`` and parts of objects are not read.

    Args:
      path: a folder of ``.xml`` files, or the files.
      class_names: of the classes, in the order of the labels; all that occur, sorted, if None. A box of another has
        the label -1.
      first: number of the first pixel, 1 or 0.

    Returns:
      Annotations, by the names of the XML files.

    Raises:
      DataError: if there is no such file, or one is no such XML, not UTF-8, larger than 16 MiB, or has a document type:
        entities, which can fill the memory or read other files, are refused and never expanded.

    Reference:
      Everingham et al., The Pascal visual object classes challenge, IJCV 2010.
    """
    check.option("first", first, (0, 1))
    files = sorted(Path(path).glob("*.xml")) if isinstance(path, str | Path) else list(path)
    if not files:
        raise DataError(f"{printable(str(path))} has no .xml file; allowed: one or more.")
    names, sizes, rows = [], [], []
    for number, file in enumerate(files):
        root = _parsed(file)
        shown = printable(file)
        names.append(safe_name(root.findtext("filename"), f"{shown}: filename"))
        sizes.append([_side(root.findtext(f"size/{side}")) for side in ("height", "width")])
        for one in root.findall("object"):
            kind = (one.findtext("name") or "").strip()
            corners = [one.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
            if not kind or None in corners:
                raise DataError(f"{shown} has an object without a name or a box; allowed: both.")
            x0, y0, x1, y1 = (_number(shown, text) for text in corners)
            difficult = (one.findtext("difficult") or "0").strip() not in ("0", "")
            rows.append((number, kind, (x0 - first, y0 - first, x1, y1), difficult))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"two .xml files are of {twice}; allowed: one an image.")
    image, kinds, box, difficult = zip(*rows, strict=True) if rows else ((),) * 4
    classes = tuple(sorted(set(kinds)) if class_names is None else class_names)
    place = {name: label for label, name in enumerate(classes)}
    return Annotations(
        files=tuple(names),
        sizes=np.array(sizes, np.int64).reshape(-1, 2),
        class_names=classes,
        image=np.array(image, np.int64),
        box=table_of(box),
        label=np.array([place.get(kind, -1) for kind in kinds], np.int64),
        crowd=np.array(difficult, bool),
    )


def write_voc(folder: str | Path, annotations: Annotations, *, first: int = 1, decimals: int = 0) -> None:
    """Write boxes as VOC's XML files, each by the name of its image; areas and ids, which VOC has not, are left out.

    Args:
      folder: that is there.
      annotations: of any form.
      first: number of the first pixel, 1 or 0, as for ``read_voc``.
      decimals: of a pixel; 0 in VOC.

    Raises:
      DataError: if a box is of a class without a name, or two images have one name.
    """
    check.option("first", first, (0, 1))
    wrong = (annotations.label < 0) | (annotations.label >= annotations.classes)
    if wrong.any():
        raise DataError(f"label is {annotations.label[wrong][0]}; allowed: 0 to {annotations.classes - 1}.")
    stems = [Path(name).stem for name in annotations.files]
    if len(set(stems)) < len(stems):
        raise DataError(f"two images are {next(s for s in stems if stems.count(s) > 1)}; allowed: different names.")
    moved = (annotations.box + np.array([[first, first, 0, 0]])).round(decimals) + 0.0  # no -0
    for number, (stem, name, size) in enumerate(zip(stems, annotations.files, annotations.sizes, strict=True)):
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = name
        of_size = ElementTree.SubElement(root, "size")
        for side, value in (("width", size[1]), ("height", size[0])):
            ElementTree.SubElement(of_size, side).text = str(int(value))
        for row in np.flatnonzero(annotations.image == number):
            one = ElementTree.SubElement(root, "object")
            ElementTree.SubElement(one, "name").text = annotations.class_names[annotations.label[row]]
            ElementTree.SubElement(one, "difficult").text = str(int(annotations.crowd[row]))
            box = ElementTree.SubElement(one, "bndbox")
            for side, value in zip(("xmin", "ymin", "xmax", "ymax"), moved[row], strict=True):
                ElementTree.SubElement(box, side).text = f"{value:.{decimals}f}"
        ElementTree.indent(root)
        text = ElementTree.tostring(root, encoding="unicode")
        (Path(folder) / f"{stem}.xml").write_text(text, encoding="utf-8")


def _parsed(file: Path) -> ElementTree.Element:
    shown = printable(file)
    if not file.is_file():
        raise DataError(f"{shown} is no file; allowed: files of XML.")
    if file.stat().st_size > LARGEST:
        raise DataError(f"{shown} has {file.stat().st_size:,} bytes; allowed: {LARGEST:,}.")
    text = read_text(file)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{shown} has a document type; allowed: XML without one, and so without entities.")
    try:
        root = ElementTree.fromstring(text)  # of text, whose encoding nothing in it can change
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise DataError(f"{shown} is no XML: {error}.") from error
    if root.tag != "annotation":
        raise DataError(f"{shown} has the root {root.tag[:40]!r}; allowed: 'annotation', as VOC has it.")
    return root


def _side(text: str | None) -> int:
    """A side in pixels; 0 where it is missing or no such number."""
    stripped = (text or "").strip()
    return int(stripped) if stripped.isascii() and stripped.isdecimal() and len(stripped) < 10 else 0


def _number(shown: str, text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError as error:
        raise DataError(f"{shown} has a corner {str(text)[:40]!r}; allowed: numbers.") from error
