"""The benchmarks that run on a CPU: what they write, and what they make of what they measured."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import _figures, images, input, scaling, train_step
from benchmarks._plain import plain_gradients
from jaxtricks.layers import BatchNorm
from jaxtricks.layers import _pool_gradient as pools
from jaxtricks.models import _layers, _resnet


def test_figures_are_written_with_the_day_and_the_commit_of_their_measurement(tmp_path):
    """In place of that of figures which are there already, as where some rows are measured anew."""
    _figures.write({"date": "2020-01-01", "value": 1}, tmp_path / "a/figures.json")
    written = json.loads((tmp_path / "a/figures.json").read_text(encoding="utf-8"))
    assert written.keys() == {"date", "commit", "value"}
    assert abs(time.time() - time.mktime(time.strptime(written["date"], "%Y-%m-%d"))) < 3 * 86400
    _figures.write({}, None)


@pytest.mark.parametrize(
    ("costs", "end"),
    [
        ({1: 2.0, 2: 4.0, 4: 8.0}, 4),
        ({1: 2.0, 2: 4.0, 4: 10.1}, 2),  # 2.53 a unit, more than 2.5
        ({1: 2.0, 2: 4.8, 4: 11.0, 8: 22.0}, 2),  # each step is below 1.25, both together are not
        ({1: 9.0, 2: 10.0, 4: 12.0, 8: 40.0}, 4),  # a part that does not grow, and then 5 in place of 3 a unit
        ({16: 3.0, 8: 1.0}, 8),
        ({5: 1.0}, 5),
    ],
)
def test_where_a_cost_stops_being_proportional(costs, end):
    assert scaling.proportional_up_to(costs) == end


def test_a_column_that_is_not_measured_has_no_end():
    rows = {1: {"compile_s": 1.0, "peak_mb": 2.0}, 2: {"compile_s": 3.0, "step_ms": 1.0, "peak_mb": 4.0}}
    assert scaling.ends(rows) == {"compile_s": 1, "peak_mb": 2}


TINY = scaling.Options(batches=(4, 8), rows=(2, 4), size=8, steps=1, turns=2)


def test_the_figures_of_growing_batches_are_written_and_none_is_0(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scaling, "LAYOUT", scaling.LAYOUT._replace(widths=(4,)))
    figures = scaling.main(replace(TINY, only=("batch",), out=tmp_path / "scaling.json"))
    written = json.loads((tmp_path / "scaling.json").read_text(encoding="utf-8"))
    assert written.keys() > figures.keys()
    assert written["quantities"].keys() == written["proportional_up_to"].keys() == {"batch"}
    rows, columns = written["quantities"]["batch"], {"compile_s", "step_ms", "peak_mb"}
    assert rows.keys() == {"4", "8"}
    assert all(costs.keys() == columns and min(costs.values()) > 0 for costs in rows.values())
    assert rows["4"]["peak_mb"] < rows["8"]["peak_mb"]
    assert written["proportional_up_to"]["batch"].keys() == columns
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["batch", "4", "8", "proportional"]
    assert said[0].split()[1:5] == ["compile", "step", "peak", "held"]
    assert (said[1].count("MB"), said[2].count(" x")) == (1, 3)


@pytest.mark.parametrize(("peaks", "largest"), [([5.0, 7.0, 9.0, 4.0], [7.0, 9.0]), ([None] * 4, [None] * 2)])
def test_rows_cost_the_sum_of_their_compiling_and_steps_and_the_largest_peak(monkeypatch, peaks, largest):
    """Rows of 1 to 4 s to compile and of 10 to 40 ms a step; on some backends no peak is known."""
    kept = []

    def cost(recipe, dataset, plan, *, seeds, steps, turns, programs):
        kept.append(programs)
        assert (seeds, steps, turns) == (1, TINY.steps, TINY.turns)
        peak, known = peaks[len(kept) - 1], peaks[0] is not None
        return {"compile_s": 1.0 * len(kept), "step_ms": 10.0 * len(kept)} | ({"peak_mb": peak} if known else {})

    monkeypatch.setattr(scaling, "cost", cost)
    figures = scaling.main(replace(TINY, only=("rows",)))
    two, four = figures["quantities"]["rows"].values()
    assert len(kept) == 4
    assert all(programs is kept[0] for programs in kept)
    assert (two["step_ms"], four["step_ms"]) == (30.0, 100.0)
    assert [costs.get("peak_mb") for costs in (two, four)] == largest
    for costs, compiling in ((two, 3.0), (four, 10.0)):
        assert costs["compile_s"] == costs["check_s"] + compiling
        assert costs["held_mb"] > 50  # Python, NumPy and JAX
        assert min(costs.values()) > 0
    found = figures["proportional_up_to"]["rows"]
    assert found == {"compile_s": 2, "step_ms": 2, "held_mb": 4} | ({"peak_mb": 4} if peaks[0] else {})


def test_the_spread_of_a_difference_is_split_into_seeds_and_images():
    """Two seeds, four images; by hand: seeds 0.5 and 0, images 0.5, 0.5, 0.5, -0.5, residuals of 0.25 or 0.75."""
    found = images.shares(np.array([[1.0, 1, 0, 0], [0, 0, 1, -1]]))
    assert found["sd"] == pytest.approx(100 * np.sqrt(0.125))
    # left: 0.25, 0.25, -0.75, 0.25 and their opposites: 2 * (3 / 16 + 9 / 16) / 3 degrees = 0.5
    assert found["of_images"] == pytest.approx(100 * np.sqrt(0.5 / 4))
    assert (found["of_seeds"], found["share"]) == (0.0, pytest.approx(100.0))
    assert (found["common"], found["decided"]) == (0.0, 50.0)  # by image: variance 0.25, of which chance is 0.25


def test_the_parts_of_a_simulated_spread_come_back():
    rng = np.random.default_rng(0)
    seed, image = rng.normal(0, 0.02, (400, 1)), rng.normal(0, 0.3, (1, 2000))
    found = images.shares(0.01 + seed + image + rng.normal(0, 0.5, (400, 2000)))
    assert found["of_seeds"] == pytest.approx(2.0, rel=0.1)
    assert found["of_images"] == pytest.approx(100 * 0.5 / np.sqrt(2000), rel=0.02)
    assert found["common"] == pytest.approx(100 * 0.3 / np.sqrt(2000), rel=0.1)
    assert found["sd"] ** 2 == pytest.approx(found["of_seeds"] ** 2 + found["of_images"] ** 2)


STARTS = ("start_seconds", "start_processor_seconds")
PLACES = {
    "conv": [(_layers, "conv")],
    "norm": [(BatchNorm, "__call__")],
    "pool": [(pools, "max_pool"), (pools, "average_pool")],
    "written": [(_layers, "materialized"), (_resnet, "materialized")],
}


@pytest.mark.parametrize("names", [*((name,) for name in PLACES), tuple(PLACES)], ids=" ".join)
def test_gradients_of_ours_are_put_aside_one_by_one_and_come_back(names):
    operations = lambda: [getattr(*place) for places in PLACES.values() for place in places]  # noqa: E731
    before = operations()
    with plain_gradients(*names):
        other = [name for name, places in PLACES.items() if any(getattr(*p) not in before for p in places)]
    assert other == list(names)
    assert operations() == before


def test_a_step_without_our_normalisation_is_a_side_of_its_own(tmp_path, monkeypatch):
    """Sides differ by what is there while they are traced; a step takes 0.1 s with ours and 0.2 s without."""
    traced = []

    def jax_side(options):
        traced.append((BatchNorm.__call__.__module__, _layers.conv.__module__))
        seconds = 0.1 * len(traced)
        return lambda steps: seconds * steps, {"macs": 1, "bytes_per_image": None} | dict.fromkeys(STARTS, 3.0)

    monkeypatch.setattr(train_step, "jax_side", jax_side)
    ours = BatchNorm.__call__.__module__, _layers.conv.__module__
    figures = train_step.main(train_step.Options(batch=4, peer=False, plain=("norm",), out=tmp_path / "step.json"))
    assert traced == [ours, ("benchmarks._plain", ours[1])]
    assert figures["images_per_second"] == pytest.approx({"jaxtricks": 40.0, "plain norm": 20.0})
    assert figures["ratios"]["plain norm"]["median"] == pytest.approx(2.0)
    assert figures["start_processor_seconds_plain norm"] == 3.0
    assert json.loads((tmp_path / "step.json").read_text(encoding="utf-8"))["ratios"] == figures["ratios"]


def test_plain_is_refused_beside_autodiff_which_is_all_of_it():
    with pytest.raises(SystemExit, match=r"--plain is conv; allowed with --autodiff, which is all of them: none\."):
        train_step.main(train_step.Options(autodiff=True, plain=("conv",)))


def test_memory_grows_by_the_slope_of_a_line_without_the_first_epoch():
    """300 to 306 in three epochs; what goes down and up again is none."""
    assert input.slope([100.0, 290.0, 300.0, 302.0, 304.0, 306.0]) == pytest.approx(2.0)
    assert input.slope([100.0, 290.0, 301.0, 299.0, 299.0, 301.0]) == pytest.approx(0.0)
    assert input.slope([100.0, 290.0, 300.0]) is None
