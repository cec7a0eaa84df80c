"""What holds for every loss of the table: transformations, gradients, half precision, and inputs at the edge."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify
from jax.test_util import check_grads

from jaxtricks import losses
from tests.cases import family, subject
from tests.cases.case import SIZES

B, C = SIZES["B"], SIZES["C"]
LABELS = np.array([0, 3, 4, 3], np.int32)
BINARY = np.eye(C, dtype=np.float32)[:B]
KINDS = {  # by the name of the first argument, where the case does not say it
    "logits": "logits",
    "student_logits": "logits",
    "student": "logits",
    "features": "feature",
    "residuals": "number",
    "predictions": "number",
    "predicted": "box",
}


class Case(NamedTuple):
    """A loss of arguments with a batch axis, the first of which is what is learnt; the others are held."""

    name: str
    args: tuple
    kind: str  # of the first argument: logits, binary, feature, number, box
    options: dict
    held: dict = {}  # noqa: RUF012

    @property
    def of(self):
        return subject(f"losses.{self.name}")

    @property
    def arguments(self):
        """The names of the arguments with a batch axis."""
        return [name for name in self.of.arrays if name not in self.held]

    @property
    def labels(self):
        return any(arg.dtype == np.int32 for arg in self.args)

    def loss(self, *args):
        by_name = dict(zip(self.arguments, args, strict=True))
        return self.of.call(**by_name, **self.held, **(self.of.options | self.options))

    def sure(self):
        """The arguments after the first, targets that are shared out replaced by one class."""
        hard = np.eye(C, dtype=np.float32)[LABELS]
        names = self.arguments[1:]
        return [hard if name == "targets" else arg for name, arg in zip(names, self.args[1:], strict=True)]

    def of_one_class(self):
        """The same loss where there is only one class, and its arguments."""
        values = self.of.named(self.of.make(0, C=1))
        return self._replace(held={name: values[name] for name in self.held}), [values[n] for n in self.arguments]


def kind_of(name):
    """What a loss is a loss of; None for what is no loss by itself."""
    case = subject(f"losses.{name}")
    by_name = KINDS.get(next(iter(case.arrays))) if case.case.rows and case.case.call is None else None
    return by_name if case.case.kind is None else case.case.kind or None


def cases(name, case):
    """The case of a loss, and those of its variants."""
    values = case.named(case.make(0))
    if kind_of(name) == "binary":
        values["targets"] = BINARY
    batched = [argument for argument, leaf in case.arrays.items() if leaf.lead]
    held = {argument: values[argument] for argument in case.arrays if argument not in batched}
    args = tuple(LABELS if a == "labels" else values[a] for a in batched)
    for options in ({}, *case.case.variants):
        label = " ".join([name, *(f"{k} {v}" for k, v in options.items())])
        yield label, Case(name, args, kind_of(name), options, held)


CASES = dict(pair for name, case in family("losses").items() if kind_of(name) for pair in cases(name, case))
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
labelled = pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.labels])


def of_kind(*kinds, but=()):
    names = [name for name, case in CASES.items() if case.kind in kinds and name not in but]
    return pytest.mark.parametrize("name", names)


COMPILED = {}  # by the id of a case, with the case, which holds its id


def compiled(case):
    """The loss, and its gradient beside it, each compiled once for the shapes that several tests share."""
    if id(case) not in COMPILED:

        def total(*args):
            values = case.loss(*args)
            return jnp.sum(values), values

        COMPILED[id(case)] = jax.jit(case.loss), jax.jit(jax.value_and_grad(total, has_aux=True)), case
    return COMPILED[id(case)]


def jitted(case, *args):
    """The losses."""
    return compiled(case)[0](*args)


def value_and_grad(case, *args):
    """The losses, and the gradient of their sum in the first argument."""
    (_, values), grad = compiled(case)[1](*args)
    return values, grad


def assert_finite(case, *args):
    values, grad = value_and_grad(case, *args)
    np.testing.assert_array_equal(np.isfinite(values), True)
    np.testing.assert_array_equal(np.isfinite(grad), True)
    return values


@every
def test_eager_jit_and_vmap_agree(case):
    eager = case.loss(*case.args)
    assert eager.shape[0] == B
    np.testing.assert_allclose(jitted(case, *case.args), eager, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(case.loss))(*case.args), eager, rtol=1e-5, atol=1e-6)


@every
def test_two_batch_axes_are_as_good_as_one(case):
    twice = [np.stack([arg, arg[::-1]]) for arg in case.args]
    one = jitted(case, *case.args)
    np.testing.assert_allclose(jitted(case, *twice), np.stack([one, one[::-1]]), rtol=1e-5, atol=1e-6)


@every
def test_gradient_is_that_of_finite_differences(case):
    with jax.enable_x64(True):
        first, *rest = [arg.astype(np.float64) if arg.dtype == np.float32 else arg for arg in case.args]
        loss = case.loss
        if case.name == "ciou_loss":  # alpha is no part of the gradient: hold it at its value
            loss = held_ciou(first, *rest)
        check_grads(
            jax.jit(lambda first: loss(first, *rest)), (first,), order=1, modes=("fwd", "rev"), atol=5e-6, rtol=5e-6
        )


def held_ciou(at, target):
    width, height = at[..., 2] - at[..., 0], at[..., 3] - at[..., 1]
    angle = np.arctan((target[..., 2] - target[..., 0]) / (target[..., 3] - target[..., 1]))
    v = 4 / np.pi**2 * (angle - np.arctan(width / height)) ** 2
    alpha = v / (losses.iou_loss(at, target) + v)

    def loss(box, target):
        turn = angle - jnp.arctan((box[..., 2] - box[..., 0]) / (box[..., 3] - box[..., 1]))
        return losses.diou_loss(box, target) + alpha * 4 / np.pi**2 * turn**2

    np.testing.assert_allclose(loss(at, target), losses.ciou_loss(at, target))
    np.testing.assert_allclose(
        jax.grad(lambda x: loss(x, target).sum())(at), jax.grad(lambda x: losses.ciou_loss(x, target).sum())(at)
    )
    return loss


@every
def test_half_precision_is_computed_in_float32(case):
    for dtype in (jnp.bfloat16, jnp.float16):
        assert_computed_in_float32(case, dtype)


def assert_computed_in_float32(case, dtype):
    half = [jnp.asarray(arg, dtype) if arg.dtype == np.float32 else arg for arg in case.args]
    wide = [arg.astype(jnp.float32) if arg.dtype == dtype else arg for arg in half]
    values, grad = value_and_grad(case, *half)
    assert values.dtype == jnp.float32
    assert grad.dtype == dtype
    np.testing.assert_allclose(values, jitted(case, *wide), rtol=1e-5, atol=1e-6)


@every
def test_an_empty_batch_gives_no_losses(case):
    values, grad = value_and_grad(case, *[arg[:0] for arg in case.args])
    assert values.shape == (0, *jax.eval_shape(case.loss, *case.args).shape[1:])
    assert grad.shape == case.args[0][:0].shape


def extremes(x):
    """All 1e4, all -1e4, all equal, signs apart, one class far above the others."""
    first = np.arange(x.shape[-1]) == 0
    rows = [0 * x + 1e4, 0 * x - 1e4, 0 * x, 1e4 * np.sign(x), 0 * x + 1e4 * first, 0 * x + np.where(first, 1e4, -1e4)]
    return np.concatenate(rows).astype(np.float32)


@of_kind("logits", "binary", "feature", "number")
def test_extreme_scores_are_finite(name):
    first, *rest = CASES[name].args
    hard = CASES[name].sure()
    both = [np.concatenate([soft] * 6 + [sure] * 6) for soft, sure in zip(rest, hard, strict=True)]
    assert_finite(CASES[name], np.tile(extremes(first), (2, 1)), *both)


@of_kind("logits", but=[name for name, case in CASES.items() if not case.of.case.absent])
def test_a_wrong_class_at_minus_infinity_is_as_one_far_below(name):
    first, hard = CASES[name].args[0], CASES[name].sure()
    if "teacher_logits" in CASES[name].arguments:
        hard = [np.where(np.arange(C) == 1, -np.inf, hard[0])]
    gone, far = (np.where(np.arange(C) == 1, low, first).astype(np.float32) for low in (-np.inf, -1e30))
    assert_finite(CASES[name], gone, *hard)
    for at_infinity, far_below in zip(
        value_and_grad(CASES[name], gone, *hard), value_and_grad(CASES[name], far, *hard), strict=True
    ):
        np.testing.assert_allclose(at_infinity, far_below, atol=1e-6)


@of_kind("binary")
def test_binary_certainty_is_free_when_right_and_infinite_when_wrong(name):
    sure = jnp.where(BINARY == 1, jnp.inf, -jnp.inf)
    assert_finite(CASES[name], sure, BINARY)
    np.testing.assert_array_equal(CASES[name].loss(sure, BINARY), 0.0)
    if name != "asymmetric":  # its shift bounds the loss of a negative
        np.testing.assert_array_equal(CASES[name].loss(-sure, BINARY), np.inf)


@of_kind("logits")
def test_one_class_cannot_be_wrong(name):
    case, (logits, *other) = CASES[name].of_one_class()
    if case.labels:
        other = [np.zeros(B, np.int32)]
    elif "targets" not in case.arguments:  # a teacher who says the same
        other = [logits]
    values = assert_finite(case, logits, *other)
    np.testing.assert_allclose(values, 0.0, atol=1e-7)


DEGENERATE = {
    "equal points": ([1, 1, 1, 1], [1, 1, 1, 1]),
    "point outside": ([0, 0, 0, 0], [2, 2, 5, 5]),
    "point inside": ([3, 3, 3, 3], [2, 2, 5, 5]),
    "line": ([2, 2, 2, 5], [2, 2, 5, 5]),
    "target a point": ([2, 2, 5, 5], [4, 4, 4, 4]),
    "equal": ([2, 2, 5, 5], [2, 2, 5, 5]),
    "touching": ([0, 0, 2, 2], [2, 2, 5, 5]),
    "inverted": ([5, 5, 2, 2], [2, 2, 5, 5]),
    "tiny": ([0, 0, 1e-20, 1e-20], [0, 0, 1e-20, 1e-20]),
    "huge": ([-1e4, -1e4, 1e4, 1e4], [0, 0, 1, 1]),
    "slivers": ([0, 0, 1e4, 1e-4], [0, 0, 1e-4, 1e4]),
}


@of_kind("box")
def test_degenerate_boxes_are_finite(name):
    predicted, target = np.moveaxis(np.array(list(DEGENERATE.values()), np.float32), 1, 0)
    assert_finite(CASES[name], predicted, target)


@labelled
def test_a_label_out_of_range_gives_nan_without_gradient(name):
    case = CASES[name]
    first, labels = np.tile(case.args[0], (2, 1)), np.concatenate([LABELS, [-1, C, C + 7, -C]]).astype(np.int32)
    values, grad = value_and_grad(case, first, labels)
    right, right_grad = value_and_grad(case, *case.args)
    assert np.isnan(values[B:]).all()
    np.testing.assert_array_equal(grad[B:], 0.0)
    np.testing.assert_allclose(values[:B], right, rtol=1e-6)
    np.testing.assert_allclose(grad[:B], right_grad, rtol=1e-5)


@labelled
def test_checkify_turns_a_label_out_of_range_into_an_error(name):
    case = CASES[name]
    checked = jax.jit(checkify.checkify(case.loss))
    checked(*case.args)[0].throw()
    with pytest.raises(checkify.JaxRuntimeError, match="labels lie outside 0 to 4"):
        checked(case.args[0], np.array([0, -1, 2, 3], np.int32))[0].throw()


@labelled
@pytest.mark.parametrize(
    "labels", [LABELS.astype(np.float32), LABELS[:3], LABELS[:, None], LABELS > 1], ids=["float", "3", "column", "bool"]
)
def test_labels_of_a_wrong_shape_or_dtype_raise(name, labels):
    with pytest.raises(ValueError, match="labels"):
        CASES[name].loss(CASES[name].args[0], labels)


@every
def test_integers_and_other_shapes_raise(case):
    first, *rest = case.args
    with pytest.raises(ValueError, match="dtype int32; allowed: a floating-point dtype"):
        case.loss(first.astype(np.int32), *rest)
    if rest and not case.labels:
        with pytest.raises(ValueError, match=r"allowed: the shape of"):
            case.loss(first, rest[0][:, :2])


@of_kind("logits", "feature")
def test_no_class_raises(name):
    case = CASES[name]
    first = np.zeros((B, 0), np.float32)
    with pytest.raises(ValueError, match="shape"):
        case.loss(first, LABELS if case.labels else first)
