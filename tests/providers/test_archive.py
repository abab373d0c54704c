"""Archives that were made to do harm: each is refused as a whole, in one sentence, and nothing of it is kept."""

import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from sparsebuild.errors import SourceUnavailable
from sparsebuild.providers.archive import archive, kept

GOOD = {"m/config.json": b"{}"}


def tar(*members, mode="w"):
    """A tar of (name, data or TarInfo's fields)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as made:
        for name, content in members:
            info = tarfile.TarInfo(name)
            data = content if isinstance(content, bytes) else b""
            info.size = len(data)
            for key, value in ({} if isinstance(content, bytes) else content).items():
                setattr(info, key, value)
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(*members, **fields):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in fields.items():
                setattr(info, key, value)
            made.writestr(info, data)
    return buffer.getvalue()


def with_bytes(data, old, new):
    assert data.count(old) >= 1
    return data.replace(old, new)


def pax_header_of(size):
    """A tar whose first header says that a gigabyte of header follows."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, size
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 20)


def two_directories():
    return zipped(("a", b"one")) + zipped(("a", b"two"))


def hidden_directory():
    """Another table of contents stands in the comment of the first one."""
    first, second = zipped(("a", b"one")), zipped(("a", b"two"))
    return first[:-2] + struct.pack("<H", len(second)) + second


def encrypted():
    """The flags that say so, in the table of contents."""
    made = bytearray(zipped(("a", b"x")))
    made[made.index(b"PK\1\2") + 8] |= 1
    return bytes(made)


HOSTILE = {
    "up": (tar(("../a", b"x")), "'../a': it has an empty part, `.` or `..`"),
    "up, in a zip": (zipped(("a/../../b", b"x")), "'a/../../b': it has an empty part"),
    "a folder that leads up": (tar(("../a", {"type": tarfile.DIRTYPE})), "'../a': it has an empty part"),
    "absolute": (tar(("/etc/passwd", b"x")), "'/etc/passwd': it is not relative"),
    "a drive": (zipped(("C:/a", b"x")), "'C:/a': it is not relative"),
    "a backslash": (tar(("a\\b", b"x")), "it holds a backslash"),
    "a line break": (tar(("a\nb", b"x")), "it holds a backslash or a control character"),
    "a reserved name": (tar(("nul.txt", b"x")), "'nul.txt': it is a name that Windows reserves"),
    "a long name": (tar(("a" * 300, b"x")), "it is too long"),
    "a symbolic link": (tar(("a", {"type": tarfile.SYMTYPE, "linkname": "/etc"})), "'a', which is a link"),
    "a link and what goes through it": (
        tar(("a", {"type": tarfile.SYMTYPE, "linkname": "/tmp"}), ("a/b", b"x")),
        "'a', which is a link",
    ),
    "a hard link": (tar(("a", {"type": tarfile.LNKTYPE, "linkname": "b"})), "'a', which is a link"),
    "a device": (tar(("a", {"type": tarfile.CHRTYPE})), "'a', which is not a plain file"),
    "a pipe": (tar(("a", {"type": tarfile.FIFOTYPE})), "'a', which is not a plain file"),
    "a sparse file": (tar(("a", {"type": tarfile.GNUTYPE_SPARSE})), "'a', which is not a plain file"),
    "a link in a zip": (
        zipped(("a", b"/etc"), create_system=3, external_attr=(stat.S_IFLNK | 0o777) << 16),
        "'a', which is a link or a device",
    ),
    "a device in a zip": (
        zipped(("a", b""), create_system=3, external_attr=(stat.S_IFCHR | 0o666) << 16),
        "'a', which is a link or a device",
    ),
    "names that differ by case": (tar(("a/B", b"x"), ("a/b", b"y")), "'a/B' and 'a/b' are one name on some disks"),
    "folders that differ by case": (zipped(("A/x", b""), ("a/y", b"")), "'A' and 'a' are one name on some disks"),
    "names that differ by form": (tar(("\u00e9", b"x"), ("e\u0301", b"y")), "are one name on some disks"),
    "a name twice": (tar(("a", b"x"), ("a", b"y")), "'a' is there twice"),
    "a name twice in a zip": (with_bytes(zipped(("a", b"x"), ("b", b"y")), b"b", b"a"), "'a' is there twice"),
    "a file that is a folder": (tar(("a", b"x"), ("a/b", b"y")), "'a' is both a file and a folder"),
    "too many files": (tar(*((str(n), b"") for n in range(10_001))), "it holds more than 10000 files"),
    "two zips": (two_directories(), "refused: "),
    "a zip in a comment": (hidden_directory(), "it has more than one table of contents"),
    "a zip behind a program": (b"PK\3\4" + b"\0" * 96 + zipped(("a", b"x")), "refused: "),
    "an encrypted zip": (encrypted(), "'a' in it is encrypted"),
    "no name": (with_bytes(zipped(("a", b"x")), b"a", b"\0"), "'': it is not relative"),
    "a zip of the future": (
        with_bytes(zipped(("a", b"x")), b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\xf0"),
        "zip file version",
    ),
    "a bomb": (gzip.compress(bytes(300_000_000), 1), "it unpacks to more than 100 times its own size"),
    "a bomb in a zip": (zipped(("a", bytes(200_000_000))), "it would unpack to 0.2 GB"),
    "a header of a gigabyte": (pax_header_of(1 << 30), "it has a header of more than 1 MB"),
}


@pytest.mark.parametrize(("data", "fault"), HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_as_a_whole(context, tmp_path, data, fault):
    path = tmp_path / "it"
    path.write_bytes(data)
    with pytest.raises(SourceUnavailable) as error, archive(path, "`it`", context.temporary):
        pass
    assert fault in str(error.value)
    assert str(error.value).startswith("error: `it` is ")
    assert not context.temporary.exists() or list(context.temporary.iterdir()) == []


def test_a_zip_with_a_comment_is_none_of_them(context, tmp_path):
    path = tmp_path / "it"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a", b"x")
        made.comment = b"0123456789abcdef"  # as some forges put the commit there
    with archive(path, "`it`", context.temporary) as found:
        assert found.sizes == {"a": 1}


def test_a_table_of_contents_that_would_fill_the_memory_is_not_read(context, tmp_path):
    path = tmp_path / "it"
    entry = zipped(("a", b""))
    at = entry.index(b"PK\1\2")
    directory = entry[at : entry.index(b"PK\5\6")] * 400_000
    path.write_bytes(entry[:at] + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 9, 9, len(directory), at, 0))
    tracemalloc.start()
    with pytest.raises(SourceUnavailable, match="it holds more than 10000 files"), archive(path, "`it`", tmp_path):
        pass
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_modes_and_owners_are_not_looked_at(context, tmp_path):
    path = tmp_path / "it"
    path.write_bytes(tar(("./a", {"mode": 0o6777, "uid": 0, "size": 0})))
    with archive(path, "`it`", context.temporary) as found:
        file = kept(found, "a", "a", context)
    context.store.copy_to(file.sha256, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) & 0o7111 == 0
