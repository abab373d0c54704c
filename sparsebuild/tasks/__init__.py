"""The kinds of problems that a project can be about, by the name in `project.task`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sparsebuild.registry import lookup

if TYPE_CHECKING:
    from sparsebuild.tasks.base import Task

__all__ = ["TASKS", "task"]

TASKS: Mapping[str, str] = {
    "token-classification": "sparsebuild.tasks.token_classification:TokenClassification",
}


def task(name: str) -> Task:
    """The task of that name; UserError if there is none."""
    kind: type[Task] = lookup(TASKS, name, "task")
    return kind()
