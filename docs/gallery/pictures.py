"""Sheets of what changes pixels where they are: colour, noise, erasing, mixing, policies."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from docs.gallery.parts import Call
from docs.gallery.rows import amounts, centred, draws, first, first_of, mixed, six_draws
from docs.gallery.sheets import SIZE
from docs.gallery.sheets import photos as taken
from jaxtricks import augment

FACTORS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
PLAIN = {"power": 1.0, "factor": 1.0, "shift": 0.0, "hue": 0.0}
RANGES = {
    "power, 1/4 to 4": lambda s: {"power": 4.0**s},
    "factor, 0.7 to 1.4": lambda s: {"factor": 1.05 + 0.35 * s},
    "shift, -0.1 to 0.1": lambda s: {"shift": 0.1 * s},
    "hue, -0.1 to 0.1": lambda s: {"hue": 0.1 * s},
}


def powered(f, photos, share, *, changed):
    """One setting at a share of its range, for saturation and value alike, the others at the identity."""
    power, factor, shift, hue = (PLAIN | changed(share)).values()
    return f(photos.image, jnp.stack([power] * 2), jnp.stack([factor] * 2), jnp.stack([shift] * 2), hue)


def planes(to, back, luma, grey, photos):
    hsv = to(photos.image)
    wide = [jnp.broadcast_to(plane, photos.image.shape) for plane in (*jnp.split(hsv, 3, -1), luma(photos.image))]
    return jnp.stack([*wide[:3], back(hsv), wide[3], grey(photos.image)])


def along(fit, shift, photos, *, colour):
    pca = fit(np.asarray(taken().batch["image"]))  # fitted on the host
    return jax.vmap(lambda a: shift(photos.image, pca, a * jnp.eye(3)[colour]))(jnp.array([-4.0, -2, -1, 0, 2, 4]))


def noisy(fit, noise, photos, *, std):
    pca = fit(np.asarray(taken().batch["image"]))  # fitted on the host
    return jax.vmap(lambda key: noise(key, photos.image, pca, std=std))(jax.random.split(jax.random.key(0), 6))


COLOUR = (
    amounts("Brightness", "Multiplied: 0 is black, 1 the image.", augment.adjust_brightness, FACTORS),
    amounts("Contrast", "Away from the mean grey: 0 is grey, 1 the image.", augment.adjust_contrast, FACTORS),
    amounts("Saturation", "Away from grey: 0 is a grey image, 1 the image.", augment.adjust_saturation, FACTORS),
    amounts(
        "Hue", "A part of the colour circle.", augment.adjust_hue, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), "{:g} of a turn"
    ),
    amounts("Sharpness", "0 is smoothed, 1 the image.", augment.adjust_sharpness, (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)),
    draws(
        "Colour jitter",
        "Brightness, contrast, saturation and hue at once, of two strengths.",
        {
            f"{s:g}, and hue {s / 4:g}": partial(
                augment.color_jitter, brightness=s, contrast=s, saturation=s, hue=s / 4
            )
            for s in (0.4, 0.8)
        },
    ),
    amounts(
        "Hue, saturation, value",
        "The three channels of HSV, the way back, and the luma as one channel and as three.",
        (augment.rgb_to_hsv, augment.hsv_to_rgb, augment.luma, augment.grayscale),
        None,
        ("hue", "saturation", "value", "back to RGB", "luma", "grayscale"),
        at=planes,
    ),
    amounts(
        "Powers of saturation and value",
        "One setting at a time from end to end of its range, the others at the identity.",
        {name: Call(augment.hsv_power, partial(powered, changed=changed)) for name, changed in RANGES.items()},
        (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0),
        "{:+g}",
    ),
    draws("Random powers", "All of these drawn at once.", augment.random_hsv_power),
    amounts(
        "Principal colours",
        "Moved along each principal colour of the four photographs; the strongest moves most.",
        {
            name: Call((augment.fit_color_pca, augment.pca_shift), partial(along, colour=i))
            for i, name in ((2, "strongest"), (1, "second"), (0, "third"))
        },
        None,
        ("-4", "-2", "-1", "0", "2", "4"),
    ),
    amounts(
        "PCA noise",
        "One draw an image; at the default deviation of 0.1 hardly seen, at 1 plainly.",
        {
            f"deviation {std:g}": Call((augment.fit_color_pca, augment.pca_noise), partial(noisy, std=std))
            for std in (0.1, 1.0)
        },
        None,
        tuple(f"draw {i}" for i in range(1, 7)),
    ),
)


def dull(contrast, equal, photos):
    """An image without black and white, stretched in two ways."""
    image = 0.35 + 0.3 * photos.image
    return jnp.stack([image, contrast(image), equal(image)])


NOISE = (
    draws(
        "Gaussian noise",
        "Independent for each value, by its deviation.",
        {f"deviation {std:g}": partial(augment.gaussian_noise, std=std) for std in (0.05, 0.2)},
    ),
    amounts(
        "Gaussian blur",
        "By its deviation in pixels.",
        partial(augment.gaussian_blur, radius=12),
        (0.0, 0.5, 1.0, 2.0, 3.0, 4.0),
        "{:g} pixels",
    ),
    draws("Random blur", "Deviations of 0.1 to 4 pixels.", partial(augment.random_blur, sigma=(0.1, 4.0))),
    amounts(
        "Solarize", "What is as bright as the threshold is inverted.", augment.solarize, (1.1, 0.8, 0.6, 0.4, 0.2, 0.0)
    ),
    amounts("Posterize", "Bits that are kept of eight.", augment.posterize, (8, 5, 4, 3, 2, 1), "{} of 8"),
    amounts(
        "Invert, autocontrast, equalize",
        "The image and its negative; then a dull copy, stretched to the full range, and equalised.",
        (augment.invert, augment.autocontrast, augment.equalize),
        None,
        ("original", "invert", "dull", "autocontrast", "equalize"),
        at=lambda invert, contrast, equal, photos: jnp.concatenate(
            [photos.image[None], invert(photos.image)[None], dull(contrast, equal, photos)]
        ),
    ),
)

ERASING = (
    amounts(
        "Erase a box",
        "A grey box about the centre, by the share of a side; in_box says which pixels it takes.",
        {
            "erase_box": Call(augment.erase_box, lambda f, photos, s: f(photos.image, centred(s), 0.5)),
            "in_box": Call(
                augment.in_box, lambda f, photos, s: f((SIZE, SIZE), centred(s))[..., None].astype(jnp.float32)
            ),
        },
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        "{:.0%}",
    ),
    draws(
        "Random erasing",
        "2 to 33 % of the area, always (by default half of the time), by noise and by grey.",
        {f"fill {fill}": partial(augment.random_erasing, probability=1.0, fill=fill) for fill in ("noise", 0.5)},
    ),
    draws("Cutout", "A box of 32 pixels about a random one.", partial(augment.cutout, size=32, fill=0.5)),
    amounts(
        "Grid",
        "Squares taken out every 24 pixels, by the share of a side that is kept.",
        augment.mask_grid,
        (1.0, 0.8, 0.6, 0.4, 0.2, 0.0),
        "keep {:g}",
        at=lambda f, photos, keep: f(photos.image, jnp.zeros(2), 24.0, keep=keep),
    ),
    draws("GridMask", "Squares of random distance and place.", partial(augment.gridmask, unit=(0.2, 0.6))),
)

WEIGHTS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)


def two(photos):
    """The pagoda, and before it the flowers, with what copy-paste moves."""
    return {name: photos.batch[name][:2] for name in ("image", "box", "box_valid", "mask", "label")}


def four(photos):
    """All photographs, with what a mosaic moves and the sheet draws."""
    return {name: photos.batch[name] for name in ("image", "box", "box_valid", "label")}


def mislabelled(f, photos):
    """Six images of a training set, pagodas and flowers in turn, with the labels that they keep."""
    places = jnp.arange(6)
    label = f({"label": places % 2, "index": places})["label"]
    return {"image": photos.soft["image"][places % 2], "target": jax.nn.one_hot(label, 4)}


MIXING = (
    amounts(
        "Blend pairs",
        "The flowers (b) and the pagoda before them (a), by weight; below, the target.",
        augment.mix_pairs,
        WEIGHTS,
        "target",
        at=lambda f, photos, weight: jax.tree.map(lambda entry: entry[1], f(photos.soft, weight)),
    ),
    six_draws(
        "Mixup",
        "Six draws of the flowers' partner; a small alpha keeps the weight near 0 or 1.",
        {f"alpha {a:g}": Call(partial(augment.mixup, alpha=a), mixed(1)) for a in (0.2, 1.0)},
        label="target",
    ),
    amounts(
        "Cut pairs",
        "A box of the pagoda in the flowers, by its side; the target is the area that is left.",
        augment.cut_pairs,
        tuple(1 - w for w in WEIGHTS),
        "target",
        at=lambda f, photos, share: jax.tree.map(lambda entry: entry[1], f(photos.soft, centred(share))),
    ),
    draws(
        "CutMix",
        "Four photographs: one box for the batch, one for each, or one for two that swap it.",
        {f"per {per}": Call(partial(augment.cutmix, per=per), mixed(slice(4))) for per in ("batch", "sample", "pair")},
        values=1,
        before=None,
        label="target",
    ),
    amounts(
        "Mosaic",
        "Four photographs about a point that moves along the diagonal, with their boxes.",
        augment.mosaic_at,
        (0, 24, 40, 56, 72, 96),
        "{} pixels",
        at=lambda f, photos, place: first(f(four(photos), jnp.broadcast_to(place, (4, 2)))),
    ),
    six_draws(
        "Random mosaic", "The point is drawn from the middle half of the image.", augment.mosaic, at=first_of(four)
    ),
    amounts(
        "Paste instances",
        "Flowers of another photograph, pasted by their masks; the box of what they hide shrinks.",
        augment.paste_instances,
        ((False, False), (True, False), (False, True), (True, True)),
        ("none", "the first", "the second", "both"),
        at=lambda f, photos, chosen: first(f(two(photos), jnp.stack([jnp.zeros(2, bool), chosen]))),
    ),
    six_draws(
        "Copy-paste",
        "Each instance of the other photograph is pasted with probability 0.5.",
        augment.copy_paste,
        at=first_of(two),
    ),
    draws(
        "Label noise",
        "Three draws for the pagoda (a) and the flowers (b); below, the target, one of four classes.",
        {f"probability {p:g}": Call(partial(augment.label_noise, probability=p), mixed(slice(2))) for p in (0.5, 1.0)},
        values=3,
        before=None,
        label="target",
    ),
    amounts(
        "Fixed label noise",
        "Half of the images of a training set have a wrong label for good: pagodas (a) and flowers (b) in turn.",
        partial(augment.fixed_label_noise, share=0.5, classes=4),
        None,
        "target",
        at=mislabelled,
    ),
)


SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def operations(title, caption, table, names):
    """Every named operation of a table, at every strength."""
    places = [list(table).index(name) for name in names]
    return amounts(
        title,
        caption,
        partial(augment.apply_op, ops=table, sign=1.0),
        [(place, share) for place in places for share in SHARES],
        tuple(f"{name} {share:g}" for name in names for share in SHARES),
        at=lambda f, photos, value: f(photos.image, value[0].astype(jnp.int32), value[1]),
    )


def chained(chain, on_each, maybe, keyless, flip, crop, photos, key):
    cut = partial(crop, size=SIZE, area=(0.4, 1.0))
    stages = chain(flip=on_each(flip), grey=on_each(maybe(0.5, keyless(augment.grayscale))), crop=on_each(cut))
    return stages(key, {"image": photos.image[None]})["image"]


POLICIES = (
    operations(
        "Operations of RandAugment",
        "Each operation of RAND_OPS from strength 0 to 1, with sign +1.",
        augment.RAND_OPS,
        list(augment.RAND_OPS)[1:],
    ),
    operations(
        "Where TrivialAugment goes further",
        "Operations of WIDE_OPS that have a larger range.",
        augment.WIDE_OPS,
        ("shear_x", "translate_x", "rotate", "posterize"),
    ),
    draws(
        "RandAugment",
        "Two operations, drawn, at one strength.",
        {f"strength {s:g}": partial(augment.rand_augment, strength=s) for s in (0.1, 0.3, 0.6, 1.0)},
    ),
    draws("TrivialAugment", "One operation at a drawn strength.", augment.trivial_augment, values=11),
    draws(
        "AutoAugment",
        "A pair of steps, drawn from the policy learned on each data set.",
        {
            "ImageNet": augment.auto_augment,
            "CIFAR-10": partial(augment.auto_augment, policy=augment.CIFAR10_POLICY),
        },
    ),
    draws(
        "AugMix",
        "The image mixed with three chains of operations of itself.",
        {f"severity {s:g}": partial(augment.augmix, severity=s) for s in (1.0, 3.0, 10.0)},
    ),
    draws("3-Augment", "Grayscale, solarize or blur.", partial(augment.three_augment, sigma=(0.5, 3.0))),
    draws(
        "A chain",
        "A flip, then now and then grey (maybe), then a crop: chain gives each stage the key of its name.",
        (augment.chain, augment.each, augment.maybe, augment.keyless, augment.random_flip, augment.random_resized_crop),
        at=chained,
    ),
    draws(
        "Repeated augmentation",
        "Each photograph three times in the batch, then a random crop of each.",
        (augment.repeat_batch, augment.each, augment.random_resized_crop),
        at=lambda repeat, on_each, crop, photos, key: on_each(partial(crop, size=SIZE))(
            key, repeat({"image": photos.batch["image"][:2]}, times=3)
        )["image"],
        values=1,
        before=None,
        label=tuple("aaabbb"),
    ),
)
