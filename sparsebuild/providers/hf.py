"""`hf:org/name[@revision][?config=…&split=…][#path]`: models, datasets and recipes of the Hugging Face Hub.

Locking asks for the commit and the listing; the sha256 of large files stands in it, small files are downloaded and
hashed. Bringing looks in the user's own Hub cache first, and downloads several files at once, each from where an
earlier try stopped. What was asked for by a commit is the same for ever; the sha256 says whether it still is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from urllib.parse import parse_qsl

from sparsebuild.digest import file_digest
from sparsebuild.engine.store import Damaged
from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource, names_fault, path_fault
from sparsebuild.providers import hub_cache, listings, splits
from sparsebuild.providers.base import Context, Resolution, Want, hash_mismatch, not_here
from sparsebuild.providers.download import alone
from sparsebuild.providers.hub import Gone, Hub, Listing, Repository, git_name, is_hub_offline
from sparsebuild.providers.parallel import Teller, in_parallel
from sparsebuild.providers.weights import CONFIGS, models, needed, refuse_code
from sparsebuild.registry import did_you_mean

__all__ = ["HfProvider", "HubRequest"]

_REQUEST = re.compile(
    r"hf:(?:(?P<kind>datasets|models)/(?=[^/]+/))?"
    r"(?P<name>[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)?)"
    r"(?:@(?P<revision>[^?#]+))?(?:\?(?P<query>[^#]*))?(?:#(?P<inner>.*))?"
)

# Datasets that people know by a name without an organisation. Theirs were scripts, which nothing runs any more.
_MOVED = {
    "conll2003": "lhoestq/conll2003",
    "wnut_17": "leondz/wnut_17",
    "wnut17": "leondz/wnut_17",
    "conll2002": "eriktks/conll2002",
    "glue": "nyu-mll/glue",
    "imdb": "stanfordnlp/imdb",
    "squad": "rajpurkar/squad",
    "squad_v2": "rajpurkar/squad_v2",
    "sst2": "stanfordnlp/sst2",
}

_RECIPES = (".yaml", ".yml", ".md")
_SAFER = "refs/pr/1"  # where the Hub's bot offers safetensors to repositories that have none
_AT_ONCE = 4  # downloads
_ONLINE = "run once without `--offline`, and without HF_HUB_OFFLINE"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRequest:
    """What an `hf:` request asks for."""

    name: str
    kind: str  # "datasets", "models", or empty: what it is wanted for says
    revision: str  # empty: main
    config: str
    split: str
    inner: str  # a folder or file of the repository; empty for all of it

    @classmethod
    def parse(cls, request: str) -> HubRequest:
        """Raises UserError for what cannot be asked."""
        match = _REQUEST.fullmatch(request)
        query = dict(parse_qsl(match["query"] or "", keep_blank_values=True)) if match else {}
        if not match or ".." in match["name"] or set(query) - {"config", "split"}:
            raise UserError(
                f"`{request}` is not a repository of the Hub",
                hint="write it as `hf:ORG/NAME`, `hf:ORG/NAME@REVISION#FOLDER`, or for rows `hf:ORG/NAME?split=train`",
            )
        inner = (match["inner"] or "").strip("/")
        for part in filter(None, (inner, match["revision"])):
            if fault := path_fault(part):
                raise UserError(f"`{part}` in `{request}` cannot be asked for: {fault}")
        return cls(
            name=match["name"],
            kind=match["kind"] or "",
            revision=match["revision"] or "",
            config=query.get("config", ""),
            split=query.get("split", ""),
            inner=inner,
        )

    def repository(self, want: Want) -> Repository:
        is_data = self.kind == "datasets" or (want == "data" and self.kind != "models")
        return Repository(kind="dataset" if is_data else "model", name=self.name)


class HfProvider:
    """Repositories of the Hub that the user's environment names."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        asked = HubRequest.parse(request)
        try:
            at = _At(asked.repository(want), asked.revision or "main", context)
        except Gone as error:
            at = _moved(asked, want, context, error)
        find = {"model": _model, "data": _data, "recipe": _recipe}[want]
        try:
            found = find(asked, at)
        except UserError as error:
            problems = [replace(p, message=f"`{at.repository}`: {p.message}") for p in error.problems]
            raise type(error)(*problems) from None
        if fault := names_fault(found.files):
            raise SourceUnavailable(f"`{at.repository}` cannot be locked: {fault}")
        found.at.refuse_missing(found.files.values())
        resolved = f"hf:{at.repository}@{found.at.revision}"
        same = (asked.name, asked.revision or "main") == (at.repository.name, found.at.revision)
        return Resolution(
            resolved="" if same else resolved,
            commit=found.at.commit,
            licence=at.licence,
            labels=found.labels,
            files=tuple(found.at.locked(path, name) for name, path in sorted(found.files.items())),
        )

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        asked = HubRequest.parse(source.resolved or source.request)
        place = HubRequest.parse(source.request)
        want: Want = "data" if source.kind.endswith("-data") else "model"
        repository = replace(place, name=asked.name).repository(want)
        missing = [f for f in files if not _from_cache(repository, source, place, f, context)]
        if missing and (context.offline or is_hub_offline()):
            raise not_here(source, missing, "" if context.offline else "run once without HF_HUB_OFFLINE")
        if missing:
            _download(repository, source, place, missing, context)


