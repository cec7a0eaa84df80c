"""Reading a training set on the host, a part at a time."""

from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import check

Images = np.ndarray | Iterable[np.ndarray]


def parts(images: Images) -> Iterator[np.ndarray]:
    """The images in float64 and [0, 1] units, at most 256 at a time."""
    some = False
    for batch in [images] if hasattr(images, "shape") else images:
        check.rank("images", batch, 4)
        for i in range(0, len(batch), 256):
            part = np.asarray(batch[i : i + 256])
            some |= part.size > 0
            yield part.astype(np.float64) / (255.0 if part.dtype == np.uint8 else 1.0)
    if not some:
        raise ValueError("images has no pixel; allowed: at least one.")


def same_size(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """The part, if its images are of the size of the total."""
    if part.shape[1:] != total.shape:
        raise ValueError(f"images has images of shape {part.shape[1:]} and {total.shape}; allowed: one size.")
    return part


def device(array: np.ndarray) -> jax.Array:
    """Float32, on the device."""
    return jnp.asarray(array, jnp.float32)
