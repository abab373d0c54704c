"""What changed, in one line each."""

from dataclasses import replace

from sparsebuild.lock import Lock, LockedFile, LockedSource, differences


def file(path, letter, size=1):
    return LockedFile(path=path, size=size, sha256=letter * 64)


def source(name="model", **changes):
    plain = LockedSource(
        name=name,
        kind="pypi-model",
        request="pypi:tiny==1.0",
        version="1.0",
        files=(file("a", "a"), file("b", "b")),
    )
    return replace(plain, **changes)


def lines(old, new):
    return [str(d) for d in differences(Lock(sources=tuple(old)), Lock(sources=tuple(new)))]


def test_nothing_changed():
    assert lines([source(), source("teacher")], [source("teacher"), source()]) == []


def test_sources_come_and_go():
    rows = source("data.unlabelled", request="file:a\nfile:b")
    assert lines([source()], [rows]) == [
        "data.unlabelled: added, file:a, file:b",
        "model: removed, pypi:tiny==1.0",
    ]


def test_no_lock_is_a_lock_without_sources():
    assert differences(None, Lock(sources=(source(),))) == differences(Lock(), Lock(sources=(source(),)))
    assert str(differences(Lock(sources=(source(),)), None)[0]) == "model: removed, pypi:tiny==1.0"


def test_what_was_asked_and_what_it_became():
    new = source(request="pypi:tiny==2.0", version="2.0", commit="c0ffee", kind="hf-model")
    assert lines([source()], [new]) == [
        "model: kind pypi-model -> hf-model",
        "model: request pypi:tiny==1.0 -> pypi:tiny==2.0",
        "model: version 1.0 -> 2.0",
        "model: commit none -> c0ffee",
    ]


def test_files():
    assert lines([source()], [source(files=(file("b", "c", 2), file("d", "d")))]) == [
        "model: file a removed, sha256 aaaaaaaaaaaa (1 bytes)",
        "model: file b sha256 bbbbbbbbbbbb (1 bytes) -> sha256 cccccccccccc (2 bytes)",
        "model: file d added, sha256 dddddddddddd (1 bytes)",
    ]
