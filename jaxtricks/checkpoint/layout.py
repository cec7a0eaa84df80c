"""The steps in a folder of checkpoints, each of them whole or known not to be.

    folder/120/             a step: what was written, and its list of digests
    folder/.saving/xyz/     the step that is being written, and old ones on their way out; rubbish once nobody writes

A step gets its place under the folder by one rename, after its list of digests lies on the disk. So a save that was
cut off leaves nothing under a number, and a numbered folder without a list is damaged.
"""

import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jaxtricks.checkpoint import manifest

STAGE, REPLACED = ".saving", ".replaced"
DIGITS = 9  # of a step: processes tell each other steps as int32


def numbered(folder: Path) -> list[int]:
    """Everything that is named as a step, whole or not.

    Args:
      folder: of checkpoints.

    Returns:
      Steps, oldest first.
    """
    names = [name for name in os.listdir(folder) if name.isascii() and name.isdigit() and len(name) <= DIGITS]
    return sorted(int(name) for name in names if str(int(name)) == name)


def listed(folder: Path) -> list[int]:
    """The steps that have a list of digests; their files are not looked at.

    Args:
      folder: of checkpoints.

    Returns:
      Steps, oldest first.
    """
    places = {step: folder / str(step) for step in numbered(folder)}
    return [step for step, place in places.items() if not place.is_symlink() and (place / manifest.NAME).is_file()]


def newest_whole(folder: Path) -> tuple[int | None, dict[int, str]]:
    """The newest step of which every file is as it was written.

    Args:
      folder: of checkpoints.

    Returns:
      The step, None if there is no such, and what is wrong with each one after it.
    """
    damaged = {}
    for step in reversed(numbered(folder)):
        fault = manifest.damage(folder / str(step))
        if fault is None:
            return step, damaged
        damaged[step] = fault
    return None, damaged


def publish(stage: Path, folder: Path, step: int) -> None:
    """Write the list of digests of the step that was staged, and put the step in its place.

    Args:
      stage: where the step was written.
      folder: of checkpoints.
      step: what has its place already is replaced, or comes back by ``recover`` if this is cut off.

    Raises:
      OSError: if that cannot be done.
    """
    place = folder / str(step)
    manifest.write(stage / str(step))
    if os.path.lexists(place):
        os.replace(place, stage / f"{step}{REPLACED}")
    os.replace(stage / str(step), place)
    try:
        manifest.sync(folder)
    except OSError:
        os.replace(place, stage / str(step))
        raise


def prune(stage: Path, folder: Path, step: int, *, keep: int, damaged: Iterable[int]) -> None:
    """Take the damaged steps away, and of the others all but the newest.

    Args:
      stage: where they go, to be swept.
      folder: of checkpoints.
      step: the one just published, which stays.
      keep: how many stay.
      damaged: steps that are not to be counted.

    Raises:
      OSError: if that cannot be done.
    """
    damaged = set(damaged) - {step}
    old = [s for s in listed(folder) if s not in damaged][:-keep]
    for each in (damaged | set(old)) - {step}:
        with suppress(FileNotFoundError):
            os.replace(folder / str(each), stage / f"{each}.old")


def recover(folder: Path) -> None:
    """Put back a step that was to be replaced, if that was cut off between its two renames.

    Args:
      folder: of checkpoints.

    Raises:
      OSError: if that cannot be done.
    """
    stages = [] if (folder / STAGE).is_symlink() else (folder / STAGE).glob("*/")
    for old in (old for stage in stages if not stage.is_symlink() for old in stage.glob(f"*{REPLACED}")):
        if not os.path.lexists(folder / old.stem):
            os.replace(old, folder / old.stem)


def sweep(folder: Path, *, watch: float = 0.0, patience: float = 5.0) -> None:
    """Recover, and remove all stages; again if they come back: after an error orbax's threads write on for a while.

    Args:
      folder: of checkpoints.
      watch: seconds for which nothing may come back.
      patience: seconds after which it is given up.

    Raises:
      OSError: if that cannot be done.
    """
    recover(folder)
    stages = folder / STAGE
    began = seen = time.monotonic()
    while os.path.lexists(stages) or time.monotonic() - seen < watch:
        if stages.is_symlink() or stages.is_file():
            stages.unlink()
        elif stages.exists():
            seen = time.monotonic()
            shutil.rmtree(stages, ignore_errors=seen - began < patience)
        if watch or stages.exists():
            time.sleep(0.01)
