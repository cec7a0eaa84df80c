"""The command for an accelerator: every row is typed right, and one that fails costs itself alone."""

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import tyro
from packaging.requirements import Requirement

from benchmarks import _packed, _wheels, accelerator, kernels, passes
from benchmarks._accelerator_rows import ROWS, Row, split
from jaxtricks._command import UsageError

ROOT = Path(__file__).parents[1]
FILL = {"OUT": "x.json", "DATA": "cifar10", "WORK": "runs/x", "MINUTES": "1.5"}
SAYS = "from pathlib import Path; import sys, json; Path(sys.argv[1]).write_text(json.dumps({'value': 1}))"


def row(name, code, *, seconds=20.0, **options):
    """A row whose module is what the standard library runs: a line of Python, given by its file."""
    show = lambda figures: f"value {figures['value']}"  # noqa: E731
    return Row("x", name, code, ("{OUT}",), ("{OUT}",), seconds, show, **options)


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """``make(name, text)``: a module that a row can run, in a process that finds it."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def make(name, text):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    return make


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_a_row_types_is_understood(row, monkeypatch):
    module = importlib.import_module(row.module)
    options = getattr(module, "Options", None) or importlib.import_module("jaxtricks._command").Options
    for typed in (row.options, row.toy):
        tyro.cli(options, args=[part.format(**FILL) for part in typed])
    assert row.seconds > 10


def test_what_was_never_measured_comes_first():
    names = [row.name for row in ROWS]
    assert names[:5] == ["device", "seeds", "augmentation chain", "nms", "ladder"]
    assert {row.part for row in ROWS} == {"device", "a", "b", "c", "d", "e", "f", "g"}
    assert {row.part for row in ROWS if "tf32, batch" in row.name or "fp32" in row.name} == {"a"}
    assert len(set(names)) == len(names)


def test_the_calls_of_the_docstring_reach_every_row_within_their_minutes():
    """A call has the limits of its rows, two times the seconds in which one is ended, and five to see the device."""
    calls = [line.split("accelerator", 1)[1] for line in accelerator.__doc__.splitlines() if "--only" in line]
    typed = [tyro.cli(accelerator.Options, args=shlex.split(call)) for call in calls]
    assert [options.minutes for options in typed] == [6, 8, 8, 6, 8, 6, 14, 3]  # in five quarters of an hour
    reached = set()
    for options in typed:
        left = 60 * options.minutes - 2 * accelerator.GRACE - 5
        for row in accelerator.chosen(ROWS, options.only):
            left -= row.seconds
            if left >= 0:
                reached.add(row.name)
    assert reached == {row.name for row in ROWS}


def test_without_an_accelerator_it_is_refused_in_a_sentence(tmp_path):
    command = [sys.executable, "-m", "benchmarks.accelerator", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "JAX_PLATFORMS": "cpu"}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no accelerator is here (JAX finds a CPU alone); allowed: one that JAX finds, or --toy" in done.stderr
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="no accelerator is here"):
        accelerator.main(accelerator.Options(tmp_path / "out"))


def test_programs_are_kept_for_later_calls_unless_a_folder_is_named(tmp_path):
    places = []

    def starter(command, env, log, limit):
        places.append(Path(env["JAX_COMPILATION_CACHE_DIR"]))
        return "measured"

    for work in (None, None, tmp_path / "work"):
        options = accelerator.Options(tmp_path / "out", work=work)
        accelerator.main(options, rows=[row("x", "x")], starter=starter, look=str)
    assert places == [accelerator.PROGRAMS, accelerator.PROGRAMS, tmp_path / "work/programs"]


def test_a_row_that_fails_or_stands_still_costs_itself_alone(tmp_path, modules, monkeypatch):
    monkeypatch.setattr(accelerator, "find_spec", lambda name: None)  # no peer is installed
    says = f"{SAYS.replace(chr(39), chr(34))}\n"
    partly = modules("partly", f"{says}import time; time.sleep(60)")
    rows = [
        row("broken", modules("broken", "raise RuntimeError('no such kernel')")),
        row("partly", partly, seconds=1.0),
        row("silent", modules("silent", "")),
        row("long", modules("long", "assert False, 'it is not begun'"), seconds=1e4),
        row("peer", modules("peer", "assert False"), needs=("torch", "no such library")),
        row("good", modules("good", f"{says}print(sys.argv[2:])"), needs=("torchvision",), without_peer=("--no-peer",)),
    ]
    rows[4] = replace(rows[4], needs=("cifar10",))
    options = accelerator.Options(tmp_path / "out", data=str(tmp_path / "cifar10.npz"), work=tmp_path / "work")
    programs = options.work / "programs"
    programs.mkdir(parents=True)
    for name, age in (("complete", 3600), ("cut-off", 0)):
        (programs / name).write_text(name)
        os.utime(programs / name, (time.time() - age,) * 2)
    began = time.monotonic()
    accelerator.main(options, rows=rows, look=lambda: "8 x a device")
    assert [path.name for path in programs.iterdir()] == ["complete"]  # what a stopped row may have half written goes
    assert time.monotonic() - began < 60
    results = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))["rows"]
    outcomes = {result["name"]: result["outcome"] for result in results}
    assert outcomes.pop("long").startswith("left out: ")
    assert outcomes == {
        "broken": "failed, status 1",
        "partly": "stopped at its limit of 1 s",
        "silent": outcomes["silent"],
        "peer": outcomes["peer"],
        "good": "measured",
    }
    assert outcomes["silent"].startswith("failed: no figures (FileNotFoundError")
    assert outcomes["peer"].startswith(f"left out: {options.data}")
    words = {result["name"]: result["words"] for result in results}
    good = "value 1; torchvision is not installed"
    assert (words["good"], words["partly"], words["broken"]) == (good, "value 1", "")
    assert "no such kernel" in results[0]["tail"]
    assert "['--no-peer']" in (tmp_path / "out/log.txt").read_text(encoding="utf-8")
    report = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert report.startswith("# On 8 x a device\n")
    assert f"| x | good | {good} |" in report
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["log.txt", "report.md", "results.json"]


def test_at_toy_size_a_row_is_begun_however_long_it_may_take_and_a_folder_is_named(tmp_path):
    begun = []
    rows = [row("long", "x", seconds=1e4), row("longer", "x", seconds=1e5)]
    starter = lambda *of: begun.append(of) or "measured"  # noqa: E731
    accelerator.main(accelerator.Options(tmp_path / "out", toy=True), rows=rows, starter=starter)
    assert len(begun) == 2
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--out is .*file; allowed: a folder that can be written to"):
        accelerator.main(accelerator.Options(tmp_path / "file", toy=True), rows=rows, starter=starter)


def test_only_picks_parts_by_letter_or_word():
    names = lambda *only: [row.name for row in accelerator.chosen(ROWS, only)]  # noqa: E731
    assert names("d", "nms") == ["seeds", "nms"]
    assert names("ladder") == ["ladder"]
    assert names("ResNet-50, bf16, batch 256") == ["ResNet-50, bf16, batch 256"]
    with pytest.raises(UsageError, match="--only is ladders; allowed: parts"):
        names("ladders")


@pytest.fixture
def here():
    """``(command, env, log, limit) -> outcome``: a benchmark in this process, which has imported what it needs.

    An experiment is started in its own, as it is. Rows that are the same at toy size, but for where, are run once.
    """
    files = {}

    def starter(command, env, log, limit):
        typed, out = tuple(command[2:-1]), Path(command[-1])
        if typed in files:
            out.write_text(files[typed].read_text(encoding="utf-8"), encoding="utf-8")
            return "measured"
        module = importlib.import_module(command[2])
        if not hasattr(module, "Options"):
            return accelerator.start(command, env, log, limit)
        module.main(tyro.cli(module.Options, args=command[3:]))
        files[typed] = out
        return "measured"

    return starter


@pytest.fixture
def precision():
    """The precision of products, which a step sets for its process."""
    yield
    jax.config.update("jax_default_matmul_precision", None)


def test_rehearsal_of_every_row_at_toy_size(tmp_path, precision, here):
    """But for torch's halves, which need it; figures are of four forced devices, at which sizes mean nothing."""
    options = accelerator.Options(tmp_path / "out", toy=True)
    results = accelerator.main(options, starter=here)
    assert [result.name for result in results] == [row.name for row in ROWS]
    assert {result.outcome for result in results} == {"measured"}
    assert all(result.words for result in results)
    assert "toy sizes" in (tmp_path / "out/report.md").read_text(encoding="utf-8")
    for name in ("ladder", "rungs"):
        assert (tmp_path / "out" / name / "report.md").exists()


