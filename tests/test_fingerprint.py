"""What tells recipes apart, in every process and on every Python alike."""

import operator
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest
from small import recipe

from jaxtricks import augment
from jaxtricks.fingerprint import SourceError, _normalised, _parsed, describe, fingerprint

ROOT = Path(__file__).parents[1]


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor

    apply = __call__


class Slotted:
    __slots__ = ("factor",)
    __init__, __call__ = Scaled.__init__, Scaled.__call__


@dataclass(frozen=True)
class Twice:
    factor: float = 1.0

    def __call__(self, x):
        return 2 * self.factor * x


@dataclass(frozen=True)
class Thrice:
    factor: float = 1.0

    def __call__(self, x):
        return 3 * self.factor * x


class Left(NamedTuple):
    x: int = 0


class Right(NamedTuple):
    x: int = 0


def keyword(w):
    def scaled(x, w=w):
        return x * w

    return scaled


def times(w):
    def decorator(function):
        @wraps(function)
        def wrapped(x):
            return w * function(x)

        return wrapped

    return decorator


def squared(function):
    @wraps(function)
    def wrapped(x):
        return function(x) ** 2

    return wrapped


def reversing(scale):
    @jax.custom_vjp
    def same(x):
        return x

    same.defvjp(lambda x: (x, None), lambda _, g: (-scale * g,))
    return same


def double(x):
    return 2 * x


def half(x):
    return x / 2


def scaling(factor):
    class Local:
        def __call__(self, x):
            return factor * x

    return Local


