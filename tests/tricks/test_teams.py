"""Teams: each member's gradient is its own, and what teaches is their mean."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_imbalance import BASE, CROSS, LABELS, LOGITS, TAILED, batch_of

from jaxtricks import ensembles, train
from jaxtricks.ablation import cli
from jaxtricks.tricks import teams

IMAGE = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6, 6, 1)), jnp.float32)
BATCH = batch_of(LABELS) | {"image": IMAGE}


def gradient(recipe, variables):
    model = train.build_model(recipe, TAILED)

    def loss(params):
        (out, taps), _ = model.apply(params, variables[1], IMAGE, train=True)
        return recipe.loss(params, (out, taps), BATCH).mean()

    return jax.jit(jax.grad(loss))(variables[0])


def test_each_member_learns_as_if_it_were_alone():
    team = teams.team(BASE, members=3)
    both = train.build_model(team, TAILED).init(jax.random.key(0))
    alone = [gradient(BASE, jax.tree.map(lambda leaf, m=m: leaf[m], both)) for m in range(3)]
    for a, b in zip(
        jax.tree.leaves(gradient(team, both)), jax.tree.leaves(ensembles.stack_members(alone)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    first = alone[0]["head"]["kernel"], alone[1]["head"]["kernel"]
    assert not np.allclose(*first)  # they start apart


def test_a_student_sees_the_mean_of_its_team():
    student = teams.distil(BASE, members=2, temperature=2.0)
    teacher = train.build_model(student.teacher, TAILED)
    variables = teacher.init(jax.random.key(1))
    said = teacher.apply(*variables, IMAGE, train=False)[0][0]
    loss = student.loss({}, (LOGITS, {}), BATCH | {"teacher": said})
    log_ratio = jax.nn.log_softmax(said / 2) - jax.nn.log_softmax(LOGITS / 2)
    softened = (jax.nn.softmax(said / 2) * log_ratio).sum(-1)
    wanted = CROSS + 2**2 * softened
    np.testing.assert_allclose(loss, wanted, rtol=1e-3)


@pytest.mark.parametrize("members", [2])
def test_a_distilled_group_is_one_network(members, monkeypatch):
    calls = []

    def fit(recipe, dataset, **given):
        calls.append((recipe, dataset, given))
        return [type("Run", (), {"variables": f"run {len(calls)}"})]

    monkeypatch.setattr(train, "fit", fit)
    ((recipe, variables),) = teams.distilled(BASE, TAILED, 3, members=members)
    assert (recipe, variables) == (BASE, "run 2")
    assert calls[0][0].teacher is None
    assert calls[1][2]["teacher"] == "run 1"
    assert all(dataset.validation is None for _, dataset, _ in calls)


def test_a_fused_network_has_weights_for_what_it_also_sees():
    base = replace(BASE, model=cli.NETWORKS["plain_mini"])
    shapes = {}
    for how in ("concat", "add"):
        model = train.build_model(teams.fused(base, how=how), TAILED)
        params, _ = jax.eval_shape(model.init, jax.random.key(0))
        shapes[how] = {name: leaf["kernel"].shape for name, leaf in params["fusion"].items()}
    assert shapes == {"concat": {"stage1": (8, 10), "stage2": (16, 10)}, "add": {"stage1": (8, 32), "stage2": (16, 32)}}
