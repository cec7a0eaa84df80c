"""What a trained network sees at test time: views of an image, and the size of the image (FixRes).

The images of fashion_mini are 28 px wide. One network is trained on padded crops and flips of that size; another on
random resized crops of 20 px. That one is tested at several sizes, and at 28 px once more after its classifier and
batch normalisation alone were trained at 28 px for a quarter as many epochs (arXiv 1906.06423). Views are merged as
probabilities. Differences are in points to the first row.

Measured with the command below, 4 paired seeds, 4,000 training images, 6 epochs, on two cores of an AMD EPYC
(jax 0.10.2). FixRes regains 5.5 of the 8.5 points that training at 20 px lost at 28 px. Mirror images and crops add
nothing to a network that was trained on them; two of the three scales cut the border away, and cost 5 points. Ten
crops, those five and their mirror images: not run.

    python -m experiments.views

                                                test accuracy, %; difference, points [95 %]
    trained at 28 px: 28 px                      80.49
    trained at 28 px: and mirror image           80.51  +0.02 [-0.21, +0.25]
    trained at 28 px: five crops of the padded   80.57  +0.07 [-0.15, +0.30]
    trained at 28 px: three scales               75.72  -4.78 [-6.09, -3.46]
    trained at 20 px: 16 px                      70.84  -9.65 [-13.45, -5.85]
    trained at 20 px: 20 px                      76.59  -3.90 [-5.25, -2.55]
    trained at 20 px: 24 px                      75.26  -5.23 [-7.05, -3.41]
    trained at 20 px: 28 px                      72.02  -8.48 [-8.69, -8.26]
    then tuned at 28 px: 28 px                   77.51  -2.98 [-4.40, -1.57]
"""

from functools import partial

from jaxtricks import augment
from jaxtricks.ablation import cli
from jaxtricks.ablation import views as v
from jaxtricks.tricks import augmentation as a
from jaxtricks.tricks import bare


def rows(dataset):
    """The networks, and the ways to test them; sizes are sevenths of the images': 16, 20, 24 and 28 px of 28."""
    side, values = cli.side(dataset), cli.fitted(dataset, lr=0.05, batch=16, epochs=6.0)
    small = round(side * 5 / 7)
    task, model = cli.task_of(dataset), cli.network("plain_mini", dataset)
    baseline = bare(task=task, augmented=None, model=model, **values)
    full = a.augmented(
        baseline,
        crop=augment.each(partial(augment.random_pad_crop, padding=1)),
        flip=augment.each(augment.random_flip),
    )
    reduced = a.smaller(baseline, size=small)
    views = {
        f"{side} px": v.itself,
        "and mirror image": augment.flip_views,
        "five crops of the padded": v.five_of_the_padded,
        "ten crops of the padded": v.ten_of_the_padded,
        "three scales": partial(augment.scale_views, shorter=(side, side + 2, side + 4), size=side),
    }
    sizes = {f"{size} px": partial(v.resized, size=size) for size in (round(side * n / 7) for n in (4, 5, 6, 7))}
    return {
        f"trained at {side} px": (full, None, views),
        f"trained at {small} px": (reduced, None, sizes),
        f"then tuned at {side} px": (
            a.fix_resolution(reduced, epochs=values["epochs"] / 4, lr=0.01),
            f"trained at {small} px",
            {f"{side} px": v.itself},
        ),
    }


if __name__ == "__main__":
    v.main("views", rows)
