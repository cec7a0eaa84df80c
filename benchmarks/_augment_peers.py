"""The peers of benchmarks/augment.py: the same operations in torchvision v2, Kornia and albumentations.

An operation of ``batched`` takes a batch: it has one amount for all, or Kornia's own draw for each image. One of
``single`` draws for what it is given, so a batch goes through it image after image. A peer that is not installed has
none.
"""

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from benchmarks._figures import Missing, module

torch = module("torch")
try:
    importlib.import_module("torchvision")
except (ImportError, RuntimeError):  # one without its compiled operations imports only once they are defined
    if not isinstance(torch, Missing):
        _OPS = torch.library.Library("torchvision", "FRAGMENT")
        for _name in ("nms", "qnms"):
            _OPS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ANGLE, SHIFT, FACTOR, SLOPE = 25.0, (10, -6), 1.25, 0.2
BOX = (30, 20, 200, 170)  # x0, y0, x1, y1
DEGREES = float(np.rad2deg(np.arctan(SLOPE)))
PCA_VALUES = (0.0045, 0.0188, 0.2175)  # of ImageNet, any would do
PCA_VECTORS = ((-0.5836, -0.6948, 0.4203), (-0.5808, -0.0045, -0.8140), (-0.5675, 0.7192, 0.4009))
NONE: Mapping[str, Callable] = MappingProxyType({})


class Peer(NamedTuple):
    """A library: what it is, the images it takes, how to bring a batch ``[B, H, W, C]`` to it and back."""

    version: str
    dtypes: tuple = ()
    batched: Mapping[str, Callable] = NONE
    single: Mapping[str, Callable] = NONE
    give: Callable = np.asarray
    take: Callable = np.asarray
    stack: Callable = np.stack


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def array(images: "torch.Tensor") -> np.ndarray:
    return images.movedim(-3, -1).numpy()


def pca_noise(x: "torch.Tensor") -> "torch.Tensor":
    """AlexNet's, which neither torchvision nor Kornia has."""
    alpha = 0.1 * torch.randn(3) * torch.tensor(PCA_VALUES)
    return (x + (torch.tensor(PCA_VECTORS).T @ alpha)[:, None, None]).clamp_(0, 1)


