"""Everything that is measured on an accelerator, by one command, in the order of worth, within minutes.

    python -m benchmarks.accelerator --minutes 8 --out DIR
    python -m benchmarks.accelerator --toy --out DIR     # the same at toy size, on a CPU too

A row is a command of its own, another benchmark, in a process of its own with a limit of its own, so that one failure
costs one row. After each, results.json, report.md and log.txt in DIR are what is known so far; a row that is stopped
leaves what it had written. A row that does not fit into the time left gets what is left, or is left out where that is
less than half its limit. Compiled programs are kept in the temporary folder for other rows and later calls. Without a
network or CIFAR-10 at hand, ``bash benchmarks/carry.sh`` makes a folder to bring along, and ``--data`` names the file
in it. Without PyTorch a row is measured without its peer, and says so.

The rows' limits are 53 minutes together; 8 minutes reach seeds, augmentation and NMS, and the ladder where these leave
it half of its limit. An accelerator that is had for 15 minutes at a time measures all in five times:

    python -m benchmarks.accelerator --minutes 6 --out 1 --data cifar10.npz --only device d e
    python -m benchmarks.accelerator --minutes 8 --out 2 --data cifar10.npz --only c

    python -m benchmarks.accelerator --minutes 8 --out 3 --only a
    python -m benchmarks.accelerator --minutes 6 --out 4 --data cifar10.npz --only f 'ResNet-50-D, bf16, batch 128'

    python -m benchmarks.accelerator --minutes 8 --out 5 --only gradients scan
    python -m benchmarks.accelerator --minutes 6 --out 6 --only kept hiding buffers 'ResNet-50, bf16, batch 256'

    python -m benchmarks.accelerator --minutes 14 --out 7 --data cifar10.npz --only g

    python -m benchmarks.accelerator --minutes 3 --out 8 --only fp32
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import tyro

from benchmarks._accelerator_rows import NEEDED, ROWS, Row
from benchmarks._figures import commit
from jaxtricks._command import UsageError

GRACE = 5.0  # seconds between SIGTERM and SIGKILL
PROGRAMS = Path(tempfile.gettempdir()) / f"jaxtricks-accelerator-{os.getuid()}"  # compiled, for later calls too
READ = """
import sys
from jaxtricks import data
try:
    data.load(sys.argv[1])
except (data.DataError, OSError) as error:
    sys.exit(str(error))
"""
LOOK = "import jax; d = jax.devices(); print(f'{len(d)} x {d[0].device_kind}' * (d[0].platform != 'cpu'))"


@dataclass(frozen=True)
class Options:
    """What to measure."""

    out: Path
    """A folder for results.json, report.md, log.txt, and the reports of experiments."""
    minutes: float = 8.0
    """For all rows together."""
    only: tuple[str, ...] = ()
    """Parts by letter, rows by name or a word of it, such as a or seeds; all of them if none."""
    data: str = "cifar10"
    """CIFAR-10: a set of TFDS, or an .npz file; rows that need it are left out if it cannot be read."""
    toy: bool = False
    """Every row at a size that takes a second, to see that it starts."""
    work: Path | None = None
    """A folder for what nobody reads: programs, cells; if it is left out, a temporary one, and programs are kept."""


@dataclass
class Outcome:
    """What became of a row.

    Fields:
      part, name, command: of the row.
      outcome: measured, failed, stopped at its limit, or left out; with a reason.
      seconds: that it took.
      figures: what it wrote, or None.
      words: the figures that the report shows.
      tail: the end of what it printed, where it failed.
    """

    part: str
    name: str
    command: str
    outcome: str = "left out"
    seconds: float = 0.0
    figures: dict | None = None
    words: str = ""
    tail: str = field(default="", repr=False)


def accelerator_here() -> str:
    """Number and kind of the devices, seen by a process of its own, since this one is not to hold their memory.

    Raises:
      UsageError: if JAX finds a CPU alone.
    """
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        said = (done.stderr.strip().splitlines() or ["JAX finds a CPU alone"])[-1]
        raise UsageError(f"no accelerator is here ({said}); allowed: one that JAX finds, or --toy for sizes of a CPU.")
    return done.stdout.strip()


def start(command: Sequence[str], env: dict[str, str], log: Path, limit: float) -> str:
    """Run a command in a process group of its own: ``measured``, or what went wrong."""
    with log.open("ab") as file:
        process = subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            _end(process)
            return f"stopped at its limit of {limit:.0f} s"
        except BaseException:  # this program is being stopped
            _end(process)
            raise
    return "measured" if status == 0 else f"failed, status {status}"


def _end(process: subprocess.Popen) -> None:
    """End a process with all that it has started."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    # what ignored SIGTERM in the group dies with SIGKILL, which was sent in any case


