"""One of two processes that save and restore together; started by test_r03_two_processes.py."""

import json
import os
import sys
import warnings

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from shelves import files

from jaxtricks.checkpoint import CheckpointCorruptError, Checkpoints, CheckpointSaveError, manifest
from jaxtricks.train import initialize_distributed

port, index, folder, out = sys.argv[1:]
initialize_distributed(coordinator=f"localhost:{port}", processes=2, index=int(index))
first = jax.process_index() == 0
mesh = Mesh(np.array(jax.devices()), ("data",))
split, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("data",), ()))
report = {}


def state(step):
    rows = np.arange(64, dtype=np.float32).reshape(8, 8) + step
    return {
        "split": jax.make_array_from_callback(rows.shape, split, lambda where: rows[where]),
        "whole": jax.make_array_from_callback((), whole, lambda where: np.int32(step)),
    }


def restored(checkpoints):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found, meta = checkpoints.restore(state(0), wanted={})
        except CheckpointCorruptError:
            return "corrupt"
    for name, array in state(meta["step"]).items():
        for a, b in zip(found[name].addressable_shards, array.addressable_shards, strict=True):
            np.testing.assert_array_equal(np.asarray(a.data), np.asarray(b.data))
    return [meta["step"], checkpoints.latest(), sum("restored instead" in str(w.message) for w in caught)]


def damage(step):
    if first:
        os.truncate(files(f"{folder}/{step}")[-1], 5)
    multihost_utils.sync_global_devices(f"damage {step}")


for asynchronous in (False, True):
    checkpoints = Checkpoints(folder, asynchronous=asynchronous)
    base = checkpoints.latest() or 0
    for step in (1, 2, 3):
        checkpoints.save(base + step, state(base + step), {"step": base + step})
    checkpoints.wait()
    done = {"saved": restored(checkpoints)}
    damage(base + 3)
    done["damaged"] = restored(checkpoints)
    checkpoints.save(base + 3, state(base + 3), {"step": base + 3})
    done["replaced"] = restored(checkpoints)
    real = manifest.write
    manifest.write = lambda folder: (_ for _ in ()).throw(OSError("no room"))  # in the first process only, as it is
    try:
        checkpoints.save(base + 4, state(base + 4), {"step": base + 4})
        checkpoints.wait()
    except CheckpointSaveError as error:
        done["failed"] = [str(error).split()[1], checkpoints.latest()]
    manifest.write = real
    checkpoints.save(base + 4, state(base + 4), {"step": base + 4})
    done["again"] = restored(checkpoints)
    checkpoints.close()
    report["asynchronous" if asynchronous else "waiting"] = done
for step in checkpoints.steps():
    damage(step)
report["none left"] = restored(Checkpoints(folder))
with open(out, "w") as file:
    json.dump(report, file)
