"""The training tricks of modern image models as pure JAX functions, and a machine that measures which of them help.

``import jaxtricks as jt`` imports nothing else; a sub-module is imported when it is first used, as in
``jt.augment.mixup``. ``jt.load`` reads a trained network that was saved.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers, which do not run __getattr__
    from jaxtricks import (
        ablation,
        analysis,
        archive,
        augment,
        check,
        checkpoint,
        compress,
        data,
        detection,
        ensembles,
        fingerprint,
        init,
        keys,
        layers,
        losses,
        metrics,
        models,
        opt_states,
        optim,
        portable,
        preprocess,
        recipes,
        tasks,
        train,
        tricks,
    )
    from jaxtricks.portable import load

    __version__: str

__all__ = [
    "__version__",
    "ablation",
    "analysis",
    "archive",
    "augment",
    "check",
    "checkpoint",
    "compress",
    "data",
    "detection",
    "ensembles",
    "fingerprint",
    "init",
    "keys",
    "layers",
    "load",
    "losses",
    "metrics",
    "models",
    "opt_states",
    "optim",
    "portable",
    "preprocess",
    "recipes",
    "tasks",
    "train",
    "tricks",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("jaxtricks")  # of the installed distribution; pyproject.toml is the only place that states it
    if name == "load":
        return import_module("jaxtricks.portable").load
    if name in __all__:
        return import_module(f"jaxtricks.{name}")
    raise AttributeError(f"module 'jaxtricks' has no attribute {name!r}; allowed: {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__
