"""The one training loop, what it is given (a recipe, a plan) and what it leaves (runs, checkpoints, logs)."""

from jaxtricks._runtime.in_flight import NonFiniteError
from jaxtricks._runtime.signals import Interrupted
from jaxtricks.train.logs import json_lines, tensorboard
from jaxtricks.train.loop import fit
from jaxtricks.train.parallel import Plan, start
from jaxtricks.train.precision import BFLOAT16, FLOAT16, FLOAT32, LossScale, Precision
from jaxtricks.train.program import build_constants, build_model, build_schedule, total_steps
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.rehearsal import RecipeError
from jaxtricks.train.session import Run
from jaxtricks.train.state import State, averaged, create_state
from jaxtricks.train.step import make_evaluate, make_step
from jaxtricks.train.stop import EarlyStopping

__all__ = [
    "BFLOAT16",
    "FLOAT16",
    "FLOAT32",
    "EarlyStopping",
    "Interrupted",
    "LossScale",
    "NonFiniteError",
    "Plan",
    "Precision",
    "Recipe",
    "RecipeError",
    "Run",
    "State",
    "averaged",
    "build_constants",
    "build_model",
    "build_schedule",
    "create_state",
    "fit",
    "json_lines",
    "make_evaluate",
    "make_step",
    "start",
    "tensorboard",
    "total_steps",
]


def __dir__() -> list[str]:
    return __all__
