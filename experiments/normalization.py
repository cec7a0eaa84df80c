"""Normalisation at batch sizes from 2 to 128, at the same number of epochs and a learning rate that follows the batch.

Batch normalisation needs a batch: the fewer examples, the noisier its statistics (arXiv 1803.08494). Layer, instance
and group normalisation see one example at a time. Ghost normalisation takes the statistics over groups of eight.

Measured with the command below, 4 paired seeds, 3,500 training images of fashion_mini, 4 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared; differences to the setting's baseline. See results/normalization.

    python -m experiments.normalization

                                            expected  test %  difference, 95 %
    batch 2: baseline                                  74.06
    batch 2: none                                      76.38  +2.32 [+1.54, +3.10]  higher
    batch 2: layer                             +       72.57  -1.48 [-2.49, -0.47]  not resolved
    batch 2: instance                                  70.13  -3.93 [-5.92, -1.93]  not resolved
    batch 2: group                             +       74.28  +0.22 [-0.88, +1.33]  not resolved
    batch 2: group, standardised kernels       +       78.27  +4.22 [+2.49, +5.94]  not resolved
    batch 2: local response                            70.08  -3.98 [-5.08, -2.89]  lower
    batch 8: baseline                                  77.91
    batch 8: none                                      76.11  -1.80 [-2.95, -0.65]  not resolved
    batch 8: layer                                     73.06  -4.85 [-5.18, -4.52]  lower
    batch 8: instance                                  70.23  -7.68 [-9.32, -6.03]  lower
    batch 8: group                                     74.46  -3.45 [-4.20, -2.70]  lower
    batch 8: group, standardised kernels               78.33  +0.42 [-0.59, +1.44]  not resolved
    batch 8: local response                            70.56  -7.35 [-9.82, -4.88]  lower
    batch 32: baseline                                 78.15
    batch 32: none                                     75.17  -2.97 [-5.12, -0.83]  not resolved
    batch 32: layer                                    67.62  -10.53 [-15.12, -5.95]  not resolved
    batch 32: instance                                 69.09  -9.06 [-12.43, -5.69]  not resolved
    batch 32: group                                    72.48  -5.67 [-8.09, -3.24]  not resolved
    batch 32: group, standardised kernels              77.82  -0.33 [-1.26, +0.59]  not resolved
    batch 32: local response                           70.13  -8.02 [-10.98, -5.05]  not resolved
    batch 32: ghost                                    77.64  -0.51 [-1.63, +0.61]  not resolved
    batch 128: baseline                                74.66
    batch 128: none                                    12.75  -61.91 [-79.53, -44.29]  lower
    batch 128: layer                                   43.81  -30.85 [-42.80, -18.90]  not resolved
    batch 128: instance                                61.40  -13.26 [-15.75, -10.77]  lower
    batch 128: group                                   48.45  -26.21 [-46.42, -6.00]  not resolved
    batch 128: group, standardised kernels             73.85  -0.81 [-1.20, -0.42]  not resolved
    batch 128: local response                          60.47  -14.19 [-18.35, -10.03]  lower
    batch 128: ghost                                   73.62  -1.03 [-3.92, +1.85]  not resolved
    not run: the setting of batch 4, and the unbiased running variance at batch 2 and 4
"""

from functools import partial

from flax import nnx

from jaxtricks import layers, models
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import unmeasured as u

stateless = partial(partial, models.stateless_norm)
GROUP = stateless(module=nnx.GroupNorm, num_groups=4)


def ghost(groups):
    return {"ghost": t.swap(None, "arXiv 1705.08741", norm=partial(models.batch_norm, groups=groups))}


def ladder(small):
    better = 1 if small else None  # less is expected without normalisation; without a batch, more where it is small
    return {
        "none": t.swap(norm=None),
        "layer": t.swap(better, "arXiv 1803.08494", norm=stateless(module=nnx.LayerNorm)),
        "instance": t.swap(norm=stateless(module=nnx.InstanceNorm)),
        "group": t.swap(better, "arXiv 1803.08494", norm=GROUP),
        "group, standardised kernels": t.swap(better, "arXiv 1903.10520", norm=GROUP, kernel=layers.standardize_weight),
        "local response": t.swap(norm=t.response_norm),
        **(u.UNBIASED if small else {}),
    }


LADDER = {
    "batch 2": Setting(partial(t.batch_of, batch=2), ladder(True)),
    "batch 4": Setting(partial(t.batch_of, batch=4), ladder(True)),
    "batch 8": Setting(partial(t.batch_of, batch=8), ladder(False)),
    "batch 32": Setting(None, {**ladder(False), **ghost(4)}),
    "batch 128": Setting(partial(t.batch_of, batch=128), {**ladder(False), **ghost(16)}),
}
sized = partial(Preset, batch=32, lr=0.1, seeds_on="devices", keep=("batch",))  # which the settings are named by
PRESETS = {
    "quick": sized("fashion_mini", "plain_mini", seeds=4, epochs=4),
    "full": sized("cifar10", "plain_wide", seeds=10, epochs=30),
}

if __name__ == "__main__":
    main("normalization", t.modern, LADDER, PRESETS, title="Normalisation", mode="add-one")
