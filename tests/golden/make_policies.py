"""Make policies.json: the tables of torchvision's AutoAugment, RandAugment, TrivialAugment and AugMix.

    python tests/golden/make_policies.py

The policies are pairs of (operation, probability, place among the magnitudes); the ranges are the magnitudes of every
operation for images of 100 x 100 pixels, and whether the sign is drawn. The tests need torchvision no more.
"""

import json
import platform
from datetime import date
from pathlib import Path

from peers import import_torchvision

STORED = Path(__file__).with_name("policies.json")
SIZE = (100, 100)


def magnitudes(space: dict) -> dict[str, list]:
    """Of each operation its magnitudes, one number where it has none, and whether they are signed."""
    return {name: [levels.reshape(-1).tolist(), signed] for name, (levels, signed) in space.items()}


def main() -> None:
    """Write the file beside this one."""
    torchvision = import_torchvision()
    from torchvision.transforms import autoaugment as theirs

    policies = {"imagenet": theirs.AutoAugmentPolicy.IMAGENET, "cifar10": theirs.AutoAugmentPolicy.CIFAR10}
    ranges = {
        "AUTO_OPS": theirs.AutoAugment()._augmentation_space(10, SIZE),
        "RAND_OPS": theirs.RandAugment()._augmentation_space(31, SIZE),
        "WIDE_OPS": theirs.TrivialAugmentWide()._augmentation_space(31),
        "MIX_OPS": theirs.AugMix(all_ops=False)._augmentation_space(10, SIZE),
    }
    stored = {
        "command": "python tests/golden/make_policies.py",
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), "torchvision": torchvision.__version__},
        "size": SIZE,
        "policies": {name: theirs.AutoAugment(policy).policies for name, policy in policies.items()},
        "ranges": {name: magnitudes(space) for name, space in ranges.items()},
    }
    text = json.dumps(stored, separators=(",", ":"))
    for together, apart in (('{"', '{\n"'), ("]],[[", "]],\n[["), ('],"', '],\n"')):
        text = text.replace(together, apart)
    STORED.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
