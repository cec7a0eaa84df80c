"""Sheets of what moves pixels: flips, affine movements, crops, views, and labels that follow."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from docs.gallery.parts import Call
from docs.gallery.rows import FRAME, amounts, centred, draws, first, labelled, six_draws
from docs.gallery.sheets import SIZE
from jaxtricks import augment

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

FLIPS = (
    amounts(
        "Mirror images",
        "Mirrored left to right, and top to bottom.",
        (augment.flip_left_right, augment.flip_up_down),
        None,
        ("original", "left to right", "top to bottom"),
        at=lambda across, down, photos: jnp.stack([photos.image, across(photos.image), down(photos.image)]),
    ),
    draws("Random flip", "Each draw is mirrored with probability 0.5.", augment.random_flip),
    amounts(
        "Alternating flip",
        "Mirrored in every second epoch; in which one an image begins is a coin of its own.",
        {
            f"image {i}": Call(augment.alternating_flip, lambda f, photos, epoch, i=i: f(photos.image, i, epoch))
            for i in (0, 1)
        },
        range(6),
        "epoch {}",
    ),
)


def shifted(warp, make, photos, share, *, by):
    """Moved by the matrix that ``make`` gives for a share of its range."""
    return warp(photos.image, by(make, share))


def back(warp, rotation, inverse, photos, share):
    """Turned, and turned back by a second resampling."""
    matrix = rotation(60 * share, FRAME)
    return warp(warp(photos.image, matrix), inverse(matrix))


def mirrored(warp, combine, mirroring, rotation, photos, share):
    return warp(photos.image, combine(mirroring(FRAME), rotation(60 * share, FRAME)))


MATRICES = {
    "rotation, to 60°": (augment.rotation, lambda f, s: f(60 * s, FRAME)),
    "scaling, to 2": (augment.scaling, lambda f, s: f(1 + s, FRAME)),
    "shearing, to 0.5": (augment.shearing, lambda f, s: f(jnp.stack([0.5 * s, 0 * s]), FRAME)),
    "translation, to 32 and 16 pixels": (augment.translation, lambda f, s: f(jnp.stack([32 * s, 16 * s]))),
    "cropping, to a quarter of the side": (augment.cropping, lambda f, s: f(centred(1 - 0.75 * s), FRAME)),
}
MOVES = {"angle": 30.0, "shift": 0.2, "scale": (0.5, 1.5), "slope": 0.3}
MOVEMENTS = (
    amounts(
        "Rotate",
        "Counter-clockwise about the centre.",
        augment.rotate,
        (0.0, 15.0, 30.0, 60.0, 90.0, 180.0),
        "{:g}°",
    ),
    amounts("Scale", "About the centre, in the frame.", augment.scale, (0.5, 0.75, 1.0, 1.25, 1.5, 2.0), "{:g} times"),
    amounts(
        "Shear",
        "About the centre; 0.99 is the most of TrivialAugment's table.",
        {
            "to the right": Call(augment.shear, lambda f, photos, s: f(photos.image, jnp.stack([s, 0 * s]))),
            "down": Call(augment.shear, lambda f, photos, s: f(photos.image, jnp.stack([0 * s, s]))),
        },
        (0.0, 0.1, 0.2, 0.3, 0.6, 0.99),
    ),
    amounts(
        "Translate",
        "Pixels to the right and down; half a pixel blurs a little.",
        augment.translate,
        ((0.0, 0.0), (0.5, 0.5), (8.0, 0.0), (0.0, 8.0), (32.0, 16.0), (-32.0, -16.0)),
        ("0, 0", "½, ½", "8, 0", "0, 8", "32, 16", "-32, -16"),
    ),
    draws(
        "Random affine",
        "One range at a time, then all of them in one resampling.",
        {
            "angle 30°": partial(augment.random_affine, angle=30.0),
            "shift 0.2": partial(augment.random_affine, shift=0.2),
            "scale 0.5 to 1.5": partial(augment.random_affine, scale=(0.5, 1.5)),
            "slope 0.3": partial(augment.random_affine, slope=0.3),
            "all four, by random_matrix and warp": Call(
                (augment.warp, augment.random_matrix),
                lambda warp, matrix, photos, key: warp(photos.image, matrix(key, FRAME, **MOVES)),
            ),
        },
    ),
    amounts(
        "Matrices",
        "From the identity to the full amount of each matrix; to move and move back resamples twice, which blurs.",
        {name: Call((augment.warp, make), partial(shifted, by=by)) for name, (make, by) in MATRICES.items()}
        | {
            "mirroring, then rotation to 60°, combined": Call(
                (augment.warp, augment.combine, augment.mirroring, augment.rotation), mirrored
            ),
            "rotation to 60°, and back by its inverse": Call((augment.warp, augment.rotation, augment.inverse), back),
        },
        SHARES,
        "{:.0%}",
    ),
)

# A sheet of boxes about the centre.
about_centre = partial(amounts, values=(1.0, 0.85, 0.7, 0.5, 0.3, 0.15), label="{:.0%} of a side")
OFFSETS = ((16, 16), (0, 0), (0, 32), (32, 0), (32, 32), (8, 24))
CROPS = (
    amounts(
        "Pad and crop",
        "A window of the image padded by 16 pixels on each side; 16, 16 is the image itself.",
        {
            mode: Call(
                partial(augment.pad_crop, padding=16, mode=mode), lambda f, photos, offset: f(photos.image, offset)
            )
            for mode in ("constant", "reflect")
        },
        OFFSETS,
        tuple(f"{top}, {left}" for top, left in OFFSETS),
    ),
    draws(
        "Random crop with padding",
        "The window moves by up to 16 pixels each way.",
        partial(augment.random_pad_crop, padding=16),
    ),
    about_centre(
        "Crop and resize",
        "A box about the centre, resampled to the size of the image.",
        partial(augment.resized_crop, size=SIZE),
        at=lambda f, photos, share: f(photos.image, centred(share)),
    ),
    six_draws(
        "Random resized crop",
        "The box that each key draws, of 8 to 100 % of the area, and the crop that it becomes.",
        {
            "box": Call(
                partial(augment.random_box, size=FRAME, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3)),
                lambda f, photos, key: {"image": photos.image, "box": f(key)[None], "box_valid": jnp.ones(1, bool)},
            ),
            "crop": partial(augment.random_resized_crop, size=SIZE),
        },
    ),
    draws(
        "Random scaled crop",
        "A box of the image's own shape, 60 to 100 % of its side.",
        augment.random_scaled_crop,
    ),
)


def boxed(move, matrix, photos, angle, *, cut=None):
    """The flowers turned, with the boxes of their moved corners, cut to the frame or not."""
    turn = matrix(angle, FRAME)
    box, valid = move(photos.sample["box"], turn), photos.sample["box_valid"]
    if cut is not None:
        box, valid = cut(box, valid, np.array([0.0, 0, SIZE, SIZE], np.float32))
    return {"image": augment.warp(photos.sample["image"], turn), "box": box, "box_valid": valid}


def tight(masks_to_boxes, labels, matrix, photos, angle):
    """The flowers turned, with the boxes of their moved masks."""
    sample = labels(photos.sample, matrix(angle, FRAME), size=FRAME)
    image = augment.warp(photos.sample["image"], matrix(angle, FRAME))
    return {
        "image": image,
        "mask": sample["mask"],
        "box": masks_to_boxes(sample["mask"]),
        "box_valid": sample["box_valid"],
    }


def pointed(points, matrix, photos, angle):
    """The flowers turned, with the corners of their boxes as points."""
    turn = matrix(angle, FRAME)
    corners = photos.sample["box"][:, np.array([[0, 1], [2, 1], [0, 3], [2, 3]])].reshape(-1, 2)
    visible = jnp.ones(len(corners), bool)
    return {"image": augment.warp(photos.sample["image"], turn), "keypoint": points(corners, turn), "visible": visible}


def alternated(on_each, keyless, flip, photos, epoch):
    """The flowers, as a batch of one in an epoch of training."""
    sample = photos.sample | {"index": jnp.int32(0), "epoch": epoch}
    batch = jax.tree.map(lambda entry: jnp.asarray(entry)[None], sample)
    return first(on_each(keyless(flip))(jax.random.key(0), batch))


ANGLES = (0.0, 15.0, 30.0, 45.0, 60.0, 90.0)
FOLLOW = (
    amounts(
        "Mirror a sample",
        "Boxes (green), their centres as points, and outlines of the masks (white) go along.",
        augment.flip_sample,
        None,
        ("original", "mirrored"),
        at=lambda f, photos: jax.tree.map(lambda *x: jnp.stack(x), photos.sample, f(photos.sample)),
    ),
    labelled("Random flip of a sample", "Mirrored with probability 0.5.", augment.random_flip_sample),
    amounts(
        "Alternating flip of a sample",
        "Mirrored in every second epoch, as above.",
        (augment.each_sample, augment.keyless, augment.alternating_flip_sample),
        range(6),
        "epoch {}",
        at=alternated,
    ),
    amounts(
        "Turn a sample",
        "A box becomes the smallest upright one that holds its moved corners, cut to the frame.",
        (augment.warp_sample, augment.rotation),
        ANGLES,
        "{:g}°",
        at=lambda warp, rotation, photos, angle: warp(photos.sample, rotation(angle, FRAME)),
    ),
    amounts(
        "Boxes and points by themselves",
        "Boxes of the moved corners, the same cut to the frame, the corners, and the tighter boxes of the moved masks.",
        {
            "move_boxes": Call((augment.move_boxes, augment.rotation), boxed),
            "move_boxes, then cut_boxes": Call(
                (augment.move_boxes, augment.rotation, augment.cut_boxes),
                lambda move, rotation, cut, photos, angle: boxed(move, rotation, photos, angle, cut=cut),
            ),
            "move_points": Call((augment.move_points, augment.rotation), pointed),
            "move_labels, then mask_boxes": Call((augment.mask_boxes, augment.move_labels, augment.rotation), tight),
        },
        ANGLES,
        "{:g}°",
    ),
    about_centre(
        "Crop a sample",
        "A box about the centre, resampled; a label that leaves the frame is not valid any more.",
        partial(augment.crop_sample, size=SIZE),
        at=lambda f, photos, share: f(photos.sample, centred(share)),
    ),
    labelled(
        "Random crop of a sample",
        "The draws of random_resized_crop, with the labels.",
        partial(augment.random_crop_sample, size=SIZE),
    ),
    labelled(
        "Random affine of a sample",
        "Angle, shift, scale and slope at once, as above.",
        partial(augment.random_affine_sample, **MOVES),
    ),
    draws(
        "Samples of a batch",
        "each_sample gives every sample of a batch its own draw: two batches of four photographs, with their boxes.",
        (augment.each_sample, augment.random_affine_sample),
        at=lambda on_each, affine, photos, key: on_each(partial(affine, angle=30.0))(key, photos.batch),
        values=2,
        before=None,
        label=tuple("abcdabcd"),
    ),
)


def grid(image: jax.Array) -> jax.Array:
    """The colours of the image, averaged over blocks of eight pixels: features of a network that sees colours only."""
    return image.reshape(SIZE // 8, 8, SIZE // 8, 8, 3).mean((1, 3))


def activation(cam, photos):
    """Where the flowers' orange is: red less blue."""
    return cam(grid(photos.sample["image"]), jnp.array([1.0, 0.0, -1.5]))


