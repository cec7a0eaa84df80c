"""What fine-tuning is made of: sources and a target, weights trained once, and the ways to go on from them."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import augment, data, init, optim, train
from jaxtricks.ablation import Setting, cli
from jaxtricks.fingerprint import fingerprint
from jaxtricks.keys import named
from jaxtricks.train import Recipe
from jaxtricks.tricks import bag as t

PRETRAINING = 5.0  # times the epochs of the baseline
ROWS = 1500  # of an epoch, whatever the images: each comes as often as it takes
SHARES = {50: 0.2, 1500: 1.0}  # by the number of target images: of the source's learning rate
NEIGHBOURS = {50: 10, 1500: 5}  # by the number of target images: of each, so many source images


def classes_of(dataset: data.Dataset, chosen: np.ndarray) -> data.Dataset:
    """The images of some classes, which are counted anew."""
    parts = []
    for split in (dataset.train, dataset.test):
        rows = np.flatnonzero(np.isin(split["label"], chosen))
        parts += [split["image"][rows], np.searchsorted(chosen, split["label"][rows])]
    return data.from_arrays(f"{dataset.name}, classes {' '.join(map(str, chosen))}", *parts)


def target(dataset: data.Dataset) -> data.Dataset:
    """The task: classes 0, 2, 4, ..."""
    return classes_of(dataset, np.arange(0, dataset.classes, 2))


def few(dataset: data.Dataset, *, images: int) -> data.Dataset:
    """As many training images, each as often in an epoch as it takes for equally many steps."""
    chosen = dataset.subset(images)
    rows = np.resize(np.arange(images), ROWS)
    return replace(chosen, name=f"{dataset.name}, {images} images", train=chosen.train.take(rows))


def sources(dataset: data.Dataset) -> dict[str, data.Dataset]:
    """``similar``: the other classes. ``different``: handwritten digits, for Fashion-MNIST; else Fashion-MNIST."""
    other = data.digits() if dataset.name.startswith("fashion") else data.fashion_mini()
    return {"similar": classes_of(dataset, np.arange(1, dataset.classes, 2)), "different": like(other, dataset.shape)}


def like(dataset: data.Dataset, shape: tuple[int, int, int]) -> data.Dataset:
    """Grey images at another size, and with as many channels."""

    def images(split):
        grey = jax.image.resize(jnp.float32(split["image"]), (len(split), *shape[:2], 1), "linear")
        return np.repeat(np.asarray(jnp.round(grey.clip(0, 255)), np.uint8), shape[2], axis=3)

    train, test = dataset.train, dataset.test
    return data.from_arrays(dataset.name, images(train), train["label"], images(test), test["label"])


def begin(recipe: Recipe, given: data.Dataset, dataset: data.Dataset) -> Recipe:
    """The baseline, which from now on knows where the weights of both sources lie; they are trained if need be.

    They are kept in the cache folder, as npz files with torchvision's names.
    """
    if jax.process_count() > 1:
        raise cli.UsageError(f"finetune is started in {jax.process_count()} processes; allowed: one.")
    longer = replace(recipe, epochs=PRETRAINING * recipe.epochs)
    about = [given.name, given.classes, given.shape, given.train["label"], dataset.train["label"]]
    recipe = replace(recipe, model=partial(network, recipe.model, weights=fingerprint([longer, about])))
    for name, source in sources(given).items():
        path = weights_of(recipe, name)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            (run,) = train.fit(longer, source, plan=train.Plan(devices=tuple(jax.devices()[:1])), test=False)
            for images in NEIGHBOURS:
                own = dataset.subset(images).train
                borrowed = nearest(longer, run.variables, own, source, k=NEIGHBOURS[images])
                np.savez(borrowed_of(recipe, name, images), **borrowed, classes=dataset.classes)
            init.save_pretrained(run.variables, path)  # the last, so that where it is, all is
    return recipe


def nearest(recipe: Recipe, variables, own: data.Split, source: data.Dataset, *, k: int) -> dict[str, np.ndarray]:
    """Images and labels of the source that lie nearest to the target's, by the features of the source's network."""
    model = train.build_model(recipe, source)
    stats = recipe.preprocess[0](source.train["image"])

    @jax.jit
    def features(images):
        prepared = jax.vmap(recipe.preprocess[1], (None, 0))(stats, images / np.float32(255))
        return model.apply(*variables, prepared, train=False)[0][1]["features"]

    rows = np.unique(data.nearest_source(*map(np.asarray, map(features, (own["image"], source.train["image"]))), k=k))
    return {"images": source.train["image"][rows], "labels": source.train["label"][rows]}


def weights_of(recipe: Recipe, source: str) -> Path:
    """The file of a source's weights."""
    return cli.CACHE.parent / "finetune" / recipe.model.keywords["weights"] / f"{source}.npz"


def borrowed_of(recipe: Recipe, source: str, images: int) -> Path:
    """The file of the source images nearest to so many images of the target."""
    return weights_of(recipe, f"{source}-nearest-{images}")


def network(build, *, weights: str, source: str | None = None, **given):
    """The network, with fresh weights, or a source's under a fresh head."""
    if source is None:
        return build(**given)
    path = cli.CACHE.parent / "finetune" / weights / f"{source}.npz"
    return init.from_pretrained(build, path, skip=("^head/",), **given)


