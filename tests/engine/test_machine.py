"""What the random walks of `tests/laws/test_engine_machine.py` have found, each as a case of its own."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import faults
from world import Project, right


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "project", tmp_path / "store", tmp_path / "journal")
    time.sleep(0.03)  # what is hashed within a tick of the disk's clock is hashed again
    return project


def test_the_run_after_one_that_restored_writes_nothing(project):
    project.run()
    shutil.rmtree(project.layout.state)
    assert "restored" in project.run().values()
    before = project.state()
    assert set(project.run().values()) == {"fresh"}
    assert project.state() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_file_that_a_killed_run_had_begun_is_gone_after_the_next(project):
    names = faults.points(project.run)
    begun = next(name for name in names if "make.make > record.write" in name and name.endswith("__exit__"))
    shutil.rmtree(project.layout.state)
    assert faults.killed_at(begun, project.run)
    assert list(project.layout.state.rglob(".*.new"))
    project.run()
    assert not list(project.layout.state.rglob(".*.new"))


def test_a_stray_file_in_a_folder_that_is_read_changes_nothing(project):
    project.run()
    (project.folder("cut") / "stray").write_text("stray")
    assert set(project.run().values()) == {"fresh"}
    assert set(project.run(force=["train"]).values()) == {"fresh", "built"}
    assert right(project)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_stop_while_the_graph_is_made_leaves_nothing(project):
    ending = faults.stopped_at(0, project.run, signal.SIGINT)
    assert os.waitstatus_to_exitcode(ending) == 128 + signal.SIGINT
    assert set(project.run().values()) == {"built"}
