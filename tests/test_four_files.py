"""A trick costs four files: the walk-through of CONTRIBUTING, and its like for other families, in a copy."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KEPT = ("jaxtricks", "experiments", "docs", "tests", "benchmarks")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "results", "*.png", "faults_runs")
TESTS = """tests/test_cases.py tests/test_contract.py tests/test_index.py tests/losses/test_extreme_losses.py
    tests/losses/test_extreme_parts.py tests/layers/test_extreme_layers.py tests/augment/test_augment_contract.py
    tests/faults/test_r18_fuzzing.py tests/experiments/test_gallery.py tests/experiments/test_tables.py""".split()
LOSS = dict(re.findall(r"```diff\n# (\S+)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S))
DOCSTRING = '''
+
+    Args:
{args}
+
+    Returns:
+      {returns}
+
+    Raises:
+      ValueError: on a wrong argument.
+
+    Reference:
+      Somebody, On something, arXiv 2001.00001.
+    """'''


def doc(returns, **args):
    lines = [f"+      {name}: {text}." for name, text in args.items()]
    return DOCSTRING.format(args="\n".join(lines), returns=returns)


FAMILIES = {
    "loss": ("savage", "losses", LOSS),
    "augmentation": (
        "fade",
        "augment",
        {
            "jaxtricks/augment/_color.py": f'''+
+
+def fade(image: jax.Array, amount: jax.Array | float) -> jax.Array:
+    """Towards black: ``(1 - amount) * image``.{doc("``[H, W, C]`` in [0, 1].", image="as above", amount="0 to 1")}
+    return adjust_brightness(image, 1.0 - amount)
''',
            "jaxtricks/augment/__init__.py": """-    color_jitter,
