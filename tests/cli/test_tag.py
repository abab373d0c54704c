"""cli/tag.py: `sparsebuild try`."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
import tiny

from sparsebuild.cli.tag import word_spans
from sparsebuild.exporters.fp32 import export as export_fp32
from sparsebuild.training.models import open_pretrained


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ada Lovelace wrote.", ["Ada", "Lovelace", "wrote", "."]),
        ("Ada's well-known (short) note", ["Ada", "'s", "well-known", "(", "short", ")", "note"]),
        ("don’t", ["don", "’t"]),
        ("@ada saw #ner at https://a.org/b?c=1 !", ["@ada", "saw", "#ner", "at", "https://a.org/b?c=1", "!"]),
        ("the U.S. paid $1,234.50 at 10:30", ["the", "U.S.", "paid", "$", "1,234.50", "at", "10:30"]),
        ("Zürich 東京 naïve", ["Zürich", "東京", "naïve"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_a_text_is_cut_into_words(text, words):
    assert [text[start:end] for start, end in word_spans(text)] == words


def test_without_a_build_it_says_what_to_do(tmp_path, sparsebuild):
    ran = sparsebuild("try", "Ada", cwd=tmp_path)
    assert ran.code == 2
    assert ran.err == (
        "error: there is no model to try: `build/export/deployment` holds no model.onnx\n"
        "\nhint: build it: sparsebuild run\n"
    )


def test_words_that_the_model_does_not_read_are_told(tmp_path, sparsebuild):
    folder = tmp_path / "build/export/deployment"
    tiny.write_model("bert", folder)
    config = {**json.loads((folder / "config.json").read_text()), "id2label": dict(enumerate(tiny.LABELS))}
    (folder / "config.json").write_text(json.dumps(config))
    export_fp32(open_pretrained(folder, tiny.LABELS, None, 0).eval(), folder / "model.onnx", 18)
    ran = sparsebuild("try", "ada wrote", "ada " * 101, "ada " * 39, "--json", cwd=tmp_path)
    assert [one["unread"] for one in ran.json["texts"]] == [0, 63, 1]
    assert len(ran.json["texts"][1]["tags"]) == 101
    assert ran.err == (
        "warning: sentence 2: 63 words at its end were not read: the model reads 40 pieces\n"
        "warning: sentence 3: 1 word at its end was not read: the model reads 40 pieces\n"
    )
