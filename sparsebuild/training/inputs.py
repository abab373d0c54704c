"""What a model reads of a batch: the inputs that it has, and that its exported file will have."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor

from sparsebuild.modifiers.base import Batch

__all__ = ["given", "input_names", "takes_types"]


def input_names(model: Any) -> tuple[str, ...]:
    """The inputs of a token classifier, each (batch, sequence) int64.

    A model with one type of pieces has none to be told: RoBERTa's tokenizers give none either.
    """
    has_types = takes_types(model) and getattr(model.config, "type_vocab_size", 2) > 1
    return ("input_ids", "attention_mask", *(["token_type_ids"] if has_types else []))


def takes_types(model: Any) -> bool:
    """Whether the model has an argument for types of pieces, be there one type or several."""
    return "token_type_ids" in inspect.signature(model.forward).parameters


def given(model: Any, batch: Batch) -> dict[str, Tensor]:
    """The batch as `model` reads it, padded with its own padding: RoBERTa counts positions by it."""
    values = {name: getattr(batch, name) for name in input_names(model)}
    if padding := getattr(model.config, "pad_token_id", 0):
        values["input_ids"] = batch.input_ids.masked_fill(batch.attention_mask == 0, padding)
    return values
