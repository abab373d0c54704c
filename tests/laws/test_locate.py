"""The locator finds every key of any TOML, where tomli finds the same value."""

import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.manifest.locate import places

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)
NAMES = st.one_of(st.sampled_from(["a", "b-1", "c_d", "3"]), WORDS)
SCALARS = st.one_of(
    st.integers(-(2**40), 2**40), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), WORDS, st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)


class Writer:
    """Writes a document as TOML in a way that the draw decides: tables or inline, bare or quoted, with comments."""

    def __init__(self, draw):
        self.pick = lambda *choices: draw(st.sampled_from(choices))

    def document(self, document):
        lines = [self.pick("", "# a = 1\n", "\n\n")]
        tables = {}
        for name, value in document.items():
            if isinstance(value, dict) and self.pick(True, False):
                tables[name] = value
            else:
                lines.append(self.pair(name, value))
        for name, table in tables.items():
            lines.append(f"{self.pick('', '  ')}[{self.key(name)}]{self.end()}")
            lines += [self.pair(inner, value) for inner, value in table.items()]
        return "".join(lines)

    def pair(self, name, value):
        space = self.pick("", " ", "\t ")
        if isinstance(value, dict) and value and self.pick(True, False):
            return "".join(
                f"{self.key(name)}{space}.{space}{self.key(inner)}{space}={space}{self.value(item)}{self.end()}"
                for inner, item in value.items()
            )
        return f"{self.key(name)}{space}={space}{self.value(value)}{self.end()}"

    def key(self, name):
        if name and name.isascii() and all(c.isalnum() or c in "_-" for c in name) and self.pick(True, False):
            return name
        is_plain = "'" not in name and all(ord(c) >= 32 and ord(c) != 127 for c in name)
        return f"'{name}'" if is_plain and self.pick(True, False) else f'"{escaped(name)}"'

    def value(self, value):
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.key(k)} = {self.value(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            gap = self.pick("", " ", "\n", " # ]\n")
            return "[" + gap + "".join(f"{self.value(item)},{gap}" for item in value) + "]"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            mark = self.pick('"', '"""')
            return f"{mark}{escaped(value)}{mark}"
        return value.isoformat() if hasattr(value, "isoformat") else repr(value)

    def end(self):
        return self.pick("\n", " # [x]\n", "\r\n", "\n\n")


def escaped(text):
    plain = set(range(32, 0xD800)) - {34, 92, 127}
    return "".join(c if ord(c) in plain else f"\\U{ord(c):08x}" for c in text)


def paths(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield (*path, step), inner
        yield from paths(inner, (*path, step))


@settings(deadline=None)
@given(DOCUMENTS, st.data())
def test_every_key_is_found_where_its_value_is(document, data):
    text = Writer(data.draw).document(document)
    assert tomli.loads(text) == document  # or the test writes no TOML
    found = places(text)
    assert set(found) == {path for path, _ in paths(document)}
    for path, value in paths(document):
        written = text[found[path].value : found[path].value_end]
        if not isinstance(value, dict):
            assert tomli.loads(f"x = {written}") == {"x": value}
        key = text[found[path].key : found[path].key_end]
        if isinstance(path[-1], str) and not key.strip().startswith("["):
            assert list(tomli.loads(f"{key} = 1")) == [path[-1]]


@given(st.text(alphabet="a=.[]{}\"'\\#,\n 1", max_size=30))
def test_any_text_ends(text):
    places(text)
