"""A graph of targets as text, and in the languages of programs that draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from sparsebuild.engine.action import Action
from sparsebuild.ui.inert import inert

__all__ = ["dot", "mermaid", "show"]


def show(actions: Sequence[Action], stream: TextIO) -> None:
    """Write a line for each target, in order: its name, and what it reads of which others."""
    width = max((len(action.name) for action in actions), default=0)
    for action in actions:
        reads = ", ".join(_reads(action))
        stream.write(inert(f"{action.name:<{width}}  ← {reads}" if reads else action.name) + "\n")


def mermaid(actions: Sequence[Action]) -> str:
    """The graph in the language of Mermaid, which GitHub draws in Markdown."""
    ids = _ids(actions)
    lines = [f'  {ids[action.name]}["{action.name}"]' for action in actions]
    lines += [f"  {ids[upstream]} --> {ids[name]}" for upstream, name in _edges(actions)]
    return "\n".join(["flowchart TD", *lines]) + "\n"


def dot(actions: Sequence[Action]) -> str:
    """The graph in the language of Graphviz."""
    lines = [f'  "{action.name}";' for action in actions]
    lines += [f'  "{upstream}" -> "{name}";' for upstream, name in _edges(actions)]
    return "\n".join(["digraph {", "  node [shape=box];", *lines, "}"]) + "\n"


def _reads(action: Action) -> Iterator[str]:
    """`prepare (labels.json, train)`: another target, and what of it is read where that is not all."""
    paths: dict[str, list[str]] = {}
    for given in action.inputs:
        paths.setdefault(given.action, []).append(given.path)
    for name, read in paths.items():
        yield name if "" in read else f"{name} ({', '.join(read)})"


def _edges(actions: Sequence[Action]) -> Iterator[tuple[str, str]]:
    for action in actions:
        for upstream in dict.fromkeys(given.action for given in action.inputs):
            yield upstream, action.name


def _ids(actions: Sequence[Action]) -> dict[str, str]:
    """Names that Mermaid takes: it gives a meaning to `@` and brackets, and to the word `end`."""
    return {action.name: f"t{number}" for number, action in enumerate(actions)}
