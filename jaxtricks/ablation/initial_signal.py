"""Why a network must not start at zero or with equal units, and what initialisers do to the signal of 20 layers."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from jaxtricks import data, init, models, tasks, train
from jaxtricks.ablation.headline import headline_of_task
from jaxtricks.ablation.options import task_of
from jaxtricks.analysis import gradient_rank, variance_by_depth
from jaxtricks.tricks import bag as t

zeros, constant, normal = jax.nn.initializers.zeros, jax.nn.initializers.constant, jax.nn.initializers.normal
STARTS = {  # name: (hidden layers, initialiser of every kernel, change of the parameters)
    "hidden layer, all zero": ((32,), zeros, None),
    "hidden layer, all 0.1": ((32,), constant(0.1), None),
    "hidden layer, He": ((32,), init.he_normal(), None),
    "hidden layer, He, classifier zero": ((32,), init.he_normal(), partial(init.zero_last, pattern="^head/")),
    "logistic regression, zero": ((), zeros, None),
    "logistic regression, He": ((), init.he_normal(), None),
}
SCHEMES = {  # the variance of the weights of a layer of D inputs and D outputs
    "N(0, 0.01)": normal(0.01),
    "Xavier, 1 / D": init.xavier_normal(),
    "He, 2 / D": init.he_normal(),
    "orthogonal, 1 / D": jax.nn.initializers.orthogonal(),
    "orthogonal times sqrt 2": jax.nn.initializers.orthogonal(2**0.5),
}
DEPTH = 20


def show(folder: Path) -> None:
    """Print both tables; leave them as ``signal.md`` and the second as ``signal.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    headline = f"test {headline_of_task(tasks.classification(10)).title}"
    ranks = [("start", "rank of the hidden gradient: first step", "after training", headline), *symmetry()]
    depths = {name: variance_by_depth(jax.random.key(0), scheme, depth=DEPTH) for name, scheme in SCHEMES.items()}
    last = [("initialiser", f"variance behind layer {DEPTH}", "of the gradient at layer 1, relative to the last")]
    last += [(name, f"{float(v.forward[-1]):.2e}", f"{float(v.backward[0]):.2e}") for name, v in depths.items()]
    for head, *body in (ranks, last):
        table = Table(*head)
        for line in body:
            table.add_row(*line)
        Console().print(table)
    text = "\n\n".join(
        "\n".join("| " + " | ".join(r) + " |" for r in (h, ["---"] * len(h), *b)) for h, *b in (ranks, last)
    )
    (folder / "signal.md").write_text(text + "\n", encoding="utf-8")
    draw(depths).savefig(folder / "signal.png", dpi=150)


def symmetry() -> list[tuple[str, str, str, str]]:
    """Rank of the gradient of the hidden kernel at the start and after training on digits, and the test headline."""
    digits = data.load("digits")
    task = task_of(digits)
    size = digits.shape[0] * digits.shape[1]
    rows = []
    for name, (widths, kernels, change) in STARTS.items():
        network = partial(models.perceptron, widths, size=size, kernel_init=kernels, activation=jnp.tanh)
        values = {"augmented": None, "lr": 0.1, "batch": 32, "epochs": 10, "weight_decay": 0.0}
        recipe = replace(t.modern(task=task, model=network, **values), model=network, init=change)
        (run,) = train.fit(recipe, digits)
        ranks = ["\u2013", "\u2013"]
        if widths:
            model = train.build_model(recipe, digits)
            first, stats = model.init(jax.random.key(0))
            first = first if change is None else change(first)
            ranks = [str(_rank(recipe, model, params, stats, digits)) for params in (first, run.variables[0])]
        headline = headline_of_task(task)
        rows.append((name, *ranks, f"{headline.scale * run.test[headline.name]:.1f}"))
    return rows


def _rank(recipe, model, params, stats, digits) -> int:
    batch = {name: jnp.asarray(values) for name, values in digits.train.read(np.arange(256)).items()}
    batch = recipe.task.encode({**batch, "image": batch["image"] / 255.0})

    def loss(params):
        out = model.apply(params, stats, batch["image"], train=True)[0]
        return recipe.loss(params, out, batch).mean()

    return int(gradient_rank(jax.grad(loss)(params)["hidden"]["0"]["kernel"]))


def draw(depths) -> Figure:
    """Variance of activations and of gradients by layer, one line an initialiser."""
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        layers = np.arange(1, DEPTH + 1)
        for (name, values), style in zip(depths.items(), ("-", "--", "-", "--", ":"), strict=True):
            left.semilogy(layers, values.forward, style, label=name)
            right.semilogy(layers, values.backward, style, label=name)
        left.set(title="Variance of the activations", xlabel="layer", ylim=(1e-12, 10))
        right.set(title="Variance of the gradient, relative to the last layer", xlabel="layer", ylim=(1e-12, 10))
        for axes in (left, right):
            axes.set_xticks([1, 5, 10, 15, 20])
        right.legend(frameon=False, loc="lower left")
    return figure
