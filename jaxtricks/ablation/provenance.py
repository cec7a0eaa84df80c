"""Where a result is from: the code that ran, and the machine that it ran on."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

from jaxtricks.fingerprint import source_digest
from jaxtricks.train import Recipe


def code(*recipes: Recipe) -> dict[str, str | None]:
    """Which code the cells of these recipes are of.

    Args:
      recipes: of the rows.

    Returns:
      ``version`` of the package; ``commit`` of the git checkout that it is in, with ``+changes`` where Python files
      differ from it, or None where it is in none; ``digest``, from ``source_digest``.
    """
    commit = _git("rev-parse", "HEAD") if _git("ls-files", "--error-unmatch", Path(__file__).name) else None
    changed = "+changes" if commit and _git("status", "--porcelain", "--", ":(top)*.py") else ""
    return {
        "version": release("jaxtricks"),
        "commit": commit and commit + changed,
        "digest": source_digest(*recipes),
    }


def release(name: str) -> str:
    """The version of a library; ``not installed`` of code that was brought along as it is, by benchmarks/carry.sh."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _git(*arguments: str) -> str | None:
    """What git says in the folder of this file; None without git, and outside of a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def machine() -> dict:
    """What the run ran on.

    Returns:
      ``cpu``, ``cores``, ``devices``, the versions of ``jax`` and ``python``, and JAX's ``platform``.
    """
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu,
        "cores": cores,
        "devices": [d.device_kind for d in jax.devices()],
        "jax": jax.__version__,
        "python": platform.python_version(),
        "platform": jax.default_backend(),
    }
