"""Talking to the Hugging Face Hub: what a repository holds at a commit, and a file's bytes.

`huggingface_hub` builds the addresses and the headers, finds the token, and knows what an answer means. Its settings
are the user's: HF_ENDPOINT, HF_TOKEN or the Hub's login, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT. What is ours: how
often and how long is waited, that a download goes on where an earlier one stopped, and the words for what went wrong.
No message holds more of an address than its host: paths and queries can be signed.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.providers.download import as_the_environment_says, is_untrusted, refuse_odd, untrusted

__all__ = ["Gone", "Hub", "Listing", "Remote", "Repository", "Stopped", "git_name", "is_hub_offline"]

_T = TypeVar("_T")
_Say = Callable[[str], None]

_TRIES = 5  # of one request; a download that moves counts anew
_LONGEST_WAIT = 120  # seconds; who is asked to wait longer is told, rather than left before a silent screen
_LARGEST_SMALL = 50_000_000  # bytes of a file that is not in LFS; the Hub allows 10 MB
_CHUNK = 1 << 20
_RETRIED = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of the Hub."""

    kind: Literal["model", "dataset"]
    name: str  # "org/name"; very old ones have no organisation

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A file of a repository, as the Hub lists it: of one in LFS its sha256 is known, of others what git calls it."""

    path: str
    size: int
    sha256: str
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a revision is."""

    repository: Repository  # by the name it has today
    commit: str
    files: Mapping[str, Remote]
    licence: str = ""  # as the card states it


class Gone(SourceUnavailable):
    """It is not there, or no longer, rather than out of reach."""


class Stopped(Exception):
    """The download was no longer wanted."""


