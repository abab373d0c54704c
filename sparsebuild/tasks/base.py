"""What a task is: how its data are prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from sparsebuild.tasks.holdout import Holdout
from sparsebuild.tasks.rows import DataFile

__all__ = ["SPLITS", "Request", "Task", "Teller"]

SPLITS = ("train", "validation", "test", "unlabelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be prepared."""

    files: Mapping[str, Sequence[DataFile]]  # split -> its files; train is always there, and validation or `holdout`
    holdout: Holdout | None = None  # what is taken from the training rows for validation
    most: Mapping[str, int] = field(default_factory=dict)  # split -> how many of its first sentences are taken
    tokenizer: Path  # a folder with the model's tokenizer files, and its config.json
    text_column: str = "tokens"
    label_column: str = "ner_tags"
    labels: Sequence[str] | None = None  # the label table, if the user declares it
    max_length: int = 128  # pieces, special ones included


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """How preparing speaks while it goes on."""

    say: Callable[[str], None]  # a sentence for the user
    warn: Callable[[str], None]  # one that should not be missed
    progress: Callable[[int, int, int], None]  # bytes of the files that were read, bytes in all, sentences so far


class Task(Protocol):
    """One kind of problem. Implementations are frozen values without fields."""

    name: ClassVar[str]  # as in `project.task`

    def prepare(self, request: Request, out: Path, tell: Teller) -> None:
        """Leave in `out` a folder per split, labels.json, tokenizer/ and report.json; DataError for bad rows."""
        ...
