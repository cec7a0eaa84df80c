"""Where images come from: the package itself, scikit-learn, TFDS, a folder, an .npz file, or nowhere."""

import zipfile
from importlib import resources
from pathlib import Path

import numpy as np

from jaxtricks.data.dataset import DataError, Dataset, from_arrays
from jaxtricks.data.files import PILLOW_SUFFIXES, ImageFiles, TfdsRecords

EMBEDDED = ("fashion_mini", "digits", "fake")
RESIDENT_LIMIT = 2**30  # bytes of decoded images beyond which a source is streamed instead of held in memory


def load(spec: str, *, size: int = 224, data_dir: str | None = None) -> Dataset:
    """The image set that a few words name.

    Args:
      spec: ``fashion_mini`` (Fashion-MNIST, 4,000 + 3,000 images, in the package), ``digits`` (scikit-learn's 8x8),
        ``fake`` (noise with a colour a class), the path of an ``.npz`` file (x_train, y_train, x_test, y_test), the
        path of a folder (``train/CLASS/*.jpg`` and ``val/`` or ``test/``), or the name of a TFDS image set.
      size: height and width that images of varying size are brought to.
      data_dir: where TFDS keeps its sets; its own default if None.

    Returns:
      The dataset, checked.

    Raises:
      DataError: one sentence that names what is missing or wrong, and what to do.
    """
    if spec in EMBEDDED:
        return {"fashion_mini": fashion_mini, "digits": digits, "fake": fake}[spec]()
    path = Path(spec).expanduser()
    if path.suffix == ".npz":
        return npz(path)
    if path.is_dir():
        return folder(path, size=size)
    if "/" in spec and not spec.replace("/", "").replace("_", "").replace(".", "").replace(":", "").isalnum():
        raise DataError(f"{spec}: no such file or folder.")
    return tfds_set(spec, size=size, data_dir=data_dir)


def fashion_mini() -> Dataset:
    """4,000 training and 3,000 test images of Fashion-MNIST, 28x28x1, balanced; shipped with the package (MIT).

    Returns:
      The dataset.
    """
    with resources.as_file(resources.files("jaxtricks.data") / "fashion_mini.npz") as path:
        return npz(path, name="fashion_mini")


