"""Pictures of what the library computes: every loss, activation and schedule as curves, every augmentation on a photo.

    python -m docs.gallery
    python -m docs.gallery --only losses schedules --out /tmp/gallery

It writes a PNG for every figure and index.html to runs/gallery; results/gallery has the curves. All of it took 103 s
with nothing compiled before, on two cores of an AMD EPYC with other work at the same time, jax 0.10.2.
"""

from docs.gallery import main
from docs.gallery.table import GALLERY

if __name__ == "__main__":
    main(GALLERY)
