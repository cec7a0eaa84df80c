"""A training step in shapes only: what does not fit is named, by its field, before anything is compiled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtricks.data import DataError, Dataset
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.state import State, create_state
from jaxtricks.train.step import make_step

Tree = Any
Shapes = dict[str, jax.ShapeDtypeStruct]


class RecipeError(ValueError):
    """Parts of a recipe that do not fit each other or the data; the message names field, what it gave, and wanted."""


def rehearse(
    recipe: Recipe,
    dataset: Dataset,
    model,
    tx: optax.GradientTransformation,
    preprocess: Tree,
    *,
    parts: int = 1,
    teacher=None,
    trained: Tree = None,
    initial: Tree = None,
) -> tuple[str, ...]:
    """Hand abstract arrays through all that a step calls, and check what each part gives to the next.

    Args:
      recipe: what to check.
      dataset: gives the shapes of images and labels, and the classes.
      model: the recipe's ``Model(init, apply)``, without a mesh axis.
      tx: the recipe's optimiser.
      preprocess: what ``recipe.preprocess[0]`` gave.
      parts: devices that share the batch, each with a program of its own.
      teacher: the model of ``recipe.teacher``, or None.
      trained: ``(params, stats)`` of the teacher.
      initial: ``(params, stats)`` to start from, or None.

    Returns:
      The names of the metrics.

    Raises:
      RecipeError: at the first part that raises, or gives what the next cannot take.
    """
    _check_data(dataset)
    key = jax.eval_shape(lambda: jax.random.key(0))
    batch = _prepared(recipe, dataset, key, preprocess)
    rows, rest = divmod(batch["image"].shape[0], parts)
    if rest:
        raise RecipeError(f"recipe.augment gives {rows * parts + rest} images; allowed: a multiple of {parts} devices.")
    batch = {name: jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype) for name, x in batch.items()}

    params, stats = variables = _variables("model", model, recipe, key)
    if recipe.init is not None:
        alike("recipe.init gives", _traced("init", recipe.init, params), params)
    if initial is not None:
        if recipe.init is not None:
            raise RecipeError("recipe.init is given, and initial would undo it; allowed: one of them, or none.")
        alike("initial holds", initial, variables)
    if teacher is not None:
        known = _variables("teacher.model", teacher, recipe.teacher, key)
        alike("teacher holds", trained, known)
        (logits, _), _ = _output("teacher.model", teacher, *known, batch, train=False)
        batch["teacher"] = logits

    out, after = _output("model", model, params, stats, batch, train=True)
    alike("recipe.model gives statistics", after, stats)
    logits, target = out[0], batch.get("target")
    if target is not None and len(target.shape) == len(getattr(logits, "shape", ())) == 2:
        _is_array("model gives logits, which", logits, target.shape)
    _is_array("loss", _traced("loss", recipe.loss, params, out, batch), (rows,))
    state = _step(recipe, model, tx, variables, key, batch, dataset.classes)

    metrics = _traced("metrics", recipe.metrics, out, batch)
    if not isinstance(metrics, dict) or not metrics:
        raise RecipeError(f"recipe.metrics gives {_say(metrics)}; allowed: a dict with one metric or more.")
    for name, value in metrics.items():
        _is_array(f"metrics, {name!r},", value, (rows,), floating=False)
    if _on_a_plateau(state.opt) and (dataset.validation is None or "loss" not in metrics):
        raise RecipeError(
            "recipe.optimizer waits for a plateau of the validation loss, and this run has none; "
            "allowed: a validation split and a metric 'loss'."
        )
    return tuple(metrics)


def _prepared(recipe: Recipe, dataset: Dataset, key, preprocess: Tree) -> Shapes:
    """The batch as the model gets it."""
    row = partial(jax.ShapeDtypeStruct, (recipe.batch,))
    image = jax.ShapeDtypeStruct((recipe.batch, *dataset.shape), jnp.float32)
    batch = {"image": image, "label": row(jnp.int32), "index": row(jnp.int32), "epoch": row(jnp.int32)}
    if recipe.augment is not None:
        batch = _batch("augment", recipe.augment, key, batch)
    apply = jax.vmap(recipe.preprocess[1], (None, 0))
    batch["image"] = _is_rows("preprocess[1]", _traced("preprocess[1]", apply, preprocess, batch["image"]), batch)
    if "label" in batch and "target" not in batch:
        batch["target"] = jax.ShapeDtypeStruct((*batch["label"].shape, dataset.classes), jnp.float32)
    if recipe.targets is not None:
        if "target" not in batch:
            raise RecipeError("recipe.augment leaves neither 'label' nor 'target'; allowed: one of them for targets.")
        target = _traced("targets", recipe.targets, batch["target"])
        batch["target"] = _is_array("targets", target, batch["target"].shape)
    if recipe.mix is not None:
        batch = _batch("mix", recipe.mix, key, batch)
    return batch


def _batch(field: str, function: Callable, key, batch: Shapes) -> Shapes:
    """What an augmentation gives: a batch with images, and as many rows in all entries."""
    out = _traced(field, function, key, batch)
    if not isinstance(out, dict) or "image" not in out:
        found = sorted(out) if isinstance(out, dict) else _say(out)
        raise RecipeError(f"recipe.{field} gives {found}; allowed: a batch, a dict with 'image'.")
    for name in out:
        _is_rows(f"{field}, {name!r},", out[name], out)
    image = out["image"]
    if len(image.shape) != 4 or not jnp.issubdtype(image.dtype, jnp.floating):
        raise RecipeError(f"recipe.{field} gives images {_say(image)}; allowed: floating point [B, H, W, C].")
    return dict(out)


def _variables(field: str, model, recipe: Recipe, key) -> tuple[Tree, Tree]:
    """Parameters, in the precision of the recipe, and statistics."""
    found = _traced(field, model.init, key)
    if not isinstance(found, tuple) or len(found) != 2:
        raise RecipeError(f"recipe.{field} gives variables {_say(found)}; allowed: (params, stats).")
    dtype = jnp.dtype(recipe.precision.param)
    return jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, dtype), found[0]), found[1]


def _check_data(dataset: Dataset) -> None:
    """Raise DataError unless every label is a class and the images are of the size the dataset says."""
    for part in ("train", "validation", "test"):
        split = getattr(dataset, part)
        if split is None:
            continue
        shape = tuple(split["image"].shape)
        if shape != (len(split), *dataset.shape):
            raise DataError(f"{dataset.name}: {part} images are {shape}; allowed: {(len(split), *dataset.shape)}.")
        wrong = (split["label"] < 0) | (split["label"] >= dataset.classes)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{dataset.name}: {part} label {row} is {split["label"][row]}; allowed: 0 to {dataset.classes - 1}."
            )


def _output(field: str, model, params: Tree, stats: Tree, batch: Shapes, *, train: bool) -> tuple[tuple, Tree]:
    """``((logits, taps), stats)`` of a network."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), batch["image"].shape[0])) if train else None
    apply = partial(model.apply, train=train)
    found = _traced(field, lambda *args: apply(*args[:3], key=args[3]), params, stats, batch["image"], keys)
    pairs = isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], tuple) and len(found[0]) == 2
    if not pairs:
        raise RecipeError(f"recipe.{field} gives {_say(found)}; allowed: ((logits, taps), stats).")
    return found


