"""What published recipes do and no family of tricks has: views of an image, masks, losses and schedules of their own.

``jaxtricks.recipes`` puts them together.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks import augment, losses, optim
from jaxtricks.keys import named
from jaxtricks.tricks import objectives

__all__ = [
    "all_or_nothing",
    "alternating",
    "drawn_for_each",
    "erasing",
    "faster_biases",
    "lopsided",
    "many_sizes",
    "mix_or_cut",
    "not_of_normalisation",
    "on_annealed_angles",
    "on_three_channels",
    "shuffle",
    "views",
]


def not_of_normalisation(params):
    """Everything decays but what batch normalisation learns.

    Args:
      params: a tree.

    Returns:
      Booleans, true where a leaf decays.
    """
    return jax.tree.map(lambda normalises: not normalises, optim.path_mask(params, r"bn/(scale|bias)$"))


def drawn_for_each(policy: Callable):
    """A policy that draws for each image; one of a single channel is taken as grey.

    Args:
      policy: ``(key, image [H, W, 3]) -> image``.

    Returns:
      ``(key, batch) -> batch``.
    """
    return augment.each(partial(on_three_channels, policy=policy))


def on_three_channels(key, image, *, policy: Callable):
    """The first channels of what the policy makes of a colour image.

    Args:
      key: one key.
      image: ``[H, W, C]``, C 1 or 3.
      policy: ``(key, image [H, W, 3]) -> image``.

    Returns:
      ``[H, W, C]``.
    """
    channels = image.shape[-1]
    return policy(key, image if channels == 3 else jnp.repeat(image, 3, axis=-1))[..., :channels]


def erasing(probability: float):
    """Random erasing to black.

    Args:
      probability: that an image is erased, 0 to 1.

    Returns:
      ``(key, batch) -> batch``.
    """
    return augment.each(partial(augment.random_erasing, probability=probability, fill=0.0))


def views(first: Callable | None, times: int, **steps: Callable):
    """Several views of each image; shuffled, so that what mixes neighbours does not mix an image with itself.

    Args:
      first: the augmentation that comes before, or None.
      times: views of each image, >= 1.
      **steps: ``(key, batch) -> batch`` by name, after the first.

    Returns:
      ``(key, batch) -> batch``, of ``times`` as many rows.
    """
    begin = {} if times == 1 else {"repeat": augment.keyless(partial(augment.repeat_batch, times=times))}
    end = {} if times == 1 else {"shuffle": shuffle}
    return augment.chain(**begin, **({} if first is None else {"first": first}), **steps, **end)


def shuffle(key, batch):
    """The rows of a batch in another order.

    Args:
      key: one key.
      batch: arrays ``[B, ...]`` by name.

    Returns:
      The batch.
    """
    order = jax.random.permutation(key, batch["image"].shape[0])
    return {name: value[order] for name, value in batch.items()}


def mix_or_cut(key, batch, *, mixup: float, cutmix: float):
    """Mixup or CutMix, either for half of the batches.

    Args:
      key: one key.
      batch: with ``image`` and ``target``.
      mixup, cutmix: alpha of either, > 0.

    Returns:
      The batch.
    """
    return jax.lax.cond(
        jax.random.bernoulli(named(key, "coin")),
        lambda b: augment.mixup(named(key, "mixup"), b, alpha=mixup),
        lambda b: augment.cutmix(named(key, "cutmix"), b, alpha=cutmix),
        batch,
    )


def alternating(key, batch):
    """Every other epoch mirrored; which ones of the images begin is drawn once.

    Args:
      key: not used.
      batch: with ``image``, ``index`` and ``epoch``.

    Returns:
      The batch.
    """
    return {**batch, "image": jax.vmap(augment.alternating_flip)(batch["image"], batch["index"], batch["epoch"])}


def all_or_nothing(params, out, batch):
    """Binary cross-entropy, a mean over the classes, to targets that are 1 for what has a share above a fifth.

    Args:
      params: not used.
      out: ``(logits [B, C], taps)``.
      batch: with ``target [B, C]``.

    Returns:
      Float ``[B]``.
    """
    return optax.sigmoid_binary_cross_entropy(out[0], losses.bce_targets(batch["target"], threshold=0.2)).mean(-1)


def lopsided(peak: float, *, steps: int, steps_per_epoch: int, start: float, peak_at: float, end: float):
    """A straight line up from a share of the peak, and one down to another; a schedule as those of ``optim``.

    Args:
      peak: highest rate, > 0.
      steps: of the run, >= 2.
      steps_per_epoch: not used.
      start, end: shares of the peak, 0 to 1.
      peak_at: share of the run, in (0, 1).

    Returns:
      ``step -> rate``.
    """
    top = max(1, int(peak_at * steps))
    up, down = optax.linear_schedule(start * peak, peak, top), optax.linear_schedule(peak, end * peak, steps - top)
    return optax.join_schedules([up, down], [top])


def faster_biases(schedule, *, momentum: float, weight_decay: float, times: float):
    """SGD by Nesterov; the biases of normalisation take larger steps, and decay as much as all else.

    Args:
      schedule: ``step -> rate``.
      momentum: 0 to less than 1.
      weight_decay: of all parameters, 0 or more.
      times: the rate of these biases in that of the rest, > 0.

    Returns:
      The transformation.
    """

    def sgd(rate, weight_decay):
        return optim.coupled_sgd(rate, momentum=momentum, weight_decay=weight_decay)

    fast = sgd(lambda step: times * schedule(step), weight_decay / times)
    return optim.by_path({r"bn/bias$": fast, "": sgd(schedule, weight_decay)})


def many_sizes(build: Callable, options: Mapping[str, Any], **arguments: Any):
    """A network trained at several sizes of the images, one drawn in each step; for ``regularizers.wrapped``.

    Args:
      build: ``(**arguments) -> Model``, which takes images of any size.
      options: ``shares`` of the side. One program holds all sizes, so that a size costs a compilation.
      **arguments: ``classes=`` and the others that a recipe's model is called with.

    Returns:
      The Model, without taps in training; an evaluation sees images as they are.
    """
    model, shares = build(**arguments), options["shares"]

    def apply(params, stats, image, *, train, key=None):
        if not train:
            return model.apply(params, stats, image, train=False)
        assert key is not None, "a model that draws is trained with a key"

        def at(share, image):
            height, width = (max(1, round(share * side)) for side in image.shape[1:3])
            resized = augment.multi_scale({"image": image}, size=(height, width))["image"]
            (logits, _), after = model.apply(params, stats, resized, train=True, key=key)
            return logits, after

        number = jax.random.randint(named(key[0], "size"), (), 0, len(shares))
        logits, after = jax.lax.switch(number, [partial(at, share) for share in shares], image)
        return (logits, {}), after

    return model._replace(apply=apply)


def on_annealed_angles(params, out, batch, *, margin: int, first: float, last: float, half: float):
    """Cross-entropy of L-Softmax whose blend with the plain logits falls from epoch to epoch.

    Args:
      params, out: as for ``objectives.on_angles``.
      batch: with ``label [B]`` and ``epoch [B]``.
      margin: as for ``losses.large_margin_logits``.
      first, last: the blend in the first epoch, and the smallest, 0 or more.
      half: epochs in which it halves, > 0.

    Returns:
      Float ``[B]``.
    """
    blend = jnp.maximum(last, first * 0.5 ** (batch["epoch"][0] / half))
    return objectives.on_angles(
        params, out, batch, logits=partial(losses.large_margin_logits, margin=margin, blend=blend)
    )