# ---- what a revision is


class _At:
    """A repository at a commit: as the Hub lists it or, offline, as it did when it was last asked."""

    def __init__(self, repository: Repository, revision: str, context: Context) -> None:
        self.revision, self.context = revision, context
        self._hub = None if context.offline or is_hub_offline() else Hub(context.report)
        if self._hub:
            self._listing = self._hub.listing(repository, revision)
            hub_cache.remember(self._listing.repository, revision, self._listing.commit)
            listings.keep(context.temporary, self._listing)
        else:
            self._listing = _listed(repository, revision, context)
        self.repository, self.commit = self._listing.repository, self._listing.commit
        self.licence = self._listing.licence

    @property
    def paths(self) -> list[str]:
        return sorted(self._listing.files)

    def another(self, revision: str) -> _At:
        return _At(self.repository, revision, self.context)

    def read(self, path: str) -> bytes:
        """The bytes of a small file."""
        try:
            return self.context.store.read_bytes(self.locked(path, path).sha256)
        except Damaged:  # which is gone with that
            return self.context.store.read_bytes(self.locked(path, path).sha256)

    def locked(self, path: str, name: str) -> LockedFile:
        """A file as the lock says it. One whose sha256 is not listed is downloaded for it, into the store."""
        if fault := path_fault(name):
            raise SourceUnavailable(f"`{self.repository}` holds {name!r}: {fault}")
        remote = self._listing.files[path]
        sha256 = remote.sha256 or self._small(path)
        return LockedFile(path=name, size=remote.size, sha256=sha256)

    def refuse_missing(self, paths: Iterable[str]) -> None:
        """Raise SourceUnavailable for files that would have to be downloaded, when nobody may be asked."""
        missing = [path for path in paths if not self._listing.files[path].sha256 and self._here(path) is None]
        if missing and self._hub is None:
            raise SourceUnavailable(
                f"`{self.repository}` is not whole in the Hub's cache, and this run is offline: {', '.join(missing)}",
                hint=_ONLINE,
            )

    def _here(self, path: str) -> Path | None:
        """A small file in the user's Hub cache, if it is there and what is listed."""
        cached = hub_cache.find(self.repository, self.commit, path)
        return cached if cached and git_name(cached) == self._listing.files[path].blob else None

    def _small(self, path: str) -> str:
        if cached := self._here(path):
            return self.context.store.put(cached)
        self.refuse_missing([path])
        assert self._hub
        self.context.temporary.mkdir(parents=True, exist_ok=True)
        part = self.context.temporary / f"hub-{token_hex(8)}.part"  # nobody else's: small files are not gone on with
        etag = self._hub.small(self._listing, path, part)
        sha256 = self.context.store.put(part)
        hub_cache.keep(self.repository, self.commit, path, etag, part)
        part.unlink(missing_ok=True)
        return sha256


