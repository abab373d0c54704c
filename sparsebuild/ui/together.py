"""Several folds of one stream: for the person at the terminal, for a program that reads along, for the CI's page."""

from __future__ import annotations

from collections.abc import Sequence

from sparsebuild.events import Event
from sparsebuild.ui import Fold

__all__ = ["Together"]


class Together:
    """Gives every event to each fold, in order."""

    def __init__(self, folds: Sequence[Fold]) -> None:
        self._folds = folds

    def __call__(self, event: Event) -> None:
        """Pass it on."""
        for fold in self._folds:
            fold(event)

    def close(self) -> None:
        """Close all."""
        for fold in self._folds:
            fold.close()
