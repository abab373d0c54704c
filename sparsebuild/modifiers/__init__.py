"""Modifiers: what a recipe can ask for, one a file. Nothing here imports torch before `attach`."""

from sparsebuild.modifiers.reading import MODIFIERS, specs
from sparsebuild.modifiers.schedule import (
    epochs,
    for_file,
    has_symmetric_weights,
    idle,
    needs_hidden_states,
    needs_kernel_times,
    needs_live_teacher,
    needs_teacher,
    schedule_table,
    sets_learning_rate,
    weight_bits,
)

__all__ = [
    "MODIFIERS",
    "epochs",
    "for_file",
    "has_symmetric_weights",
    "idle",
    "needs_hidden_states",
    "needs_kernel_times",
    "needs_live_teacher",
    "needs_teacher",
    "schedule_table",
    "sets_learning_rate",
    "specs",
    "weight_bits",
]
