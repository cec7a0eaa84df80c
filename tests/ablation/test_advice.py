"""Advice: what is adopted, dropped and left undecided in each mode, and the sentence on top."""

import pytest

from jaxtricks.ablation.advice import advise, lesson
from jaxtricks.ablation.summary import summarise


def _advised(results):
    return {one.trick: one.action for one in advise(results, summarise(results))}


def test_a_stack_is_advised_rung_by_rung(results):
    assert _advised(results) == {"cosine": "adopt", "smoothing": "drop", "mixup": "drop"}
    assert _advised(results | {"margin": 0.05})["smoothing"] == "undecided"
    said = lesson(results, summarise(results))
    assert said.startswith("On fake with resnet8, 3 epochs: adopt cosine; leave out smoothing and mixup.")
    assert said.endswith("All tricks together hurt: accuracy from 84.1 % to 83.1 %.")


def test_what_is_left_out_is_advised_the_other_way_round(make_row, make_results, arms):
    rows = [
        make_row("all tricks", arms.up) | {"tricks": ["a", "b"]},
        make_row("without a", arms.base, reference="all tricks", seconds=8.0) | {"tricks": ["b"]},
        make_row("without b", arms.level, reference="all tricks", seconds=8.0) | {"tricks": ["a"]},
    ]
    results = make_results(*rows, mode="leave-one-out")
    first, second = advise(results, summarise(results))
    assert (first.trick, first.action, second.trick, second.action) == ("a", "adopt", "b", "drop")
    mean, low, high = first.gain
    assert 0 < low < mean < high
    assert mean == pytest.approx(1.08)
    assert first.time[0] == pytest.approx(10 / 8)


def test_no_effect_is_adopted_where_it_is_faster(make_row, make_results, arms):
    """Its interval leaves nothing beyond the margin, and that of its time lies below 1."""
    rows = [make_row("baseline", arms.up)]
    for name, seconds in (("fast", 8.0), ("slow", 12.0), ("even", 10.0)):
        row = make_row(name, arms.level, reference="baseline", seconds=seconds)
        for cell in row["cells"]:
            cell["seconds"] *= 1 + 0.01 * (-1) ** cell["seed"] * (1 + cell["seed"])
        rows.append(row)
    assert _advised(make_results(*rows, mode="add-one")) == {"fast": "adopt", "slow": "drop", "even": "drop"}


def test_what_is_not_resolved_is_undecided_with_the_seeds_that_would_do(make_row, make_results, arms):
    results = make_results(
        make_row("few: baseline", arms.base),
        make_row("few: a", [84.5, 84.4, 84.2, 84.0, 84.6], reference="few: baseline") | {"tricks": ["a"]},
        make_row("few: b", {}, reference="few: baseline", failed=range(5)) | {"tricks": ["b"]},
        mode="add-one",
    )
    some, none = advise(results, summarise(results))
    assert (some.trick, some.action) == ("few: a", "undecided")
    assert some.why.endswith("seeds would do")
    assert (none.action, none.why, none.gain, none.time) == ("undecided", "no pair of runs", None, None)
    assert "of few: a and few: b these runs cannot tell whether they help" in lesson(results, summarise(results))


def test_pairs_are_not_advised(make_row, make_results, arms):
    rows = [make_row("baseline", arms.base), make_row("a", arms.up, reference="baseline")]
    rows += [make_row("b", arms.level, reference="baseline"), make_row("a & b", arms.down, reference="a")]
    rows[3]["tricks"] = ["a", "b"]
    results = make_results(*rows, mode="pairwise")
    assert list(_advised(results)) == ["a", "b"]


def test_many_names_are_cut(make_row, make_results, arms):
    rows = [make_row("baseline", arms.base)]
    rows += [make_row(f"trick {i}", arms.up, reference="baseline") for i in range(9)]
    results = make_results(*rows, mode="add-one")
    assert "trick 5 and 3 more" in lesson(results, summarise(results))
    alone = make_results(rows[0], mode="add-one")
    assert lesson(alone, summarise(alone)).endswith("nothing was compared.")
