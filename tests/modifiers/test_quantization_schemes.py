"""What a recipe says about grids, in both forms of the modifier."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError
from sparsebuild.numerics.quantization_scheme import ATTENTION, EMBEDDING, Grid, Scheme, linear_scheme
from sparsebuild.training.evaluation import torch_logits
from sparsebuild.training.quantization import observers, quantized_modules, scheme_of
from sparsebuild.training.structure import apply_structure, observed_structure

QUERY = "bert.encoder.layer.0.attention.self.query"


def entry(fields: str) -> str:
    return f"  - !QuantizationModifier {{start_epoch: 1.0, {fields}}}\n"


@pytest.fixture
def plan(specs, model):
    """The scheme of every module under a recipe's fields."""
    return lambda fields: specs(entry(fields))[0].plan(model)


# ---- the form that names submodules


def test_what_is_usual(plan) -> None:
    found = plan("submodules: [bert.encoder.layer.0], quantize_linear_activations: 0")
    kinds = {name.rpartition(".")[2]: scheme for name, scheme in found.items()}
    assert kinds["query"] == linear_scheme(63)
    assert kinds["word_embeddings"] == EMBEDDING  # embeddings are taken wherever they lie
    assert kinds["self"] == ATTENTION
    assert "classifier" not in kinds


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ("weight_bits: 4", Scheme(inputs=Grid(), weights=Grid(bits=4, symmetric=True, per_channel=True))),
        ("weight_bits: 8, weight_levels: 127", linear_scheme(127)),
        ("weight_bits: eval(16 / 2), weight_levels: eval(254 / 2)", linear_scheme(127)),
        ("activation_bits: 5", Scheme(inputs=Grid(bits=5), weights=linear_scheme(63).weights)),
        ("reduce_range: true", Scheme(inputs=Grid(bits=7), weights=linear_scheme(63).weights)),
        ("quantize_linear_activations: 1", Scheme(inputs=Grid(), weights=linear_scheme(63).weights, outputs=Grid())),
        ("tensorrt: true", Scheme(inputs=Grid(symmetric=True), weights=linear_scheme(63).weights)),
        (
            "activation_qconfig_kwargs: {averaging_constant: 0.05}, weight_qconfig_kwargs: {observer: minmaxobserver}",
            Scheme(inputs=Grid(momentum=0.05), weights=linear_scheme(63).weights),
        ),
        (
            "activation_qconfig_kwargs: {observer: minmaxobserver}",
            Scheme(inputs=Grid(momentum=None), weights=linear_scheme(63).weights),
        ),
    ],
)
def test_each_setting_of_a_linear(fields, scheme, plan) -> None:
    assert plan(f"submodules: [classifier], {fields}")["classifier"] == scheme


def test_outputs_of_embeddings_and_other_classes_where_the_recipe_says_so(plan) -> None:
    found = plan("quantize_embedding_activations: 1, custom_quantizable_module_types: [LayerNorm]")
    assert found["bert.embeddings.word_embeddings"] == Scheme(weights=Grid(symmetric=True), outputs=Grid())
    assert found["bert.embeddings.LayerNorm"] == Scheme(inputs=Grid())


# ---- the form with a scheme


def test_every_layer_that_computes_has_the_scheme(plan) -> None:
    found = plan("scheme: deepsparse")
    kinds = {name.rpartition(".")[2]: scheme for name, scheme in found.items()}
    assert kinds["query"] == linear_scheme(63)
    assert kinds["word_embeddings"] == EMBEDDING
    assert kinds["LayerNorm"] == kinds["intermediate_act_fn"] == kinds["self"] == Scheme(inputs=Grid())
    assert "dropout" not in kinds


def test_the_longest_name_wins_then_the_class(plan) -> None:
    found = plan(
        "ignore: [LayerNorm, GELUActivation, bert.encoder.layer.1], scheme_overrides: {"
        "Linear: {weights: {num_bits: 5, symmetric: true}}, "
        "bert.encoder.layer.0: {weights: {num_bits: 6, symmetric: true, strategy: tensor}}, "
        f"{QUERY}: {{input_activations: null, weights: {{num_bits: 4, strategy: channel}}}}}}"
    )
    assert found[QUERY] == Scheme(weights=Grid(bits=4, per_channel=True))
    assert found[QUERY.replace("query", "key")].weights == Grid(bits=6, symmetric=True)
    assert found["classifier"].weights == Grid(bits=5, symmetric=True, per_channel=True)
    assert not any("layer.1" in name or "LayerNorm" in name for name in found)


def test_the_usual_override_of_embeddings(plan) -> None:
    found = plan(
        "scheme: default, quantize_attention: false, "
        "scheme_overrides: {Embedding: {input_activations: null, weights: {num_bits: 8, symmetric: False}}}"
    )
    assert found["bert.embeddings.word_embeddings"] == Scheme(weights=Grid())
    assert not any(name.endswith("self") for name in found)


