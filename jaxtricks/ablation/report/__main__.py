"""Write reports again from their results.json: python -m jaxtricks.ablation.report FOLDER ..."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from jaxtricks.ablation.report import write


@dataclass(frozen=True)
class Options:
    """Writes report.html, report.md and the summary in results.json again; nothing is trained."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders with a results.json, as an ablation left it."""
    margin: float | None = None
    """The largest difference that counts as none, in the unit of the headline; as the results have it if left out."""
    out: Path | None = None
    """Where to, a folder by the same name for each; into the folders themselves if it is left out."""


def main() -> None:
    """Write every report; exit status 2 for a folder without results."""
    options = tyro.cli(Options, prog="python -m jaxtricks.ablation.report", description=Options.__doc__)
    for folder in options.folders:
        try:
            results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            sys.exit(f"folder is {folder}; allowed: one with a results.json.")
        if options.margin is not None:
            results["margin"] = options.margin
        sys.stdout.write(f"{write(results, folder if options.out is None else options.out / folder.name)}\n")


if __name__ == "__main__":
    main()
