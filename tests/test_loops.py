"""The training loops of other libraries in docs/examples learn, with eight primitives or more in one compiled step."""

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
LOOPS = sorted(path.stem for path in FOLDER.glob("*_loop.py"))
PACKAGES = {"augment", "init", "losses", "metrics", "optim"}


@pytest.mark.skipif(not LOOPS, reason="without docs: the tests run against an installed wheel")
def test_there_is_one_for_each_library():
    assert LOOPS == ["equinox_loop", "linen_loop", "nnx_loop"]


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_has_eight_primitives(name):
    nodes = ast.walk(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")))
    of_ours = (node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))
    assert len({(node.value.id, node.attr) for node in of_ours if node.value.id in PACKAGES}) >= 8


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_learns(name):
    if name == "equinox_loop":
        pytest.importorskip("equinox", reason="pip install -e '.[test]'")
    seen = importlib.import_module(f"docs.examples.{name}").train()
    assert np.isfinite(seen).all()
    assert np.mean(seen[-5:]) < np.mean(seen[:3]) - 0.05  # mixed targets leave little to gain
