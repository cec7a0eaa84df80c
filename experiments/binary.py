"""Weights and activations of one bit, trained from the start: what each bit costs in accuracy.

All convolutions of a small network have signs for kernels, alone (BinaryConnect) or times the mean magnitude of the
filter (BWN), or three values (ternary); or kernels of int8. Of BNN the activations are signs too, and BN comes before
them. The classifier and the scales of BN stay as they are. On AlexNet XNOR-Net's paper has 56.6 % without, 56.8 with
BWN, 35.4 with BinaryConnect, 27.9 with BNN and 44.2 with XNOR. Differences are to the baseline.

Measured with the command below, 26 paired seeds, 880 training images of fashion_mini, 6 epochs, two cores of an AMD
EPYC (jax 0.10.2) that other jobs shared; differences to the baseline, verdicts after Holm's correction
(results/binary). Eight bits cost nothing. Of one bit, scales by filter bring nothing beside BN, which has its own.

    python -m experiments.binary --images 1000 --seeds 26

                               expected  test %  difference, 95 %
    baseline                              72.57
    BinaryConnect              - agrees   62.78  -9.79 [-10.70, -8.88]    hurts
    BinaryConnect, drawn       - agrees   40.76  -31.81 [-35.01, -28.62]  hurts
    BWN                        - agrees   63.03  -9.54 [-10.41, -8.67]    hurts
    ternary                    - agrees   70.52  -2.06 [-2.52, -1.59]     hurts
    int8                       0 agrees   72.63  +0.06 [-0.16, +0.28]     no effect beyond ±0.5 points
    signs of activations       - agrees   65.58  -6.99 [-7.97, -6.02]     hurts
    BWN, signs of activations  - agrees   53.78  -18.79 [-19.67, -17.91]  hurts
    BNN                        - agrees   53.17  -19.40 [-20.34, -18.47]  hurts
    XNOR                       - agrees   56.91  -15.66 [-17.51, -13.81]  hurts
"""

from functools import partial

from jaxtricks import compress, models
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick, coding, parts, regularizers
from jaxtricks.tricks import bag as t

SIGNS = models.fixed(compress.straight_through(compress.sign, limit=1.0))
LADDER = {
    "BinaryConnect": t.swap(-1, "arXiv 1511.00363", kernel=compress.binary_connect),
    "BinaryConnect, drawn": Trick(
        partial(regularizers.wrapped, how=coding.drawn_signs, patterns=("conv/kernel",)), -1, "arXiv 1511.00363"
    ),
    "BWN": t.swap(-1, "arXiv 1603.05279", kernel=compress.binary_weights),
    "ternary": t.swap(-1, "arXiv 1605.04711", kernel=compress.ternary),
    "int8": t.swap(0, "arXiv 1712.05877", kernel=partial(compress.fake_int8, axes=(0, 1, 2))),
    "signs of activations": t.swap(-1, "arXiv 1602.02830", activation=SIGNS),
    "BWN, signs of activations": t.swap(-1, "arXiv 1603.05279", activation=SIGNS, kernel=compress.binary_weights),
    "BNN": t.swap(-1, "arXiv 1602.02830", activation=SIGNS, kernel=compress.binary_connect),
    "XNOR": Trick(partial(parts.network, build=models.xnor), -1, "arXiv 1603.05279"),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=6, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=60, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("binary", t.modern, LADDER, PRESETS, title="Bits of weights and activations", mode="add-one")
