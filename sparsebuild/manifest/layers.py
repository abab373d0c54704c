"""What is laid over `sparse.toml`: one of its `[profile.NAME]`s, then the `--set`s of a command. The later wins.

What a `[variant.NAME]` says is laid over all that, for this variant alone. Tables are laid over key by key, everything
else is replaced; and where another recipe is named, `[recipe.args]` of the one before it are left out. What comes out
is checked as if it had been written in one file; `Written` then knows where each value really stands.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

import tomli

from sparsebuild.concealed import masked
from sparsebuild.errors import UserError
from sparsebuild.manifest.locate import KeyPath, Place, key_text, places, position_at
from sparsebuild.reading import is_deeper

__all__ = ["MOST_VARIANTS", "OF_VARIANTS", "Setting", "Written", "lay", "setting", "with_variants"]

OF_VARIANTS = ("recipe", "train", "export", "gate")  # the tables that a variant can lay something over
MOST_VARIANTS = 50
_DEEPEST = 20  # tables and lists inside each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One `--set`."""

    text: str  # "train.seed=3", as it was typed
    path: KeyPath
    value: Any = field(hash=False)  # it follows from the text, and may be a list

    def __str__(self) -> str:
        return f"--set {masked(self.text)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """All that was written about a project for one command, and where."""

    text: str = ""  # of the file
    file: str = "sparse.toml"
    profile: str = ""  # the one that was chosen
    settings: tuple[Setting, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether anything is laid over the file."""
        return bool(self.profile or self.settings)

    @property
    def laid_over(self) -> str:
        """What is laid over the file, as it was typed."""
        profile = [f"--profile {self.profile}"] if self.profile else []
        return " ".join(f"`{word}`" for word in (*profile, *map(str, self.settings)))

    @property
    def options(self) -> list[str]:
        """What is laid over the file, as a shell takes it."""
        profile = [f"--profile {shlex.quote(self.profile)}"] if self.profile else []
        return [*profile, *(f"--set {shlex.quote(setting.text)}" for setting in self.settings)]

    def setting_of(self, path: KeyPath) -> Setting | None:
        """The `--set` that gave `path` its value, alone or with a table around it."""
        return next((s for s in reversed(self.settings) if path[: len(s.path)] == s.path), None)

    def place_of(self, path: KeyPath) -> Place | None:
        """The place in the file of the value at `path`: in the profile if it stands there, else at the top."""
        known = _known(self.text)
        return known.get(("profile", self.profile, *path)) or known.get(path)

    def where(self, path: KeyPath) -> str:
        """`--set train.seed=3`, `sparse.toml:12`, or nothing for what nobody wrote."""
        if said := self.setting_of(path):
            return str(said)
        place = self.place_of(path)
        return f"sparse.toml:{position_at(self.text, place.value, self.file).line}" if place else ""

    def paths(self) -> dict[str, KeyPath]:
        """All keys that have a place, by their text: `train.seed`, `data.labels[2]`."""
        said = [path for setting in self.settings for path in _inside(setting.value, setting.path)]
        top = [path for path in _known(self.text) if path[0] != "profile"]
        return {key_text(path): path for path in (*top, *self.profile_paths().values(), *said)}

    def profile_paths(self) -> dict[str, KeyPath]:
        """The keys of the chosen profile."""
        inside = (path[2:] for path in _known(self.text) if path[:2] == ("profile", self.profile))
        return {key_text(path): path for path in inside if path}


def setting(text: str) -> Setting:
    """Read `KEY=VALUE`: a value of TOML (`3`, `0.5`, `true`, `"text"`, `["a", "b"]`), or else the bare text."""
    key, equals, value = text.partition("=")
    path = _path(key) if equals and value.strip() else ()
    if not path or any(0xD800 <= ord(c) < 0xE000 for c in text):  # bytes that were no UTF-8
        hint = "as in `--set train.seed=3`; a key with other signs is quoted"
        raise UserError(f"`--set {text}` is not KEY=VALUE", hint=hint)
    if path[0] == "profile":
        hint = "choose one with `--profile NAME`, and lay more over it with `--set train.seed=3`"
        raise UserError(f"`--set {text}`: what a profile says cannot be set", hint=hint)
    said = Setting(text=text, path=path, value=_value(value.strip()))
    if len(path) > _DEEPEST or is_deeper(said.value, _DEEPEST):
        raise UserError(f"`--set {text}` is nested too deeply")
    return said


def lay(document: Mapping[str, Any], table: Mapping[str, Any], settings: Iterable[Setting] = ()) -> dict[str, Any]:
    """`document` with a profile's `table` and then `settings` laid over it. None of them is changed."""
    result = _merged(document, table)
    for said in settings:
        above: Any = said.value
        for key in reversed(said.path):
            above = {key: above}
        result = _merged(result, above)
    return result


def with_variants(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` with each of its variants laid over the tables of the file that it may change.

    What is no table of tables is left as it is, and so are variants beyond the most there may be.
    """
    variants = document.get("variant")
    if not isinstance(variants, dict):
        return dict(document)
    file = {key: document[key] for key in OF_VARIANTS if key in document}
    laid = {n: _merged(file, said) for n, said in islice(variants.items(), MOST_VARIANTS) if isinstance(said, dict)}
    return {**document, "variant": {**variants, **laid}}


def _is_another(below: Any, above: Any) -> bool:
    """Whether a `[recipe]` names another recipe than the one that it is laid over, whose arguments are then not its."""
    sources = [table.get("source") for table in (below, above) if isinstance(table, dict)]
    return len(sources) == 2 and None not in sources and sources[0] != sources[1]


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = _table(key, result.get(key))
        if key == "recipe" and _is_another(under, value):
            under = {name: said for name, said in under.items() if name != "args"}
        is_table = isinstance(value, dict) and isinstance(under, dict)
        result[key] = _merged(under, value) if is_table else value
    return result


def _table(key: str, value: Any) -> Any:
    """`teacher = "disable"` is short for a table, so that a table may be laid over it."""
    return {"source": value} if key == "teacher" and isinstance(value, str) else value


def _path(key: str) -> KeyPath:
    """The steps of a dotted key as TOML reads it, or nothing for what is no key."""
    try:
        document: Any = {} if "\n" in key or "\r" in key else tomli.loads(f"{key} = 0")
    except (ValueError, RecursionError):
        return ()
    path: KeyPath = ()
    while isinstance(document, dict) and document:
        ((step, document),) = document.items()
        path += (step,)
    return path


def _value(text: str) -> Any:
    # In brackets, so that `a # b` is no value with a comment but a text.
    try:
        document = tomli.loads(f"x = [{text}]")
    except (ValueError, RecursionError):  # ValueError: no TOML, or a number of more digits than Python reads
        return text
    return document["x"][0] if document.keys() == {"x"} and len(document["x"]) == 1 else text


def _inside(value: Any, path: KeyPath) -> Sequence[KeyPath]:
    """`path`, and the paths of all that is in its value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for step, item in items for inner in _inside(item, (*path, step)))]


@lru_cache(maxsize=2)
def _known(text: str) -> dict[KeyPath, Place]:
    return places(text)
