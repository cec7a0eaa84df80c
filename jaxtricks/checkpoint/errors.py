"""What a checkpoint folder reports: nothing intact, nothing saved, something skipped."""

from contextlib import contextmanager
from pathlib import Path

from jaxtricks.checkpoint import manifest


class CheckpointCorruptError(RuntimeError):
    """There are checkpoints, but none can be used: the message names each step and what is wrong with it."""


class CheckpointSaveError(OSError):
    """A step was not saved: the message names it, why, and the newest step that there still is."""


class CheckpointWarning(RuntimeWarning):
    """A checkpoint was skipped because it is damaged, or, where that was asked for, not saved."""


@contextmanager
def reading(where: Path):
    """Errors of files that are as they were written, but not as a checkpoint is, become CheckpointCorruptError."""
    try:
        yield
    except Exception as error:
        text = f"{where} cannot be read, although its files are as {manifest.NAME} says. {first_line(error)}"
        raise CheckpointCorruptError(text) from error


def first_line(error: BaseException | None) -> str:
    """The type of an error and the first line of what it says."""
    if error is None:
        return "Another process failed."
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
