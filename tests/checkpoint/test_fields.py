"""A field of another run is named by its path, and what it is there and here."""

import jax.numpy as jnp
import pytest

from jaxtricks.checkpoint import CheckpointMismatchError, Checkpoints
from jaxtricks.checkpoint.compare import compare_fields

RECIPE = {"epochs": 2.0, "augment": [{"flip": 0.5}, {"crop": 4}], "ema": None}


@pytest.mark.parametrize(
    ("stored", "wanted", "words"),
    [
        ({"epochs": 2.0}, {"epochs": 4.0}, "epochs is 2.0; wanted: 4.0"),
        ({"recipe": RECIPE}, {"recipe": {**RECIPE, "epochs": 4.0}}, "recipe.epochs is 2.0; wanted: 4.0"),
        (
            {"recipe": RECIPE},
            {"recipe": {**RECIPE, "ema": {"decay": 0.9}}},
            'recipe.ema is null; wanted: {"decay": 0.9}',
        ),
        (
            {"recipe": RECIPE},
            {"recipe": {**RECIPE, "augment": ({"flip": 0.5}, {"crop": 2})}},
            "recipe.augment[1].crop is 4; wanted: 2",
        ),
        (
            {"recipe": RECIPE},
            {"recipe": {**RECIPE, "augment": [{"flip": 0.5}]}},
            'recipe.augment[1] is {"crop": 4}; wanted: missing',
        ),
        ({"recipe": RECIPE}, {"recipe": {**RECIPE, "mix": 1}}, "recipe.mix is missing; wanted: 1"),
        ({"recipe": {"a": 1, "b": 2}}, {"recipe": {"a": 1}}, "recipe.b is 2; wanted: missing"),
        ({}, {"seeds": [1]}, "seeds is missing; wanted: [1]"),
        ({"recipe": "a hash"}, {"recipe": {"a": 1}}, 'recipe is "a hash"; wanted: {"a": 1}'),
        ({"x": 1}, {"x": 1.0}, "x is 1; wanted: 1.0"),
        ({"x": True}, {"x": 1}, "x is true; wanted: 1"),
        ({"x": {}}, {"x": []}, "x is {}; wanted: []"),
    ],
)
def test_the_first_difference_is_named(stored, wanted, words):
    assert compare_fields(stored, wanted) == words


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        ({}, {}),
        ({"history": [1], "recipe": RECIPE}, {"recipe": RECIPE}),  # what is not wanted does not count
        ({"recipe": {"a": 1, "b": 2}}, {"recipe": {"b": 2, "a": 1}}),
        ({"x": [1, [2]]}, {"x": (1, (2,))}),
        ({"x": float("nan")}, {"x": float("nan")}),
    ],
)
def test_what_agrees_has_none(stored, wanted):
    assert compare_fields(stored, wanted) is None


def test_long_values_are_cut():
    words = compare_fields({"x": "a" * 10_000}, {"x": "b" * 10_000})
    assert len(words) < 500


def test_a_restore_raises_it(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(3, {"a": jnp.ones(2)}, {"recipe": RECIPE, "history": []})
    with pytest.raises(CheckpointMismatchError, match=r"run, step 3: recipe\.epochs is 2\.0; wanted: 4\.0\.$"):
        checkpoints.restore({"a": jnp.ones(2)}, wanted={"recipe": {**RECIPE, "epochs": 4.0}})
    _, meta = checkpoints.restore({"a": jnp.ones(2)}, wanted={"recipe": RECIPE})
    assert meta == {"recipe": RECIPE, "history": []}
