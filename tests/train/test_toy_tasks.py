"""A detector with padded boxes and a segmentation, each a Task: fit and an ablation take them as they are."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toys import network, scenes

from jaxtricks import ablation, data, metrics, optim, tasks, tricks
from jaxtricks.train import Column, Plan, Recipe, Task, collected, fit

ONE = Plan(devices=tuple(jax.devices()[:1]))


def encode(batch):
    """Each valid box belongs to the cell of its centre."""
    x, y = jnp.moveaxis((batch["box"][..., :2] + batch["box"][..., 2:]) / 2 // 4, -1, 0).astype(int)
    cell = jax.nn.one_hot(y, 4)[..., None] * jax.nn.one_hot(x, 4)[..., None, :] * batch["box_valid"][..., None, None]
    return {**batch, "object": cell.max(1), "wanted": jnp.einsum("bmyx,bmc->byxc", cell, batch["box"])}


def detection_loss(params, out, batch):
    score, hit, off = out[0]["score"], batch["object"], jnp.abs(out[0]["box"] - batch["wanted"]).sum(-1)
    return (jax.nn.softplus(score) - hit * score + 0.3 * hit * off).sum((1, 2))


def average_precision(rows):
    """At an IoU of 0.5, best score first, each true box found once."""
    score, box, right = rows["score"].reshape(-1, 16), rows["box"].reshape(-1, 16, 4), []
    for i, order in enumerate(np.argsort(-score, axis=1)):
        free = rows["valid"][i].copy()
        for b in box[i, order]:
            low, high = np.maximum(b, rows["truth"][i])[:, :2], np.minimum(b, rows["truth"][i])[:, 2:]
            both = free * np.prod(np.clip(high - low, 0, None), axis=1)
            iou = both / (16 + np.prod(np.clip(b[2:] - b[:2], 0, None)) - both)
            right.append(iou.max() > 0.5)
            free[iou.argmax()] &= not right[-1]
    right, ordered = np.array(right), -np.sort(-score, axis=1).ravel()
    return float(metrics.average_precision(ordered, right) * right.sum() / rows["valid"].sum()) if right.any() else 0.0


SEEN = lambda out, batch: {**out[0], "truth": batch["box"], "valid": batch["box_valid"]}  # noqa: E731
BOXES = Column(name="box", rank=3, low=0, high=16), Column(name="box_valid", rank=2, kind="bool")
MAP = {"mAP": collected(SEEN, average_precision, unit="%", scale=100.0, bounds=(0.0, 1.0))}
PIXELS = lambda params, out, batch: optax.softmax_cross_entropy(out[0], batch["target"]).mean((1, 2))  # noqa: E731
COMMON = {"lr": 0.01, "batch": 32, "epochs": 60.0, "schedule": optim.cosine, "optimizer": optax.adam}
COMMON["preprocess"] = (lambda images: np.float32(0), lambda stats, image: image)
DETECTION = Task(outputs=5, columns=BOXES, encode=encode, metrics=MAP, headline="mAP")
RECIPES = {
    "mAP": Recipe(task=DETECTION, loss=detection_loss, model=partial(network, window=16, stride=4), **COMMON),
    "mIoU": Recipe(task=tasks.segmentation(2), loss=PIXELS, model=partial(network, window=3, stride=1), **COMMON),
}
SOURCE = data.from_columns("scenes", scenes(320, 0), scenes(50, 1)).hold_out(0.2)


@pytest.mark.parametrize("name", RECIPES)
def test_fit_and_an_ablation(name, tmp_path):
    assert fit(RECIPES[name], SOURCE, plan=ONE)[0].test[name] > 0.8
    ladder = {"slower": tricks.Trick(lambda recipe: replace(recipe, lr=1e-3))}
    rows = ablation.variants(replace(RECIPES[name], epochs=2.0), ladder)
    cells = ablation.Cells(tmp_path, SOURCE)
    ablation.run_cells(rows, cells, seeds=(0, 1), plan=ONE)
    about = {"title": "Toy", "command": "", "mode": "stack", "model": "", "sd_assumed": {"value": 1.0, "from": ""}}
    results = ablation.gather(rows, cells, seeds=(0, 1), resolvable=1.0, **about)
    assert results["headline"]["name"] == name
    assert [0 <= cell["test"][name] <= 100 for row in results["rows"] for cell in row["cells"]] == [True] * 4
