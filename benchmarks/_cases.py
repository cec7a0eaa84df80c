"""What the benchmarks measure without an entry of their own: the cases of the tests, at the size of the benchmark."""

from collections.abc import Callable, Collection, Iterator

from jaxtricks import augment
from tests.cases import family, of_an_image, on_an_image
from tests.cases.case import Subject

__all__ = ["Subject", "arrays", "augmentations", "losses"]


def losses(done: Collection[str]) -> Iterator[tuple[str, Subject]]:
    """The losses with one value an example that are not done yet; of their arguments the first is learnt."""
    for name, case in family("losses").items():
        learnt = case.leaves and getattr(case.leaves[0], "dtypes", "").startswith("f")
        if name not in done and case.case.rows and case.case.call is None and learnt:
            yield name, case


def arrays(case: Subject, *, batch: int, classes: int, features: int) -> list:
    """The arguments of a loss at a size."""
    return case.make(0, B=batch, C=classes, N=classes, D=features)


def augmentations(done: Collection[str]) -> Iterator[tuple[str, Callable]]:
    """``(key, batch) -> batch`` of every augmentation of an image that is not done yet."""
    for name, case in family("augment").items():
        if name not in done and of_an_image(case):
            yield name, augment.each(on_an_image(case))
