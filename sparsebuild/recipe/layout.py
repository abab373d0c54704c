"""A recipe's text in one way of writing: two spaces a level, modifiers as blocks, comments where they were.

Works on YAML's events, so that anchors, aliases and numbers stay as they are written. What a comment stands before, or
behind, it stands before or behind afterwards; of empty lines in a row one is left. The meaning never changes: the
result is read again and compared, and a text that cannot be kept so is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from sparsebuild.errors import RecipeError
from sparsebuild.recipe.document import Document, Entry
from sparsebuild.recipe.front_matter import parts
from sparsebuild.recipe.reader import read

__all__ = ["formatted"]

_WIDE = 120  # columns; a list in brackets that is longer becomes one of lines
_COMMENT = re.compile(r"#[^\n]*")
_BLOCKS = ("|", ">")  # text over several lines


def formatted(text: str, file: str) -> str:
    """`text` in our way of writing, with the ends of lines that its first line has; the same for a text that is.

    Raises RecipeError for what is no recipe.
    """
    document = read(text, file)
    newline = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    before, source, after = parts(text.replace("\r\n", "\n"), file)
    if re.search(r"^%", source, re.MULTILINE):
        raise RecipeError(f"{file} begins with a directive of YAML (`%`), which is left to you")
    new = before + _Writer(source).text() + after
    if _meaning(read(new, file)) != _meaning(document):
        raise RecipeError(f"{file} cannot be written in another way without a change of its meaning")
    return new.replace("\n", newline)


def _meaning(document: Document) -> Any:
    """All that a recipe says, without the places where it says it."""
    return (
        {name: variable.value for name, variable in document.variables.items()},
        [_without_places(entry) for entry in document.entries],
        [entry.stage for entry in document.entries],
        [(s.name, {n: v.value for n, v in s.variables.items()}, s.metadata) for s in document.stages],
        document.metadata,
        set(document.borrowed),
    )


def _without_places(entry: Entry) -> Entry:
    return replace(entry, position=None, key_positions={}, field_positions={})


@dataclass(slots=True)
class _Node:
    """A value as its events tell it."""

    start: int  # in the text
    end: int
    head: str = ""  # its anchor and its tag
    scalar: str | None = None  # as it is to be written, or an alias
    pairs: list[tuple[_Node, _Node]] | None = None
    items: list[_Node] | None = None
    is_flow: bool = False


class _Writer:
    """Writes the one document of a YAML text again."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.comments = _comments(source)
        self.lines: list[str] = []

    def text(self) -> str:
        root = _parsed(self.source)
        if root.pairs is not None and not root.is_flow:
            self._leading(root.start, 0)
            if root.head:
                self._line(0, root.head, root.start)
                self._mapping(root, 2)
            else:
                self._mapping(root, 0)
        else:
            self._leading(root.start, 0)
            self._value("", root, 0, root.end)
        self._leading(len(self.source) + 1, 0)
        return "\n".join(_single_gaps(self.lines)) + "\n"

    # ---- values

    def _mapping(self, node: _Node, indent: int) -> None:
        for key, value in node.pairs or []:
            self._leading(key.start, indent)
            self._value(f"{key.head + ' ' if key.head else ''}{key.scalar}:", value, indent, key.end)

    def _value(self, before: str, node: _Node, indent: int, end: int, *, below: int | None = None) -> None:
        """`before`, which ends at `end` in the text, and the value on its line or below it.

        `indent` is that of the line, `below` of what comes below it.
        """
        head = f"{before} {node.head}".strip() if node.head else before
        if node.scalar is not None or self._is_short(node, head, indent):
            self._line(indent, f"{head} {_flow(replace(node, head=''))}".strip(), node.end)
            return
        if head == "-":
            self.lines.append(" " * indent + head)  # what stands behind it in the old text has been written already
        else:
            self._line(indent, head, self._head_end(node, end))
        if node.pairs is not None:
            self._mapping(node, indent + 2 if below is None else below)
        else:
            for item in node.items or []:
                self._item(item, indent + 2 if below is None else below)

    def _item(self, node: _Node, indent: int) -> None:
        self._leading(_first_word(node), indent)
        if node.pairs and not node.head and not self._is_short(node, "-", indent):
            (key, value), *rest = node.pairs
            named = f"- {key.head + ' ' if key.head else ''}{key.scalar}:"
            self._value(named, value, indent, key.end, below=indent + 4)
            self._mapping(replace(node, pairs=rest), indent + 2)
            return
        self._value("-", node, indent, node.start, below=indent + 4 if _is_tagged(node) else indent + 2)

    def _is_short(self, node: _Node, head: str, indent: int) -> bool:
        """Whether a list or a mapping stays on one line: it is empty, or was in brackets, fits, and has no comment."""
        if not (node.items or node.pairs):
            return node.scalar is None
        if not node.is_flow or _is_tagged(node):
            return False
        has_comment = any(node.start < at < node.end for at, _, _ in self.comments)
        return not has_comment and indent + len(head) + 1 + len(_flow(node)) <= _WIDE

    # ---- lines and comments

    def _head_end(self, node: _Node, end: int) -> int:
        """Where the line ends on which a value begins that goes on below it."""
        first = node.pairs[0][0].start if node.pairs else node.items[0].start if node.items else node.end
        return min(first, _line_end(self.source, end))

    def _line(self, indent: int, words: str, end: int) -> None:
        """A line of the new text, whose words end at `end` in the old one, with the comment that stands behind them."""
        line_end = _line_end(self.source, end)
        behind: list[str] = []
        for comment in list(self.comments):
            at, text, alone = comment
            if at >= line_end:
                break
            self.comments.remove(comment)
            if alone or behind:
                self.lines.append(" " * indent + text)
            else:
                behind.append(text)
        self.lines.append(" " * indent + words + (f"  {behind[0]}" if behind else ""))

    def _leading(self, start: int, indent: int) -> None:
        """The comments that stand before `start`, and the empty lines between them."""
        while self.comments and self.comments[0][0] < start:
            at, text, _ = self.comments.pop(0)
            self._gap(at)
            self.lines.append(" " * indent + text)
        self._gap(start)

    def _gap(self, at: int) -> None:
        """An empty line, where there is one before what is first on its line at `at`."""
        line = self.source.rfind("\n", 0, at) + 1
        above = self.source.rfind("\n", 0, max(line - 1, 0)) + 1
        is_first = not self.source[line:at].strip(" \t-")
        if self.lines and line and is_first and not self.source[above : line - 1].strip():
            self.lines.append("")


