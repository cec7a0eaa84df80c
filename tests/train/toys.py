"""Scenes with boxes and masks, and a network of two layers that sees windows of an image."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks.models import Model


def scenes(size, seed):
    """One or two bright squares of 4 px on 16 px, each in its half; the boxes are padded to three."""
    rng, image, mask = np.random.default_rng(seed), np.zeros((size, 16, 16, 1), np.uint8), np.zeros((size, 16, 16), int)
    corner, box = rng.integers([[0, 0], [0, 8]], [[13, 5], [13, 13]], (size, 2, 2)), np.zeros((size, 3, 4))
    valid = rng.random((size, 3)) < [1.0, 0.5, 0.0]
    for i, k in np.argwhere(valid):
        (x, y), box[i, k] = corner[i, k], (*corner[i, k], *corner[i, k] + 4)
        image[i, y : y + 4, x : x + 4], mask[i, y : y + 4, x : x + 4] = 200, 1
    return {"image": image, "mask": mask, "box": box, "box_valid": valid}


def network(*, classes, channels, window, stride, **_):
    """Two layers on a window around every pixel, or around each of 4 x 4 cells."""

    def init(key):
        hidden = jax.random.normal(key, (window**2 * channels, 64)) * (2 / window**2) ** 0.5
        return {"hidden": hidden, "head": jnp.zeros((64, classes)), "bias": jnp.zeros(classes)}, {}

    def apply(params, stats, image, *, train, key=None):
        pad = [((window - stride) // 2,) * 2] * 2
        names = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
        cut = jax.lax.conv_general_dilated_patches(image, (window,) * 2, (stride,) * 2, pad, **names)
        out = jax.nn.relu(cut @ params["hidden"]) @ params["head"] + params["bias"][None, None, None]
        corner = stride * jnp.tile(jnp.stack(jnp.meshgrid(*[jnp.arange(out.shape[1])] * 2), -1), 2)[None]
        return (out if stride == 1 else {"score": out[..., 0], "box": corner + 4 * out[..., 1:]}, {}), stats

    return Model(init, apply)
