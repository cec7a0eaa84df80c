"""The usual tasks: what a run needs of the data, how it is encoded, and the figures that are reported.

A task of your own is a ``train.Task``; nothing else has to change.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check, metrics
from jaxtricks.train.metrics import Metric, collected, mean_of
from jaxtricks.train.task import Column, Task

SHARE = {"unit": "%", "scale": 100.0, "bounds": (0.0, 1.0)}


def classification(classes: int) -> Task:
    """One label an image: top-1 accuracy, and the cross-entropy as ``loss``.

    Args:
      classes: their number, 2 or more; the column ``label``, integer ``[N]``, holds 0 to C - 1.

    Returns:
      The task. It encodes ``target``, one-hot ``[B, C]``, unless the augmentation has made targets already.

    Raises:
      ValueError: if classes is no integer of 2 or more.

    Example:
      >>> classification(10).headline
      'accuracy'
    """
    check.at_least("classes", classes, minimum=2)
    return Task(
        outputs=classes,
        columns=(Column(name="label", rank=1, kind="integer", low=0, high=classes - 1),),
        encode=partial(_one_hot, classes=classes),
        metrics={
            "loss": mean_of(_cross_entropy, better="lower"),
            "accuracy": mean_of(_correct, **SHARE),
        },
        headline="accuracy",
        decide=_decided,
        truth="label",
    )


def multilabel(labels: int) -> Task:
    """Any number of labels an image: the mean average precision over the labels, and the binary cross-entropy.

    Args:
      labels: their number, 1 or more; the column ``label``, integer ``[N, L]``, holds 0 and 1.

    Returns:
      The task. It encodes ``target``, float ``[B, L]``.

    Raises:
      ValueError: if labels is no integer of 1 or more.
    """
    check.at_least("labels", labels, minimum=1)
    return Task(
        outputs=labels,
        columns=(Column(name="label", rank=2, kind="number", low=0, high=1),),
        encode=_as_target,
        metrics={
            "loss": mean_of(_binary_cross_entropy, better="lower"),
            "mAP": collected(_scores, _mean_average_precision, **SHARE),
        },
        headline="mAP",
    )


def regression(*, unit: str = "", low: float | None = None, high: float | None = None) -> Task:
    """One number an image, in its own unit: the mean absolute error, and half the squared error as ``loss``.

    Args:
      unit: of the numbers, such as ``"°"`` or ``"years"``.
      low, high: the smallest and the largest that is allowed in the column ``value``, float ``[N]``.

    Returns:
      The task. It encodes ``target``, float ``[B, 1]``.
    """
    return Task(
        outputs=1,
        columns=(Column(name="value", rank=1, kind="number", low=low, high=high),),
        encode=_value_as_target,
        metrics={
            "loss": mean_of(_half_squared, better="lower"),
            "MAE": mean_of(_absolute, unit=unit, better="lower", bounds=(0.0, None)),
        },
        headline="MAE",
    )


def segmentation(classes: int, *, ignore: int = 255) -> Task:
    """A class for each pixel: the mean intersection over union, pixel accuracy, and the cross-entropy as ``loss``.

    Args:
      classes: their number, 2 or more; the column ``mask``, integer ``[N, H, W]``, holds 0 to C - 1.
      ignore: the value of pixels that count nothing.

    Returns:
      The task. It encodes ``target``, one-hot ``[B, H, W, C]``, zero where a pixel counts nothing. The network gives
      ``[B, H, W, C]``.

    Raises:
      ValueError: if classes is no integer of 2 or more.
    """
    check.at_least("classes", classes, minimum=2)
    counts = partial(_counts, classes=classes, ignore=ignore)
    return Task(
        outputs=classes,
        columns=(Column(name="mask", rank=3, kind="integer", low=0, high=classes - 1, also=ignore),),
        encode=partial(_pixels, classes=classes),
        metrics={
            "loss": mean_of(partial(_pixel_cross_entropy, ignore=ignore), better="lower"),
            "mIoU": Metric(part=counts, init=_nothing, update=_add, compute=_mean_iou, **SHARE),
            "pixel accuracy": Metric(part=counts, init=_nothing, update=_add, compute=_pixel_accuracy, **SHARE),
        },
        headline="mIoU",
    )


def _one_hot(batch, *, classes):
    return batch if "target" in batch else {**batch, "target": jax.nn.one_hot(batch["label"], classes)}


def _cross_entropy(out, batch):
    return optax.softmax_cross_entropy_with_integer_labels(out[0].astype(jnp.float32), batch["label"])


def _correct(out, batch):
    return metrics.correct(out[0], batch["label"])


def _decided(out, batch):
    """The class with the largest logit, the lowest of equals; C where one is NaN, which is never right."""
    logits = out[0]
    return jnp.where(jnp.isnan(logits).any(-1), logits.shape[-1], logits.argmax(-1))


def _as_target(batch):
    return batch if "target" in batch else {**batch, "target": batch["label"].astype(jnp.float32)}


def _binary_cross_entropy(out, batch):
    target = batch["label"].astype(jnp.float32)
    return optax.sigmoid_binary_cross_entropy(out[0].astype(jnp.float32), target).sum(-1)


def _scores(out, batch):
    return {"score": out[0].astype(jnp.float32), "target": batch["label"]}


def _mean_average_precision(rows):
    return float(metrics.mean_average_precision(rows["score"], rows["target"]))


def _value_as_target(batch):
    return batch if "target" in batch else {**batch, "target": batch["value"].astype(jnp.float32)[:, None]}


def _half_squared(out, batch):
    return 0.5 * jnp.square(out[0][:, 0].astype(jnp.float32) - batch["value"])


def _absolute(out, batch):
    return jnp.abs(out[0][:, 0].astype(jnp.float32) - batch["value"])


def _pixels(batch, *, classes):
    return batch if "target" in batch else {**batch, "target": jax.nn.one_hot(batch["mask"], classes)}


def _pixel_cross_entropy(out, batch, *, ignore):
    counted = batch["mask"] != ignore
    target = jnp.where(counted, batch["mask"], 0)
    loss = optax.softmax_cross_entropy_with_integer_labels(out[0].astype(jnp.float32), target)
    return jnp.where(counted, loss, 0).sum((1, 2)) / jnp.maximum(counted.sum((1, 2)), 1)


def _counts(out, batch, *, classes, ignore):
    """Intersections, unions, and pixels of each class in the truth, of the rows that are no padding."""
    predicted = out[0].argmax(-1)
    both, either = metrics.intersections_and_unions(predicted, batch["mask"], classes=classes, ignore=ignore)
    counted = (batch["mask"] != ignore).sum((1, 2))
    rows = {"both": both, "either": either, "pixels": counted[:, None]}
    valid = batch["row_valid"][:, None]
    return {name: jnp.where(valid, counts, 0).sum(0) for name, counts in rows.items()}


def _nothing():
    return {"both": 0, "either": 0, "pixels": 0}


def _add(total, part):
    return {name: total[name] + part[name].astype("int64") for name in total}


def _mean_iou(total):
    return float(metrics.mean_iou(total["both"], total["either"]))


def _pixel_accuracy(total):
    return float(total["both"].sum() / max(int(total["pixels"].sum()), 1))
