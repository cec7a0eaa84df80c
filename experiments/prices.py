"""Mistakes with a price for each image: what is paid by a network that knows prices in training, at the answer, or not.

The prices are made: a wrong answer costs the image's amount, and five times as much where its class is below the true
one. Amounts are log-normal draws times the light of the image. Reported is the mean bill in percent of the mean wrong
answer of a training image: lower is better, and a negative difference is an improvement. The accuracy stands beside it.
No paper is known to have measured these rows; Elkan (IJCAI 2001) has the theory, by which the answer of the lowest
expected cost is the best one.

Measured with the command below, 6 paired seeds, 3,500 training images of fashion_mini, 8 epochs, on two cores of an
AMD EPYC (jax 0.10.2) that other jobs shared, so that no times are given; differences are to the baseline, verdicts
after Holm's correction (results/prices). The cheapest answer takes the most off the bill, however the network learnt.

    python -m experiments.prices --seeds 6

                                    expected    bill  difference, 95 %
    baseline                                   20.95
    expected bill                   - agrees   16.07  -4.88 [-6.10, -3.67]  helps
    expected bill, weight 0.1       -          20.41  -0.54 [-1.31, +0.23]  not resolved
    dear images weigh more                     17.47  -3.49 [-4.81, -2.16]  helps
    cheapest answer                 - agrees   13.31  -7.65 [-8.77, -6.52]  helps
    expected bill, cheapest answer             13.17  -7.78 [-8.89, -6.67]  helps
"""

from functools import partial

from jaxtricks.ablation.cli import Preset, main
from jaxtricks.tricks import Trick
from jaxtricks.tricks import prices as p


def both(recipe):
    return p.cheapest(p.paid(recipe, weight=1.0))


LADDER = {
    "expected bill": Trick(partial(p.paid, weight=1.0), 1, "Elkan 2001"),
    "expected bill, weight 0.1": Trick(partial(p.paid, weight=0.1), 1, "Elkan 2001"),
    "dear images weigh more": Trick(p.weighted, None),
    "cheapest answer": Trick(p.cheapest, 1, "Elkan 2001"),
    "expected bill, cheapest answer": Trick(both, None),
}
PRESETS = {
    "quick": Preset("fashion_mini", "plain_mini", minutes=4, epochs=8, batch=16, lr=0.05, seeds_on="devices"),
    "full": Preset("cifar10", "plain_wide", seeds=10, epochs=30, batch=64, lr=0.1, seeds_on="devices"),
}

if __name__ == "__main__":
    main("prices", p.baseline, LADDER, PRESETS, title="Prices", mode="add-one", dataset=p.priced)
