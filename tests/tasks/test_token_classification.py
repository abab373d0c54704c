"""From rows to prepared splits, and from a model's labels back to tags."""

import csv
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
import hubs

from sparsebuild.errors import DataError, UserError
from sparsebuild.tasks import task
from sparsebuild.tasks.base import Request, Teller
from sparsebuild.tasks.holdout import Holdout
from sparsebuild.tasks.prepared import PreparedSplit
from sparsebuild.tasks.rows import DataFile
from sparsebuild.tasks.token_classification import (
    gold_tags,
    predictions_to_tags,
    prepare,
    score,
)

CASES = Path(__file__).parents[1] / "cases" / "data"
PACKED = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    return [json.loads(line) for line in (CASES / "good" / f"{name}.jsonl").read_text().splitlines()]


def write(path: Path, rows: list[Row]) -> None:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows({key: json.dumps(value) for key, value in row.items()} for row in rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    elif path.suffix == ".conll":
        sentences = (zip(row["tokens"], row["ner_tags"], strict=True) for row in rows)
        path.write_text("\n".join("".join(f"{word} {tag}\n" for word, tag in words) for words in sentences))
    elif path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in PACKED:
        write(path.with_suffix(""), rows)
        path.write_bytes(PACKED[path.suffix](path.with_suffix("").read_bytes()))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def row(*words: str, tag: str = "O") -> Row:
    return {"tokens": list(words), "ner_tags": [tag] * len(words)}


def report(out: Path) -> Any:
    return json.loads((out / "report.json").read_text())


def prepared(folder: Path, suffix: str = ".jsonl", **changes: Any) -> Path:
    """Prepare `train` and `validation` (rows, or those of the good case); gives the folder."""
    sources = {split: changes.pop(split, rows(split)) for split in ("train", "validation")}
    heard = changes.pop("heard", [])  # gets what is said, warnings with a mark
    far = changes.pop("far", [])  # gets how far it was
    sources = {split: content for split, content in sources.items() if content is not None}
    folder.mkdir(parents=True)
    for split, content in sources.items():
        write(folder / f"{split}{suffix}", content)
    files = {split: [DataFile(path=folder / f"{split}{suffix}", name=split)] for split in sources}
    request = Request(files=files, tokenizer=CASES / "tokenizer", **{"max_length": 32, **changes})
    prepare(
        request,
        folder / "out",
        Teller(say=heard.append, warn=lambda m: heard.append(f"! {m}"), progress=lambda *told: far.append(told)),
    )
    return folder / "out"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_labels_are_on_first_pieces_alone(tmp_path: Path) -> None:
    out = prepared(
        tmp_path / "a",
        train=[{"tokens": ["Ada", "Xy", "met"], "ner_tags": ["B-p", "I-p", "O"]}],
        validation=[{"tokens": ["a"], "ner_tags": ["O"]}],
    )
    split = PreparedSplit.open(out / "train")
    assert json.loads((out / "labels.json").read_text()) == ["O", "B-p", "I-p"]
    assert split.labels(0).tolist() == [-100, 1, 2, -100, 0, -100]
    assert split.words(0).tolist() == [-1, 0, 1, -1, 2, -1]
    assert split.tags(0).tolist() == [1, 2, 0]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".conll", ".parquet", ".csv.gz", ".conll.zst", ".jsonl.gz"])
def test_the_same_rows_in_another_format_leave_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    assert content(prepared(tmp_path / "a", ".jsonl")) == content(prepared(tmp_path / "b", suffix))


def test_other_names_of_columns_leave_the_same_bytes(tmp_path: Path) -> None:
    names = {"id": "id", "tokens": "words", "ner_tags": "tags"}
    renamed = {s: [{names[k]: v for k, v in row.items()} for row in rows(s)] for s in ("train", "validation")}
    other = prepared(tmp_path / "b", text_column="words", label_column="tags", **renamed)
    assert content(prepared(tmp_path / "a")) == content(other)


