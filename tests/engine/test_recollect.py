"""engine/recollect.py: what the store knows without any project's records."""

import shutil

import pytest

from sparsebuild.engine.graph import Graph
from sparsebuild.engine.recollect import recollect


@pytest.fixture
def known(workshop, chain):
    """Build the chain, lose all that the project knew of it, and ask the store about a graph."""
    workshop.build(chain())
    shutil.rmtree(workshop.layout.root)
    return lambda actions: recollect(Graph(actions), workshop.store)


def test_what_was_built_is_known_with_all_that_it_left(known, chain):
    records = known(chain())
    assert {name: [file.path for file in record.outputs] for name, record in records.items()} == {
        "words": ["text"],
        "first": ["text"],
        "end": ["text"],
    }
    assert records["end"].inputs == {"text": records["first"].outputs}


def test_a_question_never_asked_hides_what_rests_on_it_only_where_it_is_read(known, chain):
    assert [name for name, record in known(chain(end="?")).items() if record is None] == ["end"]
    assert [name for name, record in known(chain(words="blue")).items() if record is None] == ["words", "first", "end"]


def test_an_answer_whose_files_are_gone_is_none(known, chain, workshop):
    sha256 = known(chain())["first"].outputs[0].sha256
    workshop.store.path(sha256).unlink()
    assert [name for name, record in known(chain()).items() if record is None] == ["first", "end"]


def test_asking_needs_no_store(chain, workshop):
    assert set(recollect(Graph(chain()), workshop.store).values()) == {None}
    assert not workshop.cache.exists()
