"""A lock is the same bytes for the same values, and nothing is lost on the way through the file."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.lock import Lock, LockedFile, LockedSource, differences, names_fault, parse, path_fault, text

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)
PATHS = st.lists(WORDS, min_size=1, max_size=3).map("/".join).filter(lambda path: not path_fault(path))
FILES = st.builds(
    LockedFile,
    path=PATHS,
    size=st.integers(0, 2**53),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
)
SOURCES = st.builds(
    LockedSource,
    name=WORDS,
    kind=st.sampled_from(["file-data", "pypi-model", "hf-model"]),
    request=WORDS,
    resolved=st.just("") | WORDS,
    trust=st.sampled_from(["", "pickle"]),
    version=st.none() | WORDS,
    commit=st.none() | WORDS,
    licence=st.just("") | WORDS,
    labels=st.dictionaries(WORDS, st.lists(WORDS, max_size=3).map(tuple), max_size=2),
    files=st.lists(FILES, max_size=4).map(tuple).filter(lambda files: not names_fault(file.path for file in files)),
)
LOCKS = st.builds(Lock, sources=st.lists(SOURCES, max_size=4, unique_by=lambda source: source.name).map(tuple))


@settings(deadline=None, max_examples=50)
@given(LOCKS)
def test_write_read_write_is_the_same_bytes(lock):
    assert text(parse(text(lock))) == text(lock)


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
