"""What is left of the SparseZoo: its own cache, a server that speaks as it did, our recipe, and what is offered."""

import io
import json
import os
import subprocess
import sys
import tarfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import zoo

from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.lock import LockedSource
from sparsebuild.providers import fetch, provider
from sparsebuild.providers.stubs import Stub
from sparsebuild.providers.zoo import default_recipe
from sparsebuild.providers.zoo_model import ZooFile

REAL = "SPARSEBUILD_TEST_SPARSEZOO"  # a Python that has sparsezoo 1.8.1, to hold our server against
MADE = Path(__file__).parents[2] / ".venv-sparsezoo" / "bin" / "python"  # by `make sparsezoo`
CLIENT = os.environ.get(REAL) or (MADE if (MADE.parents[1] / ".installed").exists() else "")

MODEL = "nlp/masked_language_modeling/obert-base/pytorch/huggingface/wikipedia_bookcorpus/pruned90-none"
NAME = "obert-base-wikipedia_bookcorpus-pruned90"
TRANSFER = "nlp/token_classification/obert-base/pytorch/huggingface/conll2003/pruned90_quant-none"
SAFETENSORS = (2).to_bytes(8, "little") + b"{}"
CONFIG = b'{"model_type": "bert"}'
TRAINING = {"config.json": CONFIG, "model.safetensors": SAFETENSORS, "trainer_state.json": b"{}"}
RECIPE = b"---\nnum_epochs: 1\n---\n"


