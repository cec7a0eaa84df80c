"""Make augment.npz: what torchvision, Pillow and scikit-image make of a small photograph.

    python tests/golden/make_augment.py

Every array is the photograph ``image`` after one call below, named ``library/name``: uint8 as the library gives it for
uint8, or floats in [0, 1] as uint16, 4095 for 1. augment.json tells where they come from. The tests need none of the
libraries but read the arrays.
"""

import json
import platform
import sys
from datetime import date
from pathlib import Path

import numpy as np
import PIL
import skimage
import sklearn
import torch
from peers import import_torchvision
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from skimage import transform
from sklearn.datasets import load_sample_image

torchvision = import_torchvision()
from torchvision.transforms.v2 import InterpolationMode  # noqa: E402
from torchvision.transforms.v2 import functional as F  # noqa: E402

HERE = Path(__file__).parent
TOP, LEFT, HEIGHT, WIDTH = 230, 250, 30, 38
BILINEAR, BICUBIC, NEAREST = InterpolationMode.BILINEAR, InterpolationMode.BICUBIC, InterpolationMode.NEAREST
AFFINE = {"angle": 12.0, "translate": [3, -2], "scale": 1.25, "shear": [8.0, 0.0]}

TORCHVISION = {
    **{f"brightness {f:g}": lambda x, f=f: F.adjust_brightness(x, f) for f in (0.4, 1.7)},
    **{f"contrast {f:g}": lambda x, f=f: F.adjust_contrast(x, f) for f in (0.4, 1.7)},
    **{f"saturation {f:g}": lambda x, f=f: F.adjust_saturation(x, f) for f in (0.0, 0.4, 1.7)},
    **{f"hue {s:g}": lambda x, s=s: F.adjust_hue(x, s) for s in (-0.3, 0.1, 0.5)},
    **{f"sharpness {f:g}": lambda x, f=f: F.adjust_sharpness(x, f) for f in (0.0, 1.9)},
    "grayscale": lambda x: F.rgb_to_grayscale(x, num_output_channels=3),
    "autocontrast": F.autocontrast,
    "blur 7 1.2": lambda x: F.gaussian_blur(x, [7, 7], [1.2, 1.2]),
    "rotate 25": lambda x: F.rotate(x, 25.0, BILINEAR),
    "affine": lambda x: F.affine(x, **AFFINE, interpolation=BILINEAR),
    "resize 13 17": lambda x: F.resize(x, [13, 17], antialias=True),
    "resize 50 45": lambda x: F.resize(x, [50, 45], antialias=True),
    "resized_crop": lambda x: F.resized_crop(x, 5, 7, 20, 30, [16, 20], antialias=True),
    "evaluation bilinear": lambda x: F.center_crop(F.resize(x, [24], antialias=True), [20, 20]),
    "evaluation bicubic": lambda x: F.center_crop(F.resize(x, [24], BICUBIC, antialias=True), [20, 20]),
}
TORCHVISION_UINT8 = {
    "brightness 1.7": TORCHVISION["brightness 1.7"],
    "saturation 1.7": TORCHVISION["saturation 1.7"],
    "hue 0.1": TORCHVISION["hue 0.1"],
    "autocontrast": F.autocontrast,
    "equalize": F.equalize,
    "invert": F.invert,
    **{f"solarize {threshold}": lambda x, t=threshold: F.solarize(x, t) for threshold in (64, 128)},
    **{f"posterize {bits}": lambda x, bits=bits: F.posterize(x, bits) for bits in (1, 2, 4, 7)},
    "rotate nearest -40": lambda x: F.rotate(x, -40.0, NEAREST),
    "pad_crop reflect": lambda x: F.crop(F.pad(x, [4], padding_mode="reflect"), 1, 7, HEIGHT, WIDTH),
    "ten_crop": lambda x: torch.stack(F.ten_crop(x, [13, 20])),
    "erase": lambda x: F.erase(x, 5, 9, 12, 20, torch.tensor(128)),
}

