"""Leaving out whole layers."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError, TargetFailed
from sparsebuild.training.skipped_layers import drop_skipped, layers, skipped

LAYER = "bert.encoder.layer.0"


def entry(**fields: object) -> str:
    given = {"layers": f"[{LAYER}]", **fields}
    return f"  - !LayerPruningModifier {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def logits(model) -> torch.Tensor:
    ids = torch.arange(1, 13).reshape(2, 6)
    model.eval()
    with torch.no_grad():
        return model(input_ids=ids).logits


def test_the_model_computes_what_one_without_the_layer_computes(training, model) -> None:
    import copy

    smaller = copy.deepcopy(model)
    del smaller.bert.encoder.layer[0]
    training(entry()).run(last=0)
    assert torch.equal(logits(model), logits(smaller))


def test_a_layer_that_is_out_learns_nothing_and_keeps_its_place_in_a_checkpoint(training) -> None:
    begun = training(entry())
    before = {n: p.detach().clone() for n, p in begun.model.named_parameters()}
    begun.run()
    assert begun.model.state_dict().keys() == before.keys()
    for name, parameter in begun.model.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith(f"{LAYER}."), name


def test_layers_go_at_the_start_and_come_back_at_the_end(training) -> None:
    begun, seen = training(entry(start_epoch=0.5, end_epoch=2)), []
    for step in range(12):
        begun.run(first=step, last=step + 1)
        seen.append(skipped(begun.model) == [LAYER])
    assert seen == [2 <= step < 8 for step in range(12)]


def test_what_is_saved_has_no_trace_of_them_and_opens_anywhere(training, tmp_path) -> None:
    from transformers import AutoModelForTokenClassification

    begun = training(entry()).run()
    wanted = logits(begun.model)
    names = drop_skipped(begun.model)
    assert names["bert.encoder.layer.1.output.dense.weight"] == "bert.encoder.layer.0.output.dense.weight"
    assert "bert.encoder.layer.0.output.dense.weight" not in names
    begun.model.save_pretrained(tmp_path)
    opened, info = AutoModelForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert opened.config.num_hidden_layers == 1
    assert torch.equal(logits(opened), wanted)


@pytest.mark.parametrize("tag", ["GMPruningModifier", "GlobalFisherPruningModifier"])
def test_weights_of_a_layer_that_is_out_are_not_ranked(tag: str, training) -> None:
    fields = "update_frequency: 0.5, init_sparsity: 0.1, global_sparsity: true, params: ['re:.*encoder.*dense.weight']"
    more = fields if tag == "GMPruningModifier" else "update_steps: 2"
    begun = training(entry() + f"  - !{tag} {{start_epoch: 0, end_epoch: 2, final_sparsity: 0.5, {more}}}\n").run()
    assert all(name.startswith("bert.encoder.layer.1.") for name in begun.masks())
    pruning = next(a for a in begun.attached if a.masks())
    (promise,) = pruning.promises()
    assert promise.zeros == sum(int((m == 0).sum()) for m in begun.masks().values())
    assert set(promise.parameters) == set(begun.masks())


def test_hidden_states_are_as_many_as_before(training) -> None:
    begun = training(entry())
    states = begun.model(input_ids=torch.ones(1, 4, dtype=torch.long), output_hidden_states=True).hidden_states
    assert len(states) == 3
    assert torch.equal(states[0], states[1])


def test_what_can_be_left_out(model) -> None:
    assert layers(model) == [LAYER, "bert.encoder.layer.1"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            "[bert.encoder.layer.2]",
            "error: LayerPruningModifier: `bert.encoder.layer.2` is no layer of the model's encoder\n\n"
            "hint: did you mean `bert.encoder.layer.1`?",
        ),
        (
            "[__ALL__]",
            "error: LayerPruningModifier: `__ALL__` is no layer of the model's encoder\n\n"
            "hint: there are: bert.encoder.layer.0, bert.encoder.layer.1",
        ),
        (
            "[bert.encoder.layer.0, bert.encoder.layer.1]",
            "error: LayerPruningModifier: from epoch 0 on all 2 layers of the encoder are left out; one has to stay",
        ),
    ],
)
def test_what_is_no_layer_is_refused(names: str, told: str, training) -> None:
    with pytest.raises(RecipeError) as caught:
        training(entry(layers=names))
    assert str(caught.value) == told


OTHER = "bert.encoder.layer.1"
RAMP = (
    "  - !{} {{start_epoch: 0, end_epoch: 1, init_sparsity: 0.1, final_sparsity: 0.5, update_frequency: 0.5, "
    "params: ['re:.*dense.weight']}}\n"
)


def test_a_layer_is_out_as_long_as_any_modifier_says_so_stopped_or_not(training) -> None:
    text = entry(end_epoch=2) + entry(start_epoch=1)
    assert skipped(training(text, fresh=True).run().model) == [LAYER]
    for stop in (8, 9, 11):
        begun = training(text, fresh=True).run(last=stop)
        assert skipped(training(text, fresh=True).restore(stop, begun.saved()).run(first=stop).model) == [LAYER]


def test_modifiers_that_leave_out_all_layers_together_are_refused(training) -> None:
    training(entry(end_epoch=1) + entry(layers=f"[{OTHER}]", start_epoch=1))
    with pytest.raises(RecipeError, match="from epoch 2 on all 2 layers of the encoder are left out; one has to stay"):
        training(entry(start_epoch=1) + entry(layers=f"[{OTHER}]", start_epoch=2))


@pytest.mark.parametrize(
    ("others", "told"),
    [
        (
            entry(start_epoch=2) + RAMP.format("GlobalMagnitudePruningModifier"),
            "GlobalMagnitudePruningModifier removes weights for the last time at epoch 1, before "
            f"`{LAYER}` is left out at epoch 2: it takes zeros with it that were counted",
        ),
        (
            entry(end_epoch=2) + RAMP.format("MagnitudePruningModifier"),
            f"MagnitudePruningModifier removes weights for the last time at epoch 1, while `{LAYER}` is left out: it "
            "would come back at epoch 2 with too few zeros",
        ),
        (
            entry(end_epoch=2) + "  - !StructuredPruningModifier {start_epoch: 1, targets: {ffn: 16}}\n",
            f"StructuredPruningModifier cuts at epoch 1, while `{LAYER}` is left out until epoch 2: it would come back "
            "as wide as it was",
        ),
    ],
)
def test_what_is_done_to_layers_before_they_go_or_come_back_is_refused(others: str, told: str, training) -> None:
    with pytest.raises(RecipeError) as caught:
        training(others)
    assert caught.value.problems[0].message == told


@pytest.mark.parametrize("start", [0, 2])
def test_zeros_of_each_parameter_do_not_depend_on_layers_that_go(start: int, training) -> None:
    training(entry(start_epoch=start) + RAMP.format("MagnitudePruningModifier")).run()


FIRST_LAYER = f"['re:{LAYER}.*dense.weight']"
PRUNERS = {
    "ACDCPruningModifier": "compression_sparsity: 0.5, update_frequency: 0.5",
    "GMPruningModifier": "init_sparsity: 0.1, final_sparsity: 0.5, update_frequency: 0.5",
    "GlobalFisherPruningModifier": "final_sparsity: 0.5, update_steps: 2",
    "GlobalMagnitudePruningModifier": "init_sparsity: 0.1, final_sparsity: 0.5, update_frequency: 0.5",
    "OBSPruningModifier": "init_sparsity: 0.1, final_sparsity: 0.5, update_frequency: 0.5, num_grads: 4",
}


@pytest.mark.parametrize("tag", PRUNERS)
def test_who_prunes_only_what_is_left_out_is_refused_before_training(tag: str, training) -> None:
    pruner = f"  - !{tag} {{start_epoch: 0, end_epoch: 3, params: {FIRST_LAYER}, {PRUNERS[tag]}}}\n"
    with pytest.raises(RecipeError) as caught:
        training(entry() + pruner)
    epoch = "2.5" if tag == "ACDCPruningModifier" else "3"
    assert str(caught.value) == (
        f"error: {tag}: at epoch {epoch} every layer whose weights it removes is left out, so there is nothing to "
        "remove\n\nhint: name weights of layers that stay, or take the modifier out"
    )
    training(entry(end_epoch=1) + pruner, fresh=True).run()  # until the layer is back there is nothing to rank


@pytest.mark.parametrize(
    "tag", ["ACDCPruningModifier", "GMPruningModifier", "GlobalFisherPruningModifier", "OBSPruningModifier"]
)
def test_who_prunes_only_what_a_cut_has_left_out_says_so_then(tag: str, training) -> None:
    cut = "  - !StructuredPruningModifier {start_epoch: 1, targets: {layers: 1}}\n"
    pruners = [
        f"  - !{tag} {{start_epoch: 1, end_epoch: 2, params: ['re:{layer}.*dense.weight'], {PRUNERS[tag]}}}\n"
        for layer in (LAYER, OTHER)
    ]
    epoch = "1.5" if tag == "ACDCPruningModifier" else "2(.25)?"
    with pytest.raises(TargetFailed, match=f"{tag}: at epoch {epoch} every layer whose weights it removes is left out"):
        training(cut + "".join(pruners)).run()


def test_no_layers_are_refused(specs) -> None:
    with pytest.raises(RecipeError, match="`layers` must list at least one layer, such as"):
        specs("  - !LayerPruningModifier {start_epoch: 0}\n")


def test_the_phases_for_people(specs) -> None:
    (one,), (two,) = specs(entry()), specs(entry(layers=f"[{LAYER}, {LAYER}, bert.encoder.layer.1]", end_epoch=2))
    assert [(p.start, p.end, p.value) for p in one.phases(3)] == [(0, 3, f"{LAYER} is left out")]
    assert [(p.start, p.end, p.value) for p in two.phases(3)] == [(0, 2, "2 layers are left out")]
