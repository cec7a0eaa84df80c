"""An ordinal target: by how many degrees an image was turned, from -60 to 60 in 13 classes of ten degrees.

The images of the data set are turned once, by angles drawn evenly over the classes, and keep their new label. The angle
that a network says is the mean of the classes under the predicted probabilities, the same for every row, and what is
compared is its mean absolute error in degrees: lower is better, and a negative difference is an improvement. Label
distributions (arXiv 1611.01731) spread the target over neighbouring classes; regressions train the expected angle.

Measured with the command below, 6 paired seeds, 3,506 training images of fashion_mini, turned, 8 epochs, on two cores
of an AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline,
verdicts after Holm's correction over all rows. The complete report: results/ordinal.

    python -m experiments.ordinal --seeds 6

                                 expected  test MAE, °  difference, ° [95 %]
    baseline                                    7.18
    label distribution, sigma 1  - disagrees    8.11  +0.93 [+0.70, +1.17]  hurts
    label distribution, sigma 2  - disagrees   11.04  +3.86 [+3.46, +4.27]  hurts
    smoothing                                   9.77  +2.60 [+2.25, +2.94]  hurts
    L2 of the expected angle                   12.26  +5.09 [+1.05, +9.13]  hurts
    L1                                          8.48  +1.30 [+0.28, +2.32]  hurts
    smooth L1                                   8.32  +1.15 [+0.47, +1.82]  hurts
    Tukey biweight                              8.77  +1.60 [+0.90, +2.29]  hurts
"""

from functools import partial

import optax

from jaxtricks import losses
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick
from jaxtricks.tricks import bag as t
from jaxtricks.tricks import ordinal as o


def regression(loss, expected=None, paper=None):
    return Trick(partial(o.regression, loss=loss), expected, paper)


LADDER = {
    "label distribution, sigma 1": Trick(partial(o.distribution, sigma=1.0), 1, "arXiv 1611.01731"),
    "label distribution, sigma 2": Trick(partial(o.distribution, sigma=2.0), 1, "arXiv 1611.01731"),
    "smoothing": Trick(t.smoothing, None, "arXiv 1512.00567"),
    "L2 of the expected angle": regression(optax.squared_error),
    "L1": regression(losses.absolute_error),
    "smooth L1": regression(optax.huber_loss),
    "Tukey biweight": regression(o.biweight, None, "arXiv 1505.06606"),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=8, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("ordinal", o.baseline, LADDER, PRESETS, title="Ordinal target", mode="add-one", dataset=o.turned)
