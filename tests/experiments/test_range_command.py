"""The range test as a command: its step trains at the rate that it is given; it draws, and suggests one rate."""

from dataclasses import dataclass, replace

import jax
import numpy as np
import pytest

from experiments import lr_range
from jaxtricks import data, tasks
from jaxtricks.ablation import cli, range_test
from jaxtricks.tricks import bag

DIGITS = data.load("digits").subset(200)
TASK = tasks.classification(10)


def test_the_rate_is_that_of_the_step():
    network = cli.network("logistic", DIGITS)
    recipe = bag.standard(task=TASK, augmented=None, model=network, lr=1.0, batch=20, epochs=9)
    step, state = range_test.step_at_rate(recipe, DIGITS, seed=3)
    moved = {}
    for rate in (0.0, 0.1, 0.2):
        after, loss = step(state, rate)
        moved[rate] = [
            np.asarray(b - a) for a, b in zip(*map(jax.tree.leaves, (state.params, after.params)), strict=True)
        ]
        again, _ = step(after, rate)
        assert int(again.step) == 2
    assert float(loss) > 0.5
    for none, once, twice in zip(*moved.values(), strict=True):
        assert not none.any()
        assert once.any()
        np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-7)


@dataclass(frozen=True)
class Sorted:
    """Records as a folder has them, one class after another: an image is as bright as its place."""

    shape: tuple[int, int, int, int] = (2560, 1, 1, 1)

    def read(self, index, *, seed, epoch, train):
        return np.uint8(index // 10).reshape(-1, 1, 1, 1)


def test_it_is_fitted_on_rows_of_the_whole_set():
    seen = []
    source = data.from_arrays("sorted", Sorted(), np.arange(2560) // 256, Sorted((10, 1, 1, 1)), np.arange(10))
    network = cli.network("logistic", source)
    recipe = bag.standard(task=TASK, augmented=None, model=network, lr=1.0, batch=20, epochs=9)
    _, apply = recipe.preprocess
    fit = lambda images: seen.append(images) or np.float32(0)  # noqa: E731
    range_test.step_at_rate(replace(recipe, preprocess=(fit, apply)), source, seed=0)
    (images,) = seen
    assert abs(images.mean() - 127.5) < 1


def test_a_recipe_that_needs_a_teacher_is_refused():
    network = cli.network("logistic", DIGITS)
    recipe = bag.standard(task=TASK, augmented=None, model=network, lr=1.0, batch=20, epochs=9)
    with pytest.raises(ValueError, match=r"recipe.teacher is a Recipe; allowed: None"):
        range_test.step_at_rate(replace(recipe, teacher=recipe), DIGITS, seed=0)


def test_the_command_writes_the_plot(tmp_path, capsys):
    options = lr_range.Options(data="digits", model="logistic", steps=40, low=1e-4, high=10.0, batch=16, out=tmp_path)
    found = lr_range.main(options)
    assert (tmp_path / "lr_range.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if "--lr" in line] == [
        f"Suggestion: --lr {found['valley']:.2g} --batch 16"
    ]
    assert f"fastest at {found['steepest']:.2g}" in said
    assert 1e-4 < found["valley"] < found["steepest"] < 10  # for a loss that falls ever faster before it rises


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(cli.UsageError, match="Perhaps you meant 'plain_mini'"):
        lr_range.main(lr_range.Options(model="plain_min", out=tmp_path))
