"""What fewer filters buy in time: a residual network at half of its multiply-accumulates, of odd and of even widths.

    python -m benchmarks.filters

The networks take turns on a batch. The figure is the median of the processor time of a call, which other jobs change
less than the time on the clock, in that of the network before its filters went.
"""

import statistics
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxtricks import analysis, models

BATCH, TURNS = 32, 12
WIDTHS = {"before": (64, 128, 256), "30 % less": (45, 90, 179), "in eights": (48, 88, 176)}


def main() -> None:
    """Measure and print."""
    image = jnp.asarray(np.random.default_rng(0).normal(size=(BATCH, 32, 32, 3)), jnp.float32)
    runs, macs = {}, {}
    for name, widths in WIDTHS.items():
        layout = models.Layout((1, 1, 1), widths, bottleneck=False, stem=(3, 2), pool=False)
        model = models.resnet(layout, classes=10)
        call = partial(model.apply, *model.init(jax.random.key(0)), train=False)
        runs[name], macs[name] = jax.jit(call), analysis.count_macs(call, image[:1])
        jax.block_until_ready(runs[name](image))
    seconds = {name: [] for name in runs}
    for _ in range(TURNS):
        for name, run in runs.items():
            began = time.process_time()
            jax.block_until_ready(run(image))
            seconds[name].append(time.process_time() - began)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    for name, widths in WIDTHS.items():
        ratios = f"MACs {macs[name] / macs['before']:.2f}  time {middle[name] / middle['before']:.2f}"
        print(f"{name:10} {widths!s:15} {ratios}")


if __name__ == "__main__":
    main()