def test_numbers_mean_the_declared_labels(tmp_path: Path) -> None:
    labels = [
        "I-location",
        "O",
        "B-person",
        "I-person",
        "B-group",
        "I-group",
        "B-location",
    ]
    numbered = {
        split: [{**row, "ner_tags": [labels.index(tag) for tag in row["ner_tags"]]} for row in rows(split)]
        for split in ("train", "validation")
    }
    by_name, by_number = (
        prepared(tmp_path / "a", labels=labels),
        prepared(tmp_path / "b", labels=labels, **numbered),
    )
    assert content(by_name) == content(by_number)
    assert json.loads((by_name / "labels.json").read_text()) == labels


def test_a_declared_label_may_be_missing_from_train(tmp_path: Path) -> None:
    rare = [{"tokens": ["it"], "ner_tags": ["B-product"]}]
    labels = [
        "O",
        *(f"{p}-{t}" for t in ("group", "location", "person", "product") for p in "BI"),
    ]
    out = prepared(tmp_path / "a", validation=rare, labels=labels)
    assert PreparedSplit.open(out / "validation").tags(0).tolist() == [labels.index("B-product")]


def test_words_that_the_model_does_not_see_count_as_outside(tmp_path: Path) -> None:
    """A document that is cut off, or has an invisible word, must not score better for it."""
    row = {
        "tokens": ["\ufe0f", "Ada", "met", "Bob"],
        "ner_tags": ["O", "B-p", "O", "B-p"],
    }
    out = prepared(tmp_path / "a", train=[row], validation=[row], max_length=6)
    split, labels = PreparedSplit.open(out / "validation"), ["O", "B-p"]
    said = predictions_to_tags(split, [[1, 0, 1]], labels)
    assert gold_tags(split, labels) == [["O", "B-p", "O", "B-p"]]
    assert said == [["O", "B-p", "O", "B-p"]]
    cut = PreparedSplit.open(prepared(tmp_path / "b", train=[row], validation=[row], max_length=4) / "validation")
    said = predictions_to_tags(cut, [[1, 0]], labels)
    assert said == [["O", "B-p", "O", "O"]]
    assert score(gold_tags(cut, labels), said).overall.recall == 0.5


def test_a_label_too_many_is_refused(tmp_path: Path) -> None:
    split = PreparedSplit.open(prepared(tmp_path / "a") / "validation")
    with pytest.raises(ValueError, match="zip"):
        predictions_to_tags(split, [[0] * 9], ["O"])


MANY = [row(f"word{number}", "here", tag="B-x" if number % 9 == 1 else "O") for number in range(200)]


def test_a_share_of_the_training_rows_is_set_aside(tmp_path: Path) -> None:
    heard: list[str] = []
    out = prepared(tmp_path / "a", train=MANY, validation=None, holdout=Holdout(fraction=0.2), heard=heard)
    counts = {split: count["sentences"] for split, count in report(out).items()}
    assert sum(counts.values()) == 200
    assert 20 < counts["validation"] < 60
    assert heard == [f"validation: {counts['validation']} of 200 sentences set aside from the training rows"]
    other = prepared(tmp_path / "b", train=MANY, validation=None, holdout=Holdout(fraction=0.2, seed=1))
    assert content(other / "validation") != content(out / "validation")


def test_a_row_is_set_aside_by_its_words_wherever_it_stands(tmp_path: Path) -> None:
    def validation(name: str, rows: list[Row]) -> set[tuple[int, ...]]:
        out = prepared(tmp_path / name, train=rows, validation=None, holdout=Holdout(fraction=0.2))
        split = PreparedSplit.open(out / "validation")
        return {tuple(split.pieces(i)) for i in range(len(split))}

    assert validation("a", MANY) == validation("b", MANY[::-1]) == validation("c", MANY + MANY)
    assert validation("d", MANY[:100]) < validation("e", MANY)


def test_only_the_first_rows_are_taken_and_all_are_checked(tmp_path: Path) -> None:
    heard: list[str] = []
    most = {"train": 2, "validation": 1}
    out = prepared(
        tmp_path / "a", train=[*MANY[:3], row("x", tag="B-rare")], validation=MANY[5:8], most=most, heard=heard
    )
    assert {split: count["sentences"] for split, count in report(out).items()} == {"train": 2, "validation": 1}
    assert json.loads((out / "labels.json").read_text()) == ["O", "B-rare", "B-x"]
    assert heard[:1] == ["train: the first 2 of 4 sentences taken"]
    assert heard[-1] == "! train: no word has the tag B-rare: the model will not learn it"
    with pytest.raises(DataError, match="3 tags for 1 word"):
        prepared(tmp_path / "b", train=[*MANY[:3], {"tokens": ["x"], "ner_tags": ["O"] * 3}], most=most)


