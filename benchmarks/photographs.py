"""Photographs as ImageNet has them, by the thousand, for who has none: tiles of those that Python packages ship.

    python -m benchmarks.photographs photos                # then --data photos
    python -m benchmarks.photographs records --records     # then TFDS_DATA_DIR=records, --data photographs

Sizes are drawn from a few that are frequent there, up to 500 pixels, and a tile is saved as a JPEG of quality 90. A
share of the files can be cut off. Nothing here says anything about accuracy.
"""

import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

PLACES = {
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "skimage": tuple(f"data/{name}" for name in ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}
SIZES = ((500, 375), (500, 375), (500, 333), (375, 500), (500, 500), (400, 300))  # width and height


@dataclass(frozen=True)
class Options:
    """What to make."""

    path: tyro.conf.Positional[Path]
    """A folder, made if missing."""
    images: int = 2000
    """Of the training set."""
    cut: int = 0
    """Training files that are cut off; of a folder only."""
    records: bool = False
    """Whether they are packed as ArrayRecord, for TFDS, instead of a folder of files."""


def shipped() -> list[Image.Image]:
    """The photographs that the installed packages bring along, in RGB."""
    photographs = []
    for package, names in PLACES.items():
        spec = importlib.util.find_spec(package)
        root = Path(spec.origin).parent if spec is not None and spec.origin else None
        photographs += [Image.open(root / name).convert("RGB") for name in names if root and (root / name).exists()]
    if not photographs:
        raise SystemExit(f"no photograph is there; allowed: with one of {', '.join(PLACES)} installed.")
    return photographs


def tiles(count: int, *, seed: int = 0) -> list[bytes]:
    """So many JPEG files, each another window of one of the photographs.

    Args:
      count: 1 or more.
      seed: of the windows.
    """
    rng, sources, files = np.random.default_rng(seed), shipped(), []
    for i in range(count):
        source, (width, height) = sources[i % len(sources)], SIZES[int(rng.integers(len(SIZES)))]
        scale = rng.uniform(0.5, 1.0) * min(source.width / width, source.height / height)
        w, h = width * scale, height * scale
        x, y = rng.uniform(0, source.width - w), rng.uniform(0, source.height - h)
        out = io.BytesIO()
        source.resize((width, height), Image.Resampling.BICUBIC, box=(x, y, x + w, y + h)).save(out, "JPEG", quality=90)
        files.append(out.getvalue())
    return files


def folder(path: Path, count: int, *, classes: int = 10, tests: int = 64, cut: int = 0) -> Path:
    """A folder as ``--data`` takes it: train/CLASS/NUMBER.jpg and test/CLASS/NUMBER.jpg.

    Args:
      path: made if missing.
      count: of training images.
      classes: number of classes.
      tests: number of test images.
      cut: of the training files, which are cut off in the middle.
    """
    for part, files in (("train", tiles(count)), ("test", tiles(tests, seed=1))):
        for i, raw in enumerate(files):
            place = path / part / f"class{i % classes}" / f"{i}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            damaged = part == "train" and i < cut
            place.write_bytes(raw[: len(raw) // 2] if damaged else raw)
    return path


def array_record(path: Path, count: int, *, classes: int = 10, tests: int = 64) -> Path:
    """A set ``photographs`` of TFDS, prepared as ArrayRecord without TensorFlow; ``path`` is its TFDS_DATA_DIR."""
    import tensorflow_datasets as tfds

    path.mkdir(parents=True, exist_ok=True)  # which TFDS reads before it writes
    parts = {"train": tiles(count), "test": tiles(tests, seed=1)}

    def info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(num_classes=classes),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def generate(self, part):
        for i, raw in enumerate(parts[part]):
            yield i, {"image": io.BytesIO(raw), "label": i % classes}

    body = {
        "VERSION": tfds.core.Version("1.0.0"),
        "pkg_dir_path": path,
        "_info": info,
        "_split_generators": lambda self, dl_manager: {part: generate(self, part) for part in parts},
        "_generate_examples": generate,
    }
    builder = type("Photographs", (tfds.core.GeneratorBasedBuilder,), body)
    builder(data_dir=path, file_format="array_record").download_and_prepare()
    return path


def main(options: Options) -> None:
    """Make the set."""
    if options.records and options.cut:
        raise SystemExit(f"--cut is {options.cut} with --records; allowed: 0.")
    if options.records:
        array_record(options.path, options.images)
    else:
        folder(options.path, options.images, cut=options.cut)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
