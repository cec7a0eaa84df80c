"""The headline experiment: the command line, resuming, and that no rung silently does nothing."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import traces

from experiments.bag_of_tricks import LADDER, MERGED, PRESETS
from jaxtricks import _command, _help, ablation, data, models, tasks, train
from jaxtricks.ablation import SilentTrickError, Trick, cli
from jaxtricks.tricks import bag

ROOT = Path(__file__).parents[2]
ONE = train.Plan(devices=(jax.devices()[0],))
SHORT = {"data": "fake", "model": "tiny", "images": 64, "epochs": 1.0, "batch": 8, "seeds": 2}
TINY = models.Layout((1,), (4,), bottleneck=True, stem=(3, 1), pool=False)
PRESETS_BARE = {"quick": cli.Preset(data="fake", model="logistic", seeds=2, epochs=1, batch=8, lr=0.05)}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A network that compiles in seconds, and the cache of the tests."""
    monkeypatch.setattr(cli, "CACHE", jax.config.jax_compilation_cache_dir)
    monkeypatch.setitem(cli.NETWORKS, "tiny", partial(models.resnet, TINY))


def options(tmp_path, **changes):
    return cli.Options(**(SHORT | {"out": tmp_path / "out"} | changes))


def run(tmp_path, **changes):
    return cli.run("bag_of_tricks", options(tmp_path, **changes), bag.standard, LADDER, PRESETS, title="Test")


def command(*arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "experiments.bag_of_tricks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu", **env},
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epoch", "3"], "--epochs"),  # tyro: perhaps you meant
        (["--mode", "stak"], "stack"),
        (["--batch", "many"], "batch"),
        (["--data", "nowhere.npz"], "--data is nowhere.npz: no such file."),
        (["--data", "cifar10.npz"], "python -m jaxtricks data cifar10 cifar10.npz makes it"),
        (["--data", "../photographs"], "--data is ../photographs: no such file or folder."),
        (["--data", "/home/me/photoz"], "--data is /home/me/photoz: no such file or folder."),
        (["--data", "photoz.zip"], "--data is photoz.zip: no such file or folder."),
        (["--data", "my photos"], "--data is my photos: no such file or folder."),
        (["--data", __file__], "test_main.py, a file; allowed: a folder of images (unpack archives), or a .csv"),
        (["--data", "digits", "--seeds", "0"], "--seeds is 0; allowed: greater than 0"),
        (["--minutes", "-1"], "--minutes is -1.0; allowed: greater than 0"),
        (["--lr", "nan"], "--lr is nan; allowed: greater than 0"),
    ],
)
def test_what_is_typed_wrong_is_answered_in_a_sentence_and_exit_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as left:
        _command.read_early(ROOT / "experiments", ["python", "-m", "experiments.bag_of_tricks", *arguments])
    assert left.value.code == 2
    assert words in " ".join("".join(capsys.readouterr()).replace("│", " ").split())


def test_it_is_answered_before_jax_is_imported(tmp_path):
    (tmp_path / "jax.py").write_text("raise SystemExit('JAX was imported')")
    wrong = command("--epoch", "3", PYTHONPATH=str(tmp_path))
    assert (wrong.returncode, "--epochs" in wrong.stdout + wrong.stderr) == (2, True), wrong.stderr
    right = command("--epochs", "3", PYTHONPATH=str(tmp_path))  # and the first line of progress is there by then
    assert right.stderr.splitlines() == ["bag_of_tricks: starting", "JAX was imported"]


def test_an_experiment_with_options_of_its_own_reads_them_itself(capsys):
    _command.read_early(ROOT / "experiments", ["python", "-m", "experiments.lr_range", "--steps", "40"])
    _command.read_early(ROOT / "experiments", ["python", "-m", "experiments.none", "--steps", "40"])
    _command.read_early(ROOT / "experiments", ["python", "-m", "benchmarks.airbench", "--no-scan"])  # of the same name
    assert "".join(capsys.readouterr()) == "lr_range: starting\n"  # which is JAX's import, for seconds


