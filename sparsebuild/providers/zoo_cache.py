"""The cache that SparseZoo's own program left behind, in its layout: `<namespace>/<name>/`, or `<id>/` of old.

    training/  deployment/  recipe.md  recipe_<type>.md  recipe/…  training.tar.gz  model.onnx  model.md

That program wrote no digests and could leave half a file: what is read here is hashed, and checked by who opens it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from sparsebuild.errors import SourceUnavailable
from sparsebuild.lock import path_fault
from sparsebuild.providers.base import Context
from sparsebuild.providers.stubs import Stub
from sparsebuild.providers.zoo_model import ZooFile, ZooModel, packed

__all__ = ["CACHE", "in_cache", "others"]

CACHE = "SPARSEZOO_MODELS_PATH"
_PARTS = ("training", "training.tar.gz", "deployment", "deployment.tar.gz", "recipe", "recipe.md", "model.onnx")
_MOST_FOLDERS = 10_000


def in_cache(stub: Stub, context: Context) -> ZooModel | None:
    """The model in the old cache, if it is there. Raises SourceUnavailable where it could be one of several."""
    found = [folder for folder in _models() if stub.is_folder(folder.name)]
    if len(found) > 1:
        names = ", ".join(f"{folder.parent.name}/{folder.name}" for folder in found)
        raise SourceUnavailable(
            f"`zoo:{stub.name}` could be any of these in the SparseZoo's cache: {names}",
            hint='choose one: under `[sources.zoo]`, give the stub a `"file:FOLDER"`',
        )
    return _model(found[0], stub, context) if found else None


def others() -> list[str]:
    """Names of some models in the old cache."""
    return [folder.name for folder in _models()][:5]


def _root() -> Path:
    return Path(os.environ.get(CACHE) or "~/.cache/sparsezoo").expanduser()


def _models() -> Iterator[Path]:
    """Every folder of the cache that holds a model: right in it, or below a namespace."""
    for number, folder in enumerate(_folders(_root())):
        if number > _MOST_FOLDERS:
            return
        inner = [folder] if _is_model(folder) else [path for path in _folders(folder) if _is_model(path)]
        yield from inner


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink())
    except OSError:
        return []


def _is_model(folder: Path) -> bool:
    return any((folder / part).exists() for part in _PARTS)


def _model(folder: Path, stub: Stub, context: Context) -> ZooModel:
    files = _files(folder)
    training = _files(folder / "training") or (files if "config.json" in files else {})
    if not training and "training.tar.gz" in files:
        training = packed(_Local(folder / "training.tar.gz"), context)
    recipes = {**files, **_files(folder / "recipe")}
    return ZooModel(
        where=f"the SparseZoo's cache ({folder.name})",
        resolved="" if folder.name == stub.name else f"zoo:{folder.name}",
        recipes={name: recipes[name] for name in sorted(recipes, key=_recipe_order) if _is_recipe(name)},
        training=training,
        has_deployment=(folder / "deployment").is_dir() or "model.onnx" in files or "deployment.tar.gz" in files,
    )


def _files(folder: Path) -> dict[str, ZooFile]:
    """Plain files right in a folder; links are not followed."""
    try:
        paths = [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
    except OSError:
        return {}
    return {path.name: ZooFile(opened=_Local(path)) for path in paths if not path_fault(path.name)}


class _Local:
    """A file that is here already."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, context: Context) -> AbstractContextManager[Path]:
        return nullcontext(self._path)


def _is_recipe(name: str) -> bool:
    return name.startswith("recipe") and name.endswith((".md", ".yaml", ".yml"))


def _recipe_order(name: str) -> tuple[bool, str]:
    """A folder has no order of its own; `original` was first where older versions of the zoo looked."""
    return not name.startswith("recipe_original"), name
