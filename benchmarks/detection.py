"""NMS against torchvision's operation, and COCO's mean average precision against pycocotools, in one run.

    python -m benchmarks.detection     # with torch, torchvision and pycocotools

Boxes are drawn as torchvision's test draws them, so that about half of 1,000 stay. Both sides use all cores, or the
accelerator; that they give the same boxes and figures is checked before the clock starts. They are timed in turns, and
the ratio, our time by theirs, is the median over the turns, with its quartiles; there is none of a torch that does not
see JAX's accelerator, and with ``--no-peer`` nothing but our time.
"""

import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import numpy as np
import tyro

from benchmarks._figures import in_turns, module, write
from jaxtricks import ablation, detection, metrics

torch, ops = module("torch"), module("torchvision.ops")
coco, cocoeval = module("pycocotools.coco"), module("pycocotools.cocoeval")


@dataclass(frozen=True)
class Options:
    """What to measure."""

    turns: int = 20
    """Turns of each side of NMS."""
    images: int = 5000
    """Images of the mean average precision; none for NMS alone."""
    detections: int = 20
    """Detections an image."""
    coco_turns: int = 1
    """Turns of each side of the mean average precision."""
    peer: bool = True
    """Whether torchvision and pycocotools are measured, and asked whether they give the same."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def boxes(seed: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores."""
    rng = np.random.default_rng(seed)
    corners = rng.random((*shape, 4)) * 100
    corners[..., 2:] += corners[..., :2] + 1
    return corners.astype(np.float32), rng.random(shape).astype(np.float32)


def suppression(*shape: int, max_output: int | None = None, peer: bool) -> list[Callable]:
    """NMS of boxes of that shape: ours, vmapped over the axes in front, and torchvision's, in a loop over them."""
    corners, scores = boxes(0, *shape)
    run = partial(detection.nms, iou_threshold=0.5, max_output=max_output or shape[-1])
    ours = jax.jit(run if len(shape) == 1 else jax.vmap(run))
    arguments = jax.device_put((corners, scores))
    alone = lambda: jax.block_until_ready(ours(*arguments))  # noqa: E731
    if not peer:
        return [alone]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensors = (torch.tensor(array, device=device) for array in (corners, scores))
    flat = [x.reshape(-1, *x.shape[len(shape) - 1 :]) for x in tensors]
    rows = list(zip(*flat, strict=True))

    def theirs():
        kept = [ops.nms(*row, 0.5)[:max_output] for row in rows]
        if device == "cuda":
            torch.cuda.synchronize()
        return kept

    kept = jax.tree.map(lambda x: np.asarray(x).reshape(len(rows), *x.shape[len(shape) - 1 :]), ours(*arguments))
    for index, valid, expected in zip(kept.index, kept.valid, theirs(), strict=True):
        np.testing.assert_array_equal(index[valid], expected.cpu().numpy())
    return [alone, theirs] if (device == "cuda") == (jax.default_backend() != "cpu") else [alone]


def precision(images: int, count: int, *, peer: bool) -> list[Callable]:
    """The twelve figures of a set of images of 80 classes, 10 objects an image."""
    rng, classes, objects = np.random.default_rng(1), 80, 10
    target, _ = boxes(2, images, objects)
    label = rng.integers(0, classes, (images, objects))
    source = rng.integers(0, objects, (images, count))
    near = np.take_along_axis(target, source[..., None], 1)
    shift = ((rng.random(near.shape) - 0.5) * 10).astype(np.float32)
    corners = np.concatenate(
        [near[..., :2] + shift[..., :2], np.maximum(near[..., 2:] + shift[..., 2:], near[..., :2] + 6)], -1
    )
    scores, labels = rng.random(source.shape), np.take_along_axis(label, source, 1)

    def ours():
        return metrics.coco_map(corners, scores, labels, target, label, classes=classes).stats

    if not peer:
        return [ours]
    annotations, results = [], []
    for rows, box, names in ((annotations, target, label), (results, corners, labels)):
        for i, j in np.ndindex(names.shape):
            x0, y0, x1, y1 = map(float, box[i, j])
            row = {"image_id": i, "category_id": int(names[i, j]), "bbox": [x0, y0, x1 - x0, y1 - y0]}
            extra = {"score": scores[i, j]} if rows is results else {"iscrowd": 0, "id": len(rows) + 1}
            rows.append(row | extra | ({} if rows is results else {"area": (x1 - x0) * (y1 - y0)}))
    truth = coco.COCO()
    truth.dataset = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": c} for c in range(classes)],
        "annotations": annotations,
    }
    truth.createIndex()
    loaded = truth.loadRes(results)

    def theirs():
        evaluation = cocoeval.COCOeval(truth, loaded, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return evaluation.stats

    np.testing.assert_allclose(ours(), theirs(), atol=1e-6)
    return [ours, theirs]


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    machine = ablation.machine()
    if options.peer:
        torch.set_num_threads(machine["cores"])
    cases = {
        "nms, 1000 boxes": (partial(suppression, 1000), options.turns),
        "nms, 5000 boxes": (partial(suppression, 5000), options.turns),
        "nms, 5000 boxes, the first 100": (partial(suppression, 5000, max_output=100), options.turns),
        "nms, 10000 boxes": (partial(suppression, 10_000), options.turns),
        "nms, 64 x 1000 boxes": (partial(suppression, 64, 1000), options.turns),
    }
    if options.images:
        of_coco = partial(precision, options.images, options.detections)
        cases[f"coco_map, {options.images} images"] = (of_coco, options.coco_turns)
    rows = {}
    for name, (case, turns) in cases.items():
        ours, *theirs = in_turns(case(peer=options.peer), turns, warm=min(turns, 3))
        rows[name] = {"ours_ms": 1e3 * statistics.median(ours), "ratio": None}
        said = f"{name:34s} {rows[name]['ours_ms']:10.2f} ms"
        if theirs:
            ratios = [a / b for a, b in zip(ours, *theirs, strict=True)]
            low, ratio, high = statistics.quantiles(ratios, n=4) if turns > 1 else ratios * 3
            rows[name] |= {"peer_ms": 1e3 * statistics.median(*theirs), "ratio": ratio, "ratio_quartiles": [low, high]}
            said += f" {rows[name]['peer_ms']:10.2f} ms  {ratio:.3f} ({low:.3f} to {high:.3f})"
        print(said, flush=True)
    figures = {
        "command": " ".join(["python -m benchmarks.detection", *sys.argv[1:]]),
        "machine": machine | {"system": platform.platform()},
        "versions": {name: module(name).__version__ for name in ("torch", "torchvision") if options.peer},
        "rows": rows,
    }
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
