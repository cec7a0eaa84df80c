import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import optim

SHAPES = {
    "stem": {"conv": {"kernel": (3, 3, 1, 4), "bias": (4,)}, "bn": {"scale": (4,), "bias": (4,)}},
    "stage1": {"0": {"kernel": (3, 3, 4, 4), "gain": (4,)}, "1": {"kernel": (3, 3, 4, 4)}},
    "attention": {"query": {"kernel": (4, 2, 2), "bias": (2, 2)}, "norm": {"scale": (1, 1, 4)}},
    "head": {"kernel": (4, 3), "bias": (3,)},
}
LAYERS = ("^stem", "^stage1/0", "^stage1/1", "attention", "head")


def tree(shapes=SHAPES, seed=0):
    draws = np.random.default_rng(seed)
    return jax.tree.map(
        lambda shape: jnp.asarray(draws.normal(size=shape), jnp.float32),
        shapes,
        is_leaf=lambda node: isinstance(node, tuple),
    )


def flat(tree):
    """Leaves by path, with a walk of its own."""
    if not isinstance(tree, dict):
        return {"": tree}
    return {f"{key}/{rest}".rstrip("/"): leaf for key, sub in tree.items() for rest, leaf in flat(sub).items()}


def gradients(params, step):
    return jax.tree.map(lambda p: jnp.sin(p * 3 + step) + 0.1, params)


def train(tx, params, *, steps, start=0):
    """The parameters after some steps, with gradients that never vanish."""
    state = tx.init(params)

    @jax.jit
    def one(params, state, step):
        updates, state = tx.update(gradients(params, step), state, params)
        return optax.apply_updates(params, updates), state

    for step in range(start, start + steps):
        params, state = one(params, state, step)
    return params, state


def bits(tree):
    return {path: np.asarray(leaf).tobytes() for path, leaf in flat(tree).items()}


def test_decay_mask_takes_kernels_only():
    mask = flat(optim.decay_mask(tree()))
    decayed = {path for path, decays in mask.items() if decays}
    assert decayed == {
        "stem/conv/kernel",
        "stage1/0/kernel",
        "stage1/1/kernel",
        "attention/query/kernel",
        "head/kernel",
    }
    assert all(type(decays) is bool for decays in mask.values())


def test_decay_mask_excludes_by_pattern():
    mask = flat(optim.decay_mask(tree(), exclude=("^stage1/[0-9]/", "^head")))
    assert {path for path, decays in mask.items() if decays} == {"stem/conv/kernel", "attention/query/kernel"}


def test_masks_need_shapes_only():
    shapes = jax.eval_shape(tree)
    assert optim.decay_mask(shapes) == optim.decay_mask(tree())
    assert optim.path_mask(shapes, "head") == optim.path_mask(tree(), "head")


def test_decay_mask_in_optax():
    params = tree()
    tx = optax.chain(optax.add_decayed_weights(0.5, mask=optim.decay_mask), optax.sgd(1.0))
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    mask, params = flat(optim.decay_mask(params)), flat(params)
    for path, update in flat(updates).items():
        np.testing.assert_allclose(update, -0.5 * params[path] if mask[path] else 0 * params[path])


def test_path_mask_is_the_union_of_its_patterns():
    one, other = flat(optim.path_mask(tree(), "^stem")), flat(optim.path_mask(tree(), "bias$"))
    both = flat(optim.path_mask(tree(), "^stem", "bias$"))
    assert both == {path: one[path] or other[path] for path in one}
    assert sum(one.values()) == 4
    assert sum(other.values()) == 4


def test_layer_rates_by_hand():
    rates = flat(optim.layer_rates(tree(), LAYERS, decay=0.5))
    assert rates["stem/bn/scale"] == rates["stem/conv/kernel"] == 1 / 16
    assert rates["stage1/0/kernel"] == 1 / 8
    assert rates["stage1/1/kernel"] == 1 / 4
    assert rates["attention/norm/scale"] == 1 / 2
    assert rates["head/bias"] == 1.0


def test_the_first_pattern_wins():
    rates = flat(optim.layer_rates(tree(), ("bias$", ""), decay=0.5))
    assert {path for path, rate in rates.items() if rate == 0.5} == {path for path in rates if path.endswith("bias")}


