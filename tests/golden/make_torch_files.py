"""Files that torch.save wrote, in torch_files.json (base64), with the numbers that torch reads from them.

python tests/golden/make_torch_files.py  # with torch 2.13.0
"""

import base64
import io
import json
from pathlib import Path

STORED = Path(__file__).with_name("torch_files.json")


def main() -> None:
    import torch

    row = torch.arange(24, dtype=torch.float32) / 8 - 1
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(row[:6].reshape(2, 3))
        layer.bias.copy_(row[6:8])
    norm = torch.nn.BatchNorm2d(2)
    norm.running_mean.copy_(row[8:10])
    state = torch.nn.Sequential(layer, norm).state_dict()
    tensors = {
        "turned": row.reshape(4, 6).T,
        "part": row.reshape(4, 6)[1:3, 2:5],
        "same": row,
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 4),
        "flags": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(row[:3].clone()),
    }
    numbers = row.reshape(2, 12)[:, ::3]
    kinds = ("float64", "float16", "bfloat16", "int64", "int32", "int16", "int8")
    tensors |= {kind: numbers.clone().to(getattr(torch, kind)) for kind in kinds}
    values = {"state": state, "tensors": tensors, "checkpoint": {"epoch": 7, "model": {"ema": [row[:2].clone()]}}}
    stored = {"torch": torch.__version__, "files": {}}
    for name, value in values.items():
        for form, options in {
            "zip": {},
            "row": {"_use_new_zipfile_serialization": False},
            "4": {"pickle_protocol": 4},
        }.items():
            buffer = io.BytesIO()
            torch.save(value, buffer, **options)
            stored["files"][f"{name} {form}"] = base64.b64encode(buffer.getvalue()).decode()
    flat = {f"state {key}": value for key, value in state.items()}
    flat |= {f"tensors {key}": value for key, value in tensors.items()} | {"checkpoint model.ema.0": row[:2]}
    stored["values"] = {key: value.tolist() for key, value in flat.items()}
    STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
