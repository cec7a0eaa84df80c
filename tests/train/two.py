"""One of two processes of one run; started by test_processes.py."""

import json
import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = "16"

import jax
import numpy as np
from small import dataset, recipe

from jaxtricks.train import Plan, fit, initialize_distributed

port, index, kind, out = sys.argv[1:]
initialize_distributed(coordinator=f"localhost:{port}", processes=2, index=int(index))

assert jax.process_count() == 2
assert jax.device_count() == 4
said = []
plan = Plan(seeds_on="vmap") if kind == "vmap" else Plan(kind=kind)
run = fit(recipe(), dataset(), seeds=(3,), plan=plan, log=[lambda r: said.append(r["kind"])])[0]
leaves = [np.asarray(x.addressable_data(0)).ravel().tolist() for x in jax.tree.leaves(run.state.params)]
with open(out, "w") as file:
    steps = int(run.state.step.addressable_data(0))
    json.dump({"params": leaves, "test": run.test, "decided": run.decided.tolist(), "steps": steps, "said": said}, file)
