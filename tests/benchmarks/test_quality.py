"""benchmarks/quality.py: what has been measured, and that the pages of the recipes say just that."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "benchmarks" / "quality.jsonl"
CUT = ("fast-6x", "fast-8x", "fast-12x", "stock-4x")
WITHOUT_DROPOUT = ("pruned80-quant", "pruned90-quant", "fast-6x", "fast-8x", "fast-12x")
PAGES = {
    **{name: name for name in CUT},
    "pruned50-quant": "50 % + int8",
    "pruned80-quant": "80 % + int8",
    "pruned90-quant": "90 % + int8",
    "quant": "dense + QAT",
}


def printed(*words):
    command = [sys.executable, ROOT / "benchmarks" / "quality.py", "--print", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_help_names_the_rows():
    command = [sys.executable, ROOT / "benchmarks" / "quality.py", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "50 % + int8" in " ".join(said.split())


@pytest.fixture(scope="module")
def table():
    """The cells of each row that was measured, by its name."""
    rows = [line.strip("| ").split(" | ") for line in printed().splitlines() if line.startswith("|")]
    return {name: cells for name, *cells in rows[2:]}


def test_every_row_of_the_table_has_its_figures(table):
    assert all(len(cells) == 7 for name, cells in table.items() if name != "dense teacher")


@pytest.mark.parametrize("recipe", PAGES)
def test_a_page_tells_what_was_measured(table, recipe):
    *_, size, validation, test, kept, kept_on_test = table[PAGES[recipe]]
    text = (ROOT / "docs" / "recipes" / f"{recipe}.md").read_text()
    assert f"{size} MB | {validation} | {test} | {kept} / {kept_on_test} |" in text


def test_a_page_tells_what_is_kept_without_unlabelled_text(table):
    *_, size, validation, test, kept, kept_on_test = table["80 % + int8, labelled only"]
    text = (ROOT / "docs" / "recipes" / "pruned80-quant.md").read_text()
    assert f"{size} MB | {validation} | {test} | {kept} / {kept_on_test} |" in text


@pytest.mark.parametrize("row", ["transfer, 80 % + int8", "transfer, 80 % + int8, hidden states"])
def test_the_page_of_transfer_tells_what_was_measured(table, row):
    *_, validation, test, kept, kept_on_test = table[row]
    text = (ROOT / "docs" / "recipes" / "transfer-quant.md").read_text()
    assert f" | {validation} | {test} | {kept} / {kept_on_test} |" in text
    assert f"`{row}`" in text or f'"{row}"' in text


@pytest.mark.parametrize("recipe", PAGES)
def test_a_page_tells_what_a_dense_student_has_that_was_trained_likewise(table, recipe):
    row = "dense student, no dropout" if recipe in WITHOUT_DROPOUT else "dense student"
    *_, validation, test, kept, kept_on_test = table[row]
    text = (ROOT / "docs" / "recipes" / f"{recipe}.md").read_text()
    assert f"(row `{row}`, " in text
    both = f"{validation} and {test}, " if recipe in CUT else ""
    assert f"has {both}{kept} / {kept_on_test} of its teacher's" in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"recipe": "0" * 64}, "another recipe"), ({"data": "0" * 64}, "other data"), ({"quick": True}, "--quick")],
)
def test_a_result_counts_only_for_what_it_was_measured_with(change, reason, tmp_path):
    known = [json.loads(line) for line in MEASURED.read_text().splitlines()]
    result = {**next(one for one in known if one["row"] == "fast-6x"), "seed": 7}
    asked = ("--row", "fast-6x", "--seed", 7, "--folder", tmp_path)
    (tmp_path / "results.jsonl").write_text(json.dumps({**result, **change}) + "\n")
    assert printed(*asked) == f"fast-6x, seed 7: a result of {reason} does not count\n"
    (tmp_path / "results.jsonl").write_text(json.dumps(result) + "\n")
    assert "| fast-6x |" in printed(*asked)


def test_what_was_measured_of_other_data_is_not_printed_for_these(tmp_path):
    (tmp_path / "train.jsonl").write_text("{}\n")
    told = printed("--row", "fast-6x", "--seed", 1, "--data", tmp_path, "--folder", tmp_path)
    assert told == "fast-6x, seed 1: a result of other data does not count\n"


def test_what_is_kept_for_the_documentation_is_of_the_recipes_as_they_are(tmp_path):
    assert "does not count" not in printed("--folder", tmp_path)
