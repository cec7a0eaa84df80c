"""What the augmentations do with hostile arguments."""

from functools import partial

import numpy as np

from jaxtricks import augment
from tests.cases.case import Array, Case, Key, Says
from tests.cases.common import boxes, within


def uniform(rng, shape):
    return rng.random(shape)


def integers(rng, shape):
    return rng.integers(0, 9, shape)


def affine(rng, shape):
    return np.eye(3) + np.concatenate([rng.normal(size=(2, 3)) * [[0.1, 0.1, 2.0]], np.zeros((1, 3))])


SEEN = ("zeros", "ones", "equal", "tiny")
IMAGE = Array(("H", "W", "K"), uniform, edges=SEEN, dtypes="fu")
ANY = Array(("H", "W", "K"), uniform, edges=SEEN, dtypes="fiubc")
RGB = Array(("H", "W", 3), uniform, edges=SEEN, dtypes="fu")
NUMBER = Array((), uniform, dtypes="fiu")
PAIR = Array((2,), edges=("zeros",), dtypes="fiu")
INTEGER = Array((), integers, dtypes="iu")
BOX = Array((4,), boxes, dtypes="fiu", boxes=True, still=True)
BOXES = Array(("N", 4), boxes, dtypes="fiu", lead=True, boxes=True, still=True)
MATRIX = Array((3, 3), affine, dtypes="fiu", still=True)
MASKS = Array(("B", "h", "w"), lambda rng, shape: rng.random(shape) < 0.2, dtypes="b", lead=True)
CAM = Array(("h", "w"), uniform, edges=SEEN)
ANY_IMAGES = Array(("B", "H", "W", "K"), uniform, edges=SEEN, dtypes="fiubc")
IMAGES = Array(("B", "H", "W", "K"), uniform, edges=SEEN, dtypes="fu")
TARGET = Array(("B", "C"), lambda rng, shape: rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]))
POWERS = Array((2,), lambda rng, shape: rng.random(shape) + 0.5, dtypes="fiu")
CENTER = Array(("B", 2), lambda rng, shape: rng.integers(0, 7, shape), dtypes="iu")
OFFSET = Array((2,), lambda rng, shape: rng.integers(0, 5, shape), dtypes="iu")
BITS = Array((), lambda rng, shape: rng.integers(0, 9, shape), dtypes="iu")
FACTORS = Array((2,), lambda rng, shape: rng.random(shape) + 0.5, dtypes="fiu", free=True)
FLAGS = Array(("B", "N"), lambda rng, shape: rng.random(shape) < 0.7, dtypes="b")
SOFT = {"image": IMAGES, "target": TARGET}
BOXED = {
    "image": IMAGES,
    "box": Array(("B", "N", 4), boxes, dtypes="fiu", boxes=True),
    "box_valid": FLAGS,
    "label": Array(("B", "N"), lambda rng, shape: rng.integers(0, 5, shape), dtypes="ifubc"),
}
MASKED = BOXED | {"mask": Array(("B", "N", "H", "W"), lambda rng, shape: rng.random(shape) < 0.2, dtypes="b")}
SAMPLE = {
    "image": IMAGE,
    "box": BOXES,
    "box_valid": Array(("N",), lambda rng, shape: rng.random(shape) < 0.7, dtypes="b"),
    "mask": Array(("M", "H", "W"), lambda rng, shape: rng.integers(0, 5, shape), dtypes="iufbc", lead=True),
}
GREY_OPS = {
    name: op for name, op in augment.RAND_OPS.items() if name not in ("saturation", "contrast")
}  # of any channels
PCA = augment.ColorPCA(Array((3,), uniform, dtypes="fiu"), Array((3, 3), dtypes="fiu"))
BLACK = Says("equalize alone counts it as black")
NO_PIXEL = Says("A box with a NaN\nholds no pixel", of="box")
NOT_VALID = Says("among labels a box that is not finite is not valid")
FILLED = "A place that is not finite lies outside the image"
IN_RANGE = Says("in [0, 1]")
Image = partial(Case, holds=within(0, 1), gradient=IN_RANGE)
Draw = partial(Case, holds=within(0, 1), gradient=False)
Deep = partial(Draw, deep=True, nan=BLACK, inf=IN_RANGE)
Labels = partial(Case, gradient=False, nan=NOT_VALID, inf=NOT_VALID)

