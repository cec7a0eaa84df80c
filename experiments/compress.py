r"""How small LeNet-300-100 and LeNet-5 can be made without a loss of accuracy: Deep Compression, and others.

Here on Fashion-MNIST. Share, rates and bits of "pruned gradually, 5 bits" were chosen on 3,000 held-out images with
seed 0. The first row is trained on for as many epochs at the same rate. Bytes are those of files that were loaded again
and gave the same logits. Zeros save no time.
Paired seeds, 10,000 test images, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared; the difference in
points, 5 seeds. With 30,000 training images the loss is resolved; with 10,000, none is. LeNet-5 (5,000 images,
5 seeds): 48.6 times smaller, -0.41 [-1.15, +0.32], the paper 39; low rank 9.9, -0.48 [-0.95, -0.01]; neither is
resolved; taught, it ended at 13.04 %, its rates chosen without a teacher. All rows of LeNet-300-100: compress-2000.

    python -m experiments.compress --data fashion_mnist.npz --images 10000 --seeds 5 --networks LeNet-300-100 \
        --only "pruned gradually, 5 bits" "taught, pruned gradually, 5 bits"

                                                 bytes  smaller  weights   after  difference, 95 %
    30,000: trained on                       1,066,797     1.0x  100.0 %   88.63
    30,000: pruned gradually, 5 bits            33,820    31.5x   11.5 %   88.31  -0.32 [-0.44, -0.20]  hurts
    10,000: trained on                       1,066,797     1.0x  100.0 %   86.61
    10,000: pruned gradually, 5 bits            32,904    32.4x   11.5 %   86.34  -0.27 [-0.58, +0.04]  not resolved
    10,000: taught, pruned gradually, 5 bits    33,344    32.0x   11.5 %   86.48  -0.12 [-0.35, +0.10]  no effect
"""

from functools import partial

from jaxtricks import layers, models
from jaxtricks.ablation import cli
from jaxtricks.ablation.compression import Scheme, Step, from_start, main
from jaxtricks.tricks import bag, coding, factoring, students
from jaxtricks.tricks import compression as c


def coded(large, shares, share, steps, epochs, papers):
    """Deep Compression with the shares of its paper, and with one share by the cubic schedule; and other codes."""
    long, short = 12 / 15 * epochs, 3 / 15 * epochs
    at_once = Step(partial(c.pruned, shares=shares), long, 0.3)
    gradually = Step(partial(c.gradually, share=share, begin=0.5, steps=steps), long, 0.3)
    taught = Step(partial(students.student, teach=students.softened), 0.0)
    values = {bits: Step(partial(coding.quantized, bits={"kernel$": bits}), short, 0.03) for bits in (4, 5)}
    int8 = partial(coding.of_bytes, patterns=("kernel$",))
    ranks = partial(factoring.ranked, budget=0.1, patterns=("kernel$",))
    vectors = partial(coding.vectors, length=4, clusters=16, patterns=(large,))
    return {
        "trained on": Scheme([Step(c.fixed, epochs, 0.3)]),
        "taught on by itself": Scheme([taught, Step(c.fixed, epochs, 0.3)]),
        "pruned at once": Scheme([at_once]),
        "pruned gradually": Scheme([gradually]),
        "shared values, 5 bits": Scheme([values[5]]),
        "pruned at once, 5 bits": Scheme([at_once, values[5]], paper=papers[0]),
        "pruned gradually, 5 bits": Scheme([gradually, values[5]]),
        "the same without Huffman": Scheme([gradually, values[5]], huffman=False, paper=papers[1]),
        "pruned gradually, 4 bits": Scheme([gradually, values[4]]),
        "taught, pruned gradually, 5 bits": Scheme([taught, gradually, values[5]]),
        "int8 after training": Scheme([Step(int8, 0.0)]),
        "int8 in training": Scheme([Step(int8, epochs, 0.3)]),
        "low rank, 10 %": Scheme([Step(ranks, epochs)]),
        "vectors of 4, 4 bits": Scheme([Step(vectors, epochs, 0.003)]),
    } | {name: Scheme([Step(change, epochs)]) for name, change in factoring.structures(large).items()}


def rows(dataset):
    side, values = cli.side(dataset), cli.fitted(dataset, lr=0.1, batch=128, epochs=15.0)
    epochs, steps = values["epochs"], round(7 / 15 * values["epochs"] * (len(dataset.train) // values["batch"]))
    recipe = partial(bag.bare, task=cli.task_of(dataset), augmented=None, **values)
    dense = {"hidden/0/kernel": 0.92, "hidden/1/kernel": 0.91, "head/kernel": 0.74}
    convs = {f"convs/{n}/conv/kernel": share for n, share in enumerate((0.34, 0.88, 0.92))} | {"head/kernel": 0.81}
    hints = partial(students.features, taps=("hidden2",))
    ways = {"softened": students.softened, "logits": partial(students.logits, weight=0.003), "features": hints}
    perceptron = partial(models.perceptron, size=side * side)
    three = {"encode": partial(factoring.tucker, share=0.3), "decode": factoring.thrice, "patterns": ("convs/[12]/",)}
    return {
        "LeNet-300-100": (
            recipe(model=partial(perceptron, (300, 100))),
            coded("hidden/0/kernel", dense, 0.885, steps, epochs, PAPERS["LeNet-300-100"])
            | from_start("30 units", partial(perceptron, (30, 100)), epochs, ways)
            | from_start("circulant, 300 units", partial(perceptron, (300, 100), layer=layers.Circulant), epochs),
        ),
        "LeNet-5": (
            recipe(model=models.NETWORKS["lenet_caffe"]),
            coded("convs/2/conv/kernel", convs, 0.92, steps, epochs, PAPERS["LeNet-5"])
            | {"Tucker, ranks of 30 %": Scheme([Step(partial(factoring.recoded, **three), epochs)])},
        ),
    }


PAPERS = {  # Deep Compression, tables 1 to 3, on MNIST
    "LeNet-300-100": ("40x, 1,070 to 27 kB, error 1.64 to 1.58 %", "32x"),
    "LeNet-5": ("39x, 1,720 to 44 kB, error 0.80 to 0.74 %", "33x"),
}

if __name__ == "__main__":
    main("compress", rows)