def tarball(contents, folder="training"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in contents.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def model(*more, training=TRAINING):
    listed = [("training", name, data) for name, data in training.items()]
    return zoo.Model(stub=MODEL, name=NAME, files=[zoo.ONNX, *listed, *more])


@pytest.fixture(autouse=True)
def nothing_of_the_zoo(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSEZOO_MODELS_PATH", str(tmp_path / "zoo"))
    monkeypatch.delenv("SPARSEZOO_API_URL", raising=False)


@pytest.fixture
def named(monkeypatch):
    """Name a server in the environment."""
    return lambda server: monkeypatch.setenv("SPARSEZOO_API_URL", server.url(""))


@pytest.fixture
def cache(tmp_path):
    """Put files into the zoo's cache."""

    def put(contents, folder=f"neuralmagic/{NAME}"):
        for name, data in contents.items():
            path = tmp_path / "zoo" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    return put


def resolve(request, context, want="model"):
    return provider(request).resolve(request, want, context)


def failure(request, context, want="model", kind=SourceUnavailable):
    with pytest.raises(kind) as error:
        resolve(request, context, want)
    return str(error.value)


def locked(request, context, want="model"):
    found = resolve(request, context, want)
    return LockedSource(name="model", kind=f"zoo-{want}", request=request, resolved=found.resolved, files=found.files)


def elsewhere(context, tmp_path):
    other = tmp_path / "other cache"
    return replace(context, store=type(context.store)(other), temporary=other / "temporary")


def names(found):
    return [file.path for file in found.files]


# ---- the cache that the zoo's program left


@pytest.mark.parametrize(
    "request_", [f"zoo:{MODEL}", f"zoo:{MODEL}/transfer", f"zoo:{NAME}"], ids=["long", "old", "short"]
)
def test_a_model_of_the_old_cache(cache, context, said, request_, tmp_path):
    cache({f"training/{name}": data for name, data in TRAINING.items()})
    source = locked(request_, context)
    assert names(source) == ["config.json", "model.safetensors"]
    assert source.resolved == ("" if request_ == f"zoo:{NAME}" else f"zoo:{NAME}")
    assert said[0].endswith(f" is read from the SparseZoo's cache ({NAME})")
    fetch(source, tmp_path / "out", replace(elsewhere(context, tmp_path), offline=True))
    assert (tmp_path / "out" / "config.json").read_bytes() == CONFIG


def test_a_tarball_in_the_old_cache(cache, context):
    cache({"training.tar.gz": tarball(TRAINING)})
    assert names(resolve(f"zoo:{MODEL}", context)) == ["config.json", "model.safetensors"]


def test_a_hostile_tarball_is_refused(cache, context):
    cache({"training.tar.gz": tarball(TRAINING, folder="..")})
    assert "the model's tarball is refused: it holds '../config.json'" in failure(f"zoo:{MODEL}", context)


def test_a_deployment_alone_cannot_be_trained(cache, context):
    cache({"deployment/model.onnx": b"", "deployment/config.json": CONFIG, "model.onnx": b""})
    assert failure(f"zoo:{MODEL}", context) == (
        f"error: the SparseZoo's cache ({NAME}) holds only `deployment/`, an ONNX file, which cannot be trained\n\n"
        "hint: training starts from its `training/` folder"
    )


def test_a_pickle_needs_trust(cache, context):
    cache({"training/config.json": CONFIG, "training/pytorch_model.bin": b"a pickle"})
    assert "a pickle, which could run code" in failure(f"zoo:{MODEL}", context)
    trusted = replace(context, trust="pickle")
    assert names(resolve(f"zoo:{MODEL}", trusted)) == ["config.json", "pytorch_model.bin"]


def test_a_link_in_the_cache_is_not_followed(cache, context, tmp_path):
    cache({"training/config.json": CONFIG})
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "zoo" / "neuralmagic" / NAME / "training" / "model.safetensors").symlink_to(tmp_path / "secret")
    assert "it holds no weights" in failure(f"zoo:{MODEL}", context, kind=UserError)


def test_two_that_it_could_be_are_told(cache, context):
    for folder in (f"neuralmagic/{NAME}", f"mirror/{NAME}"):
        cache({"training/config.json": CONFIG}, folder)
    assert f"could be any of these in the SparseZoo's cache: mirror/{NAME}, neuralmagic/{NAME}" in failure(
        f"zoo:{MODEL}", context
    )


@pytest.mark.parametrize(
    ("stub", "folder"),
    [
        (MODEL, "obert-base-wikipedia_bookcorpus-pruned90"),
        ("nlp/sentiment_analysis/obert-base/pytorch/huggingface/sst2/pruned90_quant-none",
         "obert-base-sst2_wikipedia_bookcorpus-pruned90_quantized"),
        ("nlp/question_answering/bert-base_cased/pytorch/huggingface/squad/pruned90-none",
         "bert-base_cased-squad_wikipedia_bookcorpus-pruned90"),
        ("nlp/text_classification/obert-base/pytorch/huggingface/mnli/base-none",
         "obert-base-mnli_wikipedia_bookcorpus-base"),
    ],
)  # fmt: skip
def test_the_folders_that_the_zoo_gave_its_models(stub, folder):
    assert Stub.parse(f"zoo:{stub}").is_folder(folder)
    assert not Stub.parse(f"zoo:{stub}").is_folder(folder + "_vnni")
    assert not Stub.parse(f"zoo:{stub}").is_folder("x" + folder)


# ---- a server


def test_a_model_of_a_server_that_is_named(context, named, tmp_path):
    with zoo.serving([model()]) as server:
        named(server)
        source = locked(f"zoo:{MODEL}", context)
        assert names(source) == ["config.json", "model.safetensors"]
        assert source.resolved == f"zoo:{NAME}"
        fetch(source, tmp_path / "out", elsewhere(context, tmp_path))
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == SAFETENSORS


def test_a_server_with_a_tarball(context, named):
    with zoo.serving([model(("training", "training.tar.gz", tarball(TRAINING)), training={})]) as server:
        named(server)
        assert names(resolve(f"zoo:{NAME}", context)) == ["config.json", "model.safetensors"]
        assert len([target for target in server.targets() if target.endswith(".tar.gz")]) == 1


def test_a_server_that_does_not_have_it(context, named):
    with zoo.serving([]) as server:
        named(server)
        text = failure(f"zoo:{MODEL}", context)
    assert text == (
        f"error: 127.0.0.1:{server.port} has no model `zoo:{MODEL}`\n\nhint: check the stub, or SPARSEZOO_API_URL"
    )


def test_offline_the_server_is_not_asked(context, named):
    with zoo.serving([model()]) as server:
        named(server)
        assert "and this run is offline" in failure(f"zoo:{MODEL}", replace(context, offline=True))
    assert server.asked == []


def test_what_the_server_has_now_must_be_what_was_locked(context, named, tmp_path):
    with zoo.serving([model()]) as server:
        named(server)
        source = locked(f"zoo:{MODEL}", context)
    with zoo.serving([model(training={**TRAINING, "config.json": b"{}"})]) as server:
        named(server)
        with pytest.raises(HashMismatch, match=r"`config.json` of `model` is not what sparse.lock promises"):
            fetch(source, tmp_path / "out", elsewhere(context, tmp_path))


def test_a_short_file_is_not_taken_for_the_model(context, named):
    with zoo.serving([model()]) as server:
        named(server)
        server.files[f"/{NAME}/2/model.safetensors"] = b"short"
        assert f"sends 5 bytes, and {len(SAFETENSORS)} were announced" in failure(f"zoo:{MODEL}", context)


ANSWERS = {
    "an error": {"errors": [{"message": "no"}]},
    "a list": [],
    "nothing": {},
    "a model without files": {"data": {"models": [{}]}},
    "a file without a name": {"data": {"models": [{"files": [{}]}]}},
    "a number for a name": {"data": {"models": [{"files": [{"displayName": 1, "fileType": "", "downloadUrl": ""}]}]}},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_answers_that_make_no_sense(context, named, answer):
    with zoo.serving([]) as server:
        named(server)
        server.answer = None
        server.faults["/v2/graphql"] = [lambda handler, _: handler.reply(200, json.dumps(answer).encode())]
        assert "does not answer as the zoo did" in failure(f"zoo:{MODEL}", context)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"displayName": "../../.bashrc"}, "lists '../../.bashrc': it has an empty part, `.` or `..`"),
        ({"downloadUrl": "file:///etc/passwd"}, "redirects to what is not an address"),
        ({"downloadUrl": "file://localhost/etc/passwd"}, "redirects to `file:`, which is not followed"),
        ({"downloadUrl": "http://localhost/config.json"}, "redirects to `http:`, which is not followed"),
    ],
)
def test_files_that_a_server_must_not_list(context, named, change, fault):
    listed = {"displayName": "config.json", "fileType": "training", "downloadUrl": "https://127.0.0.1/x", **change}
    with zoo.serving([]) as server:
        named(server)
        server.answer = None
        body = json.dumps({"data": {"models": [{"files": [listed]}]}}).encode()
        server.faults["/v2/graphql"] = [lambda handler, _: handler.reply(200, body)]
        assert fault in failure(f"zoo:{MODEL}", context)


