"""Metrics as values an example, summed over the valid rows and divided once."""

from jaxtricks.metrics._classification import classification, correct

__all__ = ["classification", "correct"]


def __dir__() -> list[str]:
    return __all__
