"""cli/lock.py: what was decided is written down."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
import faults

from sparsebuild.cli.project import decided, keep_lock, lock_again, open_project
from sparsebuild.lock import Lock, LockedFile, LockedSource
from sparsebuild.lock import text as text_of


def test_the_lock_is_written_and_then_up_to_date(project, sparsebuild):
    ran = sparsebuild("lock", cwd=project)
    assert (ran.code, ran.out) == (0, "")
    assert "data.train: added, file:data/train.jsonl\n" in ran.err
    assert ran.err.endswith("wrote sparse.lock\n")
    assert sparsebuild("lock", cwd=project).err == "sparse.lock is up to date\n"
    assert sparsebuild("lock", "--check", cwd=project).err == "sparse.lock is up to date\n"


@pytest.mark.parametrize("words", [["lock", "--check"], ["run", "--locked"]], ids=" ".join)
def test_what_holds_on_to_the_lock_tells_what_changed_and_writes_nothing(words, project, sparsebuild):
    sparsebuild("lock", cwd=project)
    before = (project / "sparse.lock").read_bytes()
    with (project / "data" / "train.jsonl").open("a") as stream:
        stream.write('{"tokens": ["ada"], "ner_tags": ["B-person"]}\n')
    ran = sparsebuild(*words, cwd=project)
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


def conflicting(project, pin):
    """Two sides that pinned the model of a package, each otherwise, and one of them a teacher as well."""
    manifest = project / "sparse.toml"
    manifest.write_text(manifest.read_text().replace('source = "model"', 'source = "pypi:tiny"', 1))
    sides = [text_of(Lock(sources=(pin("model", version), *more))) for version, *more in (("1",), ("2", pin("x", "3")))]
    (project / "sparse.lock").write_text(f"<<<<<<< ours\n{sides[0]}=======\n{sides[1]}>>>>>>> theirs\n")


def pin(name, version):
    file = LockedFile(path="config.json", size=9, sha256=version * 64)
    return LockedSource(name=name, kind="pypi-model", request="pypi:tiny", version=version, files=(file,))


def test_a_healed_conflict_keeps_what_either_side_pinned_and_asks_nobody(project, sparsebuild):
    conflicting(project, pin)
    checked = sparsebuild("lock", "--check", cwd=project)
    assert (checked.code, checked.err.splitlines()[0]) == (3, "error: `sparse.lock` holds a merge conflict")
    ran = sparsebuild("lock", "--offline", cwd=project)
    assert ran.code == 0, ran.err
    of = [f"sha256 {version * 12} (9 bytes)" for version in "12"]
    assert ran.err.splitlines()[:3] == [
        "sparse.lock holds a merge conflict: what either side pinned is kept",
        "model: version 1 is kept; on the other side it is 2",
        f"model: file config.json {of[0]} is kept; on the other side it is {of[1]}",
    ]
    assert 'version = "1"' in (project / "sparse.lock").read_text()
    assert sparsebuild("lock", "--check", cwd=project).code == 0


def test_a_conflict_within_a_source_is_no_pin_of_either_side(project, sparsebuild):
    conflicting(project, pin)
    whole = pin("model", "1")
    text = text_of(Lock(sources=(replace(whole, files=(*whole.files, LockedFile(path="x", size=1, sha256="a" * 64))),)))
    merged = text.replace('version = "1"\n', '<<<<<<< ours\nversion = "1"\n=======\nversion = "2"\n>>>>>>> theirs\n')
    (project / "sparse.lock").write_text(merged)
    ran = sparsebuild("lock", "--offline", cwd=project)
    assert (ran.code, ran.err) == (
        2,
        "sparse.lock holds a merge conflict\n"
        "error: the merge conflict in sparse.lock is within `model`: what stands there may be of both sides\n\n"
        "hint: run `sparsebuild lock --upgrade model`, or take one side's sparse.lock whole\n",
    )
    assert (project / "sparse.lock").read_text() == merged
    asked = sparsebuild("lock", "--offline", "--upgrade", "model", cwd=project)
    assert "`tiny` would have to be downloaded, and this run is offline" in asked.err


def test_a_dry_run_tells_and_writes_nothing(project, sparsebuild):
    first = sparsebuild("lock", "--dry-run", cwd=project)
    assert (first.code, first.err.splitlines()[-1]) == (0, "sparse.lock would be written")
    assert "data.train: added, file:data/train.jsonl" in first.err
    assert not (project / "sparse.lock").exists()
    assert not (project / ".sparsebuild").exists()
    sparsebuild("lock", cwd=project)
    assert sparsebuild("lock", "-n", "--upgrade", "data", cwd=project).err == "sparse.lock is up to date\n"
    assert sparsebuild("lock", "-n", "--json", cwd=project).json["differences"] == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["model"], "error: `lock model` names sources, but not what to do with them"),
        (["--check", "--upgrade"], "error: `--check` looks at the lock as it is"),
        (["--check", "--dry-run"], "error: `--check` looks at the lock as it is"),
    ],
)
def test_words_that_make_no_sense_together(project, sparsebuild, words, fault):
    ran = sparsebuild("lock", *words, cwd=project)
    assert (ran.code, ran.err.splitlines()[0]) == (2, fault)


def test_a_lock_that_is_killed_anywhere_leaves_the_old_one_or_the_new_one(project):
    """And nothing that a later lock does not clear away."""
    old = keep_lock(decided(open_project(project))).lock
    with (project / "data" / "train.jsonl").open("a") as stream:
        stream.write('{"tokens": ["ada"], "ner_tags": ["B-person"]}\n')
    new = decided(open_project(project)).lock
    path = project / "sparse.lock"
    moments = faults.points(lambda: lock_again(open_project(project)))
    for number in range(len(moments)):
        path.write_text(text_of(old))
        assert faults.killed_at(number, lambda: lock_again(open_project(project))), moments[number]
        assert path.read_text() in (text_of(old), text_of(new)), moments[number]
    lock_again(replace(open_project(project), lock=old))
    assert [p.name for p in project.glob(".*.new")] == []
    assert any("replace" in moment or "rename" in moment for moment in moments)


def test_an_unknown_source_cannot_be_upgraded(project, sparsebuild):
    ran = sparsebuild("lock", "--upgrade", "modle", cwd=project)
    assert ran.code == 2
    assert "did you mean `model`?" in ran.err


def test_what_is_checked_once_is_remembered(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    remembered = json.loads((project / ".sparsebuild" / "manifest.json").read_text())
    assert remembered["kept"]["project"]["name"] == "tiny"


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


@pytest.mark.parametrize(
    ("table", "told"), [("recipe.args", ""), ("variant.fine.recipe.args", "in the variant `fine`: ")]
)
def test_an_argument_that_the_recipe_does_not_know_is_shown_where_it_is_given(table, told, project, sparsebuild):
    with (project / "sparse.toml").open("a") as stream:
        stream.write(f"\n[{table}]\nsparsty = 0.5\n")
    line = (project / "sparse.toml").read_text().count("\n")
    ran = sparsebuild("lock", cwd=project)
    assert ran.code == 2
    message = f"error: {told}the recipe recipe.yaml has no variable `sparsty` to set\n  --> sparse.toml:{line}:1\n"
    assert ran.err.startswith(message)


def test_a_recipe_that_distils_needs_a_word_about_the_teacher(project, sparsebuild):
    with (project / "recipe.yaml").open("a") as stream:
        stream.write("distillation_modifiers:\n  - !DistillationModifier {hardness: 1.0}\n")
    ran = sparsebuild("lock", cwd=project)
    assert (ran.code, ran.err) == (
        2,
        "error: the recipe distils, but sparse.toml names no teacher\n\n"
        'hint: write a [teacher] table with its `source`; "disable" trains without one\n',
    )


@pytest.mark.parametrize("command", ["lock", "status", "run"])
def test_a_model_of_a_type_that_cannot_be_trained_is_refused_before_anything_is_done(command, project, sparsebuild):
    config = project / "model" / "config.json"
    config.write_text(config.read_text().replace('"bert"', '"fnet"'))
    ran = sparsebuild(command, cwd=project)
    assert (ran.code, ran.err.replace("there is no sparse.lock: locking\n", "")) == (
        2,
        "error: `model.source`: models of type `fnet` cannot be trained here\n\n"
        "hint: there are: bert, camembert, distilbert, electra, modernbert, roberta, xlm-roberta\n",
    )
    assert not (project / ".sparsebuild" / "prepare").exists()
