"""One page about a network before it is trained: what layers cost, what taps see, how signal and gradient fare.

It prints the costs and writes inspect.html: parameters, multiply-accumulates, operations and bytes by layer; the
receptive field of every tap, by formula; and, of fresh weights on some training images, the shares of dead channels and
of zeros in every tap and the gradient of every layer, with an alarm where it vanishes or explodes.

    python -m experiments.inspect --model resnet50 --data fake --size 224
"""

import html
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import tyro
from rich.console import Console

from jaxtricks import analysis, data
from jaxtricks.ablation import cli


@dataclass(frozen=True)
class Options:
    """Prints what a network costs, and writes inspect.html."""

    model: str = "resnet_mini"
    """A network by name, such as plain_mini, mobilenet_v1_mini, resnet50."""
    data: str = "fashion_mini"
    """fashion_mini, digits, fake, a TFDS image set, a folder of images, or an .npz file."""
    size: int = 224
    """Height and width that images of varying size are brought to."""
    images: int = 32
    """Training images that the network sees."""
    seed: int = 0
    """Of the fresh weights."""
    out: Path = Path("runs/inspect")
    """Folder of inspect.html."""


def main(options: Options) -> Path:
    """Inspect the network; returns the page that was written."""
    cli.choice("--model", options.model, cli.NETWORKS)
    dataset = data.load(options.data, size=options.size)
    model = cli.network(options.model, dataset)(classes=cli.task_of(dataset).outputs, channels=dataset.shape[-1])
    shapes = jax.eval_shape(model.init, jax.random.key(options.seed))
    one = jax.ShapeDtypeStruct((1, *dataset.shape), jnp.float32)
    cost = analysis.count(model.apply, *shapes, one)
    fields = analysis.receptive_fields(model.apply, *shapes, one)
    print(cost.table())

    image = jnp.asarray(dataset.train["image"][: options.images]) / 255
    labels = jnp.asarray(dataset.train["label"][: options.images])
    image = (image - image.mean((0, 1, 2), keepdims=True)) / image.std((0, 1, 2), keepdims=True)
    params, stats = jax.jit(model.init)(jax.random.key(options.seed))

    @jax.jit
    def look(params):
        def loss(params):
            (logits, taps), _ = model.apply(params, stats, image, train=True, key=jax.random.key(1))
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), taps

        gradients, taps = jax.grad(loss, has_aux=True)(params)
        return analysis.gradient_norms(gradients), {name: analysis.unit_activity(tap) for name, tap in taps.items()}

    norms, activity = look(params)
    norms = {layer.name: norms[layer.name] for layer in cost.layers if layer.name in norms}  # as they run
    sees = [f"{name}: {rows.size} x {columns.size}, every {rows.stride}" for name, (rows, columns) in fields.items()]
    does = [f"{name}: {float(a.dead):.0%} dead, {float(a.sparsity):.0%} zeros" for name, a in activity.items()]
    falls = [f"{name}: {float(norm):.2e}" for name, norm in norms.items()]
    alarm = analysis.gradient_alarm(norms) if len(norms) > 1 else None
    falls.append(alarm or "Neither vanishes nor explodes.")
    parts = {"Costs": [cost.table()], "Receptive fields, in pixels": sees, "Responses": does, "Gradients, RMS": falls}
    body = "".join(f"<h2>{name}</h2><pre>{html.escape(chr(10).join(text))}</pre>" for name, text in parts.items())
    options.out.mkdir(parents=True, exist_ok=True)
    page = options.out / "inspect.html"
    title = html.escape(f"{options.model} on {options.data}")
    page.write_text(f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}', "utf-8")
    print(f"{alarm or ''}\nwritten: {page}".strip())
    return page


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, prog="python -m experiments.inspect", description=__doc__))
    except ValueError as error:
        Console(stderr=True).print(f"inspect: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