def test_what_only_the_table_tells_is_answered_so_too(tmp_path):
    wrong = command("--only", "warmup", HOME=str(tmp_path))
    assert wrong.returncode == 2
    assert "Perhaps you meant 'warm-up'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "resnet5"}, "--model is 'resnet5'; allowed: 'resnet18'"),
        ({"preset": "quik"}, "Perhaps you meant 'quick'?"),
        ({"batch": 7, "seeds_on": "map"}, "batch is 7; allowed: a multiple of the 4 devices"),
        ({"model": "resnet20", "epochs": None, "batch": None}, "allowed: only with bottleneck blocks"),
        ({"precision": "bfloat16", "only": ("low precision",)}, "would silently do nothing. Use --only to choose"),
        ({"batch": 32}, "1 steps on 54 images, too few for its schedule; allowed: more --epochs, or"),
        (
            {"only": ("cosine", "B", "C", "D")},
            "--only is cosine B C D; allowed: --only 'B, C, D', one name",
        ),
        ({"only": ("B",)}, "allowed: --only 'B, C, D', one name"),
        ({"only": ("E",)}, "--only is 'E'; allowed: 'large batch', 'warm-up', 'zero gamma', 'no bias decay',"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(changes, words, tmp_path):
    with pytest.raises(cli.UsageError) as error:
        run(tmp_path, **changes)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch": 7}, r"^batch is 7; allowed: a multiple of the 4 devices\.$"),  # which no choice of tricks mends
        ({}, r"^\+ C: .* Use --only to choose the tricks\.$"),
    ],
)
def test_the_hint_is_given_where_it_helps(changes, said, tmp_path):
    wide, chosen = {"C": Trick(lambda r: replace(r, batch=10**6))}, options(tmp_path, **changes)
    with pytest.raises(cli.UsageError, match=said):
        cli.run("x", chosen, bag.standard, wide, PRESETS_BARE, title="Test")


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), 130), (train.Interrupted(2, 7), 130), (train.Interrupted(15, 7), 143)],
)
def test_a_signal_is_answered_by_how_to_go_on(error, status, monkeypatch, capsys):
    def stopped(*_, **__):
        raise error

    monkeypatch.setattr(cli, "run", stopped)
    monkeypatch.setattr(sys, "argv", ["bag_of_tricks"])
    with pytest.raises(SystemExit) as left:
        cli.main("bag_of_tricks", bag.standard, LADDER, PRESETS, title="Test")
    assert left.value.code == status
    assert "The same command goes on" in capsys.readouterr().err


@pytest.mark.slow  # CI runs the whole ladder by the README's command and looks at its traces instead (traces.py)
def test_every_rung_changes_the_trace_of_the_loss():
    # every trick alone, against the baseline, on the same draws
    source = data.fake(train=128, test=16, shape=(8, 8, 3))
    layout = models.LAYOUTS["resnet_digits"]._replace(widths=(4, 8))
    base = bag.standard(
        task=tasks.classification(10),
        augmented=bag.augmentation(source),
        model=partial(models.resnet, layout),
        lr=0.05,
        batch=8,
        epochs=1,
    )
    traces = {}
    teacher = None
    for row in ablation.variants(base, LADDER, mode="add-one"):
        recipe = row.recipe
        if recipe.teacher is not None:
            teacher = train.fit(recipe.teacher, source, plan=ONE, test=False)[0].variables
        taught_by = teacher if recipe.teacher is not None else None
        history = train.fit(recipe, source, plan=ONE, teacher=taught_by, test=False)[0].history
        traces[row.name] = [r["train_loss"] for r in history]
    assert len(traces) == 1 + len(LADDER)
    for name, trace in traces.items():
        if name != "baseline":
            assert np.abs(np.subtract(trace, traces["baseline"])).max() > 1e-5, name


def test_paired_seeds_share_every_draw_that_a_trick_does_not_touch():
    # two recipes that differ by the schedule only see the same first loss, bit for bit
    source = data.fake(train=64, test=16, shape=(8, 8, 3))
    base = bag.standard(
        task=tasks.classification(10),
        augmented=bag.augmentation(source),
        model=cli.network("logistic", source),
        lr=0.05,
        batch=64,
        epochs=4,
    )
    first = [train.fit(r, source, plan=ONE, test=False)[0].history[0]["train_loss"] for r in (base, bag.cosine(base))]
    assert first[0] == first[1]
    other = train.fit(base, source, seeds=(1,), plan=ONE, test=False)[0].history[0]["train_loss"]
    assert other != first[0]


