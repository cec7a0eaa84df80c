"""A ladder whose preset has a seed on each device, as one of the processes that the environment names."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
os.environ["JAX_PLATFORMS"] = "cpu"

from dataclasses import replace

from jaxtricks import tricks
from jaxtricks.ablation import cli


def fast(recipe):
    return replace(recipe, lr=2 * recipe.lr)


PRESETS = {"quick": cli.Preset("digits", "logistic", seeds=2, epochs=1, batch=32, lr=0.05, seeds_on="devices")}
cli.main("two", tricks.standard, {"fast": tricks.Trick(fast)}, PRESETS, title="Two processes")