def test_what_the_old_cache_lacks_is_asked_of_the_server(context, cache, named):
    cache({"recipe.md": RECIPE})
    with zoo.serving([model()]) as server:
        named(server)
        assert names(resolve(f"zoo:{NAME}", context)) == ["config.json", "model.safetensors"]
        assert names(resolve(f"zoo:{NAME}", context, "recipe")) == ["recipe.md"]
    assert len([target for target in server.targets() if target == "/v2/graphql"]) == 1


# ---- recipes


def recipes(*listed):
    return [("recipe", name, b"# " + name.encode()) for name in listed]


@pytest.mark.parametrize("place", ["{}", "recipe/{}"], ids=["beside the model", "in a folder"])
def test_a_recipe_of_the_old_cache(cache, context, place):
    cache({place.format("recipe.md"): RECIPE, place.format("recipe_transfer.md"): b"", "model.md": b""})
    assert names(resolve(f"zoo:{NAME}", context, "recipe")) == ["recipe.md"]
    assert names(resolve(f"zoo:{NAME}?recipe=transfer", context, "recipe")) == ["recipe_transfer.md"]


CHOICES = [
    ("", ["recipe_a.md", "recipe.md"], "recipe.md"),
    ("", ["recipe_b.md", "recipe_a.md"], "recipe_b.md"),
    ("", ["recipe_original.md"], "recipe_original.md"),
    ("", [], None),
    ("?recipe=a", ["recipe.md", "recipe_a.md"], "recipe_a.md"),
    ("?recipe=a", ["recipe.md", "recipe_ab.md"], "recipe_ab.md"),
    ("?recipe=a", ["recipe_a.md", "recipe_ab.md"], None),
    ("?recipe=a", ["recipe.md"], None),
    ("?recipe_type=a", ["recipe.md", "recipe_a.md"], "recipe_a.md"),
    ("?recipe_type=a", ["recipe_b.md", "recipe.md"], "recipe_b.md"),
    ("?recipe_type=a", ["recipe_ab.md", "recipe_a.md"], "recipe_ab.md"),
    ("?recipe=a&checkpoint=preqat&deployment=default", ["recipe.md", "recipe_a.md"], "recipe_a.md"),
]