def test_ladder_on_fake_writes_the_report_and_resumes(tmp_path, capsys):
    only = ("distillation",)
    results = run(tmp_path, only=only)
    out = tmp_path / "out"
    rows = [r["name"] for r in results["rows"]]
    assert rows == ["baseline", "+ distillation"]
    assert all(len(r["cells"]) == 2 and not r["failed"] for r in results["rows"])
    stored = json.loads((out / "results.json").read_text())
    assert stored["rows"][1]["reference"] == "baseline"
    page = (out / "report.html").read_text()
    assert "<script src" not in page  # the one that sorts tables is part of it
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "distillation" in (out / "report.md").read_text()
    assert traces.idle(results) == []
    assert traces.idle({"rows": [results["rows"][0], {**results["rows"][0], "name": "same", "reference": "baseline"}]})
    cells = sorted((out / "cells").glob("*-seed*.json"))
    assert len(cells) == 2 * 2 + 1  # and the teacher
    stamps = {c: c.stat().st_mtime_ns for c in cells}
    lost = next(c for c in cells if json.loads(c.read_text())["seed"] == 1)
    lost.unlink()
    again = run(tmp_path, only=only)
    changed = [c for c in cells if c.stat().st_mtime_ns != stamps[c]]
    assert changed == [lost]  # only the cell that was missing was trained
    tests = [[[cell["test"] for cell in row["cells"]] for row in runs["rows"]] for runs in (results, again)]
    assert tests[0] == tests[1]
    assert all(0 <= cell["accuracy"] <= 100 for row in tests[0] for cell in row)
    assert (
        f"held-out accuracy {results['rows'][0]['cells'][0]['validation']['accuracy']:.1f} %" in capsys.readouterr().err
    )


def test_a_failed_cell_is_reported_and_tried_again(tmp_path):
    broken, tried = {"burst": Trick(lambda r: replace(r, lr=1e30))}, {"model": "logistic", "epochs": 4.0}
    for _ in range(2):
        results = cli.run("x", options(tmp_path, **tried), bag.standard, broken, PRESETS_BARE, title="Test")
        assert [len(r["cells"]) for r in results["rows"]] == [2, 0]
        assert "NonFiniteError" in results["rows"][1]["failed"][0]["error"]
        assert "NonFiniteError" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize("mode", ["add-one", "leave-one-out", "pairwise"])
