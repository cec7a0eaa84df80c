"""benchmarks/carry.sh: one folder for a machine without a network, and what is made of it there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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
