"""Panels of the losses: what each does to a score, a residual, an angle, a weight or a box."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from docs.gallery.parts import Call, Panel, points
from jaxtricks import losses

ONE_HOT = np.eye(3, dtype=np.float32)[0]


def labelled(loss, s, *, classes=3, c=0):
    """A logit of the true class, the others at 0, and a label."""
    return loss(jnp.zeros(classes).at[c].set(s), jnp.int32(c))


def priced(loss, s, *, k):
    """The same, and what each answer costs this example."""
    return loss(jnp.array([s, 0.0, 0.0]), jnp.array([0.0, k, 1.0]))


def soft(loss, s, *, classes=3, c=0):
    """The same, and a target."""
    return loss(jnp.zeros(classes).at[c].set(s), np.eye(classes, dtype=np.float32)[c])


def binary(target):
    return lambda loss, x: loss(x, jnp.full_like(x, target))


score = partial(Panel, x=(-4, 6), xlabel="logit of the true class, two others at 0", ylabel="loss")
prediction = partial(Panel, x=(-6, 6), xlabel="logit of the prediction", ylabel="loss")

HINGES = (
    score(
        "Hinges and the cross-entropy",
        {
            "cross-entropy": Call(optax.softmax_cross_entropy, soft),
            "Crammer and Singer": optax.losses.multiclass_hinge_loss,
            "Weston and Watkins": losses.weston_watkins,
            "the same, margin 3": partial(losses.weston_watkins, margin=3.0),
        },
        at=labelled,
    ),
    score(
        "Ramp, by where it is cut off",
        {f"s = {s:g}".replace("inf", "∞"): partial(losses.ramp, s=s) for s in (0.0, -1.0, -2.0, -math.inf)},
        at=labelled,
    ),
    score(
        "Expected cost",
        {
            f"mistakes cost {k} and 1": partial(
                losses.expected_cost, cost_matrix=np.array([[0, k, 1], [1, 0, 1], [1, 1, 0]], np.float32)
            )
            for k in (1, 2, 4)
        }
        | {"its own cost, 8 and 1": Call(losses.cost_vector, partial(priced, k=8.0))},
        at=labelled,
    ),
)

GAMMAS = (0.0, 1.0, 2.0, 5.0)
FOCUS = (
    score("Softmax focal loss", {f"gamma {g:g}": partial(losses.softmax_focal, gamma=g) for g in GAMMAS}, at=soft),
    score(
        "PolyLoss",
        {f"epsilon {e:g}": partial(optax.losses.poly_loss_cross_entropy, epsilon=e) for e in (-1.0, 0.0, 2.0, 5.0)},
        at=soft,
    ),
    prediction(
        "Sigmoid focal loss, target 1",
        {f"gamma {g:g}": partial(optax.sigmoid_focal_loss, gamma=g) for g in GAMMAS},
        at=binary(1.0),
    ),
)

BINARY = (
    prediction(
        "Binary cross-entropy",
        {f"target {t:g}": Call(optax.sigmoid_binary_cross_entropy, binary(t)) for t in (0.0, 0.1, 0.5, 1.0)},
    ),
    prediction(
        "Balanced cross-entropy",
        {
            f"alpha {a:g}, target {t:g}": Call(partial(losses.balanced_cross_entropy, alpha=a), binary(t))
            for a in (0.25, 0.5, 0.9)
            for t in (0.0, 1.0)
        },
    ),
    prediction(
        "Asymmetric loss, target 0",
        {
            f"gamma {g:g}, shift {m:g}": partial(losses.asymmetric, gamma_negative=g, shift=m)
            for g, m in ((0.0, 0.0), (0.0, 0.2), (4.0, 0.0), (4.0, 0.05), (4.0, 0.2))
        },
        at=binary(0.0),
        ylim=(-0.2, 6.2),
    ),
)


def flipped(call):
    """The mean loss of an example whose label is, three times in ten, the other of two classes."""

    def at(loss, s):
        def wrong(logits, target):
            return loss(logits[::-1], target)

        return 0.7 * call(loss, s, classes=2) + 0.3 * call(wrong, s, classes=2)

    return at


ROBUST = (
    score(
        "Generalised cross-entropy",
        {
            "cross-entropy": optax.softmax_cross_entropy,
            **{f"q = {q:g}": partial(losses.generalized_cross_entropy, q=q) for q in (0.3, 0.7, 1.0)},
        },
        at=soft,
    ),
    score(
        "Bi-tempered loss",
        {
            f"t1 {t1:g}, t2 {t2:g}": partial(losses.bi_tempered, t1=t1, t2=t2)
            for t1, t2 in ((1.0, 1.0), (0.5, 1.0), (1.0, 2.0), (0.5, 2.0))
        },
        at=soft,
        x=(-8, 6),
    ),
    score(
        "Mean loss if 3 labels of 10 are flipped",
        {
            "cross-entropy": optax.softmax_cross_entropy,
            "hinge": Call(losses.weston_watkins, flipped(labelled)),
            "ramp, s = -1": Call(losses.ramp, flipped(labelled)),
            "generalised, q = 0.7": losses.generalized_cross_entropy,
            "bi-tempered, 0.5, 2": partial(losses.bi_tempered, t1=0.5, t2=2.0),
        },
        at=flipped(soft),
        x=(-4, 8),
        xlabel="logit of the right class, the other at 0",
        ylim=(0.2, 3.2),
    ),
)

COUNTS = np.array([20.0, 1000.0], np.float32)  # of a rare class and a common one
TAIL = np.array([1000.0, 400.0, 160.0, 60.0, 25.0, 10.0], np.float32)


def kept(smooth, place):
    """What the true class keeps, of six classes."""
    return jnp.diag(smooth(jnp.eye(6), TAIL))[jnp.asarray(place, int)]


LDAM = partial(losses.ldam, counts=COUNTS, max_margin=1.0)
ADJUSTED = partial(losses.logit_adjusted, prior=COUNTS)


def confused(costs, share):
    """The cost of taking class 0 for 1, if that share of it is."""
    return costs(jnp.stack([jnp.stack([1 - share, share]), jnp.array([0.0, 1.0])]))[0, 1]


UNEQUAL = (
    score(
        "LDAM and logit adjustment",
        {
            "cross-entropy": Call(optax.softmax_cross_entropy, partial(soft, classes=2)),
            "LDAM, rare class": Call(LDAM, partial(labelled, classes=2, c=0)),
            "LDAM, common class": Call(LDAM, partial(labelled, classes=2, c=1)),
            "adjusted, rare class": Call(ADJUSTED, partial(soft, classes=2, c=0)),
            "adjusted, common class": Call(ADJUSTED, partial(soft, classes=2, c=1)),
        },
        xlabel="logit of the true class, the other at 0",
    ),
    Panel(
        "Weight of a rare class to a common one",
        {
            "inverse": losses.class_weights,
            **{
                f"effective, beta {b:g}": partial(losses.class_weights, scheme="effective", beta=b)
                for b in (0.9, 0.99, 0.999)
            },
            "cost rare for common": Call(
                losses.costs_from_counts, lambda costs, n: costs(jnp.stack([n, 1000.0]))[0, 1]
            ),
        },
        at=lambda weights, n: (lambda w: w[0] / w[1])(weights(jnp.stack([n, 1000.0]))),
        x=(1, 1000),
        xlabel="examples of the rare class, 1,000 of the other",
        ylabel="ratio of the weights",
        log="xy",
        slope="",
    ),
    Panel(
        "Weights and costs from shares",
        {
            "alpha of the positives": Call(losses.balance_alpha, lambda alpha, share: alpha(share, 1 - share)),
            "cost of 0 for 1": Call(losses.costs_from_confusion, confused),
        },
        x=(0, 1),
        xlabel="share of the positives, or of class 0 taken for 1",
        ylabel="weight, or cost",
        slope="",
    ),
)

GOOD = np.array([-1.4, -1, -0.6, -0.2, 0, 0.2, 0.6, 1, 1.4], np.float32)
number = partial(Panel, x=(-3, 3), xlabel="residual", ylabel="loss")
REGRESSION = (
    number(
        "Squared, absolute, Huber",
        {
            "squared": optax.squared_error,
            "absolute": losses.absolute_error,
            "Huber, delta 1": partial(optax.huber_loss, delta=1.0),
            "Huber, delta 0.5": partial(optax.huber_loss, delta=0.5),
        },
        at=binary(0.0),
        ylim=(-0.2, 5),
    ),
    number(
        "Tukey's biweight",
        {f"c = {c:g}": partial(losses.tukey_biweight, c=c) for c in (2.0, 4.6851, 7.0)},
        at=lambda loss, r: loss(r),
        x=(-8, 8),
        xlabel="residual, standard deviations",
    ),
    number(
        "Scale of ten residuals, one an outlier",
        {"median deviation": losses.mad_scale, "standard deviation": jnp.std},
        at=lambda scale, r: jnp.reshape(scale(jnp.append(GOOD, r)), ()),
        x=(0, 20),
        xlabel="the outlier; the others lie within ±1.4",
        ylabel="scale",
        slope="",
    ),
)

AGES = np.arange(0.0, 61.0, dtype=np.float32)


def ages(distribution, value, *, sigma):
    return distribution(jnp.asarray(value, jnp.float32), bins=AGES, sigma=sigma)


def divergence(kl, distribution, value, *, sigma):
    return kl(jnp.log(ages(distribution, value, sigma=sigma)), ages(distribution, 30.0, sigma=sigma))


def bias(mean, distribution, value, *, sigma):
    return mean(ages(distribution, value, sigma=sigma), bins=AGES) - value


TARGETS = (
    Panel(
        "Label smoothing, ten classes",
        {
            f"{name}, {label}": Call(smooth, lambda smooth, a, c=c: smooth(jnp.eye(10)[0], a)[c])
            for name, smooth in (("optax", optax.smooth_labels), ("exclusive", losses.smooth_labels_exclusive))
            for c, label in enumerate(("true class", "each other"))
        },
        x=(0, 1),
        xlabel="alpha",
        ylabel="target",
        slope="",
    ),
    points(
        "By counts: the true class keeps",
        {"head 0.3, tail 0": Call(losses.smooth_labels_by_counts, kept)},
        x=np.arange(6.0),
        xlabel="class, from 1,000 images to 10",
        ylabel="target",
    ),
    points(
        "Ages as distributions",
        {
            f"age {v:g}, sigma {s:g}": Call(
                losses.gaussian_label_distribution, lambda f, _, v=v, s=s: ages(f, v, sigma=s)
            )
            for v, s in ((30, 2.0), (30, 4.0), (30, 8.0), (3, 4.0))
        },
        x=AGES,
        xlabel="age, years",
        ylabel="target",
    ),
    Panel(
        "Distance of two such distributions",
        {
            f"sigma {s:g}": Call(
                (optax.losses.kl_divergence, losses.gaussian_label_distribution), partial(divergence, sigma=s)
            )
            for s in (4.0, 6.0, 8.0)
        },
        x=(20, 40),
        xlabel="age predicted, years; the target is 30",
        ylabel="KL divergence, nats",
    ),
    Panel(
        "Error of the age that is read off",
        {
            f"sigma {s:g}": Call((losses.expected_value, losses.gaussian_label_distribution), partial(bias, sigma=s))
            for s in (2.0, 4.0, 8.0)
        },
        x=(0, 60),
        xlabel="age, years",
        ylabel="expected value less age, years",
        slope="",
    ),
    Panel(
        "Mixed targets for binary cross-entropy",
        {f"threshold {t:g}": partial(losses.bce_targets, threshold=t) for t in (0.0, 0.2, 0.5)},
        at=lambda f, share: f(jnp.stack([share, 1 - share]))[0],
        x=(0, 1),
        xlabel="share of the class in the mixture",
        ylabel="target",
        slope="",
        style="steps",
    ),
)


TEMPERATURES = (1.0, 2.0, 4.0, 20.0)


def excess(loss, s):
    """The loss minus that of a student who says what the teacher says, whose logit is 3."""
    student, teacher = jnp.zeros(3).at[0].set(s), 3 * ONE_HOT
    return loss(student, teacher) - loss(teacher, teacher)


def at_share(loss, a):
    """A student with activation 1 and a, and a teacher with 1 and 0."""
    maps = [
        jnp.stack([jnp.float32(1), second]).reshape(1, 1, 2, 1)
        for second in (jnp.asarray(a, jnp.float32), jnp.float32(0))
    ]
    return loss(*maps)[0]


DISTILLATION = (
    score(
        "A student, the teacher's logit being 3",
        {
            **{f"temperature {t:g}": partial(losses.distillation, temperature=t) for t in TEMPERATURES},
            "regression of logits": losses.logit_regression,
        },
        at=excess,
        x=(-4, 10),
        xlabel="student's logit, two others at 0",
        ylabel="loss above its minimum",
        ylim=(-0.5, 16),
    ),
    points(
        "What the teacher says, softened",
        {f"temperature {t:g}": Call(jax.nn.softmax, lambda f, place, t=t: f((6 - place) / t)) for t in TEMPERATURES},
        x=np.arange(6.0),
        xlabel="class; its logit is 6 less its number",
        ylabel="target",
    ),
    Panel(
        "Attention to two positions",
        {"attention transfer": Call(losses.attention_transfer, at_share)},
        x=(0, 1),
        xlabel="activation at the second; at the first 1",
        ylabel="loss",
    ),
)


def at_angle(logits, theta):
    """The logit of the true class for a feature of length 1 at an angle to its kernel."""
    feature = jnp.stack([jnp.cos(theta), jnp.sin(theta)])
    return logits(feature, np.array([[1.0], [0.0]], np.float32), jnp.int32(0))[0]


def contrast(loss, theta):
    """The loss of an example with a positive at an angle, and negatives at 90 and 180 degrees."""
    angles = jnp.stack([0.0, theta, math.pi / 2, math.pi])
    return loss(jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1), np.array([0, 0, 1, 2]))[0]


def pulled(loss, d):
    """The mean over a batch of two examples of one class, whose centre lies at -d."""
    return jnp.mean(loss(np.zeros((2, 1), np.float32), np.zeros(2, np.int32), -d[None, None]))


def on_its_way(update, batches):
    """Where a centre at 0 stands after each batch of eight examples of its class at 1."""

    def step(centers, _):
        return update(centers, np.ones((8, 1), np.float32), np.zeros(8, np.int32)), centers[0, 0]

    return jax.lax.scan(step, jnp.zeros((1, 1)), length=len(batches))[1]


angle = partial(
    Panel,
    at=at_angle,
    x=(0, math.pi),
    xlabel="angle to the true class, radians",
    ylabel="logit of the true class",
)
ANGLES = (
    angle("L-Softmax, by margin", {f"margin {m}": partial(losses.large_margin_logits, margin=m) for m in (1, 2, 3, 4)}),
    angle(
        "L-Softmax, margin 4, by blend",
        {f"lambda {b:g}": partial(losses.large_margin_logits, margin=4, blend=b) for b in (0.0, 1.0, 5.0, 100.0)},
    ),
    angle(
        "ArcFace, by margin",
        {f"{m:g} rad": partial(losses.arcface_logits, scale=1.0, margin=m) for m in (0.0, 0.25, 0.5, 1.0)},
    ),
)

FEATURES = (
    angle(
        "Supervised contrastive loss",
        {f"temperature {t:g}": partial(losses.supervised_contrastive, temperature=t) for t in (0.1, 0.2, 0.5, 1.0)},
        at=contrast,
        xlabel="angle to the positive, radians",
        ylabel="loss",
    ),
    number(
        "Center loss",
        {
            "center, by the feature": Call(
                losses.center, lambda loss, d: loss(d[None], jnp.int32(0), np.zeros((1, 1), np.float32))
            ),
            "center_pull, by the centre": Call(losses.center_pull, pulled),
        },
        xlabel="feature less the centre of its class",
    ),
    points(
        "A centre on its way to its class",
        {f"rate {r:g}": partial(losses.update_centers, rate=r) for r in (0.1, 0.5, 1.0)},
        at=on_its_way,
        x=np.arange(13),
        xlabel="batches, eight examples of the class in each",
        ylabel="place; the features are at 1",
    ),
)


def pair(penalty, w, *, other):
    """A filter of two weights."""
    return penalty({"w": jnp.stack([w, other])[:, None]})


weight = partial(Panel, at=lambda penalty, w: penalty({"w": w}), x=(-2, 2), xlabel="weight", ylabel="penalty")
PENALTIES = (
    weight(
        "L1, L2, elastic net",
        {
            "L1": losses.l1_penalty,
            "L2": losses.l2_penalty,
            "elastic net, 0.5, 0.5": partial(losses.elastic_net, l1=0.5, l2=0.5),
        },
    ),
    weight(
        "Group sparsity",
        {f"other weight {o:g}": Call(losses.group_sparsity, partial(pair, other=o)) for o in (0.0, 0.3, 1.0)},
        xlabel="one weight of a filter of two",
    ),
)

SQUARE = np.array([-20, -20, 20, 20], np.float32)
overlap = partial(
    Panel,
    curves={"IoU": losses.iou_loss, "GIoU": losses.giou_loss, "DIoU": losses.diou_loss, "CIoU": losses.ciou_loss},
    ylabel="loss",
)
BOXES = (
    overlap(
        "A box slides over another",
        at=lambda loss, dx: loss(SQUARE + jnp.stack([dx, 0, dx, 0]), SQUARE * np.array([1, 0.5, 1, 0.5], np.float32)),
        x=(-120, 120),
        xlabel="offset, pixels; 40 by 40 over 40 by 20",
    ),
    overlap(
        "A box grows, its centre 60 pixels off",
        at=lambda loss, side: loss(SQUARE * side / 40, SQUARE + np.array([60, 0, 60, 0], np.float32)),
        x=(2, 240),
        xlabel="side, pixels; the other box is 40 by 40",
    ),
    overlap(
        "A box changes its shape, not its area",
        at=lambda loss, ratio: loss(SQUARE * jnp.stack([ratio, 1 / ratio] * 2) ** 0.5, SQUARE),
        x=(1 / 8, 8),
        xlabel="width / height; the other box is 40 by 40",
        log="x",
    ),
)

hard = partial(
    Panel,
    x=np.linspace(0.1, 2.4, 24, dtype=np.float32),
    ylabel="weight",
    at_once=True,
    style="steps",
)
MINING = (
    hard(
        "Hard negatives, for two positives",
        {f"ratio {r:g}": partial(losses.hard_negative_weights, ratio=r) for r in (1.0, 3.0, 6.0)},
        at=lambda weights, x: weights(np.append(np.zeros(2, np.float32), x), np.arange(26) < 2)[2:],
        xlabel="loss of a negative, 24 in all",
    ),
    hard(
        "Hard examples of 24",
        {f"keep {k}": partial(losses.ohem_weights, keep=k) for k in (4, 8, 16)},
        at=lambda weights, x: weights(x),
        xlabel="loss of an example",
    ),
)
