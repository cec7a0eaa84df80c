"""Policies that draw operations from a table: RandAugment, TrivialAugment, AugMix, 3-Augment; repeated augmentation.

A policy is a function of one key and one image. ``each(policy)`` gives every image its own draw; all operations of the
table are then computed for every image and one is kept. ``each(policy, per="batch")`` draws once for the batch, and
``each(policy, loop=True)`` goes through the images one after another: only what is drawn is computed.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks, _noise, _pil_ops
from jaxtricks.augment._compose import Batch
from jaxtricks.augment._operations import MIX_OPS, RAND_OPS, WIDE_OPS, Ops, apply_op
from jaxtricks.preprocess._levels import floats, like


def rand_augment(
    key: jax.Array,
    image: jax.Array,
    *,
    count: int = 2,
    strength: float = 9 / 30,
    ops: Ops = RAND_OPS,
    fill: float = 0.0,
    method: str = "nearest",
) -> jax.Array:
    """Apply a number of operations, drawn from the table, one after another, all at one strength.

    Args:
      key: a typed key.
      image: ``[H, W, 3]`` or ``[H, W, 1]``, uint8 or floats in [0, 1]; saturation leaves grey as it is.
      count: operations, 1 or more.
      strength: 0 to 1; the paper's magnitude over 30.
      ops: the table, ``{name: Op}``.
      fill: value of what movements bring in from outside, in the units of the image: 0 to 255 for uint8.
      method: of the movements, ``"nearest"`` or ``"bilinear"``.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or option, or channels that an operation refuses.

    Reference:
      Cubuk et al., RandAugment: practical automated data augmentation with a reduced search space, arXiv 1909.13719.
    """
    count = check.at_least("count", count, minimum=1)
    check.between("strength", strength, 0.0, 1.0)
    _checks.photo("image", image)
    _checks.unit("image", image)

    def step(image, draw):
        choice, sign = _draw(draw, ops)
        return apply_op(image, choice, strength, sign, ops=ops, fill=fill, method=method), None

    return jax.lax.scan(step, jnp.asarray(image), jax.random.split(key, count))[0]


def trivial_augment(
    key: jax.Array, image: jax.Array, *, ops: Ops = WIDE_OPS, fill: float = 0.0, method: str = "nearest"
) -> jax.Array:
    """Apply one operation, drawn from the table, at a strength drawn from 0, 1/30, ... 1.

    Args:
      key: a typed key.
      image: ``[H, W, 3]`` or ``[H, W, 1]``, uint8 or floats in [0, 1]; saturation leaves grey as it is.
      ops: the table, ``{name: Op}``.
      fill: value of what movements bring in from outside, in the units of the image: 0 to 255 for uint8.
      method: of the movements, ``"nearest"`` or ``"bilinear"``.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or option, or channels that an operation refuses.

    Reference:
      Mueller and Hutter, TrivialAugment: tuning-free yet state-of-the-art data augmentation, arXiv 2103.10158.
    """
    _checks.photo("image", image)
    _checks.unit("image", image)
    strength_key, draw = jax.random.split(key)
    choice, sign = _draw(draw, ops)
    strength = jax.random.randint(strength_key, (), 0, 31) / 30
    return apply_op(image, choice, strength, sign, ops=ops, fill=fill, method=method)


def augmix(
    key: jax.Array,
    image: jax.Array,
    *,
    severity: float = 3.0,
    width: int = 3,
    depth: int = 3,
    alpha: float = 1.0,
    ops: Ops = MIX_OPS,
    fill: float = 0.0,
    method: str = "bilinear",
) -> jax.Array:
    r"""Mix the image with chains of operations of itself.

    .. math:: (1 - m) x + m \sum_i w_i \, chain_i(x), \quad w \sim Dirichlet(\alpha), \ m \sim Beta(\alpha, \alpha)

    Args:
      key: a typed key.
      image: ``[H, W, C]``, uint8 or floats in [0, 1].
      severity: 0.1 to 10; strengths are uniform from 0.01 to a tenth of it.
      width: chains, 1 or more.
      depth: greatest length of a chain, 1 or more; lengths are uniform from 1.
      alpha: of both distributions, greater than 0.
      ops: the table, ``{name: Op}``.
      fill: value of what movements bring in from outside, in the units of the image: 0 to 255 for uint8.
      method: of the movements, ``"nearest"`` or ``"bilinear"``.

    Returns:
      ``[H, W, C]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or option, or channels that an operation refuses.

    Reference:
      Hendrycks et al., AugMix: a simple data processing method to improve robustness and uncertainty,
      arXiv 1912.02781.
    """
    check.between("severity", severity, 0.1, 10.0)
    width = check.at_least("width", width, minimum=1)
    depth = check.at_least("depth", depth, minimum=1)
    check.positive("alpha", alpha)
    _checks.photo("image", image)
    _checks.unit("image", image)
    image = jnp.asarray(image)
    weight_key, share_key, chain_key = jax.random.split(key, 3)
    weights = jax.random.dirichlet(weight_key, jnp.full(width, alpha, jnp.float32), dtype=jnp.float32)
    share = jax.random.beta(share_key, alpha, alpha, dtype=jnp.float32)

    def chain(key):
        length_key, step_key = jax.random.split(key)
        length = jax.random.randint(length_key, (), 1, depth + 1)

        def step(out, position):
            i, key = position
            strength_key, draw = jax.random.split(key)
            choice, sign = _draw(draw, ops)
            strength = jax.random.uniform(strength_key, minval=0.01, maxval=severity / 10)
            change = partial(apply_op, choice=choice, strength=strength, sign=sign, ops=ops, fill=fill, method=method)
            return jax.lax.cond(i < length, change, lambda x: x, out), None

        return jax.lax.scan(step, image, (jnp.arange(depth), jax.random.split(step_key, depth)))[0]

    def add(mixture, weighted):  # one chain after another, so that apply_op may branch
        weight, key = weighted
        return mixture + weight * floats(chain(key)), None

    original = floats(image)
    mixture = jax.lax.scan(add, jnp.zeros_like(original), (weights, jax.random.split(chain_key, width)))[0]
    return like(jnp.clip((1 - share) * original + share * mixture, 0, 1), image.dtype)


def three_augment(
    key: jax.Array, image: jax.Array, *, threshold: float = 128 / 255, sigma: tuple[float, float] = (0.1, 2.0)
) -> jax.Array:
    """Apply one of three: grayscale, solarize, Gaussian blur. The paper adds colour jitter of 0.3 and a flip after it.

    Args:
      key: a typed key.
      image: ``[H, W, 3]``, uint8 or floats in [0, 1].
      threshold: of solarize.
      sigma: minimum and maximum standard deviation of the blur, pixels.

    Returns:
      ``[H, W, 3]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype, number of channels or range.

    Reference:
      Touvron et al., DeiT III: revenge of the ViT, arXiv 2204.07118.
    """
    _checks.photo("image", image, channels=(3,))
    _checks.unit("image", image)
    _checks.interval("sigma", sigma, 0.0, float("inf"))
    choice_key, blur_key = jax.random.split(key)
    three = (
        _pil_ops.grayscale,
        lambda x: _pil_ops.solarize(x, threshold),
        lambda x: _noise.random_blur(blur_key, x, sigma=sigma),
    )
    return jax.lax.switch(jax.random.randint(choice_key, (), 0, 3), three, jnp.asarray(image))


def repeat_batch(batch: Batch, *, times: int) -> Batch:
    """Repeat every example, so that a batch holds several augmentations of it; do it before augmenting.

    Args:
      batch: entries ``[B, ...]``.
      times: 1 or more.

    Returns:
      Entries ``[B times, ...]``, the copies of an example one after another. Mixing functions that pair neighbours then
      pair copies: shuffle before them.

    Raises:
      ValueError: if entries differ in B, or on a wrong number of times.

    Reference:
      Hoffer et al., Augment your batch: better training with larger batches, arXiv 1901.09335.
    """
    times = check.at_least("times", times, minimum=1)
    _checks.entries(batch, "image", others=True)
    return {name: jnp.repeat(entry, times, axis=0) for name, entry in batch.items()}


def _draw(key: jax.Array, ops: Ops) -> tuple[jax.Array, jax.Array]:
    """A place in the table and a sign."""
    choice_key, sign_key = jax.random.split(key)
    return jax.random.randint(choice_key, (), 0, len(ops)), jax.random.rademacher(sign_key, (), jnp.float32)
