"""The reliability card: every row in a process of its own, and the table of what was tried and what came out.

python -m tests.faults                         # the rows, to card.md in the folder of --out
python -m tests.faults --report                # and into the site's page, between the two marks
python -m tests.faults --short --rows r01 r04  # the forms that run with the ordinary tests, of two rows
"""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tyro

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "site" / "pages" / "reliability.md"
BEGIN, END = "<!-- card -->", "<!-- /card -->"
HEAD = "| row | fault | what was tried | figure | seconds | outcome |\n|---|---|---|---|---|---|\n"
NO_TESTS = 5  # pytest's exit status
SKIPPED = re.compile(rb"\b[1-9]\d* skipped\b")  # in the line that ends what it says
FAULTS = {
    "r01": "SIGKILL at a random moment of a run",
    "r02": "SIGKILL inside a save",
    "r03": "files of the newest checkpoint damaged",
    "r04": "one flipped bit in the newest checkpoint",
    "r05": "disk full",
    "r06": "an asynchronous save fails",
    "r07": "SIGTERM or SIGINT",
    "r08": "a second signal during that save",
    "r09": "NaN or Inf in images, gradient, update, statistics",
    "r10": "a loss spike",
    "r11": "float16 overflow",
    "r12": "unreadable records",
    "r13": "a worker dies, a transform raises",
    "r14": "resuming at every step",
    "r15": "resuming on another number of devices",
    "r16": "a process of several dies or stalls",
    "r17": "a wrong configuration",
    "r18": "hostile arguments of every public function",
    "r19": "another hash seed, other threads, jit, vmap",
    "r20": "hostile files",
    "r21": "several processes on one folder",
}


@dataclass(frozen=True)
class Options:
    """Which rows to run, and where their table goes."""

    rows: tuple[str, ...] = tuple(FAULTS)
    """Rows by number."""
    short: bool = False
    """The short forms instead of the full ones."""
    report: bool = False
    """Replace the table of the page of the site, too; every row must have been run."""
    out: Path = Path("runs/card")
    """A folder for card.md and what pytest says of each row; rows that are not run now are taken from there."""


class Row(NamedTuple):
    """What a row gave.

    Fields:
      number: of the row.
      form: short or full.
      tried: (what was tried, figure), as the tests say it.
      seconds: on the clock.
      used: of all its processes on the processors.
      outcome: passed, incomplete (a test was skipped), failed or not run.
    """

    number: str
    form: str
    tried: list[tuple[str, str]]
    seconds: float
    used: float
    outcome: str


def run(number: str, *, form: str, out: Path) -> Row:
    """Run the tests of a row: the full form of those that have two, or the short one of all."""
    files = sorted(map(str, Path(__file__).parent.glob(f"test_{number}_*.py")))
    which = ["-m", "not slow"] if form == "short" else ["-m", "slow or not slow", "-k", "not short"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder, "card")
        command = [sys.executable, "-m", "pytest", "-q", "-rs", f"--basetemp={folder}/tests", *which, *files]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {"JAXTRICKS_CARD": str(card)}, capture_output=True)
        lines = card.read_text(encoding="utf-8").splitlines() if card.exists() else []
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    out.joinpath(f"{number}.log").write_bytes(done.stdout + done.stderr)
    tried = [(line["what"], line["figure"]) for line in map(json.loads, lines)]
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    outcome = {0: "passed", NO_TESTS: "not run"}.get(done.returncode, "failed")
    if outcome == "passed" and SKIPPED.search(done.stdout):
        outcome = "incomplete"
    row = Row(number, form, tried, seconds, used, outcome)
    out.joinpath(f"{number}.json").write_text(json.dumps(row._asdict(), indent=1) + "\n", encoding="utf-8")
    return row


def found(number: str, *, form: str, out: Path) -> Row:
    """What an earlier call has left of a row in this form."""
    path = out / f"{number}.json"
    row = Row(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
    return row if row is not None and row.form == form else Row(number, form, [], 0.0, 0.0, "not run")


def table(rows: list[Row]) -> str:
    """The card as a table in Markdown, a line for each thing that was tried."""
    lines = []
    for row in rows:
        for i, (what, figure) in enumerate(row.tried or [("", "")]):
            first = (row.number, FAULTS[row.number]) if i == 0 else ("", "")
            last = (f"{row.seconds:.0f}", row.outcome) if i == 0 else ("", "")
            cells = (cell.replace("|", "\\|") for cell in (*first, what, figure, *last))
            lines.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


def put(text: str, page: Path) -> None:
    """Put the table between the marks of a page."""
    old = page.read_text(encoding="utf-8")
    new, count = re.subn(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{text}{END}", old)
    if count != 1:
        raise ValueError(f"{page} has no lines {BEGIN} and {END}; allowed: one of each.")
    page.write_text(new, encoding="utf-8")


def main(options: Options) -> int:
    """Run the rows, write the card, and give back how many of them did not pass."""
    unknown = [number for number in options.rows if number not in FAULTS]
    if unknown:
        raise SystemExit(f"--rows is {' '.join(options.rows)}; allowed: {' '.join(FAULTS)}.")
    options.out.mkdir(parents=True, exist_ok=True)
    form = "short" if options.short else "full"
    for number in options.rows:
        row = run(number, form=form, out=options.out)
        print(f"{number} {row.outcome:10s} {row.seconds:6.0f} s, processors {row.used:6.0f} s", flush=True)
        for what, figure in row.tried:
            print(f"    {what}: {figure}", flush=True)
    rows = [found(number, form=form, out=options.out) for number in FAULTS]
    passed = sum(row.outcome == "passed" for row in rows)
    seconds, used = (sum(getattr(row, name) for row in rows) for name in ("seconds", "used"))
    words = (
        f"{passed} of {len(rows)} rows passed in their {form} form, on {len(os.sched_getaffinity(0))} cores, in"
        f" {seconds / 60:.1f} minutes ({used / 60:.1f} of processor time).\n\n"
    )
    options.out.joinpath("card.md").write_text(words + table(rows), encoding="utf-8")
    print(words.strip())
    if options.report:
        if missing := [row.number for row in rows if row.outcome == "not run"]:
            raise SystemExit(f"--report needs every row in its {form} form; not run: {' '.join(missing)}.")
        put(words + table(rows), PAGE)
    return len(rows) - passed


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=__doc__)) > 0)
