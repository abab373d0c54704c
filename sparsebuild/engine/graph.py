"""Actions and what they need of each other, and how people name parts of that."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter

from sparsebuild.engine.action import Action
from sparsebuild.errors import UserError
from sparsebuild.registry import did_you_mean

__all__ = ["Graph", "matches"]


class Graph:
    """Actions in an order in which they can be done; raises UserError where there is none."""

    def __init__(self, actions: Iterable[Action]) -> None:
        given = list(actions)
        self._actions = {action.name: action for action in given}
        _refuse_duplicates(given)
        _refuse_shared_folders(given)
        self.names: Sequence[str] = self._order()
        self._users: dict[str, list[str]] = {name: [] for name in self.names}
        for name in self.names:
            for upstream in self.needs(name):
                self._users[upstream].append(name)

    def __getitem__(self, name: str) -> Action:
        return self._actions[name]

    def __iter__(self) -> Iterator[Action]:
        return (self._actions[name] for name in self.names)

    def needs(self, name: str) -> tuple[str, ...]:
        """The actions that `name` reads from, each once."""
        return tuple(dict.fromkeys(i.action for i in self._actions[name].inputs))

    def users(self, name: str) -> tuple[str, ...]:
        """The actions that read from `name`."""
        return tuple(self._users[name])

    def select(self, targets: Iterable[str] = (), also: Iterable[str] = ()) -> tuple[str, ...]:
        """The actions to look at for `targets` and all that they need, in order. For none: all that is not on demand.

        What is named in `also` comes besides.
        """
        asked = list(targets)
        wanted = self.all_named(asked) if asked else set(self.usual)
        chosen = _closure(wanted | self.all_named(also), self.needs)
        return tuple(name for name in self.names if name in chosen)

    @property
    def usual(self) -> tuple[str, ...]:
        """What is meant where no target is named."""
        return tuple(action.name for action in self if not action.on_demand)

    def all_named(self, targets: Iterable[str]) -> set[str]:
        """The actions that any of `targets` names, without what they need."""
        return {name for target in targets for name in self.named(target)}

    def named(self, target: str) -> tuple[str, ...]:
        """The actions that `target` names, without what they need, in order.

        `x` and `+x` are the same, as in make; `x+` is also what needs x, but for what is on demand. `fetch` is every
        `fetch@…`; `*` and `?` stand for characters. An unknown name is a UserError.
        """
        if target.endswith("+"):
            reached = _closure(self.named(target.removesuffix("+")), self._usual_users)
            return tuple(name for name in self.names if name in reached)
        word = target.removeprefix("+")
        if word in self._actions:
            return (word,)
        found = tuple(name for name in self.names if matches(name, word))
        if not found:
            hint = did_you_mean(word, self.names) or f"there are: {', '.join(self.names)}"
            raise UserError(f"no target is called `{word}`", hint=hint)
        return found

    def _usual_users(self, name: str) -> tuple[str, ...]:
        return tuple(user for user in self.users(name) if not self._actions[user].on_demand)

    def _order(self) -> tuple[str, ...]:
        for action in self._actions.values():
            for name in self.needs(action.name):
                if name not in self._actions:
                    raise UserError(
                        f"`{action.name}` needs `{name}`, which is no target",
                        hint=did_you_mean(name, self._actions),
                    )
        sorter = TopologicalSorter({name: self.needs(name) for name in self._actions})
        try:
            sorter.prepare()
        except CycleError as error:
            # graphlib walks from what is needed to what needs it
            raise UserError(f"targets need each other: {' → '.join(reversed(error.args[1]))}") from None
        return tuple(_in_order(sorter, {name: place for place, name in enumerate(self._actions)}))


def matches(name: str, word: str) -> bool:
    """Whether `word` names an action: by a pattern, or as what stands before the "@"."""
    return name.startswith(f"{word}@") or fnmatchcase(name, word)


def _in_order(sorter: TopologicalSorter[str], places: Mapping[str, int]) -> Iterator[str]:
    """Of all possible orders the one nearest to that in which the actions were given."""
    ready: list[tuple[int, str]] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (places[name], name))
        _, name = heapq.heappop(ready)
        yield name
        sorter.done(name)


def _closure(names: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(neighbours(name))
    return reached


def _refuse_duplicates(actions: Sequence[Action]) -> None:
    seen: set[str] = set()
    for action in actions:
        if action.name in seen:
            raise UserError(f"two targets are called `{action.name}`")
        seen.add(action.name)


def _refuse_shared_folders(actions: Sequence[Action]) -> None:
    # Sorted by parts, a folder stands right before what is inside it.
    ordered = sorted(actions, key=lambda action: action.folder.split("/"))
    for outer, inner in itertools.pairwise(ordered):
        if f"{inner.folder}/".startswith(f"{outer.folder}/"):
            raise UserError(f"`{inner.name}` would write into the folder of `{outer.name}`: {inner.folder}")
