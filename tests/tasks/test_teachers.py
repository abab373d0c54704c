"""tasks/teachers.py: a teacher that cannot serve is refused before anything is trained."""

import json
import shutil
from pathlib import Path

import pytest

from sparsebuild.errors import UserError
from sparsebuild.tasks.teachers import check_labels_known, check_reads_the_same

TOKENIZER = Path(__file__).parents[1] / "cases" / "data" / "tokenizer"
CONFIG = {"model_type": "bert", "max_position_embeddings": 32}
LABELS = ["O", "B-person", "I-person"]


@pytest.fixture
def teacher(tmp_path):
    """A folder that can serve; tests spoil it."""
    folder = shutil.copytree(TOKENIZER, tmp_path / "teacher")
    say(folder, architectures=["BertForTokenClassification"], id2label=dict(enumerate(LABELS)))
    return folder


def say(folder, **more):
    (folder / "config.json").write_text(json.dumps({**CONFIG, **more}))


def refused(check, *given):
    with pytest.raises(UserError) as caught:
        check(*given)
    return str(caught.value)


def test_one_of_the_same_tokenizer_and_labels_serves(teacher):
    check_reads_the_same(teacher, TOKENIZER, 32)
    check_labels_known(teacher, LABELS[::-1])


def test_one_of_another_vocabulary_is_refused_with_the_words_that_differ(teacher, tmp_path):
    words = (TOKENIZER / "vocab.txt").read_text().splitlines()
    for folder, last in ((teacher, "zzb"), (tmp_path / "student", "zza")):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "vocab.txt").write_text("\n".join([*words, last]) + "\n")
        say(folder)
    told = refused(check_reads_the_same, teacher, tmp_path / "student", 32)
    assert f"has {len(words) + 1} pieces, the teacher's {len(words) + 1}" in told
    assert f"they differ at 'zza' ({len(words)}), 'zzb' ({len(words)})" in told


def test_one_without_a_tokenizer_is_told_so_and_not_that_its_words_differ(teacher):
    for path in teacher.glob("*"):
        if path.name != "config.json":
            path.unlink()
    assert "the teacher has no tokenizer beside its weights" in refused(check_reads_the_same, teacher, TOKENIZER, 32)


def test_one_that_reads_fewer_pieces_is_refused(teacher):
    assert "33, but the teacher reads at most 32 pieces" in refused(check_reads_the_same, teacher, TOKENIZER, 33)


def test_one_of_other_labels_is_refused_with_both_lists(teacher):
    told = refused(check_labels_known, teacher, ["O", "B-ship", "I-ship"])
    assert "data:    O, B-ship, I-ship" in told
    assert "teacher: O, B-person, I-person" in told


@pytest.mark.parametrize("named", [{"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}, {}])
def test_labels_that_were_never_named_are_to_be_named(teacher, named):
    say(teacher, **named)
    assert "hint: only in the data: B-person, I-person, O" in (told := refused(check_labels_known, teacher, LABELS))
    assert "write them there, as `id2label`" in told


def test_one_that_is_no_token_classifier_is_refused(teacher):
    say(teacher, architectures=["BertModel"])
    assert "no token classifier: its config.json says BertModel" in refused(check_labels_known, teacher, LABELS)
