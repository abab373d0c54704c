"""Bytes from an address: resumed where they stopped, bounded, and without a token for anyone it is not meant for.

A download grows in `<temporary>/downloads/`, named by its address, under a kernel lock: a second process waits for the
first. What a stop leaves there is continued with `Range` and `If-Range`, so that a file which changed meanwhile starts
over. Redirects are followed here and not by the HTTP library: never from https to anything else, never to an address
with a password in it, and the token goes only to the host it was given for.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from sparsebuild.concealed import is_secret
from sparsebuild.engine.blame import is_full
from sparsebuild.engine.held import knows_no_locks
from sparsebuild.errors import SourceUnavailable
from sparsebuild.providers.base import Context

if TYPE_CHECKING:
    from httpx2 import Client, Response

__all__ = [
    "TOKENS",
    "Download",
    "Unchanged",
    "address_fault",
    "alone",
    "as_the_environment_says",
    "download",
    "host_of",
    "is_untrusted",
    "led_to",
    "post_json",
    "refuse_odd",
    "untrusted",
]

TOKENS = "SPARSEBUILD_HTTPS_TOKENS"  # "files.example.org=SECRET other.example.org:8443=SECRET"

_TRIES = 4  # in a row that bring nothing
_ALL_TRIES = 20
_LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait
_STALLED = 30.0  # seconds without a byte
_MOST_REDIRECTS = 10
_MOST_UNSAID = 1 << 30  # bytes from a server that does not say how many there will be
_MOST_ANSWER = 16 << 20  # bytes of a JSON answer
_PROGRESS = 1 << 16  # bytes; a try that brings less counts as one that brought nothing
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})


class Unchanged(Exception):
    """There is nothing to bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that was brought; it is gone when the block ends."""

    path: Path
    etag: str  # what the server calls this version; may be empty


def address_fault(address: str) -> str:
    """Why an address cannot be a source, or nothing. A secret in it would end up in the lock."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is not an address: {error}"
    if parts.scheme != "https" or not host or not address.isascii() or re.search(r"[\s\\<>\"{}|^`]", address):
        return "is not an address such as https://host/path/file"
    if parts.username is not None or parts.password is not None:
        return "holds a name or password"
    for parameter in parts.query.split("&"):
        if is_secret(parameter.partition("=")[0]):
            return f"holds what looks like a secret, `{parameter.partition('=')[0]}=`"
    return ""


def host_of(address: str) -> str:
    """The host, and the port where it is not the usual one: all of an address that is ever shown."""
    parts = urlsplit(address)
    return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")


@contextmanager
def download(address: str, context: Context, *, size: int = -1, sha256: str = "", etag: str = "") -> Iterator[Download]:
    """The file at `address`, for as long as the block runs.

    `size` and `sha256` are what it has to be, where that is known. Unchanged is raised if it is still the one called
    `etag`, or if another process put that sha256 into the store while we waited for it. All other failures are
    SourceUnavailable.
    """
    if context.offline:
        raise SourceUnavailable(
            f"{host_of(address)} would have to be asked, and this run is offline", hint="run once without `--offline`"
        )
    folder = context.temporary / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(address.encode()).hexdigest()[:40]
    part = _Part(path=folder / name, note=folder / f"{name}.json")
    with alone(folder / f"{name}.lock", context), _client(address) as client:
        if sha256 and context.store.has(sha256):
            raise Unchanged
        found = _Transfer(client=client, address=address, context=context, part=part, etag=etag, size=size).run()
        if sha256 and part.was_resumed and part.digest() != sha256:
            part.discard()  # what an earlier run left may be what is wrong
            found = _Transfer(client=client, address=address, context=context, part=part, etag="", size=size).run()
        try:
            yield found
        except BaseException as error:
            # It is whole; who makes room, or starts again after a stop, need not bring it again.
            if not (isinstance(error, KeyboardInterrupt) or _is_full(error)):
                part.discard()
            raise
        part.discard()


def _is_full(error: BaseException) -> bool:
    cause = error.__cause__ or error
    return isinstance(cause, OSError) and is_full(cause)


