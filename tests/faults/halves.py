"""The two halves of a run: what the first one saves, what the second one finds, and the losses after that."""

import hashlib
import signal
from contextlib import contextmanager, suppress
from unittest import mock

import jax
import numpy as np
from runs import dataset, interrupted_at, recipe

from jaxtricks.checkpoint import Checkpoints
from jaxtricks.train import Guard, Interrupted, Plan, fit, session

HALF, STEPS = 7, 12  # the second half crosses the end of an epoch


def digests(state):
    """Every leaf as text: dtype, shape and SHA-256."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    out = {}
    for path, leaf in leaves:
        key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        array = np.asarray(jax.random.key_data(leaf) if key else leaf)
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        out[jax.tree_util.keystr(path)] = f"{array.dtype}{list(array.shape)}:{digest}"
    return out


@contextmanager
def watched():
    """What checkpoints save and restore meanwhile, and the losses of the steps."""
    seen, in_flight = {"leaves": {}, "losses": {}}, session.InFlight

    class Noting(in_flight):
        def add(self, number, record, index, **options):
            seen["losses"][str(number)] = float(np.ravel(record["loss"])[0])
            super().add(number, record, index, **options)

    def saving(self, step, state, meta, real=Checkpoints.save):
        seen["leaves"] = seen["leaves"] or digests(state)
        real(self, step, state, meta)

    def restoring(self, like, real=Checkpoints.restore, **options):
        state, meta = real(self, like, **options)
        seen["leaves"] = digests(state)
        return state, meta

    changes = {"save": saving, "restore": restoring}
    with mock.patch.object(session, "InFlight", Noting), mock.patch.multiple(Checkpoints, **changes):
        yield seen


def save(folder, plan=None):
    """The first half with a folder, and the entire run without: leaves at the half, losses after it."""
    with watched() as seen:
        with suppress(Interrupted), interrupted_at(HALF, signal.SIGTERM) as log:
            fit(recipe(), dataset(), plan=plan, folder=folder, guard=Guard(), log=[log])
        fit(recipe(), dataset(), plan=plan)
    return after(seen)


def go_on(folder, plan=None):
    """The second half: leaves at its beginning, losses after it."""
    with watched() as seen:
        fit(recipe(), dataset(), plan=plan, folder=folder)
    assert set(seen["losses"]) == {str(step) for step in range(HALF + 1, STEPS + 1)}
    return after(seen)


def after(seen):
    return seen | {"losses": [seen["losses"][str(step)] for step in range(HALF + 1, STEPS + 1)]}


def plans(counts):
    """The first devices of this process, by their number."""
    return {count: Plan(devices=tuple(jax.devices()[:count])) for count in counts}