def _listed(repository: Repository, revision: str, context: Context) -> Listing:
    """What the Hub listed when it was last asked."""
    commit = hub_cache.commit_of(repository, revision)
    if not commit:
        raise SourceUnavailable(f"`{repository}` is not in the Hub's cache, and this run is offline", hint=_ONLINE)
    listing = listings.recall(context.temporary, repository, commit)
    if listing is None:  # the files of it that other programs brought need not be all
        raise SourceUnavailable(
            f"which files `{repository}` has at commit {commit[:12]} is not known here, and this run is offline",
            hint=_ONLINE,
        )
    return listing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a request needs of a repository: name in the lock -> path there."""

    at: _At
    files: dict[str, str]
    labels: dict[str, tuple[str, ...]]


def _moved(asked: HubRequest, want: Want, context: Context, error: Gone) -> _At:
    """The dataset under the name it has today, if it is one of the old ones without an organisation."""
    name = _MOVED.get(asked.name) if want == "data" else None
    if not name:
        raise error
    context.report(
        f"`{asked.name}` was a dataset by a script, which nothing runs any more: taking `{name}`; "
        f"write `hf:{name}` to say so yourself"
    )
    return _At(Repository(kind="dataset", name=name), asked.revision or "main", context)


def _inside(asked: HubRequest, paths: Iterable[str]) -> dict[str, str]:
    """The files of the folder that is asked for, by their names below it."""
    prefix = f"{asked.inner}/" if asked.inner else ""
    return {path.removeprefix(prefix): path for path in paths if path.startswith(prefix)}


def _model(asked: HubRequest, at: _At) -> _Found:
    inside = _inside(asked, at.paths)
    top = {name: path for name, path in inside.items() if "/" not in name}
    if "config.json" not in top:
        raise _no_model(asked, at)
    for name in CONFIGS:
        if name in top:
            refuse_code(name, at.read(top[name]))
    try:
        names = needed(top, at.context.trust, lambda name: at.read(top[name]))
    except SourceUnavailable as error:
        raise _with_safer(error, asked, at) from None
    return _Found(at=at, files={name: top[name] for name in names}, labels={})


def _no_model(asked: HubRequest, at: _At) -> UserError:
    folders = models(at.paths)
    where = f"`{asked.inner}` " if asked.inner else "it "
    hint = f"there are: {', '.join(f'`#{folder}`' for folder in folders[:10])}" if folders else ""
    near = did_you_mean(asked.inner, folders) if asked.inner else ""
    return UserError(
        f"{where}holds no config.json, so it is not a model", hint=near or hint or "name another repository"
    )


def _with_safer(error: SourceUnavailable, asked: HubRequest, at: _At) -> SourceUnavailable:
    """The error, with the pull request that has safetensors, if there is one."""
    try:
        offered = _inside(asked, at.another(_SAFER).paths)
    except SourceUnavailable:
        return error
    if "model.safetensors" not in offered:
        return error
    line = f"hf:{at.repository}@{_SAFER}" + (f"#{asked.inner}" if asked.inner else "")
    hint = f'a pull request has them as safetensors: `{line}`; or, if you trust the pickle, write `trust = "pickle"`'
    return SourceUnavailable(*(replace(problem, hint=hint) for problem in error.problems))


def _data(asked: HubRequest, at: _At) -> _Found:
    if asked.inner in at.paths:
        return _Found(at=at, files={asked.inner.rpartition("/")[2]: asked.inner}, labels={})
    card = splits.read_card(at.read("README.md").decode(errors="replace")) if "README.md" in at.paths else splits.Card()
    inside = _inside(asked, at.paths)
    if asked.inner:
        # They speak of the whole repository; of several configs nobody knows which one the folder is.
        general = tuple(info for info in card.infos if "config_name" not in info)
        card = replace(card, configs=(), infos=card.infos if len(card.configs) < 2 else general)
    converted = not any(map(splits.is_data, inside)) and not asked.inner
    source = _converted(at) if converted else at
    picked = splits.pick(source.paths if converted else inside, card, asked.config, asked.split, converted=converted)
    files = {name: name if converted else inside[name] for name in picked.files}
    return _Found(at=source, files=files, labels=dict(picked.labels))


def _converted(at: _At) -> _At:
    """The branch where the Hub keeps what it converted to Parquet."""
    try:
        return at.another(splits.CONVERTED)
    except Gone:
        raise SourceUnavailable(
            f"`{at.repository}` holds no rows as Parquet, JSON, CSV or CoNLL, and the Hub has not converted it",
            hint="a dataset by a script runs nowhere any more: save its rows as files, and name those",
        ) from None


def _recipe(asked: HubRequest, at: _At) -> _Found:
    inside = _inside(asked, at.paths)
    if asked.inner in at.paths:
        return _Found(at=at, files={asked.inner.rpartition("/")[2]: asked.inner}, labels={})
    named = [n for n in inside if "/" not in n and n.startswith("recipe") and n.endswith(_RECIPES)]
    if len(named) != 1:
        fitting = named or [p for p in at.paths if p.endswith(_RECIPES) and not p.endswith("README.md")]
        listed = ", ".join(f"`#{inside.get(p, p)}`" for p in fitting[:10])
        said = "it holds several recipes" if named else "it holds no recipe"
        raise UserError(said, hint=f"there are: {listed}" if listed else "name a file: `hf:ORG/NAME#recipe.yaml`")
    return _Found(at=at, files={named[0]: inside[named[0]]}, labels={})


# ---- bringing what the lock promises


def _path(source: LockedSource, place: HubRequest, file: LockedFile) -> str:
    """Where in the repository a locked file is."""
    if not place.inner or (f"/{place.inner}".endswith(f"/{file.path}") and len(source.files) == 1):
        return place.inner or file.path
    return f"{place.inner}/{file.path}"


def _from_cache(
    repository: Repository, source: LockedSource, place: HubRequest, file: LockedFile, context: Context
) -> bool:
    """Put a file into the store from the user's Hub cache, if it is there and is what the lock promises."""
    path = _path(source, place, file)
    cached = hub_cache.find(repository, source.commit or "", path, file.sha256)
    if cached is None:
        return False
    if file_digest(cached) == file.sha256:
        return context.store.put(cached) == file.sha256
    context.report(f"{path} in the Hub's cache is damaged: downloading it again")
    hub_cache.throw_away(repository, cached)
    return False


