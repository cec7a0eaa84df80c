"""What ``help`` and ``repr`` print of the public names: functions by their names, not by their addresses."""

import importlib
import inspect
import pydoc
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import pytest

from jaxtricks import augment, models, tricks
from jaxtricks._signatures import Table, name_defaults, shown
from tests._api import EXPORTED, modules

ADDRESS = " at 0x"
CONSTANTS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in modules()
    for name in getattr(module, "__all__", ())
    if f"{module.__name__}.{name}" not in EXPORTED and not name.startswith("__")
}


@pytest.mark.parametrize("name", EXPORTED)
def test_help_prints_no_address(name):
    lines = pydoc.plain(pydoc.render_doc(EXPORTED[name])).splitlines()
    assert not [line for line in lines if ADDRESS in line and not line.startswith(" |  sow(self,")]  # flax's own


def test_constants_print_no_address():
    assert {"jaxtricks.augment.RAND_OPS", "jaxtricks.models.NETWORKS", "jaxtricks.recipes.CARDS"} <= set(CONSTANTS)
    assert not [name for name, value in CONSTANTS.items() if ADDRESS in repr(value)]


def test_a_default_is_printed_by_the_name_it_has_and_is_what_it_was():
    assert "ops: collections.abc.Mapping[str, jaxtricks.augment._operations.Op] = RAND_OPS," in _signature(
        augment.rand_augment
    )
    assert "= relu, kernel_init: collections.abc.Callable = HE_NORMAL," in _signature(models.resnet)
    assert _signature(partial(augment.rand_augment, count=3)).count("count: int = 3") == 1
    parameters = inspect.signature(augment.rand_augment).parameters
    assert parameters["ops"].default is augment.RAND_OPS
    assert parameters["count"].default == 2


def test_values_are_printed_by_the_names_of_their_functions():
    @dataclass(frozen=True)
    class Pair:
        first: object
        second: object = 2

    class Row(NamedTuple):
        apply: object

    local = "test_values_are_printed_by_the_names_of_their_functions.<locals>."
    assert shown(Pair(len)) == f"{local}Pair(first=<built-in function len>, second=2)"
    assert shown(Row(_signature)) == f"{local}Row(apply=_signature)"
    assert shown(partial(_signature, 1, a=(_signature,))) == "partial(_signature, 1, a=(_signature,))"
    assert repr(Table(a=[_signature, "b"])) == "{'a': [_signature, 'b']}"
    assert repr(tricks.Trick(_signature)) == "Trick(change=_signature, expected=1, paper=None)"
    assert repr(augment.RAND_OPS["posterize"]) == "Op(apply=_posterize, low=8.0, high=4.0, signed=False, moves=False)"


def test_what_needs_no_name_keeps_its_signature():
    def plain(x, *, size=3):
        """A function whose default is a number."""

    package = {"__all__": ["plain"], "plain": plain}
    name_defaults(package)
    assert not hasattr(plain, "__signature__")
    assert importlib.import_module("jaxtricks.augment").__all__


def _signature(function):
    return str(inspect.signature(function))