def _single_gaps(lines: list[str]) -> list[str]:
    kept = [line for i, line in enumerate(lines) if line or (i > 0 and lines[i - 1])]
    while kept and not kept[-1]:
        kept.pop()
    return kept


# ---- reading


_Comment = tuple[int, str, bool]  # where it stands, its words, whether it has its line for itself


def _comments(source: str) -> list[_Comment]:
    """Everything between the tokens that begins with `#`."""
    found: list[_Comment] = []
    at = 0
    tokens: list[Any] = list(yaml.scan(source, Loader=yaml.SafeLoader))
    for token in tokens:
        found += _in_gap(source, at, int(token.start_mark.index))
        at = max(at, token.end_mark.index)
        if isinstance(token, yaml.ScalarToken) and token.style in _BLOCKS:
            found += _in_gap(source, token.start_mark.index, _line_end(source, token.start_mark.index))
    return [*found, *_in_gap(source, at, len(source))]


def _line_end(source: str, at: int) -> int:
    found = source.find("\n", at)
    return found if found >= 0 else len(source)


def _in_gap(source: str, start: int, end: int) -> Iterator[_Comment]:
    for match in _COMMENT.finditer(source, start, end):
        line = source[source.rfind("\n", 0, match.start()) + 1 : match.start()]
        yield match.start(), match.group().rstrip(), not line.strip()


def _parsed(source: str) -> _Node:
    events: Iterator[Any] = iter(yaml.parse(source, Loader=yaml.SafeLoader))
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            return _node(event, events, source)
    raise AssertionError("the text was read as a recipe, so it has a value")


def _node(event: Any, events: Iterator[Any], source: str) -> _Node:
    node = _Node(start=event.start_mark.index, end=event.end_mark.index)
    if isinstance(event, yaml.AliasEvent):
        node.scalar = f"*{event.anchor}"
        return node
    node.head = " ".join(part for part in (event.anchor and f"&{event.anchor}", _tag(event)) if part)
    if isinstance(event, yaml.ScalarEvent):
        node.scalar = _scalar(event, source)
        if event.style in _BLOCKS:  # its mark lies where the next token begins
            node.end = _line_end(source, node.start)
        return node
    node.is_flow = bool(event.flow_style)
    children: list[_Node] = []
    for inner in events:
        if isinstance(inner, yaml.CollectionEndEvent):
            closed: Any = inner
            last = children[-1].end if children else node.end
            node.end = closed.end_mark.index if node.is_flow else last  # a block's mark lies where the next begins
            break
        children.append(_node(inner, events, source))
    if isinstance(event, yaml.MappingStartEvent):
        node.pairs = list(zip(children[::2], children[1::2], strict=True))
    else:
        node.items = children
    return node


def _tag(event: Any) -> str:
    if not event.tag or event.tag == "!":
        return event.tag or ""
    return event.tag.replace("tag:yaml.org,2002:", "!!", 1) if event.tag.startswith("tag:") else str(event.tag)


def _scalar(event: Any, source: str) -> str:
    """As it is written, if it is one line of text; else in double quotes, which say anything on one line."""
    written = source[event.start_mark.index : event.end_mark.index]
    words = _without_head(written)
    if event.style in (None, "'", '"') and "\n" not in words:
        return words
    quoted: str = yaml.dump(event.value, default_style='"', width=1 << 30, allow_unicode=True)
    return quoted.rstrip("\n")


def _without_head(written: str) -> str:
    """A scalar's words without the anchor and the tag before them."""
    while match := re.match(r"[&!]\S*(?:\s+|$)", written):
        written = written[match.end() :]
    return written.strip()


def _first_word(node: _Node) -> int:
    """Where the first thing in a list of lists stands: what comments before it come before all of them."""
    while node.items and not node.head and not node.is_flow:
        node = node.items[0]
    return node.start


def _is_tagged(node: _Node) -> bool:
    return "!" in node.head


def _flow(node: _Node) -> str:
    """In brackets, on one line."""
    if node.scalar is not None:
        return f"{node.head} {node.scalar}".strip()
    if node.pairs is not None:
        inner = ", ".join(f"{_flow(key)}: {_flow(value)}".rstrip() for key, value in node.pairs)
        return f"{node.head} {{{inner}}}".strip()
    return f"{node.head} [{', '.join(map(_flow, node.items or []))}]".strip()
