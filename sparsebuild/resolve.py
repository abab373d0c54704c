"""From what the manifest asks to what the lock answers: every request to its provider, unless it is pinned already."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from urllib.parse import parse_qsl, quote

from sparsebuild.errors import SparsebuildError, UserError
from sparsebuild.layout import MANIFEST_NAME
from sparsebuild.lock import Difference, Lock, LockedSource, differences, names_fault
from sparsebuild.manifest import Manifest, Written, problem_at, read_text, split_source, written_in_full
from sparsebuild.providers import LOCAL, Context, NoSuchSplit, Resolution, Want, ensure, provider, scheme_of
from sparsebuild.providers.file import located
from sparsebuild.reading import read_small
from sparsebuild.registry import did_you_mean

__all__ = [
    "Request",
    "answering",
    "asks_otherwise",
    "is_current",
    "recipe_source",
    "recipe_text",
    "requests",
    "resolve",
]


_TEACHER = "target:teacher"
_LARGEST_RECIPE = 1_000_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One source that the manifest asks for."""

    name: str  # of the source in the lock
    source: str  # with its scheme; several stand on lines of their own
    want: Want
    key_path: str  # where the manifest asks for it
    trust: str = ""  # "pickle" where the manifest says so
    is_optional: bool = False  # of a dataset that may have no such split; it is then locked without files

    @property
    def kind(self) -> str:
        return f"{scheme_of(self.source)}-{self.want}"

    @property
    def question(self) -> tuple[str, str, str]:
        """What a pin answers, whatever its name."""
        return self.kind, self.source, self.trust

    @property
    def is_local(self) -> bool:
        return scheme_of(self.source) in LOCAL


def requests(manifest: Manifest) -> tuple[Request, ...]:
    """All sources of a manifest that a build needs. Targets are none: this project builds them.

    What `[sources.zoo]` puts in the place of a stub is what is asked for, so that changing it is a change.
    """
    instead = {written_in_full(stub): source for stub, source in manifest.sources.zoo.items()}
    return tuple(
        replace(request, source=_request_text(instead[request.source])) if request.source in instead else request
        for request in (*_models(manifest), *_recipe(manifest), *_data(manifest))
    )


def _models(manifest: Manifest) -> Iterator[Request]:
    teacher = manifest.teacher
    trained = teacher.train if teacher and _TEACHER in (teacher.source, manifest.model.source) else None
    ready = teacher if teacher and teacher.source not in ("disable", "self") else None
    asked = [
        ("model", "model.source", manifest.model.source, manifest.model.trust),
        ("teacher", "teacher.source", ready.source if ready else None, ready.trust if ready else None),
        ("teacher.train", "teacher.train.from", trained.from_ if trained else None, trained.trust if trained else None),
    ]
    for name, key_path, source, trust in asked:
        if source is not None and split_source(source)[0] != "target":
            yield Request(name=name, source=_request_text(source), want="model", key_path=key_path, trust=trust or "")


def _recipe(manifest: Manifest) -> Iterator[Request]:
    """The project's recipe, and of each variant that has another one, that."""
    known = manifest.recipe.source if manifest.recipe else None
    if known is not None:
        yield Request(name="recipe", source=_request_text(known), want="recipe", key_path="recipe.source")
    for name, variant in manifest.variant.items():
        if variant.recipe and variant.recipe.source != known:
            source, key_path = _request_text(variant.recipe.source), f"variant.{name}.recipe.source"
            yield Request(name=f"recipe.{name}", source=source, want="recipe", key_path=key_path)


def recipe_source(lock: Lock, variant: str = "") -> LockedSource | None:
    """The recipe of the project, or of a variant: its own, where it has one."""
    return (lock.source(f"recipe.{variant}") if variant else None) or lock.source("recipe")


def _data(manifest: Manifest) -> Iterator[Request]:
    """Each split from its own key, or else out of `data.source`."""
    data = manifest.data
    own = {"train": data.train, "validation": data.validation, "test": data.test, "unlabelled": data.unlabelled}
    for split, source in own.items():
        if source is not None:
            text = _of_split(_request_text(source), data.config, split if split != "unlabelled" else "")
            yield Request(name=f"data.{split}", source=text, want="data", key_path=f"data.{split}")
        elif data.source and not (split == "unlabelled" or (split == "validation" and data.validation_fraction)):
            yield Request(
                name=f"data.{split}",
                source=_of_split(_request_text(data.source), data.config, split),
                want="data",
                key_path="data.source",
                is_optional=split == "test",
            )


