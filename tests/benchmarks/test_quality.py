"""benchmarks/quality.py: what has been measured, and that the pages of the recipes say just that."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("fast-6x", "fast-8x", "fast-12x", "stock-4x")  # rows of the table that are recipes with a page


@pytest.fixture(scope="module")
def table():
    """The cells of each row that was measured, by its name."""
    printed = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "quality.py", "--print"], capture_output=True, text=True, check=True
    )
    rows = [line.strip("| ").split(" | ") for line in printed.stdout.splitlines() if line.startswith("|")]
    return {name: cells for name, *cells in rows[2:]}


def test_every_row_of_the_table_has_its_figures(table):
    assert all(len(cells) == 7 for name, cells in table.items() if name != "dense teacher")


@pytest.mark.parametrize("recipe", PAGES)
def test_a_page_tells_what_was_measured(table, recipe):
    *_, size, validation, test, kept, kept_on_test = table[recipe]
    text = (ROOT / "docs" / "recipes" / f"{recipe}.md").read_text()
    assert f"{size} MB | {validation} | {test} | {kept} / {kept_on_test} |" in text