def test_the_command_itself_writes_after_each_row_and_goes_on_after_one_that_fails(tmp_path):
    """A torch that cannot be imported stands before the real one, so that nms fails."""
    (tmp_path / "modules").mkdir()
    for name in ("torch", "torchvision"):
        (tmp_path / f"modules/{name}.py").write_text("raise RuntimeError('a torch that is broken')")
    command = [sys.executable, "-m", "benchmarks.accelerator", "--toy", "--minutes", "30", "--work", tmp_path / "work"]
    command += ["--out", tmp_path / "out", "--only", "device", "nms", "fp32"]
    env = os.environ | {"PYTHONPATH": f"{tmp_path / 'modules'}:{ROOT}", "PYTHONUNBUFFERED": "1"}
    known, file = [], tmp_path / "out/results.json"
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith(("device", "e nms", "a ResNet")):
                known.append([row["outcome"] for row in json.loads(file.read_text(encoding="utf-8"))["rows"]])
    assert process.returncode == 1  # a row failed
    assert known == [["measured"], ["measured", "failed, status 1"], ["measured", "failed, status 1", "measured"]]
    results = json.loads(file.read_text(encoding="utf-8"))
    assert "a torch that is broken" in results["rows"][1]["tail"]
    assert (results["toy"], results["machine"]["platform"]) == (True, "cpu")
    report = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert f"| {len(results['machine']['devices'])} x cpu: bfloat16" in report
    assert all(row["figures"] is not None for row in (results["rows"][0], results["rows"][2]))


