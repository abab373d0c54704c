"""steps/teach.py: the teacher's answers mean what the student's labels mean."""

import json

import numpy as np
import pytest
import torch

from sparsebuild.errors import UserError
from sparsebuild.steps import teach
from sparsebuild.tasks.prepared import SplitWriter

LABELS = ["O", "B-person", "I-person", "B-place", "I-place"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ada", "wrote", "to", "london"]


def write_tokenizer(folder, words):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]").save_pretrained(folder)
    return folder


def write_teacher(folder, labels, words=WORDS):
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=16,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        id2label=dict(enumerate(labels)),
        label2id={n: i for i, n in enumerate(labels)},
    )
    model = BertForTokenClassification(config).eval()
    model.save_pretrained(folder)
    write_tokenizer(folder, words)
    return model


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    with SplitWriter(tmp_path / "train") as writer:
        labels, places = [-100, 1, 0, -100, -100, 3, -100], [-1, 0, 1, -1, -1, 0, -1]
        writer.extend(*map(np.array, ([2, 4, 5, 3, 2, 7, 3], labels, places, [1, 0, 3], [4, 3], [2, 1])))
    tokenizer = write_tokenizer(tmp_path / "tokenizer", WORDS)
    return {"labels": tmp_path / "labels.json", "train": tmp_path / "train", "tokenizer": tokenizer}


def test_every_piece_is_answered_in_the_order_of_the_split(inputs, tmp_path, make_job, listener):
    model = write_teacher(tmp_path / "teacher", LABELS)
    job = make_job("teach", {"threads": 1}, teacher=tmp_path / "teacher", **inputs)
    teach.run(job, listener)
    answers = np.load(job.out / "train" / "logits.npy")
    assert answers.shape == (7, len(LABELS))
    assert answers.dtype == np.float32
    with torch.no_grad():
        alone = model(input_ids=torch.tensor([[2, 7, 3]])).logits[0].numpy()
    assert np.allclose(answers[4:], alone, atol=1e-6)
    assert not (job.out / "train" / "hidden.npy").exists()


def test_hidden_states_are_kept_where_the_recipe_wants_them(inputs, tmp_path, make_job, listener):
    write_teacher(tmp_path / "teacher", LABELS)
    job = make_job("teach", {"threads": 1, "hidden_states": True}, teacher=tmp_path / "teacher", **inputs)
    teach.run(job, listener)
    hidden = np.load(job.out / "train" / "hidden.npy")
    assert hidden.shape == (7, 2, 8)
    assert hidden.dtype == np.float16


def test_a_teacher_with_labels_in_another_order_is_mapped_by_name(inputs, tmp_path, make_job, listener):
    theirs = [LABELS[i] for i in (3, 0, 4, 1, 2)]
    model = write_teacher(tmp_path / "teacher", theirs)
    job = make_job("teach", {"threads": 1}, teacher=tmp_path / "teacher", **inputs)
    teach.run(job, listener)
    with torch.no_grad():
        alone = model(input_ids=torch.tensor([[2, 7, 3]])).logits[0].numpy()
    assert np.allclose(np.load(job.out / "train" / "logits.npy")[4:, 0], alone[:, theirs.index("O")], atol=1e-6)


def test_a_teacher_of_other_labels_is_refused_with_both_lists(inputs, tmp_path, make_job, listener):
    write_teacher(tmp_path / "teacher", ["O", "B-person", "I-person", "B-ship", "I-ship"])
    with pytest.raises(UserError) as caught:
        teach.run(make_job("teach", {"threads": 1}, teacher=tmp_path / "teacher", **inputs), listener)
    assert "B-place" in str(caught.value)
    assert "B-ship" in str(caught.value)
