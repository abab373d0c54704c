"""The largest and most tangled files that are read at all: a command on them ends soon, in little memory."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ground import CLI, misremembered

SECONDS, MEGABYTES = 10, 300  # of CPU

MANIFEST, RECIPE = CLI.MANIFEST.encode(), CLI.RECIPE.encode()
LOCKED = '{ path = "a%d", size = 1, sha256 = "' + "0" * 64 + '" },\n'


def labels(count):
    return MANIFEST.replace(b"max_length = 32", b"labels = [" + b'"x", ' * count + b"]")


def lock_of(files):
    listed = "".join(LOCKED % number for number in range(files))
    return f'lock-version = 1\n[[source]]\nname = "a"\nkind = "k"\nrequest = "r"\nfiles = [\n{listed}]\n'.encode()


def links(project):
    """Folders that lead into each other, and a pattern that asks for them in every way."""
    (project / "x").mkdir()
    for name, target in (("up", ".."), ("self", "."), ("root", "/")):
        (project / "x" / name).symlink_to(target)
    pattern = MANIFEST.replace(b"data/train.jsonl", b"x/**/*/**/*/**/*/**/*.rows")
    (project / "sparse.toml").write_bytes(pattern)


def shards(project):
    (project / "model" / "model.safetensors").unlink()
    named = {f"t{number}": f"m{number}.safetensors" for number in range(130_000)}
    (project / "model" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": named}))


def put(file, data):
    return lambda project: (project / file).write_bytes(data)


# What is done to the project, the command, its exit code.
CASES = {
    "a manifest of one array": (put("sparse.toml", MANIFEST + b"x = [" + b"1," * 240_000 + b"]"), "lock", 2),
    "a manifest of dotted keys": (
        put("sparse.toml", MANIFEST + b"".join(b"a.b%d.c.d.e=1\n" % n for n in range(30_000))),
        "lock",
        2,
    ),
    "a hundred thousand labels": (put("sparse.toml", labels(95_000)), "lock", 2),
    "50 MB of manifest": (put("sparse.toml", MANIFEST + b"x" * 50_000_000), "lock", 2),
    "a recipe of one list": (put("recipe.yaml", RECIPE + b"x:\n" + b"- 1\n" * 45_000), "lock", 0),
    "50 MB of recipe": (put("recipe.yaml", RECIPE + b"#" * 50_000_000), "lock", 2),
    "a lock of 36,000 files": (put("sparse.lock", lock_of(36_000)), "lock --check", 3),
    "a lock of merge marks": (put("sparse.lock", b"<<<<<<< a\n=======\n>>>>>>> b\n" * 120_000), "lock --check", 3),
    "a config of objects": (put("model/config.json", b"[" + b'{"a":1},' * 600_000 + b"1]"), "lock", 0),
    "20 MB of config": (put("model/config.json", b"[" + b'{"a":1},' * 2_500_000 + b"1]"), "lock", 2),
    "an index of 130,000 shards": (shards, "lock", 4),
    "a pattern through links in circles": (links, "lock", 2),
    "a pattern for all of the disk": (put("sparse.toml", MANIFEST.replace(b"data/train", b"/**/x")), "lock", 2),
    "rows without an end": (
        lambda project: [
            (project / "data" / "train.jsonl").unlink(),
            (project / "data" / "train.jsonl").symlink_to("/dev/zero"),
        ],
        "lock",
        2,
    ),
}


@pytest.mark.parametrize(("harm", "words", "code"), CASES.values(), ids=CASES)
def test_it_ends_soon_and_in_little_memory(costing, project, harm, words, code):
    harm(project)
    cost = costing(*words.split())
    assert cost.code == code, cost.err
    assert cost.seconds < SECONDS
    assert cost.megabytes < MEGABYTES


STATE = {
    "manifest.json": b"[" * 1_000_000,
    "records/prepare.json": b"[" + b"{}," * 1_000_000 + b"1]",
    "work/prepare/failed": b"x" * 50_000_000,
}


def test_what_a_project_brings_along_of_our_own_is_bounded_too(costing, project):
    many = b"".join(b'"%d": {},' % number for number in range(400_000))
    stats = misremembered(project / "data" / "train.jsonl", more=many)
    for name, data in {**STATE, "stats.json": stats}.items():
        path = project / ".sparsebuild" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (project / "build" / "eval").mkdir(parents=True)
    (project / "build" / "eval" / "metrics.json").write_bytes(b'{"schema_version": 1, "models": ' + b"[" * 10_000_000)
    cost = costing("status")
    assert (cost.code, cost.err) == (0, "")
    assert cost.seconds < SECONDS
    assert cost.megabytes < MEGABYTES
