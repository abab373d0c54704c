"""Which action comes next: the first in order whose needs are settled and whose resource nobody uses."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from sparsebuild.engine.action import Action
from sparsebuild.engine.graph import Graph

__all__ = ["Schedule"]


class Schedule:
    """What is left of `names`, a selection of `graph` that holds all that it needs, in its order."""

    def __init__(self, graph: Graph, names: Sequence[str]) -> None:
        self._graph = graph
        self._names = names
        self._places = {name: place for place, name in enumerate(names)}
        self._lacking = {name: len(graph.needs(name)) for name in names}  # needs that are not settled yet
        self._ready = [place for place, name in enumerate(names) if not self._lacking[name]]  # a heap
        self._waiting: dict[str, list[int]] = {}  # by each resource that is in use, those who wait for it
        self._left = len(names)

    @property
    def is_over(self) -> bool:
        """Whether all actions are settled."""
        return not self._left

    def take(self) -> Action | None:
        """The next action to begin; None while all that is left waits for what was taken."""
        while self._ready:
            place = heapq.heappop(self._ready)
            action = self._graph[self._names[place]]
            if action.resource not in self._waiting:
                if action.resource:
                    self._waiting[action.resource] = []
                return action
            self._waiting[action.resource].append(place)
        return None

    def settle(self, action: Action) -> None:
        """Say that `action` is done with, whatever became of it."""
        self._left -= 1
        for place in self._waiting.pop(action.resource, ()):
            heapq.heappush(self._ready, place)
        for user in self._graph.users(action.name):
            if user in self._places:
                self._lacking[user] -= 1
                if not self._lacking[user]:
                    heapq.heappush(self._ready, self._places[user])
