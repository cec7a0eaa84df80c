"""What the gallery shows: its sections, their families, a sentence for each."""

from docs.gallery import activations, defaults, detection, losses, movements, pictures, schedules
from docs.gallery.parts import Family
from jaxtricks import augment, optim
from jaxtricks import losses as public_losses

CHOSEN = {
    "losses": (
        Family("Hinges", losses.HINGES, "A margin beyond which nothing is lost; the ramp also bounds what is lost."),
        Family(
            "Focus",
            losses.FOCUS,
            "Focal loss takes weight off easy examples, to the right; PolyLoss with a positive epsilon adds some.",
        ),
        Family(
            "Binary", losses.BINARY, "One prediction by itself; the shift leaves out negatives of small probability."
        ),
        Family("Robust", losses.ROBUST, "Bounded losses: where labels are flipped, their minimum lies further out."),
        Family("Unequal classes", losses.UNEQUAL, "The rare class is given a margin, a prior, a weight or a cost."),
        Family(
            "Regression",
            losses.REGRESSION,
            "The derivative is the pull of a residual: growing, bounded, or for an outlier none.",
        ),
        Family("Targets", losses.TARGETS, "Targets that are not one-hot, and how to read a number off them."),
        Family(
            "Distillation",
            losses.DISTILLATION,
            "The higher the temperature, the more the loss is a parabola, as that of regression is.",
        ),
        Family("Margins in the angle", losses.ANGLES, "The true class must win at an angle that was made larger."),
        Family(
            "Features", losses.FEATURES, "What pulls a feature to others of its class, and to the centre of its class."
        ),
        Family(
            "Penalties",
            losses.PENALTIES,
            "A corner at zero sets weights to zero; one around a group sets groups to zero.",
        ),
        Family("Boxes", losses.BOXES, "Of disjoint boxes IoU has no gradient; the others pull them together."),
        Family("Hard examples", losses.MINING, "Weights of 0 and 1: the examples of largest loss are kept."),
    ),
    "activations": (
        Family("Rectified", activations.RECTIFIED, "Straight on either side of zero."),
        Family("Smooth", activations.SMOOTH, "Sigmoid and tanh saturate on both sides, the others on one or none."),
    ),
    "schedules": (
        Family("Decays", schedules.DECAYS, "30 epochs of ten steps, as a step asks for its rate."),
        Family(
            "Warm-up and cycles", schedules.CYCLES, "Rates that rise: once at first, once in all, or again and again."
        ),
        Family("Momentum", schedules.MOMENTUM, "Read from the state of the optimiser that inject_hyperparams drives."),
        Family(
            "Batches, plateaus, averages, sizes",
            schedules.REACTIVE,
            "What follows the batch, the validation loss, the updates, the epoch.",
        ),
    ),
    "augment": (
        Family("Flips", movements.FLIPS),
        Family("Affine movements", movements.MOVEMENTS, "Bilinear; what comes from outside is black."),
        Family("Crops", movements.CROPS, "The image has 96 pixels a side."),
        Family("Labels that follow", movements.FOLLOW),
        Family("Views and sizes", movements.VIEWS),
        Family("Colour", pictures.COLOUR),
        Family("Noise, blur, points", pictures.NOISE),
        Family("Erasing", pictures.ERASING),
        Family("Mixing", pictures.MIXING),
        Family("Policies", pictures.POLICIES),
    ),
    "detection": (
        Family("Which anchors learn", detection.MATCHING),
        Family("Boxes before and after", detection.SUPPRESSION),
        Family("Centres", detection.HEAT),
        Family("Regions of a map", detection.REGIONS),
    ),
}
# What is not chosen above is drawn by default.
GALLERY = CHOSEN | {
    "losses": CHOSEN["losses"] + defaults.more(public_losses, "More losses", CHOSEN["losses"]),
    "schedules": CHOSEN["schedules"] + defaults.more(optim, "More schedules", CHOSEN["schedules"]),
    "augment": CHOSEN["augment"] + defaults.more(augment, "More augmentations", CHOSEN["augment"]),
}
