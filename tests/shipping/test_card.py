"""shipping/card.py: the Hub understands its metadata, and no string becomes markup."""

import pytest
import yaml
from huggingface_hub import ModelCard, eval_result_entries_to_yaml
from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.shipping.card import card, eval_results
from sparsebuild.shipping.escape import code, prose, to_yaml
from sparsebuild.shipping.facts import Origin


def metadata(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_the_hub_reads_what_it_is_and_how_good(facts, measured):
    text = card(facts(), measured())
    data = ModelCard(text, ignore_metadata_errors=False).data
    assert (data.library_name, data.pipeline_tag, data.license) == (
        "transformers",
        "token-classification",
        "apache-2.0",
    )
    assert (data.base_model, data.datasets) == (["org/bert"], ["org/people"])
    assert metadata(text)["base_model_relation"] == "quantized"
    assert data.tags == ["sparsebuild", "onnx", "transformers.js", "int8", "sparse", "pruned"]
    result = data.eval_results[0]
    assert (result.dataset_type, result.dataset_split, result.dataset_revision) == (
        "org/people",
        "validation",
        "d" * 40,
    )
    assert (result.metric_type, result.metric_value) == ("f1", 0.6)


def test_what_is_not_known_is_left_out(facts, measured):
    local = Origin(name="model", request="file:model", files={"a": "1" * 64})
    rows = Origin(name="data.validation", request="file:data/rows.jsonl", files={"x": "2" * 64})
    data = metadata(card(facts(sources=(local, rows)), measured("fp32")))
    assert not {"base_model", "base_model_relation", "datasets", "license"} & set(data)
    assert data["model-index"][0]["results"][0]["dataset"] == {
        "name": "data/rows.jsonl",
        "type": "local",
        "split": "validation",
    }
    assert eval_results(facts(sources=(local, rows)), measured()) == ""


def test_a_float_file_is_a_fine_tune_by_the_name_of_its_kind(facts, measured):
    text = card(facts(), measured("fp16"))
    assert metadata(text)["base_model_relation"] == "finetune"
    assert "`onnx/model_fp16.onnx` has the scheme `fp16`" in text


@pytest.mark.parametrize(("scheme", "column"), [("portable", "trained, with int8 rounding"), ("fp32", "trained")])
def test_figures_of_a_model_that_rounds_are_not_said_to_be_the_float_models(facts, measured, scheme, column):
    assert f"|  | {column} | ONNX |" in card(facts(), measured(scheme))


def test_scores_have_the_form_of_the_hubs_benchmarks(facts, measured):
    told = yaml.safe_load(eval_results(facts(), measured()))
    assert told == [
        {
            "dataset": {"id": "org/people", "task_id": "token-classification", "revision": "d" * 40},
            "value": 60.0,
            "notes": "entity F1 of onnx/model_quantized.onnx on the validation split",
        }
    ]
    from huggingface_hub._eval_results import parse_eval_result_entries

    assert eval_result_entries_to_yaml(parse_eval_result_entries(told)) == told


def test_what_was_measured_of_a_part_is_no_score_of_a_split(facts, measured):
    """Rows that were set aside, or the first of a split, are nobody's benchmark, and a reader is told."""
    model, train, _ = facts().sources
    aside = facts(sources=(model, train), settings={"data": {"validation_fraction": 0.1}})
    first = facts(settings={"data": {"max_eval_samples": 100}})
    for found, split, rows in (
        (aside, "train", "a share of 0.1 of the training rows, set aside"),
        (first, "validation", "at most the first 100"),
    ):
        text = card(found, measured())
        dataset = metadata(text)["model-index"][0]["results"][0]["dataset"]
        assert (dataset["split"], dataset["args"]) == (split, {"rows": rows})
        assert f"The validation figures are not of a whole split: {rows}." in text
        assert eval_results(found, measured()) == ""


def test_a_score_is_of_the_split_and_the_config_that_were_asked_for(facts, measured):
    source = Origin(name="data.validation", request="hf:org/people?config=de&split=dev", commit="d" * 40)
    found = facts(sources=(facts().sources[0], source))
    dataset = metadata(card(found, measured()))["model-index"][0]["results"][0]["dataset"]
    assert (dataset["config"], dataset["split"]) == ("de", "dev")
    (told,) = yaml.safe_load(eval_results(found, measured()))
    assert told["notes"].endswith("on the dev split of config de")


@pytest.mark.parametrize(("changes", "shown"), [({}, True), ({"opset": 20}, False), ({"exporter": "dynamo"}, False)])
def test_deepsparse_is_offered_what_it_reads(facts, measured, changes, shown):
    assert ("### DeepSparse" in card(facts(), measured(**changes))) == shown


@pytest.mark.parametrize("scheme", ["ort-cpu", "tensorrt"])
def test_a_file_that_saturates_says_so(facts, measured, scheme):
    assert "CPUs without VNNI saturate" in card(facts(), measured(scheme))


def test_hostile_strings_stay_text(facts, measured):
    evil = "a`b|c</td><script>alert(1)</script>\n---\nlicense: mit\n# [x](javascript:y)"
    source = Origin(name="model", request=f"file:{evil}", licence=evil, files={"a": "1" * 64})
    text = card(facts(project=evil, sources=(source,)), measured(labels=["O", f"B-{evil}"]))
    head, body = text.split("---\n")[1], "---\n".join(text.split("---\n")[2:])
    assert yaml.safe_load(head)["model-index"][0]["name"] == evil
    outside = [part for line in body.splitlines() for part in line.split("``")[::2]]
    assert not any("<script>" in part or "](javascript" in part for part in outside)
    assert "\nlicense: mit" not in text


def test_the_same_build_gives_the_same_card(facts, measured):
    assert card(facts(), measured()) == card(facts(), measured())


KEYS = st.sampled_from(["name", "type", "value"])
PLAIN = st.text() | st.integers() | st.booleans()


@given(value=st.dictionaries(KEYS, PLAIN | st.lists(st.dictionaries(KEYS, PLAIN, min_size=1) | st.text(), max_size=3)))
def test_yaml_means_what_was_given(value):
    assert (yaml.safe_load(to_yaml(value)) or {}) == value


@given(text=st.text())
def test_code_and_prose_are_one_line_without_html(text):
    for made in (code(text), prose(text)):
        assert len(made.splitlines()) <= 1
    assert "<" not in prose(text)
