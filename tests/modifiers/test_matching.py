"""What a recipe's names mean in a model, from its header."""

from __future__ import annotations

import pytest

from sparsebuild import recipe
from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.matching import check, matches, of_training

BARE = {
    "embeddings.word_embeddings.weight": (30, 8),
    "embeddings.LayerNorm.gamma": (8,),
    "embeddings.position_ids": (1, 16),
    "encoder.layer.0.attention.self.query.weight": (8, 8),
    "encoder.layer.0.attention.self.query.bias": (8,),
    "pooler.dense.weight": (8, 8),
}
QUERY = "bert.encoder.layer.0.attention.self.query"


def resolved(text: str) -> recipe.Resolved:
    return recipe.resolve(recipe.read(f"modifiers:\n{text}", "r.yaml"))


def test_a_bare_encoder_becomes_the_classifier_that_is_trained() -> None:
    found = of_training(BARE, "bert")
    assert found is not None
    assert found.names == (
        "bert.embeddings.word_embeddings.weight",
        "bert.embeddings.LayerNorm.weight",
        f"{QUERY}.weight",
        f"{QUERY}.bias",
        "classifier.weight",
        "classifier.bias",
    )
    assert found.prunable == (f"{QUERY}.weight", "classifier.weight")


def test_wrappers_of_sparseml_are_taken_out_of_names() -> None:
    wrapped = {
        f"{QUERY}.module.weight": (8, 8),
        f"{QUERY}.module.weight_fake_quant.scale": (1,),
        f"{QUERY}.quant.activation_post_process.zero_point": (1,),
    }
    found = of_training(wrapped, "bert")
    assert found is not None
    assert found.names == (f"{QUERY}.weight", "classifier.weight", "classifier.bias")


@pytest.mark.parametrize(("shapes", "kind"), [(BARE, "gpt2"), ({"w0": (2, 2)}, "bert"), ({}, "bert")])
def test_what_is_not_known_well_enough_is_not_judged(shapes, kind) -> None:
    assert of_training(shapes, kind) is None


def test_every_form_of_a_name_is_matched() -> None:
    tensors = of_training(BARE, "bert")
    assert tensors is not None
    text = (
        "  - !ConstantPruningModifier {params: ['re:bert.*query.*', classifier.bias]}\n"
        "  - !GlobalFisherPruningModifier {start_epoch: 0, end_epoch: 1, final_sparsity: 0.5, params: __ALL__}\n"
        "  - !MagnitudePruningModifier {start_epoch: 0, end_epoch: 1, init_sparsity: 0, update_frequency: 0.5,"
        " params: [], final_sparsity: {0.5: [__ALL_PRUNABLE__]}}\n"
        "  - !QuantizationModifier {submodules: [bert.encoder, bert.embedings]}\n"
    )
    found = {(one.modifier[:8], one.setting, len(one.names)) for one in matches(resolved(text), tensors)}
    assert found == {
        ("Constant", "params[0]", 2),
        ("Constant", "params[1]", 1),
        ("GlobalFi", "params", 2),
        ("Magnitud", "final_sparsity.0.5[0]", 2),
        ("Quantiza", "submodules[0]", 2),
        ("Quantiza", "submodules[1]", 0),
    }


def test_what_means_nothing_is_refused_with_its_line() -> None:
    tensors = of_training(BARE, "bert")
    assert tensors is not None
    text = "  - !ConstantPruningModifier\n      params:\n        - classifier.weight\n        - bert.encoder.layer.7\n"
    with pytest.raises(RecipeError) as caught:
        check(resolved(text), tensors)
    assert str(caught.value) == (
        "error: ConstantPruningModifier: `bert.encoder.layer.7` means no parameter of the model\n"
        "  --> r.yaml:5:11\n"
        "  4 |         - classifier.weight\n"
        "  5 |         - bert.encoder.layer.7\n"
        "    |           ^^^^^^^^^^^^^^^^^^^^\n\n"
        f"hint: it has, for example, `{QUERY}.weight`"
    )


def test_keeping_more_than_there_is_is_refused_with_its_line() -> None:
    outputs = {"attention.output.dense.weight": (8, 8), "output.dense.weight": (8, 16)}
    shapes = {**BARE, **{f"encoder.layer.0.{name}": shape for name, shape in outputs.items()}}
    text = "  - !StructuredPruningModifier\n      targets:\n        heads: {}\n        ffn: {}\n        layers: {}\n"
    tensors = of_training(shapes, "bert", head_width=4)
    assert tensors is not None
    check(resolved(text.format(2, 16, 1)), tensors)
    with pytest.raises(RecipeError) as caught:
        check(resolved(text.format(3, 17, 2)), tensors)
    found = {(problem.message, problem.position and problem.position.line) for problem in caught.value.problems}
    assert found == {
        ("StructuredPruningModifier: `targets.heads` is 3, and the model has 2", 4),
        ("StructuredPruningModifier: `targets.ffn` is 17, and the model has 16", 5),
        ("StructuredPruningModifier: `targets.layers` is 2, and the model has 1", 6),
    }


def test_how_many_heads_there_are_is_not_guessed() -> None:
    tensors = of_training(BARE, "bert")
    assert tensors is not None
    check(resolved("  - !StructuredPruningModifier {targets: {heads: 99, ffn: 99}}\n"), tensors)


@pytest.mark.parametrize("module", ["bert.encoder", "bert.encoder.layer.0.attention", "bert.encoder.layer.1"])
def test_what_is_left_out_is_a_whole_layer(module: str) -> None:
    tensors = of_training(BARE, "bert")
    assert tensors is not None
    check(resolved("  - !LayerPruningModifier {layers: [bert.encoder.layer.0]}\n"), tensors)
    with pytest.raises(RecipeError, match=f"`{module}` means no layer of the model") as caught:
        check(resolved(f"  - !LayerPruningModifier {{layers: [{module}]}}\n"), tensors)
    assert "`bert.encoder.layer.0`" in caught.value.problems[0].hint


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("bert.pooler", "a token classifier has no pooler: take the line out"),
        ("qa_outputs", "it answers questions; a token classifier's own is `classifier`"),
    ],
)
def test_a_module_of_another_task_is_told_with_what_to_write(module: str, hint: str) -> None:
    tensors = of_training(BARE, "bert")
    assert tensors is not None
    with pytest.raises(RecipeError) as caught:
        check(resolved(f"  - !QuantizationModifier {{submodules: [classifier, {module}]}}\n"), tensors)
    (problem,) = caught.value.problems
    assert (problem.hint, problem.position and problem.position.line) == (hint, 2)