def post_json(address: str, body: Mapping[str, Any]) -> Any:
    """What a server answers to a question, both as JSON."""
    import httpx2

    with _client(address) as client:
        try:
            with client.stream("POST", address, json=dict(body)) as response:
                if response.status_code != 200:
                    raise _refused(address, response)
                data = b""
                for block in response.iter_bytes():
                    data += block
                    if len(data) > _MOST_ANSWER:
                        raise SourceUnavailable(f"{host_of(address)} answers with more than {_MOST_ANSWER >> 20} MB")
        except httpx2.HTTPError as error:
            raise _unreachable(address, error) from None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise SourceUnavailable(f"{host_of(address)} does not answer with JSON") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A part of one version of a file."""

    have: int = 0  # bytes
    validator: str = ""  # its ETag
    total: int = -1  # bytes of the whole; -1 where nobody said

    def is_of(self, response: Response) -> bool:
        """Whether an answer is about the same version. Not every server heeds `If-Range`, or names the ETag again."""
        etag = response.headers.get("etag", "").removeprefix("W/") or self.validator
        total = _of_how_many(response)
        return etag == self.validator and (total == self.total or -1 in (total, self.total))

    def is_whole(self, response: Response) -> bool:
        """Whether a server that has no more bytes of it means that these are all."""
        is_known = self.have == self.total or bool(response.headers.get("etag"))
        return is_known and self.is_of(response) and self.have == _of_how_many(response)


class _Part:
    """What has come so far, and which version of the file that is."""

    def __init__(self, path: Path, note: Path) -> None:
        self.path, self._note = path, note
        self.was_resumed = False

    def start(self) -> _Begun:
        """What is here; nothing where nobody could say whether it still fits."""
        try:
            note = json.loads(self._note.read_bytes())
            validator, total = note["validator"], note["total"]
            have = self.path.stat().st_size if not self.path.is_symlink() else 0
        except (OSError, ValueError, KeyError, TypeError):
            return _Begun()
        is_known = validator and isinstance(validator, str) and isinstance(total, int)
        return _Begun(have=have, validator=validator, total=total) if is_known else _Begun()

    def begin(self, validator: str, total: int) -> None:
        """Start anew with this version."""
        self.discard()
        self.was_resumed = False
        self._note.write_text(json.dumps({"validator": validator, "total": total}), encoding="utf-8")
        self.path.touch(exist_ok=False)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def digest(self) -> str:
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


class _Again(Exception):
    """Worth another try: the reason, and the seconds that the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer:
    """One file on its way."""

    client: Client
    address: str
    context: Context
    part: _Part
    etag: str
    size: int

    def run(self) -> Download:
        """Try until it is there, or until trying brings nothing more."""
        import httpx2

        idle = 0
        for _ in range(_ALL_TRIES):
            before = self.part.start().have
            try:
                return self._once()
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                if is_untrusted(error):
                    raise untrusted(host_of(self.address)) from None
                reason, wait = _said(error), 0.0
            except _Again as error:
                reason, wait = str(error), error.wait
            grown = self.part.start().have - before
            idle = 0 if grown >= _PROGRESS else idle + 1
            if idle >= _TRIES:
                break
            self.context.report(f"{host_of(self.address)}: {reason}; trying again")
            time.sleep(wait or 0.1 * 2**idle)
        raise SourceUnavailable(
            f"{host_of(self.address)} does not send the file: {reason}",
            hint="try again later" + ("; what has come so far is kept" if self.part.start().have else ""),
        )

    def _once(self) -> Download:
        begun = self.part.start()
        have = begun.have
        headers = {"Range": f"bytes={have}-", "If-Range": begun.validator} if have else {}
        if self.etag and not have:
            headers = {"If-None-Match": self.etag}
        with ExitStack() as stack:
            response = self._answer(headers, stack)
            if response.status_code == 304 and "If-None-Match" in headers:
                raise Unchanged
            if response.status_code == 206 and have:
                if not begun.is_of(response):
                    self.part.discard()
                    raise _Again("it has changed meanwhile")
                self.part.was_resumed = True
            elif response.status_code == 416 and have and begun.is_whole(response):
                self.part.was_resumed = True
                self._check_size(have)
                return Download(path=self.part.path, etag=begun.validator)
            elif response.status_code == 416:
                self.part.discard()
                raise _Again("it has become shorter")
            elif response.status_code == 200:
                have = 0
                self.part.begin(_validator(response), _length(response))
            else:
                raise _refused(self.address, response)
            total = self._total(response, have)
            self._write(response, have, total)
        return Download(path=self.part.path, etag=response.headers.get("etag", ""))

    def _answer(self, headers: Mapping[str, str], stack: ExitStack) -> Response:
        """The response to a GET, after redirects and before its body."""
        address = self.address
        for _ in range(_MOST_REDIRECTS):
            token = {"Authorization": f"Bearer {secret}"} if (secret := _token(self.address, address)) else {}
            response = stack.enter_context(self.client.stream("GET", address, headers={**headers, **token}))
            self.client.cookies.clear()
            if response.status_code in _BUSY:
                raise self._busy(response)
            if response.status_code not in _MOVED:
                return response
            address = led_to(self.address, address, response.headers.get("location", ""))
        raise SourceUnavailable(f"{host_of(self.address)} redirects more than {_MOST_REDIRECTS} times")

    def _busy(self, response: Response) -> Exception:
        wait = _seconds(response.headers.get("retry-after", ""))
        reason = f"it is busy ({response.status_code})"
        if wait > _LONGEST_WAIT:
            return SourceUnavailable(
                f"{host_of(self.address)} asks to come back later ({response.status_code})",
                hint=f"try again in {wait:.0f} seconds",
            )
        return _Again(reason, wait)

    def _total(self, response: Response, have: int) -> int:
        """How long the whole file will be, checked against what was promised and the disk; -1 where nobody says."""
        host = host_of(self.address)
        if not _arrives_as_it_is(response, self.address):
            raise SourceUnavailable(f"{host} sends the file compressed, although it was asked not to")
        is_page = response.headers.get("content-type", "").partition(";")[0].strip() == "text/html"
        if is_page and not urlsplit(self.address).path.lower().endswith((".html", ".htm")):
            raise SourceUnavailable(f"{host} sends a web page, not the file", hint="open the address in a browser")
        length = _length(response)
        total = have + length if length >= 0 else -1
        if have and not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
            self.part.discard()
            raise _Again("it continues at another place than asked")
        if self.size >= 0 and total >= 0 and total != self.size:
            raise SourceUnavailable(f"{host} sends {total} bytes, and {self.size} were announced")
        free = shutil.disk_usage(self.part.path.parent).free
        if total - have > free:
            raise SourceUnavailable(
                f"the file needs {(total - have) / 1e6:.1f} MB, and the disk of the cache has {free / 1e6:.1f} MB",
                hint="make room there, or name another folder in SPARSEBUILD_CACHE_DIR",
            )
        return total

    def _write(self, response: Response, have: int, total: int) -> None:
        most = total if total >= 0 else _MOST_UNSAID
        with self.part.path.open("ab") as stream:
            for block in response.iter_raw():
                have += len(block)
                if have > most:
                    raise SourceUnavailable(f"{host_of(self.address)} sends more than {most / 1e6:.1f} MB")
                stream.write(block)
                self.context.progress(have, max(total, 0), "bytes")
        if have < total:
            raise _Again("it ended too early")
        self._check_size(have)

    def _check_size(self, have: int) -> None:
        if 0 <= self.size != have:
            raise SourceUnavailable(f"{host_of(self.address)} sends {have} bytes, and {self.size} were announced")


