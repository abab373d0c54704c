"""What `status`, `why` and `run -n` tell is what a run then does, and it leaves what building anew would leave.

On the real graph of a project, with steps of text.
"""

import contextlib
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild import pipeline
from sparsebuild.digest import canonical_json, text_digest
from sparsebuild.engine.build import build
from sparsebuild.engine.explain import forecast
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import TargetFailed
from sparsebuild.events import RunFinished
from sparsebuild.layout import ProjectLayout
from sparsebuild.lock import Lock, LockedFile, LockedSource
from sparsebuild.manifest import parse

HEAD = """\
project.name = "p"
model.source = "model"
data.train = "train.jsonl"
data.validation = "validation.jsonl"
"""
VALUES = {
    "train.seed": [42, 1, 2],  # the first is the default
    "data.max_length": [128, 32],
    "export.scheme": ["portable", "fp32"],
    "train.per_device_eval_batch_size": [64, 8],  # which `eval` and `export` read too
}
ROUNDS = st.lists(
    st.fixed_dictionaries(
        {
            "values": st.fixed_dictionaries({key: st.sampled_from(of) for key, of in VALUES.items()}),
            "rows": st.sampled_from(["a", "b"]),
            "said": st.sampled_from(["file", "set", "profile"]),
            "targets": st.sampled_from([["train"], ["+eval"], ["prepare+"], [], []]),
            "force": st.sampled_from([["train"], ["export"], [], [], []]),
            "fails": st.sampled_from(["prepare", "train", "export", "", "", "", ""]),
            "harm": st.none()
            | st.tuples(st.sampled_from(["train", "eval", "prepare"]), st.sampled_from(["edit", "remove", "forget"])),
            "keep_going": st.booleans(),
        }
    ),
    min_size=1,
    max_size=5,
)
AGREES = {"fresh": {"fresh"}, "stale": {"built", "restored"}, "may-run": {"fresh", "built", "restored"}}


class Steps:
    """An executor whose steps leave a digest of what they were given; one of them may fail.

    `prepare` looks at no settings, so that others often end in the same bytes.
    """

    def __init__(self, fails):
        self.fails = fails

    def run(self, where, job, report):
        if job.step == self.fails:
            raise TargetFailed("it was asked to")
        given = [path if path.is_file() else path / "text" for path in job.inputs.values()]
        text = answer(job, [file.read_text() for file in given])
        for name in ("text", "labels.json", "model/text", "tokenizer/text", "train/text", "validation/text"):
            (job.out / name).parent.mkdir(exist_ok=True)
            (job.out / name).write_text(text)

    def close(self):
        pass


def answer(asked, texts):
    """What a step leaves that read `texts`."""
    words = [*texts, *(file.sha256 for of in asked.sources.values() for file in of)]
    if asked.step != "prepare":
        words.append(canonical_json(asked.params))
    return text_digest("".join(words))


def anew(graph):
    """What each action leaves where nothing was built before."""
    texts = {}
    for action in graph:
        texts[action.name] = answer(action, [texts[read.action] for read in action.inputs])
    return texts


def project(this):
    """The graph for one round; what is said in the file, in a profile or by `--set` asks the same."""
    said = [f"{key} = {json.dumps(value)}" for key, value in this["values"].items()]
    match this["said"]:
        case "file":
            manifest = parse(HEAD + "\n".join(said))
        case "profile":
            manifest = parse(HEAD + "[profile.x]\n" + "\n".join(said), profile="x")
        case _:
            manifest = parse(HEAD, settings=said)
    return pipeline.graph(manifest, lock(this["rows"]))


def lock(rows):
    files = {"model": "model", "data.train": rows, "data.validation": "v"}
    return Lock(
        sources=tuple(
            LockedSource(
                name=name,
                kind="file-data",
                request=f"file:{name}",
                files=(LockedFile(path="text", size=1, sha256=text_digest(content)),),
            )
            for name, content in files.items()
        )
    )


def harm(layout, name, how):
    folder = layout.root / (".sparsebuild/prepare" if name == "prepare" else f"build/{name}")
    if how == "forget":
        (layout.state / "records" / f"{name}.json").unlink(missing_ok=True)
    elif (folder / "text").exists():
        (folder / "text").write_text("harm") if how == "edit" else (folder / "text").unlink()


def agrees(decision, outcome, forced):
    if decision.restorable:
        return outcome == "restored"
    if decision.verdict == "stale" and not decision.waiting_for:
        return outcome == "built"
    return outcome in AGREES[decision.verdict] and not (forced and outcome == "fresh")


class Home:
    """Where the rounds of one example take place."""

    def __init__(self, folder):
        self.layout, self.store = ProjectLayout(folder), Store(folder / "cache")

    def forecast(self, graph, targets, force=()):
        known = StatCache(self.layout.state / "stats")
        told = forecast(graph, targets, layout=self.layout, store=self.store, stat_cache=known, force=force)
        return {decision.action: decision for decision in told}

    def run(self, graph, targets, fails, **settings):
        events = []
        with contextlib.suppress(TargetFailed) if fails else contextlib.nullcontext():
            build(
                graph,
                targets,
                layout=self.layout,
                store=self.store,
                stat_cache=StatCache(self.layout.state / "stats"),
                executor=Steps(fails),
                sink=events.append,
                **settings,
            )
        return next(event.outcomes for event in events if isinstance(event, RunFinished))


@settings(deadline=None, max_examples=30)
@given(ROUNDS)
def test_a_run_does_what_was_told(rounds):
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        for this in rounds:
            if this["harm"]:
                harm(home.layout, *this["harm"])
            graph, targets, force = project(this), this["targets"], this["force"]
            before = home.forecast(graph, targets, force)
            outcomes = home.run(graph, targets, this["fails"], force=force, keep_going=this["keep_going"])
            after = home.forecast(graph, graph.select(targets, force))
            values = anew(graph)
            assert list(before) == list(outcomes)
            for name, outcome in outcomes.items():
                if outcome == "failed":
                    assert before[name].verdict != "fresh"
                    assert after[name].failed == "it was asked to"
                elif outcome != "skipped":
                    assert agrees(before[name], outcome, name in force)
                    assert after[name].verdict == "fresh"
                    assert (home.layout.root / graph[name].folder / "text").read_text() == values[name]
