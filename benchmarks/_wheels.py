"""Which wheels a machine lacks, fetched for its Python: a part of benchmarks/carry.sh.

    python -m benchmarks._wheels FOLDER 3.12 THERE

THERE is a file of ``name==version`` or names, one a line, or an empty word. pip resolves the requirements for the
Python that runs this; each package that is lacking is fetched for the other one, and built here where there is only
source.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
THERE = ("jax", "jaxlib", "numpy", "ml_dtypes")  # where nothing is said: what the accelerator's own build brings
GLIBC = range(17, 40)  # minor versions of 2


def requirements() -> list[Requirement]:
    """Those of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


def lacking(resolved: Mapping[str, str], required: Iterable[Requirement], there: Iterable[str]) -> dict[str, str]:
    """What to bring, name to version.

    Args:
      resolved: all packages that are needed.
      required: of the package itself; one that is there in a version that it refuses, or in an unknown one where it has
        a bound, is brought along, jax and its build aside.
      there: names, or ``name==version``.
    """
    bounds = {canonicalize_name(r.name): r.specifier for r in required if r.specifier}
    kept = {canonicalize_name(name) for name in THERE}
    versions = dict((*line.split("=="), "")[:2] for line in there)
    for name, version in versions.items():
        name = canonicalize_name(name)
        if name not in bounds or (version and bounds[name].contains(version, prereleases=True)):
            kept.add(name)
    return {name: version for name, version in resolved.items() if canonicalize_name(name) not in kept}


def resolve(lines: Iterable[Requirement]) -> dict[str, str]:
    """Every package that these need, name to version, by pip."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *map(str, lines)], check=True)
        installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {item["metadata"]["name"]: item["metadata"]["version"] for item in installs}


def fetch(name: str, version: str, folder: Path, python: str) -> None:
    """A wheel for that Python on Linux, x86-64, or one for any Python that is built here."""
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in GLIBC]
    platforms += ["--platform=manylinux2014_x86_64", "--platform=manylinux1_x86_64"]
    pip = [sys.executable, "-m", "pip"]
    binary = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *platforms]
    options = ["-q", "--no-deps", f"{name}=={version}"]
    done = subprocess.run([*pip, "download", *binary, "-d", folder, *options], capture_output=True)
    if done.returncode:
        subprocess.run([*pip, "wheel", "-w", folder, *options], check=True)


def main(folder: Path, python: str, there: str) -> None:
    """Fetch what is lacking, and write the requirements beside it."""
    required = requirements()
    named = Path(there).read_text(encoding="utf-8").split() if there else []
    wheels = lacking(resolve(required), required, named)
    folder.mkdir(parents=True, exist_ok=True)
    for name, version in wheels.items():
        fetch(name, version, folder, python)
        print(f"  {name} {version}", flush=True)
    (folder.parent / "requirements.txt").write_text("\n".join(map(str, required)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
