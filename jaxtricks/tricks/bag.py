"""The tricks of "Bag of Tricks for Image Classification" (arXiv 1812.01187), and the baselines of experiments.

A trick takes a recipe and returns another one, which differs in the parts that it names; the first stays as it is.
``parts`` and ``conditions`` are within reach here too, so that the table of an experiment needs one name.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import optax

from jaxtricks import augment, data, init, losses, optim, preprocess, train
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing
from jaxtricks.tricks._colors import scaled_colors
from jaxtricks.tricks._teachers import TEACHERS, larger
from jaxtricks.tricks.conditions import batch_of, mislabelled, wrong_labels
from jaxtricks.tricks.parts import global_max, part, response_norm, swap
from jaxtricks.tricks.schedules import from_first
from jaxtricks.tricks.trick import unset

__all__ = [
    "TEACHERS",
    "augmentation",
    "bare",
    "batch_of",
    "cosine",
    "cross_entropy",
    "distillation",
    "distilled",
    "global_max",
    "large_batch",
    "low_precision",
    "mislabelled",
    "mixup",
    "modern",
    "no_bias_decay",
    "part",
    "response_norm",
    "smoothing",
    "standard",
    "swap",
    "tweak",
    "warm_up",
    "wrong_labels",
    "zero_gamma",
]


def cross_entropy(params, out, batch):
    """Softmax cross-entropy to the batch's soft targets: the loss of the baselines.

    Args:
      params: not used.
      out: ``(logits [B, C], taps)``.
      batch: with ``target [B, C]``.

    Returns:
      Float ``[B]``.
    """
    return optax.softmax_cross_entropy(out[0], batch["target"])


def augmentation(dataset: data.Dataset):
    """The usual one for a set of images: the paper's where images vary in size, crop and flip for small ones.

    Digits are not flipped. The random resized crop of images of varying size is the feed's, as it decodes. Hue,
    saturation and brightness are scaled by 0.6 to 1.4, as in the paper.

    Args:
      dataset: images; of those of varying size about 512 are read, for the directions of their colours.

    Returns:
      ``(key, batch) -> batch``.
    """
    flip = {"flip": augment.each(augment.random_flip)}
    if not dataset.train.resident:
        rows = np.arange(0, len(dataset.train), max(1, len(dataset.train) // 512))
        images = data.readable(dataset.train, rows)
        jitter = partial(scaled_colors, limit=0.4)
        noise = partial(augment.pca_noise, pca=augment.fit_color_pca(images), std=0.1)
        return augment.chain(**flip, jitter=augment.each(jitter), pca=augment.each(noise))
    padding = 4 if dataset.shape[0] >= 32 else 1  # for a short run on Fashion-MNIST, 3 was worse on held-out images
    crop = augment.each(partial(augment.random_pad_crop, padding=padding))
    return augment.chain(crop=crop, **({} if dataset.name == "digits" else flip))


def large_batch(recipe: Recipe, *, times: int = 4) -> Recipe:
    """A larger batch and a learning rate that grows with it: fewer steps an epoch, so less time on wide hardware.

    Args:
      recipe: any; put it before ``warm_up``, since the rate becomes high.
      times: as many images in a step, and the rate in proportion, >= 1.

    Returns:
      The recipe, at ``times`` the rate.
    """
    batch = recipe.batch * times
    return replace(recipe, batch=batch, lr=optim.scaled_lr(recipe.lr, batch, per=recipe.batch))


def warm_up(recipe: Recipe, *, share: float = 5 / 120, from_zero: bool = True) -> Recipe:
    """The learning rate rises over the first part of the run: the paper's 5 of 120 epochs; for high rates.

    Args:
      recipe: any whose schedule takes ``begin``; how long the run is, is read now.
      share: of the run, greater than 0 and less than 1.
      from_zero: whether the first step has rate 0; the paper's has 1/m of the peak, as in ``schedules.from_first``.

    Returns:
      The recipe with a warm-up before its schedule.
    """
    how = optim.with_warmup if from_zero else from_first
    return replace(recipe, warmup=partial(how, epochs=share * recipe.epochs))


def zero_gamma(recipe: Recipe) -> Recipe:
    """Residual blocks start as the identity, which makes the start of a deep network easier.

    Args:
      recipe: of a residual network with normalisation.

    Returns:
      The recipe, whose blocks end with a scale of 0 at first.
    """
    return replace(recipe, init=init.zero_gamma)


def no_bias_decay(recipe: Recipe) -> Recipe:
    """Weight decay on kernels only, not on biases and normalisation; meant for large batches.

    Args:
      recipe: any whose optimiser decays and has no other mask.

    Returns:
      The recipe with the mask ``optim.decay_mask``.
    """
    return composing.masked(recipe, mask=optim.decay_mask)


def low_precision(recipe: Recipe) -> Recipe:
    """Convolutions and matrix products in bfloat16: faster where the hardware has it, and half the memory.

    Args:
      recipe: any; parameters, normalisation and loss stay float32.

    Returns:
      The recipe at ``train.BFLOAT16``.
    """
    return replace(recipe, precision=train.BFLOAT16)


def tweak(recipe: Recipe, **switches: bool) -> Recipe:
    """One or more of the ResNet's switches b, c and d, which keep more of the image where it is made smaller.

    Args:
      recipe: of a residual network.
      **switches: names of the switches (b, c, d) with a boolean each.

    Returns:
      The recipe with these switches.
    """
    return replace(recipe, model=partial(recipe.model, **switches))


def cosine(recipe: Recipe) -> Recipe:
    """Cosine decay of the learning rate to 0, in the place of steps: no boundaries to choose.

    Args:
      recipe: any; its schedule is dropped, a warm-up stays.

    Returns:
      The recipe with ``optim.cosine``.
    """
    return replace(recipe, schedule=optim.cosine)


def smoothing(recipe: Recipe, *, alpha: float = 0.1, smooth: Callable = losses.smooth_labels_exclusive) -> Recipe:
    """Label smoothing: targets below 1 keep logits from growing without end; helps long runs.

    Args:
      recipe: any whose loss reads soft targets, and which changes none yet.
      alpha: share of the target that the true class loses, 0 to 1.
      smooth: ``(targets, alpha=) -> targets``; the paper's gives the share to the other K - 1 classes,
        ``optax.smooth_labels`` to all of them.

    Returns:
      The recipe with ``smooth`` on its targets.

    Raises:
      ValueError: if it has ``targets``, which this would drop.
    """
    return replace(unset(recipe, "targets"), targets=partial(smooth, alpha=alpha))


def mixup(recipe: Recipe, *, alpha: float = 0.2) -> Recipe:
    """Mixup of images and targets: between two examples the prediction is to be linear; helps long runs.

    Args:
      recipe: any whose loss reads soft targets, without another mix.
      alpha: parameter of the Beta distribution of the mixing weight, > 0.

    Returns:
      The recipe with ``augment.mixup``.

    Raises:
      ValueError: if it has a mix, which this would drop.
    """
    return replace(unset(recipe, "mix"), mix=partial(augment.mixup, alpha=alpha))


def distilled(params, out, batch, *, loss, temperature):
    """A loss plus that of the distance to the teacher's softened output.

    Args:
      params, out: as for ``loss``.
      batch: with ``teacher [B, C]``, the teacher's logits.
      loss: the main loss.
      temperature: of both softmaxes, > 0.

    Returns:
      Float ``[B]``.
    """
    return loss(params, out, batch) + losses.distillation(out[0], batch["teacher"], temperature=temperature)


def distillation(recipe: Recipe, *, temperature: float = 20.0) -> Recipe:
    """A larger network of the same family, trained by the same recipe, teaches: the paper's, or one twice as wide.

    Args:
      recipe: of a network whose layout says how wide its layers are; of another one, give the recipe a ``teacher``
        yourself, and ``distilled`` as its loss.
      temperature: of both softmaxes, > 0.

    Returns:
      The recipe with a teacher, which ``train.fit`` trains first, and its softened output in the loss.

    Raises:
      ValueError: if no larger network of this kind is known.
    """
    teacher = replace(recipe, model=larger(recipe.model))
    return replace(recipe, loss=partial(distilled, loss=recipe.loss, temperature=temperature), teacher=teacher)


def standard(*, task, augmented, model, lr, batch, epochs, weight_decay=1e-4) -> Recipe:
    """The paper's baseline: uniform Xavier, Nesterov, decay on everything, and a rate that falls tenfold three times.

    Args:
      task: what is learnt, such as ``tasks.classification(10)``.
      augmented: ``(key, batch) -> batch``, or None.
      model: ``(classes=, channels=, dtype=, axis_name=, kernel_init=) -> Model``.
      lr: peak rate at this batch, > 0.
      batch: images in a step, >= 1.
      epochs: passes over the training set, > 0.
      weight_decay: of all parameters, 0 or more.

    Returns:
      The recipe.
    """
    return Recipe(
        task=task,
        model=partial(model, kernel_init=jax.nn.initializers.glorot_uniform()),
        loss=cross_entropy,
        optimizer=composing.Optimizer(partial(optax.sgd, momentum=0.9, nesterov=True), weight=weight_decay),
        schedule=optim.step_decay,
        lr=lr,
        batch=batch,
        epochs=epochs,
        preprocess=(preprocess.standardize_fit, preprocess.standardize),
        augment=augmented,
    )


def modern(**arguments) -> Recipe:
    """The baseline of the experiments on one family each: as ``standard``, with warm-up and cosine decay.

    Args:
      **arguments: of ``standard``.

    Returns:
      The recipe.
    """
    return cosine(warm_up(standard(**arguments)))


def bare(**arguments) -> Recipe:
    """A baseline without augmentation, which can learn its training images by heart, wrong labels included.

    Args:
      **arguments: of ``standard``.

    Returns:
      The recipe.
    """
    return replace(modern(**arguments), augment=None)
