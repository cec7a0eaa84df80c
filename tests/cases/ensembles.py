"""What ensembles do with hostile arguments."""

import numpy as np
from scipy.stats import rankdata

from tests.cases.case import Array, Case, Says
from tests.cases.common import within


def simplex(rng, shape):
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


def some(rng, shape):
    return rng.random(shape) < 0.6


MEMBERS = Array(("M", "B", "C"), simplex, edges=("equal",), lead=True)
STACK = Array(("M", "B", "C"), simplex, edges=("equal",))
IMAGES = Array(("B", "C"), simplex, edges=("equal",))
LABELS = Array(("B",), dtypes="iu", classes="C")
PREDICTED = Array(("M", "B"), dtypes="iu", classes="C")
CORRECT = Array(("M", "B"), some, dtypes="b")
PRIOR = Array(("C",), lambda rng, shape: rng.integers(1, 50, shape), dtypes="iuf", edges=("ones",))
LEFT_OUT = Says("is left out")

CASES = {
    "ensembles.average": Case(
        {"probabilities": MEMBERS},
        empty="B",
        holds=within(0, 1),
        by_hand=(({"probabilities": [[0.9, 0.1], [0.5, 0.5]], "weights": np.float32([3, 1])}, [0.8, 0.2]),),
        limit=({"weights": np.float32([0, 1])}, lambda probabilities: probabilities[1]),
        reference=lambda probabilities: np.mean(probabilities, 0),
        invariance=lambda probabilities: {"probabilities": probabilities[::-1]},
    ),
    "ensembles.balance_predictions": Case(
        {"probabilities": IMAGES},
        {"iterations": 30, "smallest": 5e-3},
        holds=within(0, 1),
        gradient=False,
        inf=Says("0 or more"),
    ),
    "ensembles.borda": Case(
        {"probabilities": MEMBERS},
        empty="B",
        holds=within(0, 4),
        gradient=False,
        by_hand=(({"probabilities": [[0.6, 0.3, 0.1], [0.1, 0.45, 0.45]]}, [1.0, 1.25, 0.75]),),
        limit=({}, lambda probabilities: rankdata(probabilities, axis=-1).mean(0) - 1),
        reference=lambda probabilities: (
            ((probabilities[..., None, :] < probabilities[..., None]).sum(-1)).mean(0)
            + ((probabilities[..., None, :] == probabilities[..., None]).sum(-1) - 1).mean(0) / 2
        ),
        invariance=lambda probabilities: {"probabilities": 3 * probabilities + 1},
    ),
    "ensembles.coverage": Case(
        {
            "predicted": Array(("N",), lambda rng, shape: rng.integers(-1, 5, shape), dtypes="iu"),
            "labels": Array(("N",), lambda rng, shape: rng.integers(0, 5, shape), dtypes="iu"),
        },
        gradient=False,
        finite=Says("NaN where there are none"),
    ),
    "ensembles.disagreement": Case(
        {"predicted": PREDICTED},
        gradient=False,
        empty="M",
        holds=within(0, 1),
        labels=Says("Members that err together", lambda clean, hostile, at: True),
    ),
    "ensembles.error_correlation": Case(
        {"correct": CORRECT}, gradient=False, empty="M", finite=Says("NaN where a member is always right")
    ),
    "ensembles.fit_weights": Case(
        {"probabilities": STACK, "labels": LABELS},
        {"steps": 50},
        gradient=False,
        holds=within(0, 1),
        labels=LEFT_OUT,
        nan=Says("NaN if a probability is"),
        inf=Says("probability"),
    ),
    "ensembles.geometric": Case(
        {"probabilities": MEMBERS},
        empty="B",
        holds=within(0, 1),
        by_hand=(({"probabilities": [[0.9, 0.1], [0.5, 0.5]]}, [0.75, 0.25]),),
        limit=({"weights": np.float32([0, 1])}, lambda probabilities: probabilities[1]),
        reference=lambda probabilities: (
            np.prod(probabilities, 0) ** 0.5 / (np.prod(probabilities, 0) ** 0.5).sum(-1, keepdims=True)
        ),
        invariance=lambda probabilities: {"probabilities": 3 * probabilities},
        inf=Says("ruled out"),
    ),
    "ensembles.majority": Case(
        {"probabilities": MEMBERS}, empty="B", gradient=False, holds=within(-1, 4), nan=Says("does not vote")
    ),
    "ensembles.plurality": Case(
        {"probabilities": MEMBERS}, empty="B", gradient=False, holds=within(-1, 4), nan=Says("does not vote")
    ),
    "ensembles.prior_correction": Case(
        {"probabilities": Array(("B", "C"), simplex, lead=True), "prior": PRIOR, "trained": PRIOR},
        empty="B",
        holds=within(0, 1),
        inf=Says("0 or more"),
        by_hand=(({"probabilities": [0.6, 0.4], "prior": [1.0, 1.0], "trained": [30.0, 10.0]}, [1 / 3, 2 / 3]),),
    ),
    "ensembles.q_statistic": Case(
        {"correct": CORRECT}, gradient=False, empty="M", finite=Says("NaN where both products are 0")
    ),
    "ensembles.sinkhorn": Case(
        {"probabilities": IMAGES}, {"steps": 30}, holds=within(0, 1), inf=Says("0 or more"), empty=""
    ),
    "ensembles.temperature": Case(
        {"logits": Array(("B", "C"), edges=("equal", "apart")), "labels": LABELS},
        gradient=False,
        holds=within(0, 1001),
        labels=LEFT_OUT,
        inf=Says("NaN if a logit is NaN or infinite"),
    ),
}
