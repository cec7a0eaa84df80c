"""Commands beside the experiments: use a trained network, write an image set to a file, see what there is.

python -m jaxtricks                                       lists experiments, data and networks
python -m jaxtricks predict MODEL IMAGES...               classes, boxes or masks of images, by a network of --save
python -m jaxtricks export MODEL FILE --to safetensors    its weights, or the program, for others
python -m jaxtricks data cifar10 cifar10.npz              an image set that the package does not bring along
python -m jaxtricks suggest IMAGES                        a recipe to start from, and why
python -m jaxtricks weights MODEL.pth MODEL.npz           weights that torch.save wrote, for init.load_pretrained
"""

import argparse
import sys
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jaxtricks
from jaxtricks import data
from jaxtricks._help import while_read


def write(name: str, file: Path) -> None:
    """Write a set of images of one size to an .npz file: x_train, y_train, x_test, y_test.

    Args:
      name: as ``--data`` takes it, such as cifar10 for that of TensorFlow Datasets.
      file: for ``--data``.

    Raises:
      DataError: if the set cannot be read, is decoded as it is read, or the folder of the file is missing.
    """
    if file.suffix != ".npz" or not file.parent.is_dir():
        raise data.DataError(f"file is {file}; allowed: a name that ends in .npz, in a folder that exists.")
    dataset = _load(name)
    if not dataset.train.resident:
        raise data.DataError(f"{name} is decoded as it is read; allowed: sets of one size that fit in memory.")
    parts = {"train": dataset.train, "test": dataset.test}
    arrays: dict[str, Any] = {f"x_{name}": split["image"] for name, split in parts.items()}
    arrays |= {f"y_{name}": split["label"] for name, split in parts.items()}
    np.savez_compressed(file, **arrays)
    print(f"{file}: {len(dataset.train):,} training and {len(dataset.test):,} test images.")


