"""The one training loop, what it is given (a recipe, a plan) and what it leaves (runs, checkpoints, logs)."""

from jaxtricks.train.checkpoint import (
    CheckpointCorruptError,
    CheckpointMismatchError,
    Checkpoints,
    CheckpointSaveError,
    CheckpointWarning,
)
from jaxtricks.train.conflicts import Conflict, RecipeWarning, conflicts
from jaxtricks.train.description import describe, fingerprint
from jaxtricks.train.flight import NonFiniteError
from jaxtricks.train.logs import json_lines, tensorboard
from jaxtricks.train.loop import fit
from jaxtricks.train.parallel import Plan, start
from jaxtricks.train.precision import BFLOAT16, FLOAT16, FLOAT32, LossScale, Precision
from jaxtricks.train.program import build_constants, build_model, build_schedule, total_steps
from jaxtricks.train.recipe import Recipe
from jaxtricks.train.rehearsal import RecipeError
from jaxtricks.train.session import Run
from jaxtricks.train.signals import Interrupted
from jaxtricks.train.state import State, averaged, create_state
from jaxtricks.train.step import make_evaluate, make_step
from jaxtricks.train.stop import EarlyStopping

__all__ = [
    "BFLOAT16",
    "FLOAT16",
    "FLOAT32",
    "CheckpointCorruptError",
    "CheckpointMismatchError",
    "CheckpointSaveError",
    "CheckpointWarning",
    "Checkpoints",
    "Conflict",
    "EarlyStopping",
    "Interrupted",
    "LossScale",
    "NonFiniteError",
    "Plan",
    "Precision",
    "Recipe",
    "RecipeError",
    "RecipeWarning",
    "Run",
    "State",
    "averaged",
    "build_constants",
    "build_model",
    "build_schedule",
    "conflicts",
    "create_state",
    "describe",
    "fingerprint",
    "fit",
    "json_lines",
    "make_evaluate",
    "make_step",
    "start",
    "tensorboard",
    "total_steps",
]
