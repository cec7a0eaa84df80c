"""Reading a training set on the host, a part at a time."""

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check

Images = np.ndarray | Iterable[np.ndarray]


def parts(images: Images) -> Iterator[np.ndarray]:
    """The images in float64 and [0, 1] units, at most 256 at a time; all of as many channels."""
    some, channels = False, None
    batches: Iterable[Any] = [images] if hasattr(images, "shape") else images
    for batch in batches:
        check.rank("images", batch, 4)
        if 0 in batch.shape[1:]:
            raise ValueError(f"images has shape {batch.shape}; allowed: at least one pixel and one channel.")
        if channels not in (None, batch.shape[-1]):
            raise ValueError(f"images has a batch of shape {batch.shape}; allowed: {channels} channels, as before.")
        channels = batch.shape[-1]
        if batch.dtype != np.uint8 and not jnp.issubdtype(batch.dtype, jnp.floating):
            raise ValueError(f"images has dtype {batch.dtype}; allowed: uint8 or a floating-point dtype.")
        for i in range(0, len(batch), 256):
            part = np.asarray(batch[i : i + 256])
            some |= part.size > 0
            yield part.astype(np.float64) / (255.0 if part.dtype == np.uint8 else 1.0)
    if not some:
        raise ValueError("images has no pixel; allowed: at least one.")


def check_image(image: jax.Array) -> None:
    """Raise ValueError unless the image is ``[H, W, C]``, floating point, with a pixel and a channel."""
    check.rank("image", image, 3)
    check.floating("image", image)
    if 0 in image.shape:
        raise ValueError(f"image has shape {image.shape}; allowed: at least one pixel and one channel.")


def same_size(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """The part, if its images are of the size of the total."""
    if part.shape[1:] != total.shape:
        raise ValueError(f"images has images of shape {part.shape[1:]} and {total.shape}; allowed: one size.")
    return part


def device(array: np.ndarray | float) -> jax.Array:
    """Float32, on the device."""
    return jax.device_put(np.asarray(array, np.float32))  # jnp.asarray would compile the conversion