def test_leaf_table():
    params = {"a": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}}
    columns = {"decays": optim.decay_mask(params), "rate": {"a": {"kernel": 0.25, "bias": 1.0}}}
    assert optim.leaf_table(params, **columns, group={"a": {"kernel": "x", "bias": "y"}}).splitlines() == [
        "path        shape   decays  rate  group",
        "a/bias      (3,)    -       1     y",
        "a/kernel    (2, 3)  yes     0.25  x",
        "parameters  9       6",
    ]


def test_leaf_table_of_masks_and_rates():
    params = {"conv": {"kernel": jnp.ones((3, 3, 1, 2)), "bias": jnp.ones(2)}, "head": {"kernel": jnp.ones((2, 5))}}
    table = optim.leaf_table(
        params,
        decays=optim.decay_mask(params),
        frozen=optim.path_mask(params, "^conv"),
        rate=optim.layer_rates(params, ("^conv", "^head"), decay=0.5),
    )
    assert table.splitlines() == [
        "path         shape         decays  frozen  rate",
        "conv/bias    (2,)          -       yes     0.5",
        "conv/kernel  (3, 3, 1, 2)  yes     yes     0.5",
        "head/kernel  (2, 5)        yes     -       1",
        "parameters   30            28      20",
    ]


OPTIMIZERS = {
    "sgd": optax.sgd(0.1),
    "momentum and coupled decay": optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.05, momentum=0.9)),
    "adamw": optax.adamw(1e-2, weight_decay=0.1),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_frozen_leaf_keeps_its_bits(name):
    params = tree()
    params["stem"]["conv"]["kernel"] = params["stem"]["conv"]["kernel"].at[0, 0].set(-0.0)  # the bits of -0.0 as well
    trained, _ = train(optim.freeze(OPTIMIZERS[name], "^stem", "norm"), params, steps=100)
    before, after, frozen = bits(params), bits(trained), flat(optim.path_mask(params, "^stem", "norm"))
    assert all((before[path] == after[path]) == frozen[path] for path in before)


def frozen_stem(tx):
    return optim.freeze(tx, "^stem")


FEW = {"stem": {"kernel": (2, 3), "bias": (3,)}, "head": {"kernel": (3, 2)}}
DECAY = optax.add_decayed_weights(0.1)
MOMENTUM = optax.sgd(0.05, momentum=0.9, nesterov=True)
ORDERS = {
    "decay inside": frozen_stem(optax.chain(DECAY, MOMENTUM)),
    "decay before": optax.chain(DECAY, frozen_stem(MOMENTUM)),
    "decay after the momentum, inside": frozen_stem(optax.chain(optax.trace(0.9), DECAY, optax.scale(-0.05))),
    "decoupled": frozen_stem(optax.adamw(1e-2, weight_decay=0.1)),
    "decoupled, after clipping": optax.chain(
        optax.clip_by_global_norm(1.0), frozen_stem(optax.adamw(1e-2, weight_decay=0.1))
    ),
    "rates by layer outside": optim.layerwise_decay(frozen_stem(optax.adamw(1e-2)), ("stem", "head"), decay=0.5),
    "rates by layer inside": frozen_stem(optim.layerwise_decay(optax.adamw(1e-2), ("head",), decay=0.5)),
    "lookahead outside": optim.lookahead(frozen_stem(optax.adamw(1e-2)), sync_period=5, slow_step_size=0.5),
    "max norm inside": frozen_stem(optax.chain(MOMENTUM, optim.max_norm(0.5))),
    "two optimisers": optim.switch(50, frozen_stem(optax.adamw(1e-2)), frozen_stem(optax.chain(DECAY, MOMENTUM))),
    "two parts": optim.by_path({"^stem": frozen_stem(MOMENTUM), "": optax.adamw(1e-2)}),
    "held until a later step": optim.unfreeze_at(optax.chain(DECAY, MOMENTUM), {"^stem": 100}),
}


@pytest.mark.parametrize("name", ORDERS)
def test_a_frozen_leaf_keeps_its_bits_in_every_order(name):
    params, tx = tree(FEW), ORDERS[name]
    params["stem"]["kernel"] = params["stem"]["kernel"].at[0].set(-0.0)

    @jax.jit
    def train(carry, steps):
        def one(step, carry):
            params, state = carry
            updates, state = tx.update(gradients(params, step), state, params)
            return optax.apply_updates(params, updates), state

        return jax.lax.fori_loop(0, steps, one, carry)

    trained, _ = train((params, tx.init(params)), 100)
    before, after = bits(params), bits(trained)
    assert all((before[path] == after[path]) == path.startswith("stem") for path in before)


