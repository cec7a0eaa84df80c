"""The public functions of the library, found by walking its packages."""

import importlib
import inspect
import pkgutil

import jaxtricks


def modules(path=jaxtricks.__path__, prefix="jaxtricks."):
    """The public modules: those of which no part begins with an underscore."""
    for info in pkgutil.iter_modules(path, prefix):
        if not info.name.split(".")[-1].startswith("_"):
            module = importlib.import_module(info.name)
            yield module
            if info.ispkg:
                yield from modules(module.__path__, f"{info.name}.")


def exported():
    """Every function and class that a package's ``__all__`` names, and those of modules at the top level."""
    found = {}
    for module in modules():
        names = getattr(module, "__all__", None)
        if names is None and module.__name__.count(".") == 1 and not hasattr(module, "__path__"):
            names = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__]
        for name in names or ():
            value = getattr(module, name)
            if (inspect.isfunction(value) or inspect.isclass(value)) and not name.startswith("_"):
                found[f"{module.__name__}.{name}"] = value
    return found


EXPORTED = exported()
FUNCTIONS = {name: value for name, value in EXPORTED.items() if inspect.isfunction(value)}


def parameters(function):
    return list(inspect.signature(function).parameters.values())