def case(recipe: Recipe, *, source: str, lr: float) -> Recipe:
    """A source's weights, and a share of the learning rate."""
    return replace(t.part(recipe, source=source), lr=lr * recipe.lr)


def setting(ladder, source: str, images: int) -> Setting:
    """A source and an amount of target images, with the tricks that ``ladder`` gives for them."""
    change = partial(case, source=source, lr=SHARES[images])
    return Setting(change, ladder(source, images), partial(few, images=images))


def from_scratch(recipe: Recipe, *, lr: float) -> Recipe:
    """Fresh weights, and a learning rate for them."""
    return replace(t.part(recipe, source=None), lr=lr * recipe.lr)


def layers(recipe: Recipe) -> tuple[str, ...]:
    """Patterns of a residual network's parts, from the input to the head."""
    stages = len(recipe.model.args[0].args[0].blocks)
    return ("^stem/", *(f"^stage{n}/" for n in range(1, stages + 1)), "^head/")


def only(recipe: Recipe, *, last: int, lr: float) -> Recipe:
    """Train the last parts only: 1, the head, a linear probe; 2, the last stage too. All statistics stay."""
    frozen = layers(recipe)[:-last]
    optimizer = partial(frozen_optimizer, optimizer=recipe.optimizer, frozen=frozen)
    return replace(t.part(recipe, frozen_bn=True), optimizer=optimizer, lr=lr * recipe.lr)


def frozen_optimizer(schedule, *, optimizer, frozen):
    """An optimiser that leaves some parts alone."""
    return optim.freeze(optimizer(schedule), *frozen)


def by_layer(recipe: Recipe, *, decay: float) -> Recipe:
    """Smaller steps towards the input."""
    return replace(recipe, optimizer=partial(decayed, optimizer=recipe.optimizer, layers=layers(recipe), decay=decay))


def decayed(schedule, *, optimizer, layers, decay):
    """An optimiser with rates by layer."""
    return optim.layerwise_decay(optimizer(schedule), layers, decay=decay)


def unfreezing(recipe: Recipe, *, share: float) -> Recipe:
    """The head from the start, then one part after another, all of them after a share of the run.

    However short the run is, the head alone takes the first step.
    """
    parts = layers(recipe)[-2::-1]
    steps = recipe.epochs * (ROWS // recipe.batch)
    at = {pattern: max(1, round(share * steps * n / len(parts))) for n, pattern in enumerate(parts, 1)}
    return replace(recipe, optimizer=partial(unfrozen, optimizer=recipe.optimizer, at=at))


def unfrozen(schedule, *, optimizer, at):
    """An optimiser that lets go of some parts later."""
    return optim.unfreeze_at(optimizer(schedule), at)


def co_training(recipe: Recipe, *, images: int, weight: float) -> Recipe:
    """Beside every batch as many of the source images nearest to the target's, with a head and a loss of their own.

    Nearest by the source's own features. Ge and Yu, arXiv 1702.08690.
    """
    path = borrowed_of(recipe, recipe.model.keywords["source"], images)
    with np.load(path, allow_pickle=False) as found:
        chosen, labels, classes = (found[name] for name in ("images", "labels", "classes"))
    add = partial(borrow, images=chosen, labels=labels + classes)
    return replace(
        recipe,
        model=partial(two_heads, recipe.model, others=int(labels.max()) + 1),
        augment=augment.chain(borrow=add, **({} if recipe.augment is None else {"rest": recipe.augment})),
        loss=partial(joint, loss=recipe.loss, classes=int(classes), weight=weight),
    )


def borrow(key, batch, *, images, labels):
    """The batch, and after it as many images drawn from others, whose labels are no class of the batch."""
    rows = batch["image"].shape[0]
    drawn = jax.random.randint(key, (rows,), 0, len(labels))
    twice = {name: jnp.concatenate([value, value]) for name, value in batch.items()}
    other = jnp.asarray(images)[drawn].astype(batch["image"].dtype) / 255
    label = jnp.asarray(labels, batch["label"].dtype)[drawn]
    return {
        **twice,
        "image": jnp.concatenate([batch["image"], other]),
        "label": jnp.concatenate([batch["label"], label]),
    }


def two_heads(build, *, others: int, **given):
    """The network with a second classifier, of other classes, whose logits are the tap ``source``."""
    model = build(**given)

    def fresh(key):
        params, stats = model.init(key)
        shape = (params["head"]["kernel"].shape[0], others)
        head = {"kernel": init.xavier_normal()(named(key, "source"), shape), "bias": jnp.zeros(others)}
        return {**params, "source": head}, stats

    def apply(params, stats, image, *, train, key=None):
        (logits, taps), stats = model.apply(params, stats, image, train=train, key=key)
        other = taps["features"] @ params["source"]["kernel"] + params["source"]["bias"][None]
        return (logits, {**taps, "source": other}), stats

    return model._replace(init=fresh, apply=apply)


def joint(params, out, batch, *, loss, classes, weight):
    """The loss of the first half of the batch, and cross-entropy of the other half in its own head.

    One-hot targets of labels that are no class are zero, and so is their cross-entropy; twice, for each is in half of
    the mean.
    """
    others = out[1]["source"]
    second = optax.softmax_cross_entropy(others, jax.nn.one_hot(batch["label"] - classes, others.shape[-1]))
    return 2 * (loss(params, out, batch) + weight * second)
