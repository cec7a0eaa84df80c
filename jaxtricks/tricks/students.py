"""A smaller network in the place of a trained one, which may teach it: a step of ``compression``.

What it is taught by is ``(out, out of the teacher) -> [B]``, added to the loss; ``out`` is ``(logits, taps)``.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import losses
from jaxtricks.tricks._kernels import base, itself, unpacked
from jaxtricks.tricks.compression import Network

__all__ = ["attention", "features", "logits", "softened", "student", "taught"]

Tree = Any


def student(
    network: Network, *, model: Callable | None = None, teach: Callable | None = None, batch: Tree, key: jax.Array
) -> Network:
    """A network that is trained from the start, on its labels and by what the trained one says.

    Args:
      network: the teacher; it is evaluated on the same images.
      model: ``(classes=, channels=, ...) -> Model``, the student; None for the network itself, which goes on as it is,
        such as one whose weights are pruned while it is taught.
      teach: ``(out, out of the teacher) -> [B]``, such as ``softened``; None for a student by itself.
      batch: its images say how many channels there are.
      key: of the student's parameters.

    Returns:
      The student, untrained; of the network itself what was pruned stays at 0.

    Raises:
      ValueError: if the network has codes in the place of its weights, which its model does not take.
    """
    if teach is not None:
        base(network)
    arguments = {"classes": network.plain.task.outputs, "channels": batch["image"].shape[-1]}
    teacher = (network.plain.model(**arguments), network.params, network.stats)
    build = network.plain.model if model is None else model
    loss = network.plain.loss if teach is None else partial(taught, first=network.plain.loss, by=teacher, teach=teach)
    plain = replace(network.plain, model=build, loss=loss)
    if model is None:
        same = replace(network, plain=plain)
        return replace(same, recipe=base(same))
    params, stats = jax.tree.map(np.asarray, build(**arguments).init(key))
    return Network(plain, params, stats, plain, itself, unpacked)


def taught(params: Tree, out: tuple, batch: Tree, *, first: Callable, by: tuple, teach: Callable) -> jax.Array:
    """A loss plus what a teacher says.

    Args:
      params, out, batch: as for ``first``; the batch has the images.
      first: the loss on the labels.
      by: ``(Model, params, stats)`` of the teacher.
      teach: ``(out, out of the teacher) -> [B]``.

    Returns:
      Float ``[B]``.
    """
    model, variables, stats = by
    theirs = jax.lax.stop_gradient(model.apply(variables, stats, batch["image"], train=False)[0])
    return first(params, out, batch) + teach(out, theirs)


def softened(out: tuple, theirs: tuple, *, temperature: float = 4.0) -> jax.Array:
    """The distance to softened probabilities.

    Args:
      out, theirs: ``(logits, taps)`` of student and teacher.
      temperature: > 0.

    Returns:
      Float ``[B]``.
    """
    return losses.distillation(out[0], theirs[0], temperature=temperature)


def logits(out: tuple, theirs: tuple, *, weight: float = 0.1) -> jax.Array:
    """The squared distance to the logits.

    Args:
      out, theirs: as for ``softened``.
      weight: of half the sum over the classes.

    Returns:
      Float ``[B]``.
    """
    return weight * losses.logit_regression(out[0], theirs[0])


def features(out: tuple, theirs: tuple, *, taps: tuple[str, ...], weight: float = 1.0) -> jax.Array:
    """The squared distance to hidden activations, hints, where student and teacher are as wide.

    Args:
      out, theirs: as for ``softened``.
      taps: names of the activations.
      weight: of half the mean square, summed over the taps.

    Returns:
      Float ``[B]``.
    """
    ours, others = ([_rows(side[1][tap]) for tap in taps] for side in (out, theirs))
    distances = (losses.logit_regression(a, b) / a.shape[-1] for a, b in zip(ours, others, strict=True))
    return weight * sum(distances, jnp.float32(0.0))


def attention(out: tuple, theirs: tuple, *, taps: tuple[str, ...], weight: float = 1.0) -> jax.Array:
    """The distance of where the networks are active, whatever their widths.

    Args:
      out, theirs: as for ``softened``.
      taps: names of the stages.
      weight: of the sum over the stages.

    Returns:
      Float ``[B]``.
    """
    distances = (losses.attention_transfer(out[1][tap], theirs[1][tap]) for tap in taps)
    return weight * sum(distances, jnp.float32(0.0))


def _rows(x: jax.Array) -> jax.Array:
    return x.reshape(x.shape[0], -1)