def test_fewer_rows_are_taken_after_some_were_set_aside(tmp_path: Path) -> None:
    held = Holdout(fraction=0.2)
    out = prepared(tmp_path / "a", train=MANY, validation=None, holdout=held, most={"train": 7, "validation": 5})
    assert {split: count["sentences"] for split, count in report(out).items()} == {"train": 7, "validation": 5}


def test_rows_that_occur_in_train_too_are_warned_of(tmp_path: Path) -> None:
    heard: list[str] = []
    held = [row("new", "words"), row("word1", "here", tag="B-x"), row("word0", "here")]
    out = prepared(tmp_path / "a", train=[*MANY, row("a", tag="B-x")], validation=held, heard=heard)
    assert heard == [
        "! validation: 2 of 3 sentences stand in train too, word for word, first in validation:2: scores flatter"
    ]
    assert report(out)["validation"]["sentences_in_train"] == 2


def test_repeated_rows_are_never_on_both_sides_of_what_is_set_aside(tmp_path: Path) -> None:
    out = prepared(tmp_path / "a", train=MANY + MANY, validation=None, holdout=Holdout(fraction=0.2))
    assert report(out)["validation"]["sentences_in_train"] == 0


@pytest.mark.parametrize("suffix", [".jsonl", ".csv.gz", ".conll.zst", ".parquet"])
def test_how_far_it_is_is_told_in_bytes_of_the_files(suffix: str, tmp_path: Path) -> None:
    far: list[tuple[int, int, int]] = []
    prepared(tmp_path / "a", suffix, train=15 * MANY, validation=MANY, far=far)
    size = sum((tmp_path / "a" / f"{split}{suffix}").stat().st_size for split in ("train", "validation"))
    assert [sentences for _, _, sentences in far] == [1000, 2000, 3000, 3200]
    assert [read for read, _, _ in far] == sorted(read for read, _, _ in far)
    assert far[-1][0] == pytest.approx(size, abs=4)  # Parquet's by its rows
    assert {total for _, total, _ in far} == {size}


def test_a_tag_has_its_number_wherever_it_comes_up_first(tmp_path: Path) -> None:
    tags, held = ["I-person", "B-place", "O", "B-person", "I-place"], Holdout(fraction=0.2)
    rows = [row(f"word{n}", "here", tag=tags[n % 5]) for n in range(200)]
    train, test = [[r for r in rows if held.holds(r["tokens"]) == side] for side in (False, True)]
    out = prepared(tmp_path / "a", train=rows, validation=None, holdout=held, most={"train": 100})
    labels = json.loads((out / "labels.json").read_text())
    assert labels == ["O", "B-person", "I-person", "B-place", "I-place"]
    for split, expected in (("train", train[:100]), ("validation", test)):
        found = PreparedSplit.open(out / split)
        assert gold_tags(found, labels) == [r["ner_tags"] for r in expected]
        kept = [found.labels(i)[found.words(i) >= 0].tolist() for i in range(len(found))]
        assert kept == [[labels.index(tag) for tag in r["ner_tags"]] for r in expected]
    counts = report(out)
    assert counts["train"]["tags"] == {tag: sum(r["ner_tags"].count(tag) for r in train[:100]) for tag in labels}


def test_numbers_mean_the_classes_of_their_own_file(tmp_path: Path) -> None:
    numbered = [{"tokens": ["a", "b"], "ner_tags": [0, 1]}]
    tables = {"train": (["O", "B-p"], ["B-new", "O"]), "validation": (["B-p", "O"],)}
    files: dict[str, list[DataFile]] = {}
    for split, several in tables.items():
        for n, names in enumerate(several):
            path = tmp_path / f"{split}{n}.parquet"
            path.write_bytes(hubs.parquet(numbered, names))
            files.setdefault(split, []).append(DataFile(path=path, name=path.name))
    request = Request(files=files, tokenizer=CASES / "tokenizer", max_length=32)
    teller = Teller(say=print, warn=print, progress=lambda *_: None)
    prepare(request, tmp_path / "out", teller)
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert labels == ["O", "B-p", "B-new"]
    found = {split: gold_tags(PreparedSplit.open(tmp_path / "out" / split), labels) for split in files}
    assert found == {"train": [["O", "B-p"], ["B-new", "O"]], "validation": [["B-p", "O"]]}


