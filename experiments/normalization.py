"""Normalisation at batch sizes from 2 to 128, at the same number of epochs and a learning rate that follows the batch.

Batch normalisation needs a batch: the fewer examples, the noisier its statistics (arXiv 1803.08494). Layer, instance
and group normalisation see one example at a time. Ghost normalisation takes the statistics over groups of eight.

Measured with the command below, 6 paired seeds, 3,500 images of fashion_mini, 4 epochs, on two cores of an AMD EPYC
(jax 0.10.2) that other jobs shared; differences to the setting's baseline: 21 of 34 resolved (results/normalization).

    python -m experiments.normalization --seeds 6

                                            expected     test %  difference, 95 %
    batch 2: baseline                                     73.96
    batch 2: none                                         76.38  +2.42 [+1.08, +3.75]     not resolved
    batch 2: layer                          +             72.43  -1.53 [-2.61, -0.45]     not resolved
    batch 2: instance                                     69.51  -4.45 [-6.51, -2.39]     hurts
    batch 2: group                          +             74.11  +0.15 [-1.25, +1.55]     not resolved
    batch 2: group, standardised kernels    + agrees      78.33  +4.37 [+3.09, +5.65]     helps
    batch 2: local response                               70.88  -3.08 [-4.32, -1.83]     hurts
    batch 2: unbiased variance                            73.93  -0.03 [-0.37, +0.30]     not resolved
    batch 4: baseline                                     76.83
    batch 4: none                                         76.58  -0.25 [-0.90, +0.40]     not resolved
    batch 4: layer                          + disagrees   71.84  -4.99 [-6.08, -3.90]     hurts
    batch 4: instance                                     68.92  -7.92 [-10.14, -5.69]    hurts
    batch 4: group                          + disagrees   74.67  -2.17 [-2.77, -1.57]     hurts
    batch 4: group, standardised kernels    + agrees      78.45  +1.62 [+0.99, +2.25]     helps
    batch 4: local response                               71.00  -5.83 [-7.34, -4.33]     hurts
    batch 4: unbiased variance                            76.83  -0.01 [-0.22, +0.21]     no effect beyond ±0.5 points
    batch 8: baseline                                     78.03
    batch 8: none                                         76.98  -1.06 [-1.83, -0.28]     not resolved
    batch 8: layer                                        72.46  -5.57 [-6.51, -4.64]     hurts
    batch 8: instance                                     69.80  -8.23 [-9.49, -6.98]     hurts
    batch 8: group                                        74.38  -3.65 [-4.60, -2.70]     hurts
    batch 8: group, standardised kernels                  78.44  +0.41 [-0.76, +1.57]     not resolved
    batch 8: local response                               70.76  -7.28 [-8.67, -5.89]     hurts
    batch 32: baseline                                    78.32
    batch 32: none                                        73.91  -4.41 [-7.23, -1.59]     not resolved
    batch 32: layer                                       67.67  -10.65 [-15.06, -6.24]   hurts
    batch 32: instance                                    67.74  -10.58 [-12.31, -8.84]   hurts
    batch 32: group                                       72.77  -5.56 [-6.49, -4.62]     hurts
    batch 32: group, standardised kernels                 77.92  -0.41 [-1.12, +0.31]     not resolved
    batch 32: local response                              70.21  -8.12 [-9.39, -6.84]     hurts
    batch 32: ghost                                       77.55  -0.77 [-1.64, +0.10]     not resolved
    batch 128: baseline                                   74.69
    batch 128: none                                       19.89  -54.81 [-72.45, -37.16]  hurts
    batch 128: layer                                      36.65  -38.04 [-46.86, -29.23]  hurts
    batch 128: instance                                   61.72  -12.98 [-15.04, -10.91]  hurts
    batch 128: group                                      46.83  -27.87 [-39.77, -15.96]  hurts
    batch 128: group, standardised kernels                73.53  -1.17 [-2.95, +0.62]     not resolved
    batch 128: local response                             59.33  -15.37 [-19.88, -10.85]  hurts
    batch 128: ghost                                      74.52  -0.18 [-1.59, +1.23]     not resolved
"""

from functools import partial

from flax import nnx

from jaxtricks import layers, models
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, further
from jaxtricks.tricks import bag as t

stateless = partial(partial, models.stateless_norm)
GROUP = stateless(module=nnx.GroupNorm, num_groups=4)


def ladder(small, groups=None):
    better = 1 if small else None  # less is expected without normalisation; without a batch, more where it is small
    ghost = {"ghost": t.swap(None, "arXiv 1705.08741", norm=partial(models.batch_norm, groups=groups))}
    return {
        "none": t.swap(norm=None),
        "layer": t.swap(better, "arXiv 1803.08494", norm=stateless(module=nnx.LayerNorm)),
        "instance": t.swap(norm=stateless(module=nnx.InstanceNorm)),
        "group": t.swap(better, "arXiv 1803.08494", norm=GROUP),
        "group, standardised kernels": t.swap(better, "arXiv 1903.10520", norm=GROUP, kernel=layers.standardize_weight),
        "local response": t.swap(norm=t.response_norm),
        **(further.UNBIASED if small else ghost if groups else {}),
    }


ROWS = {2: ladder(True), 4: ladder(True), 8: ladder(False), 32: ladder(False, groups=4), 128: ladder(False, groups=16)}
LADDER = {f"batch {n}": Setting(None if n == 32 else partial(t.batch_of, batch=n), rows) for n, rows in ROWS.items()}
sized = partial(Preset, batch=32, lr=0.1, seeds_on="devices", keep=("batch",))  # which the settings are named by
PRESETS = {
    "quick": sized("fashion_mini", "plain_mini", minutes=4, epochs=4),
    "full": sized("cifar10", "plain_wide", seeds=10, epochs=30),
}

if __name__ == "__main__":
    main("normalization", t.modern, LADDER, PRESETS, title="Normalisation", mode="add-one")