def missing(row: Row) -> list[str]:
    """The libraries of a peer that are not installed."""
    return [name for name in row.needs if name in NEEDED and find_spec(name) is None]


def reason(row: Row, options: Options) -> str:
    """Why a row cannot be run at all; empty if it can."""
    if missing(row) and not row.without_peer:
        return f"left out: {', '.join(missing(row))} is not installed"
    if "cifar10" in row.needs and not options.toy and (wrong := unreadable(options.data)):
        return f"left out: {wrong}"
    return ""


@cache
def unreadable(data: str) -> str:
    """Why a set of images cannot be read; empty if it can. Asked in a process of its own, which holds it alone."""
    env = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", READ, data], capture_output=True, text=True, env=env)
    return (done.stderr.strip().splitlines() or ["it cannot be read"])[-1] if done.returncode else ""


def environment(programs: Path, *, shared: bool) -> dict[str, str]:
    """Of a row's process: programs are kept, memory may be shared with a peer in the same process."""
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    env |= {
        "JAX_COMPILATION_CACHE_DIR": str(programs),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1",
    }
    if shared:
        env["XLA_PYTHON_CLIENT_MEM_FRACTION"] = "0.45"
    return env


def chosen(rows: Sequence[Row], only: tuple[str, ...]) -> list[Row]:
    """The rows whose part or name, or a word of whose name, was asked for."""
    words = {row.name: {row.part, row.name, *row.name.replace(",", "").split()} for row in rows}
    if unknown := [name for name in only if all(name not in some for some in words.values())]:
        letters = ", ".join(sorted({row.part for row in rows}))
        raise UsageError(f"--only is {' '.join(unknown)}; allowed: parts ({letters}), rows' names or words of them.")
    return [row for row in rows if not only or words[row.name] & set(only)]


def run(row: Row, options: Options, work: Path, left: float, starter: Callable[..., str]) -> Outcome:
    """One row, in the time that is left."""
    out = work / f"{len(list(work.glob('*.json')))}.json"
    limit = left if options.toy else min(row.seconds, left)  # at toy size a busy machine is no failure
    folder = options.out / row.name.split()[0]
    places = {"OUT": str(out), "DATA": options.data, "WORK": str(work / row.part)}
    places["MINUTES"] = f"{max(limit - 30, 15) / 60:.2f}"
    lacking = [] if options.toy else missing(row)
    typed = [part.format(**places) for part in (row.toy if options.toy else row.options)]
    typed += row.without_peer if lacking else ()
    command = [sys.executable, "-m", row.module, *typed]
    result = Outcome(row.part, row.name, shlex.join(["python", *command[1:]]), outcome=reason(row, options))
    if result.outcome:
        return result
    if left < (0 if options.toy else row.seconds / 2):
        result.outcome = f"left out: {left:.0f} s left, it may take {row.seconds:.0f} s"
        return result
    log, began = options.out / "log.txt", time.monotonic()
    with log.open("a", encoding="utf-8") as file:
        file.write(f"\n== {row.part}, {row.name}: {result.command}\n")
    first = log.stat().st_size
    programs = PROGRAMS if options.work is None else work / "programs"
    (work / row.part / "results.json").unlink(missing_ok=True)  # of an earlier call
    result.outcome = starter(command, environment(programs, shared="torch" in row.needs and not lacking), log, limit)
    result.seconds, ended = time.monotonic() - began, time.time()
    if row.after is not None:
        row.after(work / row.part, folder, out)
    try:
        result.figures = json.loads(out.read_text(encoding="utf-8"))
        result.words = row.show(result.figures) + "".join(f"; {name} is not installed" for name in lacking)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        if result.outcome == "measured":
            result.outcome = f"failed: no figures ({type(error).__name__}: {error})"
    if result.outcome != "measured":
        with log.open("rb") as file:
            file.seek(first)
            result.tail = file.read().decode("utf-8", "replace")[-2000:]
        for path in programs.glob("**/*"):  # one may have been cut off while it was written
            if path.is_file() and ended - path.stat().st_mtime < 2 * GRACE:
                path.unlink()
    return result


