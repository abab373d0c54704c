"""`https://host/path/file`: a file, or files out of an archive: `https://host/model.tar.gz#folder/in/it`.

A digest may stand behind the `#` too, of the file or of the archive: `#sha256=…` or `#sha256=…&folder/in/it`. Then
nothing else is ever taken for it; without one, the lock pins what was there when it was first asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from sparsebuild.atomic import write_bytes
from sparsebuild.digest import file_digest
from sparsebuild.errors import HashMismatch, Problem, UserError
from sparsebuild.lock import LockedFile, LockedSource, path_fault
from sparsebuild.providers.archive import archive, is_archive, kept_again, kept_of
from sparsebuild.providers.base import Context, Resolution, Want, hash_mismatch
from sparsebuild.providers.download import TOKENS, Download, Unchanged, address_fault, download, host_of

__all__ = ["Address", "HttpsProvider"]

_CHOICE = 2  # raised when other files of an archive are taken than before: what was answered then is no answer now


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What an `https:` request asks for."""

    url: str  # without what stands behind the #
    name: str  # of the file
    sha256: str  # of the file; empty where the request does not say
    inner: str  # a folder or file of the archive; empty for its top

    @property
    def is_archive(self) -> bool:
        return bool(self.inner) or is_archive(self.name)

    @property
    def shown(self) -> str:
        return f"`{self.name}` of {host_of(self.url)}"

    @classmethod
    def parse(cls, request: str) -> Address:
        url, _, fragment = request.partition("#")
        if fault := address_fault(url):
            is_secret = fault.startswith("holds")
            hint = f"a token belongs into the environment: {TOKENS}" if is_secret else "correct the address"
            raise UserError(f"the address {fault}", hint=hint)
        name = unquote(urlsplit(url).path).rpartition("/")[2]
        if not name:
            raise UserError("the address does not end in the name of a file", hint="name a file, or an archive")
        if fault := path_fault(name):
            raise UserError(f"the address does not end in the name of a file: {fault}")
        digest = re.match(r"sha256=([0-9a-f]{64})(?:&|$)", fragment)
        if fragment.startswith("sha256=") and not digest:
            raise UserError("the digest behind the `#` is not a sha256 of 64 digits", hint="write it as `#sha256=…`")
        inner = unquote(fragment[digest.end() :] if digest else fragment).strip("/")
        if inner and (fault := path_fault(inner)):
            raise UserError(f"`{inner}` is not a folder of an archive: {fault}")
        return cls(url=url, name=name, sha256=digest[1] if digest else "", inner=inner)


class HttpsProvider:
    """Files of any server, pinned by sha256."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        address = Address.parse(request)
        if want == "model" and not address.is_archive:
            raise UserError(
                f"{address.shown} is one file; a model is several",
                hint="name an archive that holds them, such as `https://host/model.tar.gz#folder/in/it`",
            )
        answer = _Answer(context, f"{request}\n{want}\n{context.trust}\n{_CHOICE}")
        try:
            with _brought(address, context, etag=answer.etag) as found:
                files = _locked(found, address, want, context)
                answer.keep(found.etag, files)
        except Unchanged:
            return Resolution(files=answer.files)
        return Resolution(files=tuple(files))

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        address = Address.parse(source.request)
        if not address.is_archive:
            (file,) = files
            try:
                with _brought(address, context, sha256=file.sha256) as found:
                    _expect(source, file, context.store.put(found.path))
            except Unchanged:
                pass
            return
        with (
            _brought(address, context) as found,
            archive(found.path, address.shown, context.temporary) as inside,
        ):
            for file in files:
                _expect(source, file, kept_again(inside, address.inner, file, context))


class _Answer:
    """What a request was last answered with, while the store still has it: a server that says "unchanged" is enough."""

    def __init__(self, context: Context, question: str) -> None:
        name = hashlib.sha256(question.encode()).hexdigest()[:40]
        self._path = context.temporary / "downloads" / f"{name}.answer"
        self.etag = ""
        self.files: tuple[LockedFile, ...] = ()
        try:
            data: Any = json.loads(self._path.read_bytes())
            files = tuple(LockedFile(**file) for file in data["files"])
            if all(context.store.has(file.sha256) for file in files):
                self.etag, self.files = str(data["etag"]), files
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def keep(self, etag: str, files: Sequence[LockedFile]) -> None:
        if etag:
            listed = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in files]
            write_bytes(self._path, json.dumps({"etag": etag, "files": listed}).encode())


@contextmanager
def _brought(address: Address, context: Context, *, sha256: str = "", etag: str = "") -> Iterator[Download]:
    """The file of the address, with the digest that the request may give it."""
    context.report(f"downloading {address.name} from {host_of(address.url)}")
    with download(address.url, context, sha256=address.sha256 or sha256, etag=etag) as found:
        if address.sha256 and (digest := file_digest(found.path)) != address.sha256:
            frame = f"  expected sha256 {address.sha256}\n  found    sha256 {digest}"
            raise HashMismatch(Problem(message=f"{address.shown} is not the file that the request names", frame=frame))
        yield found


def _locked(found: Download, address: Address, want: Want, context: Context) -> list[LockedFile]:
    """The wanted files, put into the store."""
    if not address.is_archive:
        sha256 = context.store.put(found.path)
        return [LockedFile(path=address.name, size=found.path.stat().st_size, sha256=sha256)]
    with archive(found.path, address.shown, context.temporary) as inside:
        return kept_of(inside, address.inner, want, address.shown, context)


def _expect(source: LockedSource, file: LockedFile, found: str) -> None:
    if found != file.sha256:
        hint = f"the server has another file now; if you trust it: `sparsebuild lock --upgrade {source.name}`"
        raise hash_mismatch(source, file, found, hint)
