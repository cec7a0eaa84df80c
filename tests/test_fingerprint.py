"""What recipes are told apart by, and that every process tells the same of them."""

import operator
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial, wraps
from typing import NamedTuple

import jax
import numpy as np
import pytest
from small import recipe

from jaxtricks import augment
from jaxtricks.fingerprint import describe, fingerprint


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


def test_the_same_parts_are_told_the_same():
    for make in (lambda: keyword(1), lambda: jax.jit(partial(half, 1)), lambda: times(2)(double), lambda: Scaled(1)):
        assert describe(make()) == describe(make())
    assert describe(jax.jit(double)) == describe(double)
    assert describe(calling_itself()) == describe(calling_itself())
    assert describe({"a": 1, "b": 2}) != describe({"b": 2, "a": 1})  # a chain of augmentations follows the order
    assert describe({"b", "a"}) == {"(set)": ["a", "b"]}


def test_a_recipe_is_its_fields():
    told = describe(recipe(teacher=recipe()))
    assert list(told)[:3] == ["model", "loss", "metrics"]
    assert told["bn"] == told["teacher"]["bn"] == "all"
    assert told["lr"] == "0.02"


IN_ANOTHER_PROCESS = """
from functools import partial
import jax
from jaxtricks import augment
from jaxtricks.fingerprint import fingerprint
from small import recipe

def layers(pattern):
    return lambda params, names=frozenset({"stem", "head", "body"}): pattern in names and "x" in {"x", "y", "z"}

print(fingerprint(recipe(
    init=partial(layers("stem"), names={"a", "b", "c", "d"}),
    mix=jax.vmap(lambda k, b: b, in_axes=(None, 0)),
    augment=augment.chain(b=lambda k, b: b, a=jax.jit(jax.checkpoint(lambda k, b: augment.mixup(k, b, alpha=0.1)))),
    targets=jax.nn.relu,
)))
"""


def test_every_process_tells_the_same():
    children = [
        subprocess.Popen(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (child.communicate(timeout=100)[0] for child in children)
    assert len(first.strip()) == 16
    assert first == second


def test_what_has_another_name_in_every_process_is_refused_by_its_place():
    generator = np.random.default_rng(0)
    with pytest.raises(TypeError, match=r"^recipe.targets.0 holds Generator\(PCG64\) at 0x.* allowed: functions"):
        describe(recipe(targets=partial(double, generator)))
    with pytest.raises(TypeError, match=r"^value.a\[1\] holds Gen"):
        fingerprint({"a": [1, generator]})
