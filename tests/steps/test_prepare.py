"""The step as the engine runs it: inputs by name, messages with the user's file names, and every way to be wrong."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparsebuild.engine.job import Job
from sparsebuild.errors import SparsebuildError
from sparsebuild.steps import prepare

CASES = Path(__file__).parents[1] / "cases" / "data"
BAD = sorted(folder for folder in (CASES / "bad").iterdir())


class Listener:
    """A report that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.done: list[tuple[float, float, str]] = []

    def progress(self, done: float, total: float, unit: str, **fields: float | str) -> None:
        self.done.append((done, total, unit))

    def log(self, message: str, level: str = "info") -> None:
        self.said.append(message)

    def metric(self, name: str, value: float) -> None: ...

    def note(self, key: str, value: Any) -> None: ...


def job(folder: Path, out: Path, tokenizer: Path = CASES / "tokenizer", **params: Any) -> Job:
    """A job on the files of `folder`, named for their splits; `good` has those that it lacks."""
    found = {path.stem: path for path in (CASES / "good").iterdir()}
    found |= {path.name.partition(".")[0]: path for path in folder.iterdir() if path.stem not in ("params", "error")}
    if "validation_fraction" in params:
        del found["validation"]
    names = {f"data.{split}": f"data/{path.name}" for split, path in found.items()}
    inputs = {"tokenizer": tokenizer, **{f"data.{split}": path for split, path in found.items()}}
    settings = {"max_length": 32, "names": names, **params}
    places = {name: out / name for name in ("out", "scratch", "log", "root")}
    places["out"].mkdir(parents=True)
    return Job(name="prepare", step="prepare", params=settings, inputs=inputs, **places)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_every_problem_of_the_data_is_told_with_file_row_and_column(case: Path, tmp_path: Path) -> None:
    params = case / "params.json"
    work = job(case, tmp_path, **(json.loads(params.read_text()) if params.exists() else {}))
    with pytest.raises(SparsebuildError) as error:
        prepare.run(work, Listener())
    assert f"{error.value}\n" == (case / "error.txt").read_text()
    assert error.value.exit_code == 2


def test_preparing_twice_leaves_the_same_bytes(tmp_path: Path) -> None:
    works = [job(CASES / "good", tmp_path / str(n)) for n in range(2)]
    for work in works:
        prepare.run(work, Listener())
    first, second = (digests(work.out) for work in works)
    assert first == second
    assert {path.split("/")[0] for path in first} == {
        "train", "validation", "unlabelled", "labels.json", "report.json", "tokenizer", "words.jsonl",
    }  # fmt: skip


def test_words_that_nobody_sees_are_told(tmp_path: Path) -> None:
    listener = Listener()
    prepare.run(job(CASES / "good", tmp_path, max_length=8), listener)
    assert listener.said == [
        "train: 5 words cut off from 3 sentences longer than 8 pieces: not learnt from",
        "unlabelled: the tokenizer makes no piece of 1 word: left out",
        "unlabelled: 2 words cut off from 1 sentence longer than 8 pieces: not learnt from",
    ]


def test_the_report_counts(tmp_path: Path) -> None:
    work = job(CASES / "good", tmp_path, max_length=8)
    prepare.run(work, Listener())
    assert json.loads((work.out / "report.json").read_text())["train"] == {
        "sentences": 4,
        "words": 22,
        "entities": 6,
        "pieces": 32,
        "longest": 8,
        "words_without_pieces": 0,
        "sentences_cut_off": 3,
        "words_cut_off": 5,
        "sentences_in_train": 0,
        "tags": {
            "O": 13,
            "B-group": 2,
            "I-group": 1,
            "B-location": 2,
            "I-location": 1,
            "B-person": 2,
            "I-person": 1,
        },
    }


