"""The tricks of the CIFAR-10 speed records on ``models.airbench``, each one a change of the recipe without it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import augment, data, init, optim
from jaxtricks.fingerprint import describe
from jaxtricks.models import Model
from jaxtricks.models._airbench import LECUN_UNIFORM, NORM
from jaxtricks.optim._wrappers import LookaheadState
from jaxtricks.train import Recipe
from jaxtricks.tricks import averages, bag, composing, published
from jaxtricks.tricks._columns import in_memory
from jaxtricks.tricks.parts import part

__all__ = [
    "alternating_flips",
    "baseline",
    "begin",
    "fast_biases",
    "identity_starts",
    "lookahead",
    "six_views",
    "two_views",
    "whitened",
]

IMAGES = 5000  # that the whitening is fitted to, as in the record
EPS = 5e-4
EVERY, SHARE = 5, 0.95**5  # steps between two of lookahead's, and what is left of the slow weights at the end
SLOW = partial(NORM, momentum=0.9)  # running statistics below lookahead's rung; NORM's 0.6 helps only together with it
TO_ZERO = partial(published.lopsided, start=0.2, peak_at=0.2, end=0.0)  # of these rungs too
TO_A_REST = partial(published.lopsided, start=0.2, peak_at=0.23, end=0.07)


def baseline(**arguments: Any) -> Recipe:
    """The record's recipe without its tricks: Nesterov, a lopsided triangle, smoothing, shifts, mirror images.

    As in its published ladder the rate falls to 0, and running statistics have a momentum of 0.9, up to lookahead.

    Args:
      **arguments: of ``bag.standard``; the peak rate is 1.5 at batch 1,024 in the record. A ``norm`` of a model stays.

    Returns:
      The recipe.
    """
    core = partial(optax.sgd, momentum=0.85, nesterov=True)
    recipe = bag.standard(**arguments)
    recipe = replace(recipe, optimizer=replace(composing.of(recipe), core=core, weight=0.0153 / 11.5))
    recipe = bag.smoothing(recipe, alpha=0.2, smooth=optax.smooth_labels)
    norm = getattr(recipe.model, "keywords", {}).get("norm", SLOW)
    return replace(
        part(recipe, kernel_init=LECUN_UNIFORM, frozen=False, identity=False, norm=norm),
        schedule=TO_ZERO,
        augment=_augmented(augment.each(augment.random_flip)),
    )


def _augmented(flip: Callable) -> Callable:
    return augment.chain(crop=augment.each(partial(augment.random_pad_crop, padding=2, mode="reflect")), flip=flip)


def begin(recipe: Recipe, complete: data.Dataset, dataset: data.Dataset) -> Recipe:
    """What the tricks need of the data: a kernel that whitens its patches, and how many images an epoch has.

    Args:
      recipe: of ``baseline``.
      complete: not used; what an experiment's ``begin`` is called with.
      dataset: what is trained on, in memory.

    Returns:
      The recipe, which says two views of an image at test time.
    """
    images = in_memory(dataset.train, "image")
    stats = recipe.preprocess[0](images)
    ready = jax.vmap(partial(recipe.preprocess[1], stats))(images[:IMAGES] / np.float32(255))
    kernel = np.asarray(init.patch_whitening(ready, window=2, eps=EPS))
    return two_views(replace(recipe, model=partial(known, recipe.model, patches=kernel, images=len(dataset.train))))


def known(build: Callable, *, patches: np.ndarray, images: int, views: tuple = (), **arguments: Any) -> Model:
    """A network together with what tricks need of the data, seen at test time in several views.

    Args:
      build: the network, with all arguments but ``arguments``.
      patches: the whitening kernel, for ``whitened``.
      images: of an epoch, for ``lookahead``.
      views: ``(weight, image batch -> image batch)`` of each; the image itself if there are none.
      **arguments: of the network.

    Returns:
      The model, whose output in evaluation is the weighted mean of those of the views.
    """
    model = build(**arguments)
    if not views:
        return model
    weights = np.array([weight for weight, _ in views], np.float32)

    def apply(params, stats, image, *, train, key=None):
        if train:
            return model.apply(params, stats, image, train=True, key=key)
        seen = jnp.concatenate([view(image) for _, view in views])
        out, stats = model.apply(params, stats, seen, train=False)

        def mean(leaf):
            parts = leaf.reshape(len(views), -1, *leaf.shape[1:])
            return jnp.tensordot(weights.astype(leaf.dtype), parts, axes=1)

        return jax.tree.map(mean, out), stats

    return Model(model.init, apply)


def itself(image):
    """An image."""
    return image


def mirrored(image, *, of: Callable = itself):
    """A mirror image of a view."""
    return of(image)[..., ::-1, :]


def moved(image, *, by: int):
    """A batch moved by so many pixels down and to the right, its border reflected."""
    size, edge = image.shape[1:3], abs(by)
    padded = jnp.pad(image, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="reflect")
    return padded[:, edge - by : edge - by + size[0], edge - by : edge - by + size[1]]


MIRRORED = ((0.5, itself), (0.5, mirrored))
DOWN, UP = partial(moved, by=1), partial(moved, by=-1)
SIX = (
    (0.25, itself),
    (0.25, mirrored),
    *((0.125, view) for shift in (DOWN, UP) for view in (shift, partial(mirrored, of=shift))),
)


def two_views(recipe: Recipe) -> Recipe:
    """An image and its mirror image at test time, as in the record's baseline.

    Args:
      recipe: of ``begin``.

    Returns:
      The recipe.
    """
    return part(recipe, views=MIRRORED)


def six_views(recipe: Recipe) -> Recipe:
    """Three places of an image, a pixel apart, and their mirror images at test time.

    Args:
      recipe: of ``begin``.

    Returns:
      The recipe.
    """
    return part(recipe, views=SIX)


def whitened(recipe: Recipe) -> Recipe:
    """The first layer whitens the patches of the training images, and is frozen: no step, no decay.

    Args:
      recipe: of ``begin``, without another ``init``.

    Returns:
      The recipe.

    Raises:
      ValueError: if the recipe has an ``init``, which this would drop.
    """
    if recipe.init is not None:
        raise ValueError("recipe.init is set; allowed: None, for whitened sets it.")
    kernel = recipe.model.keywords["patches"]
    recipe = replace(part(recipe, frozen=True), init=partial(_with_kernel, kernel=kernel))
    return composing.around(recipe, _without_whitening)


def _with_kernel(params, *, kernel):
    whiten = params["whiten"]
    return {**params, "whiten": {**whiten, "kernel": jnp.asarray(kernel, whiten["kernel"].dtype)}}


def _without_whitening(tx):
    return optim.freeze(tx, "whiten/kernel")


def identity_starts(recipe: Recipe) -> Recipe:
    """The other convolutions start as the identity, as far as they have filters for it.

    Args:
      recipe: of ``models.airbench``.

    Returns:
      The recipe.
    """
    return part(recipe, identity=True)


def fast_biases(recipe: Recipe, *, times: float = 64.0) -> Recipe:
    """The biases of normalisation take larger steps, and decay as much as all else.

    Args:
      recipe: of ``baseline``, with its optimiser.
      times: of the rate, > 0.

    Returns:
      The recipe.
    """
    core = partial(published.faster_biases, momentum=0.85, times=times)
    return composing.exchange(recipe, core=core, decay=composing.own)


def lookahead(recipe: Recipe) -> Recipe:
    """Every five steps back towards slow weights, at the end nearly all of the way; the slow ones are evaluated.

    With it come, as in the published ladder, which says that neither helps without the other, running statistics of
    momentum 0.6, and a rate that peaks a little later and ends at 0.07 of its peak. A normalisation or schedule that is
    not the baseline's stays. The record averages the running statistics of normalisation with the weights; here they
    are those of the slow weights, where the network has any.

    Args:
      recipe: of ``begin``; its batch and epochs are read now.

    Returns:
      The recipe.

    Raises:
      ValueError: if other weights are evaluated already, or ``recalibrate`` is another function.
    """
    if composing.of(recipe).evaluate is not None:
        raise ValueError("recipe.optimizer.evaluate is set; allowed: None, for lookahead sets it.")
    if recipe.ema is not None:
        raise ValueError(f"recipe.ema is {recipe.ema!r}; allowed: None, for the slow weights are evaluated.")
    steps = max(1, round(recipe.epochs * (recipe.model.keywords["images"] // recipe.batch)))
    if describe(_norm_of(recipe.model)) == describe(SLOW):
        recipe = part(recipe, norm=NORM)
    if describe(recipe.schedule) == describe(TO_ZERO):
        recipe = replace(recipe, schedule=TO_A_REST)
    recipe = composing.around(recipe, partial(_looking_ahead, steps=steps))
    recipe = replace(recipe, optimizer=replace(composing.of(recipe), evaluate=_slow_weights))
    return averages.recalibrated(recipe) if _norm_of(recipe.model) is not None else recipe


def _norm_of(build: Callable) -> Callable | None:
    """The normalisation of a network, None for none: the outermost ``norm`` counts, and airbench has one by itself."""
    while isinstance(build, partial):
        if "norm" in build.keywords:
            return build.keywords["norm"]
        build = build.args[0] if build.args else build.func
    return NORM


def _looking_ahead(tx, *, steps):
    share = lambda step: 1 - SHARE * (jnp.minimum(step, steps) / steps) ** 3  # noqa: E731
    return optim.lookahead(tx, sync_period=EVERY, slow_step_size=share)


def _slow_weights(state, params):
    """Those of lookahead, wherever in a state they are; a leaf that a mask hides from it is evaluated as it is."""
    is_lookahead = lambda node: isinstance(node, LookaheadState)  # noqa: E731
    hidden = lambda node: isinstance(node, optax.MaskedNode)  # noqa: E731
    for part_of_state in filter(is_lookahead, jax.tree.leaves(state, is_leaf=is_lookahead)):
        params = jax.tree.map(lambda slow, p: p if hidden(slow) else slow, part_of_state.slow, params, is_leaf=hidden)
    return params


def alternating_flips(recipe: Recipe) -> Recipe:
    """Every other epoch mirrored, in the place of a coin for each image.

    Args:
      recipe: of ``baseline``, with its augmentation.

    Returns:
      The recipe.

    Raises:
      ValueError: if it has another augmentation, which this would drop.
    """
    if describe(recipe.augment) != describe(_augmented(augment.each(augment.random_flip))):
        raise ValueError(f"recipe.augment is {recipe.augment!r}; allowed: that of baseline, whose flip is exchanged.")
    return replace(recipe, augment=_augmented(published.alternating))