def _load(name: str) -> data.Dataset:
    """The images; what was left out or decided is said, once, as a sentence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", data.DataWarning)  # which is among the notes
        dataset = data.load(name)
    for line in dataset.notes:
        print(line, file=sys.stderr)
    return dataset


def suggest(name: str) -> None:
    """Print a recipe to start from, and a reason for each of its parts.

    Args:
      name: of the images, as ``--data`` takes it.

    Raises:
      DataError: if the images cannot be read.
      ValueError: if they have no classes.
    """
    from jaxtricks import recipes

    recipe, reasons = recipes.suggest(_load(name))
    print(f"batch {recipe.batch}, learning rate {recipe.lr:.3g}, {round(recipe.epochs, 1):g} epochs")
    for reason in reasons:
        print(f"- {reason}")


def weights(source: Path, file: Path) -> None:
    """Write the tensors of a file of torch's to one that cannot run code.

    Args:
      source: a .pt, .pth or .bin file, or an archive with one.
      file: ends in .npz or .safetensors (extra ``weights``), in a folder that exists.

    Raises:
      ValueError: if the source holds anything but tensors by name, or the file has another suffix.
      ImportError: if the file is a safetensors file, and safetensors is not installed.
    """
    from jaxtricks import init

    if file.suffix not in (".npz", ".safetensors") or not file.parent.is_dir():
        raise ValueError(f"file is {file}; allowed: a name that ends in .npz or .safetensors, in a folder that exists.")
    tensors = init.read_torch(source)
    if file.suffix == ".npz":
        with zipfile.ZipFile(file, "w") as archive:
            for name, tensor in tensors.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, tensor, allow_pickle=False)
    else:
        try:
            from safetensors.numpy import save_file
        except ImportError as error:
            raise ImportError(
                "A .safetensors file needs safetensors: pip install 'jaxtricks[weights]'; allowed without: .npz."
            ) from error
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, file)
    numbers = sum(tensor.size for tensor in tensors.values())
    print(f"{file}: {len(tensors):,} tensors of {numbers:,} numbers.")


def overview() -> str:
    """What there is: experiments, data and networks, by the names that are typed."""
    from jaxtricks import models

    here = Path(jaxtricks.__file__).parents[1] / "experiments"
    experiments = sorted(path.stem for path in here.glob("[a-z]*.py"))
    forms = ["FOLDER with a folder for each class", "FILE.csv", "FILE.jsonl", "FILE.parquet", "FILE.npz"]
    parts = {
        "experiments, python -m experiments.NAME": experiments or ["none here: they are in the repository"],
        "data, --data": ["fashion_mini", "digits", "fake", *forms, "a set of TensorFlow Datasets"],
        "boxes, --data of experiments.detect": ["FILE.json of COCO", "FOLDER of COCO, VOC or YOLO"],
        "masks, --data of experiments.segment": ["FOLDER of images/ and masks/", "FOLDER of VOC", "FILE.json of COCO"],
        "networks, --model": list(models.NETWORKS),
        "commands, python -m jaxtricks": ["predict", "export", "data", "suggest", "weights"],
    }
    return "\n\n".join(f"{title}\n  {', '.join(names)}" for title, names in parts.items())


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    words = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(prog="python -m jaxtricks", description=__doc__, formatter_class=words)
    commands = top.add_subparsers(dest="command")
    command = commands.add_parser("predict", help="what a saved network says of images")
    command.add_argument("model", type=Path, help="the folder of --save")
    command.add_argument("images", type=Path, nargs="+", help="image files, or folders of them")
    command.add_argument("--form", choices=("text", "csv", "json"), default="text", help="how it is printed")
    command.add_argument("--top", type=int, help="classes an image, 1 if not given; of a detector boxes, at most")
    command.add_argument("--score", type=float, help="of a detector: the lowest score that is printed, 0 to 1")
    command.add_argument("--heat", type=Path, help="also write pictures of where it looks (Grad-CAM) to this folder")
    command.add_argument(
        "--masks", type=Path, help="of a segmenter: write the mask of each image to this folder, as PNG"
    )
    command.add_argument("--draw", type=Path, help="of a detector: also write images with their boxes to this folder")
    command = commands.add_parser("export", help="write a saved network for other programs")
    command.add_argument("model", type=Path, help="the folder of --save")
    command.add_argument("file", type=Path, help="ends in .npz, .safetensors or .stablehlo")
    command.add_argument("--to", choices=("npz", "safetensors", "jax"), required=True)
    command = commands.add_parser("data", help="write an image set to an .npz file")
    command.add_argument("name", help="such as cifar10, of TensorFlow Datasets")
    command.add_argument("file", type=Path, help="the .npz file, for --data")
    command = commands.add_parser("suggest", help="a recipe to start from, and why")
    command.add_argument("name", help="a folder of images, a file, or a name, as --data takes it")
    command = commands.add_parser("weights", help="write weights that torch.save wrote as .npz or .safetensors")
    command.add_argument("source", type=Path, help="a .pt, .pth or .bin file, or a wheel with one; no code of it runs")
    command.add_argument("file", type=Path, help="ends in .npz or .safetensors, for init.load_pretrained")
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line; exit status 2 and a sentence for what cannot be done.

    Args:
      arguments: without the program; those of the process if None.
    """
    with while_read():
        _do(parser().parse_args(arguments))


def _do(options: argparse.Namespace) -> None:
    try:
        if options.command is None:
            print(overview())
        elif options.command == "data":
            write(options.name, options.file)
        elif options.command == "suggest":
            suggest(options.name)
        elif options.command == "weights":
            weights(options.source, options.file)
        elif options.command == "predict":
            from jaxtricks.portable._printed import predict

            chosen = {name: getattr(options, name) for name in ("form", "top", "score", "heat", "masks", "draw")}
            predict(options.model, options.images, **chosen)
        else:
            print(jaxtricks.portable.export(jaxtricks.load(options.model), options.file, to=options.to))
    except BrokenPipeError:
        raise
    except (data.DataError, ValueError, ImportError, OSError) as error:
        print(f"jaxtricks: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
