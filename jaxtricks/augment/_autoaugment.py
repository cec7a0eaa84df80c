"""AutoAugment: the learned policies for ImageNet and CIFAR-10, as tables."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.augment import _checks, _pil_ops
from jaxtricks.augment._operations import RAND_OPS, Op, Ops, apply_op

Step = tuple[str, float, int]  # operation, probability, level 0 to 9
Policy = Sequence[tuple[Step, Step]]


def _invert(image, amount):
    return _pil_ops.invert(image)


AUTO_OPS: Ops = {name: op for name, op in RAND_OPS.items() if name != "identity"} | {"invert": Op(_invert)}

IMAGENET_POLICY: Policy = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 0), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 0)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 0)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 0), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("saturation", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 0)),
    (("equalize", 0.0, 0), ("equalize", 0.8, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("saturation", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("saturation", 1.0, 2)),
    (("saturation", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 0)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 0)),
    (("saturation", 0.4, 0), ("equalize", 0.6, 0)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("saturation", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
)

CIFAR10_POLICY: Policy = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("saturation", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("saturation", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("saturation", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("saturation", 0.9, 9), ("equalize", 0.6, 0)),
    (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("saturation", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0)),
)


def auto_augment(
    key: jax.Array,
    image: jax.Array,
    *,
    policy: Policy = IMAGENET_POLICY,
    ops: Ops = AUTO_OPS,
    fill: float = 0.0,
    method: str = "nearest",
) -> jax.Array:
    """Draw one pair of steps of a policy and apply each step with its probability.

    Args:
      key: a typed key.
      image: ``[H, W, 3]``, uint8 or floats in [0, 1].
      policy: pairs of ``(operation, probability, level)``, levels 0 to 9 for strengths 0 to 1.
      ops: the table, ``{name: Op}``.
      fill: value of what movements bring in from outside, in the units of the image: 0 to 255 for uint8.
      method: of the movements, ``"nearest"`` or ``"bilinear"``.

    Returns:
      ``[H, W, 3]`` in [0, 1].

    Raises:
      ValueError: on a wrong rank, dtype or option, a step that is not in the table, or channels that one refuses.

    Reference:
      Cubuk et al., AutoAugment: learning augmentation policies from data, arXiv 1805.09501.
    """
    if not policy:
        raise ValueError("policy is empty; allowed: at least one pair of steps.")
    used = {step[0]: None for pair in policy for step in pair}
    for pair in policy:
        for name, probability, level in pair:
            check.option("operation", name, ops)
            check.between("probability", probability, 0.0, 1.0)
            check.between("level", level, 0, 9)
    table = {name: ops[name] for name in used}
    _checks.photo("image", image)
    _checks.unit("image", image)
    image = jnp.asarray(image)
    places = jnp.array([[list(table).index(name) for name, _, _ in pair] for pair in policy])
    chances = jnp.array([[probability for _, probability, _ in pair] for pair in policy])
    strengths = jnp.array([[level / 9 for _, _, level in pair] for pair in policy])
    pair_key, coin_key, sign_key = jax.random.split(key, 3)
    row = jax.random.randint(pair_key, (), 0, len(policy))
    coins = jax.random.bernoulli(coin_key, chances[row])
    signs = jax.random.rademacher(sign_key, (2,), jnp.float32)

    def step(image, drawn):
        heads, *arguments = drawn
        change = partial(apply_op, ops=table, fill=fill, method=method)
        return jax.lax.cond(heads, change, lambda x, *_: x, image, *arguments), None

    return jax.lax.scan(step, image, (coins, places[row], strengths[row], signs))[0]