def test_what_comes_after_freeze_is_not_frozen():
    params = tree(FEW)  # the docstring says so: put nothing after it
    trained, _ = train(optax.chain(frozen_stem(MOMENTUM), optax.add_decayed_weights(-0.1)), params, steps=1)
    assert bits(params["stem"]) != bits(trained["stem"])


@pytest.mark.parametrize("hold", [lambda tx: optim.freeze(tx, "w"), lambda tx: optim.unfreeze_at(tx, {"w": 1})])
def test_a_held_zero_keeps_its_sign(hold):
    params = {"w": jnp.array([-0.0, 0.0]), "b": jnp.ones(1)}
    tx = hold(optax.adamw(0.1, weight_decay=0.1))
    updates, _ = tx.update(params, tx.init(params), params)
    assert bits(optax.apply_updates(params, updates)["w"]) == bits(params["w"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_other_leaves_train_as_if_the_frozen_were_not_there(name):
    params = tree()
    rest = {key: params[key] for key in ("stage1", "attention", "head")}
    trained, _ = train(optim.freeze(OPTIMIZERS[name], "^stem"), params, steps=20)
    alone, _ = train(OPTIMIZERS[name], rest, steps=20)
    for key in rest:
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), trained[key], alone[key])


@pytest.mark.parametrize("as_function", [True, False])
def test_freeze_around_a_decay_mask(as_function):
    params = tree()
    mask = optim.decay_mask if as_function else optim.decay_mask(params)
    tx = optax.chain(optax.add_decayed_weights(0.1, mask=mask), optax.sgd(0.05))
    trained, _ = train(optim.freeze(tx, "^stem"), params, steps=5)
    whole, _ = train(tx, params, steps=5)
    assert bits(trained["stem"]) == bits(params["stem"])
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), trained["head"], whole["head"])


def test_a_frozen_leaf_has_no_state():
    params = tree()
    state = optim.freeze(optax.adam(1e-3), "kernel").init(params)
    biases = [leaf.size for path, leaf in flat(params).items() if "kernel" not in path]
    assert sum(leaf.size for leaf in jax.tree.leaves(state)) == 2 * sum(biases) + 1  # two moments, one counter


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_unfreeze_at_holds_the_bits_until_the_step(name):
    params = tree()
    tx = optim.unfreeze_at(OPTIMIZERS[name], {"^stem": 4, "^stage1": 2})
    for steps, held in [(1, {"stem", "stage1"}), (2, {"stem", "stage1"}), (3, {"stem"}), (4, {"stem"}), (5, set())]:
        trained, _ = train(tx, params, steps=steps)
        assert {key for key in params if bits(params[key]) == bits(trained[key])} == held


def test_unfreeze_at_keeps_the_clock_and_the_moments():
    params = {"stem": jnp.array([1.0, -0.0]), "head": jnp.array([2.0, 3.0])}
    schedule = optax.linear_schedule(1.0, 0.0, 10)
    tx = optim.unfreeze_at(optax.sgd(schedule, momentum=0.5), {"stem": 3})
    state = tx.init(params)
    seen = []
    for _ in range(4):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, params), state, params)
        seen.append(float(updates["stem"][0]))
    np.testing.assert_allclose(seen, [0, 0, 0, -0.7 * (1 + 0.5 + 0.25 + 0.125)], rtol=1e-6)


def test_a_pattern_at_step_zero_trains_as_if_nothing_were_held():
    params, tx = tree(), OPTIMIZERS["adamw"]
    ours, _ = train(optim.unfreeze_at(tx, {"^stem": 0, "": 5}), params, steps=5)
    plain, _ = train(tx, params, steps=5)
    assert bits(ours["stem"]) == bits(plain["stem"])
    assert bits(ours["head"]) == bits(params["head"])


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"^stem": -3}, r"steps\['\^stem'\] is -3; allowed: an integer of 0 or more"),
        ({"^stem": 2.5}, r"steps\['\^stem'\] is 2.5; allowed"),
        ({"^stem": 4, "^head": True}, r"steps\['\^head'\] is True; allowed"),
        ({"^stem": 0}, "allowed: one pattern or more with a step above 0"),
        ({}, "steps is {}; allowed"),
    ],
)
def test_steps_that_would_hold_nothing_are_refused(steps, words):
    with pytest.raises(ValueError, match=words):
        optim.unfreeze_at(optax.sgd(0.1), steps)


