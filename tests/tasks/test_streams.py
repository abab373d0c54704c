"""Text out of plain and packed files, whole or damaged."""

import gzip
from pathlib import Path

import pytest
import zstandard

from sparsebuild.tasks import streams
from sparsebuild.tasks.streams import Damaged, beginning, is_packed, lines, opened

TEXT = "\ufeff" + "".join(f"row {number}\n" for number in range(20_000))
PACKED = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


def read(path: Path) -> str:
    with opened(path) as stream:
        return "".join(text for _, text in lines(stream))


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_what_is_packed_is_read_as_what_is_not_whatever_its_name(pack, tmp_path: Path) -> None:
    data, path = TEXT.encode(), tmp_path / "rows.txt"
    path.write_bytes(data)
    assert (is_packed(path), read(path)) == (False, TEXT[1:])
    path.write_bytes(pack(data[:50_000]) + pack(data[50_000:]))  # of several parts, as `cat` makes them
    assert (is_packed(path), read(path)) == (True, TEXT[1:])
    assert data.startswith(beginning(path))
    assert len(beginning(path)) > 1000


def test_zstd_may_begin_with_a_frame_to_skip(tmp_path: Path) -> None:
    """As those begin that several threads packed."""
    packed, path = PACKED["zstd"](TEXT.encode()), tmp_path / "rows"
    path.write_bytes(b"\x5f\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"size" + packed)
    assert (is_packed(path), read(path)) == (True, TEXT[1:])


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_file_that_ends_too_early_is_told(name: str, tmp_path: Path) -> None:
    packed, path = PACKED[name](TEXT.encode()), tmp_path / "rows"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(Damaged, match=f"the {name} ends too early"):
        read(path)


@pytest.mark.parametrize("name", PACKED)
def test_a_damaged_packed_file_is_told(name: str, tmp_path: Path) -> None:
    packed, path = PACKED[name](TEXT.encode()), tmp_path / "rows"
    path.write_bytes(packed[:20] + bytes(20) + packed[40:])
    with pytest.raises(Damaged, match=f"the {name} is damaged"):
        read(path)


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(streams, "LONGEST", 1000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"ok\n" + bytes(10**7)))
    with pytest.raises(Damaged, match="line 2 is longer than 1,000 characters"):
        read(tmp_path / "bomb.gz")
