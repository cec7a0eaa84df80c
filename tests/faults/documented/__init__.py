"""What every public function does with hostile arguments: one line a function.

A function of a package that is walked by ``tests/_api.py`` and is named in none of these tables fails a test. Arguments
that go by a usual name need not be described; the defaults of ``Case`` are what most functions do.
"""

import numpy as np

from tests.faults._fuzz import Array, Key
from tests.faults.documented import analysis, augment, layers, losses, optim, rest
from tests.faults.documented.common import boxes


def simplex(rng, shape):
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


def positive(rng, shape):
    return rng.random(shape) + 0.5


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
    "cost_matrix": Array(("C", "C"), positive),
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

DOCUMENTED = {}
for table in (losses, layers, augment, optim, analysis, rest):
    DOCUMENTED |= table.DOCUMENTED
ELSEWHERE, WITHIN = rest.ELSEWHERE, rest.WITHIN