def test_by_path_gives_each_leaf_its_optimiser():
    params = tree()
    ours, _ = train(
        optim.by_path({"^head": optax.sgd(0.3), "bias$": optax.adam(0.1), "": optax.sgd(0.01)}), params, steps=3
    )
    whole = {rate: flat(train(optax.sgd(rate), params, steps=3)[0]) for rate in (0.3, 0.01)}
    adam = flat(train(optax.adam(0.1), params, steps=3)[0])
    for path, leaf in flat(ours).items():
        rule = whole[0.3] if path.startswith("head") else adam if path.endswith("bias") else whole[0.01]
        np.testing.assert_allclose(leaf, rule[path], rtol=1e-6)


def test_layerwise_decay_scales_updates_and_their_decay():
    params = tree()
    tx = optax.adamw(0.1, weight_decay=0.3)
    slow = optim.layerwise_decay(tx, LAYERS, decay=0.5)
    updates, _ = tx.update(gradients(params, 0), tx.init(params), params)
    slowed, _ = slow.update(gradients(params, 0), slow.init(params), params)
    rates = flat(optim.layer_rates(params, LAYERS, decay=0.5))
    for path, update in flat(updates).items():
        np.testing.assert_allclose(flat(slowed)[path], rates[path] * update, rtol=1e-6)


def test_layerwise_decay_of_one_is_the_optimiser():
    params, tx = tree(), OPTIMIZERS["adamw"]
    ours, _ = train(optim.layerwise_decay(tx, LAYERS, decay=1), params, steps=3)
    assert bits(ours) == bits(train(tx, params, steps=3)[0])


TRANSFORMS = {
    "freeze": optim.freeze(OPTIMIZERS["adamw"], "^stem"),
    "unfreeze_at": optim.unfreeze_at(OPTIMIZERS["adamw"], {"^stem": 1}),
    "by_path": optim.by_path({"^head": optax.sgd(0.1), "": optax.adam(0.1)}),
    "layerwise_decay": optim.layerwise_decay(OPTIMIZERS["adamw"], LAYERS, decay=0.5),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_eager_jit_and_vmap_agree(name):
    tx = TRANSFORMS[name]

    def two(params):
        state = tx.init(params)
        for step in range(2):
            updates, state = tx.update(gradients(params, step), state, params)
            params = optax.apply_updates(params, updates)
        return params

    params = tree()
    stacked = jax.tree.map(lambda p: jnp.stack([p, 2 * p]), params)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, two(params), jax.jit(two)(params))
    jax.tree.map(lambda one, many: close(one, many[0]), two(params), jax.vmap(two)(stacked))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("patterns", lambda p: optim.path_mask(p)),
        ("patterns", lambda p: optim.path_mask(p, "^stem", "^nowhere")),
        ("exclude", lambda p: optim.decay_mask(p, exclude=("nowhere",))),
        ("exclude", lambda p: optim.decay_mask(p, exclude="bias")),
        ("layers", lambda p: optim.layer_rates(p, ("^stem", "nowhere", ""), decay=0.5)),
        ("layers", lambda p: optim.layer_rates(p, ("^stem", "^stage1"), decay=0.5)),
        ("layers", lambda p: optim.layer_rates(p, ("^stem", "conv", ""), decay=0.5)),  # all its leaves are taken before
        ("decay", lambda p: optim.layer_rates(p, LAYERS, decay=1.5)),
        ("layers", lambda p: optim.layerwise_decay(optax.sgd(0.1), ("nowhere", ""), decay=0.5).init(p)),
        ("rate", lambda p: optim.leaf_table(p, rate=1.0)),
        ("patterns", lambda p: optim.freeze(optax.sgd(0.1)).init(p)),
        ("patterns", lambda p: optim.freeze(optax.sgd(0.1), "nowhere").init(p)),
        ("steps", lambda p: optim.unfreeze_at(optax.sgd(0.1), {"nowhere": 3}).init(p)),
        ("steps", lambda p: optim.unfreeze_at(optax.sgd(0.1), {}).init(p)),
        ("transforms", lambda p: optim.by_path({"^head": optax.sgd(0.1)}).init(p)),
        ("transforms", lambda p: optim.by_path({"": optax.sgd(0.1), "^head": optax.sgd(0.2)}).init(p)),
    ],
)
def test_bad_arguments(name, call):
    with pytest.raises(ValueError, match=rf"^{name}( is|:)"):
        call(tree())
