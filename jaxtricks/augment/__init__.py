"""Augmentation: pure functions of one image, or of the batch where examples mix.

Images are floats in [0, 1], or uint8, which stands for 255ths: it is computed on in float32, and the result is rounded.
Other floats come back in their dtype. Amounts and thresholds are in parts of the range for both; a ``fill`` or
``value`` that is put into an image is in the units of that image, 0 to 255 for uint8.

What works in that range refuses floats outside of it: 0 to 255, or standardised ones; what only moves pixels takes any.
A compiled program does not see values; ``checkify`` of JAX does, and costs nothing where it is not used::

    from jax.experimental import checkify

    error, batch = checkify.checkify(jax.jit(prepare))(key, batch)  # once, to try it
    error.throw()  # image holds 0.0 to 255.0; allowed: floats in [0, 1], or uint8.

Each image has its own draw by ``each``, or all of a batch one with ``per="batch"``; mixup and cutmix say it by ``per``.

A NaN in an image stays there and spreads to all that depends on it; equalize alone counts it as black. A box with a NaN
holds no pixel, and cropping to it gives NaN; among labels a box that is not finite is not valid.
"""

from jaxtricks._signatures import name_defaults
from jaxtricks.augment._affine import random_affine, rotate, scale, shear, translate, warp
from jaxtricks.augment._autoaugment import AUTO_OPS, CIFAR10_POLICY, IMAGENET_POLICY, auto_augment
from jaxtricks.augment._boxes import cut_boxes, mask_boxes, move_boxes, move_points
from jaxtricks.augment._cam import cam_box, cam_crop, class_activation
from jaxtricks.augment._collage import copy_paste, mosaic, mosaic_at, paste_instances
from jaxtricks.augment._color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    color_jitter,
    luma,
)
from jaxtricks.augment._color_pca import ColorPCA, fit_color_pca, pca_noise, pca_shift
from jaxtricks.augment._compose import chain, each, keyless, maybe
from jaxtricks.augment._crop import (
    pad_crop,
    random_box,
    random_pad_crop,
    random_resized_crop,
    random_scaled_crop,
    resized_crop,
)
from jaxtricks.augment._erase import cutout, erase_box, gridmask, in_box, mask_grid, random_erasing
from jaxtricks.augment._flip import alternating_flip, flip_left_right, flip_up_down, random_flip
from jaxtricks.augment._hsv import hsv_power, hsv_to_rgb, random_hsv_power, rgb_to_hsv
from jaxtricks.augment._labels import (
    alternating_flip_sample,
    crop_sample,
    each_sample,
    flip_sample,
    move_labels,
    random_affine_sample,
    random_crop_sample,
    random_flip_sample,
    warp_sample,
)
from jaxtricks.augment._letterbox import letterbox_sample, letterboxing
from jaxtricks.augment._matrix import (
    combine,
    cropping,
    inverse,
    mirroring,
    random_matrix,
    rotation,
    scaling,
    shearing,
    translation,
)
from jaxtricks.augment._mix import cut_pairs, cutmix, mix_pairs, mixup, remix
from jaxtricks.augment._noise import fixed_label_noise, gaussian_blur, gaussian_noise, label_noise, random_blur
from jaxtricks.augment._operations import MIX_OPS, RAND_OPS, WIDE_OPS, Op, apply_op
from jaxtricks.augment._pil_ops import adjust_sharpness, autocontrast, equalize, grayscale, invert, posterize, solarize
from jaxtricks.augment._policies import augmix, rand_augment, repeat_batch, three_augment, trivial_augment
from jaxtricks.augment._sizes import multi_scale, pick_size, progressive_size
from jaxtricks.augment._views import five_crops, flip_views, merge, over_views, scale_views, ten_crops

__all__ = [
    "AUTO_OPS",
    "CIFAR10_POLICY",
    "IMAGENET_POLICY",
    "MIX_OPS",
    "RAND_OPS",
    "WIDE_OPS",
    "ColorPCA",
    "Op",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "alternating_flip",
    "alternating_flip_sample",
    "apply_op",
    "augmix",
    "auto_augment",
    "autocontrast",
    "cam_box",
    "cam_crop",
    "chain",
    "class_activation",
    "color_jitter",
    "combine",
    "copy_paste",
    "crop_sample",
    "cropping",
    "cut_boxes",
    "cut_pairs",
    "cutmix",
    "cutout",
    "each",
    "each_sample",
    "equalize",
    "erase_box",
    "fit_color_pca",
    "five_crops",
    "fixed_label_noise",
    "flip_left_right",
    "flip_sample",
    "flip_up_down",
    "flip_views",
    "gaussian_blur",
    "gaussian_noise",
    "grayscale",
    "gridmask",
    "hsv_power",
    "hsv_to_rgb",
    "in_box",
    "inverse",
    "invert",
    "keyless",
    "label_noise",
    "letterbox_sample",
    "letterboxing",
    "luma",
    "mask_boxes",
    "mask_grid",
    "maybe",
    "merge",
    "mirroring",
    "mix_pairs",
    "mixup",
    "mosaic",
    "mosaic_at",
    "move_boxes",
    "move_labels",
    "move_points",
    "multi_scale",
    "over_views",
    "pad_crop",
    "paste_instances",
    "pca_noise",
    "pca_shift",
    "pick_size",
    "posterize",
    "progressive_size",
    "rand_augment",
    "random_affine",
    "random_affine_sample",
    "random_blur",
    "random_box",
    "random_crop_sample",
    "random_erasing",
    "random_flip",
    "random_flip_sample",
    "random_hsv_power",
    "random_matrix",
    "random_pad_crop",
    "random_resized_crop",
    "random_scaled_crop",
    "remix",
    "repeat_batch",
    "resized_crop",
    "rgb_to_hsv",
    "rotate",
    "rotation",
    "scale",
    "scale_views",
    "scaling",
    "shear",
    "shearing",
    "solarize",
    "ten_crops",
    "three_augment",
    "translate",
    "translation",
    "trivial_augment",
    "warp",
    "warp_sample",
]
name_defaults(globals())


def __dir__() -> list[str]:
    return __all__
