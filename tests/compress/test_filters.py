"""Filters that go: a network without them computes what it does with them at 0, or its graph is an error."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import compress, models

IMAGE = np.random.default_rng(0).normal(size=(2, 20, 20, 1)).astype(np.float32)
LENET = models.LeNetLayout(((3, 5), (4, 5), (6, 2)), (5,), 0, "max", jax.nn.relu)
BASIC = models.Layout((2, 1), (4, 6), bottleneck=False, stem=(3, 1), pool=False)
BOTTLENECK = models.Layout((2, 1), (4, 6), bottleneck=True, stem=(5, 2), pool=True)
DENSE = models.DenseLayout((2, 1), growth=4, width=4, stem=(3, 1), pool=False, bottleneck=1)
NETWORKS = {
    "perceptron": lambda: models.perceptron((6, 5), size=400, classes=3),
    "lenet": lambda: models.lenet(LENET, classes=3),
    "plain": lambda: models.plain((4, 6), classes=3, channels=1),
    "plain without norm": lambda: models.plain((4, 6), classes=3, channels=1, norm=None),
    "basic blocks": lambda: models.resnet(BASIC, classes=3, channels=1),
    "bottlenecks, b, c, d": lambda: models.resnet(BOTTLENECK, classes=3, channels=1, b=True, c=True, d=True),
    "dense blocks": lambda: models.densenet(DENSE, classes=3, channels=1),
    "dense blocks, pool": lambda: models.densenet(DENSE._replace(stem=(5, 2), pool=True), classes=3, channels=1),
}


@cache
def network(name):
    """The network and variables in which every channel matters: scales, biases and statistics are drawn."""
    model = NETWORKS[name]()
    params, stats = jax.eval_shape(model.init, jax.random.key(0))
    rng = np.random.default_rng(1)

    def drawn(path, leaf):
        low = 0.0 if path[-1].key == "kernel" else 1.0
        return rng.uniform(low - 0.4, low + 0.5, leaf.shape).astype(np.float32)

    params, stats = jax.tree.map_with_path(drawn, (params, stats))
    return model, params, stats, compress.graph_of(params, stats)


@cache
def compiled(name):
    return jax.jit(partial(network(name)[0].apply, train=False))


def logits(name, params, stats):
    return np.asarray(compiled(name)(params, stats, IMAGE)[0][0])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_smaller_network_computes_what_the_masked_one_does(name):
    """And not what the whole one does; every parameter that goes is counted."""
    _, params, stats, graph = network(name)
    scores = compress.random_filters(jax.random.key(3), params, graph)
    keep = compress.filters_to_keep(scores, share=0.4)
    masked = compress.mask_filters(params, stats, graph, keep)
    small = compress.shrink(params, stats, graph, keep)
    wanted = logits(name, *masked)
    np.testing.assert_allclose(logits(name, *small), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    assert np.abs(wanted - logits(name, params, stats)).max() > 1e-3
    assert jax.tree.map(jnp.shape, masked) == jax.tree.map(jnp.shape, (params, stats))
    count = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))  # noqa: E731
    assert count(small) < 0.75 * count((params, stats))


def test_a_graph_is_verified():
    model, params, stats, graph = network("plain without norm")
    compress.verify_graph(model.apply, params, stats, graph, IMAGE)


def test_who_feeds_whom_in_a_dense_block():
    """By hand: the stem's 4 channels and the first layer's lie side by side before the second layer."""
    *_, graph = network("dense blocks")
    new = graph.groups["stage1/0/conv2"]
    assert new.makes == (("params/stage1/0/conv2/kernel", 3, 0),)
    readers = ["stage1/1/conv1", "transitions/0/conv"]
    assert new.feeds == tuple((f"params/{reader}/kernel", 2, 4) for reader in readers)
    assert {place.path for place in new.norms if place.start == 4} == {
        f"{kind}/{norm}/bn/{leaf}"
        for kind, leaves in (("params", ("scale", "bias")), ("stats", ("mean", "var")))
        for leaf in leaves
        for norm in ("stage1/1/first", "transitions/0/norm")
    }


def test_who_feeds_whom_in_a_residual_network():
    """By hand: the stem and the first stage share their channels; the second stage's shortcut begins others."""
    *_, graph = network("basic blocks")
    assert list(graph.groups) == ["stage1/0/inner/0", "stage1/1/inner/0", "stage2/0/inner/0", "stem/0", "stage2/0"]
    kernels = [path for path, *_ in graph.groups["stem/0"].makes if path.endswith("kernel")]
    heads = ["stem/0/conv", "stage1/0/last_conv", "stage1/1/last_conv"]
    assert kernels == [f"params/{layer}/kernel" for layer in heads]
    feeds = ["stage1/0/inner/0/conv", "stage1/1/inner/0/conv", "stage2/0/inner/0/conv", "stage2/0/shortcut/conv"]
    assert [path for path, *_ in graph.groups["stem/0"].feeds] == [f"params/{layer}/kernel" for layer in feeds]
    assert graph.groups["stage2/0"].feeds == (("params/head/kernel", 0, 0),)


