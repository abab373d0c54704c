"""Rows of CoNLL columns: a word a line, its tag in another column, a blank line after each sentence.

    -DOCSTART- -X- -X- O         a document begins; it is no sentence

    EU         NNP B-NP B-ORG    the word is in the first column, the tag in the last
    rejects    VBZ B-VP O

There are two to four columns, as many in all lines; one is enough where no tags are asked for. They are parted by tabs
if the first word's line has one, and then a word may hold blanks; else by blanks. `data.text_column` and
`data.label_column` may name other columns by their numbers; "1" is the first. A line that begins with `# ` before the
first word of a sentence is a comment, unless it reads as the word `#` with a tag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.labels import is_tag
from sparsebuild.tasks.rows import ColumnKeys, DataFile, Row
from sparsebuild.tasks.streams import Damaged, lines, opened

__all__ = ["looks_like_conll", "read"]

_DOCUMENT = "-DOCSTART-"
_MOST_COLUMNS = 4
_MOST_WORDS = 100_000  # of a sentence; more are a file without blank lines


def read(file: DataFile, columns: ColumnKeys, complaints: Complaints) -> Iterator[Row]:
    """The sentences of a file, each with the line of its first word."""
    reader = _Reader(file, columns, complaints)
    with opened(file.path, file.seen) as stream:
        for line, text in lines(stream):
            if text.isspace() or text.startswith(_DOCUMENT):
                yield from reader.sentence()
            elif not reader.is_comment(text):
                reader.add(line, text)
            if reader.is_stuck:
                return
        yield from reader.sentence()


def looks_like_conll(text: str) -> bool:
    """Whether a text begins with a word and its tag."""
    for line in text.splitlines():
        if line.strip() and not line.startswith(_DOCUMENT) and not _is_comment(line, _Shape.of(line)):
            return _is_word(line, _Shape.of(line))
    return False


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the lines of a file are cut into columns."""

    has_tabs: bool
    width: int  # columns

    @classmethod
    def of(cls, text: str) -> _Shape:
        has_tabs = "\t" in text.rstrip()
        return cls(has_tabs, len(_cut(text, has_tabs)))

    def cells(self, text: str) -> list[str]:
        return _cut(text, self.has_tabs)


def _cut(text: str, has_tabs: bool) -> list[str]:
    # Not `split()`, which parts words at the no-break and wide blanks that they may hold.
    text = text.rstrip()
    return text.split("\t") if has_tabs else [cell for cell in text.replace("\t", " ").split(" ") if cell]


def _is_comment(text: str, shape: _Shape) -> bool:
    return text.startswith("# ") and not _is_word(text, shape)


def _is_word(text: str, shape: _Shape) -> bool:
    cells = shape.cells(text)
    return len(cells) == shape.width and 2 <= shape.width <= _MOST_COLUMNS and is_tag(cells[-1])


class _Reader:
    """Gathers the words of one sentence after the other."""

    def __init__(self, file: DataFile, columns: ColumnKeys, complaints: Complaints) -> None:
        self._file, self._columns, self._complaints = file, columns, complaints
        self._shape: _Shape | None = None  # as the first word's line has it
        self._first = self._line = 0  # lines of the file's first word, and of the sentence's
        self._places: Mapping[str, int] = {}  # column -> where it stands in a line
        self._words: list[list[str]] = []
        self.is_stuck = False  # all lines of the file are wrong alike

    def is_comment(self, text: str) -> bool:
        return not self._words and _is_comment(text, self._shape or _Shape.of(text))

    def add(self, line: int, text: str) -> None:
        """Take the line of one word."""
        if self._shape is None and not self._begin(line, text):
            return
        assert self._shape is not None  # it was just set
        cells = self._shape.cells(text)
        if len(cells) != self._shape.width:
            parted = "tabs" if self._shape.has_tabs else "blanks"
            hint = f"columns are parted by {parted} here, as in line {self._first}, which has {self._shape.width}"
            self._complaints.add(_counted(len(cells)), self._file.name, line, hint=hint)
            return
        self._line = self._line if self._words else line
        self._words.append(cells)
        if len(self._words) > _MOST_WORDS:
            raise Damaged(
                f"the sentence in line {self._line} has more than {_MOST_WORDS:,} words: is a blank line lost?"
            )

    def sentence(self) -> Iterator[Row]:
        """The sentence that ends here, if there is one."""
        if self._words:
            yield Row(
                line=self._line, values={c: [cells[at] for cells in self._words] for c, at in self._places.items()}
            )
            self._words = []

    def _begin(self, line: int, text: str) -> bool:
        """Learn from the first word how lines are cut; False if that is no way that we know."""
        self._shape, self._first = _Shape.of(text), line
        needed, width = len(self._columns), self._shape.width
        absent = [column for column in self._columns if _number(column) > width]
        if not needed <= width <= _MOST_COLUMNS:
            wanted = f"{needed} to {_MOST_COLUMNS}, with the word in the first and its tag in the last"
            self._complaints.add(f"{_counted(width)}, but CoNLL has {wanted}", self._file.name, line)
        for column in absent:
            hint = f"set `{self._columns[column]}` to the number of a column, or leave it out"
            self._complaints.add(f"there is no column `{column}`, but {width}", self._file.name, line, hint=hint)
        self.is_stuck = bool(absent) or not needed <= width <= _MOST_COLUMNS
        usual = (1, width)  # of the words, and of their tags
        self._places = {c: (_number(c) or at) - 1 for c, at in zip(self._columns, usual, strict=False)}
        return not self.is_stuck


def _number(column: str) -> int:
    """The column that is named by its number, from 1; 0 for one that is named otherwise."""
    return int(column) if column.isdecimal() and len(column) < 10 else 0


def _counted(columns: int) -> str:
    return f"{columns} column" if columns == 1 else f"{columns} columns"
