"""The parts of the fine-tuning experiment: its tasks, what is trained once, and what each way leaves alone."""

from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import data, models, tasks, train
from jaxtricks.archive import ArchiveError
from jaxtricks.fingerprint import fingerprint
from jaxtricks.tricks import augmentation, bag, finetuning, ordinal, pretraining

GIVEN = data.fake(train=400, test=40, shape=(8, 8, 1))
ONE = train.Plan(devices=(jax.devices()[0],))


@dataclass
class Files:
    """Images that are decoded when read."""

    shape: tuple[int, ...]

    def read(self, index, *, seed, epoch, train):
        return np.zeros((len(index), *self.shape[1:]), np.uint8)


def baseline(**changes):
    given = {
        "task": tasks.classification(5),
        "augmented": None,
        "model": partial(models.resnet, models.LAYOUTS["resnet_digits"]),
    }
    return replace(bag.modern(**given, lr=0.05, batch=16, epochs=1), **changes)


def flat(tree):
    paths = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in paths}


def test_the_target_and_its_similar_source_share_no_class():
    target, similar = pretraining.target(GIVEN), pretraining.sources(GIVEN)["similar"]
    assert (target.classes, similar.classes) == (5, 5)
    for made, first in ((target, 0), (similar, 1)):
        for label in range(5):
            rows = GIVEN.train["label"] == first + 2 * label
            np.testing.assert_array_equal(made.train["image"][made.train["label"] == label], GIVEN.train["image"][rows])
        assert len(made.test) == 20


def test_the_different_source_has_the_shape_of_the_target():
    given = data.fake(train=20, test=20, shape=(14, 14, 3))
    made = pretraining.like(data.digits(), given.shape)
    assert made.shape == (14, 14, 3)
    assert made.classes == 10
    np.testing.assert_array_equal(made.train["image"][..., 0], made.train["image"][..., 2])
    small = data.digits().train["image"].astype(float).mean((1, 2, 3))
    np.testing.assert_allclose(made.train["image"].mean((1, 2, 3)), small, atol=12)  # linear resizing keeps the mean
    assert pretraining.sources(data.fashion_mini().subset(100))["different"].name == "digits"


def test_few_images_come_often():
    target = pretraining.target(GIVEN)
    made = pretraining.few(target, images=50)
    assert len(made.train) == pretraining.ROWS
    images, counts = np.unique(made.train["image"].reshape(len(made.train), -1), axis=0, return_counts=True)
    assert len(images) == 50
    assert counts.min() == counts.max() == pretraining.ROWS // 50
    np.testing.assert_array_equal(np.bincount(made.train["label"]), pretraining.ROWS // 5)
    assert made.name != target.name


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A baseline whose sources were not trained, but written where it looks for them; and how often they were."""
    trained = []

    def fit(recipe, source, **_):
        trained.append((source.name, recipe.epochs))
        model = train.build_model(recipe, source)
        return [SimpleNamespace(variables=model.init(jax.random.key(len(trained))))]

    monkeypatch.setattr(pretraining, "CACHE", tmp_path)
    monkeypatch.setattr(pretraining, "NEIGHBOURS", {50: 2})
    monkeypatch.setattr(train, "fit", fit)
    monkeypatch.setattr(
        pretraining, "sources", lambda given: {"similar": pretraining.classes_of(given, np.arange(1, 10, 2))}
    )
    target = pretraining.target(GIVEN)
    recipe = pretraining.begin(baseline(), GIVEN, target)
    again = pretraining.begin(baseline(), GIVEN, target)
    assert fingerprint(recipe) == fingerprint(again)
    return recipe, target, trained


def test_sources_are_trained_once_and_their_nearest_images_kept(begun):
    recipe, target, trained = begun
    assert trained == [("fake, classes 1 3 5 7 9", pretraining.PRETRAINING)]
    assert "/" not in recipe.model.keywords["weights"]  # so that cells are the same on another machine
    chosen = {}
    for by in pretraining.FEATURES:
        with np.load(pretraining.borrowed_of(recipe, "similar", 50, by=by)) as found:
            assert 2 <= len(found["labels"]) <= 100
            rows = [(GIVEN.train["image"] == image).all((1, 2, 3)).argmax() for image in found["images"]]
            np.testing.assert_array_equal(GIVEN.train["label"][rows], 2 * found["labels"] + 1)
            chosen[by] = set(rows)
    assert chosen["shallow"] != chosen["deep"]
    fresh, started = (
        flat(train.build_model(bag.part(recipe, source=source), target).init(jax.random.key(9))[0])
        for source in (None, "similar")
    )
    same = {path for path in fresh if fresh[path].std() > 0 and np.array_equal(fresh[path], started[path])}
    assert same == {"head/kernel"}


def test_histograms_know_responses_and_no_places():
    """By hand: quarters of the source's responses 0 to 7; and two images of the same responses elsewhere are alike."""
    source = np.arange(8.0).reshape(2, 2, 2, 1)
    found = pretraining.histograms(np.array([[[0.0, 9], [1, 0]], [[1.0, 0], [0, 9]]])[..., None], source, bins=4)
    np.testing.assert_allclose(found**2, 2 * [[0.75, 0, 0, 0.25]])
    np.testing.assert_allclose(
        pretraining.histograms(source, source, bins=4) ** 2, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    )


def other_images():
    image = GIVEN.train["image"].copy()
    image[0] = 255 - image[0]
    return data.from_arrays("fake", image, GIVEN.train["label"], GIVEN.test["image"], GIVEN.test["label"])


@pytest.mark.parametrize("changed", ["code", "images", "nothing"])
def test_changed_code_or_images_train_the_sources_again(begun, monkeypatch, changed):
    """The name, the labels and the recipe are the same in all three."""
    _, target, trained = begun
    complete = GIVEN
    if changed == "code":
        monkeypatch.setattr(pretraining, "source_digest", lambda recipe: "another")
    if changed == "images":
        complete = other_images()
    pretraining.begin(baseline(), complete, target)
    assert len(trained) == (1 if changed == "nothing" else 2)


def test_a_damaged_file_of_source_images_is_refused(begun):
    recipe = begun[0]
    path = pretraining.borrowed_of(recipe, "similar", 50, by="shallow")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArchiveError, match=r"cannot be read as \.npz"):
        finetuning.co_training(bag.part(recipe, source="similar"), images=50, weight=0.5)


