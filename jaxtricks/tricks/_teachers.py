"""A larger network of the same kind: who teaches in distillation."""

from collections.abc import Callable
from functools import partial
from typing import Any

from jaxtricks import models

WIDTHS = (("multiplier",), ("growth",), ("inner", "widths"), ("widths",))  # fields of layouts, the first that fit
FIELDS = {"stacked": ("stages",), "googlenet": ()}  # where the names mean something else
TEACHERS = {models.LAYOUTS[small]: models.LAYOUTS[large] for small, large in (("resnet50", "resnet152"),)}


def larger(model: Callable) -> Callable:
    """The same network with twice the channels, or the larger one of the paper."""
    build = getattr(model, "func", model)
    layout: Any = (*getattr(model, "args", ()), None)[0]
    name, wider = getattr(build, "__name__", ""), TEACHERS.get(layout)
    if isinstance(layout, tuple) and not hasattr(layout, "_fields"):
        wider = _doubled(layout) if layout and name in ("plain", "perceptron", "airbench") else None
    elif layout is not None and wider is None:
        usual = next((names for names in WIDTHS if all(hasattr(layout, field) for field in names)), ())
        fields = FIELDS.get(name, usual)
        wide = {field: _doubled(getattr(layout, field)) for field in fields}
        wider = layout._replace(**wide) if fields else None  # pyright: ignore[reportAttributeAccessIssue]
    if wider is None:
        raise ValueError(
            f"model is {name or build}, of which distillation knows no larger one to teach; allowed: one whose "
            "layers have widths, such as a ResNet. Leave distillation out, or set recipe.teacher."
        )
    return partial(build, wider, **model.keywords)  # pyright: ignore[reportFunctionMemberAccess]


def _doubled(widths):
    return tuple(map(_doubled, widths)) if isinstance(widths, tuple) else 2 * widths