def _step(recipe: Recipe, model, tx, variables: tuple[Tree, Tree], key, batch: Shapes, classes: int) -> State:
    """The state, if a step gives one like that which it took; gradient and optimizer have not been called before.

    Without recipe.gradient the gradients are like the parameters, whatever the model: its backward pass is left out.
    """

    def optimize(gradients, state, params, **given):
        alike("recipe.gradient gives", gradients, params)
        with _about("optimizer"):
            updates, after = tx.update(gradients, state, params, **given)
        alike("recipe.optimizer gives updates", updates, params)
        alike("recipe.optimizer gives the state", after, state)
        return updates, after

    def begin(params):
        with _about("optimizer"):
            return tx.init(params)

    def fresh(key):
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), variables)

    def nothing(params, stats, image, **options):
        return (jnp.zeros((len(image), classes)), {}), stats

    def of_params(params, out, batch):
        return jnp.zeros(len(batch["image"])) + sum(leaf.sum(dtype=jnp.float32) for leaf in jax.tree.leaves(params))

    tried = optax.GradientTransformationExtraArgs(begin, optimize)
    model = SimpleNamespace(init=fresh, apply=model.apply if recipe.gradient else nothing)
    recipe = replace(recipe, init=None, loss=recipe.loss if recipe.gradient else of_params)
    _, update = make_step(recipe, model, tried, classes=classes)
    state = jax.eval_shape(partial(create_state, recipe, model, tried), key)
    keys = jax.eval_shape(lambda key: jax.random.split(key, batch["image"].shape[0]), key)
    after, _ = _traced("gradient", update, state, {**batch, "key": keys}, {})
    alike("a step gives the state", after, state)
    return state


