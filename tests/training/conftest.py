"""A model and a corpus small enough to train in a blink; right for mechanics, and proof of nothing else."""

import json

import numpy as np
import pytest
import torch

from sparsebuild.tasks.prepared import PreparedSplit, SplitWriter

LABELS = ["O", "B-person", "I-person"]


def write_split(folder, sentences, seed):
    """Random sentences of 3 to 9 words, one piece each; [CLS] and [SEP] around them."""
    rng = np.random.default_rng(seed)
    with SplitWriter(folder) as writer:
        for _ in range(sentences):
            words = int(rng.integers(3, 10))
            tags = rng.integers(0, len(LABELS), words).tolist()
            ids = [2, *(10 + 20 * np.array(tags) + rng.integers(0, 20, words)).tolist(), 3]
            writer.add(ids, [-100, *tags, -100], [-1, *range(words), -1], tags)
    return PreparedSplit.open(folder)


@pytest.fixture(scope="session")
def split(tmp_path_factory):
    return write_split(tmp_path_factory.mktemp("train"), 40, 0)


@pytest.fixture(scope="session")
def validation(tmp_path_factory):
    return write_split(tmp_path_factory.mktemp("validation"), 16, 1)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A two-layer random BERT, as an encoder without a classifier."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=80,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    folder = tmp_path_factory.mktemp("model")
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    return folder
