"""Networks of a long-tailed training set, whose predictions are balanced by the known shares of the test classes.

The tail is that of ``imbalance`` at a factor of 100; test classes are of one size, which the first rows may know. The
rows of a wrong prior take the training shares the other way round, and show what that costs. The last rows have members
trained on balanced parts of the data (easy ensemble). Columns as in ``ensembles``.

Not measured yet. The rows of the four seeds have trained; those of the balanced parts have never been run to the end.

    python -m experiments.balance
"""

from functools import partial

from jaxtricks import data, ensembles
from jaxtricks.ablation import members as m
from jaxtricks.tricks import bag as t

SINKHORN = partial(m.even, how=ensembles.sinkhorn)
DESCENT = partial(m.even, how=m.by_coefficients)
GROUPS = {
    "four seeds": (partial(m.independent, members=4), 4, 4),
    "balanced parts": (partial(m.balanced_parts, members=4), 4, 4),
}
WAYS = {
    "four seeds: average": ("four seeds", m.average),
    "four seeds: Bayes' rule": ("four seeds", m.corrected),
    "four seeds: coefficients": ("four seeds", DESCENT),
    "four seeds: Sinkhorn": ("four seeds", SINKHORN),
    "four seeds: wrong prior, Bayes": ("four seeds", partial(m.corrected, prior=m.reversed_tail)),
    "four seeds: wrong prior, coefficients": ("four seeds", partial(DESCENT, prior=m.reversed_tail)),
    "four seeds: wrong prior, Sinkhorn": ("four seeds", partial(SINKHORN, prior=m.reversed_tail)),
    "balanced parts: average": ("balanced parts", m.average),
    "balanced parts: coefficients": ("balanced parts", DESCENT),
    "balanced parts: Sinkhorn": ("balanced parts", SINKHORN),
}

if __name__ == "__main__":
    m.main("balance", t.modern, "plain_mini", GROUPS, WAYS, dataset=partial(data.long_tail, factor=100))