def torchvision(size: int, labels: np.ndarray, classes: int) -> Peer:
    """torchvision.transforms.v2, on tensors of uint8 and of float32."""
    if importlib.util.find_spec("torchvision") is None:
        return Peer("not installed")
    import torchvision
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional as F

    bilinear, nearest, bicubic = (getattr(v2.InterpolationMode, n) for n in ("BILINEAR", "NEAREST", "BICUBIC"))
    still = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0], "interpolation": bilinear}
    y = torch.from_numpy(labels.astype(np.int64))
    mixup, cutmix = v2.MixUp(alpha=0.2, num_classes=classes), v2.CutMix(alpha=1.0, num_classes=classes)
    x0, y0, x1, y1 = BOX

    def scaled(x):
        return F.to_dtype(x, torch.float32, scale=True)

    def evaluation(x, mode):
        return F.center_crop(F.resize(x, [size * 8 // 7], mode, antialias=True), [size, size])

    batched = {
        "flip_left_right": F.horizontal_flip,
        "pad_crop": lambda x: F.crop(F.pad(x, [4, 4, 4, 4]), 1, 6, size, size),
        "resized_crop": lambda x: F.resized_crop(x, y0, x0, y1 - y0, x1 - x0, [size, size], bilinear, antialias=True),
        "evaluation bilinear": lambda x: evaluation(x, bilinear),
        "evaluation bicubic": lambda x: evaluation(x, bicubic),
        "five_crops": lambda x: torch.stack(F.five_crop(x, [size // 2, size // 2]), dim=-4),
        "rotate": lambda x: F.rotate(x, ANGLE, bilinear),
        "rotate nearest": lambda x: F.rotate(x, ANGLE, nearest),
        "translate": lambda x: F.affine(x, **still | {"translate": list(SHIFT)}),
        "scale": lambda x: F.affine(x, **still | {"scale": FACTOR}),
        "shear": lambda x: F.affine(x, **still | {"shear": [-DEGREES, 0.0]}),
        "adjust_brightness": lambda x: F.adjust_brightness(x, 1.3),
        "adjust_contrast": lambda x: F.adjust_contrast(x, 1.3),
        "adjust_saturation": lambda x: F.adjust_saturation(x, 1.3),
        "adjust_hue": lambda x: F.adjust_hue(x, 0.1),
        "adjust_sharpness": lambda x: F.adjust_sharpness(x, 1.5),
        "invert": F.invert,
        "grayscale": lambda x: F.rgb_to_grayscale(x, num_output_channels=3),
        "solarize": lambda x: F.solarize(x, 0.5 if x.is_floating_point() else 128),
        "posterize": lambda x: F.posterize(x, 4),
        "autocontrast": F.autocontrast,
        "equalize": F.equalize,
        "gaussian_blur": lambda x: F.gaussian_blur(x, [13, 13], [1.5, 1.5]),
        "gaussian_noise": lambda x: F.gaussian_noise(x, 0.0, 0.1),
        "erase_box": lambda x: F.erase(x, y0, x0, y1 - y0, x1 - x0, torch.zeros((), dtype=x.dtype)),
        "standardize": lambda x: F.normalize(scaled(x), list(MEAN), list(STD)),
        "mixup": lambda x: mixup(x, y)[0],
        "cutmix": lambda x: cutmix(x, y)[0],
    }
    crop, jitter, erasing = (
        v2.RandomResizedCrop(size, antialias=True),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
        v2.RandomErasing(1.0, value="random"),
    )
    blur = v2.GaussianBlur(13, (0.1, 2.0))
    transforms = {
        "random_flip": v2.RandomHorizontalFlip(),
        "random_pad_crop": v2.RandomCrop(size, padding=4),
        "random_resized_crop": crop,
        "random_affine": v2.RandomAffine(30, (0.1, 0.1), (0.8, 1.2), 10, bilinear),
        "color_jitter": jitter,
        "random_blur": blur,
        "random_erasing": erasing,
        "rand_augment": v2.RandAugment(),
        "trivial_augment": v2.TrivialAugmentWide(),
        "auto_augment": v2.AutoAugment(),
        "augmix": v2.AugMix(),
        "three_augment": v2.RandomChoice([v2.Grayscale(3), v2.RandomSolarize(0.5, 1.0), blur]),
        "ImageNet chain": v2.Compose(
            [
                crop,
                v2.RandomHorizontalFlip(),
                jitter,
                v2.ToDtype(torch.float32, scale=True),
                pca_noise,
                v2.Normalize(MEAN, STD),
                v2.RandomErasing(0.25, value="random"),
            ]
        ),
    }
    return Peer(torchvision.__version__, ("uint8", "float32"), batched, transforms, tensor, array, torch.stack)


def kornia(size: int, labels: np.ndarray, classes: int) -> Peer:
    """Kornia, on tensors of float32; its random operations draw for transforms image of a batch."""
    if importlib.util.find_spec("kornia") is None:
        return Peer("not installed")
    import kornia
    import kornia.augmentation as K
    from kornia import enhance
    from kornia.geometry import transform

    y = torch.from_numpy(labels.astype(np.int64))
    one = {"p": 1.0, "data_keys": ["input", "class"]}
    mixup, cutmix = K.RandomMixUpV2(**one), K.RandomCutMixV2(**one)
    crop = K.RandomResizedCrop((size, size), cropping_mode="resample")
    jitter, flip = K.ColorJitter(0.4, 0.4, 0.4, 0.1), K.RandomHorizontalFlip()
    normalize = K.Normalize(torch.tensor(MEAN), torch.tensor(STD))
    angle, shift = torch.tensor([ANGLE]), torch.tensor([SHIFT], dtype=torch.float32)

    batched = {
        "flip_left_right": transform.hflip,
        "rotate": lambda x: transform.rotate(x, angle.expand(len(x))),
        "rotate nearest": lambda x: transform.rotate(x, angle.expand(len(x)), mode="nearest"),
        "translate": lambda x: transform.translate(x, shift.expand(len(x), 2)),
        "scale": lambda x: transform.scale(x, torch.full((len(x), 2), FACTOR)),
        "adjust_brightness": lambda x: enhance.adjust_brightness_accumulative(x, 1.3),
        "adjust_contrast": lambda x: enhance.adjust_contrast_with_mean_subtraction(x, 1.3),
        "adjust_saturation": lambda x: enhance.adjust_saturation_with_gray_subtraction(x, 1.3),
        "adjust_hue": lambda x: enhance.adjust_hue(x, 0.2 * np.pi),
        "adjust_sharpness": lambda x: enhance.sharpness(x, 1.5),
        "invert": enhance.invert,
        "solarize": lambda x: enhance.solarize(x, 0.5),
        "posterize": lambda x: enhance.posterize(x, 4),
        "equalize": enhance.equalize,
        "gaussian_blur": lambda x: kornia.filters.gaussian_blur2d(x, (13, 13), (1.5, 1.5)),
        "gaussian_noise": K.RandomGaussianNoise(0.0, 0.1, p=1.0),
        "standardize": normalize,
        "random_flip": flip,
        "random_pad_crop": K.RandomCrop((size, size), padding=4),
        "random_resized_crop": crop,
        "random_affine": K.RandomAffine(30.0, (0.1, 0.1), (0.8, 1.2), 10.0, p=1.0),
        "color_jitter": jitter,
        "random_blur": K.RandomGaussianBlur((13, 13), (0.1, 2.0), p=1.0),
        "random_erasing": K.RandomErasing(p=1.0),
        "mixup": lambda x: mixup(x, y)[0],
        "cutmix": lambda x: cutmix(x, y)[0],
        "rand_augment": K.auto.RandAugment(2, 9),
        "trivial_augment": K.auto.TrivialAugment(),
        "auto_augment": K.auto.AutoAugment(),
        "ImageNet chain": torch.nn.Sequential(crop, flip, jitter, normalize, K.RandomErasing(p=0.25)),
    }
    return Peer(kornia.__version__, ("float32",), batched, {}, tensor, array, torch.stack)


def albumentations(size: int, labels: np.ndarray, classes: int) -> Peer:
    """albumentations, on arrays of uint8."""
    if importlib.util.find_spec("albumentations") is None:
        return Peer("not installed")
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as A
    import cv2

    cv2.setNumThreads(1)  # the images are spread over threads
    chain = [
        A.RandomResizedCrop((size, size), interpolation=cv2.INTER_LINEAR),
        A.HorizontalFlip(),
        A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=1.0),
        A.FancyPCA(0.1, p=1.0),
        A.Erasing(fill="random_uniform", p=0.25),
        A.Normalize(MEAN, STD),
    ]
    affine = {"rotate": (-30, 30), "translate_percent": (-0.1, 0.1), "scale": (0.8, 1.2), "shear": (-10, 10)}
    transforms = {
        "flip_left_right": A.HorizontalFlip(p=1.0),
        "rotate": A.Rotate((ANGLE, ANGLE), border_mode=cv2.BORDER_CONSTANT, p=1.0),
        "rotate nearest": A.Rotate(
            (ANGLE, ANGLE), interpolation=cv2.INTER_NEAREST, border_mode=cv2.BORDER_CONSTANT, p=1.0
        ),
        "scale": A.Affine(scale=(FACTOR, FACTOR), p=1.0),
        "invert": A.InvertImg(p=1.0),
        "grayscale": A.ToGray(p=1.0),
        "solarize": A.Solarize((0.5, 0.5), p=1.0),
        "posterize": A.Posterize(4, p=1.0),
        "autocontrast": A.AutoContrast(method="pil", p=1.0),
        "equalize": A.Equalize(mode="pil", p=1.0),
        "gaussian_blur": A.GaussianBlur((13, 13), (1.5, 1.5), p=1.0),
        "gaussian_noise": A.GaussNoise((0.1, 0.1), p=1.0),
        "standardize": A.Normalize(MEAN, STD),
        "random_flip": A.HorizontalFlip(),
        "random_pad_crop": A.Compose([A.Pad(4), A.RandomCrop(size, size)]),
        "random_resized_crop": chain[0],
        "random_affine": A.Affine(**affine, p=1.0),
        "color_jitter": chain[2],
        "random_blur": A.GaussianBlur((13, 13), (0.1, 2.0), p=1.0),
        "random_erasing": A.Erasing(fill="random_uniform", p=1.0),
        "gridmask": A.GridDropout(0.4, p=1.0),
        "pca_noise": A.FancyPCA(0.1, p=1.0),
        "ImageNet chain": A.Compose(chain),
    }
    images = {name: lambda x, f=f: f(image=x)["image"] for name, f in transforms.items()}
    return Peer(A.__version__, ("uint8",), {}, images)


PEERS = {"torchvision": torchvision, "kornia": kornia, "albumentations": albumentations}
