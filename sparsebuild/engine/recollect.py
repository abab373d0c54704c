"""What the store knows of a graph that no project may have built here: another commit's, or one whose records are gone.

A question needs the digests of what is read, so the graph is walked in order: the record of an action tells what it
left, and that completes the questions of those that read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sparsebuild.engine import outputs
from sparsebuild.engine.action import Action
from sparsebuild.engine.fingerprint import document, fingerprint
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.record import Record
from sparsebuild.engine.store import Store

__all__ = ["recollect"]


def recollect(graph: Graph, store: Store) -> Mapping[str, Record | None]:
    """The answer that the store has for each action.

    None where its question was never answered here, with the libraries of now; where an output is no longer in the
    store; and where that is so for something that it reads.
    """
    known: dict[str, Record | None] = {}
    for action in graph:
        known[action.name] = _recall(action, known, store)
    return known


def _recall(action: Action, known: Mapping[str, Record | None], store: Store) -> Record | None:
    seen = {}
    for given in action.inputs:
        upstream = known[given.action]
        files = outputs.read(upstream.outputs, given.path) if upstream else ()
        if not files:
            return None
        seen[given.name] = files
    question = document(action, {name: outputs.digest(files) for name, files in seen.items()})
    record = store.recall(fingerprint(question))
    return replace(record, inputs=seen) if record else None