def _on_a_plateau(state: Tree) -> bool:
    """Whether a part is the state of ``optax.contrib.reduce_on_plateau``, whose value would stay infinite."""
    kind = optax.contrib.ReduceLROnPlateauState
    return any(isinstance(part, kind) for part in jax.tree.leaves(state, is_leaf=lambda part: isinstance(part, kind)))


def built(field: str, function: Callable, *args: Any, **options: Any) -> Any:
    """What a part of the recipe gives, on the host; RecipeError for what it raises, its own ValueErrors aside.

    Args:
      field: of the recipe.
      function: the part.
      *args, **options: for it.

    Returns:
      Its result.

    Raises:
      RecipeError: if the call fails, for instance because it takes other arguments.
    """
    try:
        return function(*args, **options)
    except ValueError:
        raise
    except Exception as error:
        raise RecipeError(f"recipe.{field} raised {type(error).__name__}: {error}") from error


def _traced(field: str, function: Callable, *args: Tree) -> Tree:
    """The shapes that a part of the recipe gives for these."""
    with _about(field):
        return jax.eval_shape(function, *args)


@contextmanager
def _about(field: str) -> Iterator[None]:
    """Whatever the user's function raises, the field is what it is about, unless that is known better."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:
        raise RecipeError(f"recipe.{field} raised {type(error).__name__}: {error}") from error


def _is_array(name: str, value: Tree, shape: tuple[int, ...], *, floating: bool = True) -> jax.ShapeDtypeStruct:
    found = getattr(value, "shape", None)
    if found != shape or (floating and not jnp.issubdtype(value.dtype, jnp.floating)):
        kind = "floating point " if floating else ""
        raise RecipeError(f"recipe.{name} is {_say(value)}; allowed: {kind}{list(shape)}.")
    return value


def _is_rows(name: str, value: Tree, batch: Shapes) -> Tree:
    """The array, if it has as many rows as the batch has images."""
    rows = getattr(batch["image"], "shape", ())[:1]
    if not rows or getattr(value, "shape", ())[:1] != rows:
        raise RecipeError(f"recipe.{name} is {_say(value)}; allowed: {rows[0] if rows else 0} rows, as the images.")
    return value


def alike(what: str, found: Tree, wanted: Tree) -> None:
    """Raise RecipeError at the first leaf that is missing, too much, or of another shape or dtype.

    Args:
      what: has the leaves, for the message.
      found, wanted: trees of arrays or shapes.
    """
    found, wanted = _leaves(found), _leaves(wanted)
    for path in {**wanted, **found}:
        have, want = (_say(leaves[path]) if path in leaves else "nothing" for leaves in (found, wanted))
        if have != want:
            raise RecipeError(f"{what} {path}: {have}; allowed: {want}.")


def _leaves(tree: Tree) -> dict[str, Any]:
    paths = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in paths}


def _say(value: Tree) -> str:
    """Dtype and shape of an array; for anything else, what it is."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list, dict)) else repr(value)
