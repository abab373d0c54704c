"""Everything that is wrong with the data, gathered from all files into one error."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sparsebuild.errors import DataError, Position, Problem

__all__ = ["Complaints"]


class Complaints:
    """Keeps the first few problems in full and counts the others, so that a million bad rows fit in memory."""

    def __init__(self, shown: int = 10) -> None:
        self._shown = shown
        self._problems: list[tuple[str, Problem]] = []  # file, what is wrong with it
        self._more: Counter[str] = Counter()  # file -> problems that are not shown
        self._hints: set[str] = set()

    def __len__(self) -> int:
        return len(self._problems) + self._more.total()

    def add(self, message: str, file: str, line: int = 0, column: int = 1, hint: str = "") -> None:
        """Note a problem in `file`; `line` counts from 1, 0 is the whole file. A hint is given once."""
        position = Position(file=file, line=line, column=column) if line else None
        self._add(file, Problem(message=message, position=position, hint=hint))

    def take(self, others: Complaints) -> None:
        """Note what others noted, as if it were told one by one; they have nothing after."""
        for file, problem in others._problems:
            self._add(file, problem)
        self._more.update(others._more)
        others._problems.clear()
        others._more.clear()
        others._hints.clear()

    def raise_if_any(self) -> None:
        """End in one DataError with all there is to say."""
        if self._problems:
            raise DataError(*(problem for _, problem in self._problems), *self._rest())

    def _add(self, file: str, problem: Problem) -> None:
        if len(self._problems) == self._shown:
            self._more[file] += 1
            return
        hint = "" if problem.hint in self._hints else problem.hint
        self._hints.add(hint)
        self._problems.append((file, replace(problem, hint=hint)))

    def _rest(self) -> list[Problem]:
        if not self._more:
            return []
        where = ", ".join(f"{count} in {file}" for file, count in self._more.items())
        count = self._more.total()
        return [Problem(message=f"and {count} more {'problem' if count == 1 else 'problems'}: {where}")]
