"""What goes with the losses (targets, weights, penalties, centres) at the edge: finite, in float32, or a ValueError."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_extreme_losses import kind_of

from jaxtricks import losses
from tests.cases import family, subject
from tests.cases.case import EDGES as EXTREMES

B, C = 4, 5
NOISE = np.random.default_rng(0).normal(size=(B, C))
LABELS = np.array([0, 3, 4, 3], np.int32)
BINS = np.arange(C, dtype=np.float32)
FIRST = np.where(np.arange(C) == 0, 1e4, 0) + 0 * NOISE
# normal, all 0, all 1e4, all -1e4, signs apart, one far above the others
EDGES = np.stack([NOISE, 0 * NOISE, 0 * NOISE + 1e4, 0 * NOISE - 1e4, 1e4 * np.sign(NOISE), FIRST])
POSITIVES = np.arange(C) % 3 == 0

# name: (a function of x[B, C], whether it takes an empty batch)
CASES = {
    "balance_alpha": (lambda x: losses.balance_alpha(jnp.abs(x), jnp.abs(x[::-1])), True),
    "bce_targets": (lambda x: losses.bce_targets(jax.nn.sigmoid(x)), True),
    "center_pull": (lambda x: losses.center_pull(x, LABELS[: len(x)], jnp.ones((C, C))), True),
    "center_pull centers": (lambda x: losses.center_pull(jnp.ones((2, C)), LABELS[:2] % 2, x[:2]), False),
    "class_weights": (lambda x: losses.class_weights(jnp.abs(x[0])), False),
    "class_weights effective": (lambda x: losses.class_weights(jnp.abs(x[0]), scheme="effective"), False),
    "costs_from_confusion": (lambda x: losses.costs_from_confusion(jnp.abs(x[:3, :3])), False),
    "costs_from_counts": (lambda x: losses.costs_from_counts(jnp.abs(x[0])), False),
    "elastic_net": (lambda x: losses.elastic_net({"w": x}, l1=1.0, l2=1.0), True),
    "expected_value": (lambda x: losses.expected_value(jax.nn.softmax(x), bins=BINS), True),
    "gaussian_label_distribution": (
        lambda x: losses.gaussian_label_distribution(x, bins=BINS, sigma=1e-3),
        True,
    ),
    "group_sparsity": (lambda x: losses.group_sparsity({"w": x}), True),
    "hard_negative_weights": (lambda x: losses.hard_negative_weights(x, jnp.broadcast_to(POSITIVES, x.shape)), True),
    "l1_penalty": (lambda x: losses.l1_penalty({"w": x}), True),
    "l2_penalty": (lambda x: losses.l2_penalty({"w": x}), True),
    "mad_scale": (losses.mad_scale, False),
    "ohem_weights": (lambda x: losses.ohem_weights(x, keep=2), True),
    "smooth_labels_exclusive": (lambda x: losses.smooth_labels_exclusive(jax.nn.softmax(x), 0.1), True),
    "supervised_contrastive": (lambda x: losses.supervised_contrastive(x, LABELS[: len(x)]), True),
    "update_centers": (lambda x: losses.update_centers(jnp.ones((C, C)), x, LABELS[: len(x)]), True),
}


@pytest.mark.parametrize("name", CASES)
def test_edges_and_empty_batches(name):
    f, takes_nothing = CASES[name]

    def total(x):
        y = f(x)
        return jnp.sum(y), y

    one = jax.value_and_grad(total, has_aux=True)

    def run(edges):
        found = {dtype: jax.vmap(one)(edges.astype(dtype)) for dtype in ("float16", "bfloat16", "float32")}
        return found | ({"empty": one(edges[0, :0])} if takes_nothing else {})

    for kind, ((_, y), slope) in jax.jit(run, compiler_options={"xla_backend_optimization_level": 0})(EDGES).items():
        assert y.dtype == jnp.float32
        assert slope.dtype == (jnp.float32 if kind == "empty" else kind)
        for array in (y, slope):
            assert np.isfinite(array).all(), (kind, np.argwhere(~np.isfinite(np.asarray(array, np.float32)))[0])
        if kind == "empty" and y.ndim < 2:  # a penalty of nothing is 0, as the sum of no losses is
            np.testing.assert_array_equal(jnp.sum(y), 0.0)


KEPT = "update_centers"  # gives the centres back in their own dtype
PARTS = [name for name in family("losses") if kind_of(name) is None and name != KEPT]


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(name, dtype):
    """Whatever the case draws, and at its edges."""
    case = subject(f"losses.{name}")
    values = case.make(0)
    inputs = [values]
    for i, leaf in enumerate(case.leaves):
        inputs += [
            [*values[:i], EXTREMES[edge](values[i]).astype(values[i].dtype), *values[i + 1 :]] for edge in leaf.edges
        ]
    run = jax.jit(lambda values: jax.tree.leaves(case.result(values)))
    for some in inputs:
        half = [jnp.asarray(x, dtype) if x.dtype == np.float32 else x for x in some]
        for out in run(half):
            assert out.dtype != dtype
            assert np.isfinite(out).all()
