"""Text from others is shown inert: a terminal obeys nothing that stands in a name, a label or a server's answer."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import hub

from sparsebuild.engine.explain import Decision
from sparsebuild.engine.staleness import Reason
from sparsebuild.errors import Position, Problem, SourceUnavailable
from sparsebuild.events import (
    Log,
    Metric,
    Progress,
    RunFinished,
    RunStarted,
    TargetDecided,
    TargetFinished,
    TargetStarted,
    Waiting,
)
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.ui import errors, github, standing, tree
from sparsebuild.ui.entities import Entity
from sparsebuild.ui.entities import show as show_entities
from sparsebuild.ui.jsonl import JsonLines
from sparsebuild.ui.live import Live
from sparsebuild.ui.plain import Plain

# Clear the screen, a new title, a link, the direction of writing, the start of a line, a bell, C1, rich's markup.
HARM = (
    "a\u200f\x1b[2J\x1b]0;title\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\\u202egnp\u2066\r\b\x07\x9b31m\x85"
    "[red]x[/red] [link=http://evil.example]y[/link] :bomb: \x1bP1$r\x1b\\ \x1b[5n z"
)
_OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # what a terminal view of ours may use: colours, the cursor
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def harmless(text, is_terminal=False):
    """Whether there is nothing in it that a terminal obeys, but for our own colours and movements."""
    text = _OURS.sub("", text.replace("\r\n", "\n")).replace("\r", "\n") if is_terminal else text
    return not _OBEYED.search(text)


EVENTS = [
    RunStarted(project=HARM, targets=("train",)),
    Waiting(pid=1, host=HARM, since=HARM),
    TargetDecided(target="train", verdict="stale", reasons=(HARM,)),
    TargetStarted(target="train"),
    Progress(target="train", done=1, total=2, unit=HARM, fields={HARM: HARM, "loss": 0.5}),
    Metric(target="train", name=HARM, value=0.5),
    Log(target="train", message=HARM),
    Log(message=HARM, level="warning"),
    TargetFinished(target="train", outcome="failed", seconds=1.0, message=HARM),
    RunFinished(seconds=1.0, outcomes={"train": "failed"}),
]


@pytest.mark.parametrize("fold", [Plain, Live], ids=["plain", "live"])
def test_no_fold_passes_it_on(fold):
    stream = Terminal() if fold is Live else io.StringIO()
    told = fold(stream)
    for event in EVENTS:
        told(event)
    told.close()
    assert harmless(stream.getvalue(), is_terminal=fold is Live)
    assert "[red]x[/red]" in stream.getvalue()


def test_events_for_programs_are_ascii_and_lose_nothing():
    stream = io.StringIO()
    told = JsonLines(stream)
    for event in EVENTS:
        told(event)
    assert harmless(stream.getvalue())
    assert json.loads(stream.getvalue().splitlines()[0])["project"] == HARM


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_nor_does_an_error(stream):
    out = stream()
    problem = Problem(message=HARM, position=Position(file=HARM, line=1), frame=f"  1 | {HARM}", hint=HARM)
    errors.show(SourceUnavailable(problem), out)
    github.show(SourceUnavailable(problem), out)
    assert harmless(out.getvalue(), is_terminal=stream is Terminal)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_nor_do_reasons_trees_and_entities(stream):
    """`status`, `why`, `tree`, `try`."""
    out = stream()
    reasons = (Reason(kind="param", subject=HARM, old=HARM, new=HARM, where=HARM), Reason(kind="failed", subject=HARM))
    decision = Decision(action="train", verdict="stale", reasons=reasons, failed=HARM)
    standing.show_all([decision], standing_cost(), out)
    standing.show_one(decision, out)
    files = (LockedFile(path=HARM, size=1, sha256="0" * 64),)
    source = LockedSource(name=HARM, kind="k", request=HARM, version=HARM, licence=HARM, resolved=HARM, files=files)
    tree.show([tree.Source(locked=source, used_by=("train",), absent=1)], out)
    show_entities(f"{HARM} lives", [Entity(kind=HARM, start=0, end=len(HARM))], out)
    assert harmless(out.getvalue(), is_terminal=stream is Terminal)


def standing_cost():
    from sparsebuild.cli.forecast import Estimate

    return Estimate()


def as_toml(text):
    return json.dumps(text)  # its escapes are TOML's


def test_names_of_a_project_and_its_files_are_shown_inert_by_commands(say, project):
    name = "a\x1b[2J\u202e[red].jsonl"
    (project / "data" / "train.jsonl").rename(project / "data" / name)
    text = (project / "sparse.toml").read_text().replace('"tiny"', as_toml(HARM))
    (project / "sparse.toml").write_text(text.replace('"data/train.jsonl"', as_toml(f"data/{name}")))
    for words in ("lock", "status", "run -n", "tree", "why train", "graph", "lock --check", "--set x"):
        said = say(*words.split())
        assert harmless(said.out + said.err)
    (project / "sparse.toml").write_text(text + f"\n[{as_toml(HARM)}]\n")
    assert harmless(say("lock").err)


def test_a_label_is_shown_inert_in_an_error_about_rows(sparsebuild, project):
    rows = project / "data" / "train.jsonl"
    rows.write_text(json.dumps({"tokens": [HARM, "b"], "ner_tags": [HARM, "O"]}) + "\n")
    ran = sparsebuild("run", "prepare", cwd=project)
    assert ran.code == 2
    assert "is none of `O`, `B-TYPE`, `I-TYPE`" in ran.err
    assert harmless(ran.out + ran.err)


def test_what_a_server_says_is_shown_inert(process, project, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    with hub.serving() as server:
        hub.use(server, monkeypatch, home)
        (project / "sparse.toml").write_text(
            (project / "sparse.toml").read_text().replace('source = "model"', 'source = "hf:org/bert"')
        )
        body = json.dumps({"error": HARM}).encode()
        server.faults += [("/api/models/org/bert", hub.status(418, {"X-Error-Message": "a\x1b[2Jb"}, body))]
        ran = process("lock", cwd=project)
        assert (ran.code, harmless(ran.out + ran.err)) == (4, True)
        licence = "a\x1b[2J\u202emit"
        server.push(
            "model", "org/bert", {"README.md": f"---\nlicense: {json.dumps(licence)}\n---\n".encode(), HARM: b""}
        )
        ran = process("lock", cwd=project)
        assert (ran.code, harmless(ran.out + ran.err)) == (2, True), ran.err
