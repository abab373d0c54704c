"""Laws of building, on small graphs of text: rebuilding gives what building anew gives, as forecast."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.engine.action import Action, Input
from sparsebuild.engine.build import build
from sparsebuild.engine.explain import forecast
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.layout import ProjectLayout

TEXTS = ["", "a", "ab", "ac"]
MOST = 5  # actions


class Calls:
    """An executor that joins texts, of which it may keep the first letter only."""

    def run(self, where, job, report):
        texts = [(path / "text").read_text() for _, path in sorted(job.inputs.items())]
        (job.out / "text").write_text(value(texts, job.params["text"], job.params["short"]))

    def close(self):
        pass


def value(texts, text, short):
    joined = "".join(texts) + text
    return joined[:1] if short else joined


@st.composite
def shapes(draw):
    """For each action the earlier ones that it reads, and whether it keeps one letter only."""
    count = draw(st.integers(1, MOST))
    return [(draw(st.sets(st.integers(0, n - 1))) if n else set(), draw(st.booleans())) for n in range(count)]


ROUNDS = st.lists(
    st.fixed_dictionaries(
        {
            "texts": st.lists(st.sampled_from(TEXTS), min_size=MOST, max_size=MOST),
            "target": st.none() | st.integers(0, MOST - 1),
            "force": st.none() | st.integers(0, MOST - 1),
            "harm": st.none() | st.tuples(st.integers(0, MOST - 1), st.sampled_from(["edit", "remove", "forget"])),
        }
    ),
    min_size=1,
    max_size=4,
)


def actions(shape, texts):
    return [
        Action(
            name=f"a{n}",
            step="join",
            folder=f"build/a{n}",
            params={"text": texts[n], "short": short},
            inputs=tuple(Input(name=f"a{up}", action=f"a{up}") for up in reads),
        )
        for n, (reads, short) in enumerate(shape)
    ]


def expected(shape, texts):
    values = []
    for (reads, short), text in zip(shape, texts, strict=False):
        # inputs are joined in the order of their names
        values.append(value([values[up] for up in sorted(reads)], text, short))
    return values


def harm(layout, number, how):
    path = layout.build / f"a{number}" / "text"
    if how == "forget":
        (layout.state / "records" / f"a{number}.json").unlink(missing_ok=True)
    elif path.exists():
        path.write_text("harm") if how == "edit" else path.unlink()


AGREES = {"fresh": {"fresh"}, "stale": {"built", "restored"}, "may-run": {"fresh", "built", "restored"}}


@settings(deadline=None, max_examples=30)
@given(shapes(), ROUNDS)
def test_building_again_gives_what_building_anew_gives_and_as_forecast(shape, rounds):
    with tempfile.TemporaryDirectory() as folder:
        layout, store = ProjectLayout(Path(folder)), Store(Path(folder, "cache"))
        for this in rounds:
            if this["harm"]:
                harm(layout, *this["harm"])
            graph = Graph(actions(shape, this["texts"]))
            targets = names(shape, this["target"])
            common = {"layout": layout, "force": names(shape, this["force"])}
            told = forecast(graph, targets, stat_cache=StatCache(layout.state / "stats"), **common)
            outcomes = build(
                graph,
                targets,
                store=store,
                stat_cache=StatCache(layout.state / "stats"),
                executor=Calls(),
                sink=lambda event: None,
                **common,
            )
            assert [d.action for d in told] == list(outcomes)
            assert all(outcomes[d.action] in AGREES[d.verdict] for d in told)
            values = expected(shape, this["texts"])
            assert {n: (layout.build / n / "text").read_text() for n in outcomes} == {
                n: values[int(n[1:])] for n in outcomes
            }
            after = forecast(graph, targets, layout=layout, stat_cache=StatCache(layout.state / "stats"))
            assert {d.verdict for d in after} == {"fresh"}


def names(shape, number):
    return [] if number is None else [f"a{number % len(shape)}"]