def digits() -> Dataset:
    """scikit-learn's 1,797 handwritten digits, 8x8x1: every fifth is a test image. The tier for tests.

    Returns:
      The dataset.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    test = np.arange(len(images)) % 5 == 4
    return from_arrays("digits", images[~test], bunch.target[~test], images[test], bunch.target[test])


def fake(
    *, train: int = 256, test: int = 100, classes: int = 10, shape: tuple[int, int, int] = (16, 16, 3), seed: int = 0
) -> Dataset:
    """Noise in which each class has a pattern of its own: enough to see a loss fall, and nothing to download.

    Args:
      train, test: images of each split.
      classes: their number.
      shape: ``(H, W, C)``.
      seed: of the patterns and the noise.

    Returns:
      The dataset.
    """
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(classes, *shape))

    def split(count):
        labels = np.arange(count) % classes
        noise = rng.normal(size=(count, *shape))
        return np.clip(128 + 24 * patterns[labels] + 40 * noise, 0, 255).astype(np.uint8), labels

    return from_arrays("fake", *split(train), *split(test), classes=classes)


def npz(path: Path, *, name: str | None = None) -> Dataset:
    """An ``.npz`` file with x_train, y_train, x_test, y_test; pickled objects are refused.

    Args:
      path: of the file.
      name: for messages; the path if None.

    Returns:
      The dataset.

    Raises:
      DataError: if the file is missing, unreadable, or one of its four arrays is missing or wrong.
    """
    name = str(path) if name is None else name
    if not path.is_file():
        raise DataError(f"{path}: no such file; give an .npz with x_train, y_train, x_test and y_test.")
    wanted = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in wanted if key not in archive.files]
            if missing:
                raise DataError(
                    f"{path} has no array {', '.join(missing)}; it has: {', '.join(archive.files) or 'none'}."
                )
            arrays = [archive[key] for key in wanted]
    except DataError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise DataError(f"{path} cannot be read as .npz: {error}.") from error
    return from_arrays(name, *arrays)


def folder(path: Path, *, size: int) -> Dataset:
    """A folder with ``train/CLASS/image`` and ``val/CLASS/image`` (or ``test/``): ImageNet's usual form.

    Images are decoded as they are read: in training a random resized crop, in evaluation the centre of the image after
    its short side was brought to ``size * 8 / 7``.

    Args:
      path: the folder.
      size: height and width of what is read.

    Returns:
      The dataset; classes are the names of the folders, sorted.

    Raises:
      DataError: if a split, a class or every image of a class is missing.
    """
    test_name = next((n for n in ("test", "val", "validation") if (path / n).is_dir()), None)
    if not (path / "train").is_dir() or test_name is None:
        raise DataError(f"{path} needs the folders train/ and test/ (or val/), each with one folder a class.")
    names = sorted(p.name for p in (path / "train").iterdir() if p.is_dir())
    if not names:
        raise DataError(f"{path}/train has no folder; allowed: one a class.")
    splits = []
    for part in ("train", test_name):
        unknown = sorted({p.name for p in (path / part).iterdir() if p.is_dir()} - set(names))
        if unknown:
            raise DataError(f"{path}/{part}/{unknown[0]} is no class of {path}/train.")
        files = [
            (file, label)
            for label, name in enumerate(names)
            for file in sorted((path / part / name).glob("*"))
            if file.suffix.lower() in PILLOW_SUFFIXES
        ]
        if not files:
            raise DataError(f"{path}/{part} has no image; allowed: {', '.join(sorted(PILLOW_SUFFIXES))}.")
        splits += [ImageFiles(tuple(f for f, _ in files), size), np.array([label for _, label in files], np.int64)]
    return from_arrays(str(path), *splits, classes=len(names))


def tfds_set(spec: str, *, size: int, data_dir: str | None = None) -> Dataset:
    """A TFDS image classification set, read by random access without TensorFlow.

    Sets of one fixed image size that fit are read into memory once; the others are decoded as they are read.

    Args:
      spec: the set's name, with ``:version`` or ``/config`` if wanted.
      size: height and width of what is read, for sets whose images vary in size.
      data_dir: where the prepared set lies.

    Returns:
      The dataset; its test split is ``test``, or ``validation`` where ``test`` has no labels (ImageNet).

    Raises:
      DataError: if tensorflow-datasets, the set, or a prepared copy of it is missing; the message says what to do.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(f"{spec}: pip install tensorflow-datasets to read it ({error}).") from error
    try:
        builder = tfds.builder(spec, data_dir=data_dir, file_format="array_record")
    except tfds.core.registered.DatasetNotFoundError as error:
        raise DataError(
            f"{spec!r} is no image set known here; allowed: {', '.join(EMBEDDED)}, a folder, an .npz file, "
            "or the name of a TFDS image set."
        ) from error
    except (ImportError, ValueError, OSError) as error:
        raise DataError(f"{spec}: TFDS cannot open it: {str(error).splitlines()[0]}") from error
    features = builder.info.features
    if not {"image", "label"} <= set(features or ()):
        raise DataError(f"{spec} has the features {sorted(features or ())}; allowed: sets with image and label.")
    code = f"import tensorflow_datasets as t; t.builder({spec!r}, file_format='array_record').download_and_prepare()"
    command = f'python -c "{code}"'
    if not builder.info.splits:
        raise DataError(f"{spec} is not prepared; run: pip install 'jaxtricks[prepare]' && {command}")
    test_name = "validation" if builder.name.startswith("imagenet2012") or "test" not in builder.info.splits else "test"
    try:
        parts = {part: builder.as_data_source(part) for part in ("train", test_name)}
    except (ImportError, ModuleNotFoundError) as error:
        raise DataError(f"{spec}: reading ArrayRecord needs another package: {error}.") from error
    except (NotImplementedError, ValueError, OSError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{spec} cannot be read ({reason}); prepare it again: {command}") from error
    shape = features["image"].shape
    splits = []
    for source in parts.values():
        records = TfdsRecords(source, shape, size)
        labels = records.labels()
        fits = None not in shape and len(labels) * int(np.prod(shape)) <= RESIDENT_LIMIT
        splits += [records.read(np.arange(len(labels)), seed=0, epoch=0, train=False) if fits else records, labels]
    return from_arrays(spec, *splits, classes=features["label"].num_classes)
