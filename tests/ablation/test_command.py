"""The command with a budget of minutes, on a clock that the test moves and with cells that are not trained."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from jaxtricks import _command, _help, ablation, data, tasks, train
from jaxtricks.ablation import Trick, cli, preparing
from jaxtricks.ablation.clock import Clock
from jaxtricks.tricks import bag

LADDER = {"fast": Trick(lambda r: replace(r, lr=2 * r.lr))}
PRESETS = {"quick": cli.Preset("fake", "logistic", minutes=1.0, epochs=1, batch=8, lr=0.05)}


class Bench:
    """A command whose cells take 10 s each and whose rows compile for 5 s."""

    def __init__(self, tmp_path, monkeypatch, make_cell):
        self.out, self.make_cell, self.now, self.trained = tmp_path, make_cell, 0.0, []
        self.stop_at = self.fails = None
        self.value = lambda name, seed: 80.0 + seed
        monkeypatch.setattr(ablation, "run_cells", self.run_cells)
        monkeypatch.setattr(cli.report, "write", lambda results, folder: None)

    def run(self, *, ladder=LADDER, **typed):
        self.trained, self.now = [], 0.0
        options = cli.Options(**({"out": self.out} | typed))
        clock = Clock(now=lambda: self.now)
        return cli.run("x", options, bag.standard, ladder, PRESETS, title="Test", clock=clock)

    def run_cells(self, rows, cells, *, seeds, log, programs, **_):
        for number, row in enumerate(rows, 1):
            say = lambda kind, row=row, number=number, **record: [  # noqa: E731
                write({"kind": kind, "variant": row.name, "rung": number, **record}) for write in log
            ]
            missing = cells.of(row).missing(row.recipe, seeds)
            say("rung", seeds=missing)
            self.now += 0 if row.name in programs else 5
            programs[row.name] = True
            for seed in missing:
                if (row.name, seed) == self.stop_at:
                    raise train.Interrupted(2, 0)
                say("start", seeds=[seed])
                self.now += 10
                self.trained.append((row.name, seed))
                if row.name == self.fails:
                    cells.put(row.recipe, seed, {"seed": seed, "error": "NonFiniteError: loss"})
                    say("failed", seeds=[seed], error="NonFiniteError: loss")
                    continue
                about = {"step": 1, "seconds": 10.0, "train_loss": 1.0, "images_per_second": 9.0, "epochs": 1.0}
                say("epoch", seed=seed, **about)
                say("end", seeds=[seed], **about)
                cost = {"train_flops": None, "peak_bytes": None}
                cells.put(row.recipe, seed, {**self.make_cell(seed, self.value(row.name, seed)), "cost": cost})


@pytest.fixture
def bench(tmp_path, monkeypatch, make_cell):
    return Bench(tmp_path, monkeypatch, make_cell)


def block(*seeds):
    return [(name, seed) for name in ("baseline", "+ fast") for seed in seeds]


def test_whole_blocks_are_trained_and_the_same_command_adds_nothing(bench, capsys):
    results = bench.run(minutes=1.2)  # 10 s to compile, 40 for two seeds, 20 for one more
    assert bench.trained == block(0, 1) + block(2)
    assert results["seeds"] == [0, 1, 2]
    assert results["budget"] == {
        "minutes": 1.2,
        "seeds": 3,
        "stopped": "one more block would not have fitted into the minutes",
        "block": 1,
        "seconds": {"start": 0.0, "compile": 10.0, "train": 60.0, "evaluate": 0.0, "report": 0.0},
    }
    said = capsys.readouterr().err
    assert "1.2 min, 2 seeds at least" in said
    assert "1:10: start 0:00, compile 0:10, train 1:00, evaluate 0:00, report 0:00." in said
    assert bench.run(minutes=1.2)["seeds"] == [0, 1, 2]
    assert bench.trained == []
    # 50 s are left: 10 to compile, and two blocks
    assert bench.run(minutes=2.0)["seeds"] == [0, 1, 2, 3, 4]
    assert bench.trained == block(3) + block(4)


def test_the_preset_has_minutes_and_seeds_take_their_place(bench):
    assert bench.run()["budget"]["minutes"] == 1.0
    results = bench.run(seeds=4)
    assert (results["seeds"], results["budget"]["minutes"]) == ([0, 1, 2, 3], None)
    assert results["budget"]["stopped"] == "as many as were asked for"


def test_seeds_are_trained_block_by_block_too(bench, capsys):
    """What changes on the machine meanwhile is shared by all rows, as with minutes."""
    results = bench.run(seeds=4)
    assert bench.trained == block(0, 1) + block(2) + block(3)
    assert results["seeds"] == [0, 1, 2, 3]
    said = capsys.readouterr().err
    assert "\n4 seeds.\n" in said
    assert "Smallest effect that 4 seeds resolve" in said
    assert "+ fast  seed 1  1 epoch  train loss 1.000  9 img/s  left 0:40" in said  # two rows, two seeds more
    bench.run(seeds=6)
    assert bench.trained == block(4) + block(5)


def test_seeds_that_step_together_or_are_shared_with_others_are_one_block(bench, monkeypatch):
    bench.run(seeds=5, seeds_on="vmap")
    assert bench.trained == block(0, 1, 2, 3, 4)
    monkeypatch.setattr(cli.cluster, "is_worker", lambda: True)
    bench.run(seeds=9)
    assert bench.trained == block(5, 6, 7, 8)


def test_the_report_has_the_spread_that_was_measured(bench, capsys):
    noise = {"baseline": (0.0, 0.4, 0.1), "+ fast": (1.0, 0.2, 0.9), "+ slow": (0.3, 0.2, 0.0), "+ so": (0.0, 0.1, 0.6)}
    bench.value = lambda name, seed: 80.0 + noise[name][seed]
    results = bench.run(seeds=3, ladder=LADDER | {"slow": LADDER["fast"], "so": LADDER["fast"]})
    assert "points (1.1 points on 10,000 test images, the median over" in capsys.readouterr().err
    assert results["sd_assumed"]["from"] == "measured on 9 pairs of 3 rows"
    assert results["sd_assumed"]["value"] == pytest.approx(0.55, abs=0.15)
    assert results["resolvable"] < 3


def test_seeds_on_devices_are_trained_in_blocks_of_all_devices(bench):
    results = bench.run(seeds_on="devices", minutes=1.2)
    assert (bench.trained, results["budget"]["block"]) == (block(0, 1, 2, 3), 4)  # the tests have four devices


def test_a_row_that_fails_is_tried_with_each_block_and_no_more(bench):
    bench.fails = "+ fast"
    results = bench.run(minutes=1.2)
    assert bench.trained == block(0, 1) + block(2)
    assert [len(row["failed"]) for row in results["rows"]] == [0, 3]
    bench.run(minutes=1.2)
    assert bench.trained == [("+ fast", seed) for seed in (0, 1, 2)]  # once more, as ever


def test_stopped_it_shows_the_rows_that_are_finished(bench, capsys):
    bench.stop_at = ("+ fast", 0)
    with pytest.raises(train.Interrupted):
        bench.run()
    table = capsys.readouterr().out
    assert "baseline" in table
    assert "80.50" in table
    (left,) = (bench.out / "cells").glob("*.budget")
    assert json.loads(left.read_text())["seconds"] == 30.0
    bench.stop_at = None
    bench.run(minutes=2.0)
    assert bench.trained[:2] == [("+ fast", 0), ("+ fast", 1)]


def test_stopped_it_says_how_to_go_on_and_how_to_get_a_report(monkeypatch, capsys):
    monkeypatch.setattr(cli.threading, "active_count", lambda: 1)
    with pytest.raises(SystemExit) as left, cli.exit_status("x"):
        raise KeyboardInterrupt
    assert left.value.code == 130
    said = capsys.readouterr().err
    assert said.startswith("Stopped. The same command goes on ")
    assert "With --only and the tricks that are finished it writes a report" in said


@pytest.mark.parametrize(
    ("typed", "images", "settled"),
    [
        ({}, 3500, (16, 0.05, 7)),
        ({}, 256, (16, 0.05, 7)),  # 16 steps an epoch are enough
        ({}, 128, (16, 0.05, 16)),  # 8 steps an epoch, 128 in all
        ({}, 78, (8, 0.025, 15)),
        ({}, 9, (1, 0.003125, 15)),
        ({"batch": 32}, 78, (32, 0.1, 64)),
        ({"epochs": 2.0}, 78, (8, 0.025, 2.0)),
        ({"lr": 0.3}, 78, (8, 0.3, 15)),
        ({"lr": 0.3, "batch": 32, "epochs": 1.0}, 3500, (32, 0.3, 1.0)),
    ],
)
def test_batch_and_epochs_follow_from_the_number_of_images(typed, images, settled):
    presets = {"quick": cli.Preset("fake", "logistic", minutes=4, epochs=7, batch=16, lr=0.05)}
    options = cli.Options(**typed)
    preset = _command.fit_to_images(cli.settle(options, presets), options, images)
    assert (preset.batch, preset.lr, preset.epochs) == pytest.approx(settled)


def test_a_preset_may_keep_its_batch_and_ask_for_more_updates():
    values = {"epochs": 2, "batch": 32, "lr": 0.1, "seeds": 1}
    kept = cli.Preset("fake", "logistic", **values, keep=("batch",))
    assert _command.fit_to_images(kept, cli.Options(), 78).batch == 32
    long = cli.Preset("fake", "logistic", **values, updates=512)
    preset = _command.fit_to_images(long, cli.Options(), 78)
    assert (preset.batch, preset.epochs) == (8, 57)  # 9 steps an epoch, 513 in all
    source = data.fake(train=78)
    assert cli.fitted(source, lr=0.1, batch=32, epochs=2.0) == {"lr": 0.025, "batch": 8, "epochs": 15}
    assert cli.fitted(data.fake(train=512), lr=0.1, batch=32, epochs=2.0) == {"lr": 0.1, "batch": 32, "epochs": 2.0}


@pytest.mark.parametrize("images", [40, 256])
def test_tricks_that_count_steps_follow_the_length_of_the_run(images, tmp_path):
    counted = lambda steps: {"fast": Trick(lambda r: replace(r, ema=lambda step: steps))}  # noqa: E731
    typed = cli.Options(seeds=1, images=images, epochs=2.0, batch=8)
    chosen = preparing.chosen(typed, LADDER, PRESETS, mode="stack")
    said = {"title": "Test", "counted": counted, "say": lambda line: None}
    ready = preparing.prepare(chosen, typed, bag.standard, **said)
    (_, fast) = ready.rows
    assert fast.recipe.ema(0) == 2 * (len(ready.source.train) // 8)


def test_wrong_labels_are_of_the_classes_that_there_are():
    recipe = bag.bare(
        task=tasks.classification(2), augmented=None, model=cli.NETWORKS["logistic"], lr=1, batch=9, epochs=1
    )
    batch = {"image": np.zeros((64, 2, 2, 1)), "label": np.arange(64) % 2, "index": np.arange(64)}
    wrong = bag.wrong_labels(recipe, share=1.0).augment(jax.random.key(0), batch)["label"]
    assert wrong.tolist() == [1, 0] * 32


def test_the_batch_stays_a_multiple_of_the_devices():
    preset = cli.Preset("fake", "logistic", minutes=4, epochs=7, batch=16, lr=0.05)
    assert _command.fit_to_images(preset, cli.Options(), 9, multiple=4).batch == 4


@pytest.mark.parametrize("images", [30, 90])
def test_every_rung_fits_few_images(images):
    from experiments.bag_of_tricks import LADDER, PRESETS

    source = data.fake(train=images, classes=2).hold_out(0.125)
    preset = _command.fit_to_images(PRESETS["quick"], cli.Options(), len(source.train))
    values = {"lr": preset.lr, "batch": preset.batch, "epochs": preset.epochs}
    model = cli.network(preset.model, source)
    recipe = bag.standard(task=cli.task_of(source), augmented=None, model=model, **values)
    rows = ablation.variants(recipe, ablation.merge(LADDER, preset.merge))
    plan = train.Plan(seeds_on="devices")
    assert len(cli.check_rows(rows, source, plan, hint="")) == len(rows)


def test_rows_are_compiled_ahead_where_it_is_asked_for_and_can_be(bench, monkeypatch):
    asked, run_cells = [], bench.run_cells
    monkeypatch.setattr(
        ablation, "run_cells", lambda *parts, ahead, **options: asked.append(ahead) or run_cells(*parts, **options)
    )
    bench.run(seeds=1, seeds_on="devices")
    bench.run(seeds=2, seeds_on="devices", ahead=True)
    assert asked == [False, True]
    with pytest.raises(cli.UsageError, match="--ahead is given, and devices share a batch; allowed: one dev"):
        bench.run(seeds=3, ahead=True)


def test_a_preset_needs_seeds_or_minutes():
    with pytest.raises(ValueError, match="seeds and minutes are None"):
        cli.Preset("fake", "logistic", epochs=1, batch=8, lr=0.05)


def test_names_of_several_words_are_taken_in_pieces_for_what_they_are():
    assert _command.choices("--only", ("a", "B, C"), ("a", "B, C")) == ["a", "B, C"]
    for typed in (("B", "C"), ("B,", "C"), ("a", "C")):
        with pytest.raises(cli.UsageError, match="allowed: --only 'B, C', one name, in quotes"):
            _command.choices("--only", typed, ("a", "B, C"))
    with pytest.raises(cli.UsageError, match="--only is 'D'; allowed: 'a', 'B, C'"):
        _command.choices("--only", ("D",), ("a", "B, C"))


def test_the_help_is_short_and_names_every_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        _command.read(["--help"], started="python -m experiments.losses", description="Losses.\n\nA long table.")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 80
    assert "A long table" not in text
    named = {name.replace("-", "_") for group in _help.GROUPS.values() for name in group}
    assert named == set(_command.Options.__dataclass_fields__)
    assert "--help-all" in text


def test_an_experiment_says_what_its_data_are():
    """In the 80 columns of the others; boxes and masks are named where they are taken."""
    for name, words in {"detect": "boxes: a COCO .json", "segment": "masks: images/ and masks/"}.items():
        assert f"--data         {words}" in _help.short_help(f"python -m experiments.{name}", None)
    assert "a folder of images, .csv" in _help.short_help("python mine.py", None)
    assert max(map(len, _help.DATA.values())) <= 63


def test_the_complete_help_is_there(capsys):
    with pytest.raises(SystemExit) as stopped:
        _command.read(["--help-all"], started="python mine.py", description="Losses.\n\nA long table.")
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "A long table" in text
    assert "Number of paired seeds, 1 or more" in text
