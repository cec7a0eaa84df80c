"""What a user sees of the package before reading a line of it: names, version, types, extras."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import jaxtricks
import jaxtricks as jt

ROOT = Path(__file__).parents[1]
PACKAGE = Path(jaxtricks.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted(f.name for f in PACKAGE.iterdir() if list(f.glob("*.py")) and not f.name.startswith("_"))
LEAVES = (
    """losses layers init augment preprocess optim detection metrics compress analysis ensembles models data""".split()
)
PROJECT = (
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    if ROOT.joinpath("pyproject.toml").is_file()
    else {}
)
source_only = pytest.mark.skipif(not PROJECT, reason="without pyproject.toml: the tests run against an installed wheel")


def python(code):
    """What a new process prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_alone_imports_nothing_heavy():
    heavy = ("jax", "flax", "optax", "numpy", "matplotlib", "tensorflow_datasets")
    loaded = python("import sys, jaxtricks; dir(jaxtricks); print(*{m.split('.')[0] for m in sys.modules})").split()
    assert not set(heavy) & set(loaded)


def test_a_sub_module_is_imported_when_it_is_first_used():
    assert python("import jaxtricks as jt; print(jt.augment.mixup.__name__, jt.losses.ramp.__name__)") == "mixup ramp"
    assert python("from jaxtricks import keys; print(keys.__name__)") == "jaxtricks.keys"


def test_a_sub_module_that_does_not_exist():
    with pytest.raises(AttributeError, match=r"no attribute 'augmentation'; allowed: .*augment"):
        _ = jt.augmentation


def test_dir_of_the_top_is_every_sub_module():
    on_disk = [info.name for info in pkgutil.iter_modules(jaxtricks.__path__) if not info.name.startswith("_")]
    assert dir(jt) == sorted(jt.__all__) == sorted([*on_disk, "__version__", "load"])


def test_type_checkers_see_the_same_names():
    """They do not run ``__getattr__``; the imports under TYPE_CHECKING are for them."""
    (branch,) = [n for n in ast.parse((PACKAGE / "__init__.py").read_text("utf-8")).body if isinstance(n, ast.If)]
    imported = [alias.name for node in branch.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted([*imported, "__version__"]) == sorted(jt.__all__)
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", PACKAGES)
def test_dir_of_a_package_is_its_all(name):
    package = importlib.import_module(f"jaxtricks.{name}")
    assert package.__file__, f"jaxtricks/{name} has no __init__.py"
    assert dir(package) == sorted(package.__all__)
    assert len(set(package.__all__)) == len(package.__all__)
    assert not [symbol for symbol in package.__all__ if symbol.startswith("_") or not hasattr(package, symbol)]


@pytest.mark.parametrize("name", [name for name in LEAVES if name in PACKAGES])
def test_implementation_modules_have_an_underscore(name):
    package = importlib.import_module(f"jaxtricks.{name}")
    assert not [info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")]
    assert not [symbol for symbol in dir(package) if inspect.ismodule(getattr(package, symbol))]


@source_only
def test_the_version_is_stated_once():
    assert jt.__version__ == version("jaxtricks")
    assert jt.__version__ == PROJECT["version"], "pip install -e . again"
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"(?m)^## (\S+)", changes)[0] == PROJECT["version"]
    literal = [p.name for p in FILES if f'"{PROJECT["version"]}"' in p.read_text("utf-8")]
    assert not literal


def test_the_version_needs_no_install_until_it_is_asked_for(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(jaxtricks, "version", missing)
    assert jt.augment
    with pytest.raises(PackageNotFoundError):
        _ = jt.__version__


TO_IMPORT = {"tensorboardX": "tensorboardX", "scikit-learn": "sklearn", "pillow": "PIL", "orbax-checkpoint": "orbax"}
BY_OTHERS = {"importlib_resources", "flatbuffers"}  # pyproject.toml says who imports it
FOR_DEVELOPERS = {"test", "docs", "dev"}


def distributions(requirements):
    return {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements}


def imported_tops():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


def unused(requirements):
    tops = set(imported_tops())
    return {d for d in distributions(requirements) - BY_OTHERS if TO_IMPORT.get(d, d.replace("-", "_")) not in tops}


@source_only
def test_every_dependency_and_extra_is_imported():
    assert not unused(PROJECT["dependencies"])
    for extra, requirements in PROJECT["optional-dependencies"].items():
        if extra not in FOR_DEVELOPERS:
            assert not unused(requirements), f"nothing in jaxtricks imports what the extra {extra!r} installs"
    assert unused(["numpy", "qwix>=0.1"]) == {"qwix"}


@source_only
def test_every_import_is_a_dependency_or_an_extra():
    """The standard library, jaxtricks itself, and jaxlib (jax's own part) apart."""
    stated = set().union(*(distributions(r) for r in PROJECT["optional-dependencies"].values()))
    stated |= distributions(PROJECT["dependencies"])
    names = {TO_IMPORT.get(d, d.replace("-", "_")) for d in stated}
    assert not set(imported_tops()) - names - set(sys.stdlib_module_names) - {"jaxtricks", "jaxlib"}


@source_only
def test_an_extra_that_a_message_names_exists():
    texts = [
        path.read_text("utf-8") for path in [*FILES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / ".ci/run"]
    ]
    named = {
        x for text in texts for extras in re.findall(r"(?:jaxtricks|\.)\[([\w,]+)\]'", text) for x in extras.split(",")
    }
    assert {"weights", "tensorboard", "test"} <= named
    assert named <= set(PROJECT["optional-dependencies"])


@source_only
def test_the_script_of_the_readme_is_what_ci_runs():
    """In an empty folder, with the installed wheel; CI extracts it with the command that stands there."""
    ci = (ROOT / ".ci/run").read_text("utf-8")
    (command,) = re.findall(r"(?m)^ *(sed .*README\.md.*) >.*mine\.py", ci)
    script = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"<!-- own trick -->\n```python\n{script}```" in readme
    assert len(script.splitlines()) <= 15
    (*_, call) = ast.parse(script).body
    assert ast.unparse(call).startswith("cli.main('mine'")


@source_only
def test_ci_checks_what_pre_commit_checks():
    """Each hook is local, so that nothing is fetched; CI runs all of them on all files."""
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"(?m)^  - repo: (.*)", hooks) == ["local"]
    assert re.findall(r"(?m)^ +entry: (.*?)(?: --.*)?$", hooks) == ["ruff check", "ruff format", "basedpyright"]
    assert "pre-commit run --all-files" in (ROOT / ".ci/run").read_text("utf-8")
    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pyright"]["typeCheckingMode"] == "basic"
