"""A lock is the same bytes for the same values, and nothing is lost on the way through the file."""

import json

import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.lock import Lock, LockedFile, LockedSource, differences, names_fault, parse, path_fault, text

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)
PATHS = st.lists(WORDS, min_size=1, max_size=3).map("/".join).filter(lambda path: not path_fault(path))
TEXTS = WORDS.filter(lambda word: "\x7f" not in word)  # the one sign that JSON has as it is and TOML has not
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = SCALARS | st.lists(SCALARS | st.lists(TEXTS, max_size=2), max_size=3)
EXTRA = st.dictionaries(TEXTS, VALUES, max_size=2)
FILES = st.builds(
    LockedFile,
    path=PATHS,
    size=st.integers(0, 2**53),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
)
SOURCES = st.builds(
    LockedSource,
    name=st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True),
    kind=st.sampled_from(["file-data", "pypi-model", "hf-model"]),
    request=WORDS,
    resolved=st.just("") | WORDS,
    trust=st.sampled_from(["", "pickle"]),
    version=st.none() | WORDS,
    commit=st.none() | WORDS,
    licence=st.just("") | WORDS,
    labels=st.dictionaries(WORDS, st.lists(WORDS, max_size=3).map(tuple), max_size=2),
    files=st.lists(FILES, min_size=1, max_size=4)
    .map(tuple)
    .filter(lambda files: not names_fault(file.path for file in files)),
)
LOCKS = st.builds(Lock, sources=st.lists(SOURCES, max_size=4, unique_by=lambda source: source.name).map(tuple))


def as_toml(value):
    return json.dumps(value, ensure_ascii=False)


@settings(deadline=None, max_examples=50)
@given(LOCKS)
def test_write_read_write_is_the_same_bytes(lock):
    assert text(parse(text(lock))) == text(lock)


@settings(deadline=None, max_examples=50)
@given(EXTRA)
def test_values_of_another_version_stay_what_they_are(extra):
    lines = "".join(f"{as_toml(key)} = {as_toml(value)}\n" for key, value in extra.items())
    theirs = f"lock-version = 1\n[more]\n{lines}[[source]]\nname = 'n'\nkind = 'k'\nrequest = 'r'\nfiles = []\n"
    ours = text(parse(theirs))
    assert tomli.loads(ours) == tomli.loads(theirs)
    assert tomli.loads(theirs)["more"] == extra
    assert text(parse(ours)) == ours


@settings(deadline=None, max_examples=50)
@given(LOCKS, st.randoms())
def test_order_makes_no_difference(lock, random):
    shuffled = random.sample(lock.sources, len(lock.sources))
    assert text(Lock(sources=tuple(shuffled))) == text(lock)


@settings(deadline=None, max_examples=50)
@given(LOCKS)
def test_a_lock_does_not_differ_from_itself(lock):
    assert differences(lock, lock) == differences(lock, parse(text(lock))) == ()


@settings(deadline=None, max_examples=50)
@given(LOCKS, LOCKS)
def test_locks_that_read_differently_differ(old, new):
    is_same = text(old) == text(new)
    assert (differences(old, new) == ()) == is_same