def resolve(
    manifest: Manifest,
    previous: Lock | None,
    context: Context,
    upgrade: Collection[str] = (),
    mixed: Collection[str] = (),
) -> Lock:
    """The lock that answers the manifest.

    A pin whose request did not change is kept without asking anyone, unless its source is named in `upgrade`: by its
    name, by what stands before a dot of it ("data"), or with all others ("*"). Local files are looked at every time.
    Pins of `mixed`, which a merge put together, are refused. Raises SourceUnavailable or UserError, pointing at the
    manifest.
    """
    asked = requests(manifest)
    anew = _named(upgrade, asked)
    pins = _Pins([previous] if previous else [])
    _refuse_mixed([r.name for r in asked if r.name in mixed and not (r.is_local or r.name in anew) and pins.of(r)])
    answers: dict[tuple[str, str, str], LockedSource] = {}
    problems: list[SparsebuildError] = []
    sources = []
    for request in asked:
        pin = pins.of(request)
        if pin and not (request.is_local or request.name in anew):
            sources.append(pin)
            continue
        try:
            # What was asked once is not asked again: `model` and `teacher.train` are often the same package.
            found = answers.get(request.question) or _ask(request, context)
        except SparsebuildError as error:
            problems.append(_pointed(error, request, context))
            continue
        answers[request.question] = found
        sources.append(_unless_same(replace(found, name=request.name), pin))
    if problems:
        told = dict.fromkeys(problem for error in problems for problem in error.problems)  # once for all splits
        raise type(problems[0])(*told)
    lock = _lock(sources, previous)
    for source in lock.sources:
        if source.is_recipe and scheme_of(source.request) not in LOCAL:
            ensure(source, context)
    return lock


def is_current(manifest: Manifest, lock: Lock | None, context: Context) -> tuple[Difference, ...]:
    """What would change if the lock were made anew; nothing when it answers the manifest. Uses no network.

    Local files are hashed through the stat cache, so that nothing is read when nothing moved. What is to be said of a
    source is said when it is locked.
    """
    expected = []
    context = replace(context, report=lambda sentence: None)
    for request in requests(manifest):
        try:
            local = _ask(request, context) if request.is_local else None
        except SparsebuildError as error:
            raise _pointed(error, request, context) from None
        pin = lock.source(request.name) if lock else None
        expected.append(_unless_same(local, pin) if local else _as_locked(request, pin))
    return differences(lock, Lock(sources=tuple(expected)))


def asks_otherwise(manifest: Manifest, lock: Lock) -> tuple[Difference, ...]:
    """Where the manifest asks for something else than the lock answers; what local files are now is not looked at."""
    return differences(lock, _lock([_as_locked(r, lock.source(r.name)) for r in requests(manifest)], lock))


def answering(manifest: Manifest, locks: Sequence[Lock]) -> Lock:
    """The pins of `locks` that answer what the manifest asks; of several for one source that of the earliest lock."""
    pins = _Pins(locks)
    found = [pin for request in requests(manifest) if (pin := pins.of(request))]
    return _lock(found, locks[0] if locks else None)


def recipe_text(lock: Lock, context: Context, variant: str = "") -> str | None:
    """The recipe's text, from the store; None when the lock has no recipe. Brings it again when the store lost it."""
    source = recipe_source(lock, variant)
    if source is None:
        return None
    try:
        return _recipe_bytes(source, context).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"the recipe `{source.files[0].path}` is not UTF-8", hint="save it as UTF-8") from None


def _recipe_bytes(source: LockedSource, context: Context) -> bytes:
    """A local recipe is read where it stands, so that looking at a project leaves nothing in the cache."""
    if scheme_of(source.request) in LOCAL and not context.store.has(source.files[0].sha256):
        with suppress(SparsebuildError, OSError):
            data = read_small(located(source, context.root)[source.files[0].path], _LARGEST_RECIPE)
            if sha256(data).hexdigest() == source.files[0].sha256:
                return data
    from sparsebuild.engine.store import Damaged

    ensure(source, context)
    try:
        return context.store.read_bytes(source.files[0].sha256)
    except Damaged:  # which is gone with that
        ensure(source, context)
        return context.store.read_bytes(source.files[0].sha256)


def _request_text(source: str | tuple[str, ...]) -> str:
    """A source as the lock says it; a list's order means nothing."""
    return written_in_full(source) if isinstance(source, str) else "\n".join(sorted(map(written_in_full, source)))


