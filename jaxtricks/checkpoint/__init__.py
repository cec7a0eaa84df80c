"""The checkpoints of a run: whole or known not to be, found again after a crash."""

from jaxtricks.checkpoint.leaves import CheckpointMismatchError
from jaxtricks.checkpoint.store import (
    CheckpointCorruptError,
    Checkpoints,
    CheckpointSaveError,
    CheckpointWarning,
)

__all__ = [
    "CheckpointCorruptError",
    "CheckpointMismatchError",
    "CheckpointSaveError",
    "CheckpointWarning",
    "Checkpoints",
]


def __dir__() -> list[str]:
    return __all__
