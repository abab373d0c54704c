"""Files out of an archive that anyone may have made: zip, and tar as it is, gzipped or in zstandard.

An archive is refused as a whole when any of its members is not a plain file or folder with a name that stays inside:
what else would be in it is not worth knowing. Nothing is ever unpacked to where a member's name says; owners, modes and
times are not looked at. What it unpacks to is bounded before and while it is unpacked.
"""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any, Protocol

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, names_fault, path_fault
from sparsebuild.providers import weights
from sparsebuild.providers.base import Context, Want, are_rows, is_wanted

__all__ = ["MOST_MEMBERS", "Archive", "archive", "chosen", "is_archive", "kept", "kept_again", "kept_of"]

_SUFFIXES = (".zip", ".whl", ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst")
MOST_MEMBERS = 10_000
_MOST_DIRECTORY = 8 << 20  # bytes of a zip's table of contents; each entry of it becomes an object
# Text compresses to a tenth and pruned weights to a fifth; a bomb to a thousandth.
_MOST_EXPANSION = 100
_SMALL = 100 << 20  # bytes; an archive that holds no more is never a bomb
_LARGEST_READ = 1 << 20  # bytes; a tar's header may claim to be of any length, and would be read at once


# What the libraries raise for bytes that make no sense to them.
_DAMAGES = (
    *(zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError),
    *(tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, struct.error),
)


class Archive(Protocol):
    """An open archive; its members are plain files under safe names."""

    @property
    def sizes(self) -> Mapping[str, int]: ...  # bytes, by name
    def open(self, name: str) -> IO[bytes]: ...


def is_archive(name: str) -> bool:
    """Whether a file of this name is one that others are taken out of."""
    return name.lower().endswith(_SUFFIXES)


@contextmanager
def archive(path: Path, what: str, temporary: Path) -> Iterator[Archive]:
    """The archive in a file, recognised by its bytes. `what` is its name in errors, all of them SourceUnavailable."""
    try:
        with path.open("rb") as stream, _opened(stream, temporary) as found:
            yield found
    except _Refused as error:
        raise SourceUnavailable(f"{what} is refused: {error}", hint="nothing of it was unpacked") from None
    except _DAMAGES as error:
        raise SourceUnavailable(f"{what} is damaged: {error}") from None


def kept_of(found: Archive, inner: str, want: Want, what: str, context: Context) -> list[LockedFile]:
    """Put the wanted files of `inner` into the store; raises as `chosen`, and for a model that no build could use."""
    members = chosen(found.sizes, inner, want, what)
    if want == "data":
        _tell_below(found.sizes, inner, members.values(), what, context)
    if want == "model":
        members = {name: members[name] for name in _needed(found, members, context.trust)}
    return [kept(found, member, name, context) for name, member in sorted(members.items())]


def kept_again(found: Archive, inner: str, file: LockedFile, context: Context) -> str:
    """Put what now stands in the place of a locked file into the store; its sha256, or "none" where it has gone."""
    below = f"{inner}/{file.path}" if inner else file.path
    member = next((name for name in (below, inner) if name in found.sizes), "")
    return kept(found, member, file.path, context).sha256 if member else "none"


def chosen(names: Collection[str], inner: str, want: Want, what: str) -> dict[str, str]:
    """The wanted files by the names they will have in the lock: `inner` is a file, a folder, or "" for the top.

    Of a folder only what lies right in it. Raises UserError that lists what could have been asked for.
    """
    if inner in names:
        return {inner.rpartition("/")[2]: inner}
    prefix = f"{inner}/" if inner else ""
    inside = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    right_in_it = {name: path for name, path in inside.items() if "/" not in name}
    wanted = {name: path for name, path in right_in_it.items() if want == "model" or is_wanted(name, want)}
    is_model = want != "model" or "config.json" in wanted
    if wanted and is_model:
        return wanted
    fault = "is not in it" if not inside else "holds no config.json, so it is not a model" if want == "model" else ""
    where = f"`{inner}` of {what}" if inner else f"the top of {what}"
    listed = ", ".join(f"`#{path}`" for path in _fitting(names, want)[:10])
    raise UserError(
        f"{where} {fault or 'is not a file in it'}", hint=f"it has: {listed}" if listed else "it has none anywhere"
    )


def _tell_below(names: Collection[str], inner: str, taken: Collection[str], what: str, context: Context) -> None:
    """Say where rows lie below a folder of which `taken`, right in it, are those that were chosen."""
    prefix = f"{inner}/" if inner else ""
    below = [name for name in names if name.startswith(prefix) and name not in taken and are_rows(name)]
    if inner not in names and below:
        where = f"in `{inner}`" if inner else "at the top"
        context.report(
            f"only files right {where} of {what} are taken, `{min(below)}` is not: name its folder behind the `#`, or "
            "unpack it and name a pattern"
        )


def _needed(found: Archive, members: Mapping[str, str], trust: str) -> list[str]:
    """Which of a model's files a build needs, by their names; what would run code is refused."""

    def read(name: str) -> bytes:
        with found.open(members[name]) as stream:
            data = stream.read(weights.LARGEST_CONFIG + 1)
        if len(data) > weights.LARGEST_CONFIG:
            raise SourceUnavailable(f"`{name}` has more than {weights.LARGEST_CONFIG:,} bytes")
        return data

    names = weights.needed(members, trust, read)
    for name in weights.CONFIGS:
        if name in members:
            weights.refuse_code(name, read(name))
    return names


def kept(found: Archive, member: str, name: str, context: Context) -> LockedFile:
    """Put one member into the store, as `name`."""
    context.temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=context.temporary) as copy, found.open(member) as stream:
        copyfileobj(stream, copy, _LARGEST_READ)
        copy.flush()
        return LockedFile(path=name, size=copy.tell(), sha256=context.store.put(Path(copy.name)))


