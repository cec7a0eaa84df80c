"""The examples in the docstrings of the package run, and give what they say."""

import doctest
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests._api import EXPORTED

EXAMPLES = [
    (name, test)
    for name, value in EXPORTED.items()
    for test in doctest.DocTestFinder(recurse=False).find(value, name, globs=dict(vars(inspect.getmodule(value))))
    if test.examples
]


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize(("name", "test"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_example(name, test):
    test.globs |= {"jax": jax, "jnp": jnp, "np": np}
    words = []
    assert doctest.DocTestRunner().run(test, out=words.append).failed == 0, "".join(words)
