"""Measured tricks whose card the functions that they use do not tell: by experiment and trick, titles of the index.

A row of an experiment names a function, and the card that has it gets the figure; nothing is entered for that. Here are
the others: a switch of a network, a field of a recipe, a number. A name that is here counts for these cards alone.
"""

F1 = "ResNet 18 to 152, CIFAR sizes; B, C, D; ResNeXt, wide; attention, blur, dilation, stochastic depth"
BN = "batch normalisation: all, replica, ghost, frozen"
LOW = "bf16, fp16 with loss scaling"
DRAWN = "constant, normal, truncated normal"
DECAY = "SGD with coupled decay"
SECOND = "features, then the classifier: cRT, scales, tau-normalisation"
SAMPLERS = (
    *(f"{how} sampling" for how in ("balanced", "square-root", "progressive")),
    *("over-sampling", "repeat factor", "batches: at most a quarter", "batches: a 16th to a quarter"),
)

TRANSFERRED = {
    "from scratch": ("weights of torchvision's and timm's networks",),
    "cosine": ("schedules",),
    "smoothing": ("label smoothing",),
    "mixup": ("mixup",),
}

PLACES = {
    "airbench": {"identity starts": ("Dirac, patch whitening",), "six views": ("views at test time",)},
    "bag_of_tricks": {"ResNet-B": (F1,), "ResNet-C": (F1,), "ResNet-D": (F1,), "distillation": ("distillation",)},
    "batch_size": dict.fromkeys(
        ("batch 1", "batch 4", "batch 16", "batch 128", "all images"), ("batch size, from one image to all",)
    ),
    "blocks": {"deformable": ("deformable convolution",)},
    "dead_units": {"BN": (BN,)},
    "detect": {"peaks of a heat map": ("heat maps of centres",)},
    "segment": {"Xavier": ("Xavier",)},
    "transfer": TRANSFERRED,
    "transfer_boxes": TRANSFERRED,
    "tweaks": {"ResNet-B": (F1,), "ResNet-C": (F1,), "ResNet-D": (F1,)},
    "finetune": {
        "from scratch": ("weights of torchvision's and timm's networks",),
        "BN frozen": (BN,),
        "co-training": ("nearest source samples",),
    },
    "imbalance": {
        **dict.fromkeys(SAMPLERS, ("sampling of unequal classes",)),
        **dict.fromkeys(("cRT", "learnable scales", "tau-normalised"), (SECOND,)),
        "label shuffling": ("label shuffling",),
        "weights 1 / sqrt n": ("costs of errors",),
        "class temperatures": ("temperatures by class",),
        "logit adjustment afterwards": ("logit adjustment",),
    },
    "init": {
        "all zero": (DRAWN, "why equal starts fail; the signal through depth"),
        "all 0.01": (DRAWN, "why equal starts fail; the signal through depth"),
        "N(0, 0.01)": (DRAWN,),
        "N(0, 0.01), truncated": (DRAWN,),
        "LeCun normal": (DRAWN,),
        "Xavier uniform": ("Xavier",),
        "He, fan in": ("He",),
        "He, fan out": ("He",),
        "He uniform": ("He",),
        "orthogonal": ("orthogonal",),
        "Dirac": ("Dirac, patch whitening",),
    },
    "losses": {"center": ("center loss",)},
    "normalization": {"none": (BN,), "ghost": (BN,)},
    "optimizers": {
        "schedule-free": ("optimisers", "weights that an optimiser names for evaluation: schedule-free"),
        "momentum 0.5 to 0.9": ("scheduled momentum",),
        "Adam, then SGD": ("Adam, then SGD",),
    },
    "points": {"from the average": ("pooling",)},
    "pooling": {"read out: maximum": ("pooling",)},
    "precision": {
        "bfloat16, weights too": (LOW,),
        "float16, scale from 2^24": (LOW,),
        "float16, no scale": (LOW,),
    },
    "regularizers": {
        "dropout": ("dropout, DropBlock, stochastic depth",),
        "no decay": (DECAY,),
        "decay 1e-3": (DECAY,),
        "decay 1e-3, by turns": ("regularisation on and off",),
        "decoupled decay": (DECAY,),
        "EMA": ("averages of weights",),
        "constant rate": ("schedules",),
        "constant rate, EMA": ("averages of weights",),
        "constant rate, SWA": ("averages of weights",),
    },
    "prices": dict.fromkeys(
        (
            *("expected bill", "expected bill, weight 0.1", "dear images weigh more"),
            *("cheapest answer", "expected bill, cheapest answer"),
        ),
        ("costs of errors",),
    ),
}