def _download(
    repository: Repository, source: LockedSource, place: HubRequest, files: Sequence[LockedFile], context: Context
) -> None:
    context.temporary.mkdir(parents=True, exist_ok=True)

    def one(file: LockedFile) -> Callable[[Teller], None]:
        return lambda tell: _one(repository, source, _path(source, place, file), file, context, tell)

    total = sum(file.size for file in files)
    try:
        in_parallel(
            [one(file) for file in files],
            _AT_ONCE,
            say=context.report,
            progress=lambda done: context.progress(done, total, "bytes"),
        )
    except Gone as error:
        raise SourceUnavailable(
            f"commit {str(source.commit)[:12]} of `{repository}` is no longer at the Hub: {error.problems[0].message}",
            hint=f"run `sparsebuild lock --upgrade {source.name}` to take what is there now",
        ) from None


def _one(
    repository: Repository, source: LockedSource, path: str, file: LockedFile, context: Context, tell: Teller
) -> None:
    """Download one file into the store; who else wants it waits, and finds it there."""
    part = context.temporary / f"hub-{file.sha256}.part"
    with alone(part.with_suffix(".lock"), replace(context, report=tell.say)):
        if context.store.has(file.sha256):
            tell.advance(file.size)
            return
        hub = Hub(tell.say)
        for last in (False, True):
            etag = hub.download(repository, source.commit or "", path, file.size, part, tell.advance, tell.is_stopped)
            found = file_digest(part)
            if found == file.sha256:
                break
            part.unlink(missing_ok=True)
            if last:
                hint = f"the Hub at {hub.host} has other bytes under this commit, or something on the way changes them"
                raise hash_mismatch(source, file, found, hint)
            tell.advance(-file.size)
            tell.say(f"{path} arrived damaged: downloading it again")
        context.store.put(part)
        # In the Hub's cache a file of LFS goes by its sha256, and any other by git's name.
        name = etag if etag in (file.sha256, git_name(part)) else file.sha256
        hub_cache.keep(repository, source.commit or "", path, name, part)
        part.unlink(missing_ok=True)
