"""A sentence with its entities marked: by colour on a terminal, by brackets elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.text import Text

from sparsebuild.ui.inert import inert, one_line
from sparsebuild.ui.terminal import console

__all__ = ["Entity", "bracketed", "coloured", "show"]

_STYLES = ("black on bright_green", "black on bright_cyan", "black on bright_yellow", "black on bright_magenta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A stretch of a text: characters `start` to `end`, the end not included."""

    kind: str  # "person"
    start: int
    end: int


def show(text: str, entities: Sequence[Entity], stream: TextIO, kinds: Sequence[str] = (), *, before: str = "") -> None:
    """Write `text` on a line of its own after `before`, its entities marked; `kinds` in order have their colours."""
    out = console(stream)
    if out.is_terminal and out.color_system:
        out.print(Text.assemble((before, "dim"), coloured(text, entities, kinds)), soft_wrap=True)
    else:
        out.print(Text(before + bracketed(text, entities)), soft_wrap=True)


def bracketed(text: str, entities: Sequence[Entity]) -> str:
    """`[person Ada Lovelace] wrote …`."""
    told, at = "", 0
    for entity in sorted(entities, key=lambda e: e.start):
        told += f"{inert(text[at : entity.start])}[{one_line(entity.kind)} {inert(text[entity.start : entity.end])}]"
        at = entity.end
    return told + inert(text[at:])


def coloured(text: str, entities: Sequence[Entity], kinds: Sequence[str] = ()) -> Text:
    """The entities on a ground of their kind's colour, with the kind after them in small words."""
    kinds = [*kinds, *sorted({entity.kind for entity in entities} - set(kinds))]
    told, at = Text(), 0
    for entity in sorted(entities, key=lambda e: e.start):
        style = _STYLES[kinds.index(entity.kind) % len(_STYLES)]
        told.append(inert(text[at : entity.start]))
        told.append(f" {inert(text[entity.start : entity.end])} ", style).append(f" {one_line(entity.kind)}", "dim")
        at = entity.end
    return told.append(inert(text[at:]))
