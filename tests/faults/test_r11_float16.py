"""Row 11: float16 overflow. The scale halves, the step is skipped, the scale grows back, as computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from runs import dataset, every_step
from small import bare

from jaxtricks import data
from jaxtricks.models import Model
from jaxtricks.train import FLOAT16, Plan, fit
from jaxtricks.train.program import Program

# The gradient of the only weight is the brightness b of the images, and 2^s b once it is scaled, in float16: more than
# its largest number, 65,504, where 2^s b is 2^16 or more. The scale doubles after three good steps.
BRIGHTNESS = (1, 1, 1, 1, 1, 1, 1, 8, 8, 8, 8, 1, 1, 1)
#          begins at 2^14;  *3 = good steps         16: 2^16 is too much; then 2^15, 2^14, 2^13 times 8 are
EXPONENTS = (14, 14, 15, 15, 15, 16, 15, 14, 13, 12, 12, 12, 13, 13)
GOOD = (1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 1, 2, 0, 1)
SKIPPED = (7, 8, 9, 10)  # steps, from 1
RATE = 2.0**-10
WEIGHT = 2.0 - RATE * (6 * 1 + 8 + 3 * 1)  # steps 1-6, 11, and 12-14


def line(**_):
    """One weight times the mean of the image, in float16, in every class."""

    def init(key):
        return {"w": jnp.float32(2.0)}, {}

    def apply(params, stats, image, *, train, key=None):
        x = image[:, 0, 0, :1].astype(jnp.float16)
        out = x @ params["w"].astype(jnp.float16).reshape(1, 1)
        return (jnp.broadcast_to(out.astype(jnp.float32), (len(image), 10)), {}), stats

    return Model(init, apply)


def bright(key, batch):
    """Images as bright as the step, of which ``epoch`` is the number, wants."""
    level = jnp.array(BRIGHTNESS, jnp.float32)[batch["epoch"] % len(BRIGHTNESS)]
    return {**batch, "image": jnp.zeros_like(batch["image"]) + level[:, None, None, None]}


def sloped(**changes):
    base = {
        "model": line,
        "loss": lambda params, out, batch: out[0][:, 0],
        "optimizer": lambda schedule: optax.sgd(RATE),
        "augment": bright,
        "precision": FLOAT16._replace(scale=2.0**14, growth=3),
    }
    return bare(**base | changes)


@pytest.mark.parametrize("kind", ["jit", "shard_map", "pmap"])
def test_r11_the_trace_of_the_scale_is_the_one_computed_by_hand(kind, card):
    program = Program(sloped(), dataset(), Plan(kind=kind))
    feed = data.Feed(program.dataset.train, (0,), program.recipe.batch)
    program.compile(program.create((0,)), feed)
    state, batch, trace, skipped = program.plan.replicate(program.create((0,))), next(iter(feed.steps(0, 1))), [], []
    for step in range(len(BRIGHTNESS)):
        batch = {**batch, "epoch": np.full_like(batch["epoch"], step)}
        state, record = program.step(state, program.plan.put_rows(batch), program.constants)
        scale = jax.tree.map(lambda x: np.ravel(x)[0].item(), state.scale)
        trace.append((np.log2(scale.value), scale.good))
        if np.ravel(record["bad"])[0]:
            skipped.append(step + 1)
    assert trace == list(zip(EXPONENTS, GOOD, strict=True))
    assert skipped == list(SKIPPED)
    state = program.plan.unreplicate(state)
    assert float(state.params["w"]) == WEIGHT
    assert int(state.sums["skipped"]) == len(SKIPPED)
    card("r11", f"steps of which the scale is the one computed by hand, {kind}", f"{len(trace)} of {len(EXPONENTS)}")


def test_r11_a_run_finds_its_scale():
    """It begins far too high, 2^24, skips until 2^15 fits, and grows again after its three good steps."""
    taken = []
    with every_step(taken.append) as log:
        made = sloped(epochs=1.5, precision=FLOAT16._replace(scale=2.0**24, growth=3), augment=one)
        said = []
        run = fit(made, dataset(), log=[log, said.append])[0]
    # steps 1-9 halve 2^24 to 2^15, 10-12 are good: 2^16
    assert taken[-1] == 12
    assert float(run.state.scale.value) == 2.0**16
    assert run.skipped == 9
    assert [r["step"] for r in said if r["kind"] == "nonfinite"] == list(range(1, 10))
    assert float(run.state.params["w"]) == 2.0 - 3 * RATE


def one(key, batch):
    return {**batch, "image": jnp.ones_like(batch["image"])}
