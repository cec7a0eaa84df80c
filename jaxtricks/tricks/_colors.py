"""The colours of the bag-of-tricks paper."""

import jax
import jax.numpy as jnp

from jaxtricks import augment
from jaxtricks.keys import named


def scaled_colors(key: jax.Array, image: jax.Array, *, limit: float = 0.4) -> jax.Array:
    """Hue, saturation and brightness scaled by a coefficient each, as section 2.1 of the paper says.

    The authors' own script (GluonCV, train_imagenet.py) jitters brightness, contrast and saturation, and leaves hue.

    Args:
      key: one key.
      image: ``[H, W, 3]`` in [0, 1].
      limit: the coefficients are uniform in 1 - limit to 1 + limit, 0 to 1.

    Returns:
      ``[H, W, 3]`` in [0, 1]; hue, in turns from red, is taken modulo 1.
    """
    scale = jax.random.uniform(named(key, "scale"), (3,), image.dtype, 1 - limit, 1 + limit)
    hsv = augment.rgb_to_hsv(image) * scale[None, None]
    return augment.hsv_to_rgb(jnp.concatenate([hsv[..., :1] % 1, jnp.clip(hsv[..., 1:], 0, 1)], -1))