def test_the_task_is_found_by_name() -> None:
    assert task("token-classification").name == "token-classification"
    with pytest.raises(UserError) as error:
        task("token-clasification")
    assert str(error.value) == (
        "error: unknown task `token-clasification`\n\nhint: did you mean `token-classification`?"
    )


def test_real_rows_with_their_oddities(wnut17: Path, tmp_path: Path) -> None:
    """Invisible words and long sentences are counted; every gold tag is kept."""
    splits = ("train", "validation", "test")
    told: list[str] = []
    for name, suffix in (("a", "jsonl"), ("b", "csv")):
        files = {split: [DataFile(path=wnut17 / f"{split}.{suffix}", name=split)] for split in splits}
        files["unlabelled"] = [DataFile(path=wnut17 / "unlabelled.jsonl", name="unlabelled")]
        request = Request(files=files, tokenizer=CASES / "tokenizer", max_length=64)
        prepare(
            request,
            tmp_path / name,
            Teller(say=told.append, warn=told.append, progress=lambda *_: None),
        )
    assert content(tmp_path / "a") == content(tmp_path / "b")
    counts = json.loads((tmp_path / "a" / "report.json").read_text())
    assert [counts[s]["sentences"] for s in (*splits, "unlabelled")] == [
        3394,
        1009,
        1287,
        7432,
    ]
    assert [counts[s]["words"] for s in splits] == [62730, 15733, 23394]
    assert [counts[s]["entities"] for s in splits] == [1975, 836, 1079]
    assert "validation: the tokenizer makes no piece of 4 words: kept, and predicted as `O`" in told
    assert len(json.loads((tmp_path / "a" / "labels.json").read_text())) == 13


@pytest.mark.slow
def test_the_real_tokenizer_cuts_as_its_library_does(minilm: Path, wnut17: Path, tmp_path: Path) -> None:
    """Also what its documentation says of the data: two test sentences are longer than 128 pieces, 191 at most."""
    from transformers import AutoTokenizer

    splits = ("train", "validation", "test")
    files = {split: [DataFile(path=wnut17 / f"{split}.jsonl", name=split)] for split in splits}
    prepare(
        Request(files=files, tokenizer=minilm),
        tmp_path,
        Teller(say=print, warn=print, progress=lambda *_: None),
    )
    tokenizer = AutoTokenizer.from_pretrained(minilm, local_files_only=True)
    for name in splits:
        sentences = [json.loads(line)["tokens"] for line in (wnut17 / f"{name}.jsonl").read_text().split("\n") if line]
        expected = tokenizer(sentences, is_split_into_words=True, truncation=True, max_length=128)
        split = PreparedSplit.open(tmp_path / name)
        for i, ids in enumerate(expected["input_ids"]):
            places = expected.word_ids(i)
            assert split.pieces(i).tolist() == ids
            assert split.words(i).tolist() == [
                -1 if word is None or (k and word == places[k - 1]) else word for k, word in enumerate(places)
            ]
    counts = json.loads((tmp_path / "report.json").read_text())
    assert [counts[name]["sentences_cut_off"] for name in splits] == [0, 0, 2]
    assert [counts[name]["longest"] for name in splits] == [75, 84, 128]
    assert [counts[name]["words_without_pieces"] for name in splits] == [0, 4, 3]


def test_rows_without_any_entity_are_refused_and_a_split_without_one_is_told(tmp_path):
    with pytest.raises(DataError, match=r"column `ner_tags`: no training row has an entity, every tag is `O`: train"):
        prepared(tmp_path / "a", train=[row("a", "b")])
    heard: list[str] = []
    prepared(tmp_path / "b", validation=[row("new")], heard=heard)
    assert "! validation: no sentence has an entity, so every F1 on it is 0" in heard
    prepared(tmp_path / "c", train=[row("a", "b")], validation=[row("new")], labels=["O", "B-x"])
