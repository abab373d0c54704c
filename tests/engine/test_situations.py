"""Situations that a project gets into, one by one; `docs/situations.md` is their table."""

import ast
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sparsebuild.errors import Interrupted

sys.path.insert(0, str(Path(__file__).parent))

import faults
from world import Project, Wish, right

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "situations.md"


@pytest.fixture
def project(tmp_path):
    """A project that was built."""
    project = Project(tmp_path / "project", tmp_path / "store", tmp_path / "journal")
    project.run()
    return project


def outcomes(project, *targets):
    return set(project.run(*targets).values())


def test_another_branch_and_back_trains_once(project):
    here, there = project.wish, Wish(a="blue", epochs=1)
    for wish in (there, here, there):
        project.write(wish)
        project.run()
        assert right(project)
    assert sum(step.startswith("train") for step in project.steps()) == 2


def test_a_fresh_clone_that_brings_its_state_reruns_nothing(project, tmp_path):
    shutil.copytree(project.root, tmp_path / "clone", copy_function=shutil.copyfile)
    assert outcomes(Project(tmp_path / "clone", project.store, project.journal)) == {"fresh"}


def test_a_fresh_clone_without_state_is_restored(project, tmp_path):
    clone = Project(tmp_path / "clone", project.store, project.journal)
    assert outcomes(clone) == {"restored"}
    assert right(clone)


@pytest.mark.parametrize("seconds", [0, 10**9, 2**31], ids=["long ago", "in the past", "in the future"])
def test_equal_times_wherever_they_lie_rerun_nothing(project, seconds):
    for file in project.root.rglob("*"):
        os.utime(file, (seconds, seconds))
    assert outcomes(project) == {"fresh"}


def test_an_edit_under_an_older_time_is_seen(project):
    file = project.root / "a.txt"
    before = file.stat()
    project.wish = replace(project.wish, a="new words")  # as many letters
    file.write_text("new words")
    os.utime(file, (before.st_atime - 10**6, before.st_mtime - 10**6))
    assert {"built", "fresh"} == outcomes(project)
    assert right(project)


def test_a_project_that_was_moved_is_fresh(project, tmp_path):
    project.root.rename(tmp_path / "moved")
    assert outcomes(Project(tmp_path / "moved", project.store, project.journal)) == {"fresh"}


def test_a_deleted_state_folder_is_restored_without_a_step(project):
    steps = project.steps()
    shutil.rmtree(project.layout.state)
    assert outcomes(project) == {"restored"}
    assert (project.steps(), right(project)) == (steps, True)


def test_a_deleted_store_costs_nothing_until_something_is_lost(project):
    shutil.rmtree(project.store)
    assert outcomes(project) == {"fresh"}
    shutil.rmtree(project.layout.build)
    assert outcomes(project) == {"built", "fresh"}  # the candidate under .sparsebuild stands
    assert right(project)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_export_is_never_made_of_half_a_model(project):
    """A training that is killed leaves what stood there, and the next run does not take that for the new model."""
    names = faults.points(lambda: project.run("train", force=["train"]))
    in_the_step = [name for name in names if "make._step" in name][-1]
    before = project.outputs("train")
    project.write(replace(project.wish, epochs=1))
    assert faults.killed_at(in_the_step, project.run)
    assert project.outputs("train") == before
    project.run()
    assert right(project)


def test_a_stopped_training_goes_on_from_its_last_epoch(tmp_path):
    project = Project(tmp_path / "project", tmp_path / "store", tmp_path / "journal", Wish(epochs=3))
    epochs = []

    def stop_after_two(event):
        if type(event).__name__ == "Progress":
            epochs.append(event.done)
            if len(epochs) == 2:
                raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        project.run(sink=stop_after_two)
    project.run(sink=stop_after_two)
    assert epochs == [1, 2, 3]
    assert right(project)


def test_every_situation_names_a_test_that_is_there():
    rows = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TABLE.read_text())
    assert len(rows) > 40
    assert [f"{file}::{name}" for file, name in rows if name not in named_in(HERE.parents[1] / file)] == []


def test_every_row_of_the_table_names_a_test():
    rows = [line for line in TABLE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| -")]
    assert [row for row in rows if "::test_" not in row and "situation |" not in row] == []


def named_in(file):
    tree = ast.parse(file.read_text()) if file.is_file() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
