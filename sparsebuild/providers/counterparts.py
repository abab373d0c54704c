"""Where models and recipes of the SparseZoo live on, as far as anyone knows: closest public counterparts, by stub.

None is proven to be the same to the byte, so none is ever taken unasked: they are offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["COUNTERPARTS", "RECIPES", "STAND_INS", "Counterpart"]

_OBERT = "obert-base/pytorch/huggingface"
_MLM = f"nlp/masked_language_modeling/{_OBERT}/wikipedia_bookcorpus"
_QA, _GLUE, _NER = (
    f"nlp/{task}/{_OBERT}" for task in ("question_answering", "text_classification", "token_classification")
)
_HUB = "hf:RedHatAI/oBERT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """A public model like one of the zoo's. All of these have their weights as `pytorch_model.bin` alone."""

    source: str
    confidence: Literal["high", "medium-high", "medium"]  # that it is the same model


COUNTERPARTS: Mapping[str, Counterpart] = {
    f"{_MLM}/pruned90-none": Counterpart(
        source=f"{_HUB}-12-upstream-pruned-unstructured-90-v2",
        confidence="high",  # in method, data and sparsity; whether the zoo's was this or the first version is unknown
    ),
    f"{_MLM}/base-none": Counterpart(source=f"{_HUB}-12-upstream-pretrained-dense", confidence="medium-high"),
    f"{_MLM}/pruned97-none": Counterpart(source=f"{_HUB}-12-upstream-pruned-unstructured-97-v2", confidence="medium"),
    f"{_QA}/squad/base-none": Counterpart(source=f"{_HUB}-teacher-squadv1", confidence="medium"),
    f"{_QA}/squad/pruned90-none": Counterpart(
        source=f"{_HUB}-12-downstream-pruned-unstructured-90-squadv1", confidence="medium"
    ),
    f"{_GLUE}/mnli/base-none": Counterpart(source=f"{_HUB}-teacher-mnli", confidence="medium-high"),
    f"{_GLUE}/qqp/base-none": Counterpart(source=f"{_HUB}-teacher-qqp", confidence="medium-high"),
    f"{_GLUE}/mnli/pruned90-none": Counterpart(
        source=f"{_HUB}-12-downstream-pruned-unstructured-90-mnli", confidence="medium"
    ),
    f"{_GLUE}/qqp/pruned90-none": Counterpart(
        source=f"{_HUB}-12-downstream-pruned-unstructured-90-qqp", confidence="medium"
    ),
}

# Other models for the same work, where there is no counterpart: for a person to choose from.
STAND_INS: Mapping[str, tuple[str, ...]] = {
    f"{_NER}/conll2003/base-none": (
        "hf:dslim/bert-base-NER-uncased",
        "hf:elastic/distilbert-base-uncased-finetuned-conll03-english",
    ),
}

# Recipes whose numbers are public, in files of our own: `zoo_recipes/` beside this one.
RECIPES: Mapping[str, str] = {f"{_NER}/conll2003/pruned90_quant-none": "conll2003_pruned90_quant.yaml"}
