"""The direction of imports, and what nothing may import."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE = {"check", "keys", "fingerprint", "opt_states", "archive", "_signatures"}
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
RUN = {"data", "_runtime", "checkpoint", "train"}
ALLOWED = {  # what each part may import of jaxtricks, besides itself; all but BASE may also import BASE
    "check": set(),
    "keys": set(),
    "_signatures": set(),
    "archive": {"check"},
    "opt_states": {"check"},
    "fingerprint": {"check"},
    **{leaf: LEAVES for leaf in LEAVES},
    "models": {"layers"},
    "_help": set(),
    "_command": {"_help"},
    "portable": {*LEAVES, "data", "train"},
    "__main__": {"_help", "data", "init", "models", "portable", "recipes"},
    "data": set(),
    "_runtime": set(),
    "checkpoint": {"_runtime"},
    "train": {"data", "checkpoint", "_runtime"},
    "tasks": {*LEAVES, "data", "train"},
    "tricks": {*LEAVES, "models", "data", "train", "tasks"},
    "_suggest": {*LEAVES, "models", "data", "train", "tasks", "tricks"},
    "recipes": {*LEAVES, "models", "data", "train", "tasks", "tricks", "_suggest"},
    "ablation": {*LEAVES, *RUN, "_command", "_help", "portable", "models", "tasks", "tricks", "recipes"},
}
ORDER = [  # from the ground up: an import goes to an earlier row, or to a leaf beside it
    BASE,
    LEAVES,
    {"models"},
    {"data"},
    {"_runtime"},
    {"checkpoint"},
    {"train"},
    {"portable"},
    {"tasks"},
    {"tricks"},
    {"_suggest"},
    {"recipes"},
    {"_help"},
    {"_command"},
    {"ablation"},
    {"__main__"},
]
FILES = sorted((ROOT / "jaxtricks").rglob("*.py"))
OUTSIDE = ("experiments", "docs", "benchmarks", "tests")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: line {node.lineno} is a relative import; allowed: the full name"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(name):
    return name.split(".")[1] if name.startswith("jaxtricks.") else None


def owner(path):
    return path.relative_to(ROOT / "jaxtricks").parts[0].removesuffix(".py")


def packages():
    """The parts that each part imports, read from the sources."""
    graph = {}
    for path in FILES:
        if owner(path) != "__init__":
            graph.setdefault(owner(path), set()).update({part(name) for name in imported(path)} - {None, owner(path)})
    return graph


def target(name):
    """The file that an imported name is, or is in; None outside jaxtricks."""
    if not name.startswith("jaxtricks."):
        return None
    path = ROOT / Path(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py")):
        if file.is_file():
            return file
    return path.parent / "__init__.py"


def sorted_or_circle(graph):
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(map(str, error.args[1]))}")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_direction(path):
    if owner(path) == "__init__":
        return
    for name in imported(path):
        assert not name.startswith(OUTSIDE), name
        if part(name) not in (None, owner(path)):
            base = set() if owner(path) in BASE else BASE
            assert part(name) in ALLOWED[owner(path)] | base, f"{owner(path)} imports {name}"


def test_the_order_has_no_arrow_upwards_and_no_circle():
    graph = packages()
    row = {name: number for number, names in enumerate(ORDER) for name in names}
    assert not set(graph) - set(row), "a part without a place in ORDER"
    assert set(row) == set(ALLOWED)
    up = [f"{low} imports {high}" for low, highs in graph.items() for high in highs if row[high] > row[low]]
    assert not up
    sorted_or_circle(graph)
    with pytest.raises(pytest.fail.Exception, match="train -> tricks -> train"):
        sorted_or_circle({"train": {"tricks"}, "tricks": {"train", "data"}, "data": set()})


def test_files_import_each_other_in_no_circle():
    """Within the packages too; a package's own ``__init__`` is not imported by its files."""
    top = ROOT / "jaxtricks" / "__init__.py"
    graph = {path: {target(name) for name in imported(path)} for path in FILES if path != top}
    for path, files in graph.items():
        files -= {None, top, path, path.parent / "__init__.py"}
    sorted_or_circle(graph)


def stray(folder, forbidden):
    """``(file, name)`` of what the files of a folder import of others, but for the one table of cases."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        file = str(path.relative_to(ROOT))
        for name in imported(path):
            cases = file == "benchmarks/_cases.py" and (name == "tests.cases" or name.startswith("tests.cases."))
            if name.split(".")[0] in forbidden and not cases:
                yield file, name


def test_what_stands_on_the_package():
    """Experiments import no test and no benchmark; docs import no experiment either; benchmarks take only the cases.

    One table of cases feeds tests and benchmarks: ``benchmarks/_cases.py`` alone imports ``tests.cases``.
    """
    assert not list(stray("experiments", ("benchmarks", "tests")))
    assert not list(stray("docs", ("experiments", "benchmarks", "tests")))
    assert not list(stray("benchmarks", ("tests",)))
    assert {name.split(".")[0] for name in imported(ROOT / "benchmarks/_cases.py")} >= {"tests"}


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


def test_the_training_loop_is_read_in_one_sitting():
    files = {path.name for path in FILES if owner(path) == "train"} - {"__init__.py"}
    assert len(files) <= 12
    assert "loop.py" in files


def test_experiments_are_tables():
    files = {path.name for path in (ROOT / "experiments").rglob("*.py")} - {"__init__.py"}
    assert len(files) >= 14
    assert not [name for name in files if name.startswith("_")]
    for path in sorted((ROOT / "experiments").glob("[a-z]*.py")):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 90, path  # the measured table included
        tree = ast.parse(text)
        lines = len(ast.unparse(tree.body[1:]).splitlines()) if ast.get_docstring(tree) else 1000
        assert lines <= 70, path  # beside the docstring, which carries the table
        loops = [n for n in ast.walk(tree) if isinstance(n, (ast.For, ast.While))]
        assert not loops, path


def test_no_two_files_of_tests_have_one_name():
    """Of two, the first would be collected, and the other would be an error."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert not {name for name in names if names.count(name) > 1}
