"""`docs/strangers.md`: every row names a test that is there, and what it says is printed stands in that test."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "strangers.md").read_text().splitlines()
    if line.startswith("| ") and "| shown by" not in line
]
CODES = {"0", "1", "2", "3", "4", "5", "70"}
# Words of ours about what is printed, rather than what is printed.
_IN_WORDS = re.compile(r"nothing|never|the |twenty|one line|what |it is |its |it would look|a token stays")


def named_in(file):
    tree = ast.parse(file.read_text()) if file.is_file() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_rows():
    assert len(ROWS) > 50


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_a_row_names_a_test_and_its_codes(row):
    assert len(row) == 4
    file, name = re.search(r"`(tests/[\w/]+\.py)::(\w+)`", row[3]).groups()
    assert name in named_in(ROOT / file)
    assert set(row[2].split(", ")) <= CODES


@pytest.mark.parametrize("row", [row for row in ROWS if not _IN_WORDS.match(row[1])], ids=lambda row: row[0][:50])
def test_what_is_printed_stands_in_the_test_or_in_what_prints_it(row):
    file = re.search(r"`(tests/[\w/]+\.py)::", row[3])[1]
    texts = [path.read_text() for path in [ROOT / file, *(ROOT / "sparsebuild").rglob("*.py")]]
    for part in filter(None, (part.strip() for part in row[1].split("…"))):
        assert any(part in text for text in texts), part


def test_every_test_that_is_named_elsewhere_is_there():
    text = (ROOT / "docs" / "strangers.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert [name for file, name in named if name not in named_in(ROOT / file)] == []
