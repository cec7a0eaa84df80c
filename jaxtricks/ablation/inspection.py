"""What can be said of a network before it is trained, as lines of text and as pictures."""

import base64
import html
import io
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jaxtricks import analysis, train
from jaxtricks.ablation import range_test
from jaxtricks.ablation.headline import plural
from jaxtricks.analysis import _lr_range as lr_range
from jaxtricks.data import DataError, Dataset, readable
from jaxtricks.models import Model

BATCHES = (1, 8, 32)
LOW, HIGH = 1e-5, 10.0  # of the learning rates that are tried
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
pre { overflow-x: auto; font-size: .85rem; line-height: 1.35; padding: .75rem; border-radius: .4rem; }
pre { background: #8881; }
img { max-width: 100%; background: white; border-radius: .4rem; }
"""


def inspected(model: Model, dataset: Dataset, *, images: int, seed: int) -> dict[str, list[str]]:
    """Costs by layer, receptive fields, and, of fresh weights on some images, responses and gradients by layer.

    Args:
      model: a network for these images and as many classes.
      dataset: whose training images and labels the network sees.
      images: how many of them.
      seed: of the fresh weights.

    Returns:
      Lines by title.

    Raises:
      DataError: if one of these images cannot be read.
    """
    weights = jax.eval_shape(model.init, jax.random.key(seed))
    one = jax.ShapeDtypeStruct((1, *dataset.shape), jnp.float32)
    cost = analysis.count(model.apply, weights[0], weights[1], one)
    fields = analysis.receptive_fields(model.apply, weights[0], weights[1], one)
    rows = np.arange(min(images, len(dataset.train)))
    image = jnp.asarray(readable(dataset.train, rows)) / 255
    labels = jnp.asarray(readable(dataset.train, rows, column="label"))
    if len(image) < len(labels):  # which is whose would be a guess
        raise DataError(f"{len(labels) - len(image)} of the first {len(labels)} images cannot be read; allowed: none.")
    image = (image - image.mean((0, 1, 2), keepdims=True)) / image.std((0, 1, 2), keepdims=True)
    params, stats = jax.jit(model.init)(jax.random.key(seed))

    @jax.jit
    def look(params):
        def loss(params):
            (logits, taps), _ = model.apply(params, stats, image, train=True, key=jax.random.key(seed + 1))
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), taps

        gradients, taps = jax.grad(loss, has_aux=True)(params)
        seen = {name: analysis.unit_activity(tap) for name, tap in taps.items() if tap.ndim > 1}
        return analysis.gradient_norms(gradients), seen

    speeds = _speeds(model, params, stats, image[:1])
    norms, activity = look(params)
    order = sorted(activity, key=lambda name: fields[name][0].size if name in fields else 0)
    order.sort(key=lambda name: name in fields and not fields[name][0].stride)
    seen = {name: activity[name] for name in order}
    norms = {layer.name: norms[layer.name] for layer in cost.layers if layer.name in norms}  # as they run
    alarm = analysis.gradient_alarm(norms) if len(norms) > 1 else None
    return {
        "Costs": [cost.table()],
        "Receptive fields, in pixels": [
            f"{name}: {rows.size} x {columns.size}, " + (f"every {rows.stride}" if rows.stride else "the entire image")
            for name, (rows, columns) in ((name, fields[name]) for name in order if name in fields)
        ],
        "Responses": [f"{name}: {float(a.dead):.0%} dead, {float(a.sparsity):.0%} zeros" for name, a in seen.items()],
        "Gradients, root mean square": [
            *(f"{name}: {float(norm):.2e}" for name, norm in norms.items()),
            alarm or "Neither vanishes nor explodes.",
        ],
        "Speed, of this machine as it is now": speeds,
    }


def _speeds(model: Model, params, stats, image: jax.Array) -> list[str]:
    """Latency of one image, and images a second at three batch sizes, the fastest first."""
    predict = jax.jit(lambda image: model.apply(params, stats, image, train=False)[0][0])

    def call(batch):
        images = jnp.repeat(image, batch, axis=0)
        return lambda: predict(images)

    measured = analysis.throughput(call, BATCHES, repeats=10)
    one = next(entry.latency for entry in measured if entry.batch == 1)
    lines = [f"one image: {1e3 * one.median:.2f} ms, quartiles {1e3 * one.lower:.2f} and {1e3 * one.upper:.2f}"]
    return [*lines, *(f"batch {entry.batch}: {entry.rate:,.0f} images a second" for entry in measured)]


def rate_finder(recipe: train.Recipe, dataset: Dataset, *, steps: int, seed: int) -> dict[str, str]:
    """The learning rate range test: the loss of a few steps while the rate rises, and the rate to start from.

    Args:
      recipe: of one family's baseline; its rate is not used.
      dataset: that it would train on.
      steps: from the lowest to the highest rate.
      seed: of weights, order and draws.

    Returns:
      An element of a page by title.
    """
    step, state = range_test.step_at_rate(recipe, dataset, seed=seed)
    test = lr_range.lr_range_test(step, state, low=LOW, high=HIGH, steps=steps)
    curve = lr_range.middle(test, steps=steps)
    rates = {"valley": lr_range.valley(*curve), "steepest": lr_range.steepest(*curve)}
    figure = range_test.plot(test, rates, title=f"batches of {recipe.batch}")
    said = f"Start with a rate of {rates['valley']:.2g} at batches of {recipe.batch}: the middle of the longest fall."
    return {"Learning rate": f"<p>{said}</p>{_element(figure, 'Loss by learning rate')}"}


def diagnosed(folder: Path) -> dict[str, str]:
    """What the learning curves of a finished table show, a sentence for each finding, and the curves.

    Args:
      folder: of results.json.

    Returns:
      An element of a page by title.

    Raises:
      DataError: if there are no such results.
    """
    path = folder / "results.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        curves = {row["name"]: row["cells"][0]["curve"] for row in results["rows"] if row["cells"]}
        lines, figure = _curves(curves, results["headline"]["name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"--run is {folder}; allowed: a folder with the results.json of a table ({error}).") from error
    note = "Of the first seed of each row. Training accuracy is not kept: over- and underfitting are not read here."
    text = html.escape("\n".join(lines))
    return {"Learning curves": f"<p>{note}</p><pre>{text}</pre>{_element(figure, 'Loss and score by epoch')}"}


def _curves(curves: Mapping[str, Mapping], score: str) -> tuple[list[str], Figure]:
    """Findings by row, and training losses beside validation scores."""
    lines = []
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, curve in curves.items():
        losses = [float("nan") if loss is None else loss for loss in curve["train_loss"]]
        if len(losses) < 4:
            lines.append(f"{name}: {plural(len(losses), 'epoch')}, too few to read.")
        else:
            findings = analysis.diagnose(losses)
            lines += [f"{name}: {one.rule}: {one.evidence}. {one.advice}" for one in findings]
            lines += [f"{name}: nothing found."] * (not findings)
        left.plot(curve["epoch"], losses, color="C0", alpha=0.6)
        scores = (curve.get("validation") or {}).get(score)
        if scores:
            right.plot(curve["epoch"], scores, color="C1", alpha=0.6)
    left.set(xlabel="epoch", ylabel="training loss")
    right.set(xlabel="epoch", ylabel=f"validation {score}")
    return lines, figure


def page(title: str, texts: Mapping[str, list[str]], elements: Mapping[str, str]) -> str:
    """HTML of lines of text, then of elements, each under its title."""
    parts = {name: f"<pre>{html.escape(chr(10).join(lines))}</pre>" for name, lines in texts.items()} | dict(elements)
    body = "".join(f"<h2>{html.escape(name)}</h2>{part}" for name, part in parts.items())
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    title = html.escape(title)
    return f"<!doctype html><html lang=en>{head}<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}"


def pictures(model: Model, dataset: Dataset, *, images: int, seed: int) -> dict[str, str]:
    """What the last map of a network sees, of fresh weights: drawn fields, and Grad-CAM on a few images.

    Args:
      model, dataset, seed: as in ``inspected``.
      images: how many of them are drawn, 1 or more.

    Returns:
      Elements of a page by title; none for a network without a map.
    """
    rows = np.arange(min(images, len(dataset.train)))
    seen = jnp.asarray(readable(dataset.train, rows)) / 255
    scaled = (seen - seen.mean((0, 1, 2), keepdims=True)) / (seen.std((0, 1, 2), keepdims=True) + 1e-6)
    params, stats = jax.jit(model.init)(jax.random.key(seed))
    taps = jax.eval_shape(lambda image: model.apply(params, stats, image, train=False)[0][1], scaled)
    maps = [name for name, tap in taps.items() if tap.ndim == 4 and min(tap.shape[1:3]) > 1]
    if not maps:
        return {}
    fields_of = analysis.receptive_fields(model.apply, params, stats, scaled[:1])
    tap = max(maps, key=lambda name: fields_of[name][0].size)  # shapes come in the order of the alphabet
    field = np.asarray(jax.jit(partial(analysis.effective_field, model.apply, tap=tap))(params, stats, scaled))
    heat = np.asarray(jax.jit(partial(analysis.grad_cam, model.apply, tap=tap))(params, stats, scaled))
    fields = fields_of[tap]
    figure = Figure(figsize=(2.2, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(field, cmap="inferno")
    middle = [side // 2 for side in taps[tap].shape[1:3]]
    first, step, size = zip(*((f.first, f.stride, f.size) for f in fields), strict=True)
    top, left = (first[i] + step[i] * middle[i] - 0.5 for i in (0, 1))
    axes.add_patch(Rectangle((left, top), size[1], size[0], fill=False, edgecolor="white"))
    axes.set_title(f"{tap}: {size[0]} x {size[1]}", fontsize=8)
    axes.set_axis_off()
    shown = Figure(figsize=(1.6 * len(rows), 1.7), layout="constrained")
    for axes, image, warm in zip(np.ravel(shown.subplots(1, len(rows))), np.asarray(seen), heat, strict=True):
        limits = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
        axes.imshow(image.mean(-1), cmap="gray", extent=limits)
        axes.imshow(warm, cmap="inferno", alpha=0.5, extent=limits, interpolation="bilinear")
        axes.set_axis_off()
    return {
        "Receptive field of the middle of the last map: by gradient, and its frame by formula": _element(
            figure, "Receptive field"
        ),
        f"Grad-CAM of {tap}, for the class that each image is taken for": _element(shown, "Images under heat"),
    }


def _element(figure: Figure, about: str) -> str:
    """A figure as an element of a page, with a text for those who do not see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return f'<img alt="{about}" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
