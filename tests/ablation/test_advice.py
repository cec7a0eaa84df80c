"""Advice: what is adopted, dropped and left undecided in each mode, and the sentence on top."""

import pytest

from jaxtricks.ablation.advice import advise, lesson, note
from jaxtricks.ablation.summary import summarise


def _advised(results):
    return {one.trick: one.action for one in advise(results, summarise(results))}


def _lesson(results):
    rows = summarise(results)
    return lesson(results, rows, advise(results, rows))


def test_a_stack_is_advised_rung_by_rung(results):
    assert _advised(results) == {"cosine": "adopt", "smoothing": "drop", "mixup": "drop"}
    assert _advised(results | {"margin": 0.05})["smoothing"] == "undecided"
    said = _lesson(results)
    where = "On fake with resnet8, 3 epochs, chosen on held-out images, each trick on top of those before it"
    assert said.startswith(f"{where}: adopt cosine; leave out smoothing and mixup.")
    assert said.endswith("All tricks together hurt: test accuracy from 84.1 % to 83.1 %.")


def _lower(row, by):
    """The held-out values of a row, so many points lower."""
    for cell in row["cells"]:
        cell["validation"]["accuracy"] -= by


def test_held_out_images_choose_and_test_images_measure(results):
    """A rung that gains a point of the test images and loses one of the others is left out."""
    for row in results["rows"][1:]:
        _lower(row, 2.0)
    first, second, _ = advise(results, summarise(results))
    assert (first.trick, first.action, second.action) == ("cosine", "drop", "drop")
    assert first.row.verdict == "helps"  # the table keeps its verdict
    assert first.gain[0] == pytest.approx(1.08)
    assert first.held_out_gain[0] == pytest.approx(-0.92)
    assert "leave out cosine, smoothing and mixup" in _lesson(results)
    assert "the advice follows from the held-out images" in note(results, [first]).lower()


def test_what_test_images_tell_where_held_out_ones_do_not_is_said(results):
    """So few held-out images that each seed has values of its own: no trick is chosen, and the table says more."""
    noise = [9.0, -9.0, 4.0, -6.0, 7.0]
    for number, row in enumerate(results["rows"]):
        for cell in row["cells"]:
            cell["validation"]["accuracy"] += noise[(cell["seed"] + 2 * number) % 5]
    assert {one.action for one in advise(results, summarise(results))} == {"undecided"}
    where = "On fake with resnet8, 3 epochs, by held-out images, each trick on top of those before it"
    unsure = "these runs cannot tell of any of the 3 tricks whether it helps."
    also = "On the test images, which choose nothing, cosine helps, and mixup hurts. All tricks together"
    assert _lesson(results).startswith(f"{where}: {unsure} {also}")
    for row in results["rows"][2:]:  # cosine is chosen: what is undecided, and no more, has the sentence
        _lower(row, 20.0)
    results["rows"][1]["cells"] = [c | {"validation": {"accuracy": 99.0}} for c in results["rows"][1]["cells"]]
    assert "smoothing" not in _lesson(results).partition("On the test images")[2]


@pytest.mark.parametrize("lacks", [{}, {"loss": 0.5}, {"accuracy": None}, None])
def test_without_held_out_values_the_test_images_choose_and_that_is_said(results, lacks):
    """Of one cell is enough: all rows are judged alike."""
    for row in results["rows"][1:]:
        _lower(row, 2.0)
    results["rows"][0]["cells"][2]["validation"] = lacks
    advice = advise(results, summarise(results))
    assert [one.action for one in advice] == ["adopt", "drop", "drop"]
    assert {one.held_out_gain for one in advice} == {None}
    assert "chosen on the test images" in _lesson(results)
    assert "lack values of held-out images" in note(results, advice)


def test_what_a_trick_was_tested_on_top_of_is_said_where_it_is_to_be_left_out(make_row, make_results, arms):
    """In a stack the rungs below; where one is left out, all others."""
    rows = [make_row("baseline", arms.up)]
    rows += [make_row(name, values, reference=rows[0]["name"]) for name, values in (("large batch", arms.down),)]
    rows += [make_row("cosine", arms.base, reference="large batch"), make_row("mixup", arms.up, reference="cosine")]
    for place, row in enumerate(rows):
        row["tricks"] = [below["name"] for below in rows[1 : place + 1]]
    stack = make_results(*rows)
    batch, cosine, mixup = advise(stack, summarise(stack))
    assert (batch.action, batch.why) == ("drop", "it hurts")
    assert (cosine.action, cosine.why) == ("adopt", "it helps, on top of large batch, which is to be left out")
    assert mixup.why == "it helps, on top of large batch, which is to be left out"

    rows = [
        make_row("all tricks", arms.base) | {"tricks": ["a", "b"]},
        make_row("without a", arms.up, reference="all tricks") | {"tricks": ["b"]},
        make_row("without b", arms.down, reference="all tricks") | {"tricks": ["a"]},
    ]
    one_out = make_results(*rows, mode="leave-one-out")
    assert [one.why for one in advise(one_out, summarise(one_out))] == [
        "it hurts",
        "it helps, on top of a, which is to be left out",
    ]
    assert "each trick on top of all others: adopt b; leave out a" in _lesson(one_out)


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
    assert "of few: a and few: b these runs cannot tell whether they help" in _lesson(results)


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
    assert "trick 5 and 3 more" in _lesson(results)
    alone = make_results(rows[0], mode="add-one")
    assert _lesson(alone) == "On fake with resnet8, 3 epochs: nothing was compared."
