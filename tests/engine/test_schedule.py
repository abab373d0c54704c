"""What comes next."""

from dataclasses import replace

from sparsebuild.engine.graph import Graph
from sparsebuild.engine.schedule import Schedule


def test_one_after_another_it_is_the_order_of_the_graph(act):
    graph = Graph([act("c", "join", "a", "b"), act("b", "write"), act("a", "write"), act("d", "join", "a")])
    schedule, taken = Schedule(graph, graph.names), []
    while not schedule.is_over:
        action = schedule.take()
        taken.append(action.name)
        schedule.settle(action)
    assert tuple(taken) == graph.names


def test_what_needs_nothing_of_each_other_may_be_begun_at_once(act):
    graph = Graph([act("a", "write"), act("b", "join", "a"), act("c", "write")])
    schedule = Schedule(graph, graph.names)
    a, c = schedule.take(), schedule.take()
    assert (a.name, c.name, schedule.take()) == ("a", "c", None)
    schedule.settle(a)
    assert schedule.take().name == "b"


def test_a_resource_is_used_by_one_at_a_time(act):
    names = ("a", "b", "c")
    graph = Graph([replace(act(name, "write"), resource="device") for name in names] + [act("d", "write")])
    schedule = Schedule(graph, graph.names)
    a, d = schedule.take(), schedule.take()
    assert (a.name, d.name, schedule.take()) == ("a", "d", None)
    schedule.settle(d)
    assert schedule.take() is None
    schedule.settle(a)
    assert (schedule.take().name, schedule.take()) == ("b", None)


def test_only_what_was_selected_comes(act):
    graph = Graph([act("a", "write"), act("b", "join", "a")])
    schedule = Schedule(graph, ("a",))
    schedule.settle(schedule.take())
    assert schedule.is_over
