"""Classes of unequal size: samplers, weights, losses, deferred and decoupled training, after an exponential tail.

Class c keeps n f^(-c / 9) training images (arXiv 1906.07413), for f = 100: 350, 209, 125, 75, 45, 27, 16, 9, 5, 3 of
fashion_mini. Held-out and test images stay balanced; what is compared is the mean recall of the classes. Samplers whose
epochs are longer have fewer of them, so that all rows take as many steps. LDAM is without the normalised classifier;
the adjusted loss with tau 1 is balanced softmax. Beside the report, tails.md has the thirds of the classes, what the
batches hold, and Kendall's tau with the ranking of BagofTricks-LT (tricks.long_tails.PUBLISHED).

Not run with these settings yet. On 500 held-out images of fashion_mini, seeds 100 and 101, a perceptron without
augmentation: baseline 67.2 %, balanced sampling 68.8, balanced softmax 72.4. At batch 32 and twice the rate, weights by
1 / sqrt n diverge: 5 seeds, 42.47 % of the test images in the place of 67.67.

    python -m experiments.imbalance
"""

from jaxtricks.ablation import tails
from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import imbalance as i
from jaxtricks.tricks import long_tails

SETTINGS = {
    "factor 100": i.setting(100, long_tails.rows(100)),
    "factor 50": i.setting(50, long_tails.few(50)),
    "factor 10": i.setting(10, long_tails.few(10)),
}
PRESETS = {
    "quick": Preset("fashion_mini", "perceptron", seeds=5, epochs=20, batch=16, lr=0.05, seeds_on="vmap"),
    "full": Preset("cifar10", "resnet32", seeds=5, epochs=200, batch=128, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    parts = {"dataset": i.checked, "begin": i.begin, "after": tails.show}
    main("imbalance", i.baseline, SETTINGS, PRESETS, title="Imbalance", mode="add-one", **parts)
