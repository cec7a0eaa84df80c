"""Row 20: nothing in the repository runs what it reads."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for part in ("jaxtricks", "experiments", "benchmarks") for path in (ROOT / part).rglob("*.py"))
RUNS = {"eval", "exec", "__import__"}  # of Python itself, by their bare names
LOADS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
CALLS = {"torch.load", "joblib.load", "pandas.read_pickle", "runpy.run_path"}


def faults(text):
    """What in the text of a module could run what it reads."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in LOADS]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module] * (node.module.split(".")[0] in LOADS)
        elif isinstance(node, ast.Name) and node.id in RUNS:
            found.append(node.id)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found += [name] * (name in CALLS or name.startswith("builtins."))
            allowed = [k for k in node.keywords if k.arg == "allow_pickle" and not _is_false(k.value)]
            found += [f"{name}(allow_pickle=)"] * len(allowed)
    return found


def _is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


def test_r20_no_module_runs_what_it_reads(card):
    found = {path: faults(path.read_text(encoding="utf-8")) for path in FILES}
    assert not {path: names for path, names in found.items() if names}
    assert len(found) > 100
    card("r20", "modules that import pickle or yaml, or call eval or exec", f"0 of {len(found)}")


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import yaml",
        "eval(text)",
        "run = exec",
        "exec(compile(text, '', 'exec'))",
        "__import__(name)",
        "builtins.eval(text)",
        "np.load(file, allow_pickle=True)",
        "np.load(file, allow_pickle=flag)",
        "torch.load(file)",
    ],
)
def test_r20_the_walk_finds_it(line):
    assert faults(line)
    assert not faults("import re, json\nre.compile('x')\njax.eval_shape(f)\nnp.load(file, allow_pickle=False)")
