"""Tags of sentences by optimum's pipeline: `python by_optimum.py MODEL_FILE FOLDER SENTENCES ANSWERS`."""

import importlib.metadata
import sys
from pathlib import Path

import torch
from optimum.onnxruntime import ORTModelForTokenClassification
from sentences import answer, tagger_of_pieces
from transformers import AutoTokenizer, pipeline


def main(model, folder, sentences, answers):
    torch.set_num_threads(1)
    inside = Path(model).parent.relative_to(folder)
    opened = ORTModelForTokenClassification.from_pretrained(
        folder, file_name=Path(model).name, **({"subfolder": str(inside)} if inside.parts else {})
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tagger = pipeline("token-classification", model=opened, tokenizer=tokenizer, ignore_labels=[])
    answer(importlib.metadata.version("optimum-onnx"), tagger_of_pieces(tagger), sentences, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
