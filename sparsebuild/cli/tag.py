"""`sparsebuild try`: mark the entities of a text with the model that was built."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from sparsebuild.cli.options import Json, ProjectFolder, Variant

if TYPE_CHECKING:
    from sparsebuild.exporters.predict import Predictor
    from sparsebuild.ui.entities import Entity

__all__ = ["tag", "word_spans"]

# Addresses, names and tags of social media, abbreviations with dots, numbers, words with their hyphens, what is left
# of `don't` and `Ada's` after its word, and any other sign by itself.
_WORD = re.compile(r"https?://\S+|[@#]\w+|(?:[^\W\d_]\.){2,}|\d+(?:[.,:]\d+)+|\w+(?:-\w+)*|['’]\w+|[^\w\s]")

_STUDENT, _TEACHER = "student", "teacher"


def tag(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="A sentence; each argument is one. Without any, stdin is read."),
    ] = None,
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="Read sentences from FILE, one a line; `-` is stdin.")
    ] = "",
    compare: Annotated[
        bool, typer.Option("--compare", help="Ask the teacher too, and show the sentences where the two differ.")
    ] = False,
    variant: Variant = "",
    project: ProjectFolder = Path(),
    as_json: Json = False,
) -> None:
    """Mark the entities in TEXT, a file or stdin with the exported model."""
    folder = _promoted(project, variant)
    sentences = _sentences(texts or (), file)
    models = _models(project, variant, folder, compare)
    if caution := models[_STUDENT].caution:
        sys.stderr.write(f"warning: {caution}\n")
    found = (_tagged(text, number, models) for number, text in enumerate(sentences, 1))
    if as_json:
        from sparsebuild.cli.output import write_document

        write_document({"texts": [_document(one, compare) for one in found]})
    elif compare:
        _show_differences(found, next(iter(models.values())).labels)
    else:
        from sparsebuild.ui import entities

        for one in found:
            entities.show(one.text, one.entities(_STUDENT), sys.stdout, _kinds(models[_STUDENT].labels))


def word_spans(text: str) -> list[tuple[int, int]]:
    """The words of `text`, each as the characters from its start to its end."""
    return [match.span() for match in _WORD.finditer(text)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tagged:
    """A sentence, and what was said of its words."""

    text: str
    words: Sequence[tuple[int, int]]
    tags: Mapping[str, Sequence[str]]  # by who said it
    unread: int  # words at its end that no model saw

    def entities(self, who: str) -> list[Entity]:
        from sparsebuild.tasks.entities import spans
        from sparsebuild.ui.entities import Entity

        places = spans(self.tags[who])
        found = (Entity(kind=kind, start=self.words[a][0], end=self.words[b][1]) for kind, a, b in places)
        return sorted(found, key=lambda entity: entity.start)

    @property
    def differs(self) -> bool:
        return self.entities(_STUDENT) != self.entities(_TEACHER)


def _tagged(text: str, number: int, models: Mapping[str, Predictor]) -> _Tagged:
    """What the models say of a sentence; a warning where they do not read all of it, the same words for each."""
    words = word_spans(text)
    said = [text[start:end] for start, end in words]
    found = {who: model.read(said) for who, model in models.items()}
    _, unread = found[_STUDENT]
    if unread:
        told = "1 word at its end was" if unread == 1 else f"{unread:,} words at its end were"
        most = models[_STUDENT].longest
        sys.stderr.write(f"warning: sentence {number}: {told} not read: the model reads {most} pieces\n")
    return _Tagged(text=text, words=words, tags={who: tags for who, (tags, _) in found.items()}, unread=unread)


# ---- what is asked, and of whom


def _sentences(texts: Sequence[str], file: str) -> Iterator[str]:
    """The arguments, then the lines of the file, or of stdin where there is neither; empty lines are none."""
    from sparsebuild.errors import UserError

    if not texts and not file and sys.stdin.isatty():
        raise UserError("there is no text", hint='give it: sparsebuild try "Ada wrote to Charles", or `--file FILE`')
    stream = _opened(file) if file or not texts else None
    return _lines(texts, stream)


def _lines(texts: Sequence[str], stream: TextIO | None) -> Iterator[str]:
    from sparsebuild.errors import UserError

    yield from texts
    if stream:
        with stream:
            try:
                yield from (line.rstrip("\r\n") for line in stream if line.strip())
            except UnicodeDecodeError:
                raise UserError(f"`{stream.name}` is not UTF-8", hint="save it as UTF-8 in your editor") from None


def _opened(file: str) -> TextIO:
    from sparsebuild.errors import UserError

    try:
        if file in ("", "-"):
            return open(0, encoding="utf-8-sig", closefd=False)
        return Path(file).open(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"`{file}` cannot be read: {error.strerror}") from None


def _promoted(project: Path, variant: str) -> Path:
    from sparsebuild.cli.results import DEPLOYMENT
    from sparsebuild.errors import UserError
    from sparsebuild.layout import built

    if variant:  # or a misspelt name would be a folder that is not there
        from sparsebuild.cli.project import check_variant, open_project

        check_variant(open_project(project), variant)
    folder = project / built(DEPLOYMENT, variant)
    if not (folder / "model.onnx").is_file():
        hint = f"build it: sparsebuild run{f' gate@{variant}' if variant else ''}"
        raise UserError(f"there is no model to try: `{folder}` holds no model.onnx", hint=hint)
    return folder


def _models(project: Path, variant: str, folder: Path, compare: bool) -> dict[str, Predictor]:
    from sparsebuild.exporters import predict

    if not compare:
        return {_STUDENT: predict.load(folder)}
    teacher = _teacher(project, variant)
    return {_TEACHER: predict.load_trained(teacher, folder), _STUDENT: predict.load(folder)}


def _teacher(project: Path, variant: str) -> Path:
    """The folder of the teacher's weights; UserError where the project has none, or did not build it yet."""
    from sparsebuild.cli.forecast import known
    from sparsebuild.cli.project import graph, open_project
    from sparsebuild.errors import UserError

    whole = graph(known(open_project(project)))
    given = next((i for i in whole[f"eval@{variant}" if variant else "eval"].inputs if i.name == "teacher"), None)
    if given is None:
        raise UserError("this project has no teacher to compare with", hint="sparse.toml names one under `[teacher]`")
    folder = project / whole[given.action].folder / given.path
    if not (folder / "config.json").is_file():
        raise UserError(f"the teacher is not here: {folder}", hint=f"build it: sparsebuild run {given.action}")
    return folder


