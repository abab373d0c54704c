"""A server that speaks the SparseZoo's API, which the user has named: what it has for a stub, and the files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import names_fault, path_fault
from sparsebuild.providers.base import Context
from sparsebuild.providers.download import download, host_of, led_to, post_json
from sparsebuild.providers.stubs import Stub
from sparsebuild.providers.zoo_model import ZooFile, ZooModel, packed

__all__ = ["SERVER", "ask", "server"]

SERVER = "SPARSEZOO_API_URL"

# The files that the zoo called so, under the names of its two versions.
_TRAINING, _RECIPE, _DEPLOYMENT = ("training", "framework"), ("recipe",), ("deployment",)


def server() -> str:
    """The address of the API that the user has named, or nothing: then nobody is asked."""
    return os.environ.get(SERVER, "").rstrip("/")


def ask(stub: Stub, context: Context) -> ZooModel:
    """What the server has for a stub. Raises SourceUnavailable for nothing, or an answer that makes no sense."""
    address = server()
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise UserError(f"{SERVER} is not an address such as https://host")
    if context.offline:
        raise SourceUnavailable(
            f"`zoo:{stub.name}` would have to be asked of {host_of(address)}, and this run is offline",
            hint="run once without `--offline`",
        )
    context.report(f"asking {host_of(address)} for zoo:{stub.name}")
    answer = post_json(f"{address}/v2/graphql", {"query": _query(stub.arguments)})
    try:
        model = _first_model(answer, stub, context)
        listed = [_Listed(address, entry) for entry in model["files"]]
        name = str(model.get("repoName") or "")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SourceUnavailable(f"{host_of(address)} does not answer as the zoo did: {error!r:.200}") from None
    return ZooModel(
        where=host_of(address),
        resolved=f"zoo:{name}" if stub.fields and name and not path_fault(name) else "",
        recipes=_of_type(listed, _RECIPE),
        training=_training(listed, context),
        has_deployment=any(file.type in _DEPLOYMENT or file.name == "model.onnx" for file in listed),
    )


class _Listed:
    """One file as the server lists it."""

    def __init__(self, server: str, entry: Mapping[str, Any]) -> None:
        self.name, self.type, url = entry["displayName"], entry["fileType"], entry["downloadUrl"]
        if not all(isinstance(value, str) for value in (self.name, self.type, url)):
            raise ValueError("a file without name, type or address")
        if fault := path_fault(self.name):
            raise SourceUnavailable(f"{host_of(server)} lists {self.name[:200]!r}: {fault}")
        self._address = led_to(server, server, url)
        size = entry.get("fileSize")
        self._size = size if isinstance(size, int) and size > 0 else -1

    @contextmanager
    def __call__(self, context: Context) -> Iterator[Path]:
        with download(self._address, context, size=self._size) as found:
            yield found.path


def _query(arguments: Mapping[str, str]) -> str:
    """The question in GraphQL. A stub's grammar lets nothing into it that would have to be escaped."""
    asked = ", ".join(f"{key}: {json.dumps(value)}" for key, value in arguments.items())
    fields = "modelId repoName repoNamespace files(version: 2) { displayName downloadUrl fileSize fileType modelId }"
    return f"{{ models({asked}) {{ {fields} }} }}"


def _first_model(answer: Any, stub: Stub, context: Context) -> Mapping[str, Any]:
    if answer.get("errors"):
        raise ValueError(str(answer["errors"]))
    models = answer["data"]["models"]
    if not models:
        raise SourceUnavailable(
            f"{host_of(server())} has no model `zoo:{stub.name}`", hint=f"check the stub, or {SERVER}"
        )
    if len(models) > 1:
        context.report(f"the server has {len(models)} models for zoo:{stub.name}: the first is taken")
    found: Mapping[str, Any] = models[0]
    return found


def _of_type(listed: list[_Listed], types: tuple[str, ...]) -> dict[str, ZooFile]:
    files = [file for file in listed if file.type in types and not file.name.endswith(".tar.gz")]
    if fault := names_fault(file.name for file in files):
        raise SourceUnavailable(f"{host_of(server())} lists {fault}")
    return {file.name: ZooFile(opened=file) for file in files}


def _training(listed: list[_Listed], context: Context) -> dict[str, ZooFile]:
    loose = _of_type(listed, _TRAINING)
    tarball = next((file for file in listed if file.name == "training.tar.gz"), None)
    return packed(tarball, context) if tarball and not loose else loose
