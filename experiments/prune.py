"""What to prune, and by which criterion: weights or filters, at 30 to 90 %.

A network of three convolutions is trained, then pruned at once, and trained on for as many epochs at a tenth of the
rate. Pruned weights are zeros in arrays of the same size: the file becomes smaller, the time of a batch does not.
Filters that go make arrays, file and time smaller. Differences are to the network that is trained on as it is.

Not run: the table comes with the long run.

    python -m experiments.prune
"""

from functools import partial

from jaxtricks import models
from jaxtricks.ablation import cli
from jaxtricks.ablation.compression import Scheme, Step, main
from jaxtricks.tricks import bare, compression, thinning

CRITERIA = {
    "filters, L1": (thinning.norms, "layer"),
    "filters, L2": (partial(thinning.norms, order=2), "layer"),
    "filters, BN scale": (thinning.scales, "layer"),
    "filters, Taylor": (thinning.taylor, "layer"),
    "filters, Taylor, global": (thinning.taylor, "global"),
    "filters, APoZ": (partial(thinning.apoz, taps={f"stages/{n}": f"stage{n + 1}" for n in range(3)}), "layer"),
    "filters, random": (thinning.random, "layer"),
}
SHARES = (30, 50, 70, 90)


def weights(scope, share):
    """Single weights of small magnitude."""
    return partial(compression.pruned, shares={"conv/kernel": share / 100}, scope=scope)


def filters(criterion, scope, share):
    """The filters that the criterion ranks lowest."""
    return partial(thinning.thinned, criterion=criterion, share=share / 100, scope=scope)


def rows(dataset):
    model = partial(models.plain, (16, 32, 64))
    values = cli.fitted(dataset, lr=0.05, batch=32, epochs=6.0)
    recipe = bare(task=cli.task_of(dataset), augmented=None, model=model, **values)
    changes = {"trained on": compression.fixed}
    changes |= {
        f"weights {share} %, {scope}": weights(scope, share) for scope in ("layer", "global") for share in SHARES
    }
    changes |= {f"{name} {share} %": filters(*how, share) for name, how in CRITERIA.items() for share in SHARES}
    return {"plain": (recipe, {name: Scheme([Step(change, recipe.epochs)]) for name, change in changes.items()})}


if __name__ == "__main__":
    main("prune", rows)
