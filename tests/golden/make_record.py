"""Steps of the CIFAR-10 record in torch, in record.json: all rungs of experiments/airbench.py but the augmentation.

    python tests/golden/make_record.py  # with torch 2.13.0

Written after arXiv 2404.00498 and the hyperparameters of its repository (KellerJordan/cifar10-airbench): the loss is a
sum over the batch, rates and decay are per 1,024 images and a Nesterov step's length, and the slow weights take the
place of the others every five steps. Weights are those of make_resnet_logits.py.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # as the tests have it
from golden.make_resnet_logits import tensor

STORED = Path(__file__).with_name("record.json")
WIDTHS, BATCH, STEPS = (4, 6, 8), 16, 12
RATE, DECAY, MOMENTUM, BIASES, SMOOTHING = 11.5, 0.0153, 0.85, 64.0, 0.2


def images(step: int) -> np.ndarray:
    """Of a step, ``[BATCH, 32, 32, 3]``, float32; the label of the i-th is i modulo 10."""
    return np.random.RandomState(step).standard_normal((BATCH, 32, 32, 3)).astype(np.float32)


def share(step: int) -> float:
    """Of the peak rate."""
    top = int(0.23 * STEPS)
    if step < top:
        return 0.2 + 0.8 * step / top
    return 1 - 0.93 * (step - top) / (STEPS - top)


def main() -> None:
    """Train, and write the losses and the slow weights."""
    import torch
    from golden.torch_networks import Airbench

    network = Airbench(WIDTHS)
    state = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict({name: torch.from_numpy(np.array(tensor(name, shape))) for name, shape in state.items()})
    network.whiten.weight.requires_grad = False
    length = 1024 * (1 + 1 / (1 - MOMENTUM))
    rate, decay = RATE / length, DECAY * BATCH / length
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    groups = [
        {"params": [value for name, value in trained.items() if ("bn" in name) == fast], "lr": lr, "peak": lr}
        | {"weight_decay": decay / lr}
        for fast, lr in ((True, BIASES * rate), (False, rate))
    ]
    optimizer = torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)
    slow = {name: value.detach().clone() for name, value in trained.items()}
    labels, losses = torch.arange(BATCH) % 10, []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share(step)
        logits = network.train()(torch.from_numpy(images(step)).permute(0, 3, 1, 2))
        loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=SMOOTHING, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / BATCH)
        if (step + 1) % 5 == 0:
            kept = 0.95**5 * ((step + 1) / STEPS) ** 3
            with torch.no_grad():
                for name, value in trained.items():
                    slow[name] = kept * slow[name] + (1 - kept) * value
                    value.copy_(slow[name])
    norms = {name: float(f"{value.norm().item():.7g}") for name, value in slow.items()}
    stored = {"command": "python tests/golden/make_record.py", "torch": torch.__version__}
    stored |= {"losses": [float(f"{loss:.7g}") for loss in losses], "norms": norms}
    STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