def test_eight_bits_are_all_eight_where_the_recipe_says_so(plan) -> None:
    assert plan("scheme: default, weight_levels: 127")["classifier"].weights == Grid(
        symmetric=True, per_channel=True, bits=8
    )


def test_a_name_stands_for_whole_parts(plan) -> None:
    with pytest.raises(RecipeError) as caught:
        plan("ignore: [bert.encoder.lay]")
    assert str(caught.value) == (
        "error: QuantizationModifier: `bert.encoder.lay` is no module of the model, and no class of one\n\n"
        "hint: did you mean `bert.encoder.layer`?"
    )
    assert "classifier" in plan("ignore: [bert.encoder.lay], strict: false")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("scheme: defalt", "`scheme` must be a table or one of default, deepsparse, tensorrt"),
        ("scheme: {weight: {num_bits: 4}}", "a scheme has no `weight`"),
        ("scheme: {weights: {num_bits: 3}}", "`num_bits` must be from 4 to 8, found 3"),
        ("scheme: {weights: {strategy: row}}", "`strategy` must be tensor or channel, found row"),
        ("scheme: {input_activations: {strategy: channel}}", "`strategy: channel` is for weights"),
        ("scheme: default, submodules: [classifier]", "`submodules` belongs to the form of QuantizationModifier"),
        (
            "scheme: {weights: {num_bits: 4}}, weight_levels: 127",
            "`weight_levels: 127` does not go with weights of 4 bits",
        ),
        ("activation_bits: 9", "`activation_bits` must be from 4 to 8, found 9"),
        ("activation_qconfig_kwargs: {dtype: qint8}", "`activation_qconfig_kwargs` with `dtype` is not supported"),
        (
            "activation_qconfig_kwargs: {averaging_constant: 2}",
            "`averaging_constant` must be more than 0 and at most 1",
        ),
        ("activation_bits: 4, reduce_range: 1", "`reduce_range` leaves 3 bits, and activations need 4"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(fields, message, specs) -> None:
    with pytest.raises(RecipeError, match="error") as caught:
        specs(entry(fields))
    assert str(caught.value).startswith(f"error: {message}")
    assert "--> r.yaml:2:" in str(caught.value)


# ---- at work

SCHEMES = [
    "scheme: {weights: {num_bits: 4, symmetric: false, strategy: tensor}, output_activations: {num_bits: 6}}",
    "scheme: tensorrt, scheme_overrides: {Embedding: {weights: {num_bits: 5, strategy: channel}}}",
    "weight_bits: 6, activation_bits: 7, quantize_linear_activations: 1, quantize_embedding_activations: 1",
]


@pytest.mark.parametrize("fields", SCHEMES)
def test_a_structure_brings_every_scheme_back(fields, training) -> None:
    trained = training(entry(fields), fresh=True).run()
    structure = observed_structure(trained.model, {})
    again = training("  - !EpochRangeModifier {start_epoch: 0, end_epoch: 3}\n", fresh=True).model
    apply_structure(again, structure)
    weights = {k: v for k, v in trained.model.state_dict().items() if k in dict(trained.model.named_parameters())}
    again.load_state_dict(weights, strict=False)
    schemes = [{n: scheme_of(m) for n, m in quantized_modules(model)} for model in (again, trained.model)]
    assert schemes[0] == schemes[1]
    ids = torch.arange(1, 13).reshape(2, 6)
    logits = [model.eval()(input_ids=ids).logits for model in (again, trained.model)]
    assert torch.equal(*logits)


@pytest.mark.parametrize("fields", SCHEMES)
def test_a_stopped_training_continues_to_the_same_bits(fields, training) -> None:
    text = entry(f"{fields}, disable_quantization_observer_epoch: 2.0")
    whole = training(text, fresh=True).run()
    for stop in (4, 5, 8, 9):
        begun = training(text, fresh=True).run(last=stop)
        resumed = training(text, fresh=True).restore(stop, begun.saved()).run(first=stop)
        assert all(torch.equal(v, resumed.model.state_dict()[k]) for k, v in whole.model.state_dict().items()), stop


def test_ranges_never_learn_from_evaluation(training, batch) -> None:
    begun = training(entry("quantize_linear_activations: 1")).run(last=6)
    before = {n: (o.lowest.clone(), o.highest.clone(), int(o.count)) for n, o in observers(begun.model)}
    torch_logits(begun.model)(batch(99))
    assert all((o.lowest, o.highest, int(o.count)) == before[n] for n, o in observers(begun.model))
    assert before["classifier.input_quantizer"][2] == 2


def test_the_classifiers_ranges_are_fixed_like_the_rest(training) -> None:
    text = entry("submodules: [bert.encoder, classifier], disable_quantization_observer_epoch: 2.0")
    begun = training(text).run(last=9)
    held = dict(observers(begun.model))["classifier.input_quantizer"]
    before = held.highest.clone()
    begun.run(first=9)
    assert held.frozen
    assert torch.equal(held.highest, before)
