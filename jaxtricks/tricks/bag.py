"""The tricks that experiments are made of: each a pure function of a recipe."""

from dataclasses import replace
from functools import partial

import numpy as np
import optax

from jaxtricks import augment, data, init, layers, losses, models, optim, preprocess, train
from jaxtricks.train import Recipe
from jaxtricks.tricks import composing
from jaxtricks.tricks.trick import Trick


def cross_entropy(params, out, batch):
    """Softmax cross-entropy to the batch's soft targets."""
    return optax.softmax_cross_entropy(out[0], batch["target"])


def augmentation(dataset: data.Dataset):
    """The usual one for a set of images: the paper's where images vary in size, crop and flip for small ones.

    Digits are not flipped. The random resized crop of images of varying size is the feed's, as it decodes. Brightness
    and saturation are scaled by 0.6 to 1.4, as in the paper; hue, which the paper scales too, is left as it is.
    """
    flip = {"flip": augment.each(augment.random_flip)}
    if not dataset.train.resident:
        rows = np.arange(0, len(dataset.train), max(1, len(dataset.train) // 512))
        images = data.readable(dataset.train, rows)
        jitter = partial(augment.color_jitter, brightness=0.4, contrast=0.0, saturation=0.4, hue=0.0)
        noise = partial(augment.pca_noise, pca=augment.fit_color_pca(images), std=0.1)
        return augment.chain(**flip, jitter=augment.each(jitter), pca=augment.each(noise))
    padding = 4 if dataset.shape[0] >= 32 else 1  # for a short run on Fashion-MNIST, 3 was worse on held-out images
    crop = augment.each(partial(augment.random_pad_crop, padding=padding))
    return augment.chain(crop=crop, **({} if dataset.name == "digits" else flip))


def large_batch(recipe: Recipe, *, times: int = 4) -> Recipe:
    """A larger batch and a learning rate that grows with it.

    Args:
      recipe: any, with the parts that are changed.
      times: as many images in a step, and the rate in proportion, >= 1.

    Returns:
      A new recipe.
    """
    batch = recipe.batch * times
    return replace(recipe, batch=batch, lr=optim.scaled_lr(recipe.lr, batch, per=recipe.batch))


def warm_up(recipe: Recipe, *, share: float = 5 / 120) -> Recipe:
    """The learning rate rises from 0 over the first part of the run: the paper's 5 of 120 epochs.

    Args:
      recipe: any, with the parts that are changed.
      share: of the run, greater than 0 and less than 1.

    Returns:
      A new recipe.
    """
    return replace(recipe, warmup=partial(optim.with_warmup, epochs=share * recipe.epochs))


def zero_gamma(recipe: Recipe) -> Recipe:
    """Every residual block starts as the identity.

    Args:
      recipe: any, with the parts that are changed.

    Returns:
      A new recipe.
    """
    return replace(recipe, init=init.zero_gamma)


def no_bias_decay(recipe: Recipe) -> Recipe:
    """Weight decay on kernels only.

    Args:
      recipe: any, with the parts that are changed.

    Returns:
      A new recipe.
    """
    return composing.masked(recipe, mask=optim.decay_mask)


def low_precision(recipe: Recipe) -> Recipe:
    """Convolutions and matrix products in bfloat16.

    Args:
      recipe: any, with the parts that are changed.

    Returns:
      A new recipe.
    """
    return replace(recipe, precision=train.BFLOAT16)


def tweak(recipe: Recipe, **switches: bool) -> Recipe:
    """One or more of the ResNet's switches b, c and d.

    Args:
      recipe: any, with the parts that are changed.
      **switches: names of the switches (b, c, d) with a boolean each.

    Returns:
      A new recipe.
    """
    return replace(recipe, model=partial(recipe.model, **switches))


def cosine(recipe: Recipe) -> Recipe:
    """Cosine decay of the learning rate.

    Args:
      recipe: any, with the parts that are changed.

    Returns:
      A new recipe.
    """
    return replace(recipe, schedule=optim.cosine)


def smoothing(recipe: Recipe, *, alpha: float = 0.1) -> Recipe:
    """Label smoothing.

    Args:
      recipe: any, with the parts that are changed.
      alpha: share of the target that is spread over all classes, 0 to 1.

    Returns:
      A new recipe.
    """
    return replace(recipe, targets=partial(optax.smooth_labels, alpha=alpha))


def mixup(recipe: Recipe, *, alpha: float = 0.2) -> Recipe:
    """Mixup of images and targets.

    Args:
      recipe: any, with the parts that are changed.
      alpha: parameter of the Beta distribution of the mixing weight, > 0.

    Returns:
      A new recipe.
    """
    return replace(recipe, mix=partial(augment.mixup, alpha=alpha))


def distilled(params, out, batch, *, loss, temperature):
    """The loss, and the teacher's softened output beside it."""
    return loss(params, out, batch) + losses.distillation(out[0], batch["teacher"], temperature=temperature)


TEACHERS = {models.LAYOUTS[small]: models.LAYOUTS[large] for small, large in (("resnet50", "resnet152"),)}


def distillation(recipe: Recipe, *, temperature: float = 20.0) -> Recipe:
    """A larger network of the same family, trained by the same recipe, teaches: the paper's, or one twice as wide.

    Args:
      recipe: any, with the parts that are changed.
      temperature: of both softmaxes, > 0.

    Returns:
      A new recipe.
    """
    layout = recipe.model.args[0]
    larger = TEACHERS.get(layout, layout._replace(widths=tuple(2 * width for width in layout.widths)))
    teacher = replace(recipe, model=partial(models.resnet, larger, **recipe.model.keywords))
    return replace(recipe, loss=partial(distilled, loss=recipe.loss, temperature=temperature), teacher=teacher)


def standard(*, task, augmented, model, lr, batch, epochs, weight_decay=1e-4) -> Recipe:
    """The paper's baseline: Xavier, Nesterov, decay on everything, and a rate that falls tenfold three times.

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
        model=partial(model, kernel_init=init.xavier_normal()),
        loss=cross_entropy,
        optimizer=composing.Optimizer(partial(optax.sgd, momentum=0.9, nesterov=True), weight=weight_decay),
        schedule=optim.step_decay,
        lr=lr,
        batch=batch,
        epochs=epochs,
        preprocess=(preprocess.standardize_fit, preprocess.standardize),
        augment=augmented,
    )


def part(recipe: Recipe, **parts) -> Recipe:
    """Another part of the model: its activation, normalisation, pooling, initialisation.

    Args:
      recipe: any, with the parts that are changed.
      **parts: arguments of the network, by name.

    Returns:
      A new recipe.
    """
    return replace(recipe, model=partial(recipe.model, **parts))


def swap(expected=None, paper=None, **parts) -> Trick:
    """A trick that is another part of the model.

    Args:
      expected: sign of the paper's effect: +1, -1, 0, or None.
      paper: what the paper reports, and where, or None.
      **parts: arguments of the network, by name.

    Returns:
      The trick.
    """
    return Trick(partial(part, **parts), expected, paper)


def response_norm(features, *, axis_name, rngs):
    """Local response normalisation as a network's normalisation; it has no parameters."""
    return lambda x, *, train: layers.local_response_norm(x)


def global_max(x):
    """The maximum over all positions."""
    return x.max((1, 2))


def batch_of(recipe: Recipe, *, batch: int) -> Recipe:
    """Another batch size, with a learning rate that follows it."""
    return replace(recipe, batch=batch, lr=optim.scaled_lr(recipe.lr, batch, per=recipe.batch))


def wrong_labels(recipe: Recipe, *, share: float, classes: int = 10) -> Recipe:
    """A share of the training images has a wrong label, the same one in every epoch."""
    first = {} if recipe.augment is None else {"augment": recipe.augment}
    return replace(recipe, augment=augment.chain(**first, noise=partial(mislabelled, share=share, classes=classes)))


def mislabelled(key, batch, *, share, classes):
    """Fixed label noise as a stage of augmentation; it needs no key, because it must not change."""
    return augment.fixed_label_noise(batch, share=share, classes=classes)


def modern(**given) -> Recipe:
    """The baseline of the experiments on one family each: as ``standard``, with warm-up and cosine decay.

    Args:
      **given: arguments of ``standard``.

    Returns:
      The recipe.
    """
    return cosine(warm_up(standard(**given)))


def bare(**given) -> Recipe:
    """A baseline without augmentation, which can learn its training images by heart, wrong labels included.

    Args:
      **given: arguments of ``standard``.

    Returns:
      The recipe.
    """
    return replace(modern(**given), augment=None)
