"""cli/lock.py: what was decided is written down."""

import json

import pytest


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


@pytest.mark.parametrize(
    "expression", ["__import__('os').system('touch pwned')", "9**9**9", "().__class__.__base__.__subclasses__()"]
)
def test_a_hostile_expression_is_refused_and_nothing_is_run_or_written(project, sparsebuild, expression):
    recipe = project / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("end_epoch: 2.0", f'end_epoch: "eval({expression})"'))
    ran = sparsebuild("lock", cwd=project)
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert "recipe.yaml:4:" in ran.err
    assert not (project / "sparse.lock").exists()
    assert not (project / "pwned").exists()


def test_an_unknown_modifier_is_named_with_its_line(project, sparsebuild):
    recipe = project / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("!QuantizationModifier", "!QuantisationModifier"))
    ran = sparsebuild("lock", cwd=project)
    assert ran.code == 2
    assert ran.err.startswith("error: there is no modifier `QuantisationModifier`\n  --> recipe.yaml:")
    assert "did you mean `QuantizationModifier`?" in ran.err


def test_a_recipe_that_distils_needs_a_word_about_the_teacher(project, sparsebuild):
    with (project / "recipe.yaml").open("a") as stream:
        stream.write("distillation_modifiers:\n  - !DistillationModifier {hardness: 1.0}\n")
    ran = sparsebuild("lock", cwd=project)
    assert (ran.code, ran.err) == (
        2,
        "error: the recipe distils, but sparse.toml names no teacher\n\n"
        'hint: write `teacher = "disable"` to train without one, or a [teacher] table with its source\n',
    )
