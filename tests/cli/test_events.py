"""A run for programs: its events, its jobs, and what GitHub is told. Only fetching is done, which needs no worker."""

import json
import os

import pytest

NINE = {
    "RunStarted",
    "Waiting",
    "TargetDecided",
    "TargetStarted",
    "Progress",
    "Metric",
    "Log",
    "TargetFinished",
    "RunFinished",
}
FETCHED = ["fetch@data.train", "fetch@data.validation", "fetch@model"]


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_events_on_stdout_are_all_there_is_on_it(project, process):
    ran = process("run", "fetch", "--force", "fetch", "--events", "jsonl", cwd=project)
    told = events(ran.out)
    assert {event["event"] for event in told} <= NINE
    assert told[-1]["outcomes"] == dict.fromkeys(FETCHED, "built")
    assert ran.err.splitlines()[-1].startswith("done in ")


def test_events_go_into_a_file_and_results_to_stdout(project, sparsebuild):
    ran = sparsebuild("run", "fetch", "--events", "events.jsonl", "--json", cwd=project)
    told = events((project / "events.jsonl").read_text())
    assert told[-1]["outcomes"] == ran.json["outcomes"]
    assert told[0]["event"] == "Log"
    again = sparsebuild("run", "fetch", "--events", "events.jsonl", cwd=project)
    assert (again.code, events((project / "events.jsonl").read_text())[0]["event"]) == (0, "RunStarted")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--events", "jsonl", "--json"], "both write to stdout"),
        (["--events", "x", "--dry-run"], "a dry run has no events"),
        (["--events", "no/such/folder"], "the events cannot be written to `no/such/folder`"),
        (["--jobs", "0"], "`--jobs` must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_2_and_locks_nothing(words, message, project, sparsebuild):
    ran = sparsebuild("run", *words, cwd=project)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert not (project / "sparse.lock").exists()


def test_no_event_holds_a_path_of_this_machine(project, sparsebuild):
    told = sparsebuild("run", "fetch", "--events", "jsonl", cwd=project).out
    assert str(project) not in told
    assert os.environ["SPARSEBUILD_CACHE_DIR"] not in told


def test_jobs_build_the_same(project, sparsebuild):
    ran = sparsebuild("run", "fetch", "--force", "fetch", "--jobs", "3", cwd=project)
    assert (ran.code, ran.err.splitlines()[-1].split(": ")[1]) == (0, "3 built")


def test_github_is_told_of_an_error_with_its_line(project, sparsebuild):
    text = (project / "sparse.toml").read_text()
    (project / "sparse.toml").write_text(text.replace("threads = 1", "thread = 1"))
    ran = sparsebuild("run", cwd=project, GITHUB_ACTIONS="true")
    assert ran.err.splitlines()[-1] == (
        "::error file=sparse.toml,line=19,col=1::unknown key `train.thread`%0Ahint: did you mean `threads`?"
    )
