"""Panels of the schedules: learning rate, momentum, sizes and averages, as a step of training asks for them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from docs.gallery.parts import Call, Panel, points
from jaxtricks import augment, optim

EPOCHS, PER_EPOCH = 30, 10
RUN = {"steps": EPOCHS * PER_EPOCH, "steps_per_epoch": PER_EPOCH}
STEPS = np.arange(RUN["steps"])


def rate(schedule, epoch):
    """The learning rate at peak 1, of the step at this time."""
    return schedule(1.0, **RUN)(jnp.round(epoch * PER_EPOCH).astype(jnp.int32))


def warm(with_warmup, schedule, epoch):
    return rate(with_warmup(schedule, epochs=5), epoch)


panel = partial(Panel, at=rate, x=STEPS / PER_EPOCH, xlabel="epoch", ylabel="learning rate / peak", slope="")

DECAYS = (
    panel(
        "Over the run",
        {
            "constant": optim.constant,
            "step": optim.step_decay,
            "linear": optim.polynomial,
            "polynomial, power 2": partial(optim.polynomial, power=2.0),
            "cosine": optim.cosine,
            "stable, then linear": optim.stable_decay,
        },
    ),
    panel(
        "By the epoch",
        {
            "exponential, factor 0.9": partial(optim.exponential, factor=0.9),
            "in stairs, factor 0.8": partial(optim.exponential, factor=0.8, staircase=True),
            "natural exponential, rate 0.3": partial(optim.natural_exponential, rate=0.3),
            "one over time, rate 0.3": partial(optim.inverse_time, rate=0.3),
            "one over the root of time, held 50 steps": partial(optim.inverse_sqrt, hold=50),
        },
    ),
    panel(
        "The same, on a logarithmic axis",
        {
            "exponential, factor 0.9": partial(optim.exponential, factor=0.9),
            "in stairs, factor 0.8": partial(optim.exponential, factor=0.8, staircase=True),
            "natural exponential, rate 0.3": partial(optim.natural_exponential, rate=0.3),
            "one over time, rate 0.3": partial(optim.inverse_time, rate=0.3),
            "step": optim.step_decay,
            "cosine": optim.cosine,
        },
        log="y",
        ylim=(1e-4, 1.5),
    ),
)

CYCLES = (
    panel(
        "Five epochs of warm-up",
        {
            name: Call((optim.with_warmup, schedule), warm)
            for name, schedule in (
                ("cosine", optim.cosine),
                ("step", optim.step_decay),
                ("linear", optim.polynomial),
                ("stable, then linear", optim.stable_decay),
            )
        },
    ),
    panel(
        "One cycle, and triangles",
        {
            "one cycle": optim.one_cycle,
            "triangular": partial(optim.triangular, epochs=10, low=0.1),
            "triangular, shrinking": partial(optim.triangular, epochs=10, low=0.1, shrink=0.5),
        },
    ),
    panel(
        "Cosine with restarts",
        {
            "three, each twice as long": optim.restarts,
            "five alike": partial(optim.restarts, cycles=5, growth=1.0),
        },
    ),
)


def injected(inject, schedules):
    """Both hyper-parameters of SGD at every step, out of the optimiser's own state."""
    tx = inject(optax.sgd)(**schedules)

    def step(state, _):
        _, state = tx.update(jnp.zeros(()), state)
        return state, (state.hyperparams["learning_rate"], state.hyperparams["momentum"])

    return jax.lax.scan(step, tx.init(jnp.zeros(())), length=RUN["steps"])[1]


def one_cycle(inject, cycle, _, *, which):
    """Momentum falls from 0.95 to 0.85 while the learning rate rises, and comes back with it."""
    down = cycle(0.1, **RUN, div_factor=1e4)
    return injected(inject, {"learning_rate": cycle(1.0, **RUN), "momentum": lambda t: 0.95 - down(t)})[which]


def rising(inject, schedule, _, *, end):
    momentum = schedule(0.5, end, RUN["steps"] // 2)
    return injected(inject, {"learning_rate": 1.0, "momentum": momentum})[1]


MOMENTUM = (
    panel(
        "One cycle: the learning rate",
        {"rate": Call((optax.inject_hyperparams, optim.one_cycle), partial(one_cycle, which=0))},
        at_once=True,
    ),
    panel(
        "One cycle: the momentum",
        {"momentum": Call((optax.inject_hyperparams, optim.one_cycle), partial(one_cycle, which=1))},
        at_once=True,
        ylabel="momentum",
        ylim=(0.8, 1.0),
    ),
    panel(
        "Momentum that rises over half of the run",
        {
            f"0.5 to {end:g}": Call((optax.inject_hyperparams, optax.linear_schedule), partial(rising, end=end))
            for end in (0.9, 0.99)
        },
        at_once=True,
        ylabel="momentum",
        ylim=(0.4, 1.05),
    ),
)


VALIDATION = np.where(np.arange(EPOCHS) < 22, np.maximum(0.5, 1 - np.arange(EPOCHS) / 12), 0.45).astype(np.float32)


def plateau(reduce, _):
    """The factor on the rate, epoch by epoch, for a validation loss that stands still."""
    tx = reduce(factor=0.5, patience=4)

    def epoch(state, value):
        _, state = tx.update(jnp.ones(()), state, value=value)
        return state, state.scale

    return jax.lax.scan(epoch, tx.init(jnp.ones(())), VALIDATION)[1]


def decay(ema, count, *, d):
    """The share of the old average that one update keeps."""
    return ema({"w": jnp.ones(())}, {"w": jnp.zeros(())}, decay=d, count=count)["w"]


def on_host(f, numbers):
    return [f(int(n)) for n in numbers]


REACTIVE = (
    panel(
        "Reduced on a plateau",
        {
            "validation loss": Call(jnp.asarray, lambda array, _: array(VALIDATION)),
            "factor on the rate": Call(partial(optim.plateau, every=1), plateau),
            "the same, optax's": Call(optax.contrib.reduce_on_plateau, plateau),
        },
        x=np.arange(EPOCHS),
        at_once=True,
        style="steps",
        ylabel="loss, factor",
        ylim=(-0.05, 1.05),
    ),
    points(
        "Learning rate by the size of the batch",
        {rule: partial(optim.scaled_lr, 0.1, rule=rule) for rule in ("linear", "sqrt", "none")},
        x=2 ** np.arange(5, 13),
        at=on_host,
        xlabel="images in a step",
        ylabel="learning rate, 0.1 at 256",
        slope="",
        log="xy",
    ),
    panel(
        "Moving average, by its updates so far",
        {f"decay {d:g}": Call(optim.ema, partial(decay, d=d)) for d in (0.9, 0.99, 0.999)},
        x=(1, 10_000),
        xlabel="updates",
        log="x",
        ylabel="share of the old average that is kept",
    ),
    panel(
        "Size of the images",
        {
            "progressive": partial(augment.progressive_size, epochs=EPOCHS, start=128, stop=224, multiple=8),
            "drawn every 3 epochs": partial(augment.pick_size, sizes=(160, 192, 224, 256), every=3),
        },
        x=np.arange(EPOCHS),
        at=on_host,
        at_once=True,
        style="steps",
        ylabel="pixels",
        ylim=(100, 280),
    ),
)
