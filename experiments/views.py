"""What a trained network sees at test time: views of an image, and the size of the image (FixRes).

The images of fashion_mini are 28 px wide. One network is trained on padded crops and flips of that size; another on
random resized crops of 20 px. That one is tested at several sizes, and at 28 px once more after its classifier and
batch normalisation alone were trained at 28 px for a quarter as many epochs (arXiv 1906.06423). Views are merged as
probabilities. Differences are in points to the first row.

Measured with the command below, 4 paired seeds, 4,000 training images, 6 epochs, on two cores of an AMD EPYC
(jax 0.10.2). FixRes regains 5.5 of the 8.5 points that training at 20 px lost at 28 px. Mirror images and crops add
nothing to a network that was trained on them; two of the three scales cut the border away, and cost 5 points.

    python -m experiments.views

                                                test %  difference, 95 %
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

from jaxtricks import augment, tasks
from jaxtricks.ablation import views as v
from jaxtricks.ablation.cli import NETWORKS
from jaxtricks.tricks import augmentation as a
from jaxtricks.tricks import bare

BASELINE = bare(
    task=tasks.classification(10), augmented=None, model=NETWORKS["plain_mini"], lr=0.05, batch=16, epochs=6
)
WHOLE = a.augmented(
    BASELINE,
    crop=augment.each(partial(augment.random_pad_crop, padding=1)),
    flip=augment.each(augment.random_flip),
)
SMALL = a.smaller(BASELINE, size=20)
TUNED = a.fix_resolution(SMALL, epochs=1.5, lr=0.01)
VIEWS = {
    "28 px": v.itself,
    "and mirror image": augment.flip_views,
    "five crops of the padded": v.five_of_the_padded,
    "three scales": partial(augment.scale_views, shorter=(28, 30, 32), size=28),
}
SIZES = {f"{size} px": partial(v.resized, size=size) for size in (16, 20, 24, 28)}
ROWS = {
    "trained at 28 px": (WHOLE, None, VIEWS),
    "trained at 20 px": (SMALL, None, SIZES),
    "then tuned at 28 px": (TUNED, "trained at 20 px", {"28 px": v.itself}),
}

if __name__ == "__main__":
    v.main(ROWS, data="fashion_mini", seeds=range(4))
