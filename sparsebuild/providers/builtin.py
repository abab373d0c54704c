"""`builtin:` sources: the recipes that come with us, each by its name, pinned in the lock like any other.

A newer version of us may bring other words under a name: a lock keeps the ones that it pinned for as long as the cache
has them, and says so when it has not. `docs/recipes/` has a page for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.providers.base import Context, Resolution, Want, hash_mismatch
from sparsebuild.registry import did_you_mean

__all__ = ["BuiltinProvider", "builtin_names", "builtin_recipe"]

_FOLDER = Path(__file__).with_name("builtin_recipes")
_SCHEME = "builtin:"


class BuiltinProvider:
    """Our own recipes."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        if want != "recipe":
            raise UserError(f"`{request}`: only recipes are built in", hint="name a folder, or `hf:ORG/NAME`")
        path = builtin_recipe(request)
        return Resolution(files=(LockedFile(path=path.name, size=path.stat().st_size, sha256=context.store.put(path)),))

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        path = builtin_recipe(source.request)
        for file in files:
            found = sha256(path.read_bytes()).hexdigest()
            if found != file.sha256:
                hint = "this version has another recipe of that name; to take it: "
                raise hash_mismatch(source, file, found, f"{hint}`sparsebuild lock --upgrade {source.name}`")
            context.store.put(path)


def builtin_names() -> list[str]:
    """The names of all of them."""
    return sorted(path.stem for path in _FOLDER.iterdir())


def builtin_recipe(request: str) -> Path:
    """Where the recipe of a request lies; SourceUnavailable, with the nearest name, where there is none."""
    name = request.removeprefix(_SCHEME)
    if name not in builtin_names():
        hint = did_you_mean(name, builtin_names()) or f"there are: {', '.join(builtin_names())}"
        raise SourceUnavailable(f"no recipe is built in as `{name}`", hint=hint)
    return _FOLDER / f"{name}.yaml"
