"""Make detection.npz: what torchvision and ensemble-boxes make of the boxes and features below.

    python tests/golden/make_detection.py     # with torch, torchvision and ensemble-boxes

The tests import the inputs from here and need neither.
"""

from pathlib import Path

import numpy as np

STORED = Path(__file__).with_name("detection.npz")
THRESHOLDS = (0.2, 0.5, 0.8)


def boxes(seed: int, count: int, *, extent: float = 100.0) -> np.ndarray:
    """Boxes of 1 to ``extent`` pixels a side, from 0 to ``extent`` on."""
    draws = np.random.default_rng(seed).random((count, 4)) * extent
    draws[:, 2:] += draws[:, :2] + 1
    return draws.astype(np.float32)


def scores(seed: int, count: int, *, levels: int = 10**6) -> np.ndarray:
    """Scores above 0, of so many different values: few levels give ties."""
    return ((np.random.default_rng(seed + 100).integers(0, levels, count) + 1) / (levels + 1)).astype(np.float32)


def labels(seed: int, count: int) -> np.ndarray:
    """Labels 0 to 3."""
    return np.random.default_rng(seed + 200).integers(0, 4, count).astype(np.int32)


def touching(threshold: float, count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores: the last overlaps the best by just more than the threshold, as in torchvision's test."""
    out, values = boxes(7, count).astype(np.float64), scores(7, count)
    x0, _, x1, _ = out[-1] = out[np.argmax(values)]
    overlap = threshold + 1e-5
    out[-1, 2] += (x1 - x0) * (1 - overlap) / overlap
    values[-1] = values.max() / 2
    return out.astype(np.float32), values


def features(seed: int = 0, shape: tuple[int, ...] = (8, 9, 2)) -> np.ndarray:
    """A map ``[H, W, C]``."""
    return np.random.default_rng(seed + 300).random(shape).astype(np.float32)


def rois() -> np.ndarray:
    """Boxes on a map of 8 x 9 cells and stride 4, some beyond its edge, one a point."""
    inside = boxes(1, 6, extent=17.0)
    edge = np.array([[-6, -4, 9, 50], [30, 20, 80, 70], [5, 5, 5, 5], [60, 60, 70, 70]], np.float32)
    return np.concatenate([inside, edge])


def pyramid_rois() -> np.ndarray:
    """Boxes of all sizes for levels 2 to 5."""
    large = np.array([[10, 20, 200, 220]], np.float32)
    return np.concatenate([large, boxes(2, 7, extent=120.0), boxes(3, 8, extent=30.0), boxes(4, 4, extent=8.0)])


def results() -> dict[str, np.ndarray]:
    """What the other libraries make of them."""
    import torch
    import torchvision
    from ensemble_boxes import weighted_boxes_fusion
    from torchvision.models.detection._utils import BoxCoder, Matcher
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.image_list import ImageList

    ops, tensor, out = torchvision.ops, torch.from_numpy, {}
    for threshold in THRESHOLDS:
        for seed in range(3):
            kept = ops.nms(tensor(boxes(seed, 200)), tensor(scores(seed, 200)), threshold)
            out[f"nms {threshold} {seed}"] = kept.numpy()
        out[f"nms ties {threshold}"] = ops.nms(
            tensor(boxes(5, 200)), tensor(scores(5, 200, levels=5)), threshold
        ).numpy()
        close, values = touching(threshold)
        out[f"nms touching {threshold}"] = ops.nms(tensor(close), tensor(values), threshold).numpy()
        groups = tensor(labels(0, 200)).long()
        out[f"batched nms {threshold}"] = ops.batched_nms(
            tensor(boxes(0, 200)), tensor(scores(0, 200)), groups, threshold
        ).numpy()
    a, b = tensor(boxes(1, 20)), tensor(boxes(2, 20))
    out["iou"], out["giou"] = ops.box_iou(a, b).numpy(), ops.generalized_box_iou(a, b).numpy()
    out["diou"], out["ciou"] = ops.distance_box_iou(a, b).numpy(), ops.complete_box_iou(a, b).numpy()

    image = tensor(features()).permute(2, 0, 1)[None]
    places = [tensor(rois())]
    for aligned in (False, True):
        for sampling in (1, 2):
            cut = ops.roi_align(image, places, (3, 2), 0.25, sampling, aligned)
            out[f"roi_align {aligned} {sampling}"] = cut.permute(0, 2, 3, 1).numpy()
    out["roi_pool"] = ops.roi_pool(image, places, (3, 2), 0.25).permute(0, 2, 3, 1).numpy()
    levels = {
        str(k): tensor(features(k, (240 >> k, 240 >> k, 2))).permute(2, 0, 1)[None].contiguous() for k in range(2, 6)
    }
    pooler = ops.MultiScaleRoIAlign(list(levels), (2, 2), 2, canonical_scale=56, canonical_level=4)
    cut = pooler(levels, [tensor(pyramid_rois())], [(240, 240)])
    out["multilevel"] = cut.permute(0, 2, 3, 1).numpy()

    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    out["encode"] = coder.encode_single(a, b).numpy()
    out["decode"] = coder.decode_single(tensor(features(1, (20, 4)) * 40 - 10), b).reshape(-1, 4).numpy()
    generator = AnchorGenerator(((16.0, 20.0),), ((0.5, 1.0, 2.0),))
    out["base anchors"] = generator.cell_anchors[0].numpy()
    shifted = generator(ImageList(torch.zeros(1, 3, 16, 24), [(16, 24)]), [torch.zeros(1, 1, 2, 3)])[0]
    out["anchors"] = shifted.numpy()
    for force in (False, True):
        overlap = ops.box_iou(tensor(boxes(8, 5)), tensor(boxes(9, 60)))
        out[f"match {force}"] = Matcher(0.5, 0.4, force)(overlap).numpy()

    count, models = 60, 3
    for name, groups in (("fusion", np.zeros(count, int)), ("fusion of classes", labels(1, count))):
        fused, score, label = weighted_boxes_fusion(
            np.split(boxes(6, count) / 256, models),
            np.split(scores(6, count), models),
            np.split(groups, models),
            iou_thr=0.3,
        )
        out[name] = np.concatenate([fused * 256, score[:, None], label[:, None]], 1)
    return out


def main() -> None:
    """Write the file."""
    np.savez_compressed(STORED, **results())
    print({name: value.shape for name, value in results().items()})


if __name__ == "__main__":
    main()
