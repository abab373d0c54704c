"""Reading a recipe: from its text to what it says, with a position for everything.

Nodes are walked by us, so that nothing is ever constructed that is not plain data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from sparsebuild.errors import Position, Problem, RecipeError
from sparsebuild.recipe import newer
from sparsebuild.recipe.document import Document, Entry, Reference, Stage, Value, Variable
from sparsebuild.recipe.frame import with_frame
from sparsebuild.recipe.front_matter import yaml_part
from sparsebuild.recipe.nodes import PREFIX, Alias, compose

__all__ = ["read"]

_LARGEST_TEXT = 200_000  # characters; PyYAML reads so many in a second or two
_MOST_VARIABLES, _MOST_MODIFIERS, _MOST_STAGES = 1000, 500, 50
_MOST_VALUES = 50_000  # after aliases are written out: a few lines of aliases of aliases can mean billions
_PLAIN_TAGS = {PREFIX + name for name in ("str", "int", "float", "bool", "null", "seq", "map", "merge")}


def read(text: str, file: str) -> Document:
    """The recipe in `text`; `file` is its name for messages, and its suffix says what it is.

    `.md`: YAML front matter between lines `---`. `.yaml`, `.yml`: YAML. No suffix: either. Raises RecipeError, always
    with a position in the file.
    """
    if len(text) > _LARGEST_TEXT:
        raise RecipeError(f"{file} is longer than {_LARGEST_TEXT} characters: that is not a recipe")
    try:
        return _Reader(file, text).document()
    except RecipeError as error:
        raise type(error)(*(with_frame(p, text) for p in error.problems)) from None


@dataclass(slots=True)
class _Reader:
    """One reading of one text."""

    file: str
    text: str
    values: int = 0  # counted against `_MOST_VALUES`
    owners: dict[int, tuple[Reference, bool]] = field(default_factory=dict)  # node → variable, whether it is all of it
    taken: list[tuple[int, Position]] = field(default_factory=list)  # nodes that aliases take as they are written
    walking: list[int] = field(default_factory=list)  # the nodes that hold the one being read
    stage: str = ""  # the one being read
    entries: list[Entry] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)

    def document(self) -> Document:
        root = compose(yaml_part(self.text, self.file), self.file)
        variables: Mapping[str, Variable] = {}
        metadata: Mapping[str, Value] = {}
        if _is_modifier(root):
            self.entries.append(self._entry(root))
        elif isinstance(root, yaml.MappingNode):
            variables, metadata = self._body(list(self._items(root)))
        else:
            raise self._error(
                root,
                "a recipe is a mapping of names to values and lists of modifiers",
                "put the list of modifiers under a key, such as `modifiers:`",
            )
        if len(self.entries) > _MOST_MODIFIERS:
            raise RecipeError(f"{self.file} has {len(self.entries)} modifiers; {_MOST_MODIFIERS} are the most")
        return Document(
            file=self.file,
            text=self.text,
            variables=variables,
            entries=tuple(self.entries),
            metadata=metadata,
            borrowed=self._borrowed(),
            stages=tuple(self.stages),
        )

    # ---- the recipe, or one of its stages

    def _body(
        self, items: list[tuple[str, yaml.Node, yaml.Node]]
    ) -> tuple[Mapping[str, Variable], Mapping[str, Value]]:
        """The variables and the metadata among `items`; modifiers and stages are noted."""
        variables: list[tuple[str, yaml.Node]] = []
        stages: list[tuple[str, yaml.Node, yaml.Node]] = []
        metadata: Mapping[str, Value] = {}
        for key, key_node, node in items:
            if key == "__metadata__":
                metadata = self._value(node) if isinstance(node, yaml.MappingNode) else {}
            elif _is_modifier(node):
                self.entries.append(self._entry(node))
            elif "modifiers" in key:
                self.entries += self._group(key, node)
            elif key == "stages" and isinstance(node, yaml.MappingNode):
                stages += self._items(node)
            elif self._is_stage(key, node):
                stages.append((key, key_node, node))
            else:
                self._refuse_unnamed_list(key, key_node, node)
                self._own(Reference(variable=key, stage=self.stage), node, whole=True)
                variables.append((key, node))
        if len(variables) > _MOST_VARIABLES:
            raise self._error(variables[-1][1], f"a recipe has at most {_MOST_VARIABLES} variables")
        for key, key_node, node in stages:
            self._stage(key, key_node, node)
        read = {k: Variable(value=self._value(n), positions=dict(self._positions(n, ""))) for k, n in variables}
        return read, metadata

    def _is_stage(self, key: str, node: yaml.Node) -> bool:
        target = node.target if isinstance(node, Alias) else node
        if not isinstance(target, yaml.MappingNode):
            return False
        return key.endswith("_stage") or any("modifiers" in str(k.value) for k, _ in target.value)

    def _stage(self, name: str, key_node: yaml.Node, node: yaml.Node) -> None:
        """Note a stage and its modifiers."""
        if self.stage:
            raise self._error(key_node, f"`{name}` is a stage inside the stage `{self.stage}`")
        if isinstance(node, Alias) or not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"the stage `{name}` must be a mapping of names to values and lists of modifiers")
        if name in [stage.name for stage in self.stages] or len(self.stages) >= _MOST_STAGES:
            raise self._error(key_node, f"`{name}` is the name of two stages, or of one too many")
        position = self._at(key_node)
        self.stage = name
        variables, metadata = self._body(list(self._items(node)))
        self.stage = ""
        kind = variables.get(newer.RUN_TYPE)
        if kind.value == newer.ONE_SHOT if kind else newer.ONE_SHOT in name:
            raise RecipeError(
                Problem(
                    message=f"the stage `{name}` is run in one shot, without training: that is not done here",
                    position=kind.positions[""] if kind else position,
                    hint="write `run_type: train`, and epochs for its modifiers",
                )
            )
        self.stages.append(Stage(name=name, position=position, variables=variables, metadata=metadata))

    # ---- modifiers

    def _group(self, key: str, node: yaml.Node) -> list[Entry]:
        node = node.target if isinstance(node, Alias) else node
        if _is_empty(node):
            return []
        if isinstance(node, yaml.MappingNode):
            return [self._newer(*item) for item in self._items(node)]
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, f"`{key}` must be a list of modifiers")
        return [self._entry(item) for item in node.value]

    def _entry(self, node: yaml.Node) -> Entry:
        node = node.target if isinstance(node, Alias) else node
        if not _is_modifier(node):
            raise self._error(
                node,
                "this is not a modifier: a modifier starts with its tag",
                "write `- !EpochRangeModifier`, with its settings below",
            )
        return self._settings(node.tag.removeprefix("!"), node, node)

    def _newer(self, name: str, key_node: yaml.Node, node: yaml.Node) -> Entry:
        """A modifier of the form `Name: {…}`, its settings under the names that they have in the older one."""
        node = node.target if isinstance(node, Alias) else node
        if node.tag not in _PLAIN_TAGS:
            raise self._error(
                node, f"`{name}` names a modifier already: a tag cannot stand here", f"write `- {_shown(node.tag)}`"
            )
        return newer.translated(self._settings(name, key_node, node))

    def _settings(self, tag: str, named: yaml.Node, node: yaml.Node) -> Entry:
        """The modifier `tag`, which is named at `named`, with the settings in `node`."""
        if _is_empty(node):
            return Entry(tag=tag, fields={}, position=self._at(named), stage=self.stage)
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"the settings of `!{tag}` must be a mapping of names to values")
        items = list(self._items(node))
        return Entry(
            tag=tag,
            fields={key: self._value(value) for key, _, value in items},
            stage=self.stage,
            position=self._at(named),
            key_positions={key: self._at(key_node) for key, key_node, _ in items},
            field_positions={p: at for key, _, value in items for p, at in self._positions(value, key)},
        )

    def _refuse_unnamed_list(self, key: str, key_node: yaml.Node, node: yaml.Node) -> None:
        if isinstance(node, yaml.SequenceNode) and any(map(_is_modifier, node.value)):
            raise self._error(
                key_node,
                f"`{key}` is a list of modifiers, but its name does not say so",
                f"rename it to a name with `modifiers` in it, such as `{key}_modifiers`",
            )

    # ---- values

    def _value(self, node: yaml.Node) -> Value:
        self._count(node, 1)
        if isinstance(node, Alias):
            return self._aliased(node)
        if node.tag not in _PLAIN_TAGS:
            what = "a modifier cannot stand here" if node.tag.startswith("!") else "only plain data is read"
            raise self._error(node, f"unexpected tag `{_shown(node.tag)}`: {what}")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self.walking.append(id(node))
        value: Value = None
        if isinstance(node, yaml.SequenceNode):
            value = tuple([self._value(item) for item in node.value])
        elif isinstance(node, yaml.MappingNode):
            value = {key: self._value(item) for key, _, item in self._items(node)}
        self.walking.pop()
        return value

    def _aliased(self, node: Alias) -> Value:
        if id(node.target) in self.walking:
            raise self._error(node, "an alias stands inside what it means")
        owner, whole = self.owners.get(id(node.target), (None, False))
        if owner and whole:
            return owner
        self.taken.append((id(node.target), self._at(node)))
        return self._value(node.target)

    def _scalar(self, node: yaml.ScalarNode) -> Value:
        text = node.value
        if not text.isprintable() and any(0xD800 <= ord(c) < 0xE000 for c in text):
            raise self._error(node, "half of a character (`\\ud800` to `\\udfff`) is no text")
        match node.tag.removeprefix(PREFIX):
            case "null":
                return None
            case "bool":
                return text.lower() in ("yes", "true", "on")
            case "int" | "float" as kind:
                return self._number(node, kind)
        return text

    def _number(self, node: yaml.ScalarNode, kind: str) -> int | float:
        text = node.value.replace("_", "")
        try:
            number = int(text) if kind == "int" and len(text) < 40 else float(text)
        except ValueError:
            raise self._error(node, f"`{node.value}` is not a number") from None
        if abs(number) > 1e30 or number != number:
            raise self._error(node, f"`{node.value}` is too large a number, or none")
        return number

    def _items(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Key, its node and its value's node, with `<<` merged in; a key that stands twice is an error."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: list[yaml.Node] = []
        for key_node, value in node.value:
            if key_node.tag == PREFIX + "merge":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be a plain word")
            if key_node.value in own:
                first = self._at(own[key_node.value][0])
                raise self._error(key_node, f"the key `{key_node.value}` stands here twice, first in line {first.line}")
            own[key_node.value] = (key_node, value)
        for source in merged:
            for key, key_node, value in self._merged(source):
                own.setdefault(key, (key_node, value))
        for key, (key_node, value) in own.items():
            yield key, key_node, value

    def _merged(self, node: yaml.Node) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        target = node.target if isinstance(node, Alias) else node
        if not isinstance(target, yaml.MappingNode) or id(target) in self.walking:
            raise self._error(node, "`<<` takes a mapping, or a list of them")
        self.taken.append((id(target), self._at(node)))
        self._count(node, len(target.value) + 1)
        self.walking.append(id(target))
        yield from self._items(target)
        self.walking.pop()

    def _borrowed(self) -> Mapping[str, Position]:
        """The variables of which an alias takes what is written, with its place: they cannot be given another value."""
        found: dict[str, Position] = {}
        for node, position in self.taken:  # now that all owners are known: a stage's variables are read last
            if node in self.owners:
                found.setdefault(self.owners[node][0].variable, position)
        return found

    def _own(self, variable: Reference, node: yaml.Node, whole: bool) -> None:
        """Remember that `node` belongs to `variable`, for the aliases that mean it."""
        if isinstance(node, Alias) or id(node) in self.owners:
            return
        self.owners[id(node)] = (variable, whole)
        inside = node.value if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            inside = [value for _, value in node.value]
        for child in inside:
            self._own(variable, child, whole=False)

    def _positions(self, node: yaml.Node, path: str) -> Iterator[tuple[str, Position]]:
        """Where `node` and everything in it stands, by path; what an alias means stands where the alias does."""
        yield path, self._at(node)
        if isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                yield from self._positions(item, f"{path}[{i}]")
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                yield from self._positions(value, f"{path}.{key.value}")

    def _count(self, node: yaml.Node, values: int) -> None:
        self.values += values
        if self.values > _MOST_VALUES:
            raise self._error(node, f"with its aliases written out, the recipe has more than {_MOST_VALUES} values")

    def _at(self, node: yaml.Node) -> Position:
        return Position(file=self.file, line=node.start_mark.line + 1, column=node.start_mark.column + 1)

    def _error(self, node: yaml.Node, message: str, hint: str = "") -> RecipeError:
        return RecipeError(Problem(message=message, position=self._at(node), hint=hint))


def _is_modifier(node: yaml.Node) -> bool:
    return node.tag.startswith("!") and node.tag != "!"


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and (node.value == "" or node.tag == PREFIX + "null")


def _shown(tag: str) -> str:
    return tag.replace(PREFIX, "!!")
