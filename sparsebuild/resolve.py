"""From what the manifest asks to what the lock answers: every request to its provider, unless it is pinned already."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sparsebuild.errors import SparsebuildError, UserError
from sparsebuild.layout import MANIFEST_NAME
from sparsebuild.lock import Difference, Lock, LockedSource, differences
from sparsebuild.manifest import Manifest, problem_at, read_text, split_source, written_in_full
from sparsebuild.providers import LOCAL, Context, Want, ensure, provider, scheme_of
from sparsebuild.registry import did_you_mean

__all__ = ["Request", "is_current", "recipe_text", "requests", "resolve"]


_TEACHER = "target:teacher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One source that the manifest asks for."""

    name: str  # of the source in the lock
    source: str  # with its scheme; several stand on lines of their own
    want: Want
    key_path: str  # where the manifest asks for it

    @property
    def kind(self) -> str:
        return f"{scheme_of(self.source)}-{self.want}"

    @property
    def question(self) -> tuple[str, str]:
        """What a pin answers, whatever its name."""
        return self.kind, self.source

    @property
    def is_local(self) -> bool:
        return scheme_of(self.source) in LOCAL


def requests(manifest: Manifest) -> tuple[Request, ...]:
    """All sources of a manifest that a build needs. Targets are none: this project builds them."""
    teacher, data = manifest.teacher, manifest.data
    trained = teacher.train if teacher and _TEACHER in (teacher.source, manifest.model.source) else None
    asked: list[tuple[str, str, Want, str | tuple[str, ...] | None]] = [
        ("model", "model.source", "model", manifest.model.source),
        ("teacher", "teacher.source", "model", teacher.source if teacher and teacher.source != "disable" else None),
        ("teacher.train", "teacher.train.from", "model", trained.from_ if trained else None),
        ("recipe", "recipe.source", "recipe", manifest.recipe.source if manifest.recipe else None),
        ("data.train", "data.train", "data", data.train),
        ("data.validation", "data.validation", "data", data.validation),
        ("data.test", "data.test", "data", data.test),
        ("data.unlabelled", "data.unlabelled", "data", data.unlabelled),
    ]
    return tuple(
        Request(name=name, source=_request_text(source), want=want, key_path=key_path)
        for name, key_path, want, source in asked
        if source is not None and not (isinstance(source, str) and split_source(source)[0] == "target")
    )


def resolve(manifest: Manifest, previous: Lock | None, context: Context, upgrade: Collection[str] = ()) -> Lock:
    """The lock that answers the manifest.

    A pin whose request did not change is kept without asking anyone, unless its source is named in `upgrade` ("*" names
    all). Local files are looked at every time. Raises SourceUnavailable or UserError, pointing at the manifest.
    """
    asked = requests(manifest)
    _check_names(upgrade, asked)
    known = _pins(previous, asked, upgrade)
    problems: list[SparsebuildError] = []
    sources = []
    for request in asked:
        try:
            # What was asked once is not asked again: `model` and `teacher.train` are often the same package.
            source = known.get(request.question) or _ask(request, context)
        except SparsebuildError as error:
            problems.append(_pointed(error, request, context))
            continue
        known[request.question] = source
        sources.append(replace(source, name=request.name))
    if problems:
        raise type(problems[0])(*(problem for error in problems for problem in error.problems))
    lock = Lock(sources=tuple(sorted(sources, key=lambda s: (s.kind, s.name))))
    if recipe := lock.source("recipe"):
        ensure(recipe, context)
    return lock


def is_current(manifest: Manifest, lock: Lock | None, context: Context) -> tuple[Difference, ...]:
    """What would change if the lock were made anew; nothing when it answers the manifest. Uses no network.

    Local files are hashed through the stat cache, so that nothing is read when nothing moved.
    """
    expected = []
    for request in requests(manifest):
        try:
            local = _ask(request, context) if request.is_local else None
        except SparsebuildError as error:
            raise _pointed(error, request, context) from None
        expected.append(local or _as_locked(request, lock.source(request.name) if lock else None))
    return differences(lock, Lock(sources=tuple(expected)))


def recipe_text(lock: Lock, context: Context) -> str | None:
    """The recipe's text, from the store; None when the lock has no recipe. Brings it again when the store lost it."""
    source = lock.source("recipe")
    if source is None:
        return None
    ensure(source, context)
    data = context.store.read_bytes(source.files[0].sha256)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"the recipe `{source.files[0].path}` is not UTF-8", hint="save it as UTF-8") from None


def _request_text(source: str | tuple[str, ...]) -> str:
    """A source as the lock says it; a list's order means nothing."""
    return written_in_full(source) if isinstance(source, str) else "\n".join(sorted(map(written_in_full, source)))


def _check_names(upgrade: Collection[str], asked: Collection[Request]) -> None:
    known = [request.name for request in asked]
    for name in upgrade:
        if name != "*" and name not in known:
            hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
            raise UserError(f"there is no source `{name}` to upgrade", hint=hint)


def _pins(
    previous: Lock | None, asked: Collection[Request], upgrade: Collection[str]
) -> dict[tuple[str, str], LockedSource]:
    """The answers that stand: those of the previous lock, but for local files and what is to be upgraded."""
    asked_anew = {r.question for r in asked if r.is_local or "*" in upgrade or r.name in upgrade}
    before = {(source.kind, source.request): source for source in previous.sources} if previous else {}
    return {question: source for question, source in before.items() if question not in asked_anew}


def _ask(request: Request, context: Context) -> LockedSource:
    found = provider(request.source).resolve(request.source, request.want, context)
    return LockedSource(
        name=request.name,
        kind=request.kind,
        request=request.source,
        version=found.version,
        commit=found.commit,
        files=found.files,
    )


def _as_locked(request: Request, locked: LockedSource | None) -> LockedSource:
    """What the lock would hold for a source that nobody may be asked about: its pin, under the request of now."""
    if locked:
        return replace(locked, kind=request.kind, request=request.source)
    return LockedSource(name=request.name, kind=request.kind, request=request.source, files=())


def _pointed(error: SparsebuildError, request: Request, context: Context) -> SparsebuildError:
    """The error with the key that asked, and its place in the manifest if that can still be read."""
    try:
        text = read_text(context.root / MANIFEST_NAME)
    except UserError:
        text = ""
    path = tuple(request.key_path.split("."))
    problems = [
        problem_at(text, path, f"`{request.key_path}`: {problem.message}", hint=problem.hint)
        for problem in error.problems
    ]
    return type(error)(*problems)
