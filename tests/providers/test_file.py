"""Files and folders as sources."""

import hashlib
import json
from dataclasses import replace

import pytest

from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.lock import LockedSource
from sparsebuild.providers import provider


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def resolved(request, context, want="data"):
    return {f.path: f for f in provider(request).resolve(request, want, context).files}


def failure(request, context, want="data", kind=UserError):
    with pytest.raises(kind) as error:
        resolved(request, context, want)
    return str(error.value)


def test_a_file_has_its_name_size_and_hash(context):
    put(context.root, "data/train.jsonl")
    (file,) = resolved("file:data/train.jsonl", context).values()
    assert (file.path, file.size) == ("train.jsonl", 16)
    assert file.sha256 == hashlib.sha256(b"data/train.jsonl").hexdigest()


def test_a_model_is_the_files_it_needs(context):
    put(context.root, *(f"m/{n}" for n in ("config.json", "model.safetensors", "vocab.txt", "structure.json")))
    put(context.root, "m/pytorch_model.bin", "m/README.md", "m/1_Pooling/config.json")
    (context.root / "m/config.json").write_text("{}")
    assert list(resolved("file:m", context, "model")) == [
        "config.json",
        "model.safetensors",
        "structure.json",
        "vocab.txt",
    ]


def test_a_folder_that_sparseml_wrote_is_a_model_and_its_recipe_one_too(context):
    """Its weights were a pickle at first and safetensors later; `training_args.bin` is a pickle that nobody opens."""
    names = ("config.json", "recipe.yaml", "tokenizer.json", "trainer_state.json", "training_args.bin", "vocab.txt")
    put(context.root, *(f"out/{name}" for name in names), "out/pytorch_model.bin", "out/checkpoint-500/config.json")
    (context.root / "out/config.json").write_text("{}")
    weights = "`out`: the weights are only there as pytorch_model.bin, a pickle"
    assert weights in failure("file:out", context, "model", SourceUnavailable)
    trusted = replace(context, trust="pickle")
    taken = ["config.json", "pytorch_model.bin", "tokenizer.json", "vocab.txt"]
    assert list(resolved("file:out", trusted, "model")) == taken
    put(context.root, "out/model.safetensors")
    assert "model.safetensors" in resolved("file:out", context, "model")
    assert list(resolved("file:out/recipe.yaml", context, "recipe")) == ["recipe.yaml"]


def test_weights_in_parts(context):
    names = ["config.json", "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"]
    put(context.root, *(f"m/{name}" for name in names), "m/model-3.safetensors")
    (context.root / "m/config.json").write_text("{}")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (context.root / "m/model.safetensors.index.json").write_text(json.dumps(index))
    assert list(resolved("file:m", context, "model")) == names


def test_a_folder_of_rows_is_its_data_files(context):
    put(context.root, "data/b.jsonl", "data/a.csv", "data/notes.txt", "data/more/c.jsonl")
    assert list(resolved("file:data", context)) == ["a.csv", "b.jsonl"]
    put(context.root, "data/c.conll.zst", "data/d.jsonl.gz", "data/e.tar.gz", "data/f.gz")
    assert list(resolved("file:data", context)) == ["a.csv", "b.jsonl", "c.conll.zst", "d.jsonl.gz"]


def test_rows_are_told_in_capitals_too_and_hidden_files_are_none(context):
    put(context.root, "data/a.jsonl", "data/B.JSONL", "data/C.Csv.GZ", "data/.hid.jsonl", "data/._a.jsonl")
    assert list(resolved("file:data", context)) == ["B.JSONL", "C.Csv.GZ", "a.jsonl"]


def test_rows_in_a_folder_of_a_folder_are_told(context, said):
    put(context.root, "data/a.jsonl", "data/.git/x.jsonl", "data/notes/x.txt")
    assert list(resolved("file:data", context)) == ["a.jsonl"]
    assert said == []
    put(context.root, "data/sub/more/c.jsonl")
    assert list(resolved("file:data", context)) == ["a.jsonl"]
    assert said == [
        "only files right in `data` are taken, `sub/more/c.jsonl` in it is not: for all, name `data/**/*.jsonl`, with "
        "the ending that they have"
    ]


