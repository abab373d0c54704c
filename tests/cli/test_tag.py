"""cli/tag.py: `sparsebuild try`."""

import pytest

from sparsebuild.cli.tag import word_spans


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
