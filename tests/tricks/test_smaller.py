"""Steps that make a trained network smaller: what each leaves, what trains on, and what its file gives back."""

from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtricks import compress, data, models, tasks, train
from jaxtricks.train.state import create_state
from jaxtricks.tricks import bag, coding, compression, thinning

DATA = data.fake(train=64, test=16)
KEY = jax.random.key(0)
KERNELS = {"hidden/0/kernel": 0.8, "head/kernel": 0.5}


@cache
def network(name="perceptron"):
    build = {
        "perceptron": partial(models.perceptron, (12,), size=DATA.shape[0] * DATA.shape[1]),
        "plain": partial(models.plain, (4, 6)),
    }[name]
    recipe = bag.bare(task=tasks.classification(DATA.classes), augmented=None, model=build, lr=0.05, batch=16, epochs=1)
    model = train.build_model(recipe, DATA)
    return compression.begin(recipe, model.init(jax.random.key(1)))


@cache
def batch():
    rows = DATA.train.take(np.arange(8)).read(np.arange(8))
    return {"image": jnp.float32(rows["image"]) / 255, "target": jax.nn.one_hot(rows["label"], DATA.classes)}


def trained_on(smaller, *, epochs=1):

    recipe = replace(smaller.recipe, epochs=epochs, warmup=None)
    (run,) = train.fit(recipe, DATA, initial=(smaller.params, smaller.stats), test=False)
    return compression.trained(smaller, run.variables)


def logits(recipe, params, stats):
    return train.build_model(recipe, DATA).apply(params, stats, batch()["image"], train=False)[0][0]


def from_file(smaller, path):
    compress.save(path, smaller.pack(smaller.params))
    return compression.unpacked(compress.load(path))


def test_pruned_weights_stay_at_0_while_fit_trains_the_others(tmp_path):
    smaller = compression.pruned(network(), shares=KERNELS, batch=batch(), key=KEY)
    after = trained_on(smaller)
    for path, share in KERNELS.items():
        *parents, last = path.split("/")
        kernels = [network().params, smaller.params, after.params]
        for parent in (*parents, last):
            kernels = [tree[parent] for tree in kernels]
        full, before, then = kernels
        assert (before == 0).sum() == int(share * full.size + 0.5)
        np.testing.assert_array_equal(then == 0, before == 0)
        assert (then != before).any()
    jax.tree.map(np.testing.assert_array_equal, from_file(after, tmp_path / "n"), after.params)


def test_shared_values_are_trained_and_zeros_stay(tmp_path):
    pruned = compression.pruned(network(), shares=KERNELS, batch=batch(), key=KEY)
    smaller = coding.quantized(pruned, bits={"hidden/0/kernel": 3, "head/kernel": 2}, batch=batch(), key=KEY)
    assert smaller.params["hidden"]["0"]["kernel"].shape == (9,)
    after = trained_on(smaller)
    values = after.params["hidden"]["0"]["kernel"]
    assert values[0] == 0
    assert (values[1:] != smaller.params["hidden"]["0"]["kernel"][1:]).all()
    full = from_file(after, tmp_path / "n")
    assert len(np.unique(full["head"]["kernel"])) <= 5
    np.testing.assert_array_equal(full["head"]["kernel"] == 0, pruned.params["head"]["kernel"] == 0)
    np.testing.assert_array_equal(
        logits(after.plain, full, after.stats), logits(after.recipe, after.params, after.stats)
    )


@pytest.mark.parametrize("change", [compress.binary_connect, compress.binary_weights, compress.ternary])
def test_signs_are_trained_through_and_saved_as_levels(change, tmp_path):
    smaller = coding.signed(network(), change=change, patterns=("hidden/0/kernel",), batch=batch(), key=KEY)
    after = smaller
    if change is compress.binary_weights:
        after = trained_on(smaller)
        assert (after.params["hidden"]["0"]["kernel"] != smaller.params["hidden"]["0"]["kernel"]).any()
    full = from_file(after, tmp_path / "n")
    np.testing.assert_array_equal(full["hidden"]["0"]["kernel"], change(after.params["hidden"]["0"]["kernel"]))
    np.testing.assert_array_equal(full["head"]["kernel"], after.params["head"]["kernel"])


CRITERIA = {
    "L1": thinning.norms,
    "L2": partial(thinning.norms, order=2),
    "scales": thinning.scales,
    "Taylor": thinning.taylor,
    "APoZ": partial(thinning.apoz, taps={"stages/0": "stage1", "stages/1": "stage2"}),
    "random": thinning.random,
}