def test_by_hand_a_dense_unit_goes():
    params = {
        "hidden": {"0": {"kernel": jnp.float32([[1, 2, 3]]), "bias": jnp.float32([4, 5, 6])}},
        "head": {"kernel": jnp.float32([[1], [2], [3]]), "bias": jnp.float32([0])},
    }
    graph = compress.graph_of(params, {})
    small, _ = compress.shrink(params, {}, graph, {"hidden/0": np.array([True, False, True])})
    assert small["hidden"]["0"]["kernel"].tolist() == [[1, 3]]
    assert small["hidden"]["0"]["bias"].tolist() == [4, 6]
    assert small["head"]["kernel"].tolist() == [[1], [3]]


def test_a_network_is_trained_on_with_smaller_arrays():
    """As the model of a recipe: what it begins with, and what it computes, are those of the arrays."""
    build = partial(models.plain, (4, 4))
    model = build(classes=3, channels=1)
    params, stats = model.init(jax.random.key(0))
    graph = compress.graph_of(params, stats)
    small = compress.shrink(params, stats, graph, {"stages/0": np.array([True, False, True, False])})
    resized = compress.resized(build, params=small[0], stats=small[1], classes=3, channels=1)
    jax.tree.map(np.testing.assert_array_equal, resized.init(jax.random.key(1)), small)
    outs = [one.apply(*small, IMAGE, train=False)[0][0] for one in (model, resized)]
    np.testing.assert_array_equal(*outs)
    assert outs[0].shape == (len(IMAGE), 3)
    with pytest.raises(TypeError, match=r"^build is Model; allowed: a function that makes a Model"):
        compress.resized(model, params=small[0], stats=small[1])


def with_group(graph, name, **changes):
    return graph._replace(groups=graph.groups | {name: graph.groups[name]._replace(**changes)})


def test_layers_joined_wrongly_are_an_error_though_their_sizes_agree():
    model = models.plain((4, 4, 4), classes=3, channels=1, norm=None)
    params, stats = model.init(jax.random.key(0))
    graph = compress.graph_of(params, stats)
    a, b = graph.groups["stages/0"], graph.groups["stages/1"]
    wrong = graph._replace(
        groups=graph.groups | {"stages/0": a._replace(feeds=b.feeds), "stages/1": b._replace(feeds=a.feeds)}
    )
    compress.check_graph(wrong, params, stats)  # sizes say nothing
    with pytest.raises(compress.GraphError, match="joins the wrong layers"):
        compress.verify_graph(model.apply, params, stats, wrong, IMAGE)


def test_an_activation_that_does_not_map_0_to_0_is_found():
    model = models.perceptron((6,), size=400, classes=3, activation=jax.nn.sigmoid)
    params, stats = model.init(jax.random.key(0))
    with pytest.raises(compress.GraphError, match="does not map 0 to 0"):
        compress.verify_graph(model.apply, params, stats, compress.graph_of(params, stats), IMAGE)


def test_an_unknown_join_is_an_error():
    """A part that is no part of the networks here; a layer normalisation, which mixes channels."""
    _, params, stats, _ = network("basic blocks")
    mobile = jax.eval_shape(models.NETWORKS["mobilenet_v1_mini"](classes=3).init, jax.random.key(0))
    with pytest.raises(compress.GraphError):
        compress.graph_of(*mobile)
    more = params | {"gate": {"kernel": jnp.ones((4, 4))}}
    with pytest.raises(compress.GraphError, match="params/gate/kernel"):
        compress.graph_of(more, stats)
    less = {name: part for name, part in params.items() if name != "head"}
    with pytest.raises(compress.GraphError, match="no leaf params/head/kernel"):
        compress.graph_of(less, stats)
    from flax import nnx

    norm = partial(models.stateless_norm, module=nnx.LayerNorm)
    params, stats = models.plain((4, 6), classes=3, norm=norm).init(jax.random.key(0))
    with pytest.raises(compress.GraphError, match="norm/inner"):
        compress.graph_of(params, stats)


