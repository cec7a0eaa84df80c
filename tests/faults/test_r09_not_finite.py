"""Row 9: what is not finite, in images, loss, one leaf of gradient or statistics, or update, is never applied."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from runs import dataset, network, recipe, residual
from small import same

from jaxtricks import augment, data, optim
from jaxtricks.train import NonFiniteError, Plan, create_state, fit, make_step
from jaxtricks.train.program import Program

KINDS = ("jit", "shard_map", "pmap")
BATCH = 32  # of both recipes
CHANGES = {
    "NaN": lambda x: x.at[(-1,) * x.ndim].set(jnp.nan),
    "Inf": lambda x: x.at[(-1,) * x.ndim].set(jnp.inf),
    "-Inf": lambda x: x.at[(-1,) * x.ndim].set(-jnp.inf),
    "zero": jnp.zeros_like,
}
WRONG = ("NaN", "Inf", "-Inf")


def faults(params, stats):
    """What goes wrong in a step: where, in which leaf, and how."""
    leaves = {"image": 1, "loss": 1, "gradient": len(jax.tree.leaves(params)), "stats": len(jax.tree.leaves(stats))}
    found = [(where, leaf, change) for where, count in leaves.items() for leaf in range(count) for change in WRONG]
    return found + [("gradient", leaf, "zero") for leaf in range(leaves["gradient"])]


def poisoned(make):
    """A recipe whose step goes wrong as the first image's ``epoch`` says, a column that nothing else reads."""
    base = make()
    model = base.model(classes=10, channels=3, dtype=jnp.float32, axis_name=None)
    table = faults(*jax.eval_shape(model.init, jax.random.key(0)))

    def spoil(tree, where, batch):
        leaves, structure = jax.tree.flatten(tree)
        for code, (place, leaf, change) in enumerate(table, 1):
            if place == where:
                leaves[leaf] = jnp.where(batch["epoch"][0] == code, CHANGES[change](leaves[leaf]), leaves[leaf])
        return jax.tree.unflatten(structure, leaves)

    def image(key, batch):
        added = spoil(jnp.zeros(BATCH), "image", batch)
        return {**batch, "image": batch["image"] + added[:, None, None, None]}

    def loss(params, out, batch):
        return spoil(base.loss(params, out, batch), "loss", batch)

    def gradient(value_and_grad):
        def wrapped(params, stats, batch):
            (value, (stats, sums)), gradients = value_and_grad(params, stats, batch)
            return (value, (spoil(stats, "stats", batch), sums)), spoil(gradients, "gradient", batch)

        return wrapped

    def divides(schedule):
        """An optimiser that divides each leaf by its norm, and so makes NaN of a gradient that is zero."""
        norm = optax.stateless(lambda updates, _: jax.tree.map(lambda u: u / jnp.sqrt((u**2).sum()), updates))
        return optax.chain(norm, base.optimizer(schedule))

    chain = augment.chain(image=image, crop=base.augment)
    return table, make(augment=chain, loss=loss, gradient=(gradient,), optimizer=divides, epochs=100.0)


def bits(tree):
    """The arrays of a tree on the host, keys as numbers."""
    keys = lambda x: jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)  # noqa: E731
    return jax.tree.map(lambda x: np.array(jax.random.key_data(x) if keys(x) else x), tree)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "make"),
    [pytest.param("one layer", recipe, id="short"), pytest.param("residual", residual, marks=pytest.mark.slow)],
)
def test_r09_nothing_that_is_not_finite_is_applied(name, make, kind, card):
    """Each fault, on one device of four where they step apart, and after each a step that is good."""
    table, bad = poisoned(make)
    program = Program(bad, dataset(), Plan(kind=kind))
    feed = data.Feed(program.dataset.train, (0,), BATCH)
    program.compile(program.create((0,)), feed)
    state = program.plan.replicate(program.create((0,)))
    rows = next(iter(feed.steps(0, 1)))

    def step(state, code):
        batch = {**rows, "epoch": np.zeros(BATCH, np.int32)}
        everywhere = code > 0 and table[code - 1][2] == "zero"  # the mean over the devices, too, must be zero
        batch["epoch"][: None if everywhere else 1] = code
        state, record = program.step(state, program.plan.put_rows(batch), program.constants)
        return state, int(np.ravel(record["bad"])[0]), bits(program.plan.unreplicate(state))

    state, count, good = step(state, 0)
    assert count == 0
    for code, fault in enumerate(table, 1):
        state, count, after = step(state, code)
        assert count == 1, fault
        for part in ("params", "stats", "opt", "ema", "value", "key"):
            same(getattr(after, part), getattr(good, part))
        assert after.step == good.step + 1
        assert after.sums["skipped"] == good.sums["skipped"] + 1
        assert (after.sums["loss"], after.sums["count"]) == (good.sums["loss"], good.sums["count"])
        state, count, good = step(state, 0)
        assert count == 0, fault
        assert all(np.isfinite(x).all() for x in jax.tree.leaves((good.params, good.stats, good.opt, good.ema)))
        assert all((a != b).any() for a, b in zip(*map(jax.tree.leaves, (good.params, after.params)), strict=True))
    card(
        "r09",
        f"faults of a step, {name}, {kind}: state unchanged bit for bit, counted",
        f"{len(table)} of {len(table)}",
    )


