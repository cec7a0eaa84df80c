"""Where results go: a folder by experiment and data, files that are never half-written, reports that stay."""

import json
import os
import sys
from pathlib import Path

from jaxtricks._command import UsageError
from jaxtricks.ablation import sources

ABOUT = "about.json"


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
