"""benchmarks/carry.sh: one folder for a machine without a network, and what is made of it there."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks import _wheels

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/carry.sh"
PYTHON = f"""#!/bin/sh
echo "$@" >>"$(dirname "$0")/typed"
case "$2" in
benchmarks._wheels) echo tyro >"$3/../requirements.txt"; touch "$3/tyro-1-py3-none-any.whl" ;;
pip) ;;
*) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def bash(tmp_path):
    """``bash(script, *arguments)`` where python3 fetches and installs nothing, and writes down what it was asked."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(PYTHON, encoding="utf-8")
    (tmp_path / "bin/python3").chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def run(*command):
        return subprocess.run(["bash", *command], env=env, cwd=tmp_path, capture_output=True, text=True)

    return run


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the code is taken from git")
def test_a_folder_is_made_and_unpacked_and_the_images_are_the_same_bytes(tmp_path, bash):
    """Sixteen megabytes that cannot be packed smaller are two parts."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    file = tmp_path / "cifar10.npz"
    np.savez(file, x_train=images, y_train=rng.integers(0, 256, 16 * 2**20, dtype=np.uint8), x_test=images[:3])
    made = bash(SCRIPT, "carried", "--cifar10", file)
    assert made.returncode == 0, made.stderr
    parts = sorted((tmp_path / "carried/cifar10").iterdir())
    assert [path.name for path in parts] == ["cifar10.000", "cifar10.001", "cifar10.json"]
    assert max(path.stat().st_size for path in parts) < 16 * 2**20
    done = bash(tmp_path / "carried/carry.sh", "--unpack", "there")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there/cifar10.npz").read_bytes() == file.read_bytes()
    assert (tmp_path / "there/benchmarks/accelerator.py").exists()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    code = "from benchmarks import _figures; print(_figures.commit())"
    env = os.environ | {"PYTHONPATH": str(tmp_path / "there")}
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "there", env=env, capture_output=True, text=True)
    assert said.stdout == head, said.stderr
    typed = (tmp_path / "bin/typed").read_text(encoding="utf-8")
    assert f"-m benchmarks._wheels {tmp_path}/carried/wheels 3.12" in typed
    assert f"-m pip install -q --no-index --find-links {tmp_path}/carried/wheels" in typed


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [((), 1, "usage: bash benchmarks/carry.sh FOLDER"), (("carried", "--pyton", "3.12"), 2, "--pyton is no option")],
)
def test_what_cannot_be_read_is_said(bash, tmp_path, arguments, status, says):
    done = bash(SCRIPT, *arguments)
    assert done.returncode == status
    assert says in done.stderr
    assert not (tmp_path / "carried").exists()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """An empty folder, and real pip, which finds packages in it and nowhere else."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    wanted = {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": os.devnull, "NO_CACHE_DIR": "1"}
    for name, value in wanted.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


def wheel(folder, name, version, tags="py3-none-any", needs=()):
    """A wheel with nothing in it but what is said of it."""
    file = name.lower()
    info = f"{file}-{version}.dist-info"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {need}" for need in needs)]
    python, abi, platform = tags.split("-")
    files = {
        f"{file}.py": f"version = {version!r}",
        f"{info}/METADATA": "\n".join(about),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {python}-{abi}-{platform}",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{file}-{version}-{tags}.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text + "\n")


def test_real_pip_resolves_what_is_needed_and_fetches_it_for_the_other_python(tmp_path, registry, monkeypatch):
    """Of a dependency the newest version allowed, in the wheel of Python 3.12 on Linux; what is there is left out.

    That packaging is installed here, in another version, does not matter.
    """
    wheel(registry, "tree", "1.5", needs=("Packaging<900", "bark"))
    wheel(registry, "bark", "3.0")
    for version in ("700.0", "800.0", "900.0"):
        wheel(registry, "Packaging", version)
    for python in ("cp312", "cp313"):
        wheel(registry, "Packaging", "800.0", tags=f"{python}-{python}-manylinux_2_39_x86_64")
    monkeypatch.setattr(_wheels, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["tree>=1"]\n', encoding="utf-8")
    (tmp_path / "there").write_text("bark==3.0\n", encoding="utf-8")

    _wheels.main(tmp_path / "carried/wheels", "3.12", str(tmp_path / "there"))
    fetched = {path.name: path.read_bytes() for path in (tmp_path / "carried/wheels").iterdir()}
    names = {"tree-1.5-py3-none-any.whl", "packaging-800.0-cp312-cp312-manylinux_2_39_x86_64.whl"}
    assert fetched == {name: (registry / name).read_bytes() for name in names}
    assert (tmp_path / "carried/requirements.txt").read_text(encoding="utf-8") == "tree>=1\n"


SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import pathlib, shutil

def build_wheel(folder, *_):
    return pathlib.Path(shutil.copy("twig-1.0-py3-none-any.whl", folder)).name
"""


def test_real_pip_builds_a_wheel_where_there_is_only_source(tmp_path, registry):
    """The source brings its own way to be built, which hands out a wheel that lies in it."""
    source = tmp_path / "twig-1.0"
    source.mkdir()
    wheel(source, "twig", "1.0")
    (source / "pyproject.toml").write_text(SYSTEM, encoding="utf-8")
    (source / "backend.py").write_text(BACKEND, encoding="utf-8")
    with tarfile.open(registry / "twig-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    _wheels.fetch("twig", "1.0", tmp_path / "wheels", "3.12")
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == ["twig-1.0-py3-none-any.whl"]
