"""timm's names, shapes and logits for weights that a formula gives: ``python tests/golden/make_resnet_logits.py``.

The weights are exact in NumPy alone, so that a test can make them again where neither timm nor torch is installed.
"""

import json
import zlib
from pathlib import Path

import numpy as np

STORED = Path(__file__).with_name("resnet_logits.json")
MODELS = ("resnet18", "resnet50", "resnet50d")
CLASSES = 10
SIZE = (64, 56)  # 56 is odd after three halvings: padding and pooling at the edge differ from "SAME" there
KEPT: list = []  # definitions of operators, which go when the object goes


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The weights of a name: every one matters to the logits, and no layer overflows or dies."""
    draw = np.random.RandomState(zlib.crc32(name.encode())).random_sample(shape)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if len(shape) > 1:
        draw = (2 * draw - 1) * np.sqrt(6 / np.prod(shape[1:]))  # variance 2 / n
    elif name.endswith("running_var"):
        draw = 0.5 + draw
    elif name.endswith(("bias", "running_mean")):
        draw = 0.6 * draw - 0.3
    else:
        draw = 0.3 + 0.8 * draw
    return draw.astype(np.float32)


def images() -> np.ndarray:
    """Two images, ``[2, H, W, 3]``, float32."""
    return (4 * np.random.RandomState(0).random_sample((2, *SIZE, 3)) - 2).astype(np.float32)


def import_timm():
    """timm; where torchvision's compiled operators do not fit torch, it wants the signatures of two of them first."""
    try:
        import timm
    except RuntimeError:
        import torch

        KEPT.append(torch.library.Library("torchvision", "FRAGMENT"))
        for operator in ("nms", "qnms"):
            KEPT[-1].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import timm
    return timm


def peer(name: str):
    """A network of timm with the formula's weights, and its state dict in NumPy."""
    import torch

    network = import_timm().create_model(name, pretrained=False, num_classes=CLASSES).eval()
    tensors = {key: tensor(key, tuple(value.shape)) for key, value in network.state_dict().items()}
    network.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in tensors.items()})
    return network, tensors


def logits(network) -> np.ndarray:
    """What a network of timm says of the images."""
    import torch

    with torch.no_grad():
        return network(torch.from_numpy(images()).permute(0, 3, 1, 2)).numpy()


def main() -> None:
    import torch

    stored = {"timm": import_timm().__version__, "torch": torch.__version__, "numpy": np.__version__, "models": {}}
    for name in MODELS:
        network, tensors = peer(name)
        stored["models"][name] = {
            "shapes": {key: list(value.shape) for key, value in tensors.items()},
            "logits": [[float(f"{value:.8g}") for value in row] for row in logits(network)],
        }
    text = json.dumps(stored, indent=None, separators=(",", ":"))
    STORED.write_text(text.replace('],"', '],\n"').replace('{"', '{\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
