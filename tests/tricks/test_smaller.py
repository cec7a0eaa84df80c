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
from jaxtricks.tricks import bag, coding, compression, factoring, sparsity, students, thinning

DATA = data.fake(train=64, test=16)
KEY = jax.random.key(0)
KERNELS = {"hidden/0/kernel": 0.8, "head/kernel": 0.5}


@cache
def network(name="perceptron"):
    build = {
        "perceptron": partial(models.perceptron, (12,), size=DATA.shape[0] * DATA.shape[1]),
        "plain": partial(models.plain, (4, 6)),
        "xnor": partial(models.xnor, (4, 6)),
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
def test_every_criterion_has_a_score_for_every_filter(name):
    """Taylor's and APoZ's are of the batch; the order of L2 norms is that of the scores."""
    plain = network("plain")
    graph = compress.graph_of(plain.params, plain.stats)
    scores = CRITERIA[name](plain, graph, batch=batch(), key=KEY)
    assert {group: score.shape for group, score in scores.items()} == {"stages/0": (4,), "stages/1": (6,)}
    assert name == "scales" or len(np.unique(np.round(scores["stages/1"], 6))) > 1


def test_a_smaller_network_is_trained_on_by_fit():
    smaller = thinning.thinned(network("plain"), criterion=thinning.norms, share=0.5, batch=batch(), key=KEY)
    shapes = [smaller.params["stages"][n]["conv"]["kernel"].shape for n in "01"]
    assert shapes == [(3, 3, DATA.shape[2], 2), (3, 3, 2, 3)]
    assert smaller.params["head"]["kernel"].shape[0] == 3
    assert smaller.stats["stages"]["0"]["norm"]["mean"].shape == (2,)
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


def test_a_factor_of_every_kernel_under_one_budget(tmp_path):
    smaller = factoring.ranked(network("plain"), budget=0.6, patterns=("kernel$",), batch=batch(), key=KEY)
    full, few = (sum(leaf.size for leaf in jax.tree.leaves(n.params)) for n in (network("plain"), smaller))
    others = sum(leaf.size for leaf in jax.tree.leaves(network("plain").params) if leaf.ndim < 2)
    assert few - others <= 0.6 * (full - others)
    compress.save(tmp_path / "n", smaller.pack(smaller.params))
    params = smaller.unpack(compress.load(tmp_path / "n"))
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, network("plain").params)
    kernel, rank = params["head"]["kernel"], smaller.params["head"]["kernel"]["first"].shape[-1]
    assert np.linalg.matrix_rank(kernel, tol=1e-5) == rank
    error = np.linalg.norm(kernel - network("plain").params["head"]["kernel"])
    left_out = np.linalg.svd(network("plain").params["head"]["kernel"], compute_uv=False)[rank:]
    np.testing.assert_allclose(error, np.linalg.norm(left_out), atol=1e-5)


def test_a_byte_a_weight(tmp_path):
    smaller = coding.of_bytes(network(), patterns=("kernel$",), batch=batch(), key=KEY)
    params = from_file(smaller, tmp_path / "n")
    kernel, scale = network().params["hidden"]["0"]["kernel"], np.abs(network().params["hidden"]["0"]["kernel"]).max(0)
    assert (np.abs(params["hidden"]["0"]["kernel"] - kernel) <= 0.501 * scale / 127).all()
    wanted = logits(smaller.recipe, smaller.params, smaller.stats)
    np.testing.assert_allclose(logits(smaller.plain, params, smaller.stats), wanted, rtol=1e-5, atol=1e-6)
    assert (tmp_path / "n").stat().st_size < 0.4 * 4 * sum(leaf.size for leaf in jax.tree.leaves(network().params))


def test_an_xnor_network_of_bits(tmp_path):
    smaller = coding.packed(network("xnor"), batch=batch(), key=KEY)
    params = from_file(smaller, tmp_path / "n")
    assert params["stages"]["0"]["conv"]["words"].dtype == np.uint32
    wanted = logits(smaller.recipe, smaller.params, smaller.stats)
    np.testing.assert_allclose(logits(smaller.plain, params, smaller.stats), wanted, rtol=1e-5, atol=1e-6)


