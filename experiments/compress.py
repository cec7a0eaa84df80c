"""How small a network can be made that is as good."""

from functools import partial

from jaxtricks import models, tasks
from jaxtricks.ablation.compression import Scheme, main
from jaxtricks.tricks import bare
from jaxtricks.tricks import compression as c


def perceptron(recipe):
    """LeNet-300-100: shares and bits of Deep Compression's table 2."""
    some = partial(c.pruned, shares={"hidden/0/kernel": 0.8, "hidden/1/kernel": 0.75, "head/kernel": 0.5})
    most = partial(c.pruned, shares={"hidden/0/kernel": 0.92, "hidden/1/kernel": 0.91, "head/kernel": 0.74})
    bits = {"hidden/0/kernel": 5, "hidden/1/kernel": 5, "head/kernel": 5}
    return {
        "trained on": Scheme([(c.fixed, 15.0)]),
        "pruned at once": Scheme([(most, 15.0)]),
        "pruned": Scheme([(some, 5.0), (most, 10.0)]),
        "5 bits": Scheme([(partial(c.quantized, bits=bits), 15.0)], lr=0.01),
        "pruned, 5 bits": Scheme([(some, 5.0), (most, 8.0), (partial(c.quantized, bits=bits), 2.0)], huffman=False),
        "pruned, 5 bits, Huffman": Scheme([(some, 5.0), (most, 8.0), (partial(c.quantized, bits=bits), 2.0)]),
    }


def rows(dataset):
    size = dataset.shape[0] * dataset.shape[1]
    build = partial(bare, task=tasks.classification(dataset.classes), augmented=None, lr=0.05, batch=64, epochs=15)
    dense = build(model=partial(models.perceptron, (300, 100), size=size))
    return {"LeNet-300-100": (dense, perceptron(dense))}


if __name__ == "__main__":
    main("compress", rows)