def is_hub_offline() -> bool:
    """Whether the user's environment keeps the Hub's client from the network (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


class Hub:
    """The Hub that the user's environment names. `say` hears of every wait."""

    def __init__(self, say: _Say) -> None:
        from huggingface_hub import constants
        from huggingface_hub.utils import logging

        logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it tells of its retries; we tell of ours
        constants.HF_HUB_DISABLE_TELEMETRY = True  # it would say from what kind of program it is called
        self._say = say

    @property
    def host(self) -> str:
        """Where it is, without a name and password that the address may hold."""
        from huggingface_hub import constants

        parts = urlsplit(constants.ENDPOINT)
        return (parts.hostname or "?") + (f":{parts.port}" if parts.port else "")

    def refuse_settings(self) -> None:
        """Raise SourceUnavailable for a token, a proxy or certificates with which the Hub cannot be asked."""
        from huggingface_hub import get_session, get_token

        refuse_odd(get_token() or "", f"the Hub at {self.host}", "HF_TOKEN, or run `hf auth login`,")
        with as_the_environment_says(f"the Hub at {self.host}"):
            get_session()

    def listing(self, repository: Repository, revision: str) -> Listing:
        """The commit that `revision` is now, and its files. Raises SourceUnavailable."""
        from huggingface_hub import HfApi, constants

        def ask() -> Any:
            return HfApi(library_name="sparsebuild").repo_info(
                repository.name,
                repo_type=repository.kind,
                revision=revision,
                files_metadata=True,
                timeout=constants.HF_HUB_ETAG_TIMEOUT,
            )

        try:
            found = self._tried(ask, repository, revision)
            commit, name = str(found.sha), str(found.id)
            files = {item.rfilename: _remote(item) for item in found.siblings or []}
        except (KeyError, TypeError, AttributeError, ValueError):
            raise SourceUnavailable(
                f"what answers at {self.host} is not a Hugging Face Hub", hint="check HF_ENDPOINT, and the proxy"
            ) from None
        if not re.fullmatch("[0-9a-f]{40}", commit) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            raise SourceUnavailable(f"the Hub at {self.host} names no commit for `{repository}` at `{revision}`")
        real = Repository(kind=repository.kind, name=name)
        return Listing(repository=real, commit=commit, files=files, licence=_licence(found.card_data))

    def small(self, listing: Listing, path: str, part: Path) -> str:
        """Download a file whose sha256 is not listed into `part`; its name in git, which has been checked."""
        remote = listing.files[path]
        if remote.size > _LARGEST_SMALL:
            raise SourceUnavailable(
                f"`{path}` of `{listing.repository}` has {remote.size / 1e6:.0f} MB and no sha256 at the Hub"
            )
        for last in (False, True):
            part.unlink(missing_ok=True)
            self.download(listing.repository, listing.commit, path, remote.size, part, _ignore, _never)
            found = git_name(part)
            if found == remote.blob:
                return found
            if not last:
                self._say(f"{path} arrived damaged: downloading it again")
        part.unlink(missing_ok=True)
        raise HashMismatch(
            f"`{path}` of `{listing.repository}` is not what the Hub at {self.host} lists",
            hint="a proxy or mirror between here and the Hub changes it",
        )

    def download(
        self,
        repository: Repository,
        commit: str,
        path: str,
        size: int,
        part: Path,
        advance: Callable[[int], None],
        is_stopped: Callable[[], bool],
    ) -> str:
        """Bring `part` to `size` bytes, from where it is; the file's ETag, empty where nothing was asked.

        `advance` hears of bytes, of those taken back too.

        Raises SourceUnavailable when that fails, and Stopped soon after `is_stopped()`.
        """
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(repository.name, path, repo_type=repository.kind, revision=commit)
        part.touch()
        if part.stat().st_size > size:
            part.unlink()
            part.touch()
        advance(part.stat().st_size)
        tries, etag = _TRIES, ""
        while (there := part.stat().st_size) < size and tries:
            tries -= 1
            etag = self._tried(lambda: self._append(url, part, size, advance, is_stopped), repository, commit, path)
            if part.stat().st_size > there:
                tries = _TRIES
        if part.stat().st_size < size:
            raise _shorter(f"`{path}` of `{repository}` ends at {part.stat().st_size} of {size} bytes")
        return etag

    def _append(
        self, url: str, part: Path, size: int, advance: Callable[[int], None], is_stopped: Callable[[], bool]
    ) -> str:
        """One request: what comes is written behind what is there; the file's ETag.

        A connection that breaks after it brought something is no error.
        """
        import httpx2
        from huggingface_hub import constants, get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        there = part.stat().st_size
        headers = {**build_hf_headers(library_name="sparsebuild"), "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={there}-"} if there else {}
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", url, headers=headers, timeout=timeout) as response, part.open("r+b") as file:
            if response.is_error:
                hf_raise_for_status(response)
            _refuse_downgrade(response)
            if there and not _continues(response, there):
                advance(-there)
                there = 0
            began = there
            file.truncate(there)
            file.seek(there)
            try:
                for chunk in response.iter_bytes():
                    if is_stopped():
                        raise Stopped
                    kept = chunk[: size - there]
                    file.write(kept)
                    there += len(kept)
                    advance(len(kept))
                    if there == size:
                        break
            except (httpx2.TransportError, httpx2.DecodingError):
                if there == began:
                    raise
            return _etag(response)

    def _tried(self, act: Callable[[], _T], repository: Repository, revision: str, path: str = "") -> _T:
        """What `act` gives, tried again after a while where that helps; errors in our words."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

        self.refuse_settings()
        for tried in range(1, _TRIES + 1):
            try:
                return act()
            except HfHubHTTPError as error:
                wait = _asked_wait(error.response) or 2.0 ** (tried - 1)
                status = error.response.status_code
                if status not in _RETRIED or tried == _TRIES or wait > _LONGEST_WAIT:
                    raise self._refused(error, repository, revision, path, wait) from None
                why = f"answers {status}"
            except HFValidationError:
                raise UserError(f"`{repository}` is not the name of a repository") from None
            except OfflineModeIsEnabled:
                raise SourceUnavailable(
                    f"`{repository}` would have to be asked for at the Hub, and HF_HUB_OFFLINE is set",
                    hint="run once without HF_HUB_OFFLINE",
                ) from None
            except (httpx2.TransportError, httpx2.TooManyRedirects, httpx2.DecodingError) as error:
                wait = 2.0 ** (tried - 1)
                if is_untrusted(error) or tried == (3 if isinstance(error, httpx2.ConnectError) else _TRIES):
                    raise self._unreachable(error) from None
                why = "does not answer" if isinstance(error, httpx2.TimeoutException) else "breaks the connection"
                why = "cannot be reached" if isinstance(error, httpx2.ConnectError) else why
            self._say(f"the Hub at {self.host} {why}: trying again in {wait:.0f} s")
            time.sleep(wait)
        raise AssertionError  # the last try returns or raises

    def _unreachable(self, error: Exception) -> SourceUnavailable:
        import httpx2

        if is_untrusted(error):
            return untrusted(f"the Hub at {self.host}")
        timeout = isinstance(error, httpx2.TimeoutException)
        said = "it does not answer" if timeout else str(error) or type(error).__name__
        return SourceUnavailable(
            f"the Hub at {self.host} cannot be reached: {said}",
            hint="check the network, the proxy and HF_ENDPOINT; what has arrived is kept, and gone on from",
        )

    def _refused(self, error: Any, repository: Repository, revision: str, path: str, wait: float) -> SourceUnavailable:
        """What an answer of the Hub means."""
        from huggingface_hub import errors as hub

        status, headers = error.response.status_code, error.response.headers
        shown = f"{repository.kind} `{repository}`"
        if isinstance(error, hub.GatedRepoError):
            return self._gated(repository)
        if isinstance(error, hub.RevisionNotFoundError):
            return Gone(f"{shown} has no revision `{revision}`", hint="name a branch, a tag or a commit that it has")
        if isinstance(error, hub.RemoteEntryNotFoundError):
            return Gone(f"{shown} has no file `{path}` at `{revision}`")
        if isinstance(error, hub.DisabledRepoError):
            return SourceUnavailable(f"the Hub has disabled {shown}")
        if status == 401 and "invalid credentials" in str(headers.get("X-Error-Message", "")).lower():
            return SourceUnavailable(
                f"the Hub at {self.host} does not accept the token", hint="renew HF_TOKEN, or run `hf auth login`"
            )
        if isinstance(error, hub.RepositoryNotFoundError) or status in (401, 404):
            return self._absent(repository)
        if status == 403:
            return SourceUnavailable(
                f"the Hub at {self.host} does not let this token read {shown}",
                hint="give it read access to this repository's contents, at the Hub under Settings, Access Tokens",
            )
        if status in (429, 503) and wait > _LONGEST_WAIT:
            return SourceUnavailable(
                f"the Hub at {self.host} answers {status} and asks to wait {math.ceil(wait / 60)} minutes",
                hint="run again then; what has arrived is kept",
            )
        if status == 416:  # we asked for the bytes behind those that came
            return _shorter(f"`{path}` of `{repository}` is shorter than the Hub lists it")
        return SourceUnavailable(f"the Hub at {self.host} answers {status}", hint="try again later")

    def _absent(self, repository: Repository) -> SourceUnavailable:
        signed_in = "that the account of your token may see it" if _has_token() else "set HF_TOKEN if it is private"
        return Gone(
            f"there is no {repository.kind} `{repository}` at {self.host}, or it is private",
            hint=f"check the name; {'check ' if _has_token() else ''}{signed_in}",
        )

    def _gated(self, repository: Repository) -> SourceUnavailable:
        from huggingface_hub import constants

        folder = "datasets/" if repository.kind == "dataset" else ""
        page = f"{urlsplit(constants.ENDPOINT).scheme}://{self.host}/{folder}{repository}"
        if _has_token():
            hint = f"the account of your token has no access yet: accept the conditions at {page}"
        else:
            hint = f"accept the conditions at {page}, then set HF_TOKEN or run `hf auth login`"
        return SourceUnavailable(
            f"{repository.kind} `{repository}` is gated: its owner wants to know who reads it", hint=hint
        )


def git_name(file: Path) -> str:
    """What git calls a file of these bytes: the sha1 of a header and the bytes."""
    with file.open("rb") as stream:
        digest = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _remote(item: Any) -> Remote:
    """One file of a listing; raises ValueError for what cannot be one."""
    sha256 = item.lfs.sha256 if item.lfs else ""
    size = item.lfs.size if item.lfs else item.size
    if not isinstance(size, int) or size < 0 or not isinstance(item.rfilename, str):
        raise ValueError(item.rfilename)
    if sha256 and not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(item.rfilename)
    return Remote(path=item.rfilename, size=size, sha256=sha256, blob=str(item.blob_id))


def _etag(response: Any) -> str:
    """The Hub's own, from before it sends us on to where the bytes lie."""
    said = [step.headers.get("X-Linked-Etag") or step.headers.get("ETag") for step in (*response.history, response)]
    return next(filter(None, said), "").removeprefix("W/").strip('"')


