"""What ``python -m jaxtricks predict`` prints and writes: classes, boxes, the shares and PNGs of masks, or numbers."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageDraw, ImageFont

from jaxtricks.data import DataError, write_mask
from jaxtricks.data._files import decode, suffixes
from jaxtricks.portable._network import BATCH, Predictions, Saved, load

HEAT_WEIGHT = 0.5  # of the colours over the image
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00")  # of Okabe and Ito; then from the first
CORNERS = ("left", "top", "right", "bottom")
FITS = {  # the options that do something, by what a network says
    "classes": ("top", "heat"),
    "boxes": ("top", "score", "draw"),
    "mask": ("masks",),
    "numbers": ("heat",),
}


def predict(
    folder: Path,
    images: Sequence[Path],
    *,
    form: str,
    top: int | None,
    score: float | None,
    heat: Path | None,
    masks: Path | None,
    draw: Path | None,
) -> None:
    """Print what a saved network says of image files: a line each, a line a box of a detector.

    Args:
      folder: of the network.
      images: files, and folders, of which all image files are taken.
      form: "text", "csv" or "json".
      top: of a classifier how many classes an image, of a detector how many boxes at most, 1 or more; None for one
        class, for all boxes.
      score: of a detector, the lowest that is printed, 0 to 1; None for all.
      heat: folder for a picture of each image with the places that speak for its class, or None.
      masks: folder for the PNG of each image's mask, in VOC's colours, under the image's name, which a segmenter needs;
        else None.
      draw: folder for a PNG of each image with the boxes that are printed, or None.

    Raises:
      DataError: if the network or an image cannot be read, or there is none.
      ValueError: if an option is out of range, does nothing for this network, or is missing; or two masks would be one
        file, or take the place of an image.
    """
    if top is not None and top < 1:
        raise ValueError(f"--top is {top}; allowed: 1 or more.")
    if score is not None and not 0 <= score <= 1:
        raise ValueError(f"--score is {score:g}; allowed: 0 to 1.")
    named = [pair for path in images for pair in _files(path)]
    files = [file for file, _ in named]
    network = load(folder)
    _check(network, {"top": top, "score": score, "heat": heat, "masks": masks, "draw": draw})
    targets = [] if masks is None else _targets(named, masks, option="--masks")
    pictures = [] if draw is None else _targets(named, draw, option="--draw")
    rows, heats = [], []
    for start in range(0, len(files), BATCH):
        some = files[start : start + BATCH]
        said = network.predict(some)
        if masks is not None:
            _write_masks(said, targets[start : start + BATCH])
        rows += _rows_of(network, said, some, targets[start : start + BATCH], top=top, score=score or 0.0)
        if heat is not None:
            heats.append(network.heat(some))
    {"text": _as_text, "csv": _as_csv, "json": _as_json}[form](rows)
    if masks is not None:
        print(f"{len(files)} masks: {masks}", file=sys.stderr)
    if draw is not None:
        for row, file, picture in zip(rows, files, pictures, strict=True):
            _draw(row["boxes"], file, picture, names=network.class_names or ())
        print(f"{len(files)} picture{'s' * (len(files) != 1)}: {draw}", file=sys.stderr)
    if heat is not None:
        _paint(network, files, np.concatenate(heats), heat)


def _check(network: Saved, options: dict[str, Any]) -> None:
    """ValueError for what does nothing here, and for a segmenter without a folder."""
    fits = FITS[network.kind]
    for name, value in options.items():
        if value is not None and name not in fits:
            allowed = ", ".join(f"--{fit}" for fit in fits)
            raise ValueError(
                f"--{name} is {value}; allowed with {network.folder}, which says {network.kind}: {allowed}."
            )
    if network.kind == "mask" and options["masks"] is None:
        raise ValueError(f"--masks is missing: {network.folder} says a mask for each image; allowed: --masks FOLDER.")
    if options["heat"] is not None and network.facts["tap"] is None:
        raise ValueError(f"model is {network.folder}, which gives no map of an image; allowed: a network with maps.")


def _files(path: Path) -> list[tuple[Path, Path]]:
    """A file, or the image files of a folder and of those in it, by name; each with its place in that folder."""
    if not path.is_dir():
        return [(path, Path(path.name))]
    files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in suffixes() and file.is_file()]
    if not files:
        raise DataError(f"{path} has no image; allowed: {', '.join(sorted(suffixes()))}.")
    return [(file, file.relative_to(path)) for file in files]


def _targets(named: Sequence[tuple[Path, Path]], folder: Path, *, option: str) -> list[Path]:
    """Where the PNG of each image is written; ValueError where two would be one file, or an image would be lost."""
    targets = [folder / place.with_suffix(".png") for _, place in named]
    twice = next((target for target, count in Counter(targets).items() if count > 1), None)
    if twice is not None:
        both = [str(file) for (file, _), target in zip(named, targets, strict=True) if target == twice]
        raise ValueError(f"{both[0]} and {both[1]} would both be written as {twice}; allowed: one a command.")
    images = {file.resolve() for file, _ in named}
    if lost := [target for target in targets if target.resolve() in images]:
        raise ValueError(f"{option} is {folder}, where {lost[0].name} is an image; allowed: another folder.")
    return targets


def _write_masks(said: Predictions, targets: Sequence[Path]) -> None:
    for mask, target in zip(said.masks or (), targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_mask(target, mask)


def _rows_of(
    network: Saved,
    said: Predictions,
    files: Sequence[Path],
    targets: Sequence[Path],
    *,
    top: int | None,
    score: float,
) -> Iterator[dict[str, Any]]:
    """A dict an image; what there is any number of is a dict or a list within it."""
    names = network.class_names or ()
    for number, file in enumerate(files):
        row: dict[str, Any] = {"image": str(file)}
        if said.boxes is not None:
            boxes = said.boxes[number]
            triples = zip(boxes.names, boxes.scores.tolist(), boxes.xyxy.tolist(), strict=True)
            good = [(name, value, corners) for name, value, corners in triples if value >= score][:top]
            row["boxes"] = [
                {"class": name, "score": round(value, 4)}
                | dict(zip(CORNERS, (round(x, 1) for x in corners), strict=True))
                for name, value, corners in good
            ]
        elif said.masks is not None:
            counts = np.bincount(said.masks[number].ravel(), minlength=len(names))
            shares = (counts / counts.sum()).tolist()
            row["mask"] = str(targets[number])
            row["shares"] = {name: round(share, 4) for name, share in zip(names, shares, strict=True)}
        elif said.probabilities is None:
            row |= {f"output_{i}": float(value) for i, value in enumerate(np.ravel(said.output[number]))}
        else:
            best = np.argsort(-said.probabilities[number], kind="stable")[: top or 1]
            for place, entry in enumerate(best, 1):
                row[f"class_{place}"] = names[entry]
                row[f"probability_{place}"] = round(float(said.probabilities[number, entry]), 4)
        yield row


def _as_json(rows: Sequence[dict[str, Any]]) -> None:
    print(json.dumps(rows, indent=1, ensure_ascii=False))


def _as_csv(rows: Sequence[dict[str, Any]]) -> None:
    """A line an image; a line a box, and one with the image alone where there is none."""
    if "boxes" in rows[0]:
        header = ["image", "class", "score", *CORNERS]
        lines = [{"image": row["image"], **box} for row in rows for box in row["boxes"] or [{}]]
    elif "shares" in rows[0]:
        lines = [
            {
                "image": row["image"],
                "mask": row["mask"],
                **{f"share_{name}": share for name, share in row["shares"].items()},
            }
            for row in rows
        ]
        header = list(lines[0])
    else:
        header, lines = list(rows[0]), rows
    table = csv.DictWriter(sys.stdout, header, lineterminator="\n")
    table.writeheader()
    table.writerows(lines)


def _as_text(rows: Sequence[dict[str, Any]]) -> None:
    write: Callable[..., None] = lambda *words: print(*words, sep="  ")  # noqa: E731
    for row in rows:
        if "boxes" in row:
            for box in row["boxes"]:
                write(row["image"], box["class"], f"{box['score']:.4g}", *(f"{box[side]:.1f}" for side in CORNERS))
            if not row["boxes"]:
                write(row["image"], "no box")
        elif "shares" in row:
            write(row["image"], *(f"{name} {100 * share:.1f} %" for name, share in row["shares"].items()))
        else:
            write(*(f"{value:.4g}" if isinstance(value, float) else value for value in row.values()))


def _draw(boxes: Sequence[dict[str, Any]], file: Path, picture: Path, *, names: Sequence[str]) -> None:
    """The image with its boxes, upright, in its own size; the best box lies on top."""
    image = decode(file, channels=3)
    pen, width = ImageDraw.Draw(image), max(1, round(max(image.size) / 250))
    font = ImageFont.load_default(max(9, max(image.size) / 50))
    for box in reversed(boxes):
        colour = COLOURS[names.index(box["class"]) % len(COLOURS)]
        left, top, right, bottom = (box[side] for side in CORNERS)
        pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=width)
        words = f"{box['class']} {box['score']:.2f}"
        _, above, end, _ = pen.textbbox((left, top), words, font=font, anchor="ld")
        left, top = max(0.0, left - max(0.0, end - image.width)), top + max(0.0, -above)  # within the image
        pen.rectangle(pen.textbbox((left, top), words, font=font, anchor="ld"), fill=colour)
        pen.text((left, top), words, font=font, anchor="ld", fill="black")
    picture.parent.mkdir(parents=True, exist_ok=True)
    image.save(picture)


def _paint(network: Saved, files: Sequence[Path], heats: np.ndarray, folder: Path) -> None:
    """A PNG an image: what the network saw, with warm colours where it looked."""
    from matplotlib import colormaps
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number, (file, heat) in enumerate(zip(files, heats, strict=True)):
        (seen,) = network.read([file])
        size = seen.shape[1], seen.shape[0]
        fine = np.asarray(Image.fromarray(np.uint8(255 * heat)).resize(size, Image.Resampling.BILINEAR)) / 255
        colours = 255 * colormaps["inferno"](fine)[..., :3]
        mixed = (1 - HEAT_WEIGHT) * np.broadcast_to(seen, (*seen.shape[:2], 3)) + HEAT_WEIGHT * colours
        Image.fromarray(np.uint8(mixed.round())).save(folder / f"{number:04d}-{file.stem}.png")
    print(f"{len(files)} picture{'s' * (len(files) != 1)}: {folder}", file=sys.stderr)
