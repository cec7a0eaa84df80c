"""What to prune, and by which criterion: weights or filters, at 30 to 90 %.

A network of three convolutions is trained, then pruned at once, and trained on for as many epochs at a tenth of the
rate. Pruned weights are zeros in arrays of the same size: the file becomes smaller, the time of a batch does not.
Filters that go make arrays, file and time smaller. Differences are to the network that is trained on as it is.

5 paired seeds, 800 images, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared; verdicts after Holm's
correction over 57 rows. 70 % of the weights of all layers together cost 0.79 points [0.12, 1.47], which is not
resolved, for a file 2.7 times smaller and no time; 90 % cost 2.29 [1.58, 3.01]. Half of the filters by the first-order
criterion cost 3.43 [2.37, 4.48], by L2 3.70 [2.29, 5.11], 3.6 times and 0.7 of the time; at random 5.01 [3.74, 6.29].
In patterns that hardware takes, 2 of 4 cost 0.60 [-0.04, 1.24], 1 of 4 1.23 [0.43, 2.03] with a file 3.0 times smaller,
neither resolved. By the curvature 70 % of each layer cost 2.41 [1.36, 3.47], by Fisher's diagonal 2.26 [1.24, 3.28].
All rows: results/prune.

    python -m experiments.prune --images 800 --seeds 5
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
