"""Conditions under which tricks are measured, for ``Setting.change``: another batch, wrong labels."""

from dataclasses import replace
from functools import partial

from jaxtricks import augment, optim
from jaxtricks.train import Recipe

__all__ = ["batch_of", "mislabelled", "wrong_labels"]


def batch_of(recipe: Recipe, *, batch: int) -> Recipe:
    """Another batch size, with a learning rate that follows it; what the steps of other tricks count changes with it.

    Args:
      recipe: any.
      batch: images in a step, >= 1.

    Returns:
      The recipe, at a rate in proportion to the batch.
    """
    return replace(recipe, batch=batch, lr=optim.scaled_lr(recipe.lr, batch, per=recipe.batch))


def wrong_labels(recipe: Recipe, *, share: float) -> Recipe:
    """A share of the training images has a wrong label, the same one in every epoch: a test of robust losses.

    Args:
      recipe: of a task whose outputs are the classes.
      share: of the images, 0 to 1.

    Returns:
      The recipe, whose augmentation ends with the wrong labels.
    """
    first = {} if recipe.augment is None else {"augment": recipe.augment}
    noise = partial(mislabelled, share=share, classes=recipe.task.outputs)
    return replace(recipe, augment=augment.chain(**first, noise=noise))


def mislabelled(key, batch, *, share, classes):
    """Fixed label noise as a step of augmentation; it needs no key, because it must not change.

    Args:
      key: not used.
      batch: with ``label [B]`` and ``index [B]``.
      share: as for ``wrong_labels``.
      classes: of the task, 2 or more.

    Returns:
      The batch.
    """
    return augment.fixed_label_noise(batch, share=share, classes=classes)
