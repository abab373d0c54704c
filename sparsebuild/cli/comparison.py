"""What differs between two builds: settings, recipe, lock, and what their targets left. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, Literal

from sparsebuild import manifest as manifests
from sparsebuild.cli.measured import Left
from sparsebuild.digest import canonical_json
from sparsebuild.lock import Difference, Lock, differences
from sparsebuild.manifest import Limit, Manifest

if TYPE_CHECKING:
    from sparsebuild.engine.graph import Graph

__all__ = ["Change", "Comparison", "Side", "State", "TargetChange", "compare", "recipe_of", "settings_of"]

# unknown: on one side at least nobody knows what it left
State = Literal["same", "changed", "added", "removed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two builds."""

    name: str  # as people call it: "HEAD (1a2b3c4)", "../other"
    settings: Mapping[str, Any]  # by key path, defaults too
    chosen: frozenset[str] = frozenset()  # the key paths that are not at their default
    places: Mapping[str, str] = field(default_factory=dict)  # of key paths: "sparse.toml:12"
    lock: Lock | None
    recipe: Mapping[str, Any] | None = None  # None, like `left`: it cannot be known, and `note` says why
    left: Mapping[str, Left | None] | None = None  # by target
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that is another; None where there is none."""

    subject: str
    old: Any = None
    new: Any = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChange:
    """One target, and the figures of it that differ."""

    name: str
    state: State
    old: Left | None = None
    new: Left | None = None
    figures: tuple[Change, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether a run would leave it as it is, on both sides."""
        return all(left.is_current for left in (self.old, self.new) if left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All of it, from `old` to `new`."""

    old: str
    new: str
    settings: tuple[Change, ...]
    recipe: tuple[Change, ...]
    lock: tuple[Difference, ...]
    targets: tuple[TargetChange, ...]
    notes: tuple[str, ...] = ()  # why something is not known

    @property
    def is_empty(self) -> bool:
        found = self.settings or self.recipe or self.lock or self.notes
        return not found and all(target.state == "same" and target.is_current for target in self.targets)


def compare(old: Side, new: Side) -> Comparison:
    """What has to be said to turn `old` into `new`."""
    chosen = old.chosen | new.chosen  # a table that only one side has would bring all its defaults
    settings = [c for c in _changes(old.settings, new.settings, new.places) if c.subject in chosen]
    both = old.recipe is not None and new.recipe is not None
    recipe = list(_changes(old.recipe or {}, new.recipe or {})) if both else []
    return Comparison(
        old=old.name,
        new=new.name,
        settings=tuple(_own(settings, old.settings, new.settings)),
        recipe=tuple(_own(recipe, old.recipe or {}, new.recipe or {})),
        lock=differences(old.lock, new.lock),
        targets=tuple(_targets(old.left, new.left)),
        notes=tuple(side.note for side in (old, new) if side.note),
    )


def settings_of(manifest: Manifest) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The settings of a manifest by key path, and the key paths of those that are not at their default."""
    everything = dict(_flat(manifests.to_json(manifest)))
    chosen = {key_path for key_path, _ in _flat(_chosen(manifest))}
    return everything, frozenset(chosen)


def recipe_of(graph: Graph) -> Mapping[str, Any]:
    """What a graph's recipes ask of training: each setting of each modifier, by `Modifier.setting`.

    Of a variant by `variant.NAME.Modifier.setting`.
    """
    trained = [action for action in graph if action.step == "train" and "recipe" in action.params]
    found = {action.name.partition("@")[2]: _settings_of_recipe(action.params["recipe"]) for action in trained}
    return {(f"variant.{name}." if name else "") + path: v for name, said in found.items() for path, v in said.items()}


def _settings_of_recipe(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    by_tag: Mapping[str, list[Any]] = recipe.get("modifiers", {})
    alone = {tag: several[0] if len(several) == 1 else several for tag, several in by_tag.items()}
    return {path: value for tag, fields in alone.items() for path, value in _flat_items(fields, tag)}


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], places: Mapping[str, str] | None = None
) -> Iterator[Change]:
    for subject in dict.fromkeys([*new, *old]):
        was, now = old.get(subject), new.get(subject)
        if canonical_json(was) != canonical_json(now):  # to Python, 1 is True
            yield Change(subject=subject, old=was, new=now, where=(places or {}).get(subject, ""))


def _own(changes: Iterable[Change], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """The changes but for those of variants that are the file's own: what is laid over it does not say them."""
    for change in changes:
        table, _, rest = change.subject.partition(".")
        twin = rest.partition(".")[2] if table == "variant" else ""
        of_the_file = twin and all(
            said is None or canonical_json(said) == canonical_json(side.get(twin))
            for said, side in ((change.old, old), (change.new, new))
        )
        if not of_the_file:
            yield change


def _targets(old: Mapping[str, Left | None] | None, new: Mapping[str, Left | None] | None) -> Iterator[TargetChange]:
    names = dict.fromkeys([*(new or ()), *(old or ())])
    nothing: dict[str, Left | None] = dict.fromkeys(names)
    for name in names:
        yield _target(name, nothing if old is None else old, nothing if new is None else new)


def _target(name: str, olds: Mapping[str, Left | None], news: Mapping[str, Left | None]) -> TargetChange:
    old, new = olds.get(name), news.get(name)
    state: State
    if name not in olds or name not in news:
        state = "added" if name in news else "removed"
    elif old is None or new is None:
        state = "unknown"
    else:
        state = "same" if old.files == new.files else "changed"
    figures = tuple(_changes(old.figures, new.figures)) if old and new else ()
    return TargetChange(name=name, state=state, old=old, new=new, figures=figures)


def _chosen(table: Any) -> dict[str, Any]:
    """What is set in a table, and in the tables in it."""
    return {name: _inside(getattr(table, name)) for name in manifests.settings(table)}


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _inside(inner) for name, inner in value.items()}
    return _chosen(value) if is_dataclass(value) and not isinstance(value, Limit) else value


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        yield from _flat_items(value, name)


def _flat_items(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values in `value` by key path; a list of plain values is one value. What is not set is left out."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat_items(inner, f"{path}.{'from' if name == 'from_' else name}")  # as in the file
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, inner in enumerate(value):
            yield from _flat_items(inner, f"{path}[{place}]")
    elif value is not None:
        yield path, value
