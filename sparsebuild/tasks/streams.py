"""A data file as text, unpacked on the way where it is packed by gzip or zstd. Which it is, its first bytes say.

Nothing is unpacked to disk, and a file is never in memory whole: neither a large one nor one that only unpacks to much.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO

__all__ = ["LONGEST", "Damaged", "beginning", "is_packed", "lines", "nobody", "opened"]

LONGEST = 1 << 24  # characters of one row, so that a file that is no rows at all does not fill the memory

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPED = b"\x2a\x4d\x18"  # after a byte from 50 to 5f
_CHUNK = 1 << 16  # bytes, unpacked
_PACKED_CHUNK = 1 << 10  # bytes of zstd, each of which can become 32 kB


class Damaged(Exception):
    """Why a file cannot be read on, as one clause."""


def nobody(_: int) -> None:
    """Who is told how far reading is, where it is of no interest."""


@contextmanager
def opened(file: Path, seen: Callable[[int], None] = nobody) -> Iterator[IO[str]]:
    """The text of a file, from its start on; reading raises Damaged, and UnicodeDecodeError.

    `seen` is told how many bytes of the file were read, packed as they are, stretch by stretch. A byte order mark is
    left out. Line ends stay as they are: JSON and CSV have their own idea of what ends a line.
    """
    with (
        file.open("rb") as stream,
        closing(_unpacked(stream)) as chunks,
        closing(_told(chunks, stream, seen)) as chunks,
        io.TextIOWrapper(io.BufferedReader(_Chunks(chunks), _CHUNK), encoding="utf-8-sig", newline="") as text,
    ):
        yield text


def beginning(file: Path) -> bytes:
    """What a file begins with, unpacked: some kilobytes, or all of a shorter one; raises Damaged."""
    with file.open("rb") as stream, closing(_unpacked(stream)) as chunks:
        return next(chunks, b"")


def is_packed(file: Path) -> bool:
    """Whether a file is gzip or zstd."""
    with file.open("rb") as stream:
        head = stream.read(4)
    return head.startswith(_GZIP) or _is_zstd(head)


def lines(stream: IO[str]) -> Iterator[tuple[int, str]]:
    """The lines of a text with their numbers, from 1; raises Damaged for one that is too long."""
    number = 0
    while text := stream.readline(LONGEST):
        number += 1
        if len(text) == LONGEST:
            raise Damaged(f"line {number} is longer than {LONGEST:,} characters")
        yield number, text


def _told(chunks: Iterator[bytes], stream: IO[bytes], seen: Callable[[int], None]) -> Generator[bytes, None, None]:
    before = 0
    for chunk in chain(chunks, [b""]):
        now = stream.tell()
        seen(now - before)
        before = now
        yield chunk


def _unpacked(stream: IO[bytes]) -> Generator[bytes, None, None]:
    head = stream.read(4)
    stream.seek(0)
    if head.startswith(_GZIP):
        return _of_gzip(stream)
    return _of_zstd(stream) if _is_zstd(head) else _plain(stream)


def _is_zstd(head: bytes) -> bool:
    """By the first four bytes: of a frame, or of one to skip (RFC 8878, 3.1.2), with which some packers begin."""
    return head == _ZSTD or (head[1:] == _ZSTD_SKIPPED and head[0] >> 4 == 5)


def _plain(stream: IO[bytes]) -> Generator[bytes, None, None]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _of_gzip(stream: IO[bytes]) -> Generator[bytes, None, None]:
    try:
        with gzip.GzipFile(fileobj=stream) as inside:
            while chunk := inside.read(_CHUNK):
                yield chunk
    except EOFError:
        raise Damaged("the gzip ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Damaged(f"the gzip is damaged: {error}") from None


def _of_zstd(stream: IO[bytes]) -> Generator[bytes, None, None]:
    """Frame after frame. Not `stream_reader`, which takes a file that ends too early for a whole one."""
    import zstandard

    unpacker = zstandard.ZstdDecompressor()
    frame = unpacker.decompressobj()
    try:
        while packed := stream.read(_PACKED_CHUNK):
            while packed:
                if frame.eof:
                    frame = unpacker.decompressobj()
                if chunk := frame.decompress(packed):
                    yield chunk
                packed = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise Damaged(f"the zstd is damaged: {error}") from None
    if not frame.eof:
        raise Damaged("the zstd ends too early")


class _Chunks(io.RawIOBase):
    """Pieces of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # io's own type is wider
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
