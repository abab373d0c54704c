"""steps/train.py: what it says, and what it checks of what it saved."""

import pytest
import torch

from sparsebuild import modifiers, recipe
from sparsebuild.errors import TargetFailed
from sparsebuild.steps.train import check_saved, tell_clashes
from sparsebuild.training.models import save_model
from sparsebuild.training.structure import observed_structure

RECIPE = """
training_modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !LearningRateFunctionModifier {start_epoch: 0.0, end_epoch: 4.0, lr_func: linear, init_lr: 1e-4, final_lr: 0.0}
"""


def test_where_the_recipe_and_the_settings_both_speak_the_recipe_wins_and_says_so(listener):
    specs = modifiers.specs(recipe.resolve(recipe.read(RECIPE, "recipe.yaml"), {}))
    tell_clashes({"num_train_epochs": 9, "learning_rate": 1e-3}, specs, 4, listener)
    assert listener.lines == [
        "the recipe asks for 4 epochs: `train.num_train_epochs` is not used",
        "the recipe sets the learning rate: `train.learning_rate` holds only before it begins",
    ]


def test_where_only_one_of_them_speaks_there_is_nothing_to_say(listener):
    tell_clashes({"num_train_epochs": 9, "learning_rate": 1e-3}, (), 9, listener)
    assert listener.lines == []


def test_a_zero_that_was_promised_and_is_not_in_the_file_fails_the_target(tmp_path):
    from transformers import BertConfig, BertForTokenClassification

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertForTokenClassification(BertConfig(vocab_size=32, max_position_embeddings=32, **sizes)).eval()
    name = "bert.encoder.layer.0.output.dense.weight"
    masks = {name: torch.zeros_like(model.get_parameter(name))}
    save_model(model, observed_structure(model, masks), tmp_path)
    with pytest.raises(TargetFailed, match=f"`{name}` was promised 128 zeros, and some are not zero in the file"):
        check_saved(model, masks, tmp_path)
