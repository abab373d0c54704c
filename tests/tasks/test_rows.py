"""Rows out of JSON lines, JSON arrays, CSV and Parquet, whatever their shape."""

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
import hubs

from sparsebuild.errors import DataError
from sparsebuild.tasks import json_rows
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.parquet_rows import class_names
from sparsebuild.tasks.rows import DataFile, format_of, read_rows

COLUMNS = {"tokens": "data.text_column"}
VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.just("tokens"), VALUES, min_size=1), max_size=6)


def read(path: Path, text: str, newline: str = "") -> list[tuple[int, Any]]:
    path.write_text(text, encoding="utf-8", newline=newline)
    complaints = Complaints()
    found = [
        (row.line, row.values["tokens"]) for row in read_rows(DataFile(path=path, name=path.name), COLUMNS, complaints)
    ]
    complaints.raise_if_any()
    return found


def test_a_row_knows_its_line(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", '{"tokens": 1}\n\n  \n{"tokens": 2}\r\n') == [
        (1, 1),
        (4, 2),
    ]
    assert read(tmp_path / "a.json", '\n[\n{"tokens": 1},\n\n{"tokens":\n 2}, {"tokens": 3}]\n') == [
        (3, 1),
        (5, 2),
        (6, 3),
    ]
    assert read(tmp_path / "a.csv", 'x,tokens\n"a\nb",1\n\nc,2\n') == [(2, 1), (5, 2)]


def test_a_long_cell_of_a_column_that_is_not_read_hides_no_row(tmp_path: Path) -> None:
    usual = csv.field_size_limit()
    text = f"text,tokens\n{'a' * 140_000},1\nb,2\n"
    assert read(tmp_path / "a.csv", text) == [(2, 1), (3, 2)]
    assert csv.field_size_limit() == usual


def test_a_json_file_may_hold_an_object_a_line(tmp_path: Path) -> None:
    assert read(tmp_path / "a.json", '{"tokens": 1}\n{"tokens": 2}\n') == [
        (1, 1),
        (2, 2),
    ]


def test_an_empty_array_and_an_empty_file_have_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path / "a.json", " [ ] ") == read(tmp_path / "b.json", "") == read(tmp_path / "c.csv", "") == []


def test_a_byte_order_mark_and_windows_line_ends_mean_nothing(tmp_path: Path) -> None:
    text = '\ufefftokens,x\r\n"[""a""]",b\r\n'
    assert read(tmp_path / "a.csv", text) == [(2, ["a"])]
    assert read(tmp_path / "a.jsonl", '\ufeff{"tokens": 1}\r\n') == [(1, 1)]


def test_a_line_separator_in_a_string_ends_no_line(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", '{"tokens": "a\u2028b\u0085"}\n{"tokens": 1}\n')[1] == (2, 1)


@pytest.mark.parametrize(
    "text",
    ["[1", '[{"tokens": 1}', '[{"tokens": 1},]', '[{"tokens": 1}] x', "[" * 100_000],
)
def test_an_array_that_is_none_is_a_complaint(text: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"not JSON|a row is a JSON object"):
        read(tmp_path / "a.json", text)


@settings(deadline=None)
@given(OBJECTS, st.sampled_from([None, 1]), st.integers(1, 9), st.booleans())
def test_an_array_is_read_as_json_reads_it(objects: list[Any], indent: int | None, chunk: int, escape: bool) -> None:
    """However the text is cut into chunks."""
    text = json.dumps(objects, indent=indent, ensure_ascii=escape)
    complaints = Complaints()
    file = DataFile(path=Path("a.json"), name="a.json")
    found = [value for _, value in json_rows._objects_of_array(file, io.StringIO(text), complaints, chunk)]
    assert (found, len(complaints)) == (objects, 0)


@settings(deadline=None)
@given(objects=OBJECTS)
def test_csv_and_json_lines_say_the_same(objects: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("rows")
    table = io.StringIO()
    csv.writer(table).writerows([["tokens"], *([json.dumps(o["tokens"])] for o in objects)])
    lines = "".join(json.dumps(o) + "\n" for o in objects)
    values = [
        [value for _, value in read(folder / name, text)]
        for name, text in (("a.csv", table.getvalue()), ("a.jsonl", lines))
    ]
    assert values[0] == values[1] == [o["tokens"] for o in objects]


def test_parquet_gives_the_names_of_its_classes(tmp_path: Path) -> None:
    file = DataFile(path=tmp_path / "a.parquet", name="a.parquet")
    file.path.write_bytes(hubs.parquet())
    complaints = Complaints()
    found = list(read_rows(file, {"tokens": "", "ner_tags": ""}, complaints))
    assert [(row.line, row.values["ner_tags"]) for row in found] == [(1, ["B-PER", "I-PER", "O"]), (2, ["O"])]
    assert class_names(file.path, "ner_tags") == ("O", "B-PER", "I-PER")
    assert class_names(file.path, "tokens") == class_names(file.path, "nothing") == ()


def test_parquet_without_classes_and_without_a_column(tmp_path: Path) -> None:
    file = DataFile(path=tmp_path / "a.parquet", name="a.parquet")
    file.path.write_bytes(hubs.parquet(labels=None))
    complaints = Complaints()
    assert [row.values["ner_tags"] for row in read_rows(file, {"ner_tags": ""}, complaints)] == [[1, 2, 0], [0]]
    list(read_rows(file, {"tags": "data.label_column"}, complaints))
    with pytest.raises(DataError, match=r"a\.parquet has no column `tags`"):
        complaints.raise_if_any()


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_damaged_parquet_is_told(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(damage)
    complaints = Complaints()
    list(read_rows(DataFile(path=tmp_path / "a.parquet", name="a.parquet"), COLUMNS, complaints))
    with pytest.raises(DataError, match=r"a\.parquet is not Parquet that we read"):
        complaints.raise_if_any()


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.jsonl", "EU B-ORG", "jsonl"),  # the name comes first
        ("A.NDJSON", "", "jsonl"),
        ("a.csv.gz", "", "csv"),
        ("a.bio", "", "conll"),
        ("a.iob.zst", "", "conll"),
        ("a.parquet", "", "parquet"),
        ("a.txt", '\ufeff\n {"tokens": 1}', "json"),
        ("a", "[1]", "json"),
        ("a.data", "PAR1", "parquet"),
        ("a.txt", 'id,tokens\n1,"[]"\n', "csv"),
        ("a.tsv", "EU\tB-ORG\n", "conll"),
        ("a.txt", "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\n", "conll"),
        ("train.txt.gz", "# of 2003\nEU B-ORG\n", "conll"),
        ("a.txt", "EU B-ORG and more of it\n", ""),
        ("a.txt", "some words of a text\n", ""),
        ("a.txt", "id,words\n", ""),
        ("a", "", ""),
    ],
)
def test_a_format_is_told_by_the_name_and_else_by_the_beginning(
    name: str, text: str, kind: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    file = DataFile(path=tmp_path / name, name=name)
    assert format_of(file, COLUMNS) == kind
    assert format_of(replace(file, format="conll"), COLUMNS) == "conll"


def test_a_format_that_nothing_tells_is_a_complaint(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path / "a.txt", "some words\n")
    assert str(error.value) == (
        "error: neither its name nor its beginning tells how to read a.txt\n\n"
        "hint: say it with `data.format`: `jsonl`, `json`, `csv`, `conll`, `parquet`"
    )