ROWS = data.epoch_permutation(0, 0, len(dataset().train))  # of the first epoch with seed 0


def broken(steps):
    """An augmentation that puts a NaN into an image of each of these steps of the first epoch."""
    rows = jnp.asarray([int(ROWS[BATCH * step + 5]) for step in steps])

    def into(key, batch):
        bad = (batch["index"][:, None] == rows[None]).any(1)
        return {**batch, "image": jnp.where(bad[:, None, None, None], jnp.nan, batch["image"])}

    return into


@pytest.mark.parametrize("kind", KINDS)
def test_r09_a_run_skips_tells_and_ends_after_too_many_in_a_row(kind, tmp_path, card):
    plan, said, steps = Plan(kind=kind), [], (1, 3, 4, 5)
    bad = recipe(augment=broken(steps), epochs=1.0)
    run = fit(bad, dataset(), plan=plan, max_nonfinite_steps=3, log=[said.append])[0]
    told = [r for r in said if r["kind"] == "nonfinite"]
    assert run.skipped == len(steps) == run.history[0]["skipped"]
    assert [r["step"] for r in told] == [s + 1 for s in steps]
    assert [r["index"] for r in told] == [ROWS[BATCH * s : BATCH * (s + 1)].tolist() for s in steps]
    assert not any(np.isfinite(r["loss"]) for r in told)
    floats = [x for x in jax.tree.leaves((run.state, run.variables)) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert sum(not np.isfinite(x).all() for x in floats) == int(not np.isfinite(run.state.value))
    with pytest.raises(NonFiniteError, match="not finite for 3 steps in a row, up to 6"):
        fit(bad, dataset(), plan=plan, max_nonfinite_steps=2)
    card("r09", f"4 NaN steps of a run, {kind}: logged with the indices of their examples; a typed error after 3 in a row", "yes")


def test_r09_apply_if_finite_of_optax_applies_it_in_the_end(card):
    """The contrast: optax gives up after its limit, and knows nothing of statistics and averages."""
    limit = 3

    def trained(optimizer):
        made = recipe(mix=None, augment=None, optimizer=optimizer)
        model = network(classes=10, channels=3)
        tx = optax.with_extra_args_support(made.optimizer(lambda step: 0.1))
        state = create_state(made, model, tx, jax.random.key(0))
        _, update = make_step(made, model, tx)
        batch = {
            "image": jnp.full((BATCH, 8, 8, 3), jnp.nan),
            "target": jax.nn.one_hot(jnp.arange(BATCH) % 10, 10),
            "key": jax.random.split(jax.random.key(1), BATCH),
        }
        ours, theirs = state, (state.params, tx.init(state.params))

        def objective(params):
            out, _ = model.apply(params, state.stats, batch["image"], train=False)
            return made.loss(params, out, batch).mean()

        @jax.jit
        def bare(params, opt):
            updates, opt = tx.update(jax.grad(objective)(params), opt, params)
            return optax.apply_updates(params, updates), opt

        step, gone = jax.jit(update), []
        for _ in range(limit + 2):
            ours, _ = step(ours, batch, {})
            theirs = bare(*theirs)
            gone.append([any(np.isnan(x).any() for x in jax.tree.leaves(p)) for p in (ours.params, theirs[0])])
        same(ours.params, state.params)
        return gone

    sgd = lambda schedule: optim.coupled_sgd(schedule, weight_decay=1e-4)  # noqa: E731
    gone = trained(lambda schedule: optax.apply_if_finite(sgd(schedule), limit))
    assert gone == [[False, False]] * limit + [[False, True]] * 2
    assert trained(sgd) == [[False, True]] * (limit + 2)
    card("r09", f"NaN steps until parameters are NaN: optax.apply_if_finite({limit}); here", f"{limit + 1}; never")