def test_drawn_signs_are_new_in_each_step_and_none_at_evaluation():
    build = partial(coding.drawn_signs, network().plain.model, {"patterns": ("hidden/0/kernel",)})
    model = build(classes=DATA.classes, channels=DATA.shape[-1])
    params, stats, images = network().params, network().stats, batch()["image"]
    run = jax.jit(partial(model.apply, train=True))
    first, again, other = (run(params, stats, images, key=jax.random.key(n))[0][0] for n in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    kernel = params["hidden"]["0"]["kernel"]
    limit = np.sqrt(1.5 / sum(kernel.shape))  # beyond it a sign is that of its weight
    drawn = np.stack([coding._drawn(jax.random.key(n), "a", kernel, None) for n in range(8)])
    sure = np.abs(kernel) > limit
    assert sure.mean() > 0.2
    assert (drawn == np.sign(kernel)).all(0)[sure].all()
    assert not (drawn == np.sign(kernel)).all(0)[~sure].all()
    hidden = params["hidden"]["0"] | {"kernel": compress.sign(kernel)}
    wanted = logits(network().plain, params | {"hidden": {"0": hidden}}, stats)
    np.testing.assert_allclose(model.apply(params, stats, images, train=False)[0][0], wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="key is None"):
        model.apply(params, stats, images, train=True)


IMPORTANCE = {"first": compression.first_order, "second": partial(compression.second_order, samples=200)}


@pytest.mark.parametrize("name", IMPORTANCE)
def test_weights_go_by_what_the_loss_says(name):
    """Of a network without hidden units the Hessian is known: the mean of p (1 - p) x^2 in each class."""
    build = partial(models.perceptron, (), size=DATA.shape[0] * DATA.shape[1])
    plain = replace(network().plain, model=build)
    params = build(classes=DATA.classes, channels=DATA.shape[-1]).init(KEY)[0]
    linear = compression.begin(plain, (params, {}))
    found = IMPORTANCE[name](linear, batch=batch(), key=KEY)["head"]["kernel"]
    x, w = np.asarray(batch()["image"]).reshape(8, -1), np.asarray(linear.params["head"]["kernel"])
    p = np.asarray(jax.nn.softmax(jnp.asarray(x @ w)))
    if name == "first":
        wanted = np.abs(x.T @ (p - np.asarray(batch()["target"])) / 8 * w)
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)
    else:
        wanted = 0.5 * np.einsum("bc,bd->cd", x**2, p * (1 - p)) / 8 * w**2
        assert np.corrcoef(np.ravel(found), np.ravel(wanted))[0, 1] > 0.9
    smaller = compression.pruned(linear, shares={"kernel": 0.5}, importance=IMPORTANCE[name], batch=batch(), key=KEY)
    kept = smaller.params["head"]["kernel"] != 0
    assert np.asarray(found)[kept].min() >= np.asarray(found)[~kept].max()


@pytest.mark.parametrize("penalty", [thinning.group_lasso, thinning.scale_sizes])
def test_a_penalty_is_added_to_the_loss_until_the_filters_go(penalty):
    plain = network("plain")
    smaller = thinning.sparsely(plain, penalty=penalty, weight=2.0, batch=batch(), key=KEY)
    out = jnp.zeros((8, DATA.classes)), {}
    more = smaller.recipe.loss(plain.params, out, batch()) - plain.recipe.loss(plain.params, out, batch())
    stages = plain.params["stages"].values()
    wanted = {
        thinning.group_lasso: sum(
            np.linalg.norm(s["conv"]["kernel"].reshape(-1, s["conv"]["kernel"].shape[-1]), axis=0).sum() for s in stages
        ),
        thinning.scale_sizes: sum(np.abs(s["norm"]["scale"]).sum() for s in stages),
    }
    np.testing.assert_allclose(more, np.full(8, 2 * wanted[penalty]), rtol=1e-5)
    assert smaller.plain is plain.plain  # what is made of it trains without the penalty


TEACH = {
    "softened": students.softened,
    "logits": students.logits,
    "features": partial(students.features, taps=("stage2",)),
    "attention": partial(students.attention, taps=("stage1", "stage2")),
}


@pytest.mark.parametrize("name", TEACH)
def test_a_student_that_agrees_with_its_teacher_has_no_loss_besides_that_of_its_labels(name):
    teacher, teach = network("plain"), TEACH[name]
    narrow = partial(models.plain, (2, 6))
    smaller = students.student(teacher, model=narrow, teach=teach, batch=batch(), key=KEY)
    assert smaller.params["stages"]["0"]["conv"]["kernel"].shape[-1] == 2
    same = students.student(teacher, teach=teach, batch=batch(), key=KEY)
    out = compression.model_of(teacher, batch()).apply(teacher.params, teacher.stats, batch()["image"], train=False)[0]
    both = [recipe.loss(teacher.params, out, batch()) for recipe in (same.recipe, teacher.recipe)]
    np.testing.assert_allclose(*both, atol=1e-5)
    theirs = compression.model_of(smaller, batch()).apply(smaller.params, smaller.stats, batch()["image"], train=False)
    far = smaller.recipe.loss(smaller.params, theirs[0], batch()) - teacher.recipe.loss(None, theirs[0], batch())
    assert far.shape == (8,)
    assert (far > 1e-4).all()


def test_a_pruned_network_is_taught_by_what_it_was():
    same = students.student(network(), teach=students.softened, batch=batch(), key=KEY)
    smaller = compression.pruned(same, shares=KERNELS, batch=batch(), key=KEY)
    after = trained_on(smaller)
    assert (after.params["hidden"]["0"]["kernel"] == 0).sum() >= (smaller.params["hidden"]["0"]["kernel"] == 0).sum()
    assert smaller.recipe.loss is same.plain.loss


RECODED = {
    "circulant": (factoring.wrapped, factoring.shifted),
    "low rank": (partial(factoring.low_rank, share=0.5), factoring.multiplied),
    "hashed": (partial(factoring.hashed, share=0.25), factoring.spread),
}


