"""timm's names, shapes and logits for weights that a formula gives, in resnet_logits.json.

    python tests/golden/make_resnet_logits.py          # write the file
    python tests/golden/make_resnet_logits.py --check  # compare it with what timm and torchvision say now

The weights are exact in NumPy alone, so that a test can make them again where neither timm nor torch is installed. They
depend on their names and shapes; the file holds a digest of these.
"""

import hashlib
import json
import platform
import sys
import zlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np

STORED = Path(__file__).with_name("resnet_logits.json")
MODELS = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnet18d", "resnet34d", "resnet50d", "resnet101d"),
)
BOTH = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")  # torchvision has them, too
CLASSES = 10
SIZE = (64, 56)  # 56 is odd after three halvings: padding and pooling at the edge differ from "SAME" there
NEAR = 1e-4  # how far logits may be from the stored ones, as a share of the largest


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


def digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """SHA-256 of names and shapes, in whatever order they come."""
    lines = sorted(f"{name} {list(shape)}\n" for name, shape in shapes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def shapes(network) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what a network of torch holds."""
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def peer(name: str) -> dict:
    """What timm says: a digest of names and shapes, and the logits of the images under the formula's weights."""
    import timm
    import torch

    network = timm.create_model(name, pretrained=False, num_classes=CLASSES).eval()
    found = shapes(network)
    network.load_state_dict({key: torch.from_numpy(np.array(tensor(key, shape))) for key, shape in found.items()})
    with torch.no_grad():
        logits = network(torch.from_numpy(images()).permute(0, 3, 1, 2)).numpy()
    return {"shapes": digest(found), "logits": [[float(f"{value:.8g}") for value in row] for row in logits]}


def main(arguments: list[str]) -> int:
    """Write the file, or compare it; returns how many networks differ."""
    if arguments not in ([], ["--check"]):
        raise SystemExit(f"the arguments are {arguments}; allowed: none, or --check")
    from peers import import_torchvision

    torchvision = import_torchvision()  # which timm imports
    import timm
    import torch

    models = {name: peer(name) for name in MODELS}
    if not arguments:
        stored = {
            "command": "python tests/golden/make_resnet_logits.py",
            "date": date.today().isoformat(),
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "torch": torch.__version__,
                "timm": timm.__version__,
            },
            "models": models,
        }
        text = json.dumps(stored, separators=(",", ":"))
        STORED.write_text(
            text.replace('{"', '{\n"').replace("],[", "],\n[").replace('},"', '},\n"') + "\n", encoding="utf-8"
        )
        return 0
    stored, different = json.loads(STORED.read_text(encoding="utf-8"))["models"], 0
    for name in sorted(stored.keys() | models.keys()):
        same = name in stored and name in models and stored[name]["shapes"] == models[name]["shapes"]
        if name in BOTH:
            beside = torchvision.models.get_model(name, weights=None, num_classes=CLASSES)
            same = same and digest(shapes(beside)) == stored[name]["shapes"]
        apart = float("nan")
        if same:
            ours, now = (np.array(each[name]["logits"]) for each in (stored, models))
            apart = np.abs(ours - now).max() / np.abs(now).max()
            same = apart < NEAR
        print(f"{name:10s} {'same' if same else 'DIFFERENT'}, logits apart by {apart:.1e} of the largest")
        different += not same
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