# fmt: off
ROW = [lambda x: x + 1, lambda x: x - 1, lambda: 0, lambda: 1, lambda x: (lambda y: x + y), lambda x, f=(lambda: 7): f]
# fmt: on
FLIP, CROP = augment.each(augment.random_flip), augment.each(partial(augment.random_pad_crop, padding=1))
PAIRS = {
    "names in a lambda": (
        lambda k, b: augment.mixup(k, b, alpha=0.2),
        lambda k, b: augment.cutmix(k, b, alpha=0.2),
    ),
    "defaults of a lambda": (lambda t, e=0.1: t * e, lambda t, e=0.3: t * e),
    "keyword defaults of a lambda": (lambda t, *, e=0.1: t * e, lambda t, *, e=0.3: t * e),
    "a default that is bound": (keyword(1), keyword(2)),
    "objects of methods": (Scaled(1).apply, Scaled(2).apply),
    "objects with slots": (Slotted(1), Slotted(2)),
    "objects written in C": (operator.itemgetter(0), operator.itemgetter(1)),
    "compiled partials": (jax.jit(partial(double, 1)), jax.jit(partial(half, 1))),
    "dataclasses": (Twice(), Thrice()),
    "named tuples": (Left(), Right()),
    "classes": (Left, Right),
    "a number and text": (1.0, "1.0"),
    "nothing and text": (None, "None"),
    "a class and text": (np.float32, "float32"),
    "a function and text": (np.sin, "numpy.sin"),
    "keys": ({1: 2}, {"1": 2}),
    "a set and a list": ({1, 2}, [1, 2]),
    "the order of a chain": (augment.chain(flip=FLIP, crop=CROP), augment.chain(crop=CROP, flip=FLIP)),
    "what a decorator bound": (times(2)(double), times(3)(double)),
    "decorators": (times(2)(double), squared(double)),
    "transformations": (jax.vmap(double), jax.grad(double)),
    "axes of a transformation": (jax.vmap(double), jax.vmap(double, in_axes=1)),
    "rules of derivatives": (reversing(1.0), reversing(2.0)),
    "operators in a line": (ROW[0], ROW[1]),
    "constants in a line": (ROW[2], ROW[3]),
    "a lambda and the one within": (ROW[4], ROW[4](1)),
    "a lambda and its default": (ROW[5], ROW[5](1)),
    "what a local class closes over": (scaling(1), scaling(2)),
    "objects of local classes": (scaling(1)(), scaling(2)()),
    "attributes of globals": (lambda x: np.sin(x), lambda x: np.cos(x)),
    "keys of JAX": (jax.random.key(0), jax.random.key(1)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_things_are_told_apart(name):
    one, other = PAIRS[name]
    assert describe(one) != describe(other)
    assert fingerprint(one) != fingerprint(other)


def calling_itself():
    @jax.jit
    def down(x):
        return down(x - 1)

    return down


def test_the_same_parts_are_described_alike():
    for make in (
        lambda: keyword(1),
        lambda: jax.jit(partial(half, 1)),
        lambda: times(2)(double),
        lambda: Scaled(1),
        lambda: scaling(3)(),
        lambda: ROW,
    ):
        assert describe(make()) == describe(make())
    assert describe(jax.jit(double)) == describe(double)
    assert describe(calling_itself()) == describe(calling_itself())
    assert describe({"a": 1, "b": 2}) != describe({"b": 2, "a": 1})  # a chain of augmentations follows the order
    assert describe({"b", "a"}) == {"(set)": ["a", "b"]}


def test_a_recipe_is_its_fields():
    text = describe(recipe(teacher=recipe()))
    assert list(text)[:3] == ["model", "task", "loss"]
    assert text["bn"] == text["teacher"]["bn"] == "all"
    assert text["lr"] == "0.02"


IN_ANOTHER_PROCESS = """
from functools import partial
import jax
from jaxtricks import augment
from jaxtricks.fingerprint import fingerprint, source_digest
from small import recipe

def layers(pattern):
    return lambda params, names=frozenset({"stem", "head", "body"}): pattern in names and "x" in {"x", "y", "z"}

recipe = recipe(
    init=partial(layers("stem"), names={"a", "b", "c", "d"}),
    mix=jax.vmap(lambda k, b: b, in_axes=(None, 0)),
    augment=augment.chain(b=lambda k, b: b, a=jax.jit(jax.checkpoint(lambda k, b: augment.mixup(k, b, alpha=0.1)))),
    targets=jax.nn.relu,
)
print(fingerprint(recipe), source_digest(recipe))
"""


def test_every_process_describes_the_same(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(IN_ANOTHER_PROCESS)
    children = [
        subprocess.Popen(
            [sys.executable, script],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (child.communicate(timeout=100)[0] for child in children)
    assert [len(word) for word in first.split()] == [16, 16]
    assert first == second


TRICKY = r'''
"""A docstring \d."""
import os  # a comment


async def f(x, *, y=1, **k) -> "int":
    """Another."""
    a = f"{x!r:>{y}.{k['w']}} and {{}} {x=} {x = !s}" "more" f"{'a' if x else 1}" u"old" 'ü\u200b\U0001F600'
    b = f"{x:}" + f"" + f"{x}{y}" + f"{x:{'>'}{10}}" + rf"\d{x}\n" + f"\N{BULLET}{x}" f"{x:%Y-%m}{y!s:{'a'}b{'c'}}" "d"
    match x:
        case None | True | {"a": 1, **rest} | [1, *_] | str(x=1) as z if z: pass
    try: pass
    except* ValueError as e: raise
    with (open("a") as f1, open("b") as f2): pass
    (y): int = 1
    return lambda *a, k=1.0, **w: (yield) or [*a, *{1: 2, **w}, 1e400, 1j, ..., b"\x00", -0.0, 0x10, 1_000, None, True]
'''
SAME = TRICKY.replace("  # a comment", "\n\n# another").replace("Another.", "A docstring.").replace("0x10", "16")
OTHER_PYTHON = """
import sys, types
for name in ("jax", "numpy"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].Array = sys.modules[name].ndarray = type("Array", (), {})
sys.path.insert(0, sys.argv[1])
from fingerprint import _normalised, _parsed, describe
exec(compile(open(sys.argv[2]).read(), sys.argv[2], "exec"))
print(describe(ROW))
for file in sys.argv[3:]:
    print(_normalised(_parsed(open(file, "rb").read())))
"""
FUNCTIONS = """
def outer(n):
    return lambda x, y=2: (lambda: 0, lambda: 1, lambda: x + n, lambda: x - n)
ROW = [outer(3), *outer(3)(1)]
"""


def pythons():
    """This Python, and those of 3.11 to 3.13 that this machine has; what they need of packages is replaced."""
    versions = Path.home() / ".pyenv/versions"
    paths = [path for minor in (11, 12, 13) for path in versions.glob(f"3.{minor}.*/bin/python")]
    paths += [path for minor in (11, 12, 13) if (path := shutil.which(f"python3.{minor}")) and "shims" not in path]
    return [sys.executable, *paths]


def test_source_is_the_same_text_on_every_python(tmp_path):
    package = ROOT / "jaxtricks"
    files = [tmp_path / "tricky.py", *sorted((package / "train").glob("*.py")), package / "fingerprint.py"]
    files[0].write_text(TRICKY, encoding="utf-8")
    functions = tmp_path / "functions.py"
    functions.write_text(FUNCTIONS)
    (tmp_path / "script.py").write_text(OTHER_PYTHON)
    shutil.copy(ROOT / "jaxtricks/fingerprint.py", tmp_path)
    answers = [
        subprocess.run(
            [python, "-W", "ignore", tmp_path / "script.py", tmp_path, functions, *files],
            env={"PYTHONUTF8": "1", "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for python in pythons()
    ]
    assert len(answers[0].splitlines()) == len(files) + 1
    assert set(answers) == {answers[0]}


def test_comments_docstrings_and_layout_are_no_code():
    assert _normalised(_parsed(TRICKY)) == _normalised(_parsed(SAME))
    for old, new in (("y=1", "y=2"), ("x!r", "x!s"), ("and {{}}", "or {{}}"), ("-0.0", "0.0"), ("1e400", "1e3")):
        assert old in TRICKY
        assert _normalised(_parsed(TRICKY)) != _normalised(_parsed(TRICKY.replace(old, new))), old


def test_functions_without_source_are_refused_by_their_place():
    made = {"__name__": "made"}
    exec("trick = lambda b: b + 1", made)
    with pytest.raises(SourceError, match=r"recipe.augment holds <lambda> of <string>, line 1, whose source cannot"):
        describe(recipe(augment=made["trick"]))


NOTEBOOK = """
import linecache

from jaxtricks.fingerprint import fingerprint


def run(text, number):
    name = f"<cell {number}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), globals())


del globals()["__file__"]  # as in a notebook
run("SIZE = 1", 1)
run("def helper(x): return x + SIZE", 2)
run("def trick(x): return helper(x)", 3)
run("class Net:\\n def __call__(self, x): return trick(x)", 4)
print(fingerprint(trick), fingerprint(Net()))
run(CHANGE, 5)
print(fingerprint(trick), fingerprint(Net()))
"""


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ("def helper(x): return x + SIZE  # as before", (False, False)),
        ("SIZE = 2", (True, True)),
        ("def helper(x): return x - SIZE", (True, True)),
        ("class Net:\n def __call__(self, x): return -trick(x)", (False, True)),
    ],
)
def test_functions_of_a_notebook_are_described_with_their_globals(tmp_path, change, changed):
    script = tmp_path / "script.py"
    script.write_text(NOTEBOOK.replace("CHANGE", repr(change)))
    answer = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.splitlines()
    before, after = (line.split() for line in answer)
    assert tuple(a != b for a, b in zip(before, after, strict=True)) == changed


def test_what_has_another_name_in_every_process_is_refused_by_its_place():
    generator = np.random.default_rng(0)
    with pytest.raises(TypeError, match=r"^recipe.targets.0 holds Generator\(PCG64\) at 0x.* allowed: functions"):
        describe(recipe(targets=partial(double, generator)))
    with pytest.raises(TypeError, match=r"^value.a\[1\] holds Gen"):
        fingerprint({"a": [1, generator]})