PILLOW = {
    **{f"brightness {f:g}": lambda x, f=f: ImageEnhance.Brightness(x).enhance(f) for f in (0.4, 1.7)},
    **{f"contrast {f:g}": lambda x, f=f: ImageEnhance.Contrast(x).enhance(f) for f in (0.4, 1.7)},
    **{f"saturation {f:g}": lambda x, f=f: ImageEnhance.Color(x).enhance(f) for f in (0.0, 0.4, 1.7)},
    **{f"sharpness {f:g}": lambda x, f=f: ImageEnhance.Sharpness(x).enhance(f) for f in (0.0, 1.9)},
    "smooth": lambda x: x.filter(ImageFilter.SMOOTH),
    "grayscale": lambda x: x.convert("L").convert("RGB"),
    "invert": ImageOps.invert,
    **{f"solarize {t}": lambda x, t=t: ImageOps.solarize(x, t) for t in (64, 128)},
    **{f"posterize {bits}": lambda x, bits=bits: ImageOps.posterize(x, bits) for bits in (1, 2, 4, 7)},
    "autocontrast": ImageOps.autocontrast,
    "equalize": ImageOps.equalize,
    "rotate 25": lambda x: x.rotate(25.0, Image.BILINEAR),
    "rotate nearest -40": lambda x: x.rotate(-40.0, Image.NEAREST),
    "resize 13 17": lambda x: x.resize((17, 13), Image.BILINEAR),
    "resize 50 45": lambda x: x.resize((45, 50), Image.BILINEAR),
    "resized_crop": lambda x: x.crop((7, 5, 37, 25)).resize((20, 16), Image.BILINEAR),
    "evaluation bilinear": lambda x: x.resize((30, 24), Image.BILINEAR).crop((5, 2, 25, 22)),
    "evaluation bicubic": lambda x: x.resize((30, 24), Image.BICUBIC).crop((5, 2, 25, 22)),
}


def moved(image: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """By scikit-image, which counts from the centre of the first pixel."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return transform.warp(image, np.linalg.inv(half) @ np.linalg.inv(forward) @ half, order=1)


SCIKIT_IMAGE = {
    "rotate 25": lambda x: transform.rotate(x, 25.0, order=1, center=(WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5)),
    "affine": lambda x: moved(x, np.array([[1.2, 0.3, -6.0], [-0.1, 0.9, 4.5], [0, 0, 1]])),
}


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).contiguous()


def array(image: torch.Tensor) -> np.ndarray:
    return image.movedim(-3, -1).numpy()


def as_uint16(image: np.ndarray) -> np.ndarray:
    return np.round(4095 * np.clip(image.astype(np.float64), 0, 1)).astype(np.uint16)


def main() -> None:
    """Write augment.npz and augment.json beside this file."""
    levels = load_sample_image("china.jpg")[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH].copy()
    picture, floats = Image.fromarray(levels), levels / np.float32(255)
    arrays = {"image": levels}
    arrays |= {f"torchvision/{name}": as_uint16(array(f(tensor(floats)))) for name, f in TORCHVISION.items()}
    arrays |= {f"torchvision8/{n}": array(f(tensor(levels))) for n, f in TORCHVISION_UINT8.items()}
    arrays |= {f"pillow/{name}": np.asarray(f(picture)) for name, f in PILLOW.items()}
    arrays |= {f"scikit-image/{name}": as_uint16(f(floats.astype(np.float64))) for name, f in SCIKIT_IMAGE.items()}
    np.savez_compressed(HERE / "augment.npz", **arrays)
    provenance = {
        "command": "python tests/golden/make_augment.py",
        "date": date.today().isoformat(),
        "image": f"rows {TOP} to {TOP + HEIGHT}, columns {LEFT} to {LEFT + WIDTH} of china.jpg, a sample image of "
        "scikit-learn, https://www.flickr.com/photos/danielbuechele/6061409035/, some rights reserved, danielbuechele, "
        "Creative Commons BY 2.0, https://creativecommons.org/licenses/by/2.0/. Cut out; the others are made from it.",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "pillow": PIL.__version__,
            "scikit-image": skimage.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "encoding": "uint8 as the library gives it; uint16 for floats, 4095 for 1",
        "arrays": {name: [str(a.dtype), *a.shape] for name, a in arrays.items()},
    }
    (HERE / "augment.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    size = (HERE / "augment.npz").stat().st_size
    print(f"{len(arrays)} arrays, {size / 1000:.0f} kB", file=sys.stderr)


if __name__ == "__main__":
    main()