@contextmanager
def alone(lock: Path, context: Context) -> Iterator[None]:
    """One process downloads a file, and others wait for it; they look first whether it is there now."""
    from filelock import FileLock, Timeout

    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        context.report("another run is downloading this file: waiting for it")
        held.acquire()
    except OSError as error:
        if not knows_no_locks(error):
            raise
        yield
        return
    with held:
        held.release()  # entering the block counted a second time
        yield


@contextmanager
def _client(address: str) -> Iterator[Client]:
    """Proxies and certificates are as the user's environment says (HTTPS_PROXY, SSL_CERT_FILE)."""
    import httpx2

    with as_the_environment_says(host_of(address)):
        client = httpx2.Client(
            timeout=_STALLED,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "sparsebuild", "Accept": "*/*"},
        )
    with client:
        yield client


@contextmanager
def as_the_environment_says(host: str) -> Iterator[None]:
    """Make a client in the block; what is wrong with the proxies and certificates that it is to use is said."""
    import httpx2

    try:
        yield
    except ImportError:
        raise SourceUnavailable(
            f"{host} cannot be asked: the proxy that the environment names speaks SOCKS, and `socksio` is missing",
            hint="run `pip install socksio`, or name an http proxy in HTTPS_PROXY and take ALL_PROXY away",
        ) from None
    except OSError as error:
        raise SourceUnavailable(
            f"{host} cannot be asked: the certificates cannot be read: {error.strerror or error}",
            hint="correct SSL_CERT_FILE, or take it away",
        ) from None
    except (ValueError, httpx2.InvalidURL):  # which may quote a password
        raise SourceUnavailable(
            f"{host} cannot be asked: the proxy that the environment names has no address such as http://host:port",
            hint="correct HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
        ) from None


