"""One table of cases a family: one entry a public function, from which its tests are made.

The entry feeds the contract and the edge cases of the family, the fuzzing of row 18, the tests of the values in
``tests/test_cases.py`` and the benchmark. Arguments that go by a usual name need not be described; the defaults of
``Case`` are what most functions do, so that an entry is one to three lines.
"""

from collections.abc import Callable
from functools import cache

import jax
import numpy as np

from tests._api import EXPORTED
from tests.cases import analysis, augment, compress, detection, ensembles, layers, losses, optim, rest
from tests.cases.case import Array, Key, Subject
from tests.cases.common import boxes


def simplex(rng, shape):
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


def positive(rng, shape):
    return rng.random(shape) + 0.5


def costs(rng, shape):
    return positive(rng, shape) * (1 - np.eye(*shape))  # to be right costs nothing


def counts(rng, shape):
    return rng.integers(1, 50, shape)


SCORES = Array(("B", "C"), edges=("zeros", "equal", "high", "low", "apart", "one far above", "tiny"), lead=True)
SOFT = Array(("B", "C"), simplex, lead=True)
LABELS = Array(("B",), dtypes="iu", lead=True, classes="C")
FEATURES = Array(("B", "D"), edges=("zeros", "equal", "high", "low", "apart", "one row zero", "tiny"), lead=True)
COUNTS = Array(("C",), counts, dtypes="iuf", edges=("zeros", "ones", "one row zero"))
BOXES = Array(("B", 4), boxes, lead=True, boxes=True)
PARAMS = {
    "kernel": Array((2, 3), edges=("zeros", "tiny"), free=True),
    "bias": Array((3,), edges=("zeros", "tiny"), free=True),
}

ARGUMENTS = {
    "key": Key(),
    "keys": Key(),
    "logits": SCORES,
    "student_logits": SCORES,
    "teacher_logits": SCORES,
    "student": SCORES,
    "teacher": SCORES,
    "predictions": SCORES,
    "residuals": SCORES,
    "targets": SOFT,
    "probabilities": SOFT,
    "labels": LABELS,
    "features": FEATURES,
    "losses.kernel": Array(("D", "C"), edges=("zeros", "one row zero")),
    "centers": Array(("C", "D"), edges=("zeros",)),
    "counts": COUNTS,
    "prior": Array(("C",), counts, dtypes="iufbc", edges=("zeros", "ones", "one row zero")),
    "cost_matrix": Array(("C", "C"), costs),
    "confusion": Array(("C", "C"), counts, dtypes="iuf", edges=("zeros", "one row zero")),
    "predicted": BOXES,
    "target": BOXES,
    "values": Array(("B",), lead=True),
    "bins": Array(("C",), lambda rng, shape: np.sort(rng.normal(size=shape)), dtypes="fiu", still=True),
    "losses.losses": Array(("B", "N"), lead=True, edges=("equal",)),
    "losses.positives": Array(("B", "N"), lambda rng, shape: rng.random(shape) < 0.3, dtypes="b", lead=True),
    "params": PARAMS,
    "image": augment.IMAGE,
}

CASES = {}
for table in (losses, layers, augment, optim, analysis, compress, detection, ensembles, rest):
    CASES |= table.CASES
ELSEWHERE, WITHIN = rest.ELSEWHERE | compress.ELSEWHERE, rest.WITHIN


@cache
def subject(name: str) -> Subject:
    """The public function of this name, such as "losses.ramp", with its case."""
    if f"jaxtricks.{name}" not in EXPORTED:
        package = name.split(".")[0]
        raise LookupError(f"{name} has a case and is no public name; name it in jaxtricks/{package}/__init__.py.")
    return Subject(f"jaxtricks.{name}", EXPORTED[f"jaxtricks.{name}"], CASES[name], ARGUMENTS)


def family(package: str) -> dict[str, Subject]:
    """The cases of a package by the names of its functions."""
    names = [name for name in CASES if name.split(".")[0] == package and f"jaxtricks.{name}" in EXPORTED]
    return {name.split(".")[1]: subject(name) for name in names}


def of_an_image(case: Subject) -> bool:
    """Whether it makes an image of one image, whatever it draws or takes besides."""
    image = case.arrays.get("image")
    if image is None or image.shape[:-1] != ("H", "W") or case.case.host:
        return False
    leaves = jax.tree.leaves(jax.eval_shape(case.result, case.make(0)))
    return len(leaves) == 1 and leaves[0].ndim == 3


def on_an_image(case: Subject) -> Callable:
    """``(key, image) -> image``, all else as the case draws it."""
    given = case.named(case.make(0))

    def f(key, image):
        return case.call(**given | {"image": image} | ({"key": key} if "key" in given else {}), **case.options)

    return f
