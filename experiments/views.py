"""What a trained network sees at test time: views of an image, and the size of the image (FixRes).

The images of fashion_mini are 28 px wide. One network is trained on padded crops and flips of that size; another on
random resized crops of 20 px. That one is tested at several sizes, and at 28 px once more after its classifier and
batch normalisation alone were trained at 28 px for a quarter as many epochs (arXiv 1906.06423). Views are merged as
probabilities. Differences are in points to the first row.

MEASURED
"""

from functools import partial

from experiments import _augment as a
from experiments import _objectives as o
from experiments import _views as v
from experiments._main import NETWORKS
from jaxtricks import augment

BASELINE = o.bare(augmented=None, model=NETWORKS["plain_mini"], lr=0.05, batch=16, epochs=6)
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