def refuse_odd(token: str, host: str, named: str) -> None:
    """Raise SourceUnavailable for a token that no header can hold; nothing of it is quoted."""
    if not (token.isascii() and token.isprintable()):
        raise SourceUnavailable(
            f"the token for {host} holds signs that no token has", hint=f"copy it into {named} once more"
        )


def _seconds(retry_after: str) -> float:
    """How long `Retry-After` asks to wait: a number, or a date; 0 for neither."""
    if re.fullmatch(r"[0-9]{1,8}", retry_after):
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def led_to(asked: str, address: str, location: str) -> str:
    """Where a redirect, or an address that a server gave us, leads, if it may."""
    import httpx2

    try:
        target = urljoin(address, location)
        httpx2.URL(target)
        parts = urlsplit(target)
        is_fine = bool(location and parts.hostname) and parts.username is None and parts.password is None
        _ = parts.port
    except (ValueError, httpx2.InvalidURL):
        is_fine = False
    if not is_fine:
        raise SourceUnavailable(f"{host_of(asked)} redirects to what is not an address")
    # Without TLS only where the user named such a server, and then only from it.
    is_asked = parts.scheme == "http" == urlsplit(address).scheme and parts.hostname == urlsplit(asked).hostname
    if parts.scheme != "https" and not is_asked:
        raise SourceUnavailable(f"{host_of(asked)} redirects to `{parts.scheme}:`, which is not followed")
    return target


def _token(asked: str, address: str) -> str:
    """The token for the host that the user named, and for no other that it redirects to."""
    one, other = urlsplit(asked), urlsplit(address)
    if (one.scheme, one.hostname, one.port) != (other.scheme, other.hostname, other.port) or one.scheme != "https":
        return ""
    pairs = (entry.partition("=") for entry in os.environ.get(TOKENS, "").split())
    found = next((token for host, _, token in pairs if host.lower() == host_of(asked)), "")
    refuse_odd(found, host_of(asked), TOKENS)
    return found


def _validator(response: Response) -> str:
    """What `If-Range` can hold: an ETag that promises equal bytes."""
    etag: str = response.headers.get("etag", "")
    return etag if etag.startswith('"') and response.headers.get("accept-ranges", "") != "none" else ""


def _length(response: Response) -> int:
    """How many bytes a body has; -1 where nobody says."""
    return _number(response.headers.get("content-length", ""))


def _of_how_many(response: Response) -> int:
    """How many bytes the whole file has of which this is a part, or none; -1 where nobody says."""
    return _number(response.headers.get("content-range", "").rpartition("/")[2])


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def _arrives_as_it_is(response: Response, address: str) -> bool:
    """Whether nothing was packed on the way; of a file that is packed, many servers tell as if it had been."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    is_packed = urlsplit(address).path.lower().endswith((".gz", ".tgz"))
    return encoding in ("", "identity") or (is_packed and encoding in ("gzip", "x-gzip"))


def _refused(address: str, response: Response) -> SourceUnavailable:
    host, status = host_of(address), response.status_code
    if status in (401, 403):
        return SourceUnavailable(
            f"{host} does not give the file to us ({status})",
            hint=f'if you have a token for it, put it into the environment: `{TOKENS}="{host}=TOKEN"`',
        )
    if status in (404, 410):
        return SourceUnavailable(f"{host} has no such file ({status})", hint="check the address")
    return SourceUnavailable(f"{host} answers with {status} instead of the file")


def _unreachable(address: str, error: Exception) -> SourceUnavailable:
    if is_untrusted(error):
        return untrusted(host_of(address))
    return SourceUnavailable(f"{host_of(address)} cannot be asked: {_said(error)}", hint="check the network")


def is_untrusted(error: Exception) -> bool:
    """Whether it was the server's certificate, which no further try makes better."""
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def untrusted(host: str) -> SourceUnavailable:
    """The error for a server, by its name, whose certificate does not hold."""
    return SourceUnavailable(
        f"nobody whom this machine trusts vouches for the certificate of {host}",
        hint="if it is your own server, or a proxy on the way, name the certificate in SSL_CERT_FILE",
    )


def _said(error: Exception) -> str:
    """The library's words, without what they may quote of an address."""
    text = re.sub(r"\b[a-z]+://\S+", "an address", str(error)).strip()
    return text[:1].lower() + text[1:200] if text else type(error).__name__