@pytest.mark.parametrize("name", CRITERIA)
def test_filters_go_by_every_criterion(name):
    smaller = thinning.thinned(network("plain"), criterion=CRITERIA[name], share=0.5, batch=batch(), key=KEY)
    shapes = [smaller.params["stages"][n]["conv"]["kernel"].shape for n in "01"]
    assert shapes == [(3, 3, DATA.shape[2], 2), (3, 3, 2, 3)]
    assert smaller.params["head"]["kernel"].shape[0] == 3
    assert smaller.stats["stages"]["0"]["norm"]["mean"].shape == (2,)


def test_a_smaller_network_is_trained_on_by_fit():
    smaller = thinning.thinned(network("plain"), criterion=thinning.norms, share=0.5, batch=batch(), key=KEY)
    after = trained_on(smaller)
    assert jax.tree.map(np.shape, after.params) == jax.tree.map(np.shape, smaller.params)
    assert (after.params["head"]["kernel"] != smaller.params["head"]["kernel"]).any()
    np.testing.assert_array_equal(
        logits(after.plain, after.params, after.stats), logits(after.recipe, after.params, after.stats)
    )


def test_a_layer_without_a_filter_is_an_error():
    with pytest.raises(ValueError, match="without a filter"):
        thinning.thinned(network("plain"), criterion=thinning.norms, share=0.9, batch=batch(), key=KEY)


def test_a_pattern_that_takes_nothing_is_an_error():
    with pytest.raises(ValueError, match="gamma"):
        coding.quantized(network(), bits={"gamma": 3}, batch=batch(), key=KEY)


def test_surgery_on_a_state_begins_the_optimiser_and_the_average_anew():
    recipe = network("plain").recipe
    model, tx = train.build_model(recipe, DATA), optax.sgd(0.1, momentum=0.9)

    state = create_state(replace(recipe, ema=0.9), model, tx, KEY)._replace(step=jnp.int32(7))

    def half(params, stats):
        graph = compress.graph_of(params, stats)
        keep = compress.filters_to_keep(compress.filter_norms(params, graph), share=0.5)
        return compress.shrink(params, stats, graph, keep)

    after = compression.surgery(state, half, tx=tx)
    assert int(after.step) == 7
    wanted = half(state.params, state.stats)
    jax.tree.map(np.testing.assert_array_equal, (after.params, after.stats), wanted)
    jax.tree.map(np.testing.assert_array_equal, after.ema, wanted)
    assert jax.tree.map(jnp.shape, after.opt) == jax.tree.map(jnp.shape, tx.init(wanted[0]))


RECODED = {
    "low rank": (partial(coding.low_rank, share=0.5), coding.multiplied),
    "hashed": (partial(coding.hashed, share=0.25), coding.spread),
}


@pytest.mark.parametrize("name", RECODED)
def test_kernels_of_fewer_numbers_come_out_of_the_file_and_are_trained(name, tmp_path):
    encode, decode = RECODED[name]
    options = {"encode": encode, "decode": decode, "patterns": ("hidden/0/kernel",)}
    smaller = coding.recoded(network(), **options, batch=batch(), key=KEY)
    kernel = network().params["hidden"]["0"]["kernel"]
    numbers = sum(leaf.size for leaf in jax.tree.leaves(smaller.params["hidden"]["0"]["kernel"]))
    assert 0.2 * kernel.size < numbers <= 0.5 * kernel.size
    compress.save(tmp_path / "n", smaller.pack(smaller.params))
    full = smaller.unpack(compress.load(tmp_path / "n"))
    np.testing.assert_allclose(full["hidden"]["0"]["kernel"], decode(encode(kernel), kernel.shape), atol=1e-6)
    model = train.build_model(smaller.recipe, DATA)
    assert jax.tree.structure(model.init(KEY)[0]) == jax.tree.structure(smaller.params)
    out = model.apply(smaller.params, smaller.stats, batch()["image"], train=False)[0][0]
    np.testing.assert_allclose(out, logits(smaller.plain, full, smaller.stats), rtol=1e-5, atol=1e-6)
    gradient = jax.grad(lambda p: (model.apply(p, smaller.stats, batch()["image"], train=True)[0][0] ** 2).sum())(
        smaller.params
    )
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient["hidden"]["0"]["kernel"]))


def test_vectors_share_values():
    step = partial(coding.vectors, length=4, clusters=3, patterns=("hidden/0/kernel",))
    smaller = step(network(), batch=batch(), key=KEY)
    places = network().params["hidden"]["0"]["kernel"].shape[0] // 4
    assert smaller.params["hidden"]["0"]["kernel"].shape == (places, 3, 4)
    code = smaller.pack(smaller.params)["hidden"]["0"]["kernel"]
    full = network().params | {"hidden": {"0": network().params["hidden"]["0"] | {"kernel": compress.expand(code)}}}
    out = logits(smaller.recipe, smaller.params, smaller.stats)
    np.testing.assert_allclose(out, logits(smaller.plain, full, smaller.stats), rtol=1e-5, atol=1e-6)
