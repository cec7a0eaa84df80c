"""The README's example runs, its options exist, CI runs its first commands; and the code of the site's pages runs."""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import accelerator, passes, photographs
from jaxtricks import data, models, tasks, train, tricks
from jaxtricks.ablation import cli
from tests.faults import __main__ as card

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs/site/pages").glob("*.md"))}
OPTIONS = (cli.Options, card.Options, accelerator.Options, passes.Options, photographs.Options)
ELSEWHERE = {"--help", "--help-all", "--to", "--form", "--top", "--heat", "--masks", "--draw", "--score", "--quick"}
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_example_runs_and_has_a_gradient():
    code = re.search(r"<!-- primitives -->\n```python\n(.*?)```", README, re.S)[1]
    assert len(code.splitlines()) <= 11
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
    code = re.search(r"<!-- regression -->\n```python\n(.*?)```", PAGES["tasks"], re.S)[1]
    assert len(code.splitlines()) == 5
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
    ages = images.mean((1, 2, 3)) / 4
    arrays = {"images": images[:64], "ages": ages[:64], "test_images": images[64:], "test_ages": ages[64:]}
    names = {"data": data, "models": models, "tasks": tasks, "train": train, "tricks": tricks}
    exec(compile(code, "README", "exec"), arrays | names | {"partial": partial, "replace": replace})
    assert 0 < float(capsys.readouterr().out) < 120


def blocks(name):
    """The code of a page that stands by itself."""
    text = PAGES[name].split("<!-- regression -->")[0]
    return re.findall(r"(?m)^```python\n(.*?)^```", text, re.S)


@pytest.mark.parametrize("name", [name for name in PAGES if blocks(name)])
def test_the_code_of_a_page_runs(name):
    for code in blocks(name):
        exec(compile(code, name, "exec"), {})


def test_the_notebook_runs():
    cells = json.loads((ROOT / "docs" / "first.ipynb").read_text(encoding="utf-8"))["cells"]
    space = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            exec(compile("".join(cell["source"]), cell["id"], "exec"), space)
    assert space["difference"].n == 4
    assert space["difference"].mean > 0


@pytest.mark.parametrize("name", ["README", *PAGES])
def test_options_exist(name):
    text = README if name == "README" else PAGES[name]
    fields = [name for options in OPTIONS for name in options.__dataclass_fields__]
    allowed = {f"--{name.replace('_', '-')}" for name in fields} | ELSEWHERE
    commands = re.sub(r"(?s)## timm\n.*?\n## ", "## ", text)  # whose own options stand there
    # and those of other programs
    commands = re.sub(r"(?m)^.*(gcloud|#SBATCH|srun|carry\.sh|pip download).*$", "", commands)
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", commands))
    assert used <= allowed, used - allowed


@pytest.mark.parametrize("name", PAGES)
def test_no_price_is_shown_as_a_formula(name):
    """Between two signs of the dollar the site reads TeX."""
    prose = re.sub(r"(?s)```.*?```|`[^`]*`", "", PAGES[name])
    assert not re.search(r"\$\d", prose)


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.encode()) <= 6000
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 20
    assert not [link for link in links if not (ROOT / link).exists()]


def test_links_between_pages_lead_somewhere():
    names = {*PAGES, "glossary", "contributing", "changelog"}
    for name, text in PAGES.items():
        for link in re.findall(r"\]\((\w+)\.md\)", text):
            assert link in names, f"{name}: {link}"


def test_ci_runs_the_first_commands():
    """From the folder of the repository, and with options of its own."""
    block = re.search(r"(?m)(?:^    .+\n)+", README)[0]
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert len(commands) == 2
    lines = [line.replace("python -m pip install -q --no-compile", "pip install") for line in CI.splitlines()]
    where = [next((n for n, line in enumerate(lines) if f"{line} ".startswith(f"{c} ")), None) for c in commands]
    assert None not in where, dict(zip(commands, where, strict=True))
    assert where == sorted(where)


def test_first_command_is_the_quick_preset():
    assert README.index("pip install -e .") < README.index("python -m experiments.bag_of_tricks") < 600
    picture = re.search(r"!\[.*?\]\((.*?)\)", README).group(1)
    assert (ROOT / picture).is_file()
