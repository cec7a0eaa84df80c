"""The README's example runs, its options exist, and CI runs its first commands."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import data, models, tasks, train, tricks
from jaxtricks.ablation import cli
from tests.faults import __main__ as card

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_example_runs_and_has_a_gradient():
    code, *_ = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 17
    space = {}
    exec(compile(code, "README", "exec"), space)
    image = jax.random.uniform(jax.random.key(1), (4, 8, 8, 3))
    batch = {"image": image, "target": jax.nn.one_hot(jnp.arange(4), 10)}
    params = 0.1 * jax.random.normal(jax.random.key(2), (192, 10))
    teacher = jax.random.normal(jax.random.key(3), (4, 10))
    value, gradient = jax.value_and_grad(space["loss"])(params, jax.random.key(0), batch, teacher)
    assert np.isfinite(value)
    assert 0 < jnp.abs(gradient).max() < jnp.inf
    other = space["loss"](params, jax.random.key(9), batch, teacher)
    assert other != value


def test_the_regression_runs(capsys):
    """On images whose brightness is the age; nothing stands before its lines but arrays and imports."""
    code = re.search(r"<!-- regression -->\n```python\n(.*?)```", README, re.S)[1]
    assert len(code.splitlines()) == 5
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
    ages = images.mean((1, 2, 3)) / 4
    arrays = {"images": images[:64], "ages": ages[:64], "test_images": images[64:], "test_ages": ages[64:]}
    names = {"data": data, "models": models, "tasks": tasks, "train": train, "tricks": tricks}
    exec(compile(code, "README", "exec"), arrays | names | {"partial": partial, "replace": replace})
    assert 0 < float(capsys.readouterr().out) < 120


def test_options_in_the_readme_exist():
    fields = [name for options in (cli.Options, card.Options) for name in options.__dataclass_fields__]
    known = {f"--{name.replace('_', '-')}" for name in fields}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--help"}
    assert used <= known, used - known


def test_ci_runs_the_first_commands():
    """From the folder of the repository, and with options of its own."""
    block = re.search(r"(?m)(?:^    .+\n)+", README)[0]
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert len(commands) == 2
    lines = [line.replace("python -m pip install -q", "pip install") for line in CI.splitlines()]
    where = [next((n for n, line in enumerate(lines) if f"{line} ".startswith(f"{c} ")), None) for c in commands]
    assert None not in where, dict(zip(commands, where, strict=True))
    assert where == sorted(where)


def test_first_command_is_the_quick_preset():
    assert README.index("pip install -e .") < README.index("python -m experiments.bag_of_tricks") < 600
    assert (ROOT / "experiments" / "results" / "report.png").is_file()
