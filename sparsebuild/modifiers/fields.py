"""Taking a modifier's settings from a recipe's entry: each with its type and range, all problems told at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sparsebuild.errors import Position, Problem, RecipeError
from sparsebuild.recipe import Entry
from sparsebuild.registry import did_you_mean

__all__ = ["ALL", "ALL_PRUNABLE", "REQUIRED", "Fields", "whole"]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$", re.IGNORECASE)
_QUOTED = "it is text, as it stands in quotation marks: take them away"

ALL = "__ALL__"
ALL_PRUNABLE = "__ALL_PRUNABLE__"
_MOST_EPOCHS = 100_000  # what is more is a slip, and nobody waits for its end
_EVERYWHERE = ("log_types",)  # older recipes carry it; it never meant anything for training


class _Required:
    """There is no default."""


REQUIRED: Any = _Required()


class Fields:
    """The fields of one entry. What is wrong is noted, and `finish` raises all of it.

    Until then a stand-in of the right type is returned for a wrong value, so that reading can go on.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.problems: list[Problem] = []
        self.asked: list[str] = []

    def finish(self) -> None:
        """Raise everything that is wrong, a field that nobody asked for included."""
        for name in self.entry.fields:
            if name not in self.asked and name not in _EVERYWHERE:
                hint = did_you_mean(name, self.asked) or f"its settings are: {', '.join(self.asked)}"
                at = self.entry.key_positions.get(name, self.entry.position)
                self._note(f"`{self.entry.tag}` has no setting `{name}`", at, hint)
        if self.problems:
            raise RecipeError(*sorted(self.problems, key=_line))

    # ---- numbers

    def number(
        self,
        name: str,
        default: Any = REQUIRED,
        *,
        least: float | None = None,
        most: float | None = None,
        above: float | None = None,
    ) -> float:
        """A number from `least` to `most`, and more than `above`."""
        value = self._number(name, default, (least or 0.0) if above is None else above + 1)
        if (least is not None and value < least) or (most is not None and value > most):
            self._wrong(name, _range(least, most), value)
        elif above is not None and value <= above:
            self._wrong(name, f"more than {above:g}", value)
        return float(value)

    def frequency(self, name: str, default: Any = REQUIRED) -> float:
        """How many epochs lie between two events; -1 stands for every step."""
        value = self._number(name, default, -1.0)
        if value <= 0 and value != -1:
            self._wrong(name, "more than 0, or -1", value)
        return float(value)

    def epoch(self, name: str, default: Any = REQUIRED, *, forever: bool = True) -> float:
        """An epoch by which training lasts at least so long, fractions allowed; with `forever` also -1."""
        value = self.mark(name, default, forever=forever)
        if value > _MOST_EPOCHS:
            self._wrong(name, f"at most {_MOST_EPOCHS:,}", value)
        return value

    def mark(self, name: str, default: Any = REQUIRED, *, forever: bool = True) -> float:
        """An epoch that may lie after any end of training, fractions allowed; with `forever` also -1."""
        value = self.number(name, default)
        if value < 0 and not (forever and value == -1):
            self._wrong(name, "0 or more" + (", or -1" if forever else ""), value)
        return value

    def span(
        self, *, start: Any = -1.0, end: Any = -1.0, empty: bool = True, forever: bool = True
    ) -> tuple[float, float]:
        """`start_epoch` and `end_epoch`; the end may be -1 with `forever`, and equal to the start with `empty`."""
        first = self.epoch("start_epoch", start)
        last = self.epoch("end_epoch", end, forever=forever)
        if last != -1 and (last < first or (last <= first and not empty)):
            least = "must not be before" if empty else "must be after"
            self.problem("end_epoch", f"`end_epoch` ({last:g}) {least} `start_epoch` ({first:g})")
        return first, last

    def integer(self, name: str, default: Any = REQUIRED, *, least: int) -> int:
        """A whole number from `least`."""
        value = self._take(name, default, least)
        number = whole(value)
        if number is None:
            self._wrong(name, "a whole number", value)
            return least
        if number < least:
            self._wrong(name, _range(least, None), number)
        return number

    # ---- words

    def flag(self, name: str, default: bool) -> bool:
        """True or false; 1 and 0 are the same."""
        value = self._take(name, default, default)
        if value not in (0, 1):
            self._wrong(name, "true or false", value)
        return bool(value)

    def choice(self, name: str, known: Collection[Any], default: Any = REQUIRED) -> Any:
        """One of `known`."""
        value = self._take(name, default, next(iter(known)))
        if value not in known or isinstance(value, bool):
            near = did_you_mean(value, [k for k in known if isinstance(k, str)]) if isinstance(value, str) else ""
            self._wrong(name, f"one of {', '.join(map(str, known))}", value, near)
            return next(iter(known))
        return next(one for one in known if one == value)  # 63 where a division gave 63.0

    def texts(self, name: str, default: Any = ()) -> tuple[str, ...] | None:
        """A list of strings, or nothing."""
        value = self._take(name, default, ())
        if value is None:
            return None
        if not isinstance(value, tuple | list) or not all(isinstance(v, str) for v in value):
            self._wrong(name, "a list of strings", value)
            return ()
        return tuple(value)

    def params(self, name: str = "params", default: Any = REQUIRED, *, empty: bool = False) -> tuple[str, ...]:
        """Which parameters: `__ALL__`, `__ALL_PRUNABLE__`, or a list of these, of full names and of `re:<pattern>`.

        With `empty` the list may have nothing in it.
        """
        value = self._take(name, default, ALL_PRUNABLE)
        if isinstance(value, str):
            if value.upper() not in (ALL, ALL_PRUNABLE):
                self._wrong(name, f"{ALL}, {ALL_PRUNABLE} or a list", value, f"write a list: [{value!r}]")
            return (value.upper(),)
        if not isinstance(value, tuple | list):
            self._wrong(name, "a list of parameters", value)
            return ()
        listed = self.parameters(name, value)
        if not listed and not empty:
            self.problem(name, f"`{name}` must name at least one parameter")
        return listed

    def parameters(self, name: str, listed: Iterable[Any]) -> tuple[str, ...]:
        """A list of parameters that stands in the setting `name`; lists may be nested."""
        return tuple(self._parameter(name, text) for text in _flat(listed))

    def _parameter(self, name: str, text: Any) -> str:
        if not isinstance(text, str):
            self._wrong(name, "a list of names of parameters", text)
            return ""
        if text.startswith("re:"):
            try:
                re.compile(text.removeprefix("re:"))
            except re.error as error:
                self.problem(name, f"`{text}` is not a regular expression: {error}")
        return text.upper() if text.upper() in (ALL, ALL_PRUNABLE) else text

    # ---- what is not taken

    def ignored(self, *names: str) -> None:
        """Settings that mean nothing here, whatever they say."""
        self.asked += names

    def only(self, name: str, accepted: Collection[Any], why: str, hint: str = "") -> None:
        """A setting of which we support the values `accepted` only."""
        value = self._take(name, next(iter(accepted)), None)
        if not any(value is a or (value == a and isinstance(value, bool) == isinstance(a, bool)) for a in accepted):
            self.problem(name, f"`{name}: {_shown(value)}` is not supported: {why}", hint)

    def has(self, name: str) -> bool:
        return name in self.entry.fields

    def problem(self, name: str, message: str, hint: str = "") -> None:
        """Note something that is wrong with the setting `name`."""
        self._note(message, self.entry.where(name), hint)

    # ---- inside

    def _number(self, name: str, default: Any, fallback: float) -> float:
        value = self._take(name, default, fallback)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(name, "a number", value, _QUOTED if isinstance(value, str) and _NUMBER.match(value) else "")
            return fallback
        return value

    def _take(self, name: str, default: Any, fallback: Any) -> Any:
        self.asked.append(name)
        if name in self.entry.fields:
            return self.entry.fields[name]
        if default is REQUIRED:
            self._note(f"`{self.entry.tag}` needs the setting `{name}`", self.entry.position)
            return fallback
        return default

    def _wrong(self, name: str, wanted: str, found: Any, hint: str = "") -> None:
        self.problem(name, f"`{name}` must be {wanted}, found {_shown(found)}", hint)

    def _note(self, message: str, position: Position | None, hint: str = "") -> None:
        self.problems.append(Problem(message=message, position=position, hint=hint))


def whole(value: Any) -> int | None:
    """The whole number that a recipe's value is, be it a float that a division in `eval(…)` gave; None if none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None


def _line(problem: Problem) -> int:
    return problem.position.line if problem.position else 0


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"from {least:g} to {most:g}"
    return f"{least:g} or more" if least is not None else f"{most:g} or less"


def _shown(value: Any) -> str:
    """As a recipe would write it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_shown, value))}]"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple | list):
            yield from _flat(value)
        else:
            yield value
