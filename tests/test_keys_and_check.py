"""Keys by name, and the sentences of the checks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import augment, check, compress, init
from jaxtricks.keys import named, typed
from tests._api import FUNCTIONS, parameters
from tests.cases import CASES, subject
from tests.cases.case import Key

INT32 = f"{-(2**31)} to {2**31 - 1}, what int32 can hold"


def test_a_name_gives_one_key_and_another_name_another():
    key = jax.random.key(0)
    data = [jax.random.key_data(named(key, n)).tolist() for n in ("mixup", "mixup", "crop", "cutmix")]
    assert data[0] == data[1]
    assert len({tuple(d) for d in data}) == 3
    assert (
        jax.random.key_data(named(key, "a")).tolist()
        == jax.random.key_data(jax.random.fold_in(key, 3904355907)).tolist()
    )


def drawing():
    """The cases of functions that take a key."""
    for name, case in CASES.items():
        if not case.host and any(isinstance(leaf, Key) for leaf in subject(name).leaves):
            yield name


@pytest.mark.parametrize("name", list(drawing()))
def test_a_raw_key_is_as_good_as_a_typed_one(name):
    case = subject(name)
    values = case.make(0)
    raw = [jax.random.key_data(v) if isinstance(leaf, Key) else v for leaf, v in zip(case.leaves, values, strict=True)]
    jax.eval_shape(case.result, raw)


TAKES_KEYS = (
    "analysis",
    "augment",
    "compress",
    "detection",
    "init",
    "layers",
    "losses",
    "metrics",
    "optim",
    "preprocess",
)
OTHERS = {"compress.hessian_diagonal", "compress.random_filters"}  # below, and on a graph of filters


def test_every_primitive_with_a_key_is_tried_with_a_raw_one():
    keyed = {
        name.removeprefix("jaxtricks.")
        for name, function in FUNCTIONS.items()
        if name.split(".")[1] in TAKES_KEYS and {"key", "keys"} & {p.name for p in parameters(function)}
    }
    assert keyed - set(drawing()) == OTHERS
    loss = lambda params: jnp.sum(params["w"] ** 3)  # noqa: E731
    for key in (jax.random.PRNGKey(0), jax.random.key(0)):
        jax.eval_shape(lambda k: compress.hessian_diagonal(k, loss, {"w": jnp.ones(3)}), key)
        jax.eval_shape(lambda k: init.dirac()(k, (3, 3, 4, 4), jnp.float32), key)


@pytest.mark.parametrize("per", ["sample", "batch"])
@pytest.mark.parametrize("loop", [False, True])
def test_each_draws_alike_from_a_raw_key(per, loop):
    batch = {"image": jnp.zeros((3, 4, 4, 1))}
    of = augment.each(noise, per=per, loop=loop)
    np.testing.assert_array_equal(of(jax.random.PRNGKey(3), batch)["image"], of(jax.random.key(3), batch)["image"])


def test_keys_of_either_kind_and_nothing_else():
    keys = jax.random.split(jax.random.key(1), 3)
    assert typed(keys) is keys
    assert typed(jax.random.key_data(keys)).shape == (3,)
    assert jax.random.key_data(typed(jax.random.PRNGKey(5))).tolist() == jax.random.PRNGKey(5).tolist()
    for wrong in (3, None, jnp.zeros(2), jnp.zeros(3, jnp.uint32)):
        with pytest.raises(ValueError, match=r"^keys is .*; allowed: keys, as"):
            typed(wrong)


def noise(key, image):
    return image + jax.random.normal(key, image.shape)


def test_a_stage_more_does_not_shift_the_draws_of_the_others():
    batch = {"image": jnp.zeros((3, 4, 4, 1)), "label": jnp.arange(3)}
    key = jax.random.key(5)
    one = augment.chain(b=augment.each(noise))(key, batch)["image"]
    two = augment.chain(a=augment.each(noise), b=augment.each(noise))(key, batch)["image"]
    alone = augment.chain(a=augment.each(noise))(key, batch)["image"]
    np.testing.assert_allclose(two, one + alone, rtol=1e-6)
    assert np.abs(one - alone).max() > 0.1


def test_each_gives_every_image_a_key_and_leaves_the_rest():
    batch = {"image": jnp.zeros((3, 4, 4, 1)), "label": jnp.arange(3)}
    out = augment.each(noise)(jax.random.key(5), batch)
    assert out["label"] is batch["label"]
    assert np.abs(out["image"][0] - out["image"][1]).max() > 0.1
    keys = jax.random.split(jax.random.key(5), 3)
    np.testing.assert_array_equal(out["image"][2], noise(keys[2], batch["image"][2]))
    with pytest.raises(ValueError, match=r'batch\["image"\] has shape \(4, 4, 1\)'):
        augment.each(noise)(jax.random.key(5), {"image": jnp.zeros((4, 4, 1))})
    with pytest.raises(TypeError, match="chain: crop is 3"):
        augment.chain(crop=3)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_maybe_does_it_that_often(probability):
    invert = augment.maybe(probability, lambda key, image: 1 - image)
    keys = jax.random.split(jax.random.key(0), 2000)
    share = float(jax.vmap(invert, (0, None))(keys, jnp.zeros((2, 2, 1)))[:, 0, 0, 0].mean())
    assert share == pytest.approx(probability, abs=0.04 if 0 < probability < 1 else 0)
    with pytest.raises(ValueError, match=r"probability is 1\.5; allowed: 0\.0 to 1\.0"):
        augment.maybe(1.5, noise)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: check.rank("x", jnp.zeros(3), (2, 3)), "x has shape (3,), rank 1; allowed: rank 2 or 3."),
        (lambda: check.min_rank("x", 1.0, 1), "x has shape (), rank 0; allowed: rank 1 or more."),
        (lambda: check.shape("x", jnp.zeros((3, 2)), (None, 4)), "x has shape (3, 2); allowed: (any, 4)."),
        (lambda: check.same_shape("x", 1.0, "y", jnp.zeros(2)), "x has shape (); allowed: the shape of y, (2,)."),
        (lambda: check.floating("x", jnp.arange(2)), "x has dtype int32; allowed: a floating-point dtype."),
        (lambda: check.integer("x", jnp.array(True)), "x has dtype bool; allowed: an integer dtype."),
        (lambda: check.integer("x", np.array([7, 2**32 + 1])), f"x holds {2**32 + 1}; allowed: {INT32}."),
        (lambda: check.integer("x", -(2**31) - 1), f"x holds {-(2**31) - 1}; allowed: {INT32}."),
        (
            lambda: check.number("x", jnp.array(1j)),
            "x has dtype complex64; allowed: an integer or floating-point dtype.",
        ),
        (lambda: check.boolean("x", jnp.arange(2)), "x has dtype int32; allowed: bool."),
        (lambda: check.rank("x", None, 1), "x is None; allowed: an array."),
        (lambda: check.floating("x", "text"), "x is 'text'; allowed: an array."),
        (lambda: check.same_shape("x", 1.0, "y", [2.0]), "y is [2.0]; allowed: an array."),
        (lambda: check.between("x", "1", 0, 1), "x is '1'; allowed: 0 to 1."),
        (lambda: check.positive("x", None), "x is None; allowed: greater than 0."),
        (lambda: check.option("x", "c", ("a", "b")), "x is 'c'; allowed: 'a', 'b'."),
        (lambda: check.between("x", 2, 0, 1), "x is 2; allowed: 0 to 1."),
        (lambda: check.between("x", float("nan"), 0, 1), "x is nan; allowed: 0 to 1."),
        (lambda: check.between("x", np.float32(2), 0, 1), "x is np.float32(2.0); allowed: 0 to 1."),
        (lambda: check.positive("x", 0), "x is 0; allowed: greater than 0."),
        (lambda: check.at_least("x", -1), "x is -1; allowed: an integer of 0 or more."),
        (lambda: check.at_least("x", np.int64(1), minimum=2), "x is np.int64(1); allowed: an integer of 2 or more."),
        (lambda: check.at_least("x", 2.0), "x is 2.0; allowed: an integer of 0 or more."),
        (lambda: check.at_least("x", True), "x is True; allowed: an integer of 0 or more."),
        (lambda: check.at_least("x", np.True_), "x is np.True_; allowed: an integer of 0 or more."),
        (lambda: check.at_least("x", "2"), "x is '2'; allowed: an integer of 0 or more."),
        (lambda: check.at_least("x", None), "x is None; allowed: an integer of 0 or more."),
        (lambda: check.at_least("x", np.array([2])), "x is array([2]); allowed: an integer of 0 or more."),
        (
            lambda: jax.jit(lambda x: check.at_least("x", x))(2),
            "x is JitTracer(~int32[]); allowed: an integer of 0 or more.",
        ),
    ],
)
def test_sentences(call, sentence):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == sentence


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2), jnp.array(2)])
def test_whole_numbers_of_any_kind_become_python_s(value):
    assert type(check.at_least("x", value, minimum=2)) is int
    assert check.at_least("x", value) == 2


def test_traced_values_pass():
    jax.jit(lambda x: check.between("x", x, 0, 1))(5.0)
    jax.jit(lambda x: check.integer("x", x))(np.array([3]))
    check.integer("x", np.array([], np.int64))
    check.integer("x", np.array([2**31 - 1, -(2**31)]))
    check.between("x", 0.5, 0, 1)
    check.positive("x", 1e-9)