@pytest.mark.parametrize("name", RECODED)
def test_kernels_of_fewer_numbers_come_out_of_the_file_and_are_trained(name, tmp_path):
    encode, decode = RECODED[name]
    options = {"encode": encode, "decode": decode, "patterns": ("hidden/0/kernel",)}
    smaller = factoring.recoded(network(), **options, batch=batch(), key=KEY)
    kernel = network().params["hidden"]["0"]["kernel"]
    numbers = sum(leaf.size for leaf in jax.tree.leaves(smaller.params["hidden"]["0"]["kernel"]))
    assert (0.2 * kernel.size < numbers <= 0.5 * kernel.size) or numbers == max(kernel.shape)
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


STEPS = {
    "pruned": partial(compression.pruned, shares={"head/kernel": 0.5}),
    "n of m": partial(sparsity.n_of_m, n=1, m=4, patterns=("head/kernel",)),
    "gradually": partial(compression.gradually, share=0.3, begin=0.1, steps=1, every=1),
    "quantized": partial(coding.quantized, bits={"head/kernel": 2}),
    "bytes": partial(coding.of_bytes, patterns=("kernel$",)),
    "thinned": partial(thinning.thinned, criterion=thinning.norms, share=0.5),
    "student": students.student,
    "vectors": partial(coding.vectors, length=4, clusters=3, patterns=("head/kernel",)),
    "signed": partial(coding.signed, change=compress.binary_weights, patterns=("head/kernel",)),
    "ranked": partial(factoring.ranked, budget=0.6, patterns=("kernel$",)),
    "recoded": partial(factoring.recoded, encode=factoring.diagonals, decode=factoring.aligned, patterns=("head",)),
}


def moved(smaller):
    """The parameters after a step of the optimiser with gradients of 1."""
    params = jax.tree.map(jnp.asarray, smaller.params)
    tx = smaller.recipe.optimizer(optax.constant_schedule(0.1))
    return optax.apply_updates(params, tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)[0])


@pytest.mark.parametrize("name", ["pruned", "n of m", "gradually", "quantized", "bytes", "thinned", "student"])
def test_what_was_pruned_stays_at_0_through_another_step(name):
    before = compression.pruned(network(), shares={"hidden/0/kernel": 0.8}, batch=batch(), key=KEY)
    smaller = STEPS[name](before, batch=batch(), key=KEY)
    zeros = smaller.params["hidden"]["0"]["kernel"] == 0
    assert zeros.mean() > 0.6
    np.testing.assert_array_equal(moved(smaller)["hidden"]["0"]["kernel"] == 0, zeros)


@pytest.mark.parametrize("name", ["vectors", "signed", "ranked", "recoded"])
def test_a_step_that_would_give_pruned_weights_values_again_is_an_error(name):
    before = compression.pruned(network(), shares={"hidden/0/kernel": 0.8}, batch=batch(), key=KEY)
    with pytest.raises(ValueError, match="pruned weights; allowed: none"):
        STEPS[name](before, batch=batch(), key=KEY)


@pytest.mark.parametrize("first", ["quantized", "bytes", "vectors", "signed", "ranked"])
def test_a_step_that_would_drop_the_codes_of_an_earlier_one_is_an_error(first):
    before = STEPS[first](network(), batch=batch(), key=KEY)
    for name in STEPS.keys() - {"student"}:
        with pytest.raises(ValueError, match="would drop the codes"):
            STEPS[name](before, batch=batch(), key=KEY)
    with pytest.raises(ValueError, match="would drop the codes"):
        students.student(before, teach=students.softened, batch=batch(), key=KEY)


def test_options_of_steps_are_checked():
    plain, both = network("plain"), {"batch": batch(), "key": KEY}
    for taps, words in (
        ({"stages/0": "stage1"}, "a group of the network is 'stages/1'; allowed: 'stages/0'"),
        ({"stages/0": "stage9", "stages/1": "stage2"}, "the tap of stages/0 is 'stage9'; allowed: "),
    ):
        with pytest.raises(ValueError, match=words):
            thinning.thinned(plain, criterion=partial(thinning.apoz, taps=taps), share=0.5, **both)
    with pytest.raises(ValueError, match="weight is -1; allowed"):
        thinning.sparsely(plain, penalty=thinning.group_lasso, weight=-1, **both)
    with pytest.raises(ValueError, match="samples is 0; allowed"):
        compression.second_order(plain, samples=0, **both)
    kernel = plain.params["stages"]["1"]["conv"]["kernel"]
    with pytest.raises(ValueError, match=r"kernel has shape .*; allowed: rank 2"):
        factoring.low_rank(kernel, share=0.1)
    for encode in (factoring.hashed, factoring.tucker):
        with pytest.raises(ValueError, match=r"share is -0.5; allowed"):
            encode(kernel, share=-0.5)
    with pytest.raises(ValueError, match=r"share is 1.5; allowed"):
        factoring.low_rank(plain.params["head"]["kernel"], share=1.5)
