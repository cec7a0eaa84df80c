"""What to prune, and by which criterion: weights or filters, at 30 to 90 %.

A network of three convolutions is trained, then pruned at once, and trained on for as many epochs at a tenth of the
rate. Pruned weights are zeros in arrays of the same size: the file becomes smaller, the time of a batch does not.
Filters that go make arrays, file and time smaller. Differences are to the network that is trained on as it is.

3 paired seeds, 800 images, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared. 70 % of the weights of all
layers together cost 0.98 points [0.66, 1.29], a file 2.7 times smaller and no time; half of the filters by L2, the
best criterion there, 3.78 [0.21, 7.35], 3.6 times and 0.71 of the time; at random 5.77 [4.98, 6.56]. In patterns that
hardware takes, 2 of 4 cost 0.81 [0.64, 0.98], 1 of 4 1.38 [0.12, 2.63] with a file 3.0 times smaller. By the curvature
70 % cost 2.66 [2.10, 3.21], by Fisher's diagonal 2.40 [0.32, 4.48]. All rows: results/prune, results/prune-patterns.

    python -m experiments.prune --images 800 --seeds 3
"""

from functools import partial

from jaxtricks import models
from jaxtricks.ablation import cli
from jaxtricks.ablation.compression import Scheme, Step, main
from jaxtricks.tricks import bare, compression, sparsity, thinning

CRITERIA = {
    "filters, L1": (thinning.norms, "layer"),
    "filters, L2": (partial(thinning.norms, order=2), "layer"),
    "filters, BN scale": (thinning.scales, "layer"),
    "filters, Taylor": (thinning.taylor, "layer"),
    "filters, Taylor, global": (thinning.taylor, "global"),
    "filters, APoZ": (partial(thinning.apoz, taps={f"stages/{n}": f"stage{n + 1}" for n in range(3)}), "layer"),
    "filters, random": (thinning.random, "layer"),
}
WEIGHTS = {
    "weights, layer": {"scope": "layer"},
    "weights, global": {"scope": "global"},
    "weights, first order": {"importance": compression.first_order},
    "weights, second order": {"importance": compression.second_order},
    "weights, curvature": {"importance": sparsity.curvature},
}
PENALTIES = {  # trained with, before the filters go by what it makes small
    "filters, slimming": (thinning.scale_sizes, 1e-3, thinning.scales),
    "filters, group lasso": (thinning.group_lasso, 1e-3, partial(thinning.norms, order=2)),
}
PATTERN = {"m": 4, "patterns": ("stages/[12]/conv/kernel",)}  # the first layer has no four inputs
SHARES = (30, 50, 70, 90)


def weights(share, epochs, **how):
    """Single weights, of small magnitude or small importance."""
    return Scheme([Step(partial(compression.pruned, shares={"conv/kernel": share / 100}, **how), epochs)])


def filters(criterion, scope, share, epochs, *before):
    """The filters that the criterion ranks lowest."""
    step = partial(thinning.thinned, criterion=criterion, share=share / 100, scope=scope)
    return Scheme([*before, Step(step, epochs)])


def grown(penalty, weight, criterion, share, epochs):
    """Half of the epochs under a penalty, then without the filters."""
    sparse = Step(partial(thinning.sparsely, penalty=penalty, weight=weight), epochs / 2, 0.3)
    return filters(criterion, "layer", share, epochs / 2, sparse)


def rows(dataset):
    model = partial(models.plain, (16, 32, 64))
    values = cli.fitted(dataset, lr=0.05, batch=32, epochs=6.0)
    recipe, n = bare(task=cli.task_of(dataset), augmented=None, model=model, **values), values["epochs"]
    schemes = {"trained on": Scheme([Step(compression.fixed, n)])}
    schemes |= {f"{name} {share} %": weights(share, n, **how) for name, how in WEIGHTS.items() for share in SHARES}
    schemes |= {f"weights, {k} of 4": Scheme([Step(partial(sparsity.n_of_m, n=k, **PATTERN), n)]) for k in (1, 2)}
    schemes |= {f"{name} {share} %": filters(*how, share, n) for name, how in CRITERIA.items() for share in SHARES}
    schemes |= {f"{name} {share} %": grown(*how, share, n) for name, how in PENALTIES.items() for share in SHARES}
    return {"plain": (recipe, schemes)}


if __name__ == "__main__":
    main("prune", rows)
