"""Laws of what counts: order never does, values always do, and each difference has a sentence."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.digest import canonical_json
from sparsebuild.engine.action import Action, File
from sparsebuild.engine.fingerprint import document, fingerprint
from sparsebuild.engine.outputs import digest
from sparsebuild.engine.record import Record, from_json, to_json
from sparsebuild.engine.staleness import Present, reasons

KEYS = st.text(st.characters(codec="utf-8"), max_size=5)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
PARAMS = st.dictionaries(KEYS, VALUES, max_size=4)
FILES = st.lists(st.builds(File, path=KEYS, size=st.integers(0), sha256=st.sampled_from("abc")), max_size=4)


def action(params, **changes):
    return replace(Action(name="a", step="s", folder="build/a", params=params), **changes)


def record(of):
    asked = document(of, {})
    return Record(document=asked, fingerprint=fingerprint(asked), outputs=())


def reordered(value):
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(PARAMS)
def test_the_order_of_keys_never_counts(params):
    assert fingerprint(document(action(params), {})) == fingerprint(document(action(reordered(params)), {}))


@given(PARAMS, PARAMS)
def test_values_that_differ_are_other_questions_and_each_has_a_reason(old, new):
    changed = reasons(action(new), {}, record(action(old)), Present())
    assert (canonical_json(old) == canonical_json(new)) == (not changed)
    assert (fingerprint(document(action(old), {})) == fingerprint(document(action(new), {}))) == (not changed)
    assert len({reason.subject for reason in changed}) == len(changed)
    assert all(str(reason) for reason in changed)


@given(FILES, st.randoms())
def test_the_order_of_files_never_counts(files, random):
    shuffled = random.sample(files, len(files))
    assert digest(files) == digest(shuffled)


SHA256 = st.sampled_from(["a" * 64, "b" * 64])
RECORDED = st.lists(st.builds(File, path=st.sampled_from(["x", "y/ü"]), size=st.integers(0), sha256=SHA256), max_size=4)


@given(PARAMS, RECORDED, RECORDED)
def test_a_record_survives_its_trip(params, outputs, inputs):
    made = replace(record(action(params)), outputs=tuple(outputs), inputs={"x": tuple(inputs)}, notes=params)
    assert from_json(to_json(made)) == made
