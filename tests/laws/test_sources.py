"""Whatever stands in a request or an archive, it is read or refused in words; nothing gets out of its folder."""

import io
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import names_fault, path_fault
from sparsebuild.providers.archive import archive
from sparsebuild.providers.download import address_fault, host_of
from sparsebuild.providers.https import Address
from sparsebuild.providers.stubs import Stub

EXAMPLES = int(os.environ.get("SPARSEBUILD_FUZZ", "200"))  # more of them once in a while
FEW = settings(deadline=None, max_examples=EXAMPLES)
LONG = "nlp/masked_language_modeling/obert-base/pytorch/huggingface/wikipedia_bookcorpus/pruned90-none"
ODD = st.sampled_from(["", "..", "/", "?", "#", "&", "=", "%2e", "%00", "\0", "\u202e", "@", ":", "[", "]", "é", " "])


def pieces(*known):
    return st.lists(st.sampled_from(known) | ODD | st.text(max_size=4), max_size=8).map("".join)


def mangled(text):
    """A good text with something odd put in somewhere."""
    return st.builds(
        lambda at, odd, cut: text[:at] + odd + text[at + cut :], st.integers(0, len(text)), ODD, st.integers(0, 3)
    )


@FEW
@given(
    mangled(f"{LONG}?recipe=a&checkpoint=preqat")
    | mangled("obert-base-x-pruned90")
    | pieces("nlp", "a-b-c", "recipe=x")
)
def test_a_stub_is_read_or_refused(text):
    try:
        stub = Stub.parse(f"zoo:{text}")
    except UserError:
        return
    asked = "".join(stub.arguments.values())
    assert all(c.isalnum() or c in "._-" for c in asked)
    assert asked.isascii()
    assert stub.is_folder(stub.name) or stub.fields


@FEW
@given(mangled("https://host.example:8443/a/b.tar.gz?v=1#folder/in/it") | pieces("https://", "host", "/a", "token="))
def test_an_address_is_read_or_refused(text):
    try:
        address = Address.parse(text if text.startswith("https:") else f"https:{text}")
    except UserError:
        return
    assert address_fault(address.url) == ""
    assert (path_fault(address.name), path_fault(address.inner) if address.inner else "") == ("", "")
    assert "@" not in host_of(address.url)


def a_zip(names):
    buffer = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # of a name twice
        for name in names:
            made.writestr(zipfile.ZipInfo(name or "x"), b"content")
    return buffer.getvalue()


def a_tar(names, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as made:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 7
            made.addfile(info, io.BytesIO(b"content"))
    return buffer.getvalue()


def opened(data):
    """What is in an archive, or None if it is refused; every member is read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "it")
        path.write_bytes(data)
        try:
            with archive(path, "`it`", Path(folder)) as found:
                for name in found.sizes:
                    with found.open(name) as stream:
                        stream.read(1 << 20)
                return list(found.sizes)
        except SourceUnavailable:
            return None


PARTS = st.sampled_from(["a", "A", "..", ".", "", "nul", "b.txt", "C:", "\\", "é", "e\u0301"])
NAMES = st.lists(st.lists(PARTS, max_size=4).map("/".join), max_size=4)


@FEW
@given(NAMES, st.sampled_from([a_zip, a_tar, lambda names: a_tar(names, "w:gz")]))
def test_what_is_taken_from_an_archive_stays_inside(names, make):
    found = opened(make(names))
    if found is not None:
        assert [path_fault(name) for name in found] == [""] * len(found)
        assert names_fault(found) == ""


GOOD = [a_zip(["a/b", "c"]), a_tar(["a/b", "c"]), a_tar(["a/b", "c"], "w:gz")]


@FEW
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.integers(0, 12_000),
)
def test_a_damaged_archive_is_refused_or_read(data, changes, length):
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    opened(bytes(damaged[: length or None]))


@FEW
@given(st.binary(max_size=600), st.sampled_from([b"", b"PK\3\4", b"PK\5\6", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]))
def test_noise_is_no_archive(noise, start):
    opened(start + noise)
