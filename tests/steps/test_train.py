"""steps/train.py: what it says, and what it leaves."""

import json

import torch

from sparsebuild import modifiers, recipe
from sparsebuild.steps.train import kinds_of_cpu, run, tell_clashes

RECIPE = """
training_modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !LearningRateFunctionModifier {start_epoch: 0.0, end_epoch: 4.0, lr_func: linear, init_lr: 1e-4, final_lr: 0.0}
"""


def test_where_the_recipe_and_the_settings_both_speak_the_recipe_wins_and_says_so(listener):
    specs = modifiers.specs(recipe.resolve(recipe.read(RECIPE, "recipe.yaml"), {}))
    said = {"learning_rate": 1e-3, "lr_scheduler_type": "constant", "warmup_steps": 20}
    tell_clashes({"num_train_epochs": 9, **said}, specs, 4, listener)
    assert listener.lines == [
        "the recipe asks for 4 epochs: `train.num_train_epochs` is not used",
        "the recipe sets the learning rate: `train.learning_rate` holds only before it begins",
        "the recipe sets the learning rate: `train.lr_scheduler_type` is not used",
        "the recipe sets the learning rate: `train.warmup_steps` is not used",
    ]


def test_a_warm_up_to_a_constant_rate_is_told_as_not_used(listener):
    tell_clashes({"lr_scheduler_type": "constant", "warmup_steps": 20}, (), 3, listener)
    assert listener.lines == ["a constant learning rate has no warm-up: `warmup_steps` is not used"]


def test_a_modifier_that_begins_when_all_is_over_is_told(listener):
    late = modifiers.specs(
        recipe.resolve(recipe.read("modifiers:\n  - !QuantizationModifier {start_epoch: 2}\n", "r.yaml"), {})
    )
    tell_clashes({}, late, 2, listener)
    assert listener.lines == ["QuantizationModifier never acts: it starts at epoch 2, and training ends at 2"]


def test_a_modifier_that_begins_within_the_last_update_is_told(listener):
    late = modifiers.specs(
        recipe.resolve(recipe.read("modifiers:\n  - !QuantizationModifier {start_epoch: 0.667}\n", "r.yaml"), {})
    )
    tell_clashes({}, late, 1, listener, 2)
    told = "it starts at epoch 0.667, and the last of 2 updates begins at 0.5"
    assert listener.lines == [f"QuantizationModifier never acts: {told}"]
    tell_clashes({}, late, 1, listener, 4)
    assert len(listener.lines) == 1


def test_where_only_one_of_them_speaks_there_is_nothing_to_say(listener):
    tell_clashes({"num_train_epochs": 9, "learning_rate": 1e-3, "warmup_steps": 20}, (), 9, listener)
    assert listener.lines == []


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


def test_the_record_names_every_kind_of_cpu_that_has_worked_on_a_training():
    """So that a rebuild on one of them compares numbers, and not bytes that it cannot have."""
    assert kinds_of_cpu(None, "old") == kinds_of_cpu("old", "old") == "old"
    assert kinds_of_cpu("old", "new") == kinds_of_cpu("old, then new", "new") == "old, then new"
    assert kinds_of_cpu("old, then new", "old") == "old, then new, then old"
