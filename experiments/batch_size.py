"""Batch size from one image to all of them, at equal epochs and at equal steps, and L-BFGS on all of them.

The training set has 768 images, so that a batch can be all of it; the network is a perceptron without normalisation, so
that a batch of one is possible. Every row has a rate of its own: four are tried for each, half a decade apart about one
in proportion to the root of the batch, on held-out images. At equal epochs every row sees as many images, and a batch
of all makes one update an epoch; at equal steps every row makes as many updates, and sees more images the larger its
batch. The schedule, the warm-up and the decay are shares of either run.

L-BFGS remembers ten steps and finds its rate by a line search, whose evaluations of the loss count in the time and not
in the steps; weight decay is in its loss. A rule of thumb from lecture notes is measured here: all images at once below
some two thousand of them, else a batch of 32 to 512. With 768 images it is not confirmed: at equal epochs all at once
are 3.53 points behind 32, and L-BFGS 2.00; at 24 times the epochs neither is resolved.

6 paired seeds, digits, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given;
verdicts after Holm's correction (results/batch_size; rates.md has the rates). The last three of the first setting are
the same updates in other forms, with the same accuracies.

    python -m experiments.batch_size --seeds 6

                                           expected  test %  difference, 95 %
    equal epochs: baseline                            97.17
    equal epochs: batch 1                             96.24  -0.93 [-1.39, -0.47]  hurts
    equal epochs: batch 4                             96.19  -0.97 [-1.52, -0.43]  hurts
    equal epochs: batch 16                            96.10  -1.07 [-1.50, -0.63]  hurts
    equal epochs: batch 128                           96.52  -0.65 [-1.48, +0.18]  not resolved
    equal epochs: all images                          93.64  -3.53 [-4.59, -2.47]  hurts
    equal epochs: all images, L-BFGS                  95.17  -2.00 [-2.41, -1.58]  hurts
    equal epochs: 32 in four parts         0          97.17  0.00 [-0.95, +0.95]   not resolved
    equal epochs: 8, four steps an update  0          97.17  0.00 [-0.95, +0.95]   not resolved
    equal epochs: 32, norms reported       0          97.17  0.00 [-0.95, +0.95]   not resolved
    equal steps: baseline                             97.17
    equal steps: batch 1                              91.46  -5.71 [-7.00, -4.42]  hurts
    equal steps: batch 4                              96.19  -0.97 [-1.67, -0.28]  not resolved
    equal steps: batch 16                             97.35  +0.19 [-0.44, +0.81]  not resolved
    equal steps: batch 128                            96.19  -0.97 [-1.63, -0.32]  not resolved
    equal steps: all images                           96.19  -0.97 [-1.67, -0.28]  not resolved
    equal steps: all images, L-BFGS                   98.00  +0.84 [+0.19, +1.49]  not resolved
"""

from functools import partial

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Setting, Trick, bare
from jaxtricks.tricks import batches as b
from jaxtricks.tricks import optimizers as o

IMAGES = 768
FACTORS = (0.1, 10**-0.5, 1.0, 10**0.5)


def searched(recipe, *, equal):
    """L-BFGS on all images."""
    return b.full_batch(b.sized(recipe, batch=IMAGES, equal=equal))


def ladder(equal):
    sizes = {f"batch {size}": partial(b.sized, batch=size, equal=equal) for size in (1, 4, 16, 128)}
    sizes["all images"] = partial(b.sized, batch=IMAGES, equal=equal)
    return {name: Trick(change, None) for name, change in sizes.items()} | {
        "all images, L-BFGS": Trick(partial(searched, equal=equal), None, "Liu and Nocedal 1989"),
    }


SAME = {  # as many images in an update; without batch statistics the numbers are the baseline's
    "32 in four parts": Trick(partial(b.accumulated, parts=4), 0),
    "8, four steps an update": Trick(partial(b.several_steps, steps=4), 0),
    "32, norms reported": Trick(o.watched, 0),
}
exact = partial(b.exactly, images=IMAGES)
SETTINGS = {
    "equal epochs": Setting(None, ladder("epochs") | SAME, data=exact),
    "equal steps": Setting(None, ladder("steps"), data=exact),
}
values = {"batch": 32, "lr": 0.05, "seeds_on": "devices", "keep": ("batch", "epochs")}  # which the rows are named by
PRESETS = {
    "quick": Preset("digits", "perceptron", minutes=4, epochs=16, **values),
    "full": Preset("fashion_mini", "perceptron", seeds=10, epochs=32, **values),
}

if __name__ == "__main__":
    main("batch_size", bare, SETTINGS, PRESETS, title="Batch size", mode="add-one", factors=FACTORS)
