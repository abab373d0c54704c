"""Which parameters a modifier means."""

from __future__ import annotations

import pytest

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.parameters import prunable, select

QUERY = "bert.encoder.layer.{}.attention.self.query.weight"


def test_prunable_are_the_weights_of_linears(model) -> None:
    names = prunable(model)
    assert len(names) == 2 * 6 + 1
    assert names[0] == QUERY.format(0)
    assert names[-1] == "classifier.weight"


def test_a_pattern_matches_from_the_start_of_the_name(model) -> None:
    assert select(model, ["re:bert.*query.weight"], "X") == [QUERY.format(0), QUERY.format(1)]
    with pytest.raises(RecipeError, match=r"X: `re:query.weight` is no parameter of the model"):
        select(model, ["re:query.weight"], "X")


def test_a_pattern_may_mean_more_than_weights_of_linears(model) -> None:
    found = select(model, ["re:.*layer.0.output.*"], "X")
    assert [n.rpartition("output.")[2] for n in found] == [
        "dense.weight",
        "dense.bias",
        "LayerNorm.weight",
        "LayerNorm.bias",
    ]
    assert select(model, ["re:.*layer.0.output.*"], "X", only_prunable=True) == [found[0]]


def test_each_name_stands_once_in_the_models_order(model) -> None:
    given = ["classifier.weight", "__ALL_PRUNABLE__", QUERY.format(1)]
    assert select(model, given, "X") == prunable(model)


def test_all_is_every_parameter(model) -> None:
    assert select(model, ["__ALL__"], "X") == [name for name, _ in model.named_parameters()]


def test_lists_may_be_nested_and_words_in_any_case(specs) -> None:
    (spec,) = specs("  - !ConstantPruningModifier {params: [__all_prunable__, [a.weight, ['re:b']]]}\n")
    assert spec.params == ("__ALL_PRUNABLE__", "a.weight", "re:b")


@pytest.mark.parametrize(
    "written",
    [
        "ACDCPruningModifier {start_epoch: 0, end_epoch: 2, update_frequency: 0.5, compression_sparsity: 0.5",
        "ConstantPruningModifier {start_epoch: 0",
        "GMPruningModifier {start_epoch: 0, end_epoch: 1, init_sparsity: 0, final_sparsity: 0.5, update_frequency: 0.5",
        "GlobalFisherPruningModifier {start_epoch: 0, end_epoch: 1, final_sparsity: 0.5",
        "SetParamModifier {val: 0",
        "TrainableParamsModifier {trainable: false",
    ],
)
def test_an_empty_list_of_parameters_is_refused(written: str, specs) -> None:
    with pytest.raises(RecipeError, match="`params` must name at least one parameter"):
        specs(f"  - !{written}, params: []}}\n")
