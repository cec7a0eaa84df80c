"""The direction of imports, and what nothing may import."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE = {"archive", "check", "keys", "fingerprint"}
LEAVES = {
    "losses",
    "layers",
    "augment",
    "optim",
    "metrics",
    "analysis",
    "init",
    "preprocess",
    "ensembles",
    "detection",
    "compress",
}
ALLOWED = {  # what each part may import of jaxtricks, besides check, keys and itself
    **{leaf: LEAVES for leaf in LEAVES},
    "data": set(),
    "models": {"layers"},
    "fingerprint": set(),
    "_runtime": set(),
    "checkpoint": {"_runtime"},
    "train": {"data", "checkpoint", "_runtime"},
    "tricks": {*LEAVES, "data", "models", "train"},
    "recipes": {*LEAVES, "data", "models", "train", "tricks"},
    "ablation": {*LEAVES, "data", "models", "train", "tricks", "checkpoint", "_runtime"},
    "archive": set(),
    "check": set(),
    "keys": set(),
}
FILES = sorted((ROOT / "jaxtricks").rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(name):
    return name.split(".")[1] if name.startswith("jaxtricks.") else None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_direction(path):
    own = path.relative_to(ROOT / "jaxtricks").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in imported(path):
        assert not name.startswith(("experiments", "benchmarks", "tests")), name
        found = part(name)
        if found is not None and found != own:
            assert found in ALLOWED[own] | BASE, f"{own} imports {name}"


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_a_leaf_imports_at_most_one_sibling(leaf):
    files = [p for p in FILES if p.relative_to(ROOT / "jaxtricks").parts[0].removesuffix(".py") == leaf]
    siblings = {part(n) for p in files for n in imported(p)} - {None, leaf} - BASE
    assert len(siblings) <= 1, siblings


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_nobody_imports(path):
    text = path.read_text(encoding="utf-8")
    inside = path.relative_to(ROOT / "jaxtricks").parts[0]
    for name in imported(path):
        top = name.split(".")[0]
        assert top not in {
            "tensorflow",
            "torch",
            "torchvision",
            "timm",
            "clu",
            "jaxopt",
            "jmp",
            "augmax",
            "dm_pix",
            "pickle",
        }
        assert not name.startswith(("jax._src", "jax.interpreters", "jax.experimental.maps"))
        if name.startswith(("flax.nnx", "flax.linen")):
            assert inside in ("layers", "models"), f"{path.name} imports {name}"
    for word in ("nnx.jit", "nnx.Optimizer", "nnx.value_and_grad", "allow_pickle=True", "yaml.load("):
        assert word not in text


def test_files_are_about_one_family():
    long = {str(p): n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 300}
    assert not long
    assert not [p for p in FILES if p.name in ("utils.py", "registry.py", "helpers.py")]


def test_experiments_are_tables():
    for path in sorted((ROOT / "experiments").glob("[a-z]*.py")):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 90, path  # the measured table included
        tree = ast.parse(text)
        lines = len(ast.unparse(tree.body[1:]).splitlines()) if ast.get_docstring(tree) else 1000
        assert lines <= 70, path  # beside the docstring, which carries the table
        loops = [n for n in ast.walk(tree) if isinstance(n, (ast.For, ast.While))]
        assert not loops, path
