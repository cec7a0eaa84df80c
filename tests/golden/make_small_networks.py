"""What torch says of networks without published weights, in small_networks.json: costs, and logits of narrow ones.

    python tests/golden/make_small_networks.py  # with torch 2.13.0, torchvision 0.28.0 and timm 1.0.31

``torch.utils.flop_counter`` sees the matrix products and convolutions that run; half its operations are
multiply-accumulates. timm's and torchvision's networks are theirs; those of torch_networks.py are written after the
papers. Weights are those of make_resnet_logits.py.
"""

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # as the tests have it
from golden.make_resnet_logits import tensor

STORED = Path(__file__).with_name("small_networks.json")
TIMM = {
    "cspresnet50": "cspresnet50",
    "vovnet39": "vovnet39a",
    "ese_vovnet39": "ese_vovnet39b",
    "repvgg_a0": "repvgg_a0",
    "preact50": "resnetv2_50",
}


def images(name: str) -> np.ndarray:
    """Two images of 32 x 32, ``[2, H, W, C]``, float32; 28 x 28 and grey for LeNet."""
    size, channels = (28, 1) if name == "lenet" else (32, 3)
    return np.random.RandomState(0).standard_normal((2, size, size, channels)).astype(np.float32)


def narrow() -> dict:
    """Networks whose logits are stored."""
    from golden import torch_networks as nets

    return {
        "lenet": nets.LeNet((4, 6, 12), 8),
        "nin": nets.NetworkInNetwork(((5, (8, 7, 6)), (5, (8, 9, 8)), (3, (9, 8)))),
        "wide": nets.WideResNet(1, 2, base=4),
        "highway": nets.Highway(((6, 2), (8, 1))),
        "airbench": nets.Airbench((8, 12, 10)),
    }


def logits(name: str, network) -> list:
    """Of the images, under the formula's weights."""
    import torch

    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict({key: torch.from_numpy(np.array(tensor(key, shape))) for key, shape in found.items()})
    with torch.no_grad():
        out = network.eval()(torch.from_numpy(images(name)).permute(0, 3, 1, 2)).numpy()
    return [[float(f"{value:.8g}") for value in row] for row in out]


def costs() -> dict:
    """Parameters and multiply-accumulates of whole networks."""
    from golden.peers import import_torchvision

    torchvision = import_torchvision()  # which timm imports
    import timm
    import torch
    from golden import torch_networks as nets
    from torch.utils.flop_counter import FlopCounterMode

    dense = torchvision.models.DenseNet(12, (16, 16, 16), 24, num_classes=10)
    dense.features.conv0 = torch.nn.Conv2d(3, 24, 3, padding=1, bias=False)
    for part in ("norm0", "relu0", "pool0"):  # of ImageNet's alone
        setattr(dense.features, part, torch.nn.Identity())
    networks = {
        "lenet5": (nets.LeNet(), 28),
        "nin": (nets.NetworkInNetwork(), 32),
        "wrn_16_4": (nets.WideResNet(2, 4), 32),
        "wrn_28_10": (nets.WideResNet(4, 10), 32),
        "airbench94": (nets.Airbench((64, 256, 256)), 32),
        "densenet_bc100": (dense, 32),
    } | {name: (timm.create_model(theirs), 256 if name.startswith("csp") else 224) for name, theirs in TIMM.items()}
    counted = {}
    for name, (network, size) in networks.items():
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network.eval()(torch.zeros(1, 1 if name == "lenet5" else 3, size, size))
        parameters = sum(value.numel() for value in network.parameters())
        counted[name] = {"parameters": parameters, "macs": counter.get_total_flops() // 2}
    return counted


def main() -> None:
    from importlib.metadata import version

    stored = {
        "command": "python tests/golden/make_small_networks.py",
        "date": date.today().isoformat(),
        "versions": {name: version(name) for name in ("numpy", "torch", "torchvision", "timm")},
        "costs": costs(),
        "logits": {name: logits(name, network) for name, network in narrow().items()},
    }
    STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
