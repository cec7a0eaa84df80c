"""The calling contract, held over every public function: names, order of arguments, docstrings."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import jaxtricks
from tests._api import EXPORTED, FUNCTIONS, parameters

FORBIDDEN = {"reduction", "rng", "training"}
DATA_FIRST = ("augment", "layers", "losses", "metrics", "optim", "analysis", "preprocess", "init", "detection")
KEYED = ("key", "keys")
# initialisers, presets of composition and wrappers give functions back: what they return has the key


def test_the_walk_finds_the_library():
    """One public name of every package and module at the top, whether or not it has an ``__init__.py``."""
    names = """ablation.paired analysis.count_macs archive.read_npz augment.mixup check.positive checkpoint.Checkpoints
        compress.svd data.load detection.nms ensembles.average fingerprint.fingerprint init.zero_gamma keys.named
        layers.BatchNorm losses.distillation metrics.correct models.resnet optim.cosine opt_states.Rejects
        portable.load preprocess.zca recipes.Card tasks.classification train.fit tricks.apply""".split()
    assert len(FUNCTIONS) > 60
    assert not [name for name in names if f"jaxtricks.{name}" not in EXPORTED]
    top = Path(jaxtricks.__file__).parent
    parts = {path.relative_to(top).parts[0].removesuffix(".py") for path in top.rglob("*.py")}
    assert {name.split(".")[0] for name in names} == {part for part in parts if not part.startswith("_")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments(name):
    found = parameters(FUNCTIONS[name])
    names = [p.name for p in found]
    assert not FORBIDDEN & set(names)
    row = "Trick" in str(inspect.signature(FUNCTIONS[name]).return_annotation)  # reads as the row of a table that it is
    for p in found:
        if p.default is not p.empty and not row:
            assert p.kind is p.KEYWORD_ONLY, f"{p.name} has a default; allowed: keyword-only"
    if name.split(".")[1] in DATA_FIRST:
        keyed = [p for p in found if p.name in KEYED and p.kind is not p.KEYWORD_ONLY]
        assert not keyed or keyed[0] is found[0], "a key comes first"


@pytest.mark.parametrize("name", EXPORTED)
def test_docstrings(name):
    value = EXPORTED[name]
    text = inspect.getdoc(value) or ""
    first = text.split("\n")[0]
    assert first.endswith((".", "?", "!")) or first.endswith(":"), f"no first sentence on one line: {first!r}"
    assert len(first) <= 140
    if not inspect.isfunction(value):
        return
    wanted = [p for p in parameters(value) if p.name not in ("self",)]
    if wanted and name.split(".")[1] not in ("check",):
        assert "Args:" in text, "no Args"
        described = text.split("Args:")[1]
        for p in wanted:
            assert re.search(rf"\b{re.escape(p.name)}\b", described), f"{p.name} is not described"
    returns = inspect.signature(value).return_annotation
    if returns not in (None, "None", inspect.Signature.empty) and name.split(".")[1] not in ("check",):
        assert "Returns:" in text, "no Returns"


def test_raise_is_documented_where_check_is_used():
    missing = []
    for name, function in FUNCTIONS.items():
        source = inspect.getsource(function)
        source = source.split("\n    def ")[0]  # what an inner function raises, its Returns tell
        if name.startswith("jaxtricks.check."):
            continue
        if re.search(r"\bcheck\.\w+\(|raise ValueError", source) and "Raises:" not in (inspect.getdoc(function) or ""):
            missing.append(name)
    assert not missing


def test_no_name_stutters():
    for name in EXPORTED:
        package, own = name.split(".")[-2:]
        stems = {package, package.removesuffix("s"), package.removesuffix("es")}
        assert not own.lower().startswith(tuple(f"{stem}_" for stem in stems)), name


def test_top_level_names_sub_modules_only():
    assert not [
        n for n in dir(jaxtricks) if n not in ("__version__", "load") and not inspect.ismodule(getattr(jaxtricks, n))
    ]


def test_values_of_dataclasses_are_frozen():
    for name, value in EXPORTED.items():
        if dataclasses.is_dataclass(value) and isinstance(value, type):
            assert value.__dataclass_params__.frozen, name
