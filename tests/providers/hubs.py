"""What the tests of the Hub share: small models and datasets that are real files."""

import io
import json
import struct


def safetensors(tensors=1, size=64, fill=0):
    """A safetensors file of float32 vectors, `size` bytes each, made by hand."""
    header = {
        f"w{n}": {"dtype": "F32", "shape": [size // 4], "data_offsets": [n * size, (n + 1) * size]}
        for n in range(tensors)
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes([fill]) * (size * tensors)


CONFIG = b'{"model_type": "bert", "architectures": ["BertModel"]}'
MODEL = {
    "config.json": CONFIG,
    "model.safetensors": safetensors(),
    "pytorch_model.bin": b"a pickle",
    "tokenizer.json": b"{}",
    "README.md": b"---\nlicense: apache-2.0\n---\nnot needed",
    "tf_model.h5": b"nor this",
    "onnx/model.onnx": b"nor this",
}

LABELS = ["O", "B-PER", "I-PER"]
ROWS = [{"tokens": ["Ada", "Lovelace", "wrote"], "ner_tags": [1, 2, 0]}, {"tokens": ["it"], "ner_tags": [0]}]
CARD = """---
license: mit
dataset_info:
  features:
  - name: tokens
    sequence: string
  - name: ner_tags
    sequence:
      class_label:
        names:
          '0': O
          '1': B-PER
          '2': I-PER
---
# rows
"""


def json_lines(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows=ROWS, labels=LABELS):
    """Rows as `datasets` writes them, with its description of their features in the file."""
    import datasets

    names = {"ner_tags": datasets.Sequence(datasets.ClassLabel(names=labels))} if labels else {}
    features = datasets.Features({"tokens": datasets.Sequence(datasets.Value("string")), **names}) if labels else None
    out = io.BytesIO()
    datasets.Dataset.from_list(rows, features=features).to_parquet(out)
    return out.getvalue()
