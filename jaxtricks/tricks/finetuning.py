"""Fine-tuning: ways to go on from a source's weights, from the head alone to all layers, and co-training.

``pretraining`` has the sources and their weights; a recipe here is one of its ``begin``, a network's parts are those of
``layers``.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks import augment, init, optim
from jaxtricks.archive import read_npz
from jaxtricks.keys import named
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import composing
from jaxtricks.tricks.pretraining import ROWS, borrowed_of, few
from jaxtricks.tricks.trick import Ladder, Setting

__all__ = [
    "SHARES",
    "borrow",
    "by_layer",
    "case",
    "co_training",
    "from_scratch",
    "frozen_parts",
    "joint",
    "layers",
    "only",
    "setting",
    "two_heads",
    "unfreezing",
]

SHARES = {50: 0.2, 1500: 1.0}  # by the number of target images: of the source's learning rate


def case(recipe: Recipe, *, source: str, lr: float) -> Recipe:
    """Fine-tune all layers from a source's weights, usually at a smaller learning rate.

    Args:
      recipe: of ``begin``.
      source: ``similar`` or ``different``.
      lr: in the recipe's, > 0.

    Returns:
      The recipe that starts from these weights.
    """
    return replace(t.part(recipe, source=source), lr=lr * recipe.lr)


def setting(ladder: Callable[[str, int], Ladder], source: str, images: int) -> Setting:
    """A source and an amount of target images, with the tricks that are measured there.

    Args:
      ladder: ``(source, images) -> tricks by name``.
      source: ``similar`` or ``different``.
      images: of the target, a key of SHARES.

    Returns:
      The setting.
    """
    change = partial(case, source=source, lr=SHARES[images])
    return Setting(change, ladder(source, images), partial(few, images=images))


def from_scratch(recipe: Recipe, *, lr: float) -> Recipe:
    """Fresh weights, and a learning rate for them: what fine-tuning is compared with.

    Args:
      recipe: of ``case``.
      lr: in the recipe's, > 0.

    Returns:
      The recipe without a source.
    """
    return replace(t.part(recipe, source=None), lr=lr * recipe.lr)


def layers(recipe: Recipe) -> tuple[str, ...]:
    """Patterns of a residual network's parts, from the input to the head.

    Args:
      recipe: of ``begin``, with a residual network.

    Returns:
      Regular expressions for paths of parameters: the stem, each stage, the head.
    """
    stages = len(recipe.model.args[0].args[0].blocks)
    return ("^stem/", *(f"^stage{n}/" for n in range(1, stages + 1)), "^head/")


def only(recipe: Recipe, *, last: int, lr: float) -> Recipe:
    """Train the last parts only, which is cheap and helps with little data; the statistics of all stay.

    Args:
      recipe: of ``case``.
      last: 1, the head, a linear probe; 2, the last stage too; at most the number of parts less one.
      lr: in the recipe's, > 0.

    Returns:
      The recipe, whose other parts are frozen.
    """
    frozen = layers(recipe)[:-last]
    recipe = composing.around(t.part(recipe, frozen_bn=True), partial(frozen_parts, patterns=frozen))
    return replace(recipe, lr=lr * recipe.lr)


def frozen_parts(tx: optax.GradientTransformation, *, patterns: Iterable[str]) -> optax.GradientTransformation:
    """An optimiser that leaves some parts alone; for ``composing.around``.

    Args:
      tx: the optimiser of the others.
      patterns: regular expressions for paths of parameters.

    Returns:
      The transformation.
    """
    return optim.freeze(tx, *patterns)


def by_layer(recipe: Recipe, *, decay: float) -> Recipe:
    """Smaller steps towards the input, whose features serve any task.

    Args:
      recipe: of ``case``.
      decay: the factor from a part to the one before it, in (0, 1].

    Returns:
      The recipe; the head keeps its rate.

    Reference: Howard and Ruder, arXiv 1801.06146.
    """
    return composing.around(recipe, partial(optim.layerwise_decay, layers=layers(recipe), decay=decay))


def unfreezing(recipe: Recipe, *, share: float) -> Recipe:
    """The head from the start, then one part after another, so that a fresh head spoils no features.

    However short the run is, the head alone takes the first step.

    Args:
      recipe: of ``case``, on data of ``few``.
      share: of the run, after which all parts are trained, in (0, 1].

    Returns:
      The recipe.

    Reference: Howard and Ruder, arXiv 1801.06146.
    """
    parts = layers(recipe)[-2::-1]
    steps = recipe.epochs * (ROWS // recipe.batch)
    at = {pattern: max(1, round(share * steps * n / len(parts))) for n, pattern in enumerate(parts, 1)}
    return composing.around(recipe, partial(optim.unfreeze_at, steps=at))


def co_training(recipe: Recipe, *, images: int, weight: float, by: str = "shallow") -> Recipe:
    """With every batch as many source images as it has, those nearest to the target's, in a head of their own.

    Nearest by features of the source's network; for little data.

    Args:
      recipe: of ``case``.
      images: of the target, a key of ``pretraining.NEIGHBOURS``.
      weight: of the loss of the source's images, 0 or more.
      by: ``shallow``, by the stem's responses, as in the paper, or ``deep``, by the last features.

    Returns:
      The recipe; a step costs twice as much.

    Raises:
      ArchiveError: if the file of the source's images is missing or damaged.

    Reference: Ge and Yu, arXiv 1702.08690.
    """
    path = borrowed_of(recipe, recipe.model.keywords["source"], images, by=by)
    arrays = read_npz(path, names=("images", "labels", "classes"))
    labels, classes = arrays["labels"], int(arrays["classes"])
    add = partial(borrow, images=arrays["images"], labels=labels + classes)
    return replace(
        recipe,
        model=partial(two_heads, recipe.model, others=int(labels.max()) + 1),
        augment=augment.chain(borrow=add, **({} if recipe.augment is None else {"rest": recipe.augment})),
        loss=partial(joint, loss=recipe.loss, classes=classes, weight=weight),
    )


def borrow(key, batch, *, images, labels):
    """The batch, and after it as many images drawn from others, whose labels are no class of the batch.

    Args:
      key: one key.
      batch: with ``image [B, H, W, C]`` in 0 to 1, ``label [B]`` and other columns, which are repeated.
      images: uint8 ``[N, H, W, C]``.
      labels: integers ``[N]``, from the number of classes of the batch on.

    Returns:
      A batch of 2 B rows.
    """
    rows = batch["image"].shape[0]
    drawn = jax.random.randint(key, (rows,), 0, len(labels))
    twice = {name: jnp.concatenate([value, value]) for name, value in batch.items()}
    other = jnp.asarray(images)[drawn].astype(batch["image"].dtype) / 255
    label = jnp.asarray(labels, batch["label"].dtype)[drawn]
    return {
        **twice,
        "image": jnp.concatenate([batch["image"], other]),
        "label": jnp.concatenate([batch["label"], label]),
    }


def two_heads(build: Callable, *, others: int, **arguments: Any):
    """The network with a second classifier, of other classes.

    Args:
      build: ``(**arguments) -> Model`` with a last layer ``head`` and the tap ``features``.
      others: classes of the second classifier, >= 1.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model; the second classifier's logits ``[B, others]`` are the tap ``source``.
    """
    model = build(**arguments)

    def fresh(key):
        params, stats = model.init(key)
        shape = (params["head"]["kernel"].shape[0], others)
        head = {"kernel": init.xavier_normal()(named(key, "source"), shape), "bias": jnp.zeros(others)}
        return {**params, "source": head}, stats

    def apply(params, stats, image, *, train, key=None):
        (logits, taps), stats = model.apply(params, stats, image, train=train, key=key)
        other = taps["features"] @ params["source"]["kernel"] + params["source"]["bias"][None]
        return (logits, {**taps, "source": other}), stats

    return model._replace(init=fresh, apply=apply)


def joint(params, out, batch, *, loss: Callable, classes: int, weight: float):
    """The loss of the first half of a batch of ``borrow``, and cross-entropy of the other half in its own head.

    One-hot targets of labels that are no class are zero, and so is their cross-entropy; twice, for each is in half of
    the mean.

    Args:
      params: as for ``loss``.
      out: ``(logits [2 B, C], taps)`` with the tap ``source``.
      batch: with ``label [2 B]`` and what ``loss`` reads.
      loss: of the target's images, 0 where the target is zero.
      classes: C, of the target.
      weight: of the other half, 0 or more.

    Returns:
      Float ``[2 B]``.
    """
    others = out[1]["source"]
    second = optax.softmax_cross_entropy(others, jax.nn.one_hot(batch["label"] - classes, others.shape[-1]))
    return 2 * (loss(params, out, batch) + weight * second)
