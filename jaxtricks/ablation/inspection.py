"""What can be said of a network before it is trained, as lines of text."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import analysis
from jaxtricks.data import DataError, Dataset, readable
from jaxtricks.models import Model


def inspected(model: Model, dataset: Dataset, *, images: int, seed: int) -> dict[str, list[str]]:
    """Costs by layer, receptive fields, and, of fresh weights on some images, responses and gradients by layer.

    Args:
      model: a network for these images and as many classes.
      dataset: whose training images and labels the network sees.
      images: how many of them.
      seed: of the fresh weights.

    Returns:
      Lines by title.

    Raises:
      DataError: if one of these images cannot be read.
    """
    weights = jax.eval_shape(model.init, jax.random.key(seed))
    one = jax.ShapeDtypeStruct((1, *dataset.shape), jnp.float32)
    cost = analysis.count(model.apply, weights[0], weights[1], one)
    fields = analysis.receptive_fields(model.apply, weights[0], weights[1], one)
    rows = np.arange(min(images, len(dataset.train)))
    image = jnp.asarray(readable(dataset.train, rows)) / 255
    labels = jnp.asarray(readable(dataset.train, rows, column="label"))
    if len(image) < len(labels):  # which is whose would be a guess
        raise DataError(f"{len(labels) - len(image)} of the first {len(labels)} images cannot be read; allowed: none.")
    image = (image - image.mean((0, 1, 2), keepdims=True)) / image.std((0, 1, 2), keepdims=True)
    params, stats = jax.jit(model.init)(jax.random.key(seed))

    @jax.jit
    def look(params):
        def loss(params):
            (logits, taps), _ = model.apply(params, stats, image, train=True, key=jax.random.key(seed + 1))
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), taps

        gradients, taps = jax.grad(loss, has_aux=True)(params)
        seen = {name: analysis.unit_activity(tap) for name, tap in taps.items() if tap.ndim > 1}
        return analysis.gradient_norms(gradients), seen

    norms, activity = look(params)
    norms = {layer.name: norms[layer.name] for layer in cost.layers if layer.name in norms}  # as they run
    alarm = analysis.gradient_alarm(norms) if len(norms) > 1 else None
    return {
        "Costs": [cost.table()],
        "Receptive fields, in pixels": [
            f"{name}: {rows.size} x {columns.size}, every {rows.stride}" for name, (rows, columns) in fields.items()
        ],
        "Responses": [
            f"{name}: {float(a.dead):.0%} dead, {float(a.sparsity):.0%} zeros" for name, a in activity.items()
        ],
        "Gradients, root mean square": [
            *(f"{name}: {float(norm):.2e}" for name, norm in norms.items()),
            alarm or "Neither vanishes nor explodes.",
        ],
    }
