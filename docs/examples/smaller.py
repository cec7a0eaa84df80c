"""A network on scikit-learn's digits made smaller: half of its filters go, then its weights get 5 bits, in one file.

python -m docs.examples.smaller
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import jax
import jax.numpy as jnp

from jaxtricks import analysis, compress, data, models, tasks, train, tricks

digits = data.load("digits")
recipe = tricks.modern(
    task=tasks.classification(digits.classes),
    augmented=None,
    model=models.NETWORKS["plain_mini"],
    lr=0.05,
    batch=16,
    epochs=8,
)
model = train.build_model(recipe, digits)
fitted = train.build_constants(recipe, digits)["preprocess"]  # means and deviations of the training images


def ready(images):
    """Pixels as the network takes them: pixels / 255 alone would make it guess."""
    return jax.vmap(partial(recipe.preprocess[1], fitted))(images / jnp.float32(255))


images, labels = ready(digits.test["image"]), digits.test["label"]
logits = jax.jit(lambda variables: model.apply(*variables, images, train=False)[0][0])


def report(name, variables, file=None):
    """A line: bytes in float32, or of the file; accuracy on the test images; time of all of them."""
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(variables)) if file is None else file.stat().st_size
    right = 100 * float((logits(variables).argmax(-1) == labels).mean())
    print(f"{name:22}{size:9,} bytes {right:6.1f} % {1000 * analysis.latency(logits, variables).median:7.1f} ms")
    return size, right


def main(recipe=recipe, folder="."):
    """Trains, takes filters out, trains on, quantises, and reads the file again; returns what was printed."""
    # A trained network. Its test accuracy is that of run.test, for the images went through the same preprocessing.
    (run,) = train.fit(recipe, digits)
    rows = {"trained": report("trained", run.variables)}

    # Half of the filters go, by their norms. The graph says which arrays share a channel; verify_graph tries it.
    graph = compress.graph_of(*run.variables)
    compress.verify_graph(model.apply, *run.variables, graph, images[:8])
    keep = compress.filters_to_keep(compress.filter_norms(run.variables[0], graph), share=0.5, multiple=4)
    small = compress.shrink(*run.variables, graph, keep)
    rows["half of the filters"] = report("half of the filters", small)

    # Training on. The arrays are not the sizes of the recipe's network, so initial=small is refused: the network that
    # begins with them is another model.
    thin = partial(compress.resized, recipe.model, params=small[0], stats=small[1])
    (run,) = train.fit(replace(recipe, model=thin, lr=0.3 * recipe.lr), digits)
    rows["trained on"] = report("trained on", run.variables)

    # 32 values for each kernel, 5 bits an index; biases, scales and statistics stay as they are.
    def code(path, leaf):
        kernel = jax.tree_util.keystr(path, simple=True, separator="/").endswith("kernel")
        return compress.quantize(leaf, clusters=32) if kernel and leaf.size > 32 else leaf

    params, stats = run.variables
    file = Path(folder) / "digits.jtcz"
    compress.save(file, {"params": jax.tree.map_with_path(code, params), "stats": stats})

    # Whoever has the file has the network: load checks it, expand makes arrays of the codes.
    tree = compress.expand(compress.load(file))
    rows["5 bits, in a file"] = report("5 bits, in a file", (tree["params"], tree["stats"]), file)
    return rows


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(folder=folder)
