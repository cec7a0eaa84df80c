"""A point in each image: the centre of one of Fashion-MNIST's items on a canvas, by regression and by maps.

2,000 canvases of 64 x 64 pixels for training and 500 for the test, one item each. The baseline regresses the centre of
its box by a dense layer on all of a residual network's last map, with the squared error. The other forms have a pyramid
on two maps, and say a map of 16 x 16 cells: the point is its expected place (soft-argmax), or its highest peak, to
which the cell's offset is added. Reported is the mean distance in pixels: lower is better, and a negative difference is
an improvement. The paper of soft-argmax has it in front of regression.

Measured with the command below, 6 paired seeds, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared;
differences to the baseline, verdicts after Holm's correction (results/points). A dense layer on all of a map is worst;
an expected place is within a pixel.

    python -m experiments.points --epochs 6 --seeds 6

                        expected  pixels  difference, 95 %
    baseline                       11.38
    from the average                5.54  -5.84 [-6.86, -4.82]    helps
    L1                              5.27  -6.11 [-7.03, -5.19]    helps
    smooth L1                       5.37  -6.01 [-6.94, -5.08]    helps
    soft-argmax         - agrees    0.88  -10.50 [-11.45, -9.55]  helps
    soft-argmax, L1     - agrees    0.78  -10.59 [-11.55, -9.64]  helps
    peak of a heat map              1.82  -9.56 [-10.51, -8.60]   helps
    peak and offset                 0.85  -10.52 [-11.49, -9.56]  helps
"""

from functools import partial

import optax

from jaxtricks import losses
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick
from jaxtricks.tricks import pointing as p

INTEGRAL = "arXiv 1711.08229"


def soft(recipe, **loss):
    return p.with_loss(p.soft(recipe), **loss)


LADDER = {
    "from the average": Trick(p.pooled, None),
    "L1": Trick(partial(p.with_loss, loss=losses.absolute_error), None),
    "smooth L1": Trick(partial(p.with_loss, loss=partial(optax.huber_loss, delta=0.05)), None),
    "soft-argmax": Trick(p.soft, 1, INTEGRAL),
    "soft-argmax, L1": Trick(partial(soft, loss=losses.absolute_error), 1, INTEGRAL),
    "peak of a heat map": Trick(partial(p.peaked, offset=False), None, INTEGRAL),
    "peak and offset": Trick(p.peaked, None, "arXiv 1904.07850"),
}
PRESETS = {
    "quick": Preset("fashion_mini", "resnet_mini", minutes=4, epochs=12, batch=32, lr=0.003, seeds_on="devices"),
}

if __name__ == "__main__":
    main("points", p.baseline, LADDER, PRESETS, title="Points", mode="add-one", dataset=p.centers)
