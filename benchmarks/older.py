"""How many times as fast a training step is as an older commit's, both by their own ``benchmarks/train_step.py``.

    python -m benchmarks.older --commit 31c1431 --out older-2cores.json

The commit's files are unpacked beside this checkout, and each side trains in processes of its own, in turns, on the
same machine. ResNet-50-D has one JAX device with all cores, the two others a device for each of two cores.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks._figures import chosen, write
from jaxtricks.ablation import machine

ROOT = Path(__file__).parents[1]
ONE = "--xla_force_host_platform_device_count=1"
TWO = "--xla_force_host_platform_device_count=2"
NETWORKS = {
    "resnet_small": ("--model resnet_small --size 32 --batch 64 --classes 10 --steps 4", TWO),
    "resnet20": ("--model resnet20 --size 32 --batch 128 --classes 10 --steps 2", TWO),
    "ResNet-50-D": ("--model resnet50 --tweaks bcd --size 96 --batch 8 --steps 2", ONE),
}


@dataclass(frozen=True)
class Options:
    """What to compare with."""

    commit: str = "31c1431"
    """Of this repository."""
    turns: int = 2
    """Processes of each side."""
    only: tuple[str, ...] = ()
    """Networks; all of them if none."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def unpacked(commit: str, folder: Path) -> Path:
    """The files of a commit, in a folder."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if packed.returncode:
        raise SystemExit(f"--commit is {commit}; allowed: a commit of the repository at {ROOT}.")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


def images_per_second(checkout: Path, typed: str, flags: str, file: Path) -> float:
    """Of the step of one checkout, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.train_step", *typed.split(), "--turns", "3", "--no-peer"]
    environment = os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(checkout)}
    subprocess.run([*command, "--out", str(file)], cwd=checkout, env=environment, stdout=subprocess.DEVNULL, check=True)
    rates = json.loads(file.read_text(encoding="utf-8"))["images_per_second"]
    return rates.get("jaxtricks", rates.get("jax"))  # as it was called before


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    figures: dict = {"command": " ".join(["python -m benchmarks.older", *sys.argv[1:]]), "machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        older = Path(folder) / "older"
        older.mkdir()
        unpacked(options.commit, older)
        for name in chosen(NETWORKS, options.only):
            typed, flags = NETWORKS[name]
            taken: dict[str, list[float]] = {"older": [], "now": []}
            for turn in range(options.turns):
                sides = [("older", older), ("now", ROOT)]
                for side, checkout in sides[:: 1 if turn % 2 == 0 else -1]:
                    taken[side].append(images_per_second(checkout, typed, flags, Path(folder) / "figures.json"))
            ratios = [now / before for before, now in zip(taken["older"], taken["now"], strict=True)]
            ratio = statistics.median(ratios)
            figures[name] = {"images_per_second": taken, "ratios": ratios, "ratio": ratio}
            print(f"{name:<14}{ratio:6.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