def _licence(card: Any) -> str:
    said = getattr(card, "license", None)
    words = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return ", ".join(word[:80] for word in words if isinstance(word, str) and word.isprintable())


def _shorter(message: str) -> SourceUnavailable:
    return SourceUnavailable(message, hint="a mirror or proxy on the way may have a part of it only; try again later")


def _refuse_downgrade(response: Any) -> None:
    """Refuse what came by a way that began with https and left it."""
    way = [str(step.url.scheme) for step in (*response.history, response)]
    if "https" in way and way[-1] != "https":
        raise SourceUnavailable("the Hub redirects from https to http, which is not followed")


def _continues(response: Any, there: int) -> bool:
    """Whether an answer to a request for a part begins where we stopped; else it is the whole file."""
    return response.status_code == 206 and str(response.headers.get("Content-Range", "")).startswith(f"bytes {there}-")


def _asked_wait(response: Any) -> float | None:
    """The seconds that an answer asks to wait, one more than it says; None where it does not say."""
    said = str(response.headers.get("Retry-After", "")).strip()
    window = re.search(r";\s*r=0\s*;\s*t=(\d+)", str(response.headers.get("RateLimit", "")))
    if said.isdigit():
        return float(said[:9]) + 1
    if window:
        return float(window[1][:9]) + 1
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()) + 1
    except (ValueError, TypeError):
        return None


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())


def _ignore(count: int) -> None:
    """Nobody is told."""


def _never() -> bool:
    return False
