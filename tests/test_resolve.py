"""From manifest to lock: what is asked, what is kept, and that looking costs next to nothing."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "providers"))
import wheels

from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.lock import Lock, LockedFile, LockedSource
from sparsebuild.manifest import parse
from sparsebuild.providers import Context
from sparsebuild.providers.hf import HubRequest
from sparsebuild.resolve import answering, asks_otherwise, is_current, recipe_source, recipe_text, requests, resolve

MANIFEST = """\
[project]
name = "p"

[model]
source = "pypi:tiny==1.0#tiny/model"

[data]
train = "data/train.jsonl"
validation = "data/validation.jsonl"

[recipe]
source = "recipe.yaml"
"""
TEACHER = """
[teacher]
source = "target:teacher"
[teacher.train]
from = "pypi:tiny==1.0#tiny/model"
"""


class Project:
    """A folder with a manifest, and what is needed to lock it."""

    def __init__(self, root):
        self.root, self.said = root, []
        for name in ("data/train.jsonl", "data/validation.jsonl", "recipe.yaml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"{name}\n")
        self.context = Context(
            root=root,
            store=Store(root / "cache"),
            digests=StatCache(root / "stats.json"),
            temporary=root / "temporary",
            report=self.said.append,
        )

    def manifest(self, text=MANIFEST):
        (self.root / "sparse.toml").write_text(text)
        return parse(text)

    def lock(self, previous=None, text=MANIFEST, upgrade=()):
        return resolve(self.manifest(text), previous, self.context, upgrade)

    def failure(self, kind, text=MANIFEST, **more):
        with pytest.raises(kind) as error:
            self.lock(text=text, **more)
        return str(error.value)


PIN = LockedSource(
    name="model",
    kind="pypi-model",
    request="pypi:tiny==1.0#tiny/model",
    version="1.0",
    files=(LockedFile(path="config.json", size=1, sha256="a" * 64),),
)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Where pip finds the one package that there is."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    wheels.build(tmp_path / "index")


def names(text):
    return [request.name for request in requests(parse(text))]


def test_every_source_is_asked_for_by_its_key_path():
    text = (
        MANIFEST.replace("[recipe]", 'test = "t"\nunlabelled = ["b", "file:a"]\n\n[recipe]')
        + '[teacher]\nsource = "m"\n'
    )
    asked = {request.name: (request.source, request.kind, request.key_path) for request in requests(parse(text))}
    assert asked == {
        "model": ("pypi:tiny==1.0#tiny/model", "pypi-model", "model.source"),
        "teacher": ("file:m", "file-model", "teacher.source"),
        "recipe": ("file:recipe.yaml", "file-recipe", "recipe.source"),
        "data.train": ("file:data/train.jsonl", "file-data", "data.train"),
        "data.validation": ("file:data/validation.jsonl", "file-data", "data.validation"),
        "data.test": ("file:t", "file-data", "data.test"),
        "data.unlabelled": ("file:a\nfile:b", "file-data", "data.unlabelled"),
    }


@pytest.mark.parametrize(
    ("config", "asked"),
    [("c++", "c%2B%2B"), ("a&b", "a%26b"), ("50%25", "50%2525"), ("a#b", "a%23b"), ("é% =x", "é% =x")],
)
def test_any_name_of_a_config_arrives(config, asked):
    text = MANIFEST.replace('train = "data/train.jsonl"', f'source = "hf:org/rows"\nconfig = "{config}"')
    request = next(request for request in requests(parse(text)) if request.name == "data.train")
    assert request.source == f"hf:org/rows?config={asked}&split=train"
    assert HubRequest.parse(request.source).config == config


def test_what_is_wrong_with_all_splits_of_a_dataset_is_told_once(project, monkeypatch):
    def refuse(self, request, want, context):
        raise UserError("it has no config `two`")

    monkeypatch.setattr("sparsebuild.providers.hf.HfProvider.resolve", refuse)
    text = MANIFEST.replace(
        'train = "data/train.jsonl"\nvalidation = "data/validation.jsonl"', 'source = "hf:org/rows"'
    )
    told = project.failure(UserError, text.replace("pypi:tiny==1.0#tiny/model", "hf:org/model"))
    assert told.count("`data.source`: it has no config `two`") == told.count("`model.source`: ") == 1


def test_a_dataset_is_asked_for_split_by_split_but_for_those_with_a_key_of_their_own():
    text = MANIFEST.replace('train = "data/train.jsonl"', 'source = "hf:org/rows@v1"\nconfig = "en"')
    asked = {request.name: (request.source, request.is_optional) for request in requests(parse(text))}
    assert asked["data.train"] == ("hf:org/rows@v1?config=en&split=train", False)
    assert asked["data.validation"] == ("file:data/validation.jsonl", False)
    assert asked["data.test"] == ("hf:org/rows@v1?config=en&split=test", True)


def test_a_key_says_which_split_it_means_unless_the_source_does():
    text = MANIFEST.replace('"data/train.jsonl"', '"hf:org/rows"')
    text = text.replace('"data/validation.jsonl"', '"hf:org/rows?split=dev"\ntest = "hf:org/rows#a.csv"')
    asked = {request.name: request.source for request in requests(parse(text))}
    assert asked["data.train"] == "hf:org/rows?split=train"
    assert (asked["data.validation"], asked["data.test"]) == ("hf:org/rows?split=dev", "hf:org/rows#a.csv")


def test_a_source_that_is_trusted_or_no_longer_is_asked_anew(project, index):
    trusting = MANIFEST.replace('tiny/model"', 'tiny/model"\ntrust = "pickle"')
    before = project.lock()
    after = project.lock(before, trusting)
    assert (before.source("model").trust, after.source("model").trust) == ("", "pickle")
    assert [str(d) for d in is_current(project.manifest(trusting), before, project.context)] == [
        "model: trust none -> pickle"
    ]


def test_targets_are_built_and_not_asked_for():
    text = MANIFEST.replace("pypi:tiny==1.0#tiny/model", "target:teacher") + TEACHER
    assert names(text) == ["teacher.train", "recipe", "data.train", "data.validation"]


def test_a_disabled_teacher_is_asked_for_only_where_the_student_starts_from_it():
    disabled = TEACHER.replace("target:teacher", "disable")
    assert "teacher.train" not in names(MANIFEST + disabled)
    assert "teacher.train" in names(MANIFEST.replace("pypi:tiny==1.0#tiny/model", "target:teacher") + disabled)


def test_one_package_for_two_sources_is_downloaded_once(project, index):
    lock = project.lock(text=MANIFEST + TEACHER)
    assert project.said == ["downloading tiny==1.0 with pip"]
    assert lock.source("teacher.train").files == lock.source("model").files
    assert [source.name for source in lock.sources] == [
        "data.train",
        "data.validation",
        "recipe",
        "model",
        "teacher.train",
    ]


def test_a_pin_is_kept_without_asking(project):
    lock = project.lock(Lock(sources=(PIN,)))
    assert lock.source("model") == PIN
    assert project.said == []


def test_a_new_source_with_a_known_request_takes_its_pin(project):
    lock = project.lock(Lock(sources=(PIN,)), text=MANIFEST + TEACHER)
    assert lock.source("teacher.train") == replace(PIN, name="teacher.train")


def test_a_pin_is_asked_again_when_its_request_changed_or_is_upgraded(project, index):
    for previous, upgrade in ((replace(PIN, request="pypi:tiny"), ()), (PIN, ["model"]), (PIN, ["*"])):
        lock = project.lock(Lock(sources=(previous,)), upgrade=upgrade)
        assert [file.path for file in lock.source("model").files] == [
            "config.json",
            "model.safetensors",
            "tokenizer.json",
        ]
    assert len(project.said) == 3


def test_a_part_of_the_sources_is_upgraded_and_the_others_keep_their_pins(project, index):
    text = MANIFEST + TEACHER.replace('"target:teacher"', '"pypi:tiny==1.0#tiny/model"').split("[teacher.train]")[0]
    before = Lock(sources=(PIN, replace(PIN, name="teacher")))
    after = project.lock(before, text, upgrade=["teacher", "data"])
    assert after.source("model") == PIN
    assert len(after.source("teacher").files) == 3


def test_each_source_keeps_its_own_pin_of_one_request(project):
    other = replace(PIN, name="teacher.train", version="1.0.post1")
    lock = project.lock(Lock(sources=(other, PIN)), text=MANIFEST + TEACHER)
    assert (lock.source("model"), lock.source("teacher.train")) == (PIN, other)


def test_what_another_version_wrote_stays_until_its_source_changes(project):
    pin = project.lock(Lock(sources=(PIN,))).source("data.train")
    known = replace(pin, extra=(("card", '"x"'),), files=(replace(pin.files[0], extra=(("n", "1"),)),))
    before = Lock(sources=(PIN, known), extra=(("more", "1"),))
    after = project.lock(before)
    assert (after.source("data.train"), after.extra) == (known, before.extra)
    assert not is_current(project.manifest(), after, project.context)
    (project.root / "data/train.jsonl").write_text("other")
    assert project.lock(before).source("data.train").extra == ()


def test_pins_of_several_locks_answer_what_is_asked(project):
    manifest = project.manifest(MANIFEST + TEACHER)
    other = replace(PIN, version="2.0")
    elsewhere = replace(PIN, request="pypi:other")
    assert answering(manifest, [Lock(sources=(elsewhere,)), Lock(sources=(PIN,)), Lock(sources=(other,))]).sources == (
        PIN,
        replace(PIN, name="teacher.train"),
    )


def test_what_is_asked_otherwise_is_told_without_a_look_at_files(project):
    lock = project.lock(Lock(sources=(PIN,)))
    (project.root / "data/train.jsonl").unlink()
    assert asks_otherwise(project.manifest(), lock) == ()
    found = asks_otherwise(project.manifest(MANIFEST.replace("recipe.yaml", "other.yaml")), lock)
    assert [str(difference) for difference in found] == ["recipe: request file:recipe.yaml -> file:other.yaml"]


def test_what_is_no_longer_asked_for_leaves(project):
    assert project.lock(Lock(sources=(PIN, replace(PIN, name="teacher")))).source("teacher") is None


def test_local_files_are_looked_at_every_time(project):
    before = project.lock(Lock(sources=(PIN,)))
    (project.root / "data/train.jsonl").write_text("other")
    after = project.lock(before)
    assert after.source("data.train").files != before.source("data.train").files
    assert after.source("data.validation") == before.source("data.validation")


def test_upgrading_what_is_not_there(project):
    assert project.failure(UserError, upgrade=["modle"]) == (
        "error: there is no source `modle` to upgrade\n\nhint: did you mean `model`?"
    )


def test_every_missing_source_is_told_where_it_is_asked_for(project):
    text = MANIFEST.replace("data/", "rows/").replace("pypi:tiny==1.0#tiny/model", "http://host/model")
    assert (
        project.failure(SourceUnavailable, text)
        == """\