def validated(tmp_path: Path, numbers: list[int | str]) -> Path:
    """What is prepared of numbers that another dataset than that of the training rows has."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"tokens": ["a", "b", "c"], "ner_tags": [0, 1, 2]}\n')
    (folder / "validation.jsonl").write_text(json.dumps({"tokens": ["a"] * len(numbers), "ner_tags": numbers}) + "\n")
    tables = {"validation": ["B-LOC", "O", "B-PER", "B-creative-work"]}
    work = job(folder, tmp_path / "work", labels=["O", "B-PER", "B-LOC", "I-LOC"], tables=tables)
    prepare.run(work, Listener())
    return work.out


def test_numbers_of_a_split_are_read_by_the_table_of_its_own_dataset(tmp_path: Path) -> None:
    counted = json.loads((validated(tmp_path, [1, 2, 2, "2", "B-LOC"]) / "report.json").read_text())
    assert {tag: n for tag, n in counted["validation"]["tags"].items() if n} == {"O": 1, "B-PER": 3, "B-LOC": 1}
    assert {tag: n for tag, n in counted["train"]["tags"].items() if n} == {"O": 1, "B-PER": 1, "B-LOC": 1}


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        pytest.param(
            3,
            "tag `3` (word 2, `a`), in its dataset `B-creative-work`, is not in the label table",
            "the labels are O, B-PER, B-LOC, I-LOC; the table is what `data.labels` lists, or else the classes that "
            "the data name themselves",
            id="its name is no label of the training rows",
        ),
        pytest.param(
            4,
            "tag `4` (word 2, `a`) is not in the label table of its dataset",
            "there are: B-LOC, O, B-PER, B-creative-work",
            id="beyond its own table, not that of another",
        ),
    ],
)
def test_a_number_that_means_no_label_is_refused(number: int, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(SparsebuildError) as error:
        validated(tmp_path, [1, number])
    assert str(error.value) == (f"error: column `ner_tags`: {message}\n  --> data/validation.jsonl:1:1\n\nhint: {hint}")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (["more/b.jsonl", "more/c.jsonl"], "more/c.jsonl"),
        ("file:more", "more/c.jsonl"),
        ("more/*.jsonl", "more/c.jsonl"),
        ("*.jsonl", "c.jsonl"),
        (["x/*.jsonl", "y/*.jsonl"], "c.jsonl"),
        ("more [v1]/", "more [v1]/c.jsonl"),
        ("more [v1]/*.jsonl", "c.jsonl"),
        ("mo*/**", "c.jsonl"),
        ("hf:org/rows?split=train", "org/rows/c.jsonl"),
        ("hf:org/rows@v1?config=a*#more", "org/rows@v1#more/c.jsonl"),
        ("hf:org/rows#more/c.jsonl", "org/rows#more/c.jsonl"),
        ("hf:org/rows#c.jsonl", "org/rows#c.jsonl"),
        ("https://host/c.jsonl?download=true", "//host/c.jsonl"),
    ],
)
def test_a_file_is_called_what_the_user_called_it(source: str | list[str], shown: str, tmp_path: Path) -> None:
    folder = tmp_path / "unlabelled"
    folder.mkdir()
    (folder / "b.jsonl").write_text('{"tokens": ["b"]}\n')
    (folder / "c.jsonl").write_text('{"tokens": []}\n')
    work = job(CASES / "good", tmp_path / "work", names={"data.unlabelled": source})
    work = replace(work, inputs={**work.inputs, "data.unlabelled": folder})
    with pytest.raises(SparsebuildError) as error:
        prepare.run(work, Listener())
    assert str(error.value) == f"error: column `tokens`: the sentence is empty\n  --> {shown}:1:1"


def test_files_of_a_folder_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    outs = []
    for names in ("ba", "ab"):
        folder = tmp_path / names
        folder.mkdir()
        for name in names:
            (folder / f"{name}.jsonl").write_text(json.dumps({"tokens": [name]}) + "\n")
        work = job(CASES / "good", tmp_path / f"work-{names}")
        prepare.run(replace(work, inputs={**work.inputs, "data.unlabelled": folder}), Listener())
        outs.append(digests(work.out))
    assert outs[0] == outs[1]


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").write_bytes(b"tokens,ner_tags\n\xff\xfe\n")
    with pytest.raises(SparsebuildError) as error:
        prepare.run(job(folder, tmp_path / "work"), Listener())
    assert str(error.value) == "error: data/train.csv is not UTF-8: invalid start byte\n\nhint: save it as UTF-8"


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(SparsebuildError, match="the model's tokenizer cannot be read"):
        prepare.run(job(CASES / "good", tmp_path / "work", tokenizer=tmp_path / "model"), Listener())