# ---- what comes of it


def _show_differences(found: Iterable[_Tagged], labels: Sequence[str]) -> None:
    from sparsebuild.ui import entities
    from sparsebuild.ui.figures import count

    kinds = _kinds(labels)
    total = different = 0
    for one in found:
        total += 1
        if one.differs:
            different += 1
            for who in (_TEACHER, _STUDENT):
                entities.show(one.text, one.entities(who), sys.stdout, kinds, before=f"{who}  ")
            sys.stdout.write("\n")
    sys.stdout.write(f"teacher and student differ in {different} of {count(total, 'sentence')}\n")


def _kinds(labels: Sequence[str]) -> list[str]:
    """The types of entities that a model knows: each has one colour, whatever else is in a sentence."""
    return sorted({label[2:] for label in labels if label[:2] in ("B-", "I-")})


def _document(one: _Tagged, compare: bool) -> dict[str, Any]:
    words = [one.text[a:b] for a, b in one.words]
    marked = {"text": one.text, "entities": _entities(one, _STUDENT), "words": words}
    ours = {**marked, "tags": list(one.tags[_STUDENT]), "unread": one.unread}
    if not compare:
        return ours
    theirs = {"entities": _entities(one, _TEACHER), "tags": list(one.tags[_TEACHER])}
    return {**ours, "teacher": theirs, "differs": one.differs}


def _entities(one: _Tagged, who: str) -> list[dict[str, Any]]:
    return [
        {"type": found.kind, "text": one.text[found.start : found.end], "start": found.start, "end": found.end}
        for found in one.entities(who)
    ]