def guided(cam, box, photos):
    seen = activation(cam, photos)
    heat = jnp.broadcast_to(jnp.kron(seen, jnp.ones((8, 8)))[..., None], photos.image.shape)
    boxes = jnp.stack([jnp.zeros(4)] * 2 + [box(seen, level, size=FRAME) for level in (0.3, 0.5, 0.7, 0.9)])
    images = jnp.stack([photos.sample["image"], heat] + [photos.sample["image"]] * 4)
    return {"image": images, "box": boxes[:, None], "box_valid": jnp.arange(6)[:, None] > 1}


VIEWS = (
    amounts(
        "Flips as views",
        "What over_views predicts on, and merge averages.",
        augment.flip_views,
        None,
        ("original", "mirrored"),
        at=lambda f, photos: f(photos.image),
    ),
    amounts(
        "Five crops",
        "The corners and the centre, of 64 pixels.",
        partial(augment.five_crops, size=64),
        None,
        ("top left", "top right", "low left", "low right", "centre"),
        at=lambda f, photos: f(photos.image),
    ),
    amounts(
        "Ten crops",
        "The five crops, and their mirror images.",
        partial(augment.ten_crops, size=64),
        None,
        tuple(map(str, range(1, 11))),
        at=lambda f, photos: f(photos.image),
    ),
    amounts(
        "Scales as views",
        "The centre of 64 pixels, of the image resized to a shorter side of 64 to 160.",
        partial(augment.scale_views, shorter=(64, 80, 96, 112, 128, 160), size=64),
        None,
        ("64", "80", "96", "112", "128", "160"),
        at=lambda f, photos: f(photos.image),
    ),
    amounts(
        "Many sizes",
        "A sample at the sizes of training, with its boxes.",
        augment.multi_scale,
        (32, 48, 64, 80, 96),
        "{} pixels",
        at=lambda f, photos, value: first(
            f({name: photos.batch[name][1:2] for name in ("image", "box", "box_valid")}, size=value)
        ),
        static=True,
    ),
    amounts(
        "Class activation map",
        "The map of a class (here of features that are colours: orange), and its box at rising thresholds.",
        (augment.class_activation, augment.cam_box),
        None,
        ("original", "map", "at 0.3", "at 0.5", "at 0.7", "at 0.9"),
        at=guided,
    ),
    draws(
        "Crop guided by the map",
        "What the map points at, at a threshold between 0.3 and 0.9.",
        (augment.cam_crop, augment.class_activation),
        at=lambda crop, cam, photos, key: crop(
            key, photos.sample["image"], activation(cam, photos), size=SIZE, threshold=(0.3, 0.9)
        ),
        before=lambda photos: photos.sample["image"],
    ),
)