error: `model.source`: `http:` sources are not taken
  --> sparse.toml:5:10
  4 | [model]
  5 | source = "http://host/model"
    |          ^^^^^^^^^^^^^^^^^^^

hint: write `https:`; over `http:` anyone on the way could change what arrives

error: `data.train`: there is no file or folder `rows/train.jsonl`
  --> sparse.toml:8:9
  7 | [data]
  8 | train = "rows/train.jsonl"
    |         ^^^^^^^^^^^^^^^^^^
  9 | validation = "rows/validation.jsonl"

hint: correct the path, or put the file there

error: `data.validation`: there is no file or folder `rows/validation.jsonl`
  --> sparse.toml:9:14
  8 | train = "rows/train.jsonl"
  9 | validation = "rows/validation.jsonl"
    |              ^^^^^^^^^^^^^^^^^^^^^^^

hint: correct the path, or put the file there"""
    )


def test_a_local_recipe_is_read_where_it_stands_and_leaves_nothing_in_the_cache(project):
    lock = project.lock(Lock(sources=(PIN,)))
    assert recipe_text(lock, project.context) == "recipe.yaml\n"
    assert not project.context.store.has(lock.source("recipe").files[0].sha256)


def test_a_local_recipe_that_changed_since_is_not_the_one_of_the_lock(project):
    lock = project.lock(Lock(sources=(PIN,)))
    (project.root / "recipe.yaml").write_text("another\n")
    with pytest.raises(HashMismatch):
        recipe_text(lock, project.context)
    project.context.store.put(project.root / "recipe.yaml")
    assert recipe_text(project.lock(lock), project.context) == "another\n"


def test_a_recipe_that_the_store_lost_is_brought_again(project):
    lock = project.lock(Lock(sources=(PIN,)))
    assert recipe_text(lock, replace(project.context, store=Store(project.root / "other"))) == "recipe.yaml\n"


def test_a_recipe_that_rotted_in_the_store_is_brought_again(project):
    lock = project.lock(Lock(sources=(PIN,)))
    project.context.store.put(project.root / "recipe.yaml")
    stored = project.context.store.path(lock.source("recipe").files[0].sha256)
    stored.chmod(0o644)
    stored.write_bytes(b"rotten")
    assert recipe_text(lock, project.context) == "recipe.yaml\n"


def test_no_recipe(project):
    assert recipe_text(Lock(sources=(PIN,)), project.context) is None


def test_a_recipe_that_is_not_utf8(project):
    (project.root / "recipe.yaml").write_bytes(b"\xff")
    with pytest.raises(UserError) as error:
        recipe_text(project.lock(Lock(sources=(PIN,))), project.context)
    assert str(error.value) == "error: the recipe `recipe.yaml` is not UTF-8\n\nhint: save it as UTF-8"


def changes(project, lock, text=MANIFEST):
    return [str(difference) for difference in is_current(project.manifest(text), lock, project.context)]


def test_a_lock_that_answers_is_current(project):
    lock = project.lock(Lock(sources=(PIN,)))
    assert changes(project, lock) == []
    assert changes(project, lock, f"# a comment\n{MANIFEST}") == []


def test_what_would_change_is_told_without_a_network(project):
    lock = project.lock(Lock(sources=(PIN,)))
    (project.root / "data/train.jsonl").write_text("other")
    text = MANIFEST.replace("tiny==1.0", "tiny==2.0").replace('[recipe]\nsource = "recipe.yaml"\n', "")
    assert changes(project, lock, text) == [
        "data.train: file train.jsonl sha256 c54b04f55ec4 (17 bytes) -> sha256 d9298a10d1b0 (5 bytes)",
        "model: request pypi:tiny==1.0#tiny/model -> pypi:tiny==2.0#tiny/model",
        "recipe: removed, file:recipe.yaml",
    ]
    assert project.said == []


def test_without_a_lock_everything_is_new(project):
    assert changes(project, None)[-1] == "recipe: added, file:recipe.yaml"
    assert len(changes(project, None)) == 4


def test_a_local_file_that_is_gone_is_told(project):
    lock = project.lock(Lock(sources=(PIN,)))
    (project.root / "data/train.jsonl").unlink()
    with pytest.raises(UserError, match=r"`data\.train`: there is no file or folder `data/train\.jsonl`"):
        changes(project, lock)


def test_looking_imports_neither_pydantic_nor_pip_nor_what_runs_it():
    code = """
