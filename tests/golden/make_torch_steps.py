"""Make torch_steps.json: the steps that torch's optimisers take on a vector of five numbers.

    python tests/golden/make_torch_steps.py

The gradients, the start and the rates are in the file; the tests need torch no more.
"""

import json
import platform
from datetime import date
from pathlib import Path

import numpy as np

STORED = Path(__file__).with_name("torch_steps.json")
DRAWS = np.random.default_rng(0)
GRADIENTS = DRAWS.normal(size=(8, 5))
START = DRAWS.normal(size=5)
RATES = 0.1 * np.linspace(1.0, 0.3, 8)
OPTIMIZERS = {
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov, coupled decay": ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.2}),
    "adam": ("Adam", {"eps": 0.1}),
    "adam, coupled decay": ("Adam", {"weight_decay": 0.2}),
    "adamw, its own decay": ("AdamW", {}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop, momentum": ("RMSprop", {"eps": 1e-2, "momentum": 0.9}),
    "adadelta": ("Adadelta", {}),
}


def steps(kind: str, options: dict) -> list[list[float]]:
    """The parameters after each step, in float64."""
    import torch

    param, seen = torch.nn.Parameter(torch.tensor(START)), []
    optimizer = getattr(torch.optim, kind)([param], lr=1.0, **options)
    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        optimizer.param_groups[0]["lr"] = float(rate)
        param.grad = torch.tensor(gradient)
        optimizer.step()
        seen.append(param.detach().tolist())
    return seen


def main() -> None:
    """Write the file beside this one."""
    import torch

    stored = {
        "command": "python tests/golden/make_torch_steps.py",
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__},
        "gradients": GRADIENTS.tolist(),
        "start": START.tolist(),
        "rates": RATES.tolist(),
        "steps": {
            name: {"optimizer": kind, "options": options, "params": steps(kind, options)}
            for name, (kind, options) in OPTIMIZERS.items()
        },
    }
    text = json.dumps(stored, separators=(",", ":"))
    STORED.write_text(
        text.replace('{"', '{\n"').replace("],[", "],\n[").replace('},"', '},\n"') + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