@pytest.mark.parametrize(("query", "listed", "expected"), CHOICES, ids=map(str, range(len(CHOICES))))
def test_the_default_recipe_is_what_it_was(query, listed, expected):
    stub = Stub.parse(f"zoo:{NAME}{query}")
    if expected is None:
        with pytest.raises(UserError):
            default_recipe(stub, listed)
    else:
        assert default_recipe(stub, listed)[0] == expected


def test_a_recipe_that_nobody_named_is_told(context, named, said):
    with zoo.serving([model(*recipes("recipe_b.md"))]) as server:
        named(server)
        assert names(resolve(f"zoo:{NAME}", context, "recipe")) == ["recipe_b.md"]
    assert said[-1].startswith("the model has no recipe of that name: recipe_b.md is taken") or said[-2].startswith(
        "the model has no recipe of that name: recipe_b.md is taken"
    )


def test_the_tutorials_recipe_comes_with_us(context, tmp_path):
    source = locked(f"zoo:{TRANSFER}", context, "recipe")
    fetch(source, tmp_path / "out", replace(elsewhere(context, tmp_path), offline=True))
    ours = (tmp_path / "out" / "conll2003_pruned90_quant.yaml").read_bytes()
    template = Path(__file__).parents[2] / "templates" / "token-classification" / "recipes" / "pruned90_quant.yaml"
    assert ours == template.read_bytes()


# ---- nothing of it


def test_a_counterpart_is_offered_and_nobody_is_asked(context, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("somebody was asked"))
    assert failure(f"zoo:{MODEL}", context) == (
        f"error: `zoo:{MODEL}` is nowhere to be had: the SparseZoo ended in June 2025\n\n"
        "hint: its closest public counterpart is hf:RedHatAI/oBERT-12-upstream-pruned-unstructured-90-v2"
        " (confidence: high; weights as\n"
        "pytorch_model.bin). To take it, run `sparsebuild lock --accept-counterparts`, or write in sparse.toml:\n\n"
        f'    [sources.zoo]\n    "zoo:{MODEL}" = "hf:RedHatAI/oBERT-12-upstream-pruned-unstructured-90-v2"\n\n'
        "A copy of the zoo's cache can be named in SPARSEZOO_MODELS_PATH, a server that has its files in"
        " SPARSEZOO_API_URL."
    )


def test_what_has_no_counterpart_is_told_so(context, cache):
    cache({"training/config.json": CONFIG}, "0123-an-id")
    text = failure(f"zoo:{TRANSFER.replace('pruned90_quant', 'base')}", context)
    assert "no counterpart is known; other models for the same work are hf:dslim/" in text
    assert "The zoo's cache on this machine has other models: 0123-an-id\n" in text
    text = failure("zoo:cv/classification/resnet_v1-50/pytorch/sparseml/imagenet/base-none", context)
    assert '= "file:FOLDER-OR-FILE"' in text


