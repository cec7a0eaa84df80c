"""Networks of a long-tailed training set, whose predictions are balanced by the known shares of the test classes.

The tail is that of ``imbalance`` at a factor of 100; test classes are of one size, which the balanced rows may know.
The rows of a wrong prior take the training shares the other way round, and show what that costs. Balanced softmax is
the best loss of ``imbalance`` with the average of ``ensembles``: its prior is even already, so that Bayes' rule has no
place there. Balanced parts are an easy ensemble. Of the two rows of one network in two stages, one pays in the
second half for what the first half confused on held-out images. Columns as in ``ensembles``.

Not run yet.

    python -m experiments.balance
"""

from functools import partial

from jaxtricks import data, ensembles, losses
from jaxtricks.ablation import groups as g
from jaxtricks.ablation import ways as w
from jaxtricks.ablation.members import Group, Way, main
from jaxtricks.tricks import imbalance as i
from jaxtricks.tricks import objectives as o
from jaxtricks.tricks import reweighting as r

BALANCED = partial(r.by_counts, how=o.on_targets, loss=losses.logit_adjusted, name="prior")
SINKHORN = partial(w.even, how=ensembles.sinkhorn)
DESCENT = partial(w.even, how=w.by_coefficients)
WRONG = {"prior": w.reversed_tail}
GROUPS = {
    "four seeds": Group(partial(g.independent, members=4), 4),
    "balanced softmax": Group(partial(g.independent, members=4, change=(BALANCED,)), 4),
    "balanced parts": Group(partial(g.balanced_parts, members=4), 4),
    "two stages": Group(partial(g.by_confusion, share=0.5, weight=0.0), 1),
    "costs by confusion": Group(partial(g.by_confusion, share=0.5, weight=1.0), 1),
}
WAYS = {
    "one network": Way("four seeds", w.average, slice(1), 1),
    "one network: Bayes' rule": Way("four seeds", w.corrected, slice(1), 1),
    "one network: coefficients": Way("four seeds", DESCENT, slice(1), 1),
    "one network: Sinkhorn": Way("four seeds", SINKHORN, slice(1), 1),
    "two stages": Way("two stages", w.average),
    "two stages: costs by confusion": Way("costs by confusion", w.average),
    "four seeds: average": Way("four seeds", w.average),
    "four seeds: Bayes' rule": Way("four seeds", w.corrected),
    "four seeds: coefficients": Way("four seeds", DESCENT),
    "four seeds: Sinkhorn": Way("four seeds", SINKHORN),
    "four seeds: wrong prior, Bayes": Way("four seeds", partial(w.corrected, **WRONG)),
    "four seeds: wrong prior, coefficients": Way("four seeds", partial(DESCENT, **WRONG)),
    "four seeds: wrong prior, Sinkhorn": Way("four seeds", partial(SINKHORN, **WRONG)),
    "balanced softmax: one network": Way("balanced softmax", w.average, slice(1), 1),
    "balanced softmax: average": Way("balanced softmax", w.average),
    "balanced softmax: coefficients": Way("balanced softmax", DESCENT),
    "balanced softmax: Sinkhorn": Way("balanced softmax", SINKHORN),
    "balanced parts: average": Way("balanced parts", w.average),
    "balanced parts: coefficients": Way("balanced parts", DESCENT),
    "balanced parts: Sinkhorn": Way("balanced parts", SINKHORN),
}

if __name__ == "__main__":
    tailed = partial(data.long_tail, factor=100)
    main("balance", i.baseline, GROUPS, WAYS, epochs=20, model="perceptron", dataset=tailed, begin=i.begin)
