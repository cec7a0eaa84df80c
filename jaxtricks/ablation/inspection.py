"""What can be said of a network before it is trained, as lines of text and as pictures."""

import base64
import io
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jaxtricks import analysis
from jaxtricks.data import DataError, Dataset, readable
from jaxtricks.models import Model

BATCHES = (1, 8, 32)


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
    norms = {layer.name: norms[layer.name] for layer in cost.layers if layer.name in norms}  # as they run
    alarm = analysis.gradient_alarm(norms) if len(norms) > 1 else None
    return {
        "Costs": [cost.table()],
        "Receptive fields, in pixels": [
            f"{name}: {rows.size} x {columns.size}, every {rows.stride}" for name, (rows, columns) in fields.items()
        ],
        "Responses": [
            f"{name}: {float(a.dead):.0%} dead, {float(a.sparsity):.0%} zeros" for name, a in activity.items()
        ],
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
        "Receptive field of the middle of the last map: by gradient, and its frame by formula": _element(figure),
        f"Grad-CAM of {tap}, for the class that each image is taken for": _element(shown),
    }


def _element(figure: Figure) -> str:
    """A figure as an element of a page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
