"""What schedules, optimisers and averages do with hostile arguments."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtricks import optim
from tests.cases.case import Array, Case, Says
from tests.cases.common import within

RUN = {"peak": 0.1, "steps": 100, "steps_per_epoch": 10}
OWN = {"kernel": Array((2, 3), edges=("zeros", "tiny"), own=True), "bias": Array((3,), edges=("zeros",), own=True)}
TREE = {"kernel": Array(("C", "D"), edges=("zeros", "tiny")), "bias": Array(("D",), edges=("zeros",))}
SGD = optax.sgd(0.1, momentum=0.9)


def schedule(function, right=None, *, numbers=None, **options) -> Case:
    """The rates of a run, all from 0 to the peak; ``numbers`` are the fields of Case with the tests of the values."""

    def call(**options):
        rate = function(**options)
        return np.array([rate(n) for n in (0, 1, 49, 50, 99)])

    right = {"steps_per_epoch": (None,)} | (right or {})  # only what counts in epochs needs it
    return Case({}, RUN | options, call=call, host=True, holds=within(0, 0.1), right=right, **numbers or {})


def transform(function, right=None, *, numbers=None, **options) -> Case:
    """The updates of two steps; ``numbers`` are the fields of Case with the tests of the values."""

    def call(updates, params, **options):
        tx = optax.with_extra_args_support(function(**options))
        first, state = tx.update(updates, tx.init(params), params, loss=jnp.float32(1))
        return first, tx.update(updates, state, params, loss=jnp.float32(1))[0]

    return Case({"updates": OWN, "params": OWN}, options, call=call, gradient=False, right=right or {}, **numbers or {})


def quadratic(params, stats, batch):
    """value_and_grad of the mean square of ``batch - params``."""
    gap = batch - params[None]
    return ((gap**2).mean(), (stats, {"loss": (gap**2).sum()})), -2 * gap.mean(0) / params.size


CASES = {
    "optim.accumulate": Case(
        {"w": Array((3,), own=True), "batch": Array((4, 3), own=True)},
        {"n": 2},
        call=lambda w, batch, n: optim.accumulate(quadratic, n)(w, (), batch),
        gradient=False,
    ),
    "optim.alternate": transform(partial(optim.alternate, SGD, optax.identity()), every=1),
    "optim.by_path": transform(lambda: optim.by_path({"kernel": SGD, "": optax.identity()})),
    "optim.centralize": transform(optim.centralize),
    "optim.constant": schedule(optim.constant, begin=0),
    "optim.cosine": schedule(optim.cosine, begin=0, end=0.1),
    "optim.coupled_sgd": transform(
        optim.coupled_sgd, {"clip_norm": (None,)}, rate=0.1, momentum=0.9, weight_decay=1e-4, clip_norm=1.0
    ),
    "optim.ema": Case({"average": TREE, "tree": TREE}, {"decay": 0.9}, gradient=False, empty="CD"),
    "optim.ema_decay": Case(options={"per_epoch": 0.9, "steps_per_epoch": 10}, host=True, holds=within(0, 1)),
    "optim.evaluate_at": transform(lambda: optim.evaluate_at(SGD, lambda state, params: params)),
    "optim.exponential": schedule(optim.exponential, factor=0.9, begin=0),
    "optim.freeze": transform(lambda: optim.freeze(SGD, "bias")),
    "optim.greedy_soup": Case(
        {"a": TREE, "b": TREE},
        call=lambda a, b: optim.greedy_soup([a, b], lambda tree: -float(np.square(np.abs(tree["kernel"])).sum())),
        host=True,
        empty="CD",
        nan=Says("a score that is not a number is the lowest"),
        inf=Says("the higher the better"),
    ),
    "optim.inverse_sqrt": schedule(optim.inverse_sqrt, begin=0, hold=10),
    "optim.inverse_time": schedule(optim.inverse_time, rate=0.5, begin=0),
    "optim.lawa": Case(
        {"a": TREE, "b": TREE}, {"last": 2}, call=lambda a, b, last: optim.lawa((a,), b, last=last), empty="CD"
    ),
    "optim.layerwise_decay": transform(
        lambda decay: optim.layerwise_decay(SGD, ("kernel", "bias"), decay=decay), decay=0.5
    ),
    "optim.line_search": Case(
        {"w": Array((3,), own=True)},
        call=lambda w: (lambda tx, f: tx.update(jax.grad(f)(w), tx.init(w), w, loss=f(w), value_fn=f)[0])(
            optim.line_search(optax.lbfgs()), lambda w: jnp.sum((w - 1) ** 2)
        ),
        gradient=False,
    ),
    "optim.lookahead": transform(partial(optim.lookahead, SGD), sync_period=2, slow_step_size=0.5),
    "optim.max_norm": transform(optim.max_norm, limit=1.0),
    "optim.measure": transform(lambda: optim.measure(lambda updates: {"norm": optax.tree.norm(updates)})),
    "optim.natural_exponential": schedule(optim.natural_exponential, rate=0.5, begin=0),
    "optim.one_cycle": schedule(optim.one_cycle, rise=0.3, div_factor=25.0, final_div_factor=1e4),
    "optim.plateau": Case(
        {"updates": OWN, "value": Array((), own=True)},
        {"every": 1, "factor": 0.5, "patience": 1, "min_delta": 0.0, "minimum": 0.0, "mode": "min"},
        call=lambda updates, value, **options: (lambda tx: tx.update(updates, tx.init(updates), value=value)[0])(
            optim.plateau(**options)
        ),
        gradient=False,
    ),
    "optim.polynomial": schedule(optim.polynomial, begin=0, power=2.0, end=0.1),
    "optim.restarts": schedule(optim.restarts, begin=0, cycles=3, growth=2.0),
    "optim.sam": Case(
        {"w": Array((3,), own=True), "batch": Array((4, 3), own=True)},
        {"rho": 0.05},
        call=lambda w, batch, rho: optim.sam(quadratic, rho=rho)(w, (), batch),
        gradient=False,
    ),
    "optim.scaled_lr": Case(options={"base": 0.1, "batch": 512}, host=True, holds=within(0, 10)),
    "optim.skip_spikes": Case(
        {"updates": OWN, "params": OWN, "loss": Array((), own=True)},
        {"window": 2, "deviations": 3.0},
        call=lambda updates, params, loss, **options: (
            lambda tx: tx.update(updates, tx.init(params), params, loss=loss)
        )(optim.skip_spikes(SGD, **options)),
        gradient=False,
        nan=Says("or not finite: parameters and state stay as they are", of="loss"),
    ),
    "optim.soup": Case({"a": TREE, "b": TREE}, call=lambda a, b: optim.soup([a, b]), empty="CD"),
    "optim.stable_decay": schedule(optim.stable_decay, begin=0, decay=0.2, end=0.1),
    "optim.step_decay": schedule(optim.step_decay, {"fractions": ((),)}, begin=0, fractions=(0.25, 0.5), factor=0.1),
    "optim.swa": Case({"average": TREE, "tree": TREE}, {"count": 3}, gradient=False, empty="CD"),
    "optim.swa_decay": Case(options={"step": 7, "start": 3}, host=True, holds=within(0, 1)),
    "optim.switch": transform(lambda at: optim.switch(at, SGD, optax.sgd(0.1)), at=1),
    "optim.triangular": schedule(optim.triangular, epochs=2.0, low=0.1, shrink=0.5),
    "optim.unfreeze_at": transform(lambda step: optim.unfreeze_at(SGD, {"bias": step}), step=1),
    "optim.with_warmup": schedule(
        lambda epochs, **run: optim.with_warmup(optim.cosine, epochs=epochs)(**run), epochs=2.0
    ),
}