class _Refused(Exception):
    """Why an archive is not opened."""


def _fitting(names: Collection[str], want: Want) -> list[str]:
    if want == "model":
        return weights.models(names)
    fits = are_rows if want == "data" else lambda path: path.endswith((".yaml", ".yml", ".md"))
    return sorted(filter(fits, names))


@contextmanager
def _opened(stream: IO[bytes], temporary: Path) -> Iterator[Archive]:
    head = stream.read(512)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    most = max(_SMALL, size * _MOST_EXPANSION)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        _check_directory(stream, size)
        with zipfile.ZipFile(stream) as inside:
            yield _Zip(inside, most)
    elif head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        temporary.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=temporary) as plain, _decompressed(stream, head) as inflated:
            _copy_at_most(inflated, plain, most)
            with _tar(plain) as inside:
                yield _Tar(inside, most)
    elif head[257:262] == b"ustar":
        with _tar(stream) as inside:
            yield _Tar(inside, most)
    else:
        raise _Refused("it is not a zip, tar, tar.gz or tar.zst file")


class _Zip:
    def __init__(self, inside: zipfile.ZipFile, most: int) -> None:
        infos = inside.infolist()
        if infos and min(info.header_offset for info in infos) != 0:
            raise _Refused("something stands before the zip's first file")
        for info in infos:
            _check_zip_member(info)
        # Not `is_dir()`, which fails for a name that is empty.
        files = [info for info in infos if not info.filename.endswith("/")]
        folders = [info.filename.rstrip("/") for info in infos if info.filename.endswith("/")]
        _check([info.filename for info in files], folders)
        _check_size(sum(info.file_size for info in files), most)
        self._inside, self.sizes = inside, {info.filename: info.file_size for info in files}

    def open(self, name: str) -> IO[bytes]:
        return self._inside.open(name)