+    color_jitter,
+    fade,
-    "fit_color_pca",
+    "fade",
+    "fit_color_pca",
""",
            "tests/cases/augment.py": """-CASES = {
+CASES = {
+    "augment.fade": Image(
+        {"image": IMAGE, "amount": NUMBER},
+        by_hand=(({"image": np.full((1, 1, 1), 0.8, np.float32), "amount": 0.25}, np.full((1, 1, 1), 0.6)),),
+        limit=({}, lambda image, amount: augment.adjust_brightness(image, 1 - amount)),
+        reference=lambda image, amount: image * (1 - amount),
+        invariance=lambda image, amount: {"image": image * (1 - amount), "amount": np.float32(0)},
+    ),
""",
            "experiments/augment.py": """-    "alone": Setting(None, a.EVERYTHING),
+    "alone": Setting(None, a.EVERYTHING | {"fade": Trick(partial(a.augmented, fade=FADE))}),
-LADDER = {
+FADE = augment.each(augment.keyless(partial(augment.fade, amount=0.2)))
+LADDER = {
-from jaxtricks.ablation import Setting
+from jaxtricks import augment
+from jaxtricks.ablation import Setting, Trick
""",
        },
    ),
    "layer": (
        "global_median_pool",
        "layers",
        {
            "jaxtricks/layers/_pooling.py": f'''+
+
+def global_median_pool(x: jax.Array) -> jax.Array:
+    """The median of each channel over the positions.{doc("``[B, D]``, the dtype of x.", x="``[B, H, W, D]``")}
+    check_map(x)
+    return jnp.median(x.astype(_wide(x)), axis=(1, 2)).astype(x.dtype)
''',
            "jaxtricks/layers/__init__.py": """-    global_average_pool,
+    global_average_pool,
+    global_median_pool,
-    "im2col",
+    "global_median_pool",
+    "im2col",
""",
            "tests/cases/layers.py": """-import jax.numpy as jnp
+import jax.numpy as jnp
+import numpy as np
-CASES = {
+CASES = {
+    "layers.global_median_pool": Case(
+        {"x": MAP},
+        empty="B",
+        by_hand=(({"x": np.arange(3.0, dtype=np.float32).reshape(1, 3, 1, 1)}, [[1.0]]),),
+        limit=({}, lambda x: -layers.global_median_pool(-x)),
+        reference=lambda x: np.median(x, axis=(1, 2)),
+        invariance=lambda x: {"x": x[:, ::-1]},
+    ),
""",
            "experiments/pooling.py": """-    "read out: maximum": t.swap(readout=models.fixed(t.global_max)),
+    "read out: maximum": t.swap(readout=models.fixed(t.global_max)),
+    "read out: median": t.swap(readout=models.fixed(layers.global_median_pool)),
""",
        },
    ),
    "transformation": (
        "signed",
        "optim",
        {
            "jaxtricks/optim/_updates.py": f'''+
+
+def signed(*, scale: float = 1.0) -> optax.GradientTransformation:
+    """The sign of the gradient in its place, times a scale.{doc("The transformation.", scale="any number")}
+    return optax.stateless_with_tree_map(lambda g, _: scale * jnp.sign(g))
''',
            "jaxtricks/optim/__init__.py": """-from jaxtricks.optim._updates import centralize, max_norm
+from jaxtricks.optim._updates import centralize, max_norm, signed
-    "skip_spikes",
+    "signed",
+    "skip_spikes",
""",
            "tests/cases/optim.py": """-CASES = {
+CASES = {
+    "optim.signed": transform(
+        optim.signed,
+        numbers={
+            "by_hand": (({"updates": {"b": [2.0, -3.0]}, "params": {"b": [1.0, 1.0]}}, ({"b": [1, -1]},) * 2),),
+            "limit": ({}, lambda updates, params: (optax.scale_by_sign().update(updates, ())[0],) * 2),
+            "reference": lambda updates, params: ({k: np.sign(u) for k, u in updates.items()},) * 2,
+            "invariance": lambda updates, **other: {"updates": {k: 3 * u for k, u in updates.items()}, **other},
+        },
+    ),
""",
            "experiments/optimizers.py": """-    "SAM": Trick(partial(o.sharp, rho=0.05), 1, "arXiv 2010.01412"),
+    "signed": trick(partial(o.with_decay, tx=lambda rate: optim.signed(), decay=DECAY), 0.01),
+    "SAM": Trick(partial(o.sharp, rho=0.05), 1, "arXiv 2010.01412"),
""",
        },
    ),
    "schedule": (
        "half_cosine",
        "optim",
        {
            "jaxtricks/optim/_schedules.py": f'''+
+
+def half_cosine(peak: float, *, steps: int, steps_per_epoch: int, begin: int = 0) -> optax.Schedule:
+    """Cosine decay that ends at half of the peak.{
                doc("``n -> rate``.", peak="> 0", steps="1 or more", steps_per_epoch="1 or more", begin="0 or more")
            }
+    return cosine(peak, steps=steps, steps_per_epoch=steps_per_epoch, begin=begin, end=0.5)
''',
            "jaxtricks/optim/__init__.py": """-from jaxtricks.optim._updates import centralize, max_norm
+from jaxtricks.optim._schedules import half_cosine
+from jaxtricks.optim._updates import centralize, max_norm
-    "greedy_soup",
+    "greedy_soup",
+    "half_cosine",
""",
            "tests/cases/optim.py": """-CASES = {
+CASES = {
+    "optim.half_cosine": schedule(
+        optim.half_cosine,
+        begin=0,
+        numbers={
+            "by_hand": (({}, [0.1, 0.09998766, 0.07578527, 0.075, 0.05001234]),),
+            "limit": ({"steps": 10**6}, lambda: [0.1] * 5),
+        },
+    ),
""",
            "experiments/schedules.py": """-    "linear": s.trick(optim.polynomial),
+    "linear": s.trick(optim.polynomial),
+    "half a cosine": s.trick(optim.half_cosine),
""",
        },
    ),
}


def edited(text, diff):
    """The text with the changes: + lines replace the - lines before them; without any, they go to the end."""
    hunks = re.findall(r"((?:^-.*\n)*)((?:^\+.*\n)*)", diff, re.M)
    for old, new in hunks:
        old, new = (re.sub(r"^[-+]", "", part, flags=re.M) for part in (old, new))
        if old:
            assert old in text, f"the walk-through replaces {old!r}, which is not there"
            text = text.replace(old, new, 1)
        elif new:
            text += new
    return text


def copy(folder, family, *, without=()):
    """A copy of the repository with the edits of a family, and an index that is up to date."""
    for part in KEPT:
        shutil.copytree(ROOT / part, folder / part, ignore=LEFT_OUT)
    for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    _, _, edits = FAMILIES[family]
    assert len(edits) == 4
    for path in set(edits) - set(without):
        place = folder / path
        place.write_text(edited(place.read_text("utf-8"), edits[path]), "utf-8")
    return folder


def run(folder, *command):
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True)


def passes(folder, family):
    name, _, edits = FAMILIES[family]
    table = Path(next(path for path in edits if path.startswith("experiments/"))).stem
    general = "test_index or every_loss_augmentation_and_schedule or every_public_function_says"
    chosen = f"{name} or {general} or (every_row and {table})"
    return run(folder, "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *TESTS)


@pytest.mark.parametrize(
    "family", [pytest.param(family, marks=[] if family == "loss" else pytest.mark.slow) for family in FAMILIES]
)
def test_four_edits_are_enough(family, tmp_path):
    folder = copy(tmp_path, family)
    assert run(folder, "docs.index").returncode == 0
    found = passes(folder, family)
    assert found.returncode == 0, found.stdout[-3000:]
    name, package, _ = FAMILIES[family]
    assert f"`{package}.{name}`" in (folder / "docs/site/pages/index_of_tricks.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("left_out", "sentence"),
    [
        pytest.param(
            "jaxtricks/losses/__init__.py",
            r"losses\.savage has a case and is no public name; name it in jaxtricks",
            marks=pytest.mark.slow,
        ),
        ("tests/cases/losses.py", r'losses\.savage has no case; add "losses\.savage" to tests/cases'),
        pytest.param("experiments/losses.py", r"losses\.savage is in no experiment; add a row", marks=pytest.mark.slow),
        pytest.param(None, r"run `python -m docs\.index`", marks=pytest.mark.slow),
    ],
)
def test_one_edit_less_fails_with_a_sentence(left_out, sentence, tmp_path):
    folder = copy(tmp_path, "loss", without=() if left_out is None else (left_out,))
    if left_out == "experiments/losses.py":
        run(folder, "docs.index")
    tests = ("tests/test_cases.py", "tests/test_index.py")
    found = run(folder, "pytest", "-q", "-p", "no:cacheprovider", "-k", "savage or index or public", *tests)
    assert found.returncode != 0
    assert re.search(sentence, found.stdout), found.stdout[-3000:]
