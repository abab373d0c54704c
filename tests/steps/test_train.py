"""steps/train.py: what it says, and what it checks of what it saved."""

import json

import pytest
import torch

from sparsebuild import modifiers, recipe
from sparsebuild.errors import TargetFailed
from sparsebuild.steps.train import check_saved, run, tell_clashes
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
    model = tiny_model()
    name = "bert.encoder.layer.0.output.dense.weight"
    masks = {name: torch.zeros_like(model.get_parameter(name))}
    save_model(model, observed_structure(model, masks), tmp_path)
    with pytest.raises(TargetFailed, match=f"`{name}` was promised 128 zeros, and some are not zero in the file"):
        check_saved(model, masks, tmp_path)


def test_zeros_that_do_not_lie_as_their_kind_wants_fail_the_target(tmp_path):
    model = tiny_model()
    name = "bert.encoder.layer.0.output.dense.weight"
    mask = torch.ones_like(model.get_parameter(name))
    mask[:, ::2] = 0.0
    with torch.no_grad():
        model.get_parameter(name).mul_(mask)
    for kind in ("2:4", "unstructured"):
        save_model(model, observed_structure(model, {name: mask}, {name: kind}), tmp_path)
        check_saved(model, {name: mask}, tmp_path)
    save_model(model, observed_structure(model, {name: mask}, {name: "block4"}), tmp_path)
    with pytest.raises(TargetFailed, match=f"the zeros of `{name}` do not lie as `mask_type: block4` wants them"):
        check_saved(model, {name: mask}, tmp_path)


PRUNED = """
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 2.0}
  - !LayerPruningModifier {layers: [bert.encoder.layer.0]}
  - !MagnitudePruningModifier {start_epoch: 0.0, end_epoch: 1.0, init_sparsity: 0.1, final_sparsity: 0.5,
      update_frequency: 0.5, params: ["re:bert.encoder.layer.1.*dense.weight"], mask_type: "2:4"}
  - !QuantizationModifier {start_epoch: 1.0, quantize_linear_activations: 0}
"""


def test_layers_that_were_left_out_are_not_saved_and_what_is_held_is_named_anew(tmp_path, make_job, listener):
    from tests.training.conftest import LABELS, write_split

    tiny_model(layers=2).save_pretrained(tmp_path / "start")
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    (tmp_path / "tokenizer").mkdir()
    splits = {name: tmp_path / name for name in ("train", "validation")}
    for folder in splits.values():
        write_split(folder, 12, 0)
    job = make_job(
        "train",
        {"recipe": recipe.resolve(recipe.read(PRUNED, "r.yaml"), {}).to_json(), "per_device_train_batch_size": 4},
        model=tmp_path / "start",
        labels=tmp_path / "labels.json",
        tokenizer=tmp_path / "tokenizer",
        **splits,
    )
    run(job, listener)
    assert json.loads((job.out / "model" / "config.json").read_text())["num_hidden_layers"] == 1
    masked = json.loads((job.out / "model" / "structure.json").read_text())["masked"]
    names = {f"bert.encoder.layer.0.{part}.dense.weight" for part in ("attention.output", "intermediate", "output")}
    assert set(masked) == names
    assert all(m["zeros"] * 2 == m["size"] and m["mask_type"] == "2:4" for m in masked.values())


def tiny_model(layers=1):
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 16}
    names = {"id2label": {0: "O", 1: "B-person", 2: "I-person"}}
    return BertForTokenClassification(BertConfig(vocab_size=80, max_position_embeddings=32, **names, **sizes)).eval()
