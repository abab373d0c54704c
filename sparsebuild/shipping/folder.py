"""The folder `hub/`: what a repository of the Hub holds, so that every runtime that reads one finds its file.

config.json tokenizer*.json …       as training left them
model.safetensors, structure.json   PyTorch's weights; which are held at zero, and which modules are quantized
onnx/model_quantized.onnx           the exported file, by the name of its kind: `model.onnx`, `model_fp16.onnx`
README.md .eval_results/            the card, and scores in the form of the Hub's benchmarks
export.json sparse.lock             what the file holds and how it was measured; what all was built from
provenance.json                     both, in the form that supply chains ask for
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sparsebuild.encoders import TOKENIZER_FILES
from sparsebuild.shipping import card as cards
from sparsebuild.shipping import provenance
from sparsebuild.shipping.facts import Facts

__all__ = ["NAMES", "assemble", "onnx_name"]

_KINDS = {"fp32": "model.onnx", "fp16": "model_fp16.onnx"}
EVAL_RESULTS = ".eval_results/entities.yaml"
# All that a folder of ours may hold, whatever the model: what lies there beside these was put there by somebody.
NAMES = frozenset(
    {
        "README.md", "config.json", "export.json", "model.safetensors", "provenance.json", "sparse.lock",
        "structure.json", *TOKENIZER_FILES, "onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_quantized.onnx",
        EVAL_RESULTS,
    }
)  # fmt: skip


def onnx_name(scheme: str) -> str:
    """Where the Hub's runtimes look for a file of this scheme."""
    return "onnx/" + _KINDS.get(scheme, "model_quantized.onnx")


def assemble(folder: Path, facts: Facts, measured: cards.Measured, model: Path, export: Path, lock: str) -> None:
    """Write `hub/` into `folder`, from the trained `model`, the candidate `export`, and the text of the lock."""
    shutil.copytree(model, folder)
    (folder / measured.onnx).parent.mkdir()
    shutil.copyfile(export / "deployment" / "model.onnx", folder / measured.onnx)
    shutil.copyfile(export / "export.json", folder / "export.json")
    (folder / "sparse.lock").write_text(lock, encoding="utf-8")
    (folder / "README.md").write_text(cards.card(facts, measured), encoding="utf-8")
    if results := cards.eval_results(facts, measured):
        (folder / EVAL_RESULTS).parent.mkdir()
        (folder / EVAL_RESULTS).write_text(results, encoding="utf-8")
    provenance.write(folder, facts)