def test_a_folder_whose_rows_all_lie_in_folders_of_it(context):
    put(context.root, "data/sub/c.jsonl")
    assert failure("file:data/", context) == (
        "error: `data/` holds no .jsonl, .json, .csv, .conll or .parquet file, but `sub/c.jsonl`"
        "\n\nhint: name `data/**/*.jsonl`, with the ending that they have"
    )


@pytest.mark.parametrize("source", ["data", "data/*.jsonl", "data/*"])
def test_a_link_to_rows_that_are_not_there_is_refused(source, context):
    put(context.root, "data/a.jsonl")
    (context.root / "data/notes").symlink_to("nowhere")
    assert list(resolved(f"file:{source}", context)) == ["a.jsonl"]
    (context.root / "data/b.jsonl").symlink_to("../.git/annex/objects/b")
    assert failure(f"file:{source}", context) == (
        f"error: `b.jsonl` of `{source}` is a link that leads nowhere\n\nhint: bring the file it means, or remove it"
    )


def test_a_pattern_and_a_list_are_named_below_what_they_share(context):
    put(context.root, "data/a/x.jsonl", "data/b/x.jsonl", "data/b/y.txt", "data/c.jsonl")
    assert list(resolved("file:data/*/x.jsonl", context)) == ["a/x.jsonl", "b/x.jsonl"]
    assert list(resolved("file:data/c.jsonl\nfile:data/b/*.jsonl", context)) == ["b/x.jsonl", "c.jsonl"]
    assert list(resolved("file:data/**/*.txt", context)) == ["y.txt"]


def test_files_named_twice_are_one(context):
    put(context.root, "data/x.jsonl")
    assert list(resolved("file:data/x.jsonl\nfile:data/*.jsonl\nfile:./data/x.jsonl", context)) == ["x.jsonl"]


def test_a_project_folder_that_looks_like_a_pattern(context, tmp_path):
    put(tmp_path / "project[1]", "a.jsonl")
    assert list(resolved("file:*.jsonl", replace(context, root=tmp_path / "project[1]"))) == ["a.jsonl"]


def test_a_name_with_brackets_is_first_of_all_a_name(context):
    put(context.root, "a[1].jsonl", "a1.jsonl")
    assert list(resolved("file:a[1].jsonl", context)) == ["a[1].jsonl"]


def test_outside_of_the_project(context, tmp_path, monkeypatch):
    put(tmp_path, "shared/x.jsonl")
    monkeypatch.setenv("HOME", str(tmp_path))
    for request in (
        "file:../shared/x.jsonl",
        f"file:{tmp_path}/shared/x.jsonl",
        f"file:{tmp_path}/shared/*",
        "file:~/shared",
    ):
        assert list(resolved(request, context)) == ["x.jsonl"], request


@pytest.mark.parametrize("name", ["project", "renamed"])
def test_a_list_that_reaches_out_of_the_project_is_named_without_the_folders_above(name, context, tmp_path):
    put(tmp_path / "work" / name, "data/b.jsonl", "../../shared/a.jsonl", "../near/c.jsonl")
    here = replace(context, root=tmp_path / "work" / name)
    both = "file:../../shared/a.jsonl\nfile:data/b.jsonl"
    assert list(resolved(both, here)) == ["data/b.jsonl", "up/up/shared/a.jsonl"]
    assert list(resolved(f"file:data/b.jsonl\nfile:../{name}/data/b.jsonl", here)) == ["b.jsonl"]
    assert list(resolved("file:../near/*\nfile:../../shared/*", here)) == ["near/c.jsonl", "up/shared/a.jsonl"]
    assert list(resolved(f"file:{tmp_path}/shared/*\nfile:../near/*", here))[1] == "up/near/c.jsonl"


def test_two_files_of_a_list_with_one_name_in_the_lock_are_refused(context):
    put(context.root, "../a.jsonl", "up/a.jsonl")
    assert failure("file:../a.jsonl\nfile:up/a.jsonl", context) == (
        "error: two files of a list are locked as `up/a.jsonl`\n\nhint: move one of them"
    )


def test_a_missing_file(context):
    assert failure("file:data/no.jsonl", context) == (
        "error: there is no file or folder `data/no.jsonl`\n\nhint: correct the path, or put the file there"
    )


def test_a_pattern_that_matches_nothing(context):
    put(context.root, "data/x.txt")
    assert failure("file:data/*.jsonl", context) == (
        "error: no file matches `data/*.jsonl`\n\nhint: correct the pattern, or put the files there"
    )


