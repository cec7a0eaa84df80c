"""Published recipes, each stated relative to the paper's baseline: 120 epochs in batches of 256 at a rate of 0.1.

With ``--preset paper`` a recipe is as it was published; a shorter preset shortens all of them alike, and scales their
batches and rates by the same factors.
"""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import optax

from jaxtricks import augment, data, losses, optim
from jaxtricks.keys import named
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import composing

__all__ = ["Card"]

HEAVY_BALL = partial(optax.sgd, momentum=0.9)


@dataclass(frozen=True)
class Card:
    """What is known of a published recipe.

    Fields:
      change: ``Recipe -> Recipe`` that makes it from the baseline.
      published: top-1 accuracy in percent on the data and network of the source, or None where it was not read.
      on: these data and this network.
      source: where the number, and the recipe, was read.
      without: what of the recipe is left out here, or was not read.
    """

    change: object
    published: float | None
    on: str
    source: str
    without: str = ""


def sized(recipe: Recipe, *, epochs: float, batch: int, lr: float, views: int = 1) -> Recipe:
    """So many epochs, images a step and rate, where the baseline has 120, 256 and 0.1.

    With several views of each image a batch holds fewer images, eight or a multiple of it, and an epoch counts views.
    """
    images = recipe.batch * batch / 256 / views
    return replace(
        recipe,
        epochs=recipe.epochs * epochs / 120 / views,
        batch=round(images) if views == 1 else 8 * max(1, round(images / 8)),
        lr=recipe.lr * lr / 0.1,
    )


def plain_views(recipe: Recipe, given: data.Dataset, dataset: data.Dataset) -> Recipe:
    """The baseline with crop and flip only; of images of varying size the crop is the feed's."""
    if dataset.train.resident:
        return recipe
    return replace(recipe, augment=augment.chain(flip=augment.each(augment.random_flip)))


def efficient(recipe: Recipe) -> Recipe:
    """The paper's large batch, warm-up, zero gamma, no bias decay and low precision."""
    for change in (t.large_batch, t.warm_up, t.zero_gamma, t.no_bias_decay, t.low_precision):
        recipe = change(recipe)
    return recipe


def refined(recipe: Recipe) -> Recipe:
    """The efficient baseline on ResNet-D with cosine decay, smoothing, distillation and mixup, for 200 epochs."""
    recipe = t.tweak(efficient(recipe), b=True, c=True, d=True)
    longer = replace(recipe, epochs=recipe.epochs * 200 / 120)  # the warm-up stays as long as it was: 5 epochs
    return t.distillation(t.mixup(t.smoothing(t.cosine(longer))))


def torchvision_v1(recipe: Recipe) -> Recipe:
    """90 epochs of momentum without Nesterov's look ahead, a tenth of the rate every 30."""
    recipe = sized(recipe, epochs=90, batch=256, lr=0.1)
    recipe = composing.exchange(t.tweak(recipe, b=True), core=HEAVY_BALL, weight=1e-4)
    return replace(recipe, schedule=partial(optim.step_decay, fractions=(1 / 3, 2 / 3)))


def torchvision_v2(recipe: Recipe) -> Recipe:
    """600 epochs with TrivialAugment, erasing, smoothing, mixup or CutMix, EMA, four views of each image."""
    recipe = sized(recipe, epochs=600, batch=1024, lr=0.5, views=4)
    images, passes = 4 * recipe.batch, 4 * recipe.epochs
    recipe = composing.exchange(recipe, core=HEAVY_BALL, weight=2e-5, mask=not_of_normalisation)
    return replace(
        t.smoothing(t.tweak(recipe, b=True)),
        schedule=optim.cosine,
        warmup=partial(optim.with_warmup, epochs=recipe.epochs * 5 / 600),
        augment=views(recipe.augment, 4, policy=drawn_for_each(augment.trivial_augment), erase=erasing(0.1)),
        mix=partial(mix_or_cut, mixup=0.2, cutmix=1.0),
        ema=1 - 2e-5 * images / passes,
    )


