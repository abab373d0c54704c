"""How to run a `hub/` folder in each runtime: code that can be pasted. Tests run what the environment can run."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["snippets"]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_TYPES = ', "token_type_ids": np.zeros_like(ids)'

_ONNXRUNTIME = """```python
# pip install onnxruntime tokenizers
import json
import numpy as np, onnxruntime, tokenizers

folder = "."  # where these files are
words = ["Ada", "Lovelace", "wrote", "to", "Charles", "Babbage", "in", "London"]

tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_padding()
labels = json.load(open(f"{folder}/config.json"))["id2label"]
session = onnxruntime.InferenceSession(f"{folder}/ONNX_FILE")

pieces = tokenizer.encode(words, is_pretokenized=True)
ids = np.array([pieces.ids], dtype=np.int64)
feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
best = session.run(["logits"], feeds)[0][0].argmax(-1)
firsts = {word: place for place, word in reversed(list(enumerate(pieces.word_ids))) if word is not None}
tags = [labels[str(best[firsts[i]])] for i in range(len(words))]
print(list(zip(words, tags)))
```"""

_TRANSFORMERS = """```python
# pip install transformers torch
from transformers import pipeline

tagger = pipeline("token-classification", model=".", aggregation_strategy="simple")
print(tagger("Ada Lovelace wrote to Charles Babbage in London"))
```"""

_OPTIMUM = """```python
# pip install optimum-onnx onnxruntime
from optimum.onnxruntime import ORTModelForTokenClassification
from transformers import AutoTokenizer, pipeline

model = ORTModelForTokenClassification.from_pretrained(".", subfolder="onnx", file_name="ONNX_NAME")
tagger = pipeline("token-classification", model=model, tokenizer=AutoTokenizer.from_pretrained("."))
print(tagger("Ada Lovelace wrote to Charles Babbage in London"))
```"""

_OPENVINO = """```python
# pip install openvino
import openvino

compiled = openvino.Core().compile_model("ONNX_FILE", "CPU")  # in place of ONNX Runtime's session
best = compiled(feeds)["logits"][0].argmax(-1)
```"""

_TRANSFORMERS_JS = """```js
// npm install @huggingface/transformers
import { env, pipeline } from "@huggingface/transformers";

env.localModelPath = "../"; // the folder above this one, here called `hub`
const tagger = await pipeline("token-classification", "hub", { dtype: "DTYPE" });
console.log(await tagger("Ada Lovelace wrote to Charles Babbage in London"));
```"""

_DEEPSPARSE = """```python
# pip install "deepsparse[transformers]==1.8.0", Python 3.8 to 3.11; `deployment/` is this model in its layout
from deepsparse import Pipeline

tagger = Pipeline.create(task="token_classification", model_path="deployment")
print(tagger("Ada Lovelace wrote to Charles Babbage in London"))
```"""

_DTYPES = {"model_quantized.onnx": "q8", "model.onnx": "fp32", "model_fp16.onnx": "fp16"}


def snippets(onnx: str, scheme: str, inputs: Sequence[str] = INPUTS) -> str:
    """The section of a card; `onnx` is the file, relative to it, and `inputs` what it wants to be given."""
    name = onnx.rpartition("/")[2]
    parts = {
        "ONNX Runtime": _ONNXRUNTIME,
        "transformers (PyTorch, float32)": _TRANSFORMERS,
        "optimum": _OPTIMUM,
        "OpenVINO": _OPENVINO,
        "transformers.js": _TRANSFORMERS_JS,
        "DeepSparse": _DEEPSPARSE,
    }
    if scheme in ("tensorrt", "fp16"):
        del parts["DeepSparse"]
    told = "\n\n".join(f"### {title}\n\n{text}" for title, text in parts.items())
    told = told if INPUTS[-1] in inputs else told.replace(_TYPES, "")
    return told.replace("ONNX_FILE", onnx).replace("ONNX_NAME", name).replace("DTYPE", _DTYPES[name])
