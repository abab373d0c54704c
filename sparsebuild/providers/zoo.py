"""`zoo:` sources: models and recipes of the SparseZoo, which ended in June 2025, from where they still are.

Looked for, in this order: in the cache that the zoo's own program left on this machine; at a server that speaks the
zoo's API, if the user names one; for a few recipes, in what comes with us. Otherwise nobody is asked, and what lives on
elsewhere is offered. The zoo never said what its files should hash to: the lock pins what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sparsebuild.errors import Problem, SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.providers import weights
from sparsebuild.providers.base import Context, Resolution, Want, hash_mismatch, not_here
from sparsebuild.providers.counterparts import COUNTERPARTS, RECIPES, STAND_INS
from sparsebuild.providers.stubs import Stub
from sparsebuild.providers.zoo_cache import CACHE, in_cache, others
from sparsebuild.providers.zoo_model import ZooFile, ZooModel
from sparsebuild.providers.zoo_server import SERVER, ask, server

__all__ = ["ZooProvider", "counterpart", "default_recipe", "is_gone"]


class ZooProvider:
    """What is left of the SparseZoo."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        stub = Stub.parse(request)
        if want == "data":
            raise UserError("the SparseZoo had models and recipes, no data", hint="name a file, or `hf:org/dataset`")
        found = in_cache(stub, context)
        if server() and not (
            found and _part(found, want)
        ):  # the cache holds what was once asked for, which may be less
            found = ask(stub, context)
        elif want == "recipe" and (path := _shipped(stub)) and not (found and found.recipes):
            context.report(f"the recipe of zoo:{stub.name} is the one that comes with sparsebuild")
            return Resolution(files=(_put(path, context),))
        if found is None:
            raise _offered(stub, request, want)
        context.report(f"zoo:{stub.name} is read from {found.where}")
        names = [_recipe(stub, found, context)] if want == "recipe" else _weights(found, context)
        files = _part(found, want)
        return Resolution(
            resolved=found.resolved, files=tuple(files[name].keep(name, context) for name in sorted(names))
        )

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        stub = Stub.parse(source.request)
        want: Want = "recipe" if source.kind == "zoo-recipe" else "model"
        lost = {file.path: file for file in files}
        others: dict[str, str] = {}  # of files that are no longer what they were: what they are
        for place in _places(stub, want, context):
            for name in [name for name in lost if name in place]:
                others[name] = place[name].keep(name, context).sha256
                if others[name] == lost[name].sha256:
                    del lost[name]
            if not lost:
                return
        for name in lost.keys() & others.keys():
            hint = f"it is another file now; if you trust it: `sparsebuild lock --upgrade {source.name}`"
            raise hash_mismatch(source, lost[name], others[name], hint)
        raise not_here(source, lost.values()) if context.offline else _offered(stub, source.request, want)


def _places(stub: Stub, want: Want, context: Context) -> Iterator[Mapping[str, ZooFile]]:
    """What each place has of a model, the nearest first; a server is asked only if nothing nearer was enough."""
    if found := in_cache(stub, context):
        yield _part(found, want)
    if path := _shipped(stub):
        yield {path.name: ZooFile(kept=_put(path, context))}
    if server() and not context.offline:
        yield _part(ask(stub, context), want)


def _part(found: ZooModel, want: Want) -> Mapping[str, ZooFile]:
    return found.recipes if want == "recipe" else found.training


def counterpart(request: str) -> str:
    """The source that lives on in place of a stub; empty where none is known."""
    known = COUNTERPARTS.get(Stub.parse(request).name)
    return known.source if known else ""


def is_gone(request: str, context: Context) -> bool:
    """Whether nothing is left of a model where we would look: no cache has it, and no server is named."""
    return not server() and in_cache(Stub.parse(request), context) is None


def default_recipe(stub: Stub, names: Sequence[str]) -> tuple[str, bool]:
    """Which of a model's recipes, in the zoo's order, `recipes.default` was; and whether the stub said so.

    `?recipe=x` chose among those that begin with `recipe_x`, `?recipe_type=x` preferred one; without either it was
    `recipe.md`. Where nothing had that name it was the first of all, but not with `?recipe=`, which left none.
    """
    left = [name for name in names if not stub.recipe or name.startswith(f"recipe_{stub.recipe}")]
    if stub.recipe and len(set(left)) > 1:
        raise UserError(f"`?recipe={stub.recipe}` means more than one: {', '.join(sorted(set(left)))}")
    if not left:
        known = ", ".join(name.rpartition(".")[0].removeprefix("recipe_") for name in names)
        asked = f" `{stub.recipe}`" if stub.recipe else ""
        raise UserError(f"the model has no recipe{asked}", hint=f"there are: {known}" if known else "")
    start = f"recipe_{wanted}" if (wanted := stub.recipe_type or stub.recipe) else "recipe.md"
    named = next((name for name in left if name.startswith(start)), "")
    return named or left[0], bool(named)


def _recipe(stub: Stub, found: ZooModel, context: Context) -> str:
    name, was_named = default_recipe(stub, list(found.recipes))
    if not was_named:
        context.report(f"the model has no recipe of that name: {name} is taken, the first that it has")
    return name


def _weights(found: ZooModel, context: Context) -> list[str]:
    """Which files of `training/` a build needs."""
    files = found.training
    if not files:
        only = "only `deployment/`, an ONNX file, which cannot be trained" if found.has_deployment else "no model"
        raise SourceUnavailable(f"{found.where} holds {only}", hint="training starts from its `training/` folder")
    needed = weights.needed(files, context.trust, lambda name: files[name].read(context))
    for name in weights.CONFIGS:
        if name in needed:
            weights.refuse_code(name, files[name].read(context))
    return needed


def _shipped(stub: Stub) -> Path | None:
    """Our own copy of a recipe, where the stub means the one that it was known for."""
    name = RECIPES.get(stub.name)
    return Path(__file__).with_name("zoo_recipes") / name if name and not (stub.recipe or stub.recipe_type) else None


def _put(path: Path, context: Context) -> LockedFile:
    return LockedFile(path=path.name, size=path.stat().st_size, sha256=context.store.put(path))


def _offered(stub: Stub, request: str, want: Want) -> SourceUnavailable:
    """The SparseZoo is gone: what can be done instead, to the line that has to be written."""
    hints = []
    known = COUNTERPARTS.get(stub.name) if want == "model" else None
    if known:
        hints.append(
            f"its closest public counterpart is {known.source} (confidence: {known.confidence}; weights as\n"
            "pytorch_model.bin). To take it, run `sparsebuild lock --accept-counterparts`, or write in sparse.toml:\n\n"
            f'    [sources.zoo]\n    "{request}" = "{known.source}"\n'
        )
    elif stand_ins := STAND_INS.get(stub.name) if want == "model" else None:
        hints.append(
            f"no counterpart is known; other models for the same work are {' and '.join(stand_ins)}.\n"
            f'To take one, write in sparse.toml:\n\n    [sources.zoo]\n    "{request}" = "{stand_ins[0]}"\n'
        )
    else:
        hints.append(
            "no counterpart is known; if you have it, write in sparse.toml:\n\n"
            f'    [sources.zoo]\n    "{request}" = "file:FOLDER-OR-FILE"\n'
        )
    if names := others():
        hints.append(f"The zoo's cache on this machine has other models: {', '.join(names)}\n")
    hints.append(f"A copy of the zoo's cache can be named in {CACHE}, a server that has its files in {SERVER}.")
    message = f"`{request}` is nowhere to be had: the SparseZoo ended in June 2025"
    return SourceUnavailable(Problem(message=message, hint="\n".join(hints)))
