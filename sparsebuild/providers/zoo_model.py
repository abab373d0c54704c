"""A model of the SparseZoo, wherever it is: its recipes, and the files to train from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from sparsebuild.engine.store import Damaged
from sparsebuild.errors import SourceUnavailable
from sparsebuild.lock import LockedFile
from sparsebuild.providers import archive as archives
from sparsebuild.providers.base import Context
from sparsebuild.providers.weights import LARGEST_CONFIG

__all__ = ["ZooFile", "ZooModel", "packed"]


# Gives the file's bytes as a file on this machine, for as long as a block runs.
Opened = Callable[[Context], AbstractContextManager[Path]]


class ZooFile:
    """One file, here or not; it is brought when it is first needed, and once."""

    def __init__(self, opened: Opened | None = None, kept: LockedFile | None = None) -> None:
        self._opened, self._kept = opened, kept

    def keep(self, name: str, context: Context) -> LockedFile:
        """Put it into the store as `name`."""
        if self._kept is None:
            assert self._opened is not None
            with self._opened(context) as path:
                size, sha256 = path.stat().st_size, context.store.put(path)
            self._kept = LockedFile(path=name, size=size, sha256=sha256)
        return replace(self._kept, path=name)

    def read(self, context: Context) -> bytes:
        """The bytes of a small one."""
        file = self.keep("it", context)
        if file.size > LARGEST_CONFIG:
            raise SourceUnavailable(f"a configuration of {file.size / 1e6:.0f} MB is refused")
        try:
            return context.store.read_bytes(file.sha256)
        except Damaged:  # which is gone with that
            if self._opened is None:
                raise SourceUnavailable("a file of the model was damaged in the cache", hint="run again") from None
            self._kept = None
            return context.store.read_bytes(self.keep("it", context).sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooModel:
    """What was found."""

    where: str  # in words
    resolved: str  # the short stub, where that was not what was asked
    recipes: Mapping[str, ZooFile]  # in the zoo's order
    training: Mapping[str, ZooFile]
    has_deployment: bool


def packed(opened: Opened, context: Context) -> dict[str, ZooFile]:
    """The files of a tarball, put into the store; the zoo's own program dropped the folders in it, and so do we."""
    with opened(context) as path, archives.archive(path, "the model's tarball", context.temporary) as inside:
        members = {PurePosixPath(name).name: name for name in inside.sizes}
        if len(members) < len(inside.sizes):
            raise SourceUnavailable("the model's tarball holds files of one name in several folders")
        return {name: ZooFile(kept=archives.kept(inside, member, name, context)) for name, member in members.items()}
