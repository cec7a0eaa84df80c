"""Several steps in one call: the same run as step by step, cut where an epoch ends or a checkpoint is due."""

import numpy as np
import pytest
import runs
import small

from jaxtricks import data
from jaxtricks._runtime.chunks import chunked, leaves_single
from jaxtricks.train import Plan, fit


def drawn(first, stop, size, boundary=None):
    batches = ({"index": np.array([step])} for step in range(first, stop))
    return [(n, b["index"].ravel().tolist()) for n, b in chunked(batches, first, stop, size=size, boundary=boundary)]


def test_batches_are_taken_in_chunks_and_one_by_one_before_an_end_or_a_checkpoint():
    assert drawn(0, 7, 3) == [(3, [0, 1, 2]), (3, [3, 4, 5]), (1, [6])]
    assert drawn(2, 6, 2, boundary=5) == [(2, [2, 3]), (1, [4]), (1, [5])]
    assert drawn(0, 2, 1) == [(1, [0]), (1, [1])]
    assert drawn(4, 4, 3) == []


@pytest.mark.parametrize(
    ("first", "ends", "size", "boundary", "single"),
    [
        (0, (8, 12), 4, None, False),
        (0, (8, 12), 3, None, True),
        (0, (8, 12), 4, 6, True),
        (0, (8, 16), 4, 4, False),
        (6, (8, 16), 4, None, True),
        (6, (8, 16), 2, None, False),
    ],
)
def test_a_single_step_is_compiled_only_where_one_is_taken(first, ends, size, boundary, single):
    assert leaves_single(first, ends, size=size, boundary=boundary) is single
    counts, step = [], first
    for end in ends:
        counts += [n for n, _ in drawn(step, end, size, boundary)]
        step = end
    assert (1 in counts) is single


@pytest.mark.parametrize("seeds_on", [pytest.param("map", marks=pytest.mark.slow), "vmap"])
def test_a_run_in_chunks_is_the_run_step_by_step(seeds_on):
    recipe, dataset, seeds = runs.recipe(), runs.dataset(), (3, 4) if seeds_on == "vmap" else (3,)
    one, several = (
        fit(recipe, dataset, seeds=seeds, plan=Plan(seeds_on=seeds_on, chunk=chunk)) for chunk in (1, 3)
    )  # 8 steps an epoch, and 4: chunks of 3 and single steps
    for a, b in zip(one, several, strict=True):
        assert int(b.state.step) == 12
        assert [r["step"] for r in b.history] == [8, 12]
        assert [r["train_loss"] for r in b.history] == pytest.approx([r["train_loss"] for r in a.history], rel=1e-5)
        assert b.test["loss"] == pytest.approx(a.test["loss"], rel=1e-5)
        np.testing.assert_allclose(*(r.variables[0]["head"]["kernel"] for r in (a, b)), rtol=1e-4, atol=1e-6)


def test_a_step_of_a_chunk_that_is_not_finite_is_named_and_skipped():
    images = runs.dataset().train["image"].astype(np.float32) / 255
    images[17] = np.nan
    split = data.Split({"image": images, "label": runs.dataset().train["label"]})
    dataset = data.Dataset("nan", split, runs.dataset().test, 10, (8, 8, 3))
    said, plan = [], Plan(chunk=4)
    (run,) = fit(small.bare(model=runs.network, epochs=1), dataset, plan=plan, log=[said.append], test=False)
    assert run.skipped == 1
    (record,) = (r for r in said if r["kind"] == "nonfinite")
    order = data.epoch_permutation(0, 0, len(images))
    step = int(np.flatnonzero(order == 17)[0]) // 32
    assert (record["step"], record["index"]) == (step + 1, order[32 * step :][:32].tolist())


def test_what_a_chunk_cannot_be():
    with pytest.raises(ValueError, match=r"^chunk is 0; allowed: an integer of 1 or more\.$"):
        Plan(chunk=0)
    with pytest.raises(ValueError, match=r"^chunk is 2 with parallel 'pmap'; allowed: 1\.$"):
        Plan(kind="pmap", chunk=2)
