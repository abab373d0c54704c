"""cli/add.py: a source gets into sparse.toml, and nothing else changes there."""

import pytest


def added(project, sparsebuild, *words):
    ran = sparsebuild("add", *words, cwd=project)
    return ran.code, ran.err, (project / "sparse.toml").read_text()


def test_a_source_is_written_and_locked_and_every_comment_stays(project, sparsebuild):
    (project / "other.yaml").write_text((project / "recipe.yaml").read_text())
    before = (project / "sparse.toml").read_text().replace('"recipe.yaml"', '"recipe.yaml" # ours')
    (project / "sparse.toml").write_text(before)
    code, err, after = added(project, sparsebuild, "recipe", "other.yaml")
    assert (code, after) == (0, before.replace('"recipe.yaml"', '"other.yaml"'))
    assert err.splitlines()[0] == "sparse.toml: recipe.source is other.yaml"
    assert err.endswith("wrote sparse.lock\n")
    assert sparsebuild("lock", "--check", cwd=project).code == 0


def test_what_is_new_is_told_old_and_new(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    (project / "more.jsonl").write_text('{"tokens": ["ada"], "ner_tags": ["B-person"]}\n')
    _, err, _ = added(project, sparsebuild, "data.train", "more.jsonl")
    assert "data.train: request file:data/train.jsonl -> file:more.jsonl\n" in err
    assert "data.validation" not in err


def test_a_teacher_gets_a_table_of_its_own(project, sparsebuild):
    before = (project / "sparse.toml").read_text()
    assert added(project, sparsebuild, "teacher", "model")[2] == f'{before}\n[teacher]\nsource = "model"\n'


def test_a_teacher_that_is_trained_gets_what_says_so(project, sparsebuild):
    before = (project / "sparse.toml").read_text()
    code, err, after = added(project, sparsebuild, "teacher.train", "model")
    assert (code, after) == (
        0,
        f'{before}\n[teacher]\nsource = "target:teacher"\n\n[teacher.train]\nfrom = "model"\n',
    ), err


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (["model", "nowhere"], 2, "error: `model.source`: there is no file or folder `nowhere`\n"),
        (["recipe", "data/train.jsonl"], 2, "error: `recipe.source`: `data/train.jsonl` is not a recipe: "),
        (["model", "target:train"], 2, "error: target `train` does not make a model that `model.source` could be\n"),
        (["data", "hf:org/rows"], 2, "error: `data.train` and `data.validation` are in sparse.toml, and win over "),
        (["data.train", "x.jsonl", "--trust", "pickle"], 2, "error: `--trust` is for models\n"),
        (["model", "hf:org/bert", "--offline"], 4, "error: `model.source`: "),
        (["data.train", "https://me:CANARY@host/x.jsonl", "--no-lock"], 2, "error: `data.train` holds what looks like"),
        (
            ["data.train", "https://host/x.jsonl?sig=CANARY", "--no-lock"],
            2,
            "error: `data.train` holds what looks like",
        ),
    ],
)
def test_what_cannot_be_had_leaves_everything_as_it_was(project, sparsebuild, words, code, fault):
    before = (project / "sparse.toml").read_text()
    failed, err, after = added(project, sparsebuild, *words)
    assert (failed, err.startswith(fault), after) == (code, True, before), err
    assert "CANARY" not in err
    assert not (project / "sparse.lock").exists()


def test_trust_in_one_source_is_not_trust_in_the_next(project, sparsebuild):
    added(project, sparsebuild, "model", "hf:org/bert", "--trust", "pickle", "--no-lock")
    _, _, trusted = added(project, sparsebuild, "model", "hf:org/bert", "--trust", "pickle", "--no-lock")
    assert trusted.count('source = "hf:org/bert"\ntrust = "pickle"\n') == 1
    assert "trust" not in added(project, sparsebuild, "model", "hf:org/other", "--no-lock")[2]


def test_a_byte_order_mark_a_link_and_the_mode_stay(project, sparsebuild):
    text = (project / "sparse.toml").read_bytes()
    (project / "real.toml").write_bytes(b"\xef\xbb\xbf" + text)
    (project / "sparse.toml").unlink()
    (project / "sparse.toml").symlink_to("real.toml")
    (project / "real.toml").chmod(0o640)
    added(project, sparsebuild, "data.test", "data/validation.jsonl")
    assert (project / "sparse.toml").is_symlink()
    assert (project / "real.toml").stat().st_mode & 0o777 == 0o640
    assert (project / "real.toml").read_bytes().startswith(b"\xef\xbb\xbf# A project")
    assert b'test = "data/validation.jsonl"\n' in (project / "real.toml").read_bytes()


def test_a_teacher_to_train_takes_the_place_of_none(project, sparsebuild):
    manifest = project / "sparse.toml"
    manifest.write_text(manifest.read_text() + '\n[teacher]\nsource = "disable"\n')
    code, err, after = added(project, sparsebuild, "teacher.train", "model")
    assert code == 0, err
    assert 'source = "target:teacher"' in after
    assert "teacher.train" in (project / "sparse.lock").read_text()
