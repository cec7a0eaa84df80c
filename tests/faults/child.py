"""A run that tests kill, interrupt and stall; it says what it does, one word and a number a line.

    python child.py [--folder F] [--out FILE] [--epochs E] [--save-every N] [--pause SECONDS]
                    [--port P --index I --processes N] [--watchdog SECONDS] [--stall STEP] [--fail STEP]

To the file goes the SHA-256 of every leaf of the last state, with the losses of the epochs. The start of the process is
most of its time, so the network is a small one.
"""

import argparse
import hashlib
import json
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("--folder")
parser.add_argument("--out")
parser.add_argument("--epochs", type=float, default=7.5)  # of 8 steps: 60 steps, and an end inside an epoch
parser.add_argument("--save-every", type=int)
parser.add_argument("--pause", type=float, default=0.0)
parser.add_argument("--port", type=int)
parser.add_argument("--index", type=int, default=0)
parser.add_argument("--processes", type=int, default=1)
parser.add_argument("--watchdog", type=float)
parser.add_argument("--stall", type=int)
parser.add_argument("--fail", type=int)
options = parser.parse_args()

import jax
import numpy as np
from runs import residual

from jaxtricks import data
from jaxtricks.checkpoint import Checkpoints
from jaxtricks.train import Guard, fit, initialize_distributed, session

session.PROGRESS = 0.0


def say(word, number):
    print(word, number, flush=True)


def slow_steps(self, start, stop, steps=data.Feed.steps):
    for step, batch in enumerate(steps(self, start, stop), start):
        say("step", step)
        time.sleep(options.pause)
        if step == options.stall:
            time.sleep(1e6)
        if step == options.fail:
            raise ValueError(f"the batch of step {step} is wrong")
        yield batch


def loud_save(self, step, state, meta, save=Checkpoints.save):
    say("saving", step)
    save(self, step, state, meta)
    say("saved", step)


def digest(leaf):
    leaf = jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    leaf = np.asarray(leaf.addressable_data(0))
    return f"{leaf.dtype}{list(leaf.shape)}:{hashlib.sha256(leaf.tobytes()).hexdigest()}"


data.Feed.steps = slow_steps
Checkpoints.save = loud_save
if options.port is not None:
    initialize_distributed(coordinator=f"localhost:{options.port}", processes=options.processes, index=options.index)
run = fit(
    residual(epochs=options.epochs),
    data.fake(train=290, test=50, shape=(8, 8, 3)).hold_out(0.1),
    seeds=(3,),
    folder=options.folder,
    save_every=options.save_every,
    guard=Guard(watchdog=options.watchdog),
    log=[lambda record: say(record["kind"], record["step"])],
)[0]
if options.out and jax.process_index() == 0:
    leaves, _ = jax.tree_util.tree_flatten_with_path(run.state)
    found = {jax.tree_util.keystr(path): digest(leaf) for path, leaf in leaves}
    losses = [[record["step"], record["train_loss"], record["validation_loss"]] for record in run.history]
    with open(f"{options.out}.part", "w", encoding="utf-8") as file:
        json.dump({"leaves": found, "losses": losses, "test": run.test}, file, indent=1)
    os.replace(f"{options.out}.part", options.out)  # whole, or not there
