"""`sparsebuild try`: mark the entities of a text with the model that was built."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsebuild.cli.options import Json, ProjectFolder

if TYPE_CHECKING:
    from sparsebuild.ui.entities import Entity

__all__ = ["tag", "word_spans"]

# Addresses, names and tags of social media, abbreviations with dots, numbers, words with their hyphens, what is left
# of `don't` and `Ada's` after its word, and any other sign by itself.
_WORD = re.compile(r"https?://\S+|[@#]\w+|(?:[^\W\d_]\.){2,}|\d+(?:[.,:]\d+)+|\w+(?:-\w+)*|['’]\w+|[^\w\s]")


def tag(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT", help="A sentence; each argument is one.")],
    project: ProjectFolder = Path(),
    as_json: Json = False,
) -> None:
    """Mark the entities in TEXT with the exported model."""
    from sparsebuild.cli.output import write_document

    found = _tagged(texts, project)
    if as_json:
        write_document({"texts": [_document(text, words, tags) for text, words, tags in found]})
        return
    from sparsebuild.ui import entities

    for text, words, tags in found:
        entities.show(text, _entities(words, tags), sys.stdout)


def word_spans(text: str) -> list[tuple[int, int]]:
    """The words of `text`, each as the characters from its start to its end."""
    return [match.span() for match in _WORD.finditer(text)]


def _tagged(texts: Sequence[str], project: Path) -> list[tuple[str, list[tuple[int, int]], list[str]]]:
    folder = _promoted(project)
    from sparsebuild.exporters import predict

    predictor = predict.load(folder)
    found = []
    for text in texts:
        spans = word_spans(text)
        tags = predictor.tag([text[start:end] for start, end in spans]) if spans else []
        found.append((text, spans, tags))
    return found


def _promoted(project: Path) -> Path:
    from sparsebuild.cli.results import DEPLOYMENT
    from sparsebuild.errors import UserError

    folder = project / DEPLOYMENT
    if not (folder / "model.onnx").is_file():
        raise UserError(f"there is no model to try: `{folder}` holds no model.onnx", hint="build it: sparsebuild run")
    return folder


def _entities(words: Sequence[tuple[int, int]], tags: Sequence[str]) -> list[Entity]:
    from sparsebuild.tasks.entities import spans
    from sparsebuild.ui.entities import Entity

    found = (Entity(kind=kind, start=words[first][0], end=words[last][1]) for kind, first, last in spans(tags))
    return sorted(found, key=lambda entity: entity.start)


def _document(text: str, words: Sequence[tuple[int, int]], tags: Sequence[str]) -> dict[str, Any]:
    entities = [
        {"type": entity.kind, "text": text[entity.start : entity.end], "start": entity.start, "end": entity.end}
        for entity in _entities(words, tags)
    ]
    return {"text": text, "entities": entities, "words": [text[a:b] for a, b in words], "tags": list(tags)}
