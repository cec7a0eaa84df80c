r"""How small LeNet-300-100 and LeNet-5 can be made without a loss of accuracy: Deep Compression, and others.

Deep Compression on MNIST: LeNet-300-100 1,070 kB to 27 kB (40 times; 32 without Huffman), error 1.64 to 1.58 %; LeNet-5
1,720 kB to 44 kB (39 times), 0.80 to 0.74 %.

Here on Fashion-MNIST, which is harder. Share, rates and bits of "pruned gradually, 5 bits" were chosen on 3,000
held-out images with seed 0, and leave more weights than the paper's. The first row is trained on for as
many epochs at the same rate. Bytes are those of files that were loaded again and gave the same logits. Zeros save no
time: the arrays are as large as they were.

Measured with the command below, 4 paired seeds, 30,000 training and 10,000 test images of Fashion-MNIST, on two cores
of an AMD EPYC (jax 0.10.2) that other jobs shared. The other rows and LeNet-5 are not run yet.

    python -m experiments.compress --data fashion_mnist.npz --images 30000 --networks LeNet-300-100 \
        --only "pruned gradually, 5 bits"

                                  bytes  smaller  weights  before   after  difference [95 %]
    trained on                1,066,797     1.0x  100.0 %   88.80   88.66
    pruned gradually, 5 bits     34,048    31.3x   11.5 %   88.27   88.22  -0.44 [-0.84, -0.05]
"""

from functools import partial

from jaxtricks import models
from jaxtricks.ablation import cli
from jaxtricks.ablation.compression import Scheme, Step, main
from jaxtricks.tricks import bare, coding
from jaxtricks.tricks import compression as c

KERNELS = ("hidden/0/kernel",)  # where nearly all weights of both networks are


def schemes(shares, share, steps, epochs):
    """Deep Compression with the shares of its paper, and with one share by the cubic schedule; and other codes."""
    long, short = 12 / 15 * epochs, 3 / 15 * epochs
    at_once = Step(partial(c.pruned, shares=shares), long, 0.3)
    gradually = Step(partial(c.gradually, share=share, begin=0.5, steps=steps), long, 0.3)
    values = {bits: Step(partial(coding.quantized, bits={"kernel$": bits}), short, 0.03) for bits in (4, 5)}
    recoded = partial(coding.recoded, patterns=KERNELS)
    rank = partial(recoded, encode=partial(coding.low_rank, share=0.1), decode=coding.multiplied)
    hashed = partial(recoded, encode=partial(coding.hashed, share=0.1), decode=coding.spread)
    vectors = partial(coding.vectors, length=4, clusters=16, patterns=KERNELS)
    return {
        "trained on": Scheme([Step(c.fixed, epochs, 0.3)]),
        "pruned at once": Scheme([at_once]),
        "pruned gradually": Scheme([gradually]),
        "5 bits": Scheme([values[5]]),
        "pruned at once, 5 bits": Scheme([at_once, values[5]]),
        "pruned gradually, 5 bits": Scheme([gradually, values[5]]),
        "the same without Huffman": Scheme([gradually, values[5]], huffman=False),
        "pruned gradually, 4 bits": Scheme([gradually, values[4]]),
        "low rank, 10 %": Scheme([Step(rank, epochs)]),
        "hashed, 10 %": Scheme([Step(hashed, epochs)]),
        "vectors of 4, 4 bits": Scheme([Step(vectors, epochs, 0.003)]),
    }


def rows(dataset):
    side, values = cli.side(dataset), cli.fitted(dataset, lr=0.1, batch=128, epochs=15.0)
    epochs, steps = values["epochs"], round(7 / 15 * values["epochs"] * (len(dataset.train) // values["batch"]))
    recipe = partial(bare, task=cli.task_of(dataset), augmented=None, **values)
    dense = {"hidden/0/kernel": 0.92, "hidden/1/kernel": 0.91, "head/kernel": 0.74}
    convolutions = {"convs/0/kernel": 0.34, "convs/1/kernel": 0.88, "hidden/0/kernel": 0.92, "head/kernel": 0.81}
    perceptron = recipe(model=partial(models.perceptron, (300, 100), size=side * side))
    lenet = recipe(model=partial(models.lenet, (20, 50, 500), size=side))
    return {
        "LeNet-300-100": (perceptron, schemes(dense, 0.885, steps, epochs)),
        "LeNet-5": (lenet, schemes(convolutions, 0.92, steps, epochs)),
    }


if __name__ == "__main__":
    main("compress", rows)