def test_a_folder_that_a_pattern_cannot_look_into_is_not_passed_over(context):
    put(context.root, "data/a/x.jsonl")
    (context.root / "data/b").symlink_to("b")
    assert failure("file:data/*/*.jsonl", context) == (
        "error: the folder `b` cannot be looked into: Too many levels of symbolic links\n\n"
        f"hint: check who may read {context.root}/data/b, or name the files without a pattern that leads there"
    )


@pytest.mark.parametrize(
    ("files", "fault", "kind"),
    [
        (["m/x"], "it holds no config.json, so it is not a model", UserError),
        (["m/config.json", "m/tf_model.h5"], "it holds no weights", UserError),
        (
            ["m/config.json", "m/pytorch_model.bin"],
            "the weights are only there as pytorch_model.bin, a pickle",
            SourceUnavailable,
        ),
    ],
)
def test_a_folder_that_is_no_model(context, files, fault, kind):
    put(context.root, *files)
    assert failure("file:m", context, "model", kind).startswith(f"error: `m`: {fault}")


def test_a_folder_without_rows(context):
    put(context.root, "data/notes.txt")
    assert failure("file:data", context).startswith(
        "error: `data` holds no .jsonl, .json, .csv, .conll or .parquet file\n"
    )


def test_a_recipe_is_one_file(context):
    put(context.root, "recipes/a.yaml")
    assert failure("file:recipes", context, "recipe", UserError) == (
        "error: `recipes` is a folder; a recipe is one file\n\nhint: name the file in it"
    )


def test_a_folder_in_a_list(context):
    put(context.root, "a.jsonl", "data/b.jsonl")
    assert failure("file:a.jsonl\nfile:data", context, kind=UserError) == (
        "error: `data` is not a file\n\nhint: a list holds files and patterns such as `more/*.jsonl`"
    )


def test_a_name_that_no_lock_can_hold(context):
    put(context.root, "data/a\nb.jsonl")
    assert failure("file:data", context, kind=UserError) == (
        "error: the file name 'a\\nb.jsonl' cannot be locked: it holds a backslash or a control character\n\n"
        "hint: rename the file"
    )


def locked(request, context, name="data.train", kind="file-data"):
    files = tuple(resolved(request, context).values())
    return LockedSource(name=name, kind=kind, request=request, files=files)


def test_a_file_that_changed_since(context):
    put(context.root, "train.jsonl")
    source = locked("file:train.jsonl", context)
    (context.root / "train.jsonl").write_text("other")
    with pytest.raises(HashMismatch) as error:
        provider(source.request).bring(source, source.files, context)
    expected, found = (hashlib.sha256(text).hexdigest() for text in (b"train.jsonl", b"other"))
    assert str(error.value) == (
        "error: `train.jsonl` of `data.train` is not what sparse.lock promises\n"
        f"  expected sha256 {expected}\n  found    sha256 {found}\n\n"
        "hint: the file changed since it was locked: run `sparsebuild lock`"
    )


def test_a_file_that_is_gone_from_its_folder(context):
    put(context.root, "data/a.jsonl", "data/b.jsonl")
    source = locked("file:data", context)
    (context.root / "data/a.jsonl").unlink()
    with pytest.raises(SourceUnavailable) as error:
        provider(source.request).bring(source, source.files, context)
    assert str(error.value) == (
        "error: `a.jsonl` of `data.train` is gone from `data`\n\nhint: bring it back, or run `sparsebuild lock`"
    )


@pytest.mark.parametrize(
    ("text", "want", "meant"),
    [
        ("dslim/bert-base-NER", "model", "hf:dslim/bert-base-NER"),
        ("pruned80-quant", "recipe", "builtin:pruned80-quant"),
        ("data/train.jsonl", "data", ""),
        ("pruned8", "recipe", ""),
    ],
)
def test_what_is_no_path_may_be_a_name_of_elsewhere(text, want, meant, context):
    hint = failure(f"file:{text}", context, want).partition("hint: ")[2]
    assert hint == "correct the path, or put the file there" + (f"; if another was meant: `{meant}`" if meant else "")


@pytest.mark.parametrize("text", ["m/config.json", "m/*"])
def test_a_model_is_a_folder(text, context):
    put(context.root, "m/config.json", "m/model.safetensors")
    assert f"`{text}` is no folder, and a model is one" in failure(f"file:{text}", context, "model")
