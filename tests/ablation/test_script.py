"""A trick of a stranger: a short script in an empty folder, outside of the repository."""

import json
import runpy
import subprocess
import sys

import pytest

SCRIPT = """\
from dataclasses import replace

from jaxtricks import tricks
from jaxtricks.ablation import cli


def fast(recipe):
    return replace(recipe, lr=2 * recipe.lr)


PRESETS = {"quick": cli.Preset("digits", "logistic", seeds=2, epochs=1, batch=32, lr=0.05)}

if __name__ == "__main__":
    cli.main("mine", tricks.standard, {"fast": tricks.Trick(fast)}, PRESETS, title="My trick")
"""


def start(folder, *arguments):
    return subprocess.run(
        [sys.executable, "mine.py", *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT)
    return tmp_path


def test_fifteen_lines_leave_a_report_that_names_the_script(folder):
    assert len(SCRIPT.splitlines()) <= 15
    done = start(folder, "--images", "200")
    assert done.returncode == 0, done.stderr
    results = json.loads((folder / "runs/mine/digits/results.json").read_text())
    assert results["command"] == "python mine.py --images 200"
    assert [row["name"] for row in results["rows"]] == ["baseline", "+ fast"]
    assert [len(row["cells"]) for row in results["rows"]] == [2, 2]
    assert results["headline"] == {"name": "accuracy", "unit": "%", "better": "higher", "bounds": [0.0, 100.0]}
    page = (folder / "runs/mine/digits/report.html").read_text()
    assert "<pre>python mine.py --images 200</pre>" in page
    assert "My trick" in page


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--help"], 0, "usage: python mine.py"),
        (["--model", "logistik"], 2, "Perhaps you meant 'logistic'?"),
    ],
)
def test_its_command_line_is_that_of_the_experiments(folder, arguments, status, words, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["mine.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path("mine.py", run_name="__main__")
    assert (ended.value.code or 0) == status
    assert words in " ".join("".join(capsys.readouterr()).split())
    assert not (folder / "runs").exists()
