"""The checkpoints of a run, on a disk or remote: each one is complete or known to be damaged, also after a crash."""

from jaxtricks.checkpoint.compare import CheckpointMismatchError
from jaxtricks.checkpoint.errors import CheckpointCorruptError, CheckpointSaveError, CheckpointWarning
from jaxtricks.checkpoint.store import Checkpoints

__all__ = [
    "CheckpointCorruptError",
    "CheckpointMismatchError",
    "CheckpointSaveError",
    "CheckpointWarning",
    "Checkpoints",
]


def __dir__() -> list[str]:
    return __all__
