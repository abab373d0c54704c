"""cli/lock.py: what was decided is written down."""

import json


def test_the_lock_is_written_and_then_up_to_date(project, sparsebuild):
    ran = sparsebuild("lock", cwd=project)
    assert (ran.code, ran.out) == (0, "")
    assert "data.train: added, file:data/train.jsonl\n" in ran.err
    assert ran.err.endswith("wrote sparse.lock\n")
    assert sparsebuild("lock", cwd=project).err == "sparse.lock is up to date\n"
    assert sparsebuild("lock", "--check", cwd=project).err == "sparse.lock is up to date\n"


def test_check_tells_what_changed_and_writes_nothing(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    before = (project / "sparse.lock").read_bytes()
    with (project / "data" / "train.jsonl").open("a") as stream:
        stream.write('{"tokens": ["ada"], "ner_tags": ["B-person"]}\n')
    ran = sparsebuild("lock", "--check", cwd=project)
    assert ran.code == 3
    assert ran.err.startswith(
        "error: `sparse.lock` does not answer `sparse.toml`\n  data.train: file train.jsonl sha256 "
    )
    assert (project / "sparse.lock").read_bytes() == before


def test_check_without_a_lock_is_3(project, sparsebuild):
    ran = sparsebuild("lock", "--check", "--json", cwd=project)
    assert ran.code == 3
    assert list(ran.json) == ["schema_version", "is_current", "differences"]
    assert {d["change"] for d in ran.json["differences"]} == {"source added"}
    assert ran.err.startswith("error: there is no `sparse.lock`\n")


def test_a_comment_makes_no_lock_stale(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    with (project / "sparse.toml").open("a") as stream:
        stream.write("# a comment\n")
    assert sparsebuild("lock", "--check", "--json", cwd=project).json == {
        "schema_version": 1,
        "is_current": True,
        "differences": [],
    }


def test_a_merge_conflict_is_resolved_by_locking(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    good = (project / "sparse.lock").read_text()
    (project / "sparse.lock").write_text(f"<<<<<<< ours\n{good}=======\n{good}>>>>>>> theirs\n")
    assert sparsebuild("lock", cwd=project).code == 0
    assert (project / "sparse.lock").read_text() == good


def test_an_unknown_source_cannot_be_upgraded(project, sparsebuild):
    ran = sparsebuild("lock", "--upgrade-source", "modle", cwd=project)
    assert ran.code == 2
    assert "did you mean `model`?" in ran.err


def test_what_is_checked_once_is_remembered(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    remembered = json.loads((project / ".sparsebuild" / "manifest.json").read_text())
    assert remembered["manifest"]["project"]["name"] == "tiny"


def test_a_broken_memory_is_read_over(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    (project / ".sparsebuild" / "manifest.json").write_text('{"sparsebuild": []')
    assert sparsebuild("lock", "--check", cwd=project).code == 0
