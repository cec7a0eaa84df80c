"""The parts of the figures that compute: curves, limits, the places of labels."""

import math

import numpy as np

from jaxtricks.ablation import Headline
from jaxtricks.ablation.report import plots

ACCURACY = Headline("accuracy", "%")


def test_curves_take_the_epochs_that_all_seeds_have(make_row, make_cell):
    row = make_row("baseline", [84.0, 85.0])
    row["cells"][1] = make_cell(1, 85.0, epochs=2)
    row["cells"][1]["curve"]["validation"]["accuracy"][0] = None
    epochs, values = plots._curve(row, plots._tracks(ACCURACY)[0])
    assert epochs == [1, 2]
    np.testing.assert_allclose(values, [[79.0, 81.5], [np.nan, 82.5]])
    assert plots.curve_limits([make_row("failed", {})], ACCURACY) == [(-0.08, 1.08), (-0.08, 1.08)]


def test_the_steep_part_of_a_curve_is_left_out_on_its_worse_side(make_row):
    row = make_row("baseline", [10.0])
    row["cells"][0]["curve"]["validation"]["accuracy"] = [90.0, 10.0, 9.0]
    (low, high), _ = plots.curve_limits([row], Headline("accuracy", better="lower"))
    assert low < 9.0
    assert high < 60.0
    row["cells"][0]["curve"]["validation"]["accuracy"] = [10.0, 90.0, 91.0]
    (low, high), _ = plots.curve_limits([row], ACCURACY)
    assert low > 40.0
    assert high > 91.0


def test_a_curve_that_leaves_its_panel_has_an_arrow(make_row):
    row = make_row("taught", [84.0])
    row["cells"][0]["curve"]["train_loss"] = [921.0, 920.0, 919.5]

    def marks(limits):
        return plots.curves(row, None, ACCURACY, limits).count("<use")

    inside = marks([(70.0, 90.0), (900.0, 930.0)])
    assert marks([(70.0, 90.0), (900.0, 920.5)]) == inside + 1  # above, at the first epoch
    assert marks([(70.0, 90.0), (919.8, 920.5)]) == inside + 2  # and below, at the last


def test_labels_are_spread_in_order():
    heights = [0.9, 0.5, 0.49, 0.48, 0.1]
    spread = plots._spread(heights, 0.1)
    assert np.all(np.diff(spread) <= -0.1 + 1e-12)
    np.testing.assert_allclose(spread, [0.9, 0.59, 0.49, 0.39, 0.1])


def test_labels_stay_within_the_plot():
    np.testing.assert_allclose(plots._spread([0.99, 0.98, 0.97], 0.1), [1.0, 0.9, 0.8])
    np.testing.assert_allclose(plots._spread([0.2, 0.01, 0.0], 0.1), [0.2, 0.1, 0.0])


def test_neither_names_nor_their_lines_cross():
    def turn(a, b, c):
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.uniform(0, 1, (12, 2)) ** [1, 4]  # crowded at the bottom
        heights = plots.label_heights(points, edge=1.06, gap=0.07)
        assert np.diff(np.sort(heights)).min() >= 0.07 - 1e-9
        ends = [(1.06, height) for height in heights]
        for i in range(12):
            for j in range(i):
                apart = turn(points[i], ends[i], points[j]) == turn(points[i], ends[i], ends[j])
                assert apart or turn(points[j], ends[j], points[i]) == turn(points[j], ends[j], ends[i])


def test_a_wide_interval_does_not_squeeze_the_rest():
    low, high = plots.limits_of([((0.1, 0.3), -20.0, 20.4), ((0.2,), 0.1, 0.3)], min_span=0.2, through=0.0)
    assert -0.4 < low < -0.3
    assert 0.6 < high < 0.7
    assert plots.limits_of([((), -math.inf, math.inf)], min_span=0.2) == (0.0, 1.0)