def test_there_were_no_data(context):
    assert "the SparseZoo had models and recipes, no data" in failure(f"zoo:{MODEL}", context, "data", UserError)


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ("zoo:foo", "`zoo:foo` is not a stub of the SparseZoo"),
        ("zoo:a/b/c", "is not a stub of the SparseZoo"),
        ("zoo:../../etc/x/y/z/a/b", "is not a stub of the SparseZoo"),
        (f"zoo:{NAME}?", "must end in `?key=value`, each key once"),
        (f"zoo:{NAME}?recipe=a&recipe=b", "must end in `?key=value`, each key once"),
        (f"zoo:{NAME}?recipes=a", "`?recipes=` means nothing in a stub\n\nhint: did you mean `recipe`?"),
        (f"zoo:{NAME}?checkpoint=best", "`?checkpoint=best` is not known\n\nhint: there are: postpruning"),
        (f"zoo:{NAME}?recipe=../x", "`?recipe=` must be a name, found '../x'"),
        (f'zoo:{NAME}") {{', "is not a stub of the SparseZoo"),
    ],
)
def test_stubs_that_are_none(request_, fault):
    with pytest.raises(UserError) as error:
        Stub.parse(request_)
    assert fault in str(error.value)


# ---- the real client against our server


TUTORIAL = """
import sys
from sparsezoo import Model
for stub in sys.argv[2:]:
    try:
        print(Model(stub, download_path=sys.argv[1]).recipes.default.path)
    except ValueError:
        print("ValueError")
"""


@pytest.mark.skipif(not CLIENT, reason=f"no Python with sparsezoo 1.8.1: `make sparsezoo`, or name one in {REAL}")
def test_the_real_client_reads_the_tutorials_recipe_from_our_server(tmp_path, context, named):
    """And for every kind of query it takes the recipe that we take."""
    served = [
        zoo.Model(stub=TRANSFER, name="transfer-of-conll-quantized", files=[zoo.ONNX, *recipes("recipe.md")]),
        *(
            zoo.Model(stub=f"a/b/c/d/e/f/{n}", name=f"model-of-choice-{n}", files=[zoo.ONNX, *recipes(*listed)])
            for n, (_, listed, _) in enumerate(CHOICES)
        ),
    ]
    stubs = [f"zoo:model-of-choice-{n}{query}" for n, (query, _, _) in enumerate(CHOICES)]
    with zoo.serving(served) as server:
        environment = {
            **os.environ,
            "SPARSEZOO_API_URL": server.url(""),
            "NM_DISABLE_ANALYTICS": "1",
            "HOME": str(tmp_path),
        }
        ran = subprocess.run(
            [CLIENT, "-c", TUTORIAL, tmp_path / "recipe", f"zoo:{TRANSFER}", *stubs],
            capture_output=True, text=True, env=environment, timeout=100, cwd=tmp_path,
        )  # fmt: skip
        lines = ran.stdout.splitlines()
        assert lines[:1] == [str(tmp_path / "recipe" / "recipe.md")], ran.stderr
        assert (tmp_path / "recipe" / "recipe.md").read_bytes() == b"# recipe.md"
        named(server)
        assert names(resolve(f"zoo:{TRANSFER}", context, "recipe")) == ["recipe.md"]
    assert [line.rpartition("/")[2] for line in lines[1:]] == [expected or "ValueError" for _, _, expected in CHOICES]


def test_a_small_file_that_rotted_in_the_store_is_brought_again(context, tmp_path):
    (tmp_path / "config.json").write_bytes(CONFIG)
    file = ZooFile(lambda _: nullcontext(tmp_path / "config.json"))
    rotten = context.store.path(file.keep("config.json", context).sha256)
    rotten.chmod(0o644)
    rotten.write_bytes(b"!" + CONFIG[1:])
    assert file.read(context) == rotten.read_bytes() == CONFIG