@pytest.mark.parametrize("change", [pretraining.target, augmentation.tinted, ordinal.turned])
def test_images_that_are_read_from_files_are_decoded_once(change):
    column = Files(shape=(400, 8, 8, 1))
    files = data.from_columns("files", *(2 * [{"image": column, "label": GIVEN.train["label"]}]), classes=10)
    assert change(files).train.resident


def test_a_target_needs_four_classes_and_as_many_images_as_its_case():
    with pytest.raises(data.DataError, match="fake has 3 classes, of which every other one is the target; allowed: 4"):
        pretraining.target(data.fake(train=30, classes=3))
    with pytest.raises(data.DataError, match="fake has 30 training images; allowed: 50 or more"):
        pretraining.few(data.fake(train=30), images=50)


WAYS = {  # what it does, what it leaves alone, and whether statistics stay
    "linear probe": (partial(finetuning.only, last=1, lr=1.0), {"stem", "stage1", "stage2"}, True),
    "last stage": (partial(finetuning.only, last=2, lr=1.0), {"stem", "stage1"}, True),
    "rates by layer": (partial(finetuning.by_layer, decay=0.5), set(), None),
    "unfreezing": (partial(finetuning.unfreezing, share=0.9), {"stem"}, None),  # let go at steps 28, 56 and 84 of 93
}


@pytest.mark.parametrize("name", WAYS)
def test_each_way_moves_what_it_says_and_keeps_the_rest(begun, name):
    change, kept, still = WAYS[name]
    recipe, target, _ = begun
    changed = change(bag.part(recipe, source="similar"))
    assert changed.model.keywords.get("frozen_bn") == still
    shapes, _ = jax.eval_shape(train.build_model(changed, target).init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), shapes)
    tx = changed.optimizer(optax.constant_schedule(0.01))

    @jax.jit
    def steps(params):
        def step(_, carry):
            updates, state = tx.update(jax.tree.map(jnp.ones_like, params), carry[1], carry[0])
            return optax.apply_updates(carry[0], updates), state

        return jax.lax.fori_loop(0, 60, step, (params, tx.init(params)))[0]

    after = flat(steps(params))
    moved = {path.split("/")[0] for path, leaf in after.items() if (leaf != 1).any()}
    assert moved == {"stem", "stage1", "stage2", "head"} - kept
    if name == "rates by layer":
        near, far = (1 - after[f"stage{n}/0/last_bn/bias"].mean() for n in (2, 1))
        assert near / far == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(("epochs", "steps"), [(0.01, [1, 1, 1]), (1, [10, 21, 31])])
def test_unfreezing_holds_something_however_short_the_run(epochs, steps):
    recipe = baseline(epochs=epochs)
    recipe = replace(recipe, model=partial(pretraining.network, recipe.model, weights="any"))
    changed = finetuning.unfreezing(recipe, share=1 / 3)
    (wrap,) = changed.optimizer.around
    assert list(wrap.keywords["steps"].values()) == steps
    changed.optimizer(optax.constant_schedule(0.1))


def test_two_heads_share_a_batch(begun):
    """The objective is the mean over the target's images, and the mean over as many of the source's in their head."""
    recipe, target, _ = begun
    changed = finetuning.co_training(bag.part(recipe, source="similar"), images=50, weight=0.5)
    rows = {
        "image": jnp.asarray(target.train["image"][:6] / np.float32(255)),
        "label": jnp.asarray(target.train["label"][:6]),
    }
    batch = changed.augment(jax.random.key(0), {**rows, "index": jnp.arange(6)})
    assert {name: value.shape[0] for name, value in batch.items()} == {"image": 12, "label": 12, "index": 12}
    np.testing.assert_array_equal(batch["image"][:6], rows["image"])
    np.testing.assert_array_equal(batch["label"] >= 5, np.arange(12) >= 6)
    for image, label in zip(batch["image"][6:], batch["label"][6:], strict=True):
        row = np.abs(GIVEN.train["image"] / np.float32(255) - np.asarray(image)).sum((1, 2, 3)).argmin()
        assert GIVEN.train["label"][row] == 2 * (int(label) - 5) + 1

    model = train.build_model(changed, target)
    params, stats = model.init(jax.random.key(1))
    batch["target"] = jax.nn.one_hot(batch["label"], 5)
    out, _ = model.apply(params, stats, batch["image"], train=False)
    losses = changed.loss(params, out, batch)
    logits, others = np.asarray(out[0], np.float64), np.asarray(out[1]["source"], np.float64)
    own = np.log(np.exp(logits).sum(1)) - logits[np.arange(12), np.asarray(batch["label"]) % 5]
    second = np.log(np.exp(others).sum(1)) - others[np.arange(12), np.asarray(batch["label"]) % 5]
    expected = own[:6].mean() + 0.5 * second[6:].mean()
    np.testing.assert_allclose(losses.mean(), expected, rtol=1e-5)
    plain = train.build_model(bag.part(recipe, source="similar"), target)
    first = {name: tree for name, tree in params.items() if name != "source"}
    np.testing.assert_array_equal(plain.apply(first, stats, batch["image"], train=False)[0][0], out[0])