def _of_split(source: str, config: str | None, split: str) -> str:
    """A dataset of the Hub with the config and the split that its key means; what it says itself stands."""
    address, mark, inner = source.partition("#")
    if scheme_of(source) != "hf":
        return source
    said = address.partition("?")[2].split("&")
    asked = {"config": config or "", "split": "" if inner else split}
    added = {key: value for key, value in asked.items() if value and not any(s.startswith(f"{key}=") for s in said)}
    new = [f"{key}={_in_query(value)}" for key, value in added.items()]
    query = "&".join(filter(None, [*said, *new]))
    return address.partition("?")[0] + (f"?{query}" if query else "") + mark + inner


def _in_query(value: str) -> str:
    """A value as it is read in a query: as it is wherever that does, so that a pin still answers."""
    reads_as_it_is = parse_qsl(f"value={value}") == [("value", value)] and "#" not in value
    return value if reads_as_it_is else quote(value, safe="")


def _named(upgrade: Collection[str], asked: Collection[Request]) -> set[str]:
    """The sources that `upgrade` means."""
    known = [request.name for request in asked]
    found: set[str] = set()
    for word in upgrade:
        named = {name for name in known if word == "*" or f"{name}.".startswith(f"{word}.")}
        if not named and word != "*":
            hint = did_you_mean(word, known) or f"there are: {', '.join(known)}"
            raise UserError(f"there is no source `{word}` to upgrade", hint=hint)
        found |= named
    return found


def _refuse_mixed(names: Sequence[str]) -> None:
    """Raise UserError for pins that a merge put together out of two: no commit has such files."""
    if names:
        listed = ", ".join(f"`{name}`" for name in names)
        raise UserError(
            f"the merge conflict in sparse.lock is within {listed}: what stands there may be of both sides",
            hint=f"run `sparsebuild lock --upgrade {' '.join(names)}`, or take one side's sparse.lock whole",
        )


class _Pins:
    """The answers of earlier locks: each source keeps its own, and a new one takes what answers the same question."""

    def __init__(self, locks: Sequence[Lock]) -> None:
        self._own: dict[tuple[str, tuple[str, str, str]], LockedSource] = {}
        self._any: dict[tuple[str, str, str], LockedSource] = {}
        for source in (source for lock in locks for source in lock.sources):
            self._own.setdefault((source.name, source.answers), source)
            self._any.setdefault(source.answers, source)

    def of(self, request: Request) -> LockedSource | None:
        found = self._own.get((request.name, request.question)) or self._any.get(request.question)
        return replace(found, name=request.name) if found else None


def _lock(sources: Collection[LockedSource], previous: Lock | None) -> Lock:
    """A lock of `sources`, with what another version of us wrote into the previous one."""
    ordered = tuple(sorted(sources, key=lambda s: (s.kind, s.name)))
    return Lock(sources=ordered, extra=previous.extra if previous else ())


def _unless_same(found: LockedSource, pin: LockedSource | None) -> LockedSource:
    """What was found; if it is what was pinned, the pin, with all that another version of us wrote there."""
    if pin is None:
        return found
    plain = replace(pin, extra=(), files=tuple(replace(file, extra=()) for file in pin.files))
    return pin if found == plain else found


def _ask(request: Request, context: Context) -> LockedSource:
    try:
        found = provider(request.source).resolve(request.source, request.want, replace(context, trust=request.trust))
    except NoSuchSplit:
        if not request.is_optional:
            raise
        found = Resolution(files=())
    if fault := names_fault(file.path for file in found.files):
        raise UserError(f"the files of `{request.source}` cannot be locked: {fault}", hint="rename one where they are")
    return LockedSource(
        name=request.name,
        kind=request.kind,
        request=request.source,
        resolved=found.resolved,
        trust=request.trust,
        version=found.version,
        commit=found.commit,
        licence=found.licence,
        labels=found.labels,
        files=found.files,
    )


def _as_locked(request: Request, locked: LockedSource | None) -> LockedSource:
    """What the lock would hold for a source that nobody may be asked about: its pin, under the request of now."""
    if locked:
        return replace(locked, kind=request.kind, request=request.source, trust=request.trust)
    return LockedSource(name=request.name, kind=request.kind, request=request.source, trust=request.trust, files=())


def _pointed(error: SparsebuildError, request: Request, context: Context) -> SparsebuildError:
    """The error with the key that asked, and its place in the manifest if that can still be read."""
    written = context.written or _written(context)
    path = tuple(request.key_path.split("."))
    problems = [
        problem_at(written, path, f"`{request.key_path}`: {problem.message}", hint=problem.hint)
        for problem in error.problems
    ]
    return type(error)(*problems)


def _written(context: Context) -> Written:
    try:
        return Written(text=read_text(context.root / MANIFEST_NAME))
    except UserError:
        return Written()