import json, sys
from pathlib import Path
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.lock import parse
from sparsebuild.manifest import from_json
from sparsebuild.providers import Context
from sparsebuild.resolve import is_current
given = json.load(sys.stdin)
root = Path(given["root"])
store, stats = Store(root / "cache"), StatCache(root / "stats.json")
context = Context(root=root, store=store, digests=stats, temporary=root / "temporary")
assert is_current(from_json(given["manifest"]), parse(given["lock"]), context) == ()
heavy = {"pydantic", "pip", "huggingface_hub", "sparsebuild.providers.pypi", "subprocess", "zipfile", "torch"}
print(*sorted(heavy & set(sys.modules)))
"""
    import json
    import tempfile

    from sparsebuild.lock import text
    from sparsebuild.manifest import to_json

    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        lock = project.lock(Lock(sources=(PIN,)))
        given = {"root": folder, "manifest": to_json(project.manifest()), "lock": text(lock)}
        found = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[1],
        )
    assert (found.stdout.split(), found.stderr) == ([], "")


def test_files_that_are_one_on_some_disks_are_not_locked(tmp_path):
    project = Project(tmp_path)
    for name in ("a.jsonl", "A.jsonl"):
        (tmp_path / "data" / name).write_text("")
    text = MANIFEST.replace("data/train.jsonl", "data").replace('"pypi:tiny==1.0#tiny/model"', '"model"')
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).write_text("{}")
    assert "cannot be locked: 'A.jsonl' and 'a.jsonl' are one name on some disks" in project.failure(UserError, text)


def test_a_variant_asks_for_a_recipe_of_its_own_where_it_has_another():
    variants = '[variant.same]\nrecipe.args.x = 1\n[variant.other]\nrecipe.source = "other.yaml"\n'
    asked = {r.name: (r.source, r.key_path) for r in requests(parse(MANIFEST + variants)) if r.want == "recipe"}
    assert asked == {
        "recipe": ("file:recipe.yaml", "recipe.source"),
        "recipe.other": ("file:other.yaml", "variant.other.recipe.source"),
    }
    files = (LockedFile(path="r.yaml", size=1, sha256="0" * 64),)
    sources = [
        LockedSource(name=name, kind="file-recipe", request=source, files=files) for name, (source, _) in asked.items()
    ]
    lock = Lock(sources=tuple(sources))
    assert [recipe_source(lock, name).name for name in ("", "same", "other")] == ["recipe", "recipe", "recipe.other"]
