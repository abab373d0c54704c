"""How to run a `hub/` folder in each runtime: code that can be pasted, and that the tests run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

__all__ = ["piece_mark", "snippets"]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_TYPES = ', "token_type_ids": np.zeros_like(ids)'

_WORDS = """```python
# pip install PACKAGE tokenizers
import json
import numpy as np, PACKAGE, tokenizers

folder = "."  # where these files are
words = ["Ada", "Lovelace", "wrote", "to", "Charles", "Babbage", "in", "London"]

tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_padding()
labels = json.load(open(f"{folder}/config.json"))["id2label"]
MODEL = OPENED

pieces = tokenizer.encode(words, is_pretokenized=True)
ids = np.array([pieces.ids], dtype=np.int64)
feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
best = LOGITS[0].argmax(-1)
firsts = {word: place for place, word in reversed(list(enumerate(pieces.word_ids))) if word is not None}
tags = [labels[str(best[firsts[i]])] for i in range(len(words))]  # a word's label is that of its first piece
print(list(zip(words, tags)))
```"""


def _of_words(package: str, model: str, opened: str, logits: str) -> str:
    """Code for a runtime that knows arrays alone."""
    text = _WORDS.replace("PACKAGE", package).replace("MODEL", model)
    return text.replace("OPENED", opened).replace("LOGITS", logits)


_ONNXRUNTIME = _of_words(
    "onnxruntime", "session", 'onnxruntime.InferenceSession(f"{folder}/ONNX_FILE")', 'session.run(["logits"], feeds)[0]'
)
_OPENVINO = _of_words(
    "openvino",
    "compiled",
    'openvino.Core().compile_model(f"{folder}/ONNX_FILE", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})',
    'compiled(feeds)["logits"]',
)

# Only the first piece of a word learned its label, which is why all of these ask for it and not for each piece's own.
_TRANSFORMERS = """```python
# pip install transformers torch
from transformers import pipeline

tagger = pipeline("token-classification", model=".", aggregation_strategy="first")
print(tagger("Ada Lovelace wrote to Charles Babbage in London"))
```"""

# `from_pretrained` makes matrices as large as a config says, which has no words for fewer heads.
_CUT = """```python
# pip install transformers torch
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer, pipeline

weights = load_file("model.safetensors")
model = AutoModelForTokenClassification.from_config(AutoConfig.from_pretrained("."))
for name, module in model.named_modules():  # heads and neurons were cut out: matrices are as large as in the file
    if isinstance(module, torch.nn.Linear):
        rows, columns = weights[f"{name}.weight"].shape
        module.__init__(columns, rows, bias=module.bias is not None)
model.load_state_dict(weights)
model.eval()

tokenizer = AutoTokenizer.from_pretrained(".")
tagger = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first")
print(tagger("Ada Lovelace wrote to Charles Babbage in London"))
```"""

_OPTIMUM = """```python
# pip install optimum-onnx onnxruntime
from optimum.onnxruntime import ORTModelForTokenClassification
from transformers import AutoTokenizer, pipeline

model = ORTModelForTokenClassification.from_pretrained(".", subfolder="onnx", file_name="ONNX_NAME")
tokenizer = AutoTokenizer.from_pretrained(".")
tagger = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first")
print(tagger("Ada Lovelace wrote to Charles Babbage in London"))
```"""

_TRANSFORMERS_JS = """```js
// npm install @huggingface/transformers
import { env, pipeline } from "@huggingface/transformers";

env.localModelPath = "../"; // the folder above this one, here called `hub`
const tagger = await pipeline("token-classification", "hub", { dtype: "DTYPE" });
const pieces = await tagger("Ada Lovelace wrote to Charles Babbage in London", { ignore_labels: [] });
const words = []; // a word's label is that of its first piece
for (const { word, entity } of pieces) {
  if (word.startsWith("##")) words.at(-1).word += word.slice(2);
  else words.push({ word, entity });
}
console.log(words);
```"""

# Where a space is part of the piece after it. A letter may be cut in two, so words are decoded as a whole.
_TRANSFORMERS_JS_SPACES = """```js
// npm install @huggingface/transformers
import { env, pipeline } from "@huggingface/transformers";

env.localModelPath = "../"; // the folder above this one, here called `hub`
const tagger = await pipeline("token-classification", "hub", { dtype: "DTYPE" });
const text = "Ada Lovelace wrote to Charles Babbage in London";
const tokens = tagger.tokenizer.tokenize(text, { add_special_tokens: true });
const found = []; // a word's label is that of its first piece
for (const { entity, index } of await tagger(text, { ignore_labels: [] })) {
  if (tokens[index].startsWith("Ġ")) found.push({ entity, ids: [] });
  found.at(-1).ids.push(tagger.tokenizer.convert_tokens_to_ids(tokens[index]));
}
const words = found.map(({ entity, ids }) => ({ word: tagger.tokenizer.decode(ids).trim(), entity }));
console.log(words);
```"""

_DEEPSPARSE = """```python
# pip install "deepsparse[transformers]==1.8.0" "pyarrow<16" "pandas<3", Python 3.8 to 3.11
import shutil
from pathlib import Path

from deepsparse import Pipeline

folder = Path("deepsparse")  # it wants all in one folder, and writes into the file
folder.mkdir(exist_ok=True)
for path in Path().glob("*.json"):
    shutil.copy(path, folder)
shutil.copy("ONNX_FILE", folder / "model.onnx")
tagger = Pipeline.create(task="token_classification", model_path=str(folder), ignore_labels=[])
words = []  # a word's label is that of its first piece
for piece in tagger("Ada Lovelace wrote to Charles Babbage in London").predictions[0]:
    if piece.word.startswith("##"):
        words[-1] = (words[-1][0] + piece.word[2:], words[-1][1])
    else:
        words.append((piece.word, piece.entity))
print(words)
```"""

_LAST_OPSET = 18  # that DeepSparse reads; of the newer exporter it reads nothing

_DTYPES = {"model_quantized.onnx": "q8", "model.onnx": "fp32", "model_fp16.onnx": "fp16"}


def piece_mark(tokenizer: Path) -> str:
    """What a `tokenizer.json` begins pieces with: `##` where a word goes on, `Ġ` where one begins; "" for others."""
    decoder = json.loads(tokenizer.read_bytes())["decoder"] or {}
    return {"WordPiece": "##", "ByteLevel": "Ġ"}.get(decoder.get("type", ""), "")


def snippets(
    onnx: str,
    scheme: str,
    inputs: Sequence[str] = INPUTS,
    *,
    mark: str = "##",
    fits_config: bool = True,
    opset: int = _LAST_OPSET,
    exporter: str = "torchscript",
) -> str:
    """The section of a card; `onnx` is the file, relative to it, and `inputs` what it wants to be given.

    Runtimes that give labels of pieces alone are left out where `mark`, by which words are known, is not among what
    they show: sentencepiece's `▁`, of which transformers.js says nothing, and all but `##` in DeepSparse. Plain
    `from_pretrained` opens the PyTorch weights only where they fit the config.
    """
    name = onnx.rpartition("/")[2]
    parts = {
        "ONNX Runtime": _ONNXRUNTIME,
        "transformers (PyTorch, float32)": _TRANSFORMERS if fits_config else _CUT,
        "optimum": _OPTIMUM,
        "OpenVINO": _OPENVINO,
    }
    if mark:
        parts["transformers.js"] = _TRANSFORMERS_JS if mark == "##" else _TRANSFORMERS_JS_SPACES
    if mark == "##" and scheme not in ("tensorrt", "fp16") and opset <= _LAST_OPSET and exporter != "dynamo":
        parts["DeepSparse"] = _DEEPSPARSE
    told = "\n\n".join(f"### {title}\n\n{text}" for title, text in parts.items())
    told = told if INPUTS[-1] in inputs else told.replace(_TYPES, "")
    return told.replace("ONNX_FILE", onnx).replace("ONNX_NAME", name).replace("DTYPE", _DTYPES[name])
