"""Make coco.npz: pycocotools's figures of sets of random boxes, and COCO's demo boxes with its published figures.

    python tests/golden/make_coco.py FOLDER     # with pycocotools

FOLDER holds COCO's demo files instances_val2014_100.json and instances_val2014_fakebbox100_results.json, as in
faster_coco_eval's tests/dataset. Annotations of COCO: Creative Commons Attribution 4.0, the COCO Consortium.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np

STORED = Path(__file__).with_name("coco.npz")
CLASSES = 4  # of which class 2 has no object
SEEDS = (0, 1)
PUBLISHED = (  # COCO's demo, as pycocotools prints it
    *(0.5045806987, 0.6969727247, 0.5729816670, 0.5856257209, 0.5193996948, 0.5013978986),
    *(0.3868127796, 0.5936795763, 0.5953529829, 0.6398109626, 0.5664205979, 0.5642905983),
)


def random_set(seed: int, images: int = 500) -> dict[str, np.ndarray]:
    """Padded arguments of ``coco_map``: crowds, images without objects or detections, a class missing, equal scores."""
    rng = np.random.default_rng(seed)
    objects, detections = 8, 14
    corner = rng.random((images, objects, 2)) * 200
    side = np.exp(rng.random((images, objects, 2)) * 4.2 + 1)  # 3 to 180 pixels
    target = np.concatenate([corner, corner + side], -1)
    label = rng.integers(0, CLASSES, (images, objects))
    target_valid = (rng.random((images, objects)) < 0.6) & (label != 2) & (rng.random((images, 1)) < 0.9)
    source = rng.integers(0, objects, (images, detections))
    shift = (rng.random((images, detections, 4)) - 0.5) * 0.4
    near = np.take_along_axis(target, source[..., None], 1)
    boxes = near + shift * np.tile(near[..., 2:] - near[..., :2], 2)
    labels = np.where(
        rng.random(source.shape) < 0.8, np.take_along_axis(label, source, 1), rng.integers(0, CLASSES, source.shape)
    )
    return {
        "boxes": boxes.astype(np.float32),
        "scores": (rng.integers(0, 50, source.shape) / 50).astype(np.float32),
        "labels": labels,
        "valid": (rng.random(source.shape) < 0.7) & (rng.random((images, 1)) < 0.9),
        "target_boxes": target.astype(np.float32),
        "target_labels": label,
        "target_valid": target_valid,
        "crowd": rng.random((images, objects)) < 0.1,
        "areas": side.prod(-1) * 0.7,
    }


def as_coco(data: dict[str, np.ndarray], classes: int) -> tuple[dict, list]:
    """The same as COCO's json: annotations and results."""

    def xywh(box):
        x0, y0, x1, y1 = map(float, box)
        return [x0, y0, x1 - x0, y1 - y0]

    annotations = [
        {
            "id": n + 1, "image_id": int(i) + 1, "category_id": int(data["target_labels"][i, j]) + 1,
            "bbox": xywh(data["target_boxes"][i, j]), "area": float(data["areas"][i, j]),
            "iscrowd": int(data["crowd"][i, j]),
        }
        for n, (i, j) in enumerate(np.argwhere(data["target_valid"]))
    ]  # fmt: skip
    results = [
        {
            "image_id": int(i) + 1, "category_id": int(data["labels"][i, j]) + 1,
            "bbox": xywh(data["boxes"][i, j]), "score": float(data["scores"][i, j]),
        }
        for i, j in np.argwhere(data["valid"])
    ]  # fmt: skip
    images = [{"id": i + 1} for i in range(len(data["boxes"]))]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": c + 1} for c in range(classes)],
    }, results


def evaluate(truth: dict, results: list):
    """Pycocotools's evaluation."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def padded(folder: Path) -> dict[str, np.ndarray]:
    """COCO's demo as padded arguments of ``coco_map``."""
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    images = sorted(image["id"] for image in truth["images"])
    category = {c["id"]: i for i, c in enumerate(truth["categories"])}
    out = {}
    for name, items in (("", results), ("target_", truth["annotations"])):
        by_image = [[a for a in items if a["image_id"] == i] for i in images]
        count = max(map(len, by_image))
        box, label = np.zeros((len(images), count, 4)), np.zeros((len(images), count), np.int16)
        valid, extra = np.zeros(label.shape, bool), np.zeros(label.shape)
        crowd = np.zeros(label.shape, bool)
        for n, found in enumerate(by_image):
            for k, a in enumerate(found):
                x, y, w, h = a["bbox"]
                box[n, k], label[n, k], valid[n, k] = [x, y, x + w, y + h], category[a["category_id"]], True
                extra[n, k], crowd[n, k] = a.get("score", a.get("area")), a.get("iscrowd", 0)
        out |= {f"{name}boxes": box, f"{name}labels": label, f"{name}valid": valid}
        out |= {"scores": extra} if not name else {"areas": extra, "crowd": crowd}
    return out


def main() -> None:
    """Write the file."""
    stored = {f"demo {name}": value for name, value in padded(Path(sys.argv[1])).items()}
    stored["demo stats"] = np.array(PUBLISHED)
    for seed in SEEDS:
        evaluation = evaluate(*as_coco(random_set(seed), CLASSES))
        stored[f"random {seed}"] = evaluation.stats
        precision = evaluation.eval["precision"][:, :, :, 0, 2]
        stored[f"random {seed} by class"] = np.where(precision > -1, precision, np.nan).mean((0, 1))
    np.savez_compressed(STORED, **stored)
    print({name: value.shape for name, value in stored.items()}, STORED.stat().st_size)


if __name__ == "__main__":
    main()