def test_a_graph_that_does_not_fit_is_an_error():
    _, params, stats, graph = network("plain")
    stage = graph.groups["stages/0"]
    cases = {
        "in group stages/0 and in": with_group(graph, "stages/0", feeds=(*stage.feeds, stage.feeds[0])),
        "is in no group": with_group(graph, "stages/0", makes=stage.makes[:-1]),
        "makes or feeds nothing": with_group(graph, "stages/0", feeds=()),
        "names axis 9": with_group(graph, "stages/0", feeds=((stage.feeds[0][0], 9),)),
        "names axis 0 of params/no": with_group(graph, "stages/0", makes=(("params/no", 0),)),
        "has 6 channels": with_group(graph, "stages/0", makes=(*stage.makes, ("params/stages/1/norm/bias", 0))),
    }
    for words, wrong in cases.items():
        with pytest.raises(compress.GraphError, match=words):
            compress.check_graph(wrong, params, stats)


def test_which_filters_stay():
    scores = {"a": np.array([3.0, 1, 2, 4]), "b": np.array([10.0, 20])}
    keep = compress.filters_to_keep(scores, share=0.5)
    assert [keep["a"].tolist(), keep["b"].tolist()] == [[True, False, False, True], [False, True]]
    keep = compress.filters_to_keep(scores, share=0.5, scope="global")
    assert [keep["a"].tolist(), keep["b"].tolist()] == [[False, False, False, True], [True, True]]
    keep = compress.filters_to_keep(scores | {"c": np.arange(5.0)}, share=0.5, multiple=3)
    assert [keep[name].tolist() for name in "ab"] == [[True, False, True, True], [True, True]]
    assert keep["c"].tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compress.filters_to_keep({"a": np.arange(4.0)}, share=1.0), "share is 1.0"),
        (lambda: compress.filters_to_keep({"a": np.arange(4.0)}, share=0.5, multiple=0), "multiple is 0"),
        (lambda: compress.filters_to_keep({"a": np.arange(1.0)}, share=0.9), "scores of a|leaves a without a filter"),
        (lambda: compress.filters_to_keep({"a": np.ones(2), "b": np.zeros(1)}, share=0.4, scope="global"), "leaves b"),
        (lambda: compress.filters_to_keep({"a": np.array([np.nan, 1])}, share=0.5), "NaN"),
        (lambda: compress.filters_to_keep({}, share=0.5, scope="global"), "scores is empty"),
        (lambda: compress.shrink(*network("plain")[1:], {"stages/0": np.zeros(4, bool)}), "without a filter"),
        (lambda: compress.shrink(*network("plain")[1:], {"stages/0": np.ones(3, bool)}), "has shape"),
        (lambda: compress.shrink(*network("plain")[1:], {"stages/9": np.ones(4, bool)}), "allowed: 'stages/0'"),
        (lambda: compress.shrink(*network("plain")[1:], {"stages/0": np.ones(4)}), "bool"),
        (lambda: compress.norm_scales(network("lenet")[1], network("lenet")[3]), "without normalisation"),
        (lambda: compress.filter_norms(network("lenet")[1], network("lenet")[3], order=3), "order is 3"),
        (lambda: compress.saliency({"w": jnp.ones(2)}, {}), "gradient is"),
        (lambda: compress.hessian_diagonal(jax.random.key(0), jnp.sum, jnp.ones(2), samples=0), "samples is 0"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_norms_and_scales_by_numpy():
    _, params, _, graph = network("basic blocks")
    kernels = [params["stem"]["0"]["conv"], *(params["stage1"][n]["last_conv"] for n in "01")]
    stream = np.concatenate([np.asarray(layer["kernel"]).reshape(-1, 4) for layer in kernels])
    for order in (1, 2):
        scores = compress.filter_norms(params, graph, order=order)
        np.testing.assert_allclose(scores["stem/0"], np.linalg.norm(stream, order, axis=0), rtol=1e-5)
    norms = [params["stem"]["0"]["bn"], *(params["stage1"][n]["last_bn"] for n in "01")]
    wanted = sum(np.abs(np.asarray(norm["scale"])) for norm in norms)
    np.testing.assert_allclose(compress.norm_scales(params, graph)["stem/0"], wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["lenet", pytest.param("plain", marks=pytest.mark.slow), "dense blocks"])
def test_taylor_scores_are_finite_differences_by_a_gate(name):
    """The mean magnitude of what each image's loss changes by; and behind ReLU the gradient times the activation."""
    model, params, stats, graph = network(name)
    labels = np.array([0, 2])

    def loss(params, batch):
        out = model.apply(params, stats, batch["image"], train=False)[0][0]
        return -jnp.take_along_axis(jax.nn.log_softmax(out), batch["label"][:, None], 1)[:, 0]

    batch = {"image": IMAGE, "label": labels}
    scores = jax.jit(lambda batch: compress.taylor_filters(loss, params, graph, batch))(batch)
    at_gates = jax.jit(lambda gates: loss(compress.gated(params, graph, gates), batch))
    ones = {group: np.ones(score.shape, np.float32) for group, score in scores.items()}
    for group in graph.groups:
        step = 1e-2 * (np.arange(ones[group].size) == 1).astype(np.float32)
        moved = [at_gates(ones | {group: ones[group] + d}) for d in (step, -step)]
        wanted = np.abs((moved[0] - moved[1]) / 2e-2).mean()
        np.testing.assert_allclose(scores[group][1], wanted, rtol=2e-2, atol=2e-4)


def test_a_normalisation_without_a_scale_has_nothing_that_a_gate_could_multiply():
    model = models.plain((4, 6), classes=3, norm=partial(models.batch_norm, use_scale=False))
    graph = compress.graph_of(*(variables := model.init(jax.random.key(0))))
    for call in (
        lambda params: compress.gated(params, graph, {"stages/1": jnp.ones(6)}),
        lambda params: compress.norm_scales(params, graph),
    ):
        with pytest.raises(ValueError, match=r"a normalisation, stages/[01]/norm, without a scale; allowed: those"):
            call(variables[0])


def test_a_densely_connected_network_has_a_graph_without_scales_too():
    norm = partial(models.batch_norm, use_scale=False)
    model = models.densenet(models.DenseLayout(blocks=(2, 2), growth=4), classes=3, norm=norm)
    assert compress.graph_of(*model.init(jax.random.key(0))).groups


def test_saliencies_of_first_and_second_order_of_a_quadratic():
    """L = (3 x^2 + y^2) / 2: at (2, 4), x is worth 6 and y is worth 8, exactly, by the second order at the minimum."""
    params = {"x": jnp.float32(2), "y": jnp.float32(4)}
    h = {"x": 3.0, "y": 1.0}
    loss = lambda p: 0.5 * (3 * p["x"] ** 2 + p["y"] ** 2)  # noqa: E731
    diagonal = compress.hessian_diagonal(jax.random.key(0), loss, params, samples=1)
    assert jax.tree.map(float, diagonal) == h
    first = compress.saliency(params, jax.grad(loss)(params))
    assert jax.tree.map(float, first) == {"x": 12.0, "y": 16.0}
    second = compress.saliency(params, params, hessian=diagonal)
    assert jax.tree.map(float, second) == {"x": 6.0, "y": 8.0}


def test_the_fisher_diagonal_is_the_mean_of_squared_gradients():
    """By hand: gradients 2 (w - x) are -2 and -6 at w = 0."""
    loss = lambda params, batch: ((params["w"][None] - batch["x"]) ** 2).sum(-1)  # noqa: E731
    found = compress.fisher_diagonal(loss, {"w": jnp.zeros(1)}, {"x": jnp.array([[1.0], [3.0]])})
    assert found["w"].tolist() == [(4 + 36) / 2]


def test_the_diagonal_of_a_full_hessian_in_the_mean():
    matrix = np.float32([[3, 1, 0], [1, 2, -1], [0, -1, 4]])
    loss = lambda x: 0.5 * x @ matrix @ x  # noqa: E731
    found = compress.hessian_diagonal(jax.random.key(1), loss, jnp.ones(3), samples=2000)
    np.testing.assert_allclose(found, np.diag(matrix), atol=0.15)