def strikes_back(recipe: Recipe, *, epochs: float, lr: float, decay: float, mixup: float, level: int, repeats: int):
    """LAMB on binary cross-entropy: every class of a mixture is fully there."""
    recipe = sized(recipe, epochs=epochs, batch=2048, lr=lr, views=repeats)
    policy = drawn_for_each(partial(augment.rand_augment, count=2, strength=level / 10))
    recipe = composing.exchange(recipe, core=optax.lamb, decay=composing.own, weight=decay, mask=optim.decay_mask)
    return replace(
        t.tweak(recipe, b=True),
        loss=all_or_nothing,
        schedule=optim.cosine,
        warmup=partial(optim.with_warmup, epochs=recipe.epochs * 5 / epochs),
        augment=views(recipe.augment, repeats, policy=policy),
        mix=partial(mix_or_cut, mixup=mixup, cutmix=1.0),
    )


def airbench(recipe: Recipe) -> Recipe:
    """Ten epochs: Nesterov, a lopsided triangle, smoothing of 0.2, every other epoch mirrored, shifts by 2 pixels."""
    recipe = sized(recipe, epochs=9.9, batch=1024, lr=11.5 / (1 + 1 / (1 - 0.85)))
    crop = augment.each(partial(augment.random_pad_crop, padding=2, mode="reflect"))
    core = partial(faster_biases, momentum=0.85, times=64)
    recipe = composing.exchange(recipe, core=core, decay=composing.own, weight=0.0153 / 11.5)
    return replace(
        t.smoothing(recipe, alpha=0.2),
        schedule=partial(lopsided, start=0.2, peak_at=0.23, end=0.07),
        augment=augment.chain(crop=crop, flip=alternating),
    )


def not_of_normalisation(params):
    """Everything decays but what batch normalisation learns."""
    return jax.tree.map(lambda normalises: not normalises, optim.path_mask(params, r"bn/(scale|bias)$"))


def drawn_for_each(policy):
    """A policy that draws for each image; one of a single channel is taken as grey."""
    return augment.each(partial(on_three_channels, policy=policy))


def on_three_channels(key, image, *, policy):
    """The first channels of what the policy makes of a colour image."""
    channels = image.shape[-1]
    return policy(key, image if channels == 3 else jnp.repeat(image, 3, axis=-1))[..., :channels]


def erasing(probability: float):
    """Random erasing to black."""
    return augment.each(partial(augment.random_erasing, probability=probability, fill=0.0))


def views(first, times: int, **stages):
    """Several views of each image; shuffled, so that what mixes neighbours does not mix an image with itself."""
    begin = {} if times == 1 else {"repeat": augment.keyless(partial(augment.repeat_batch, times=times))}
    end = {} if times == 1 else {"shuffle": shuffle}
    return augment.chain(**begin, **({} if first is None else {"first": first}), **stages, **end)


def shuffle(key, batch):
    """The rows of a batch in another order."""
    order = jax.random.permutation(key, batch["image"].shape[0])
    return {name: value[order] for name, value in batch.items()}


def mix_or_cut(key, batch, *, mixup: float, cutmix: float):
    """Mixup or CutMix, either for half of the batches."""
    return jax.lax.cond(
        jax.random.bernoulli(named(key, "coin")),
        lambda b: augment.mixup(named(key, "mixup"), b, alpha=mixup),
        lambda b: augment.cutmix(named(key, "cutmix"), b, alpha=cutmix),
        batch,
    )


def alternating(key, batch):
    """Every other epoch mirrored; which ones of the images begin is drawn once."""
    return {**batch, "image": jax.vmap(augment.alternating_flip)(batch["image"], batch["index"], batch["epoch"])}


def all_or_nothing(params, out, batch):
    """Binary cross-entropy, a mean over the classes, to targets that are 1 for what has a share above a fifth."""
    return optax.sigmoid_binary_cross_entropy(out[0], losses.bce_targets(batch["target"], threshold=0.2)).mean(-1)


def lopsided(peak: float, *, steps: int, steps_per_epoch: int, start: float, peak_at: float, end: float):
    """A straight line up from a share of the peak, and one down to another."""
    top = max(1, int(peak_at * steps))
    up, down = optax.linear_schedule(start * peak, peak, top), optax.linear_schedule(peak, end * peak, steps - top)
    return optax.join_schedules([up, down], [top])


def faster_biases(schedule, *, momentum: float, weight_decay: float, times: float):
    """SGD by Nesterov; the biases of normalisation take larger steps, and decay as much as all else."""

    def sgd(rate, weight_decay):
        return optim.coupled_sgd(rate, momentum=momentum, weight_decay=weight_decay)

    fast = sgd(lambda step: times * schedule(step), weight_decay / times)
    return optim.by_path({r"bn/bias$": fast, "": sgd(schedule, weight_decay)})
