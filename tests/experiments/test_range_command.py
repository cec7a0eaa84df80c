"""The range test as a command: its step trains at the rate that it is given, and the plot and both rates come out."""

import jax
import numpy as np
import pytest

from experiments import _main, _range, _tricks, lr_range
from jaxtricks import data

DIGITS = data.load("digits").subset(200)


def test_the_rate_is_that_of_the_step():
    network = _main.network("logistic", DIGITS)
    recipe = _tricks.standard(augmented=None, model=network, lr=1.0, batch=20, epochs=9)
    step, state = _range.stepper(recipe, DIGITS, seed=3)
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


def test_the_command_writes_the_plot(tmp_path, capsys):
    options = lr_range.Options(data="digits", model="logistic", steps=40, low=1e-4, high=10.0, batch=16, out=tmp_path)
    found = lr_range.main(options)
    assert (tmp_path / "lr_range.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert f"valley: {found['valley']:.2g}" in said
    assert f"steepest: {found['steepest']:.2g}" in said
    assert 1e-4 < found["valley"] < found["steepest"] < 10  # for a loss that falls ever faster before it rises


def test_a_model_that_is_not_there_is_told(tmp_path):
    with pytest.raises(_main.UsageError, match="Perhaps you meant 'plain_mini'"):
        lr_range.main(lr_range.Options(model="plain_min", out=tmp_path))
