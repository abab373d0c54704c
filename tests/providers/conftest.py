"""What providers work with: a project, a store, and an index of our own for pip."""

import os

import pytest

from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.providers import Context


@pytest.fixture
def said():
    return []


@pytest.fixture
def context(tmp_path, said):
    root = tmp_path / "project"
    root.mkdir()
    return Context(
        root=root,
        store=Store(tmp_path / "cache"),
        digests=StatCache(tmp_path / "stats.json"),
        temporary=tmp_path / "cache" / "temporary",
        report=said.append,
    )


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that is all pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder
