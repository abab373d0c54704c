"""A project that asks for what the SparseZoo had, from the command line."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import files
import zoo

from sparsebuild.cli.counterparts import with_replacements

MODEL = "nlp/masked_language_modeling/obert-base/pytorch/huggingface/wikipedia_bookcorpus/pruned90-none"
NAME = "obert-base-wikipedia_bookcorpus-pruned90"
COUNTERPART = "hf:RedHatAI/oBERT-12-upstream-pruned-unstructured-90-v2"
# No proxy and no server: whoever is asked all the same is nobody.
NOWHERE = {"HF_ENDPOINT": "http://127.0.0.1:1", "SPARSEZOO_API_URL": "", "SPARSEZOO_MODELS_PATH": "/nonexistent"}


@pytest.fixture
def asking(project):
    """The project with its model from the zoo."""
    manifest = project / "sparse.toml"
    manifest.write_text(manifest.read_text().replace('source = "model"', f'source = "zoo:{MODEL}"'))
    return project


def test_what_is_gone_is_4_with_the_line_to_write(asking, process):
    ran = process("lock", cwd=asking, **NOWHERE)
    assert ran.code == 4
    assert f"error: `model.source`: `zoo:{MODEL}` is nowhere to be had: the SparseZoo ended in June 2025" in ran.err
    assert "--> sparse.toml:6:10" in ran.err
    assert f'    [sources.zoo]\n    "zoo:{MODEL}" = "{COUNTERPART}"\n' in ran.err
    assert not (asking / "sparse.lock").exists()


def test_an_accepted_counterpart_is_written_where_it_can_be_seen(asking, process):
    ran = process("lock", "--accept-counterparts", cwd=asking, **NOWHERE)
    assert f"sparse.toml: zoo:{MODEL} is {COUNTERPART} from now on ([sources.zoo])\n" in ran.err
    assert (asking / "sparse.toml").read_text().endswith(f'\n[sources.zoo]\n"zoo:{MODEL}" = "{COUNTERPART}"\n')
    assert ran.code == 4  # the Hub is not there
    assert "the Hub at 127.0.0.1:1 cannot be reached" in ran.err


def test_a_replacement_is_what_is_asked_for(asking, process):
    with (asking / "sparse.toml").open("a") as stream:
        stream.write(f'\n[sources.zoo]\n"zoo:{MODEL}" = "file:model"\n')
    assert process("lock", cwd=asking, **NOWHERE).code == 0
    assert 'request = "file:model"' in (asking / "sparse.lock").read_text()
    assert process("lock", "--check", cwd=asking, **NOWHERE).code == 0


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('"hf:x/y" = "file:model"', 'the keys of `[sources.zoo]` are stubs that begin with `zoo:`, found "hf:x/y"'),
        ('"zoo:a-b-c" = "zoo:d-e-f"', 'must be a source outside the zoo, found "zoo:d-e-f"'),
        ('"zoo:a-b-c" = "target:teacher"', "cannot be a target"),
    ],
)
def test_replacements_that_are_none(asking, process, line, fault):
    with (asking / "sparse.toml").open("a") as stream:
        stream.write(f"\n[sources.zoo]\n{line}\n")
    ran = process("lock", cwd=asking, **NOWHERE)
    assert ran.code == 2
    assert fault in ran.err


@pytest.mark.parametrize(
    "text",
    [
        *("", "a = 1", "a = 1 # one\n", "a = 1\r\n", '[sources.zoo]\n"zoo:b" = "hf:c" # kept\n\n[z]\ny = 1\n'),
        *("[sources]\n", "[sources]\nzoo = {}\n", "sources.zoo = {}\n[a]\nb = 1\n"),
    ],
)
def test_the_rest_of_a_manifest_stays_as_it_is(text):
    written = with_replacements(text, {"zoo:x": "hf:y"})
    kept = [line for line in text.splitlines() if line and "{}" not in line]
    assert [line for line in written.splitlines() if line in kept] == kept


def test_a_project_whose_sources_are_all_on_servers(asking, process):
    """Model and recipe from a zoo, rows over https; and offline, from the cache alone, nothing is asked again."""
    training = [("training", p.name, p.read_bytes()) for p in (asking / "model").iterdir()]
    recipe = b"---\n" + (asking / "recipe.yaml").read_bytes() + b"---\nA recipe.\n"
    served = zoo.Model(stub=MODEL, name=NAME, files=[zoo.ONNX, *training, ("recipe", "recipe.md", recipe)])
    rows = {f"/{name}.jsonl": (asking / "data" / f"{name}.jsonl").read_bytes() for name in ("train", "validation")}
    with zoo.serving([served]) as there, files.serving(rows) as host:
        manifest = asking / "sparse.toml"
        text = manifest.read_text().replace('source = "recipe.yaml"', f'source = "zoo:{NAME}"')
        manifest.write_text(text.replace('= "data/', f'= "{host.url("/")}'))
        environment = {"SPARSEZOO_API_URL": there.url(""), "SSL_CERT_FILE": str(files.CERTIFICATE)}
        ran = process("run", "fetch", "--events", "jsonl", cwd=asking, **{**NOWHERE, **environment})
        assert ran.code == 0, ran.err
    locking = [e for e in map(json.loads, ran.out.splitlines()) if e["event"] == "Progress" and e["target"] == "lock"]
    assert {"bytes"} == {event["unit"] for event in locking}
    assert (asking / "data" / "train.jsonl").stat().st_size in {event["total"] for event in locking}
    lock = (asking / "sparse.lock").read_text()
    assert f'kind = "zoo-model"\nrequest = "zoo:{MODEL}"\nresolved = "zoo:{NAME}"\n' in lock
    assert there.url("") not in lock
    ran = process("run", "prepare", "--locked", cwd=asking, **NOWHERE)
    assert (ran.code, (asking / ".sparsebuild" / "prepare" / "labels.json").is_file()) == (0, True), ran.err
