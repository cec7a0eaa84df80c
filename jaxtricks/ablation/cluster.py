"""The same command as several jobs that share its folder: on a SLURM cluster, or as processes of this machine."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxtricks._command import Options, UsageError

WORKERS = 2
WORKER = "JAXTRICKS_WORKER"  # set in a job, whose command is the one that was typed


def parameters_of(typed: Sequence[str]) -> dict[str, Any]:
    """``name=value`` as submitit takes it: numbers where they are numbers.

    Args:
      typed: such as ``gpus_per_node=1``.

    Returns:
      The values by name.

    Raises:
      UsageError: if one of them is no ``name=value``.
    """
    values = {}
    for word in typed:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--slurm is {word!r}; allowed: name=value, such as gpus_per_node=1 or timeout_min=240.")
        values[name] = int(value) if value.lstrip("-").isdecimal() else value
    return values


def is_worker(env: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of the jobs."""
    return env.get(WORKER) == "1"


def run_jobs(options: Options, command: Sequence[str], out: Path) -> int:
    """Run a command as jobs that share its folder.

    Args:
      options: as they were typed; ``on`` is ``"slurm"`` or ``"local"``.
      command: with the program.
      out: the folder.

    Returns:
      0 if they left a report: all of them ended well, or one did and the report is another one than before; else 1.
    """
    out, workers = out.absolute(), options.workers or WORKERS
    say = partial(Console(stderr=True).print, markup=False, highlight=False, soft_wrap=True)
    file = out / "report.html"
    before = _written(file)
    parameters = parameters_of(options.slurm)
    bad = submit(command, out / "jobs", on=options.on, workers=workers, parameters=parameters, say=say)
    if _written(file) is not None and (bad == 0 or (bad < workers and _written(file) != before)):
        say(f"{workers - bad} of {workers} jobs ended well. Report: {file}")
        return 0
    say(f"{bad} of {workers} jobs did not end well; the same command goes on with the cells that are missing.")
    return 1


def _written(file: Path) -> int | None:
    """When a file was written, in nanoseconds, by the clock of where it lies; None where there is none."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def submit(
    command: Sequence[str],
    folder: Path,
    *,
    on: str,
    workers: int,
    parameters: Mapping[str, Any],
    say: Callable[[str], None],
) -> int:
    """Start the command so many times, and wait for all of them; they divide the cells among themselves.

    A job that is killed leaves its claims, which the others take over; what none has trained is left to the next call.

    Args:
      command: with the program.
      folder: for what the jobs print.
      on: ``"slurm"`` or ``"local"``.
      workers: number of jobs, 1 or more.
      parameters: of submitit's executor; on a SLURM cluster such as ``slurm_partition``.
      say: takes a sentence.

    Returns:
      How many jobs did not end well.

    Raises:
      UsageError: if submitit is missing, a parameter is not one of its, or there is no such cluster.
    """
    try:
        import submitit  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UsageError("--on needs submitit; allowed: pip install 'jaxtricks[cluster]'.") from error
    before = os.environ.get(WORKER)
    os.environ[WORKER] = "1"  # which the jobs inherit
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=on)
        executor.update_parameters(**{"name": "jaxtricks", "timeout_min": 24 * 60, **parameters})
        function = submitit.helpers.CommandFunction(list(command), verbose=True)
        jobs = [executor.submit(function) for _ in range(workers)]
    except (RuntimeError, NameError, ValueError, TypeError) as error:
        raise UsageError(f"--on {on} with --slurm {dict(parameters)}: {error}") from error
    finally:
        if before is None:
            del os.environ[WORKER]
        else:
            os.environ[WORKER] = before
    say(f"{workers} jobs: {', '.join(job.job_id for job in jobs)}; what they print is in {folder}.")
    bad = 0
    for job in jobs:
        job.wait()
        if (error := job.exception()) is not None:
            bad += 1
            said = _last_line(Path(job.paths.stderr)) or _last(str(error)) or type(error).__name__
            say(f"job {job.job_id} ended with: {said} ({job.paths.stderr})")
    return bad


def _last(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _last_line(file: Path) -> str:
    """What a job said last; nothing where it said nothing, or the file is not to be seen from here."""
    try:
        return _last(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""


def typed_command(started: Sequence[str]) -> list[str]:
    """The command of this process, with its Python.

    Args:
      started: how it was started, without options: ``python -m MODULE``, or ``python FILE``.
    """
    return [sys.executable, *started[1:], *sys.argv[1:]]