class _Tar:
    def __init__(self, inside: tarfile.TarFile, most: int) -> None:
        members = []
        while member := inside.next():
            members.append(member)
            if len(members) > MOST_MEMBERS:
                raise _Refused(f"it holds more than {MOST_MEMBERS} files")
        for member in members:
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise _Refused(f"it holds {member.name[:300]!r}, which is {_kind(member)}")
        files = [(_relative(member.name), member) for member in members if member.isreg()]
        folders = [name for member in members if member.isdir() and (name := _relative(member.name))]
        _check([name for name, _ in files], folders)
        _check_size(sum(member.size for _, member in files), most)
        self._inside, self._members = inside, dict(files)
        self.sizes = {name: member.size for name, member in files}

    def open(self, name: str) -> IO[bytes]:
        stream = self._inside.extractfile(self._members[name])
        assert stream is not None  # a regular file
        return stream


class _Bounded(io.RawIOBase):
    """A file from which nothing large can be read at once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise _Refused("it has a header of more than 1 MB")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _check(files: Sequence[str], folders: Sequence[str]) -> None:
    if len(files) + len(folders) > MOST_MEMBERS:
        raise _Refused(f"it holds more than {MOST_MEMBERS} files")
    for name in (*files, *folders):
        if fault := path_fault(name):
            raise _Refused(f"it holds {name[:300]!r}: {fault}")
    if fault := names_fault(files):
        raise _Refused(fault)


def _check_size(unpacked: int, most: int) -> None:
    if unpacked > most:
        raise _Refused(f"it would unpack to {unpacked / 1e9:.1f} GB, more than {_MOST_EXPANSION} times its own size")


def _check_zip_member(info: zipfile.ZipInfo) -> None:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _Refused(f"it holds {info.filename!r}, which is a link or a device")
    if info.flag_bits & 0x1:
        raise _Refused(f"{info.filename!r} in it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Refused(f"{info.filename!r} in it is compressed in a way that is not read here")


def _check_directory(stream: IO[bytes], size: int) -> None:
    """A zip has one table of contents, at its end, and it is short.

    Where two could be meant, two programs would see two archives; and a long one would fill the memory on opening.
    """
    start = max(0, size - (1 << 16) - 22)
    stream.seek(start)
    tail = stream.read()
    stream.seek(0)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        raise zipfile.BadZipFile("it has no table of contents")
    length, offset, comment = struct.unpack("<IIH", tail[at + 12 : at + 22])
    end = start + at
    if at + 22 + comment != len(tail):
        raise _Refused("it has more than one table of contents")
    if tail[at - 20 : at - 16] == b"PK\6\7" and at >= 76:  # of large archives: the same in 64 bits stands before it
        length, offset = struct.unpack("<QQ", tail[at - 76 + 40 : at - 76 + 56])
        end -= 76
        if tail[at - 76 : at - 72] != b"PK\6\6":
            raise _Refused("it has more than one table of contents")
    if length > _MOST_DIRECTORY:
        raise _Refused(f"it holds more than {MOST_MEMBERS} files")
    if offset + length != end:
        raise _Refused("it has more than one table of contents")


@contextmanager
def _tar(stream: IO[bytes]) -> Iterator[tarfile.TarFile]:
    stream.seek(0)
    bounded: Any = _Bounded(stream)
    with tarfile.TarFile(fileobj=bounded, mode="r") as inside:
        yield inside


@contextmanager
def _decompressed(stream: IO[bytes], head: bytes) -> Iterator[Any]:
    if head.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=stream) as inflated:
            yield inflated
        return
    import zstandard

    try:
        yield zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(stream)
    except zstandard.ZstdError as error:
        raise tarfile.ReadError(str(error)) from None


def _copy_at_most(source: Any, destination: IO[bytes], most: int) -> None:
    done = 0
    while block := source.read(_LARGEST_READ):
        done += len(block)
        if done > most:
            raise _Refused(f"it unpacks to more than {_MOST_EXPANSION} times its own size")
        destination.write(block)


def _relative(name: str) -> str:
    """`./a` is `a`, as tar programs write it, and the folder `.` is nothing."""
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name


def _kind(member: tarfile.TarInfo) -> str:
    return "a link" if member.issym() or member.islnk() else "not a plain file"
