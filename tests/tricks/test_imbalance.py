"""Tricks on classes of unequal size: weights and recalls by hand, what moves when, and as many steps as before."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_softmax

from jaxtricks import augment, data, losses, tasks, train
from jaxtricks.models import Model
from jaxtricks.tricks import bag, decoupling, imbalance, reweighting
from jaxtricks.tricks import objectives as o

SOURCE = data.fake(train=400, test=40, shape=(6, 6, 1)).hold_out(0.2)
COUNTS = np.array([32, 23, 17, 12, 9, 6, 5, 3, 2, 2])


def linear(*, classes, channels, dtype, axis_name, kernel_init):
    """One layer called head on features that a layer called body makes."""

    def init(key):
        body, head = (
            0.1 * jax.random.normal(k, s) for k, s in zip(jax.random.split(key), ((36, 4), (4, classes)), strict=True)
        )
        return {"body": {"kernel": body}, "head": {"kernel": head, "bias": jnp.ones(classes)}}, {}

    def apply(params, stats, image, *, train, key=None):
        features = image.reshape(len(image), -1) @ params["body"]["kernel"]
        return (features @ params["head"]["kernel"] + params["head"]["bias"][None], {"features": features}), stats

    return Model(init, apply)


def baseline(**changes):
    given = {"task": tasks.classification(10), "augmented": None, "model": linear, "lr": 0.1, "batch": 8, "epochs": 10}
    recipe = bag.modern(**given | changes)
    return imbalance.case(imbalance.begin(recipe, SOURCE, SOURCE), factor=16)


BASE = baseline()
TAILED = data.long_tail(SOURCE, factor=16)


def test_the_task_knows_the_counts_of_its_data():
    np.testing.assert_array_equal(imbalance.counts_of(BASE), np.bincount(TAILED.train["label"]))
    assert BASE.task.headline == "balanced accuracy"
    with pytest.raises(TypeError, match=r"recipe\.task is a Task; allowed: a LongTailed"):
        imbalance.counts_of(replace(BASE, task=tasks.classification(10)))


def test_recalls_are_of_classes_and_thirds():
    """Classes of 5, 9, 1, 7, 3, 2 images: many are 1, 3; medium 0, 4; few 5, 2. Padding does not count."""
    task = imbalance.task([5, 9, 1, 7, 3, 2])
    label = jnp.array([0, 0, 0, 0, 1, 2, 3, 3, 4, 5, 5, 1])
    says = jnp.array([0, 0, 1, 1, 1, 2, 3, 1, 0, 5, 1, 0])
    batch = {"label": label, "row_valid": jnp.arange(12) < 11}
    recalls = [0.5, 1, 1, 0.5, 0, 0.5]
    values = {}
    for name in ("balanced accuracy", "many", "medium", "few"):
        metric = task.metrics[name]
        part = jax.tree.map(np.asarray, metric.part((jax.nn.one_hot(says, 6), {}), batch))
        values[name] = metric.compute(metric.update(metric.update(metric.init(), part), part))
    assert values == {"balanced accuracy": np.mean(recalls), "many": 0.75, "medium": 0.25, "few": 0.75}
    empty = task.metrics["few"].compute({"rows": np.array([1, 1, 0, 1, 1, 1]), "right": np.zeros(6, int)})
    assert np.isnan(empty)


@pytest.mark.parametrize(
    ("scheme", "weights"),
    [
        (reweighting.inverse, [40 / 3 / 30, 40 / 3 / 8, 40 / 3 / 2]),
        (reweighting.inverse_root, 40 / np.sqrt([30, 8, 2]) / np.sqrt([30, 8, 2]).sum()),
        (
            partial(reweighting.effective, beta=0.9),
            # (1 - 0.9^n) of 30, 8 and 2 are 0.9576, 0.5695 and 0.19
            40 / np.array([0.95761, 0.56953, 0.19]) / (30 / 0.95761 + 8 / 0.56953 + 2 / 0.19),
        ),
    ],
)
def test_weights_by_hand(scheme, weights):
    np.testing.assert_allclose(scheme(np.array([30, 8, 2])), weights, rtol=1e-4)


def batch_of(labels, epoch=0):
    labels = jnp.asarray(labels)
    return {
        "image": jnp.zeros((len(labels), 6, 6, 1)),
        "label": labels,
        "target": jax.nn.one_hot(labels, 10),
        "epoch": jnp.full(len(labels), epoch),
    }


LOGITS = jnp.asarray(np.random.default_rng(0).normal(size=(4, 10)), jnp.float32)
LABELS = jnp.array([0, 9, 4, 9])
CROSS = -np.take_along_axis(log_softmax(np.asarray(LOGITS), -1), np.asarray(LABELS)[:, None], 1)[:, 0]


def loss_of(recipe, epoch=0):
    return recipe.loss({}, (LOGITS, {}), batch_of(LABELS, epoch))


def test_weights_multiply_any_loss_now_or_later():
    weights = reweighting.inverse(COUNTS)
    later = reweighting.deferred_weights(BASE, scheme=reweighting.inverse, share=0.8)
    np.testing.assert_allclose(
        loss_of(reweighting.reweighted(BASE, scheme=reweighting.inverse)), CROSS * weights[LABELS], rtol=1e-5
    )
    np.testing.assert_allclose(loss_of(later, 7), CROSS, rtol=1e-5)
    np.testing.assert_allclose(loss_of(later, 8), CROSS * weights[LABELS], rtol=1e-5)
    focal = reweighting.focal_by_counts(BASE, scheme=reweighting.inverse)
    both = reweighting.reweighted(
        o.objective(BASE, how=o.on_targets, loss=losses.softmax_focal), scheme=reweighting.inverse
    )
    np.testing.assert_allclose(loss_of(focal), loss_of(both), rtol=1e-6)
    assert not np.allclose(loss_of(focal), CROSS * weights[LABELS])
    later = reweighting.focal_deferred(BASE, scheme=reweighting.inverse)
    np.testing.assert_allclose(loss_of(later, 7) * weights[LABELS], loss_of(focal), rtol=1e-5)
    np.testing.assert_allclose(loss_of(later, 8), loss_of(focal), rtol=1e-6)
    margins = reweighting.margins_deferred(BASE, scheme=reweighting.inverse)
    alone = losses.ldam(LOGITS, LABELS, COUNTS)
    np.testing.assert_allclose(loss_of(margins, 9), alone * weights[LABELS], rtol=1e-5)
    for share in (0.01, 0.99):
        with pytest.raises(ValueError, match=r"share is .* of 10 epochs; allowed: an epoch before it"):
            reweighting.deferred_weights(BASE, scheme=reweighting.inverse, share=share)


def test_losses_by_counts_take_those_of_the_data():
    softmax = reweighting.by_counts(BASE, how=o.on_targets, loss=losses.logit_adjusted, name="prior")
    shifted = log_softmax(np.asarray(LOGITS) + np.log(COUNTS / COUNTS.sum()), -1)
    np.testing.assert_allclose(loss_of(softmax), -shifted[np.arange(4), np.asarray(LABELS)], rtol=1e-4)
    costs = COUNTS[None] / COUNTS[:, None] * (1 - np.eye(10))
    costs /= costs.sum() / 90
    expected = CROSS + 2 * (costs[np.asarray(LABELS)] * np.exp(log_softmax(np.asarray(LOGITS), -1))).sum(-1)
    np.testing.assert_allclose(loss_of(reweighting.costly(BASE, weight=2.0)), expected, rtol=1e-4)


def test_costs_of_what_a_network_confused():
    """Of ten 9s one is taken for a 0, of ten 4s three: costs of 0.1 and 0.3, times 90 / 0.4 for a mean of 1."""
    confusion = 10 * np.eye(10, dtype=int)
    confusion[9, [9, 0]], confusion[4, [4, 0]] = (9, 1), (7, 3)
    shares = np.exp(log_softmax(np.asarray(LOGITS), -1))[:, 0]
    costs = 90 / 0.4 * np.array([0, 0.1, 0.3, 0.1]) * shares
    recipe = reweighting.confused(BASE, confusion=confusion, weight=2.0)
    np.testing.assert_allclose(loss_of(recipe), CROSS + 2 * costs, rtol=1e-4)
    with pytest.raises(ValueError, match="confusion is diagonal; allowed: one mistake or more"):
        reweighting.confused(BASE, confusion=np.eye(10), weight=1.0)


def test_smoothing_and_temperatures_follow_the_counts_of_the_data():
    smoothed = reweighting.smoothed(BASE, head=0.4, tail=0.1).targets(jnp.eye(10)[LABELS])
    # 32 images, the most: 0.4; 2, the fewest: 0.1; 9 of class 4: 0.1 + 0.3 sin(pi / 2 * 7 / 30) = 0.2075
    np.testing.assert_allclose(1 - smoothed[np.arange(4), np.asarray(LABELS)], [0.4, 0.1, 0.2075, 0.1], atol=1e-4)
    np.testing.assert_allclose(smoothed.sum(-1), 1, rtol=1e-6)
    logits = np.asarray(LOGITS) / (32 / COUNTS) ** 0.5
    cooled = -log_softmax(logits, -1)[np.arange(4), np.asarray(LABELS)]
    np.testing.assert_allclose(loss_of(reweighting.cooled(BASE, power=0.5)), cooled, rtol=1e-4)
    np.testing.assert_allclose(loss_of(reweighting.cooled(BASE, power=0.0)), CROSS, rtol=1e-5)


def test_another_sampler_takes_as_many_steps():
    steps = train.total_steps(BASE, TAILED)
    shuffled = imbalance.sampled(BASE, sampler=data.label_shuffle)
    assert abs(train.total_steps(shuffled, TAILED) - steps) <= 10
    assert shuffled.epochs == pytest.approx(10 * 111 / 320)
    for recipe in (
        imbalance.sampled(BASE, sampler=data.class_balanced),
        imbalance.progressive(BASE),
        imbalance.resampled(BASE, sampler=data.class_balanced),
        decoupling.retrained(BASE),
    ):
        assert train.total_steps(recipe, TAILED) == steps
    bounded = imbalance.bounded(BASE, high=0.25)
    order = bounded.sampler(0, 0, TAILED.train["label"])
    assert data.batch_composition(order, TAILED.train["label"], batch=8).max() == 2
    later = imbalance.resampled(bounded, sampler=partial(data.class_balanced, rows=len(order)))
    np.testing.assert_array_equal(later.sampler(0, 0, TAILED.train["label"]), order)  # its own sampler stays


def trained(recipe):
    """Parameters, step by step, under a gradient of 1, and the rates."""
    model = train.build_model(recipe, TAILED)
    params, _ = model.init(jax.random.key(0))
    rates = train.build_schedule(recipe, TAILED)
    tx = recipe.optimizer(rates)
    state, history = tx.init(params), [params]

    @jax.jit
    def step(params, state):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, params), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(train.total_steps(recipe, TAILED)):
        params, state = step(params, state)
        history.append(params)
    return history, rates


def test_the_classifier_is_trained_anew_while_the_features_stay():
    recipe = decoupling.retrained(BASE, share=0.8)
    history, rates = trained(recipe)
    at = 8 * (COUNTS.sum() // 8)
    body = [np.asarray(p["body"]["kernel"]) for p in history]
    assert not np.allclose(body[0], body[at])
    assert all((later == body[at]).all() for later in body[at + 1 :])
    assert not np.asarray(history[at]["head"]["bias"]).tolist() == [0] * 10
    assert np.asarray(history[at + 1]["head"]["kernel"]).tolist() == [[0] * 10] * 4
    assert np.abs(history[-1]["head"]["kernel"]).max() > 0
    # the rate: down to 0 before the second part, at its peak again in it, and down at the end
    down, up, end = (float(rates(step)) for step in (at - 2, at + 2, len(history) - 2))
    assert down < 0.01
    assert up > 0.08
    assert end < 0.01
    orders = [recipe.sampler(0, epoch, TAILED.train["label"]) for epoch in (7, 8)]
    shares = [np.bincount(TAILED.train["label"][order]) for order in orders]
    np.testing.assert_array_equal(shares[0], COUNTS)
    assert np.ptp(shares[1]) <= 1


def test_learnable_scales_move_alone_and_last():
    history, _ = trained(decoupling.scaled(BASE, share=0.8))
    at = 8 * (COUNTS.sum() // 8)
    scales = [np.asarray(p["scales"]) for p in history]
    assert all((s == 1).all() for s in scales[: at + 1])
    assert (scales[-1] < 1).all()
    for one in ("body", "head"):
        for first, last in zip(jax.tree.leaves(history[at][one]), jax.tree.leaves(history[-1][one]), strict=True):
            np.testing.assert_array_equal(first, last)


def test_what_is_done_at_evaluation_is_not_done_in_training():
    model = train.build_model(BASE, TAILED)
    variables = model.init(jax.random.key(0))
    image = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 6, 1)), jnp.float32)
    (plain, taps), _ = model.apply(*variables, image, train=False)
    head = variables[0]["head"]["kernel"]
    length = jnp.linalg.norm(head, axis=0, keepdims=True)
    wanted = {
        "prior": (decoupling.post_hoc(BASE), plain - np.log(COUNTS / COUNTS.sum())[None]),
        "tau": (decoupling.tau_normalised(BASE, tau=1.0), taps["features"] @ (head / length)),
        "tau 0": (decoupling.tau_normalised(BASE, tau=0.0), taps["features"] @ head),
    }
    for name, (recipe, logits) in wanted.items():
        other = train.build_model(recipe, TAILED)
        np.testing.assert_allclose(other.apply(*variables, image, train=False)[0][0], logits, rtol=1e-4, err_msg=name)
        np.testing.assert_array_equal(other.apply(*variables, image, train=True)[0][0], plain)


def test_remix_leans_to_the_rarer_class(monkeypatch):
    """Classes of 90, 30 and 10 images in a ring: of each pair by hand, at a weight of 0.4."""
    monkeypatch.setattr(jax.random, "beta", lambda *_: jnp.float32(0.4))
    batch = {"image": jnp.arange(3.0).reshape(3, 1, 1, 1), "target": jnp.eye(3)}
    mixed = augment.remix(jax.random.key(0), batch, counts=jnp.array([90, 30, 10]))
    same = augment.mixup(jax.random.key(0), batch, alpha=1.0)
    np.testing.assert_array_equal(mixed["image"], same["image"])
    # 0 with 2 before it: common, weight below a half, so that the label is the rare one's
    # 1 with 0 before it: rare, but its partner's weight, 0.6, is not below a half: mixed; and so 2 with 1
    np.testing.assert_allclose(mixed["target"], [[0, 0, 1], [0.6, 0.4, 0], [0, 0.6, 0.4]], rtol=1e-5)
    lean = augment.remix(jax.random.key(0), batch, counts=jnp.array([90, 30, 10]), threshold=1.0)
    np.testing.assert_allclose(lean["target"], [[0, 0, 1], [0, 1, 0], [0, 0, 1]], rtol=1e-5)
    mild = augment.remix(jax.random.key(0), batch, counts=jnp.array([90, 30, 10]), ratio=3.1, threshold=1.0)
    np.testing.assert_allclose(mild["target"], [[0, 0, 1], [0.6, 0.4, 0], [0, 0.6, 0.4]], rtol=1e-5)
    none = augment.remix(jax.random.key(0), batch, counts=jnp.array([90, 30, 10]), threshold=0.0)
    np.testing.assert_allclose(none["target"], same["target"], rtol=1e-6)
    recipe = imbalance.remixed(BASE)
    np.testing.assert_array_equal(recipe.mix.keywords["counts"], COUNTS)


@pytest.mark.parametrize(("trick", "field"), [(imbalance.remixed, "mix"), (reweighting.smoothed, "targets")])
def test_what_is_there_is_not_dropped(trick, field):
    with pytest.raises(ValueError, match=rf"^recipe\.{field} is .*; allowed: None"):
        trick(trick(BASE))
