"""Modifiers that meet in one epoch, or on one weight: what comes out is what was promised, stopped or not."""

from types import SimpleNamespace

import pytest
import torch

from sparsebuild.errors import RecipeError
from sparsebuild.training.attention import quantized_attention
from sparsebuild.training.claims import check_saved
from sparsebuild.training.loop import train
from sparsebuild.training.models import open_pretrained, save_model
from sparsebuild.training.shapes import settle_config
from sparsebuild.training.skipped_layers import drop_skipped, skipped
from sparsebuild.training.structure import dense_shape, observed_structure

RAMP = "GMPruningModifier {start_epoch: 0.0, init_sparsity: 0.0, update_frequency: 0.1, params: __ALL_PRUNABLE__"
LAYERS = [f"bert.encoder.layer.{i}" for i in range(2)]


def text_of(*entries):
    return "modifiers:\n" + "".join(f"  - !{entry}\n" for entry in entries)


ENDS_TOGETHER = {
    "a ramp and a cut": (
        RAMP + ", end_epoch: 3.0, final_sparsity: 0.8}",
        "StructuredPruningModifier {start_epoch: 3.0, targets: {ffn: 16, heads: 1}}",
    ),
    "a ranking of all and a cut": (
        "GlobalFisherPruningModifier {start_epoch: 0.2, end_epoch: 3.0, final_sparsity: 0.5, update_steps: 1}",
        "StructuredPruningModifier {start_epoch: 3.0, targets: {ffn: 16, heads: 1}}",
    ),
    "a ramp and a layer that comes back": (
        RAMP + ", end_epoch: 3.0, final_sparsity: 0.8}",
        f"LayerPruningModifier {{start_epoch: 1.0, end_epoch: 3.0, layers: [{LAYERS[1]}]}}",
    ),
}


@pytest.mark.parametrize("name", ENDS_TOGETHER)
def test_what_ends_in_one_epoch_leaves_what_it_promised(name, tiny, tmp_path):
    text = text_of(*ENDS_TOGETHER[name])
    with pytest.raises(tiny.Stopped):
        train(tiny.training(tmp_path / "run", stop_at=35, text=text))
    again, whole = tiny.training(tmp_path / "run", text=text), tiny.training(tmp_path / "whole", text=text)
    end, expected = train(again), train(whole)
    assert tiny.same(tiny.state(again), tiny.state(whole))
    assert end.promises == expected.promises
    dense = dense_shape(tiny.training(tmp_path / "fresh").model, tmp_path)
    end = end.renamed(drop_skipped(again.model))
    settle_config(again.model)
    save_model(again.model, observed_structure(again.model, end.masks, end.mask_types, dense), tmp_path / "saved")
    check_saved(again.model, end.masks, end.promises, tmp_path / "saved")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_that_was_cut_out_does_not_come_back_where_training_goes_on(layer, tiny, tmp_path):
    text = text_of(
        f"LayerPruningModifier {{end_epoch: 1.0, layers: [{layer}]}}",
        "StructuredPruningModifier {start_epoch: 2.0, targets: {layers: 1}}",
    )
    whole = tiny.training(tmp_path / "whole", text=text)
    train(whole)
    with pytest.raises(tiny.Stopped):
        train(tiny.training(tmp_path / "run", stop_at=35, text=text))
    again = tiny.training(tmp_path / "run", text=text)
    train(again)
    assert skipped(again.model) == skipped(whole.model)
    assert len(skipped(whole.model)) == 1
    assert tiny.same(tiny.state(again), tiny.state(whole))


CUT = "StructuredPruningModifier {start_epoch: 3.0, targets: {ffn: 16}}"
REFUSED = {
    r"prunes last at 2\.5, before heads or neurons are cut": (
        "ACDCPruningModifier {start_epoch: 0.0, end_epoch: 4.0, update_frequency: 1.5, compression_sparsity: 0.5, "
        "params: __ALL_PRUNABLE__}",
    ),
    r"GMPruningModifier holds zeros of `.*dense\.weight` as `mask_type: 2:4` says from epoch 0 on": (
        RAMP.replace("__ALL_PRUNABLE__", "['re:.*dense.weight']")
        + ", end_epoch: 4.0, final_sparsity: 0.5, mask_type: '2:4'}",
    ),
    "by its gradients at epoch 1, and TrainableParamsModifier keeps it from being trained until then": (
        "TrainableParamsModifier {params: ['re:bert.encoder.layer.0'], trainable: false}",
        "GlobalFisherPruningModifier {start_epoch: 1.0, end_epoch: 4.0, final_sparsity: 0.5}",
    ),
}


@pytest.mark.parametrize("told", REFUSED)
def test_what_cannot_come_out_is_refused_before_training(told, tiny, tmp_path):
    with pytest.raises(RecipeError, match=told):
        train(tiny.training(tmp_path, stop_at=0, text=text_of(CUT, *REFUSED[told])))


def test_probabilities_are_put_on_their_grid_before_dropout_makes_them_larger():
    """What is left of a head that looks at one place alone is 1 / (1 - p), and its mean what evaluation gives."""
    attention = SimpleNamespace(training=True, probability_quantizer=lambda p: p.clamp(0, 1))
    ones, mask = torch.ones(1, 1, 400, 1), torch.full((1, 1, 400, 400), -1e9)
    mask[0, 0].fill_diagonal_(0)
    torch.manual_seed(0)
    context, _ = quantized_attention(attention, ones, ones, ones, mask, dropout=0.1)
    assert context.max() == pytest.approx(65_536 / (65_536 - 6_554))  # a tenth, to the nearest of 65,536
    assert context.mean() == pytest.approx(1, abs=0.05)


def test_a_head_for_another_task_gives_way_to_a_fresh_one(tiny, model_folder, tmp_path):
    from transformers import BertForSequenceClassification

    BertForSequenceClassification.from_pretrained(model_folder, num_labels=2).save_pretrained(tmp_path)
    labels = ["O", "B-person", "I-person"]
    opened, expected = (open_pretrained(folder, labels, None, 1) for folder in (tmp_path, model_folder))
    assert opened.classifier.out_features == 3
    assert tiny.same(opened.bert.state_dict(), expected.bert.state_dict())
