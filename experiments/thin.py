"""A residual network made smaller so that it is faster too: fewer filters, other blocks, fewer bits.

The network has one block of two convolutions at each of 32, 64 and 128 channels, on half of the resolution. It is
trained, changed, and trained on for as many epochs as the first row. "30 % thinner" has the widths of "filters 30 %"
and is trained from the start, by itself or taught by the large network (softened outputs; where it is active, by
stage); Fire modules and depthwise convolutions are small networks of their own. XNOR has bits for the signs of weights
and inputs, packed 32 to a word, in all convolutions but the first.

5 paired seeds, 1,000 images of CIFAR-10, two cores of an AMD EPYC (jax 0.10.2) that other jobs shared; verdicts after
Holm's correction over all rows. Half of the filters, a quarter of the multiply-accumulates, take 0.34 of the time and
cost 1.68 points [0.98, 2.37]; int8 in training costs none that is resolved, at a quarter of the bytes; a network of
0.7 of the filters from the start is 5.17 points behind [3.90, 6.44], where pruning to as many costs 0.59 [0.17, 1.02],
not resolved. Depthwise convolutions have a twelfth of the operations and take 3.4 times as long on a CPU. XNOR with 24
kB for 1,243 takes 0.42 and is 9.31 points behind [8.45, 10.16]. All rows: results/thin. Widths in eights, at more
filters: benchmarks/filters.py.

    python -m experiments.thin --data cifar10.npz --images 1000 --seeds 5
"""

from functools import partial

from jaxtricks import models
from jaxtricks.ablation import cli
from jaxtricks.ablation.compression import Scheme, Step, from_start, main
from jaxtricks.tricks import bag, coding, students, thinning
from jaxtricks.tricks import compression as c

RESNET = models.Layout((1, 1, 1), (32, 64, 128), bottleneck=False, stem=(3, 2), pool=False)
THIN = RESNET._replace(widths=(22, 45, 90))
STAGES = ("stage1", "stage2", "stage3")
FILTERS = partial(thinning.thinned, criterion=thinning.norms)


def rows(dataset):
    values = cli.fitted(dataset, lr=0.05, batch=32, epochs=8.0)
    epochs, half = values["epochs"], int(0.5 * values["epochs"]) * (len(dataset.train) // values["batch"])

    def on(change, share=1.0):
        return Step(change, share * epochs, 0.3)

    sparse = on(partial(thinning.sparsely, penalty=thinning.group_lasso, weight=1e-3), 0.5)
    few = partial(coding.quantized, bits={"kernel$": 5})
    gradually = partial(c.gradually, share=0.85, begin=0.5, steps=half)
    taught = {"softened": students.softened, "attention": partial(students.attention, taps=STAGES)}
    schemes = {"trained on": Scheme([on(c.fixed)])}
    schemes |= {f"filters {s} %": Scheme([on(partial(FILTERS, share=s / 100))]) for s in (10, 30, 50)}
    schemes |= {
        "filters in eights": Scheme([on(partial(FILTERS, share=0.35, multiple=8))]),
        "group lasso, filters 30 %": Scheme([sparse, on(partial(FILTERS, share=0.3), 0.5)]),
        "weights 85 %, 5 bits": Scheme([on(gradually, 0.75), Step(few, 0.25 * epochs, 0.03)]),
        "int8 in training": Scheme([on(partial(coding.of_bytes, patterns=("kernel$",)))]),
        **from_start("30 % thinner", partial(models.resnet, THIN), epochs, taught),
        **from_start("Fire", models.NETWORKS["squeezenet_mini"], epochs),
        **from_start("depthwise", models.NETWORKS["mobilenet_v1_mini"], epochs),
        **from_start("XNOR", partial(models.xnor, RESNET.widths), epochs, None, Step(coding.packed, 0.0)),
    }
    task, model = cli.task_of(dataset), partial(models.resnet, RESNET)
    recipe = bag.modern(task=task, augmented=bag.augmentation(dataset), model=model, **values)
    return {"ResNet": (recipe, schemes)}


if __name__ == "__main__":
    main("thin", rows)
