"""What a trained network sees at test time: views of an image, and the size of the image (FixRes).

The images of fashion_mini are 28 px wide. One network is trained on padded crops and flips of that size; another on
random resized crops of 20 px. That one is tested at several sizes, and at 28 px once more after its classifier and
batch normalisation alone were trained at 28 px for a quarter as many epochs (arXiv 1906.06423). Views are merged as
probabilities. Differences are in points to the first row.

Measured with the command below, 6 paired seeds, 4,000 training images, 6 epochs, on two cores of an AMD EPYC (jax
0.10.2) that other jobs shared (results/views); verdicts after Holm's correction. FixRes regains 6.1 of the 8.7 points
that training at 20 px lost at 28 px. What mirror images and ten crops add to a network that was trained on them is not
resolved; two of the three scales cut the border away, and cost 4.6 points.

    python -m experiments.views --seeds 6

                                                test accuracy, %; difference, points, 95 %; verdict
    trained at 28 px: 28 px                      80.59
    trained at 28 px: and mirror image           80.79  +0.20 [-0.11, +0.51]    not resolved
    trained at 28 px: five crops of the padded   80.62  +0.02 [-0.37, +0.41]    not resolved
    trained at 28 px: ten crops of the padded    80.84  +0.25 [-0.06, +0.56]    not resolved
    trained at 28 px: three scales               76.02  -4.58 [-5.47, -3.69]    hurts
    trained at 20 px: 16 px                      69.60  -10.99 [-12.37, -9.62]  hurts
    trained at 20 px: 20 px                      76.77  -3.82 [-4.67, -2.98]    hurts
    trained at 20 px: 24 px                      75.94  -4.65 [-5.70, -3.60]    hurts
    trained at 20 px: 28 px                      71.92  -8.67 [-9.83, -7.52]    hurts
    then tuned at 28 px: 28 px                   77.99  -2.60 [-3.26, -1.94]    hurts
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
