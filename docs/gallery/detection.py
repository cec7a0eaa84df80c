"""Detection: which anchors learn an object, what suppression leaves, heat maps of centres, regions of a map."""

import jax
import jax.numpy as jnp

from docs.gallery.parts import Sheet
from docs.gallery.sheets import SIZE, Photos
from jaxtricks import detection

STRIDES = (8, 16)
CELLS = tuple(SIZE // stride for stride in STRIDES)
FOUND = 7  # boxes around each object, moved at random, with a score each


def objects(photos: Photos) -> dict:
    """The photograph of flowers with the boxes of its objects."""
    return {name: photos.sample[name] for name in ("image", "box", "box_valid")}


def with_boxes(photos: Photos, boxes: jax.Array, valid: jax.Array) -> dict:
    """The photograph with other boxes."""
    return {"image": photos.sample["image"], "box": boxes, "box_valid": valid}


def anchors() -> jax.Array:
    """Three a cell of two levels, of 4 strides a side."""
    levels = zip(CELLS, STRIDES, strict=True)
    return jnp.concatenate([detection.anchors((n, n), stride=s, scales=(4.0 * s,)) for n, s in levels])


def strides() -> jax.Array:
    """Of each anchor."""
    return jnp.concatenate([jnp.full(3 * n * n, float(s)) for n, s in zip(CELLS, STRIDES, strict=True)])


def matched(match, photos: Photos, *more, **options) -> dict:
    """The anchors that learn an object, without axes in front."""
    truth = objects(photos)
    at = match(anchors(), truth["box"], *more, valid=truth["box_valid"], **options)
    return with_boxes(photos, anchors(), at.positive)


def by_place(match, photos: Photos) -> dict:
    """The cells that learn an object by their centres: of the finer level those of small boxes."""
    truth = objects(photos)
    points = jnp.concatenate([detection.points((n, n), stride=s) for n, s in zip(CELLS, STRIDES, strict=True)])
    stride = jnp.concatenate([jnp.full(n * n, float(s)) for n, s in zip(CELLS, STRIDES, strict=True)])
    ranges = jnp.stack([jnp.where(stride == 8, 0.0, 40.0), jnp.where(stride == 8, 40.0, jnp.inf)], -1)
    at = match(points, truth["box"], ranges, radius=1.5 * stride, valid=truth["box_valid"])
    return truth | {"keypoint": points, "visible": at.positive}


def candidates(photos: Photos) -> tuple[jax.Array, jax.Array]:
    """What a network may find: boxes around each object, the nearer to it the higher their score."""
    boxes = photos.sample["box"]
    moved = 0.12 * jax.random.truncated_normal(jax.random.key(2), -2, 2, (FOUND, *boxes.shape))
    scores = 0.95 - 2 * abs(moved).mean(-1)
    sides = jnp.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return jnp.clip(boxes[None] + moved * sides[None], 0, SIZE).reshape(-1, 4), scores.reshape(-1)


def suppressed(f, photos: Photos, **options) -> dict:
    """What is kept."""
    boxes, scores = candidates(photos)
    kept = f(boxes, scores, **options)
    return with_boxes(photos, boxes[kept.index], kept.valid)


def voted(vote, nms, photos: Photos) -> dict:
    """What is kept, moved to where the boxes around it are on average."""
    boxes, scores = candidates(photos)
    kept = nms(boxes, scores, max_output=4)
    return with_boxes(photos, vote(boxes[kept.index], boxes, scores), kept.valid)


def fused(f, photos: Photos) -> dict:
    """One box of each cluster."""
    boxes, scores = candidates(photos)
    out = f(boxes, scores, models=FOUND, max_output=4)
    return with_boxes(photos, out.box, out.valid)


def heat(targets, photos: Photos) -> jax.Array:
    """The targets of the objects' centres over the photograph, at a stride of 2."""
    truth = objects(photos)
    grid = {"shape": (SIZE // 2, SIZE // 2), "stride": 2, "classes": 1, "overlap": 0.5}
    return targets(truth["box"], jnp.zeros(2, jnp.int32), valid=truth["box_valid"], **grid).heat[..., 0]


def over(photos: Photos, map_: jax.Array) -> jax.Array:
    """A map in white over the photograph in half its brightness."""
    large = jnp.repeat(jnp.repeat(map_, 2, 0), 2, 1)[..., None]
    return 0.4 * photos.sample["image"] * (1 - large) + large


def peaked(peaks, targets, photos: Photos) -> dict:
    """The places where a heat map is above its neighbours, as predictions."""
    map_ = heat(targets, photos)
    at = peaks(map_[..., None], max_output=4, min_score=0.5)
    points = 2.0 * jnp.stack([at.column, at.row], -1) + 1.0
    return {"image": over(photos, map_), "keypoint": points, "visible": at.valid}


def region(f, photos: Photos, **options) -> dict:
    """The box of the first object in 12 x 12 cells; the photograph, at a stride of 4, stands for a map of features."""
    features = photos.sample["image"][::4, ::4]
    cut = f(features, photos.sample["box"][:1], size=(12, 12), scale=0.25, **options)[0]
    return {"image": jnp.repeat(jnp.repeat(cut, 8, 0), 8, 1)}


def side_by_side(*pictures: dict) -> dict:
    """Pictures with as many places for boxes and points as that with the most has, in a row."""
    most = {
        name: max(len(one[name]) for one in pictures if name in one)
        for name in ("box", "keypoint")
        if any(name in one for one in pictures)
    }

    def padded(one):
        out = {"image": one["image"]}
        for name, flag in (("box", "box_valid"), ("keypoint", "visible")):
            if name in most:
                values = one.get(name, jnp.zeros((0, 4 if name == "box" else 2)))
                flags = one.get(flag, jnp.zeros(0, bool))
                free = most[name] - len(values)
                out[name], out[flag] = jnp.pad(values, ((0, free), (0, 0))), jnp.pad(flags, (0, free))
        return out

    return jax.tree.map(lambda *entries: jnp.stack(entries), *map(padded, pictures))


MATCHING = (
    Sheet(
        "Matching",
        "Which anchors learn the objects, or which cells: three anchors a cell of two maps, at strides of 8 and 16.",
        (detection.match_iou, detection.match_atss, detection.match_ratio, detection.match_centers),
        None,
        ("objects", "by IoU", "ATSS", "by ratio", "by place and size"),
        at=lambda iou, atss, ratio, place, photos: side_by_side(
            objects(photos),
            matched(iou, photos),
            matched(atss, photos, sizes=tuple(3 * n * n for n in CELLS)),
            matched(ratio, photos, strides()),
            by_place(place, photos),
        ),
    ),
)
SUPPRESSION = (
    Sheet(
        "Suppression",
        "Seven boxes around each of two objects, and what is left of them.",
        (detection.nms, detection.soft_nms, detection.vote, detection.weighted_fusion),
        None,
        ("before", "NMS", "DIoU-NMS", "soft-NMS, 0.3", "NMS, voting", "fusion"),
        at=lambda nms, soft, vote, fusion, photos: side_by_side(
            with_boxes(photos, candidates(photos)[0], jnp.ones(2 * FOUND, bool)),
            suppressed(nms, photos, max_output=4),
            suppressed(nms, photos, max_output=4, measure=detection.diou),
            suppressed(soft, photos, max_output=2 * FOUND, min_score=0.3),
            voted(vote, nms, photos),
            fused(fusion, photos),
        ),
    ),
)
HEAT = (
    Sheet(
        "Heat maps",
        "Targets of the centres at a stride of 2, and the peaks that are read off them.",
        (detection.heatmap_targets, detection.peaks),
        None,
        ("objects", "targets", "peaks"),
        at=lambda targets, peaks, photos: side_by_side(
            objects(photos), {"image": over(photos, heat(targets, photos))}, peaked(peaks, targets, photos)
        ),
    ),
)
REGIONS = (
    Sheet(
        "Regions",
        "The larger flower in 12 x 12 cells: pooling rounds its box to the map's cells, aligning samples between them.",
        (detection.roi_pool, detection.roi_align),
        None,
        ("objects", "roi_pool", "roi_align", "not aligned"),
        at=lambda pool, align, photos: side_by_side(
            objects(photos),
            region(pool, photos),
            region(align, photos),
            region(align, photos, aligned=False),
        ),
    ),
)