@pytest.mark.slow
def test_the_command_itself_at_toy_size(tmp_path):
    command = [sys.executable, "-m", "benchmarks.accelerator", "--toy", "--minutes", "30", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["rows"]
    bad = [row for row in results if not row["outcome"].startswith(("measured", "left out: torch"))]
    assert not bad, done.stdout + str(bad)
    assert (tmp_path / "ladder/report.md").exists()


def test_a_signal_ends_the_row_that_runs_too(tmp_path, modules):
    """The row writes its number, and is gone when the command is."""
    says = "import os, sys, time; open(sys.argv[1] + '.pid', 'w').write(str(os.getpid()))\n"
    name = modules("sleeper", says + "time.sleep(60)")
    out, work = tmp_path / "out", tmp_path / "work"
    code = (
        "import signal, sys\nfrom pathlib import Path\nfrom benchmarks import accelerator\n"
        "from benchmarks._accelerator_rows import Row\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"row = Row('x', 'sleeper', {name!r}, ('{{OUT}}',), (), 50.0, str)\n"
        f"options = accelerator.Options(Path({str(out)!r}), work=Path({str(work)!r}))\n"
        "accelerator.main(options, rows=[row], look=str)\n"
    )
    environment = {**accelerator.os.environ, "PYTHONPATH": f"{tmp_path / 'modules'}:{ROOT}"}
    command = subprocess.Popen([sys.executable, "-c", code], env=environment)
    file = tmp_path / "work/0.json.pid"
    for _ in range(600):
        if file.exists() and file.read_text():
            break
        time.sleep(0.05)
    command.send_signal(signal.SIGTERM)
    assert command.wait(30) == 143
    assert not Path(f"/proc/{file.read_text()}").exists()


def test_options_are_split_as_they_are_typed():
    assert split("--a 1  --b") == ("--a", "1", "--b")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_packed_into_parts_and_joined_bit_for_bit(tmp_path, channels):
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (6, 1, 1, channels)) + rng.integers(-9, 9, (6, 5, 7, channels))
    images = np.concatenate([smooth & 255, rng.integers(0, 256, (2, 5, 7, channels))]).astype(np.uint8)
    file = tmp_path / "cifar10.npz"
    np.savez(file, x_train=images, y_train=np.arange(8), x_test=images[:3], y_test=np.arange(3, dtype=np.int32))
    paths = _packed.pack(file, tmp_path / "parts", part=200)
    assert max(path.stat().st_size for path in paths[:-1]) <= 200
    assert len(paths) > 3
    _packed.join(tmp_path / "parts", file)
    with np.load(file) as again:
        np.testing.assert_array_equal(again["x_train"], images)
        np.testing.assert_array_equal(again["y_test"], np.arange(3))
        assert again["y_test"].dtype == np.int32
    paths[1].unlink()
    with pytest.raises(SystemExit, match=r"lacks cifar10\.001; allowed: all"):
        _packed.join(tmp_path / "parts", file)


