"""A model and a corpus small enough to train in a blink; right for mechanics, and proof of nothing else."""

import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sparsebuild import modifiers, recipe
from sparsebuild.tasks.prepared import PreparedSplit, SplitWriter
from sparsebuild.training.batches import Corpus
from sparsebuild.training.evaluation import figures_of, torch_logits
from sparsebuild.training.loop import Training
from sparsebuild.training.models import open_pretrained
from sparsebuild.training.settings import Settings

LABELS = ["O", "B-person", "I-person"]


def write_split(folder, sentences, seed):
    """Random sentences of 3 to 9 words, one piece each; [CLS] and [SEP] around them."""
    rng = np.random.default_rng(seed)
    with SplitWriter(folder) as writer:
        for _ in range(sentences):
            words = int(rng.integers(3, 10))
            tags = rng.integers(0, len(LABELS), words).tolist()
            ids = [2, *(10 + 20 * np.array(tags) + rng.integers(0, 20, words)).tolist(), 3]
            columns = (ids, [-100, *tags, -100], [-1, *range(words), -1], tags, [len(ids)], [words])
            writer.extend(*map(np.array, columns))
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


EVERYTHING = """
training_modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !LearningRateFunctionModifier
      {start_epoch: 0.0, end_epoch: 4.0, lr_func: linear, init_lr: 1.0e-3, final_lr: 0.0, warmup_steps: 3}
pruning_modifiers:
  - !GlobalFisherPruningModifier {start_epoch: 0.2, end_epoch: 2.5, final_sparsity: 0.5, update_steps: 2}
quantization_modifiers:
  - !QuantizationModifier {start_epoch: 1.5, disable_quantization_observer_epoch: 3.0, quantize_linear_activations: 0}
"""


class Stopped(Exception):
    """What a kill is to these tests: nothing after it runs."""


def specs_of(text):
    return modifiers.specs(recipe.resolve(recipe.read(text, "recipe.yaml"), {}))


def new_training(
    model_folder, split, validation, folder, *, stop_at=None, text=EVERYTHING, epochs=4, log=None, **settings
):
    """A training; `stop_at` is the number of steps after which it is stopped, before it can save them."""
    labels = json.loads((model_folder / "labels.json").read_text())
    chosen = Settings(**{"per_device_train_batch_size": 4, "seed": 7, **settings})

    def progress(done, total, unit, **fields):
        if stop_at is not None and unit == "steps" and done >= stop_at:
            raise Stopped

    return Training(
        model=open_pretrained(model_folder, labels, chosen.dropout, 7),
        corpus=Corpus(splits=(split,)),
        specs=specs_of(text) if text else (),
        settings=chosen,
        epochs=epochs,
        has_teacher=False,
        validate=lambda m: figures_of(torch_logits(m), validation, labels, 8),
        checkpoints=folder,
        trackers=folder / "trackers",
        facts={"threads": 1, "cpu": "this one"},
        progress=progress,
        log=(lambda message: None) if log is None else log.append,
    )


def state(training):
    """The weights and observers of a training's model, as copies."""
    return {k: v.clone() for k, v in training.model.state_dict().items()}


def same(ours, theirs):
    """Whether two mappings hold the same tensors, to the bit."""
    return ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())


@pytest.fixture(scope="session")
def tiny(model_folder, split, validation):
    """`tiny.training(folder, …)` and what goes with it."""
    return SimpleNamespace(
        training=partial(new_training, model_folder, split, validation),
        specs_of=specs_of,
        state=state,
        same=same,
        Stopped=Stopped,
        EVERYTHING=EVERYTHING,
    )
