"""Where a key stands in a TOML text: tomli does not tell the place of a value.

The text is walked once, with just enough TOML to know where keys and values begin and end. It is called on texts that
tomli has already accepted, so nothing is checked here; on other texts the walk ends early and finds fewer keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sparsebuild.errors import Position

__all__ = ["KeyPath", "Place", "key_text", "places", "position_at"]

KeyPath = tuple[str | int, ...]  # ("teacher", "train", "seed"); numbers count the items of arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a key and its value stand, as offsets into the text. An item of an array is its own key."""

    key: int
    key_end: int
    value: int
    value_end: int


def position_at(text: str, offset: int, file: str) -> Position:
    """The line and column of an offset, both from 1."""
    line_start = text.rfind("\n", 0, offset) + 1
    return Position(file=file, line=text.count("\n", 0, offset) + 1, column=offset - line_start + 1)


def key_text(path: Sequence[str | int]) -> str:
    """A key path as a person writes it: train.seed, data.unlabelled[2], "odd key".x."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            plain = step and all(c.isalnum() or c in "_-" for c in step)
            text += ("." if text else "") + (step if plain else f'"{step}"')
    return text


def places(text: str) -> dict[KeyPath, Place]:
    """Every key path of the text with its place. A table's place is its header, or the first key that implies it."""
    walk = _Walk(text)
    with suppress(IndexError, ValueError):  # not TOML; what was found so far still helps
        walk.document()
    return walk.found


class _Walk:
    """A cursor over the text that notes what it passes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[KeyPath, Place] = {}
        self.items: dict[KeyPath, int] = {}  # how many [[tables]] an array has so far

    def document(self) -> None:
        table: KeyPath = ()
        self.blank(lines=True)
        while self.at < len(self.text):
            if self.peek("["):
                table = self.header()
            else:
                self.pair(table)
            self.blank(lines=True)

    def header(self) -> KeyPath:
        """[a.b] or [[a.b]]: note the table and return its path."""
        start, is_array = self.at, self.peek("[[")
        self.at += 2 if is_array else 1
        keys = [name for name, _, _ in self.keys()]
        self.at = self.text.index("]]" if is_array else "]", self.at) + (2 if is_array else 1)
        path = (*self.resolved(keys[:-1]), keys[-1])
        if is_array:
            count = self.items.get(path, 0)
            self.items[path] = count + 1
            self.note(path, start, self.at, start, self.at)
            path += (count,)
        elif path in self.items:  # not TOML, but harmless
            path += (self.items[path] - 1,)
        for length in range(1, len(path)):
            self.note(path[:length], start, self.at, start, self.at)
        # A header says more about its table than a deeper header or key before it did.
        self.found[path] = Place(key=start, key_end=self.at, value=start, value_end=self.at)
        return path

    def resolved(self, keys: Sequence[str]) -> KeyPath:
        """`keys` with the number of the last item wherever an array of tables is meant."""
        path: KeyPath = ()
        for key in keys:
            path += (key,)
            if path in self.items:
                path += (self.items[path] - 1,)
        return path

    def pair(self, table: KeyPath) -> None:
        """key = value, under `table`."""
        keys = self.keys()
        self.at += 1  # the equals sign
        self.blank()
        path = table + tuple(name for name, _, _ in keys)
        begin = self.at
        self.value(path)
        for number, (_, start, end) in enumerate(keys, start=1):
            owner = table + tuple(name for name, _, _ in keys[:number])
            self.note(owner, start, end, begin, self.at)

    def keys(self) -> list[tuple[str, int, int]]:
        """A dotted key: the name of each part, where it starts and ends; leaves the cursor behind blanks."""
        parts = []
        while True:
            self.blank()
            start = self.at
            name = self.string() if self.text[start] in "\"'" else self.bare()
            parts.append((name, start, self.at))
            self.blank()
            if not self.peek("."):
                return parts
            self.at += 1

    def bare(self) -> str:
        start = self.at
        while self.at < len(self.text) and (self.text[self.at].isalnum() or self.text[self.at] in "_-"):
            self.at += 1
        if self.at == start:
            raise ValueError("no key here")
        return self.text[start : self.at]

    def value(self, path: KeyPath) -> None:
        """Pass a value, noting the keys and items in it."""
        if self.peek("["):
            self.array(path)
        elif self.peek("{"):
            self.inline_table(path)
        elif self.text[self.at] in "\"'":
            self.string()
        else:
            self.bare_value()

    def bare_value(self) -> None:
        """A number, a truth or a date: up to what ends a value, less the blanks before it."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ",]}#\n\r":
            self.at += 1
        while self.at > start and self.text[self.at - 1] in " \t":
            self.at -= 1
        if self.at == start:
            raise ValueError("no value here")

    def array(self, path: KeyPath) -> None:
        self.at += 1
        number = 0
        while True:
            self.blank(lines=True, commas=True)
            if self.peek("]"):
                break
            begin = self.at
            self.value((*path, number))
            self.note((*path, number), begin, self.at, begin, self.at)
            number += 1
        self.at += 1

    def inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while True:
            self.blank(lines=True, commas=True)
            if self.peek("}"):
                break
            self.pair(path)
        self.at += 1

    def string(self) -> str:
        """Pass a string of any of the four kinds; its text is right for the one-line kinds, which keys are."""
        quote = self.text[self.at]
        mark = quote * 3 if self.peek(quote * 3) else quote
        start = self.at = self.at + len(mark)
        while not self.peek(mark):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
            if self.at >= len(self.text):
                raise ValueError("a string without an end")
        while len(mark) == 3 and self.peek(mark + quote):  # up to two quotes may stand before the closing ones
            self.at += 1
        inner = self.text[start : self.at]
        self.at += len(mark)
        return _unescaped(inner) if quote == '"' else inner

    def blank(self, lines: bool = False, commas: bool = False) -> None:
        """Pass spaces and, when asked, line ends with comments, and commas."""
        skipped = " \t" + ("\r\n" if lines else "") + ("," if commas else "")
        while self.at < len(self.text):
            if lines and self.peek("#"):
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in skipped:
                self.at += 1
            else:
                return

    def peek(self, mark: str) -> bool:
        return self.text.startswith(mark, self.at)

    def note(self, path: KeyPath, key: int, key_end: int, value: int, value_end: int) -> None:
        self.found.setdefault(path, Place(key=key, key_end=key_end, value=value, value_end=value_end))


def _unescaped(text: str) -> str:
    """The text of a quoted key. Its escapes are those of a TOML string, so TOML reads it."""
    if "\\" not in text:
        return text
    import tomli

    value: str = tomli.loads(f'x = "{text}"')["x"]
    return value
