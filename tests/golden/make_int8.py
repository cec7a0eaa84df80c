"""Make int8.json: what qwix makes of one dense layer in int8.

    pip install --target /tmp/qwix --no-deps qwix==0.1.8
    PYTHONPATH=/tmp/qwix python tests/golden/make_int8.py

The kernel has one scale for each output, the inputs one for each example; qwix multiplies in int32. The tests do not
need qwix but read the numbers.
"""

import json
from importlib.metadata import version
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import qwix

RNG = np.random.default_rng(16)
X, KERNEL = (RNG.normal(size=shape).astype(np.float32) for shape in ((3, 7), (7, 4)))

if __name__ == "__main__":
    kernel = qwix.quantize(jnp.asarray(KERNEL), "int8", channelwise_axes=(1,))
    x = qwix.quantize(jnp.asarray(X), "int8", channelwise_axes=(0,))
    arrays = {
        "x": X,
        "kernel": KERNEL,
        "scale": kernel.scale,
        "quantized": kernel.qvalue,
        "of_rows": x.scale,
        "x_quantized": x.qvalue,
        "out": qwix.dot(x, kernel),
    }
    out = {name: np.asarray(value).tolist() for name, value in arrays.items()}
    path = Path(__file__).with_name("int8.json")
    path.write_text(json.dumps({"qwix": version("qwix"), **out}, indent=1) + "\n", encoding="utf-8")
