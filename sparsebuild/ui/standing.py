"""How targets stand: the table of `status`, and the sentences of `why`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.table import Table
from rich.text import Text

from sparsebuild.engine.explain import Decision
from sparsebuild.events import Verdict
from sparsebuild.ui.figures import count
from sparsebuild.ui.terminal import console, words

__all__ = ["show_all", "show_one"]

_SIGNS: dict[Verdict, tuple[str, str, str]] = {
    "fresh": ("✓", "green", "up to date"),
    "stale": ("→", "yellow", "has to run"),
    "may-run": ("?", "cyan", "may have to run"),
}


def show_all(decisions: Sequence[Decision], stream: TextIO) -> None:
    """Write a row for each target, and how many are up to date."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    for decision in decisions:
        sign, style, said = _SIGNS[decision.verdict]
        more = len(decision.reasons) - 1
        why = _sentences(decision)[0] if _sentences(decision) else ""
        table.add_row(
            Text(sign, style),
            words(decision.action, "bold"),
            Text(said, style),
            words(why + (f" (+{more})" if more > 0 else "")),
        )
    out = console(stream)
    out.print(table)
    fresh = sum(decision.verdict == "fresh" for decision in decisions)
    out.print(Text(f"{fresh} of {count(len(decisions), 'target')} up to date"))


def show_one(decision: Decision, stream: TextIO) -> None:
    """Write all that is known of one target."""
    sign, style, said = _SIGNS[decision.verdict]
    told = Text.assemble((f"{sign} ", style), words(decision.action, "bold"), " ", (said, style))
    for sentence in _sentences(decision):
        told.append("\n  ").append(words(sentence))
    console(stream).print(told, soft_wrap=True)


def _sentences(decision: Decision) -> list[str]:
    told = [str(reason) for reason in decision.reasons]
    if decision.verdict == "may-run":
        told.append(f"that rests on what {', '.join(f'`{name}`' for name in decision.waiting_for)} will leave")
    return told
