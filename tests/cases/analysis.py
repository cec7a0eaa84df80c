"""What the figures about networks and learning rates do with hostile arguments."""

import jax
import numpy as np

from jaxtricks import analysis
from jaxtricks.analysis import RangeTest, Window
from tests.cases.case import Array, Case, Key, Says

LEAF = Array((2, 3), dtypes="fiubc", free=True)
STEPS = Array(("N",), dtypes="fiubc")
WINDOW = {"kernel": 3, "stride": 2, "padding": 1, "dilation": 1}


def rising(rng, shape):
    return np.geomspace(1e-4, 1, *shape)


CURVE = {
    "rates": Array(("N",), rising, dtypes="fiu"),
    "losses": Array(("N",), lambda rng, shape: np.sort(rng.random(shape))[::-1], dtypes="fiu", edges=("equal",)),
}

CASES = {
    "analysis.conv_cost": Case(
        {}, {"inputs": 4, "outputs": 6, "kernel": (3, 3), "size": (5, 7), "groups": 2, "bias": True}, host=True
    ),
    "analysis.dense_cost": Case({}, {"inputs": 4, "outputs": 6, "bias": False}, host=True),
    "analysis.norm_cost": Case({}, {"features": 4, "size": (5, 7)}, host=True),
    "analysis.count_parameters": Case({"params": {"kernel": LEAF, "bias": LEAF}}, host=True),
    "analysis.gradient_rank": Case(
        {"gradient": Array(("D", "C"), edges=("zeros", "equal", "high", "tiny", "one row zero"))},
        gradient=False,
        empty="CD",
        holds=lambda rank: 0 <= rank <= 3,
        nan=Says("-1 where the matrix holds a number that is not finite", lambda clean, hostile, at: hostile[0] == -1),
        inf=Says("-1 where the matrix holds a number that is not finite", lambda clean, hostile, at: hostile[0] == -1),
    ),
    "analysis.lr_range_test": Case(
        options={"low": 1e-3, "high": 1.0, "steps": 8, "decay": 0.5, "ratio": 4.0},
        call=lambda **options: analysis.lr_range_test(lambda state, rate: (state, 1.0), 0, **options),
        host=True,
    ),
    "analysis.middle": Case({"test": RangeTest(STEPS, STEPS, STEPS)}, {"steps": 10, "end": 1}, host=True),
    "analysis.output_size": Case(options={"size": 9} | WINDOW, host=True),
    "analysis.receptive_field": Case(
        {}, WINDOW, call=lambda **window: analysis.receptive_field([Window(**window)] * 2), host=True
    ),
    "analysis.steepest": Case(CURVE, host=True),
    "analysis.unit_activity": Case(
        {"activation": Array(("B", "N", "D"), edges=("zeros", "equal", "high", "low", "tiny"), lead=True)},
        gradient=False,
        holds=lambda *shares: all((0 <= share).all() and (share <= 1).all() for share in shares),
    ),
    "analysis.utilization": Case(options={"macs": 9, "seconds": 1.0, "peak": 1e9}, host=True),
    "analysis.valley": Case(CURVE, host=True),
    "analysis.variance_by_depth": Case(
        {"key": Key()},
        {"depth": 2, "width": 4, "batch": 3},
        call=lambda key, **options: analysis.variance_by_depth(key, jax.nn.initializers.orthogonal(), **options),
        gradient=False,
    ),
}
