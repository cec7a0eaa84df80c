"""The one training loop, what it is given (a recipe, a task, a plan) and what it leaves (runs, checkpoints, logs)."""

from jaxtricks._runtime.distributed import initialize_distributed
from jaxtricks._runtime.guard import Guard
from jaxtricks._runtime.in_flight import NonFiniteError
from jaxtricks._runtime.memory import keep_memory
from jaxtricks._runtime.signals import Interrupted
from jaxtricks.train.build import build_constants, build_model, build_schedule
from jaxtricks.train.logs import json_lines, tensorboard, wandb
from jaxtricks.train.loop import fit
from jaxtricks.train.metrics import EarlyStopping, Metric, collected, mean_of
from jaxtricks.train.parallel import Plan
from jaxtricks.train.precision import BFLOAT16, FLOAT16, FLOAT32, LossScale, Precision
from jaxtricks.train.recipe import Recipe, RecipeError, epoch_steps, total_steps
from jaxtricks.train.state import Run, State, create_state, eval_params
from jaxtricks.train.step import make_evaluate, make_step
from jaxtricks.train.task import Column, Task

__all__ = [
    "BFLOAT16",
    "FLOAT16",
    "FLOAT32",
    "Column",
    "EarlyStopping",
    "Guard",
    "Interrupted",
    "LossScale",
    "Metric",
    "NonFiniteError",
    "Plan",
    "Precision",
    "Recipe",
    "RecipeError",
    "Run",
    "State",
    "Task",
    "build_constants",
    "build_model",
    "build_schedule",
    "collected",
    "create_state",
    "epoch_steps",
    "eval_params",
    "fit",
    "initialize_distributed",
    "json_lines",
    "keep_memory",
    "make_evaluate",
    "make_step",
    "mean_of",
    "tensorboard",
    "total_steps",
    "wandb",
]


def __dir__() -> list[str]:
    return __all__