def test_other_modes(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(ablation, "run_cells", lambda *_, **__: None)
    results = run(tmp_path, mode=mode, only=("cosine", "smoothing"), seeds=1, seeds_on="map")
    names = [r["name"] for r in results["rows"]]
    assert (
        names
        == {
            "add-one": ["baseline", "cosine", "smoothing"],
            "leave-one-out": ["baseline", "all tricks", "without cosine", "without smoothing"],
            "pairwise": ["baseline", "cosine", "smoothing", "cosine & smoothing"],
        }[mode]
    )
    assert results["mode"] == mode


def test_merged_rungs_still_refuse_to_do_nothing():
    base = bag.standard(
        task=tasks.classification(10),
        augmented=None,
        model=partial(models.resnet, models.LAYOUTS["resnet_mini"]),
        lr=0.1,
        batch=8,
        epochs=1,
    )
    ladder = ablation.merge(LADDER, MERGED)
    assert len(ladder) == len(LADDER) - sum(len(g) - 1 for g in MERGED.values())
    twice = {"twice": Trick(ladder["B, C, D"].change), "again": Trick(bag.cosine), "same": Trick(bag.cosine)}
    with pytest.raises(SilentTrickError, match="'same' left the recipe as it was"):
        ablation.variants(base, twice)
    both = ablation.merge({"a": Trick(bag.cosine), "b": Trick(bag.cosine)}, {"ab": ("a", "b")})
    with pytest.raises(SilentTrickError, match="cosine left the recipe"):
        ablation.variants(base, both)
    with pytest.raises(ValueError, match="names 'x'"):
        ablation.merge(LADDER, {"g": ("x",)})


def test_a_task_of_its_own_is_what_is_compared(tmp_path):
    """The command line gives the task to the baseline and to the report, here an error of which less is better."""

    def cross_entropy(dataset):
        task = tasks.classification(dataset.classes)
        loss = replace(task.metrics["loss"], unit="nats", bounds=(0.0, None))
        return replace(task, metrics={"surprise": loss}, headline="surprise")

    ladder = {"fast": Trick(lambda r: replace(r, lr=2 * r.lr))}
    parts = {"title": "Test", "task": cross_entropy}
    results = cli.run("x", options(tmp_path, model="logistic"), bag.standard, ladder, PRESETS_BARE, **parts)
    assert results["headline"] == {"name": "surprise", "unit": "nats", "better": "lower", "bounds": [0.0, None]}
    assert {tuple(cell["test"]) for row in results["rows"] for cell in row["cells"]} == {("surprise",)}
    assert "Difference in nats" in (tmp_path / "out" / "report.md").read_text()


def test_rows_of_different_headlines_are_refused(tmp_path):
    other = {"other": Trick(lambda r: replace(r, task=replace(r.task, headline="loss")))}
    with pytest.raises(cli.UsageError, match=r"headline of '\+ other' is 'loss'; allowed: 'accuracy, %' for all rows"):
        cli.run("x", options(tmp_path, model="logistic"), bag.standard, other, PRESETS_BARE, title="Test")


@pytest.mark.parametrize("recommend", [False, True])
def test_what_is_shown_beside_the_table_stays_in_the_report(recommend, tmp_path):
    """A recommendation writes the report anew: pictures of predictions were lost then."""

    def show(results, rows, dataset, folder):
        page = folder / "report.html"
        assert "shown" not in results
        page.write_text(page.read_text(encoding="utf-8") + "<!-- shown -->", encoding="utf-8")

    ladder = {"fast": Trick(lambda r: replace(r, lr=2 * r.lr))}
    chosen = options(tmp_path, model="logistic", recommend=recommend)
    results = cli.run("x", chosen, bag.standard, ladder, PRESETS_BARE, title="Test", after=show)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<!-- shown -->") == 1
    assert ("Recommended" in page) == recommend == ("recommendation" in results)


@pytest.mark.parametrize("asked", [{"recommend": True}, {"save": Path("model")}])
def test_a_network_that_cannot_be_saved_is_refused_before_it_is_trained(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def several(dataset):
        return replace(tasks.classification(dataset.classes), answer=lambda out: {"logits": out[0]})

    ladder = {"fast": Trick(lambda r: replace(r, lr=2 * r.lr))}
    chosen = options(tmp_path, model="logistic", **asked)
    with pytest.raises(
        cli.UsageError, match=r"--recommend and --save keep no network of baseline: recipe\.task\.answer"
    ):
        cli.run("x", chosen, bag.standard, ladder, PRESETS_BARE, title="Test", task=several)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "words"), [("__main__", ["python", "mine.py"]), ("experiments.x", ["python", "-m", "experiments.x"])]
)
def test_the_command_is_that_by_which_it_was_started(name, words, monkeypatch):
    spec = None if name == "__main__" else SimpleNamespace(name=name)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    monkeypatch.setattr(sys, "argv", ["mine.py", "--seeds", "3"])
    assert cli.started() == words


MINE = """from jaxtricks.ablation import cli
from jaxtricks.tricks import bag, Trick

cli.main("mine", bag.standard, {"x": Trick(bag.cosine)}, {}, title="Mine")
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["-m experiments.detect -h", "-m experiments.prune -h", "-m jaxtricks", "mine.py -h"])
def test_a_command_whose_reader_has_gone_ends_without_a_word(words, unbuffered, tmp_path):
    """As behind ``| head``, where the pipe is closed before all is printed."""
    (tmp_path / "mine.py").write_text(MINE)
    typed = [sys.executable, *words.replace("mine.py", str(tmp_path / "mine.py")).split()]
    env = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=ROOT) as left:
        left.stdout.close()
        said = left.stderr.read()
    assert said.decode() == ""
    assert left.returncode == 141


def test_another_pipe_that_breaks_is_an_error():
    with pytest.raises(BrokenPipeError), _help.while_read():
        raise BrokenPipeError
