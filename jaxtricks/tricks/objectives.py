"""Losses as tricks: each exchanges a recipe's loss, or adds to it, and leaves all else."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import optax

from jaxtricks import losses, optim
from jaxtricks.train import Recipe
from jaxtricks.tricks import optimizers
from jaxtricks.tricks.trick import Trick


def mean_ramp(logits, labels, *, s):
    """The ramp loss as a mean over the wrong classes, so that its gradient is of the size of the others'."""
    return losses.ramp(logits, labels, s=s) / (logits.shape[-1] - 1)


def on_targets(params, out, batch, *, loss):
    """A loss of logits and soft targets."""
    return loss(out[0], batch["target"])


def on_labels(params, out, batch, *, loss):
    """A loss of logits and whole labels."""
    return loss(out[0], batch["label"])


def on_classes(params, out, batch, *, loss):
    """A loss of each class by itself, such as binary cross-entropy, added up over the classes."""
    return loss(out[0], batch["target"]).sum(-1)


def on_residuals(params, out, batch, *, loss):
    """A loss of target minus probability, added up over the classes."""
    return loss(batch["target"] - jax.nn.softmax(out[0])).sum(-1)


def on_probabilities(params, out, batch, *, loss):
    """A loss of probabilities and soft targets, added up over the classes."""
    return loss(jax.nn.softmax(out[0]), batch["target"]).sum(-1)


def on_angles(params, out, batch, *, logits):
    """Cross-entropy to the label of logits that know it; the classifier's bias gets no gradient and stays 0."""
    made = logits(out[1]["features"], params["head"]["kernel"], batch["label"])
    return -jnp.take_along_axis(jax.nn.log_softmax(made), batch["label"][:, None], axis=-1)[:, 0]


def beside(params, out, batch, *, first, second, weight):
    """The loss that was there, and another with a weight."""
    return first(params, out, batch) + weight * second(params, out, batch)


def contrast(params, out, batch, *, temperature):
    """The supervised contrastive loss of the features."""
    return losses.supervised_contrastive(out[1]["features"], batch["label"], temperature=temperature)


def centred(params, out, batch, *, first, weight):
    """A loss, the center loss with a weight, and what moves the centres."""
    features, labels, centers = out[1]["features"], batch["label"], params["centers"]
    pulled = weight * losses.center(features, labels, centers) + losses.center_pull(features, labels, centers)
    return first(params, out, batch) + pulled


def with_centers(model, **given):
    """A network whose parameters hold a centre for each class besides, at 0."""
    made = model(**given)

    def init(key):
        params, stats = made.init(key)
        return {**params, "centers": jnp.zeros_like(params["head"]["kernel"].T)}, stats

    return made._replace(init=init)


def centers_apart(tx, *, rate):
    """Plain SGD for the centres, the optimiser that was there for the rest."""
    return optim.by_path({"^centers$": optax.sgd(rate), "": tx})


def centers(recipe: Recipe, *, weight: float, rate: float = 0.5) -> Recipe:
    """The center loss beside the recipe's own."""
    recipe = optimizers.around(recipe, partial(centers_apart, rate=rate))
    return replace(
        recipe,
        model=partial(with_centers, recipe.model),
        loss=partial(centred, first=recipe.loss, weight=weight),
    )


def objective(recipe: Recipe, *, how, **given) -> Recipe:
    """Another loss: ``how`` says what it sees, ``given`` which it is."""
    return replace(recipe, loss=partial(how, **given))


def auxiliary(recipe: Recipe, *, second, weight: float) -> Recipe:
    """A second loss beside the recipe's own."""
    return replace(recipe, loss=partial(beside, first=recipe.loss, second=second, weight=weight))


def trick(how, loss, expected=None, paper=None) -> Trick:
    """A trick that is another loss."""
    return Trick(partial(objective, how=how, loss=loss), expected, paper)


def robust(expected) -> dict[str, Trick]:
    """Losses that bound what one example can do, with the parameters that experiments.losses chose."""
    return {
        "ramp": trick(on_labels, partial(mean_ramp, s=-1.0), expected, "Collobert et al. 2006"),
        "Tukey": trick(on_residuals, partial(losses.tukey_biweight, c=1.5), expected, "arXiv 1505.06606"),
        "bi-tempered": trick(on_targets, partial(losses.bi_tempered, t1=0.5, t2=2.0), expected, "arXiv 1906.03361"),
        "GCE": trick(on_targets, partial(losses.generalized_cross_entropy, q=0.7), expected, "arXiv 1805.07836"),
    }
