"""Publishing to the Hugging Face Hub: all files, in one commit, or nothing.

`huggingface_hub` uploads what is large first; none of it is seen before the commit, which names every file at once. So
a network that dies leaves what was published before, and a repository that was made for this stays empty.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sparsebuild.errors import HashMismatch, SourceUnavailable, SparsebuildError, UserError
from sparsebuild.providers.hub import Hub, Listing, Repository
from sparsebuild.shipping.folder import NAMES
from sparsebuild.shipping.parcel import Item

__all__ = ["Published", "publish"]

_BRANCH = "main"
_AGAIN = "run it again: all is published by one commit, which was not made; what arrived is not sent twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What came of it."""

    commit: str
    url: str  # of the repository
    is_changed: bool  # if not, all of it was there already
    removed: tuple[str, ...]  # what an earlier build had left there under names of ours
    kept: tuple[str, ...]  # files there that are not ours


def publish(name: str, items: Sequence[Item], *, private: bool, message: str, say: Callable[[str], None]) -> Published:
    """Make the branch `main` of the model repository `name` hold `items`; what is not ours there stays."""
    shelf = _Shelf(say)
    repository = Repository(kind="model", name=name)
    before = shelf.prepared(repository, private)
    names = {item.path for item in items}
    removed = tuple(sorted(path for path in before.files if path in NAMES and path not in names))
    try:
        commit = shelf.commit(before, items, removed, message)
        after = shelf.listing(before.repository, _BRANCH)
    except SourceUnavailable as error:
        after = shelf.arrived_after_all(before, items, error)
        commit = after.commit
    _check(after, items)
    return Published(
        commit=commit,
        url=f"{shelf.page}/{after.repository}",
        is_changed=commit != before.commit,
        removed=removed,
        kept=tuple(sorted(path for path in after.files if path not in names)),
    )


class _Shelf(Hub):
    """The Hub, written to."""

    @property
    def page(self) -> str:
        from urllib.parse import urlsplit

        from huggingface_hub import constants

        return f"{urlsplit(constants.ENDPOINT).scheme}://{self.host}"

    def prepared(self, repository: Repository, private: bool) -> Listing:
        """The repository as it is now, made first where there is none."""
        from huggingface_hub import HfApi

        _refuse_without_token()
        api = HfApi(library_name="sparsebuild")
        self._once(lambda: api.create_repo(repository.name, private=private or None, exist_ok=True), repository)
        return self.listing(repository, _BRANCH)

    def commit(self, before: Listing, items: Sequence[Item], removed: Sequence[str], message: str) -> str:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

        add = [CommitOperationAdd(path_in_repo=item.path, path_or_fileobj=item.source) for item in items]
        remove = [CommitOperationDelete(path_in_repo=path) for path in removed]
        with _quiet():
            made = self._once(
                lambda: HfApi(library_name="sparsebuild").create_commit(
                    before.repository.name,
                    [*add, *remove],
                    commit_message=message,
                    revision=_BRANCH,
                    parent_commit=before.commit,  # nobody else's commit in between is written over
                ),
                before.repository,
            )
        return str(made.oid)

    def arrived_after_all(self, before: Listing, items: Sequence[Item], error: SourceUnavailable) -> Listing:
        """What is there now, if it is ours: the answer to a commit can be lost. Else raises `error`."""
        try:
            after = self.listing(before.repository, _BRANCH)
            _check(after, items)
        except SparsebuildError:
            raise error from None
        if after.commit == before.commit:
            raise error
        return after

    def _once(self, act: Callable[[], Any], repository: Repository) -> Any:
        """What `act` gives. The client itself waits and tries again; errors are told in our words."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

        self.refuse_settings()
        try:
            try:
                return act()
            except RuntimeError as error:  # how the client tells of a file that it could not upload
                raise error.__cause__ or error from None
        except HfHubHTTPError as error:
            raise self._unwritten(error, repository) from None
        except HFValidationError:
            raise UserError(f"`{repository}` is not the name of a repository", hint="hf:ORG/NAME") from None
        except OfflineModeIsEnabled:
            raise SourceUnavailable("nothing can be published while HF_HUB_OFFLINE is set") from None
        except (httpx2.TransportError, OSError) as error:
            raise SourceUnavailable(
                f"the Hub at {self.host} cannot be reached: {error or type(error).__name__}",
                hint=_AGAIN,
            ) from None
        except ValueError as error:
            raise SourceUnavailable(f"the Hub at {self.host} refuses what was built: {error}") from None

    def _unwritten(self, error: Any, repository: Repository) -> SparsebuildError:
        status = error.response.status_code
        if status in (401, 403):
            return SourceUnavailable(
                f"the Hub at {self.host} does not let this token write to `{repository}`",
                hint="make one with write access, at the Hub under Settings, Access Tokens, and set HF_TOKEN",
            )
        if status in (409, 412):
            return SourceUnavailable(
                f"`{repository}` was changed by somebody else in the meantime", hint="look at it, and run it again"
            )
        return SourceUnavailable(
            f"the Hub at {self.host} answers {status}",
            hint=_AGAIN,
        )


def _refuse_without_token() -> None:
    from huggingface_hub import get_token

    if not get_token():
        raise SourceUnavailable("publishing needs a token of the Hub", hint="set HF_TOKEN, or run `hf auth login`")


def _check(after: Listing, items: Sequence[Item]) -> None:
    """Raise HashMismatch unless the Hub lists every file as it is here."""
    from sparsebuild.digest import file_digest
    from sparsebuild.providers.hub import git_name

    for item in items:
        there = after.files.get(item.path)
        same = there is not None and (
            there.sha256 == file_digest(item.source) if there.sha256 else there.blob == git_name(item.source)
        )
        if not same:
            raise HashMismatch(
                f"`{item.path}` of `{after.repository}` is not what was sent",
                hint="a .gitignore there, or somebody else's commit: look at it, and run it again",
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The client draws bars and warns; what it has to say comes as errors."""
    from huggingface_hub import utils

    were_disabled = utils.are_progress_bars_disabled()  # type: ignore[attr-defined]
    utils.disable_progress_bars()  # type: ignore[attr-defined]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if not were_disabled:
            utils.enable_progress_bars()  # type: ignore[attr-defined]