def write(results: list[Outcome], options: Options, *, name: str, seconds: float) -> None:
    """What is known so far, never half of a file; the device has the name that was seen at the start."""
    device = next((r.figures["machine"] for r in results if r.figures and "machine" in r.figures), {})
    about = {"command": shlex.join(["python", "-m", "benchmarks.accelerator", *sys.argv[1:]]), "machine": device}
    about |= {"device": name, "commit": commit(), "toy": options.toy, "seconds": round(seconds, 1)}
    about |= {"date": time.strftime("%Y-%m-%d", time.gmtime())}
    lines = [
        f"# On {name}",
        "",
        f"{about['date']}, commit {about['commit'] or 'unknown'}, jax {device.get('jax', '?')}, "
        f"{device.get('cpu', '?')}, {seconds / 60:.1f} minutes"
        + (", toy sizes: no figure means anything" if options.toy else ""),
        "",
        "| part | row | figures | seconds | outcome |",
        "|---|---|---|---|---|",
        *(f"| {r.part} | {r.name} | {r.words} | {r.seconds:.0f} | {r.outcome} |" for r in results),
        "",
        *(f"    {r.command}" for r in results if r.figures),
    ]
    texts = {
        "results.json": json.dumps(about | {"rows": [asdict(r) for r in results]}, indent=1),
        "report.md": "\n".join(lines),
    }
    for name, text in texts.items():
        part = options.out / f"{name}.part"
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(options.out / name)


def main(
    options: Options,
    *,
    rows: Sequence[Row] = ROWS,
    starter: Callable[..., str] = start,
    look: Callable[[], str] = accelerator_here,
) -> list[Outcome]:
    """Run the rows, and write after each what is known."""
    began, results = time.monotonic(), []
    todo = chosen(rows, options.only)
    name = "toy sizes" if options.toy else look()
    print(name, flush=True)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out is {options.out}; allowed: a folder that can be written to ({error}).") from error
    with tempfile.TemporaryDirectory(prefix="jaxtricks-accelerator-") as temporary:
        work = Path(temporary) if options.work is None else options.work
        work.mkdir(parents=True, exist_ok=True)
        for row in todo:
            left = 60 * options.minutes - (time.monotonic() - began) - 2 * GRACE
            result = run(row, options, work, left, starter)
            results.append(result)
            write(results, options, name=name, seconds=time.monotonic() - began)
            print(f"{result.part} {result.name}: {result.outcome}, {result.seconds:.0f} s  {result.words}", flush=True)
    print((options.out / "report.md").read_text(encoding="utf-8") if todo else "")
    return results


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the row that runs is ended too
    try:
        outcomes = main(tyro.cli(Options, description=__doc__))
    except UsageError as error:
        print(f"benchmarks.accelerator: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(any(r.outcome.startswith("failed") for r in outcomes))
