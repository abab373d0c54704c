"""A loopback server that speaks the SparseZoo's API, as far as its real client asks: GraphQL, HEAD, ranges.

model = zoo.Model(stub="nlp/…/pruned90-none", name="obert-…", files=[zoo.ONNX, ("recipe", "recipe.md", b"…")])
with zoo.serving([model]) as server:
    … SPARSEZOO_API_URL=server.url("") …
"""

import contextlib
import json
import re
from dataclasses import dataclass, field

import files

FIELDS = ("domain", "task", "architecture", "subArchitecture", "framework", "repo", "sourceDataset", "sparseTag")
STUB = re.compile(r"([^/]+)/([^/]+)/([^/-]+)(?:-([^/]+))?/([^/]+)/([^/]+)/([^/-]+)(?:-[^/]+)?/([^/]+)")
ONNX = ("onnx", "model.onnx", b"an ONNX file")  # the real client wants every model to have one


@dataclass
class Model:
    """One model: its stubs, and its files as (type, name, bytes)."""

    stub: str  # the long one, without `zoo:`
    name: str  # the short one
    files: list = field(default_factory=list)
    namespace: str = "neuralmagic"

    def matches(self, asked):
        if "repoName" in asked:
            return asked["repoName"] == self.name
        found = dict(zip(FIELDS, STUB.fullmatch(self.stub).groups(), strict=True))
        return bool(asked) and all(found[key] == value for key, value in asked.items())


@contextlib.contextmanager
def serving(models, tls=False):
    """The server; `models` may be changed while it runs, but for files, which are served as they were."""
    contents = {
        f"/{model.name}/{number}/{name}": data for model in models for number, (_, name, data) in enumerate(model.files)
    }

    def answer(handler, path):
        if path == "/v2/graphql":
            handler.reply(200, json.dumps(_answer(models, json.loads(handler.body)["query"], server)).encode())
        elif path == "/packages/check-latest":
            handler.reply(404, b"{}")
        return path in ("/v2/graphql", "/packages/check-latest")

    with files.serving(contents, tls=tls, answer=answer) as server:
        yield server


def _answer(models, query, server):
    asked = dict(re.findall(r'(\w+): "([^"]*)"', query.partition("{")[2].partition(")")[0]))
    return {"data": {"models": [_described(model, server) for model in models if model.matches(asked)]}}


def _described(model, server):
    listed = [
        {
            "displayName": name,
            "downloadUrl": server.url(f"/{model.name}/{number}/{name}"),
            "fileSize": len(data),
            "fileType": kind,
            "modelId": model.name,
        }
        for number, (kind, name, data) in enumerate(model.files)
    ]
    return {
        "modelId": model.name,
        "modelOnnxSizeCompressedBytes": 1,
        "repoName": model.name,
        "repoNamespace": model.namespace,
        "files": listed,
        "benchmarkResults": [],
        "trainingResults": [],
    }
