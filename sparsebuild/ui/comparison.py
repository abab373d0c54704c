"""What differs between two builds, as people read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from sparsebuild.ui.figures import duration, size
from sparsebuild.ui.inert import one_line
from sparsebuild.ui.paint import painter
from sparsebuild.ui.table import Cell, Row, write

if TYPE_CHECKING:
    from sparsebuild.cli.comparison import Change, Comparison, TargetChange

__all__ = ["show"]

_LONGEST = 60  # characters of a value


def show(found: Comparison, stream: TextIO) -> None:
    """Write what differs, from the old to the new; one line where nothing does."""
    paint = painter(stream)
    stream.write(f"{paint(one_line(found.old), 'bold')} → {paint(one_line(found.new), 'bold')}\n")
    if found.is_empty:
        stream.write("no difference\n")
        return
    for heading, rows in (
        ("settings", [_change(change) for change in found.settings]),
        ("recipe", [_change(change) for change in found.recipe]),
        ("lock", [(str(difference),) for difference in found.lock]),
        ("targets", list(_targets(found))),
        ("figures", list(_figures(found))),
    ):
        if rows:
            stream.write(f"\n{paint(heading, 'bold')}\n")
            write([("", *row) for row in rows], stream)
    if remarks := _remarks(found):
        stream.write("\n" + "".join(f"{one_line(remark)}\n" for remark in remarks))


def _change(change: Change) -> Row:
    return change.subject, f"{_value(change.old)} → {_value(change.new)}", Cell(change.where, "dim")


def _targets(found: Comparison) -> Iterator[Row]:
    """What is the same and what is not known is told in a line each."""
    said = {"changed": "other bytes", "added": f"only in {found.new}", "removed": f"only in {found.old}"}
    for target in found.targets:
        if target.state in said:
            lefts = [left for left in (target.old, target.new) if left]
            yield (
                target.name,
                said[target.state],
                " → ".join(dict.fromkeys(size(left.size) for left in lefts)),
                " → ".join(dict.fromkeys(duration(left.seconds) for left in lefts)),
            )


def _figures(found: Comparison) -> Iterator[Row]:
    for target in found.targets:
        for place, change in enumerate(target.figures):
            yield ("" if place else target.name, change.subject, *_moved(change))


def _moved(change: Change) -> tuple[str, str]:
    """`0.55 → 0.56` and `+0.01`."""
    if change.old is None or change.new is None:
        return f"{_number(change.old)} → {_number(change.new)}", ""
    old, new = _number(change.old), _number(change.new)
    if old == new:
        old, new = repr(change.old), repr(change.new)
    return f"{old} → {new}", f"{change.new - change.old:+.3g}"


def _remarks(found: Comparison) -> list[str]:
    """What has to be known to read the rest."""
    told = [f"note: {note}" for note in found.notes]
    told += _listed("the same bytes", [target for target in found.targets if target.state == "same"])
    olds, news = [(t, t.old) for t in found.targets], [(t, t.new) for t in found.targets]
    for side, lefts in ((found.old, olds), (found.new, news)):
        told += _listed(f"not up to date in {side}", [t for t, left in lefts if left and not left.is_current])
        told += _listed(f"not known of {side}", [t for t, left in lefts if t.state == "unknown" and left is None])
    return told


def _listed(heading: str, targets: Sequence[TargetChange]) -> list[str]:
    return [f"{heading}: {', '.join(target.name for target in targets)}"] if targets else []


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