CASES = {
    "augment.adjust_brightness": Image({"image": IMAGE, "factor": NUMBER}),
    "augment.adjust_contrast": Image({"image": IMAGE, "factor": NUMBER}),
    "augment.adjust_hue": Image({"image": RGB, "shift": NUMBER}),
    "augment.adjust_saturation": Image({"image": RGB, "factor": NUMBER}),
    "augment.adjust_sharpness": Image({"image": IMAGE, "factor": NUMBER}),
    "augment.alternating_flip": Image({"image": ANY, "index": INTEGER, "epoch": INTEGER}),
    "augment.alternating_flip_sample": Labels({"sample": SAMPLE | {"index": INTEGER, "epoch": INTEGER}}, empty="N"),
    "augment.apply_op": Deep({"image": IMAGE, "choice": INTEGER}, {"strength": 0.5, "sign": 1.0, "ops": GREY_OPS}),
    "augment.augmix": Deep({"image": IMAGE}),
    "augment.auto_augment": Deep({"image": IMAGE}),
    "augment.autocontrast": Image(),
    "augment.cam_box": Case({"cam": CAM}, {"threshold": 0.5, "size": (7, 9)}),
    "augment.cam_crop": Draw({"image": IMAGE, "cam": CAM}, {"size": 5}),
    "augment.chain": Draw(
        {"key": Key(), "image": ANY_IMAGES},
        call=lambda key, image: augment.chain(flip=augment.each(augment.random_flip))(key, {"image": image}),
        empty="B",
    ),
    "augment.class_activation": Case(
        {"features": Array(("h", "w", "K"), edges=("zeros", "low", "high")), "weights": Array(("K",))},
        holds=within(0, 1),
    ),
    "augment.color_jitter": Draw({"image": IMAGE}, {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}),
    "augment.combine": Case({"a": MATRIX, "b": MATRIX}, call=lambda a, b: augment.combine(a, b)),
    "augment.copy_paste": Labels({"batch": MASKED}, empty="N"),
    "augment.crop_sample": Labels({"sample": SAMPLE, "box": BOX}, {"size": 5}, empty="N"),
    "augment.cropping": Case({"box": BOX}, {"size": 5}, boxes=Says("infinite or NaN for a box without area")),
    "augment.cut_boxes": Labels({"boxes": SAMPLE["box"], "box_valid": SAMPLE["box_valid"], "frame": BOX}, empty="N"),
    "augment.cut_pairs": Image(
        {"batch": SOFT, "boxes": Array(("B", 4), boxes, dtypes="fiu", boxes=True, free=True)}, empty="C", nan=NO_PIXEL
    ),
    "augment.cutmix": Draw({"batch": SOFT}, empty="C"),
    "augment.cutout": Draw({"image": IMAGE}, {"size": 3}),
    "augment.each": Draw(
        {"key": Key(), "image": ANY_IMAGES},
        call=lambda key, image: augment.each(augment.random_flip)(key, {"image": image}),
        empty="B",
    ),
    "augment.each_sample": Draw(
        {"key": Key(), "batch": {name: BOXED[name] for name in ("image", "box", "box_valid")}},
        call=lambda key, batch: augment.each_sample(augment.random_flip_sample)(key, batch)["image"],
        empty="BN",
    ),
    "augment.equalize": Draw(nan=BLACK),
    "augment.erase_box": Image({"image": IMAGE, "box": BOX, "value": NUMBER}, nan=NO_PIXEL),
    "augment.fit_color_pca": Case({"images": IMAGES}, host=True),
    "augment.fixed_label_noise": Case(
        {"batch": {"label": Array(("B",), dtypes="iu", classes="C"), "index": Array(("B",), integers, dtypes="iu")}},
        {"share": 0.5, "classes": 5},
        labels=Says("a label outside 0 to K - 1 stays as it is"),
        empty="B",
        gradient=False,
    ),
    "augment.five_crops": Image({"image": ANY}, {"size": 3}),
    "augment.flip_left_right": Image({"image": ANY}),
    "augment.flip_sample": Labels({"sample": SAMPLE}, empty="N"),
    "augment.flip_up_down": Image({"image": ANY}),
    "augment.flip_views": Image({"image": ANY}),
    "augment.gaussian_blur": Image({"image": IMAGE, "sigma": NUMBER}, {"radius": 2}),
    "augment.gaussian_noise": Draw({"image": IMAGE}, {"std": 0.1}),
    "augment.grayscale": Image({"image": RGB}),
    "augment.gridmask": Draw({"image": IMAGE}),
    "augment.hsv_power": Image({"image": RGB, "power": POWERS, "factor": PAIR, "shift": PAIR, "hue": NUMBER}),
    "augment.hsv_to_rgb": Image({"image": RGB}),
    "augment.in_box": Case({"box": BOX}, {"size": (7, 9)}, nan=NO_PIXEL),
    "augment.inverse": Case({"matrix": MATRIX}, finite=Says("infinite or NaN")),
    "augment.invert": Image(),
    "augment.keyless": Image({"image": ANY}, call=lambda image: augment.keyless(augment.flip_up_down)(None, image)),
    "augment.label_noise": Draw({"batch": {"target": TARGET}}, {"probability": 0.5}, empty="B"),
    "augment.luma": Image({"image": IMAGE}),
    "augment.mask_boxes": Case({"masks": MASKS}, empty="B"),
    "augment.mask_grid": Image(
        {"image": IMAGE, "offset": PAIR, "unit": NUMBER},
        nan=Says("Where it or the unit is a NaN"),
        inf=Says("in pixels"),
    ),
    "augment.maybe": Draw(
        {"key": Key(), "image": ANY},
        call=lambda key, image: augment.maybe(0.5, augment.random_flip)(key, image),
    ),
    "augment.merge": Case({"logits": Array(("B", "C"), edges=("zeros", "high", "low", "apart"), lead=True)}),
    "augment.mirroring": Case(options={"size": (7, 9)}),
    "augment.mix_pairs": Image({"batch": SOFT, "weight": NUMBER}, empty="C"),
    "augment.mixup": Draw({"batch": SOFT}, empty="C"),
    "augment.remix": Draw(
        {"batch": SOFT, "counts": Array(("C",), uniform, dtypes="fiu")}, empty="C", inf=Says("greater than 0, finite")
    ),
    "augment.mosaic": Labels({"batch": BOXED}, empty="N"),
    "augment.mosaic_at": Labels({"batch": BOXED, "center": CENTER}, empty="N"),
    "augment.move_boxes": Case({"boxes": BOXES, "matrix": MATRIX}, empty="N"),
    "augment.move_labels": Labels(
        {"sample": {name: SAMPLE[name] for name in ("box", "box_valid", "mask")}, "matrix": MATRIX},
        {"size": (7, 9)},
        empty="N",
    ),
    "augment.move_points": Case({"points": Array(("N", 2), dtypes="fiu", lead=True), "matrix": MATRIX}, empty="N"),
    "augment.letterbox_sample": Labels({"sample": SAMPLE}, {"size": 5}, empty="N"),
    "augment.letterboxing": Case({}, {"source": (6, 9), "size": 5}, gradient=False),
    "augment.multi_scale": Case({"batch": {"image": IMAGES}}, {"size": 5}, empty="B"),
    "augment.over_views": Case(
        {"images": ANY_IMAGES},
        call=lambda images: augment.over_views(lambda x: x.mean((1, 2)), augment.flip_views)(images),
        empty="B",
    ),
    "augment.pad_crop": Image({"image": ANY, "offset": OFFSET}, {"padding": 2}),
    "augment.paste_instances": Labels({"batch": MASKED, "chosen": FLAGS}, empty="N"),
    "augment.pca_noise": Draw({"image": RGB, "pca": PCA}),
    "augment.pca_shift": Image({"image": RGB, "pca": PCA, "amount": Array((3,), dtypes="fiu")}),
    "augment.pick_size": Case(options={"step": 3, "sizes": (4, 5, 6)}, host=True),
    "augment.posterize": Draw({"image": IMAGE, "bits": BITS}, inf=IN_RANGE),
    "augment.progressive_size": Case(options={"epoch": 3, "epochs": 8, "start": 4, "stop": 9}, host=True),
    "augment.rand_augment": Deep({"image": IMAGE}),
    "augment.random_affine": Draw({"image": IMAGE}, {"angle": 30.0, "shift": 0.1, "slope": 0.1}),
    "augment.random_affine_sample": Labels({"sample": SAMPLE}, {"angle": 30.0, "shift": 0.1, "slope": 0.1}, empty="N"),
    "augment.random_blur": Draw({"image": IMAGE}, {"radius": 2}, right={"radius": (None,)}),
    "augment.random_box": Case(options={"size": (7, 9), "area": (0.1, 0.5), "aspect": (0.5, 2.0)}),
    "augment.random_crop_sample": Labels({"sample": SAMPLE}, {"size": 5}, empty="N"),
    "augment.random_erasing": Draw({"image": IMAGE}),
    "augment.random_flip": Draw({"image": ANY}),
    "augment.random_flip_sample": Labels({"sample": SAMPLE}, empty="N"),
    "augment.random_hsv_power": Draw({"image": RGB}),
    "augment.random_matrix": Case(options={"size": (7, 9), "angle": 30.0, "shift": 0.1, "slope": 0.1}),
    "augment.random_pad_crop": Draw({"image": ANY}, {"padding": 2}),
    "augment.random_resized_crop": Draw({"image": IMAGE}, {"size": 5}),
    "augment.random_scaled_crop": Draw({"image": IMAGE}),
    "augment.repeat_batch": Case(
        {"batch": {"image": ANY_IMAGES, "label": Array(("B",), integers, dtypes="iufbc")}}, {"times": 2}, empty="B"
    ),
    "augment.resized_crop": Image({"image": IMAGE, "box": BOX}, {"size": 5}),
    "augment.rgb_to_hsv": Image({"image": RGB}),
    "augment.rotate": Image(
        {"image": IMAGE, "angle": NUMBER}, nan=Says(FILLED, of="angle"), inf=Says(FILLED, of="angle")
    ),
    "augment.rotation": Case({"angle": NUMBER}, {"size": (7, 9)}),
    "augment.scale": Image(
        {"image": IMAGE, "factor": FACTORS}, nan=Says(FILLED, of="factor"), inf=Says(FILLED, of="factor")
    ),
    "augment.scale_views": Image({"image": IMAGE}, {"shorter": (7, 9), "size": 5}),
    "augment.scaling": Case({"factor": FACTORS}, {"size": (7, 9)}),
    "augment.shear": Image({"image": IMAGE, "slope": PAIR}, nan=Says(FILLED, of="slope"), inf=Says(FILLED, of="slope")),
    "augment.shearing": Case({"slope": PAIR}, {"size": (7, 9)}),
    "augment.solarize": Image({"image": IMAGE, "threshold": NUMBER}),
    "augment.ten_crops": Image({"image": ANY}, {"size": 3}),
    "augment.three_augment": Draw({"image": RGB}),
    "augment.translate": Image(
        {"image": IMAGE, "shift": PAIR}, nan=Says(FILLED, of="shift"), inf=Says(FILLED, of="shift")
    ),
    "augment.translation": Case({"shift": PAIR}),
    "augment.trivial_augment": Deep({"image": IMAGE}),
    "augment.warp": Image(
        {"image": IMAGE, "matrix": MATRIX}, nan=Says(FILLED, of="matrix"), inf=Says(FILLED, of="matrix")
    ),
    "augment.warp_sample": Labels({"sample": SAMPLE, "matrix": MATRIX}, empty="N"),
}