ODD = {
    "a number": np.array(5),
    "nothing": np.zeros(0, np.int64),
    "no image": np.zeros((0, 8, 8, 3), np.uint8),
    "no height": np.zeros((3, 0, 4, 3), np.uint8),
    "another order of bytes": np.arange(20, dtype=">i4"),
    "columns first": np.asfortranarray(np.arange(132.0).reshape(33, 4)),
    "truths": np.arange(20) % 3 > 0,
}


def test_arrays_of_any_shape_and_dtype_are_packed(tmp_path):
    np.savez(tmp_path / "x.npz", **ODD)
    _packed.pack(tmp_path / "x.npz", tmp_path / "parts")
    _packed.join(tmp_path / "parts", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as again:
        for name, array in ODD.items():
            np.testing.assert_array_equal(again[name], array)
            assert (again[name].dtype, again[name].shape) == (array.dtype, array.shape)


def test_parts_of_an_earlier_version_are_refused(tmp_path):
    index = {"parts": 0, "sha256": "", "arrays": {"x": {"shape": [1], "dtype": "int32", "image": False, "bytes": 7}}}
    (tmp_path / "x.json").write_text(json.dumps(index))
    with pytest.raises(SystemExit, match="packed by an earlier version"):
        _packed.join(tmp_path, tmp_path / "x.npz")


def test_what_is_guessed_by_hand():
    """Left 10, above 20, corner 12: 18. Corner 5: 25, more than both, so 20."""
    left, above = np.array([10, 10, 10]), np.array([20, 20, 20])
    np.testing.assert_array_equal(_packed._middle(left, above, np.array([12, 5, 30])), [18, 20, 10])


def test_what_is_there_in_a_good_version_is_not_brought_along():
    required = [Requirement(line) for line in ("jax>=0.10", "flax>=0.12", "tyro", "optax>=0.2", "etils")]
    resolved = {
        "jax": "0.12.0",
        "jaxlib": "0.12.0",
        "flax": "0.13",
        "tyro": "1.0",
        "optax": "0.3",
        "etils": "1",
        "rich": "14",
    }
    assert _wheels.lacking(resolved, required, ()).keys() == {"flax", "tyro", "optax", "etils", "rich"}
    there = ["flax==0.12.5", "optax==0.1", "etils", "Rich"]
    assert _wheels.lacking(resolved, required, there).keys() == {"tyro", "optax"}
    assert "flax" in _wheels.lacking(resolved, required, ["flax"])  # in an unknown version, and there is a bound


def test_the_time_of_a_profile_is_that_of_convolutions_sums_and_passes():
    events = [("sm90_xmma_fprop", 4e6), ("gemm_fusion_dot_3", 2e6), ("input_reduce_fusion_1", 3e6)]
    events += [("loop_add_fusion", 1e6), ("wrapped_convert", 1e6), ("loop_add_fusion", 1e6)]
    figures = kernels.summary([(kernels.kind(name), name, time) for name, time in events], steps=2)
    assert list(figures["ms"].values()) == [3.0, 1.5, 1.5]
    assert (figures["kernels"], figures["largest"]["loop_add_fusion"]) == (3.0, 1.0)


def test_on_a_cpu_the_program_says_what_a_kernel_does(tmp_path):
    program = """
  %ynn_fusion.1 = f32[8,4]{1,0} fusion(%x, %k), calls=%f, metadata={op_name="jit(step)/jvp()/dot_general" id=1}
  ROOT %ynn_fusion.2 = f32[4]{0} fusion(%x), calls=%g, metadata={op_name="jit(step)/jvp()/reduce_sum" id=2}
  %while.3 = (s32[]) while(%t), body=%b, metadata={op_name="jit(step)/transpose(jvp())/while" id=3}
  %ynn_fusion = f32[3,3]{1,0} fusion(%p), metadata={op_name="jit(step)/while/body/conv_general_dilated" id=4}
  %add_fusion = f32[8,4]{1,0} fusion(%p), metadata={op_name="jit(step)/reduce_sum/add" id=5}
  %all-reduce.4 = f32[4]{0} all-reduce(%ynn_fusion.2), metadata={op_name="jit(step)/jvp()/reduce_sum" id=6}
  %ynn_fusion.7 = f32[3,3]{1,0} fusion(%p), kind=kCustom, calls=%h
  %transpose_copy_fusion = f32[8,4]{1,0} fusion(%p), kind=kLoop, calls=%i
"""
    (tmp_path / kernels.PROGRAM).write_text(program)
    times = {"ynn_fusion.1": 4, "ynn_fusion.2": 3, "while.3": 9, "ynn_fusion": 2, "add_fusion": 1}
    times |= {
        "ynn_fusion.7": 1,
        "transpose_copy_fusion": 2,
        "all-reduce.4": 8,
        "Rendezvous": 5,
        "ThunkExecutor::Execute": 50,
    }
    lines = [[SimpleNamespace(name=name, duration_ns=1e6 * time) for name, time in times.items()]] * 2
    lines = [SimpleNamespace(events=events) for events in (*lines, [SimpleNamespace(name="main", duration_ns=9e9)])]
    events, threads = kernels.on_cpu([SimpleNamespace(lines=lines)], tmp_path)
    figures = kernels.summary(events, steps=2)
    kinds = dict(zip((*kernels.KINDS, kernels.WAITING), (7.0, 3.0, 3.0, 5.0), strict=True))
    assert (figures["ms"], threads) == (kinds, 2)
    assert figures["largest"]["ynn_fusion.1 dot_general"] == 4.0
    assert kernels.on_cpu([SimpleNamespace(lines=lines)], tmp_path / "no") == ([], 0)


COMPILED = """
ENTRY %main {
  %x = bf16[1000,1000]{1,0} parameter(0)
  %conv.1 = (bf16[1000,500]{1,0}, u8[999]{0}) custom-call(%x), custom_call_target="__cudnn"
  %get-tuple-element.1 = bf16[1000,500]{1,0} get-tuple-element(%conv.1), index=0
  %input_reduce_fusion.2 = (f32[500]{0}, f32[500]{0}) fusion(%get-tuple-element.1, %x), kind=kInput, calls=%fused
  ROOT %loop_add_fusion = f32[2000,1000]{1,0} fusion(%x, %x), kind=kLoop, calls=%fused.1
}
"""


def test_what_a_compiled_program_moves():
    """In bytes: x 2e6, what the convolution makes 1e6, its workspace not counted; x is read by each kernel."""
    kernels = {kernel.name: kernel.bytes for kernel in passes.passes(COMPILED)}
    assert kernels == {"loop_add_fusion": 12_000_000, "input_reduce_fusion.2": 3_004_000, "conv.1": 3_000_000}
    assert passes.passes(COMPILED)[0].arrays == "f32[2000,1000] <- bf16[1000,1000] bf16[1000,1000]"
    assert passes.size_of("(f32[], pred[3,2])") == 10


def test_a_profile_without_an_accelerator_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="allowed: a file, or a folder with"):
        kernels.main(kernels.Options(tmp_path))
    with jax.profiler.trace(tmp_path):
        jax.block_until_ready(jax.numpy.ones(3) + 1)
    with pytest.raises(SystemExit, match="nothing that ran on an accelerator"):
        kernels.main(kernels.Options(tmp_path))
    with pytest.raises(SystemExit, match="--steps is 0"):
        kernels.summary([], 0)
