"""The same command as jobs: what is submitted, what is said of a job that failed; jobs of this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from jaxtricks import _command
from jaxtricks.ablation import cli, cluster

ROOT = Path(__file__).parents[2]
PRESETS = {"quick": cli.Preset("digits", "logistic", seeds=2, epochs=1, batch=8, lr=0.05)}


class Submitit:
    """Stands for submitit, with jobs that end as ``errors`` says."""

    def __init__(self, errors):
        self.errors, self.submitted, self.parameters = list(errors), [], {}
        self.helpers = SimpleNamespace(CommandFunction=lambda command, verbose: command)

    def AutoExecutor(self, folder, cluster):
        self.folder, self.cluster = folder, cluster
        return self

    def update_parameters(self, **parameters):
        if "gpu" in parameters:
            raise NameError("Unknown argument 'gpu'")
        self.parameters = parameters

    def submit(self, command):
        self.submitted.append((command, os.environ.get("JAXTRICKS_WORKER")))
        error = self.errors.pop(0)
        paths = SimpleNamespace(stderr="job.err")
        number = str(len(self.submitted))
        return SimpleNamespace(job_id=number, wait=lambda: None, exception=lambda: error, paths=paths)


@pytest.fixture
def submitit(monkeypatch):
    def install(*errors):
        fake = Submitit(errors)
        monkeypatch.setitem(sys.modules, "submitit", fake)
        return fake

    return install


def test_the_command_is_submitted_as_it_was_typed_and_jobs_know_what_they_are(tmp_path, submitit, capsys):
    fake = submitit(None, RuntimeError("a trace\nkilled"), None)
    options = cli.Options(on="slurm", workers=3, slurm=("gpus_per_node=1", "slurm_partition=gpu"), out=tmp_path)
    assert cluster.run_jobs(options, ["python", "mine.py", "--on", "slurm"], tmp_path) == 1  # there is no report
    assert fake.submitted == [(["python", "mine.py", "--on", "slurm"], "1")] * 3
    assert (fake.cluster, fake.folder) == ("slurm", tmp_path / "jobs")
    assert (fake.parameters["gpus_per_node"], fake.parameters["slurm_partition"]) == (1, "gpu")
    assert "JAXTRICKS_WORKER" not in os.environ
    said = capsys.readouterr().err
    assert "job 2 ended with: killed (job.err)" in said
    assert "1 of 3 jobs did not end well; the same command goes on" in said
    (tmp_path / "report.html").touch()
    submitit(None, None, None)
    assert cluster.run_jobs(options, ["python"], tmp_path) == 0


def test_why_a_job_failed_is_what_it_said_last(tmp_path, submitit, capsys, monkeypatch):
    """Not the last line of submitit's error, which names a file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.err").write_text("[1/2] baseline  failed\nmine: every run failed.\n\n", encoding="utf-8")
    submitit(OSError("Job failed\n  - /jobs/1_log.out"))
    cluster.run_jobs(cli.Options(on="local", workers=1, out=tmp_path), ["python"], tmp_path)
    assert "job 1 ended with: mine: every run failed. (job.err)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("errors", "written", "status"),
    [
        ((None, None), False, 0),  # complete before
        ((None, OSError("x")), True, 0),
        ((None, OSError("x")), False, 1),  # the report is an older one
        ((OSError("x"), OSError("x")), False, 1),
        ((OSError("x"), OSError("x")), True, 1),
    ],
)
def test_a_report_of_an_earlier_call_is_no_success(tmp_path, submitit, capsys, errors, written, status):
    file = tmp_path / "report.html"
    file.touch()
    os.utime(file, (1e9, 1e9))
    fake = submitit(*errors)
    submit = fake.submit
    fake.submit = lambda command: (written and file.touch(), submit(command))[1]
    options = cli.Options(on="local", workers=2, out=tmp_path)
    assert cluster.run_jobs(options, ["python"], tmp_path) == status
    assert ("Report: " in capsys.readouterr().err) == (status == 0)


def test_a_job_trains_and_does_not_submit(monkeypatch):
    assert cluster.is_worker({"JAXTRICKS_WORKER": "1"})
    assert not cluster.is_worker({})


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"on": "slurm", "slurm": ("gpus",)}, r"^--slurm is 'gpus'; allowed: name=value"),
        ({"on": "slurm", "slurm": ("gpu=1",)}, r"Unknown argument 'gpu'"),
    ],
)
def test_what_was_typed_wrong(tmp_path, submitit, typed, message):
    submitit(None, None)
    with pytest.raises(cli.UsageError, match=message):
        cluster.run_jobs(cli.Options(out=tmp_path, **typed), ["python"], tmp_path)
    with pytest.raises(cli.UsageError, match=r"^--workers and --slurm are for jobs"):
        _command.check(cli.Options(workers=3))


def test_without_submitit_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(cli.UsageError, match=r"pip install 'jaxtricks\[cluster\]'"):
        cluster.run_jobs(cli.Options(on="local", out=tmp_path), ["python"], tmp_path)


MINE = """
from dataclasses import replace
from jaxtricks import tricks
from jaxtricks.ablation import cli

def fast(recipe):
    return replace(recipe, lr=2 * recipe.lr)

def slow(recipe):
    return replace(recipe, lr=recipe.lr / 2)

PRESETS = {"quick": cli.Preset("digits", "logistic", seeds=1, epochs=20, batch=8, lr=0.05)}

if __name__ == "__main__":
    cli.main("mine", tricks.standard, {"fast": tricks.Trick(fast), "slow": tricks.Trick(slow)}, PRESETS, title="Mine")
"""


def test_three_cells_on_two_jobs_of_which_one_is_killed(tmp_path):
    """By submitit's executor for this machine; a second call finds the folder complete, or makes it so."""
    pytest.importorskip("submitit")
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    command = [sys.executable, "mine.py", "--on", "local", "--workers", "2", "--mode", "add-one", "--out", "out"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    first = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    log, claims = tmp_path / "out/log.jsonl", tmp_path / "out/cells"
    for _ in range(3000):
        if log.exists() and '"epoch"' in log.read_text(encoding="utf-8") and list(claims.glob("*.claim-*")):
            break
        time.sleep(0.1)
    owner = json.loads(next(iter(claims.glob("*.claim-*"))).read_text(encoding="utf-8"))
    os.kill(owner["pid"], signal.SIGKILL)
    said = first.communicate(timeout=600)[1]
    assert "1 of 2 jobs" in said, said
    command[command.index("--workers") + 1] = "1"  # as many as are free
    second = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
    assert second.returncode == 0, second.stderr
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert [len(row["cells"]) for row in results["rows"]] == [1, 1, 1]
    started = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    starts = [r["variant"] for r in started if r["epoch"] == 1]
    assert len(starts) <= 4  # what was killed, once more
    assert len({*starts}) == 3
    assert not list(claims.glob("*.claim-*"))
