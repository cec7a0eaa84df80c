"""Where results go: a folder by experiment and data, files that are never half-written, reports that stay."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jax
from etils import epath

from jaxtricks._command import Options, Preset, UsageError
from jaxtricks.ablation import sources
from jaxtricks.ablation.summary import Row
from jaxtricks.checkpoint.remote import folder_of

ABOUT = "about.json"
STOPPED = (
    "Stopped. The same command goes on with the cells that are missing, within what is left of its minutes if it has "
    "any, and writes the report at its end. With --only and the tricks that are finished it writes a report of what is "
    "there."
)


def started() -> list[str]:
    """How this program was started, without its options: ``python mine.py``, or ``python -m experiments.losses``."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        return ["python", sys.argv[0]]
    return ["python", "-m", spec.name.removesuffix(".__main__")]


def folder_for(experiment: str, spec: str, out: Path | None) -> Path:
    """The folder of results, ``runs/EXPERIMENT/DATA`` unless one was typed.

    Args:
      experiment: its name.
      spec: the data, as for ``data.load``.
      out: as typed, or None.

    Returns:
      The path; nothing is made.

    Raises:
      UsageError: if a report of other data, or of another experiment, is there.
    """
    folder = Path("runs") / experiment / sources.short(spec) if out is None else out
    there = _about(folder)
    wanted = {"experiment": experiment, "data": sources.identity(spec)}
    if there is not None and there != wanted:
        of = f"{there.get('experiment')} on {there.get('data')}"
        raise UsageError(f"--out is {folder}, which holds a report of {of}; allowed: another folder.")
    return folder


def claim(folder: Path, experiment: str, spec: str) -> None:
    """Leave a note in a folder on what its report is of, for ``folder_for``.

    Args:
      folder: of the report; made if missing.
      experiment, spec: as in ``folder_for``.
    """
    about = {"experiment": experiment, "data": sources.identity(spec)}
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / ABOUT, json.dumps(about, indent=1) + "\n")


@contextmanager
def written(option: str, folder: Path) -> Iterator[None]:
    """UsageError, before anything is trained, for a folder that cannot be made or written to.

    Args:
      option: that named the folder.
      folder: of that option.
    """
    try:
        yield
    except OSError as error:
        allowed = "allowed: a folder that can be made and written to"
        raise UsageError(f"{option} is {folder}; {allowed}. {error}") from error


def checkpoints(options: Options, preset: Preset, out: Path) -> str | None:
    """Where runs keep their states: as typed, in the folder of a preset whose runs take hours, or nowhere.

    Args:
      options: of the command.
      preset: as settled.
      out: folder of the report.

    Returns:
      A folder or URL, which exists or can; UsageError for any other.
    """
    alone = jax.process_count() == 1  # several need a folder that all of them see, and that of OUT may not be one
    place = options.checkpoints
    if place is None and preset.hours and alone:
        place = str(out / "checkpoints")
    if place is not None:
        try:
            if not place.strip():
                raise ValueError("It names no place.")
            (folder := folder_of(place)).mkdir(parents=True, exist_ok=True)
            probe = epath.Path(folder) / f".probe-{os.getpid()}"
            probe.write_text("")
            probe.unlink()
        except (OSError, ValueError, ImportError) as error:
            allowed = "allowed: a folder that can be made and written to, or a URL that etils.epath knows and reaches"
            raise UsageError(f"--checkpoints is {place!r}; {allowed}. {error}") from error
    return place


def next_steps(rows: Sequence[Row], options: Options, *, one_setting: bool) -> list[str]:
    """What to do after a finished table, in one line or two.

    Args:
      rows: from ``report.summarise``.
      options: of the command.
      one_setting: whether the experiment has one setting, so that it can recommend a recipe.

    Returns:
      Sentences; none where nothing is left to do.
    """
    steps = []
    unresolved = [row for row in rows if row.verdict == "not resolved"]
    nearest = min((row for row in unresolved if row.needed), key=lambda row: row.needed or 0, default=None)
    if unresolved:
        hint = f": {nearest.needed} of them would do for {nearest.name}, if it is as it looks now" if nearest else ""
        steps.append(f"Next: more --minutes or --seeds go on from these cells, for what is not resolved{hint}.")
    if one_setting and not (options.recommend or options.save) and any(row.verdict == "helps" for row in rows):
        steps.append(
            "Next: --recommend, or --save FOLDER, with the same command chooses a recipe on held-out images, confirms "
            "it with fresh seeds, and keeps the trained network for python -m jaxtricks predict."
        )
    return steps


def write_table(folder: Path, experiment: str, spec: str, text: str) -> None:
    """Print a table, and leave it as EXPERIMENT.txt.

    Args:
      folder, experiment, spec: as in ``claim``.
      text: of the table.
    """
    sys.stdout.write(text)
    claim(folder, experiment, spec)
    write_text(folder / f"{experiment}.txt", text)


def write_text(path: str | Path, text: str) -> None:
    """Write a file through one beside it, so that a failure leaves what was there.

    Args:
      path: of the file.
      text: any; what UTF-8 cannot say, such as half a name of a file, is written as an escape.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode("utf-8", "backslashreplace"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _about(folder: Path) -> dict | None:
    try:
        return json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def counted(steps: int) -> Callable[[str], None]:
    """For runs without a table that fills: say what begins, as the first of so many steps, the second, and so on.

    Args:
      steps: how many there will be.

    Returns:
      Takes what begins, and prints it to standard error with the minutes left, as those before took.
    """
    began, count = time.monotonic(), 0

    def say(what: str) -> None:
        nonlocal count
        minutes = (time.monotonic() - began) / 60 * (steps - count) / max(count, 1)
        count += 1
        left = f", about {minutes:.0f} min left" if count > 1 else ""
        print(f"[{count}/{steps}] {what}{left}", file=sys.stderr, flush=True)

    return say
