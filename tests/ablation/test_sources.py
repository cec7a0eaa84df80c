"""A cell sees the code: what was changed is run again, in the package and in a user's script, and nothing else is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jaxtricks.ablation import provenance

ROOT = Path(__file__).parents[2]
PACKAGE = """
import sys

from small import recipe

import jaxtricks
from jaxtricks import data
from jaxtricks.ablation import Cells

assert jaxtricks.__file__.startswith(sys.argv[1]), jaxtricks.__file__
cells = Cells(sys.argv[2], data.fake(train=10, test=10))
for seed in map(int, sys.argv[3:]):
    cells.put(recipe(), seed, {"seed": seed})
print(cells.missing(recipe(), (0, 1, 2)))
"""
CHANGES = {  # file, the text, and what stands in its place
    "a default": ("augment/_mix.py", "*, alpha: float = 1.0", "*, alpha: float = 0.5"),
    "a body": ("augment/_mix.py", "side = jnp.sqrt(1 -", "side = jnp.sqrt(1.0 -"),
    "a helper": ("tasks.py", "metrics.correct(out[0],", "metrics.correct(-out[0],"),
    "a constant": ("augment/_color.py", "LUMA = (0.2989,", "LUMA = (0.299,"),
}
WORDS = {
    "a comment": ("augment/_color.py", "torchvision's weights", "the weights"),
    "a docstring": ("augment/_mix.py", "Blend every example", "Mix every example"),
    "layout": ("augment/_mix.py", "\n\n\ndef", "\n\n\n\n# here\n\ndef"),
}


def answers(script, *arguments, folders):
    """What a script prints, lines of it, with these folders as PYTHONPATH."""
    path = os.pathsep.join(map(str, [*folders, ROOT / "tests/train"]))
    command = [sys.executable, str(script), *map(str, arguments)]
    env = os.environ | {"PYTHONPATH": path}
    child = subprocess.run(command, env=env, cwd=script.parent, capture_output=True, text=True, timeout=200)
    assert child.returncode == 0, child.stderr
    return child.stdout.splitlines()


def rewrite(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file.name}"
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a script and the cells of seeds 0 and 1, as the package stands."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "script.py").write_text(PACKAGE)
    assert answers(folder / "script.py", ROOT, folder, 0, 1, folders=[ROOT]) == ["(2,)"]
    return folder


def missing_in_a_copy(trained, folder, *changes):
    shutil.copytree(
        ROOT / "jaxtricks", folder / "jaxtricks"
    )  # bytecode too: it is that of the time and size of a source
    for file, old, new in changes:
        rewrite(folder / "jaxtricks" / file, old, new)
    return answers(trained / "script.py", folder, trained, folders=[folder])


def test_comments_docstrings_and_layout_of_a_copy_leave_the_cells(trained, tmp_path):
    assert missing_in_a_copy(trained, tmp_path, *WORDS.values()) == ["(2,)"]


@pytest.mark.parametrize("change", CHANGES)
def test_code_that_was_changed_is_run_again(trained, tmp_path, change):
    assert missing_in_a_copy(trained, tmp_path, CHANGES[change]) == ["(0, 1, 2)"]


SCRIPT = '''
"""A trick of the user's."""

import sys
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from small import recipe
from tools import parts

from jaxtricks import data
from jaxtricks.ablation import Cells, Trick
from jaxtricks.tricks.trick import apply

SHARE = 0.5


@dataclass(frozen=True)
class Noise:
    shape: tuple

    def read(self, index, *, seed, epoch, train):
        return np.zeros((len(index), *self.shape[1:]), np.uint8)


def soften(target, *, power=1.0):
    return SHARE * target ** power + parts.floor(target)


def reading(dataset):
    return replace(dataset, train=data.Split({**dataset.train.columns, "image": Noise((10, 16, 16, 3))}))


if __name__ == "__main__":
    ladder = {
        "soft": Trick(lambda r: replace(r, targets=partial(soften, power=2.0))),
        "local": Trick(lambda r: replace(r, targets=lambda target: 0.5 * target)),
    }
    images = data.fake(train=10, test=10)
    rows = {
        "plain": (Cells("here", images), recipe()),
        "soft": (Cells("here", images), apply(recipe(), ["soft"], ladder)),
        "local": (Cells("here", images), apply(recipe(), ["local"], ladder)),
        "reading": (Cells("here", reading(images)), recipe()),
    }
    print(*[name for name, (cells, row) in rows.items() if cells.missing(row, (0,))])
    for cells, row in rows.values():
        cells.put(row, 0, {"seed": 0})
'''
TOOLS = """
from . import numbers

def floor(target):
    return 0 * target + numbers.FLOOR
"""


@pytest.fixture
def project(tmp_path):
    """A user's folder with a script, and a package of his that it imports."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "tools").mkdir()
    for name, text in {"__init__": "", "parts": TOOLS, "numbers": "FLOOR = 0.0", "unused": "A = 1"}.items():
        (tmp_path / "tools" / f"{name}.py").write_text(text)
    return tmp_path


def test_a_script_of_the_user_s_is_run_again_where_its_rows_come_from_it(project):
    def rows():
        return answers(project / "script.py", folders=[ROOT])[0].split()

    assert rows() == ["plain", "soft", "local", "reading"]
    rewrite(project / "script.py", "A trick", "The trick")
    rewrite(project / "tools/parts.py", "def floor(target):", 'def floor(target):\n    """Nothing."""  # yet')
    rewrite(project / "tools/unused.py", "A = 1", "A = 2")
    assert rows() == []
    for file, old, new in (
        ("script.py", "SHARE * target", "SHARE + target"),
        ("tools/numbers.py", "0.0", "0.25"),
    ):
        rewrite(project / file, old, new)
        assert rows() == ["soft", "local", "reading"], file


def git(folder, *arguments):
    about = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", folder, *about, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_results_say_which_commit_and_digest_they_are_of(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "package/cells.py"))
    (tmp_path / "package").mkdir()
    (tmp_path / "package/cells.py").write_text("A = 1")
    assert provenance.code()["commit"] is None  # no checkout
    git(tmp_path, "init")
    assert provenance.code()["commit"] is None  # of others, such as an environment within a project
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("no code")
    assert provenance.code()["commit"] == commit
    (tmp_path / "package/new.py").write_text("A = 1")
    assert provenance.code()["commit"] == f"{commit}+changes"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.code()["commit"] is None  # no git
    assert set(provenance.code()) == {"version", "commit", "digest"}
    assert len(provenance.code()["digest"]) == 16
