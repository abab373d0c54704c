"""Tagging sentences with a deployed model: the ONNX file, its tokenizer and its labels, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sparsebuild.encoders import longest
from sparsebuild.errors import UserError

__all__ = ["Predictor", "load", "load_trained"]


def load(folder: Path) -> Predictor:
    """Open a `deployment/` folder; raises UserError where there is none."""
    if not (folder / "model.onnx").exists():
        raise UserError(f"no deployed model in {folder}", hint="`sparsebuild run` builds, checks and promotes one")
    try:
        _refuse_external_data(folder / "model.onnx")
        return Predictor(folder)
    except UserError:
        raise
    except Exception as error:  # of three libraries, about files that anybody may have put there
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"the deployed model in {folder} cannot be opened: {said[0]}", hint="build it again: `sparsebuild run`"
        ) from None


def _refuse_external_data(path: Path) -> None:
    """Refuse a model whose weights are in other files, as ours never are: their paths can lead anywhere."""
    import onnx

    for tensor in _tensors(onnx.load(str(path), load_external_data=False).graph):
        if onnx.external_data_helper.uses_external_data(tensor):
            named = ", ".join(entry.value for entry in tensor.external_data if entry.key == "location")
            raise UserError(
                f"{path} reads its weights from another file, {named!r}", hint="build it again: `sparsebuild run`"
            )


def _tensors(graph: Any) -> Iterator[Any]:
    """All tensors of a graph, those of its nodes and of the graphs in them too."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            if inner.node or inner.initializer:
                yield from _tensors(inner)


def load_trained(model: Path, deployed: Path) -> Predictor:
    """The same for a trained model that is not exported, such as a teacher: it reads what `deployed` makes of words."""
    return _Trained(model, deployed)


class Predictor:
    """A deployed token classifier."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        from sparsebuild.exporters.cpu import caution
        from sparsebuild.exporters.runtime import input_names, open_session, scheme_of

        config = json.loads((folder / "config.json").read_bytes())
        self.labels: Sequence[str] = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self.longest = longest(config) or 512  # pieces that it reads of a sentence; words after them are not seen
        self._tokenizer.enable_truncation(self.longest)
        self._session = open_session(folder / "model.onnx", threads=1)
        self._inputs = input_names(self._session)
        self.caution = caution(scheme_of(self._session))  # what to know of this file on this CPU, or nothing

    def tag(self, words: Sequence[str]) -> list[str]:
        """A BIO tag for each word: that of its first piece, or `O` for a word that has none, or that is not read."""
        return self.read(words)[0]

    def read(self, words: Sequence[str]) -> tuple[list[str], int]:
        """A tag for each word, and how many words at the end are not read, as the sentence has too many pieces."""
        if not words:
            return [], 0
        encoded = self._tokenizer.encode(list(words), is_pretokenized=True)
        best = self._logits(encoded.ids)[0].argmax(-1)
        tags = ["O"] * len(words)
        seen: set[int] = set()
        for place, word in enumerate(encoded.word_ids):
            if word is not None and word not in seen:
                seen.add(word)
                tags[word] = self.labels[int(best[place])]
        return tags, len({word for rest in encoded.overflowing for word in rest.word_ids} - seen - {None})

    def _logits(self, ids: Sequence[int]) -> Any:
        import numpy as np

        row = np.array([ids], dtype=np.int64)
        values = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        return self._session.run(["logits"], {name: values[name] for name in self._inputs})[0]


class _Trained(Predictor):
    """A PyTorch model behind the tokenizer of a deployed one."""

    def __init__(self, model: Path, deployed: Path) -> None:
        from sparsebuild.training.models import labels_of, open_model

        super().__init__(deployed)
        self._model = open_model(model)
        self.labels = labels_of(self._model)

    def _logits(self, ids: Sequence[int]) -> Any:
        import torch

        row = torch.tensor([list(ids)])
        with torch.no_grad():
            return self._model(input_ids=row, attention_mask=torch.ones_like(row)).logits.numpy()
