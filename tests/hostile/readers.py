"""Every reader of what others wrote: good samples of it, and how it is read.

A reader gets bytes and a folder to work in. It may return, or raise one of our own errors; anything else is a finding.
"""

import atexit
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
sys.path.insert(0, str(Path(__file__).parent))
import harm
import hubs
from ground import CLI, STAND_INS, TESTS

from sparsebuild import bundle, recipe
from sparsebuild import lock as locks
from sparsebuild import manifest as manifests
from sparsebuild.engine import record as records
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.pipeline import recipe_facts
from sparsebuild.providers import Context, splits, weights, zoo_server
from sparsebuild.providers.archive import archive, chosen
from sparsebuild.providers.hf import HubRequest
from sparsebuild.providers.https import Address
from sparsebuild.providers.hub import Hub, Repository
from sparsebuild.providers.pypi import Package
from sparsebuild.providers.stubs import Stub
from sparsebuild.recipe.expression import ExpressionError, evaluate, names
from sparsebuild.resolve import requests
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.rows import DataFile
from sparsebuild.tasks.sentences import Columns, read_sentences


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One reader."""

    read: Callable[[bytes, Path], object]
    samples: Callable[[], list[bytes]]
    share: int  # of all cases, in thousandths; what is quick gets more
    words: list[bytes] = field(default_factory=list)  # that mean something to it


def put(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


def cases(pattern, *more):
    found = [path.read_bytes() for path in sorted((TESTS / "cases").glob(pattern))]
    return [*found, *(path.read_bytes() for glob in more for path in sorted(TESTS.parent.glob(glob)))]


def text_of(data):
    return data.decode(errors="surrogateescape").encode(errors="replace").decode()


# ---- documents


def read_manifest(data, folder):
    text = manifests.read_text(put(folder, "sparse.toml", data))
    for profile in ("", "quick") if "[profile.quick" in text else ("",):
        found = manifests.parse(text, profile=profile)
        requests(found)
        assert manifests.from_json(json.loads(json.dumps(manifests.to_json(found)))) == found


def read_setting(data, folder):
    """A `--set` over a good manifest."""
    text = (TESTS / "cases/manifests/good/smallest.toml").read_text()
    said = text_of(data).replace("\0", "")  # which no command line can hold
    requests(manifests.parse(text, settings=[said]))


def read_lock(data, folder):
    try:
        found = locks.read(put(folder, "sparse.lock", data))
    except locks.MergeMarkers as conflict:
        if len(conflict.sides) == 2:
            locks.differences(*conflict.sides)
        raise
    assert locks.parse(locks.text(found)) == found
    for source in found.sources:
        assert not locks.names_fault(file.path for file in source.files)
        locks.line_of(found, source.name, source.files[0].path if source.files else "")


def read_recipe(name):
    def read(data, folder):
        document = recipe.read(text_of(data), name)
        resolved = recipe.resolve(document)
        recipe_facts(resolved, recipe.places(document, resolved, {}))

    return read


def read_expression(data, folder):
    text = f"eval({text_of(data)})"
    try:
        names(text)
        found = evaluate(text, {"x": 2, "y": 0.5, "name": "a", "many": (1, 2)})
    except ExpressionError as error:
        if "\n" in str(error) or len(str(error)) > 500:
            raise
        return
    assert isinstance(found, int | float | str | tuple)


def samples_of_locks():
    good = """# Written by sparsebuild; commit it. To resolve a merge conflict run `sparsebuild lock`.
lock-version = 1

[[source]]
name = "data.train"
kind = "hf-data"
request = "hf:org/rows?split=train"
resolved = "hf:org/new@main"
commit = "0123456789abcdef0123456789abcdef01234567"
licence = "mit"
labels."ner_tags" = ["O", "B-PER"]
files = [
  { path = "a.jsonl", size = 3, sha256 = "SHA" },
  { path = "b/c.jsonl", size = 4, sha256 = "SHA", later = [1, { x = 2 }] },
]

[[source]]
name = "model"
kind = "pypi-model"
request = "pypi:a==1"
version = "1"
trust = "pickle"
later = 07:30:00
files = [
  { path = "config.json", size = 0, sha256 = "SHA" },
]
""".replace("SHA", "0123456789abcdef" * 4)
    ours, theirs = good.split("\n\n", 1)
    conflict = f"{ours}\n\n<<<<<<< a\n{theirs}||||||| c\n=======\n{theirs}>>>>>>> b\n"
    return [good.encode(), conflict.encode()]


# ---- rows


def read_rows(name, form=""):
    def read(data, folder):
        file, told = DataFile(path=put(folder, name, data), name=name, format=form), [Complaints(), Complaints()]
        columns = Columns(text="tokens", labels="ner_tags")
        for declared, complaints in zip((None, ["O", "B-PER", "I-PER"]), told, strict=True):
            for sentence in read_sentences([file], columns, declared, complaints):
                assert len(sentence.words) == len(sentence.tags) > 0
        min(told, key=len).raise_if_any()

    return read


ROWS = (
    '{"tokens": ["Ada", "é", "\\u00e9"], "ner_tags": ["B-PER", "O", "I-PER"]}\n\n{"tokens": ["it"], "ner_tags": [0]}\n'
)
CONLL = "-DOCSTART- -X- O\n\n# a comment\nAda NNP B-PER\nLovelace NNP I-PER\n\nit\tPRP\tO\n"
CSV = 'id,tokens,ner_tags\r\n1,"[""Ada"", ""it""]","[""B-PER"", ""O""]"\r\n2,"[""x""]","[0]"\r\n'
JSON = "[\n" + ROWS.strip().replace("\n", ",\n") + "\n]\n"


def parquet(rows, names=()):
    """Rows as `datasets` writes them, with its description of their features in the file."""
    import pyarrow as pa
    from pyarrow import parquet

    feature = {"feature": {"names": list(names), "_type": "ClassLabel"}, "_type": "Sequence"}
    table = pa.table({key: [row[key] for row in rows] for key in rows[0]})
    about = {"huggingface": json.dumps({"info": {"features": {"ner_tags": feature}}})} if names else None
    buffer = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata(about), buffer)
    return buffer.getvalue()


def samples_of_parquet():
    named = [{"tokens": row["tokens"], "ner_tags": [hubs.LABELS[tag] for tag in row["ner_tags"]]} for row in hubs.ROWS]
    return [parquet(hubs.ROWS, hubs.LABELS), parquet(named)]


def zstd(text):
    import zstandard

    return zstandard.ZstdCompressor().compress(text.encode())


# ---- requests


def read_hub_request(data, folder):
    HubRequest.parse("hf:" + text_of(data)).repository("data")


def read_stub(data, folder):
    stub = Stub.parse("zoo:" + text_of(data))
    stub.is_folder(stub.name)
    zoo_server._query(stub.arguments)


def read_address(data, folder):
    Address.parse("https:" + text_of(data))


def read_package(data, folder):
    found = Package.parse("pypi:" + text_of(data))
    assert not found.requirement.startswith("-")


# ---- archives and models


NAMES = "m/config.json\nm/vocab.txt\nm/model.safetensors\nREADME.md"
PARTS = [
    b"../",
    b"/",
    b"a/../b",
    b"./",
    b"A/",
    b"M/config.json",
    b"con",
    b"C:",
    b"\\\\h\\x",
    "é".encode(),
    "e\u0301".encode(),
]


def read_archive(data, folder):
    with archive(put(folder, "it", data), "`it`", folder) as found:
        for name in found.sizes:
            assert not locks.path_fault(name)
            with found.open(name) as stream:
                while stream.read(1 << 20):
                    pass
        chosen(found.sizes, "m", "model", "`it`")


def read_members(make):
    """An archive whose members have the names that stand in the lines of a text."""

    def read(data, folder):
        names = [line or "x" for line in text_of(data).split("\n")[:200]]
        try:
            packed = make((name, b"{}") for name in names)
        except (ValueError, UnicodeError, OverflowError):  # a name that no archive can hold
            return
        read_archive(packed, folder)

    return read


def read_bundle(data, folder):
    """The bundle as it is, or with its head harmed: its first member is `bundle.json`, whose size is then put right."""
    with tempfile.TemporaryDirectory(dir=folder) as there:
        into = Path(there, "into")
        into.mkdir()
        context = Context(
            root=into, store=Store(Path(there, "store")), digests=StatCache(Path(there, "stats")), temporary=into / "t"
        )
        bundle.unpack(put(Path(there), "it.tar", data), into, context)


def samples_of_bundles():
    files = {"project/sparse.toml": MANIFEST, "project/sparse.lock": bundled_lock()}
    head = {"bundle-version": 1, "files": {n.removeprefix("project/"): _sha256(d) for n, d in files.items()}}
    objects = {f"objects/{_sha256(data)}": data for data in OBJECTS}
    return [harm.a_tar([("bundle.json", json.dumps(head, indent=1).encode()), *objects.items(), *files.items()])]


MANIFEST = b"""[project]
name = "a"
[model]
source = "pypi:a==1"
[data]
train = "pypi:b==1"
validation = "pypi:c==1"
"""
OBJECTS = (b"one", b"two", b"three")


def bundled_lock():
    """The lock that answers `MANIFEST`."""
    asked = requests(manifests.parse(MANIFEST.decode()))
    sources = [
        locks.LockedSource(
            name=request.name,
            kind=request.kind,
            request=request.source,
            version="1",
            files=(locks.LockedFile(path="x", size=len(data), sha256=_sha256(data)),),
        )
        for request, data in zip(asked, OBJECTS, strict=True)
    ]
    return locks.text(locks.Lock(sources=tuple(sources))).encode()


def _sha256(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


def read_bundle_parts(data, folder):
    """A bundle whose table, manifest or lock is harmed; the other parts and the digests fit."""
    lines = data.split(b"\n=====\n", 2)
    names = ("bundle.json", "project/sparse.toml", "project/sparse.lock")
    parts = {name: lines[number] if number < len(lines) else b"" for number, name in enumerate(names)}
    for name, part in list(parts.items())[1:]:
        parts["bundle.json"] = parts["bundle.json"].replace(name[8:].upper().encode(), _sha256(part).encode())
    objects = {f"objects/{_sha256(data)}": data for data in OBJECTS}
    read_bundle(harm.a_tar([*parts.items(), *objects.items()]), folder)


def samples_of_bundle_parts():
    head = {"bundle-version": 1, "files": {"sparse.toml": "SPARSE.TOML", "sparse.lock": "SPARSE.LOCK"}}
    return [b"\n=====\n".join([json.dumps(head).encode(), MANIFEST, bundled_lock()])]


def read_config(data, folder):
    weights.refuse_code("config.json", data)


def read_index(data, folder):
    there = {"config.json", "model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors"}
    found = weights.needed(there, "", lambda name: data)
    assert set(found) <= there


def read_safetensors(data, folder):
    from sparsebuild.lock import LockedSource

    source = LockedSource(name="model", kind="file-model", request="file:m", files=())
    weights._check_safetensors(put(folder, "model.safetensors", data), source)


# ---- what servers answer


def read_card(data, folder):
    card = splits.read_card(text_of(data))
    paths = ["data/train-00000.parquet", "dev.jsonl", "data/test.csv", "b/x.json", "README.md"]
    found = splits.pick(paths, card, "a" if b"config_name: a" in data else "", "train")
    assert set(found.files) <= set(paths)


CARD = b"""---
configs:
- config_name: a
  data_dir: data
  data_files:
  - split: train
    path: ['**/*.csv', '*.jsonl']
---
"""


def read_zoo_answer(data, folder):
    if (answer := json_or_none(data)) is None:
        return
    before = zoo_server.post_json
    zoo_server.post_json = lambda *_: answer
    os.environ["SPARSEZOO_API_URL"] = "https://zoo.example"
    try:
        context = Context(root=folder, store=None, digests=None, temporary=folder)
        zoo_server.ask(Stub.parse("zoo:obert-base-x-pruned90"), context)
    finally:
        zoo_server.post_json = before
        del os.environ["SPARSEZOO_API_URL"]


ZOO_ANSWER = {
    "data": {
        "models": [
            {
                "modelId": "1",
                "repoName": "obert-base-x-pruned90",
                "files": [
                    {"displayName": "recipe.md", "downloadUrl": "https://zoo.example/a", "fileType": "recipe"},
                    {"displayName": "config.json", "downloadUrl": "/b", "fileSize": 3, "fileType": "training"},
                    {"displayName": "model.onnx", "downloadUrl": "/c", "fileSize": None, "fileType": "deployment"},
                ],
            }
        ]
    }
}  # fmt: skip


def read_hub_answer(data, folder):
    from huggingface_hub import DatasetInfo

    if (answer := json_or_none(data)) is None:
        return
    hub = Hub(lambda sentence: None)
    hub._tried = lambda *_: DatasetInfo(**answer)
    found = hub.listing(Repository(kind="dataset", name="a/b"), "main")
    splits.pick(found.files, splits.Card(), "", "")


HUB_ANSWER = {
    "id": "a/b",
    "sha": "0" * 40,
    "cardData": {"license": "mit"},
    "siblings": [
        {"rfilename": "train.jsonl", "size": 3, "blobId": "1" * 40},
        {"rfilename": "dev.parquet", "blobId": "2", "lfs": {"size": 9, "sha256": "0" * 64, "pointerSize": 1}},
    ],
}  # fmt: skip


def json_or_none(data):
    """What is no JSON never comes so far: those who ask the server refuse it."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


# ---- what a project brings along of our own


class Brought:
    """A project that was built elsewhere, whose state and figures a stranger may have edited."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="brought-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        CLI.write_project(self.folder, CLI.NO_TENSORS)
        command = [sys.executable, STAND_INS, "run", "--set", "train.seed=3"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        command[2:] = ["run"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        state = (self.folder / ".sparsebuild").rglob("*.json")
        found = [*state, *self.folder.glob("build/*/*.json"), *self.folder.glob("*.lock"), *self.folder.glob("*.yaml")]
        self.files = {path: path.read_bytes() for path in sorted(found) if "model" not in path.parts}


_BROUGHT = []


def brought():
    if not _BROUGHT:
        _BROUGHT.append(Brought())
    return _BROUGHT[0]


def samples_of_state():
    project = brought()
    return [str(path.relative_to(project.folder)).encode() + b"\n" + data for path, data in project.files.items()]


def samples_of_records():
    return [data for path, data in brought().files.items() if path.parent.name == "records"]


def read_state(data, folder):
    from sparsebuild.cli import measured, results
    from sparsebuild.cli.forecast import estimate, forecast
    from sparsebuild.cli.project import graph, open_project
    from sparsebuild.ui import results as drawn
    from sparsebuild.ui import standing

    project = brought()
    name, _, harmed = data.partition(b"\n")
    path = project.folder / text_of(name)
    if path not in project.files:
        return
    path.write_bytes(harmed)
    try:
        opened = open_project(project.folder)
        decisions = forecast(opened)
        standing.show_all(decisions, estimate(decisions), io.StringIO())
        for decision in decisions:
            standing.show_one(decision, io.StringIO())
        drawn.show(results.read(opened.layout, ("eval", "export", "gate")), io.StringIO())
        measured.left_here(opened, graph(opened))
    finally:
        path.write_bytes(project.files[path])


def read_record(data, folder):
    put(folder, "a.json", data)
    records.read(folder, "a")


READERS = {
    "manifest": Reader(
        read=read_manifest,
        samples=lambda: cases("manifests/*/*.toml", "templates/*/sparse.toml", "examples/*/sparse.toml"),
        share=40,
    ),
    "--set": Reader(
        read=read_setting,
        samples=lambda: [b"train.seed=3", b'data."a b".c = ["x", 1]', b'teacher={source="disable"}', b"gate.f1=>= 0.4"],
        share=60,
        words=[b"train.", b"data.labels", b"recipe.args.x", b"profile.", b"sources.zoo", b"model.source"],
    ),
    "lock": Reader(read=read_lock, samples=samples_of_locks, share=80),
    "recipe, YAML": Reader(
        read=read_recipe("r.yaml"),
        samples=lambda: cases("recipes/*/*.yaml", "templates/*/recipes/*.yaml"),
        share=50,
        words=[b"eval(", b"__ALL_PRUNABLE__", b"modifiers:", b"!EpochRangeModifier", b"<<: *a", b"&a "],
    ),
    "recipe, Markdown": Reader(
        read=read_recipe("r.md"),
        samples=lambda: [*cases("recipes/*/*.md"), *(b"---\n" + c + b"---\n" for c in cases("recipes/good/*.yaml"))],
        share=20,
    ),
    "expression": Reader(
        read=read_expression,
        samples=lambda: [b"x * (1 + y)", b"min(x, 2) + max(1, y)", b"round(x / 3, 2) ** -2 // 1 % 7", b"name"],
        share=180,
        words=[b"x", b"y", b"name", b"many", b"min(", b"round(", b"**", b".__class__", b" if x else ", b"[0]"],
    ),
    "rows, JSON lines": Reader(read=read_rows("a.jsonl"), samples=lambda: [ROWS.encode()], share=60),
    "rows, JSON": Reader(read=read_rows("a.json"), samples=lambda: [JSON.encode(), ROWS.encode()], share=50),
    "rows, CSV": Reader(read=read_rows("a.csv"), samples=lambda: [CSV.encode()], share=50),
    "rows, CoNLL": Reader(read=read_rows("a.conll", "conll"), samples=lambda: [CONLL.encode()], share=60),
    "rows, any": Reader(
        read=read_rows("a"), samples=lambda: [t.encode() for t in (ROWS, JSON, CSV, CONLL)], share=20
    ),
    "rows, gzip": Reader(
        read=read_rows("a.jsonl.gz"), samples=lambda: [harm.packed(t.encode()) for t in (ROWS, ROWS * 9)], share=15
    ),
    "rows, zstd": Reader(read=read_rows("a.jsonl.zst"), samples=lambda: [zstd(ROWS), zstd(ROWS * 9)], share=15),
    "rows, Parquet": Reader(
        read=read_rows("a.parquet"), samples=samples_of_parquet, share=20
    ),
    "zoo stub": Reader(
        read=read_stub,
        samples=lambda: [
            b"nlp/token_classification/obert-base/pytorch/huggingface/conll2003/pruned90_quant-none?recipe=a",
            b"obert-base-wikipedia_bookcorpus-pruned90?recipe_type=original&checkpoint=preqat",
        ],
        share=70,
    ),
    "hf address": Reader(
        read=read_hub_request,
        samples=lambda: [b"org/name@main?config=a&split=train#folder/in", b"datasets/org/name@0123", b"conll2003"],
        share=60,
    ),
    "https address": Reader(
        read=read_address,
        samples=lambda: [b"//host.example:8443/a/b.tar.gz?v=1#folder/in", b"//h/x#sha256=" + b"0" * 64 + b"&a/b"],
        share=40,
    ),
    "pypi package": Reader(read=read_package, samples=lambda: [b"name==1.0#a/b", b"name", b"a-b.c==1!2+x"], share=20),
    "zip": Reader(
        read=read_archive,
        samples=lambda: [harm.a_zip([("m/config.json", b"{}"), ("m/a.safetensors", b"x" * 50)]), harm.a_zip([])],
        share=15,
        words=[b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"\xff\xff\xff\xff"],
    ),
    "tar": Reader(
        read=read_archive,
        samples=lambda: [harm.a_tar([("m/config.json", b"{}"), ("b" * 120, b"x" * 600)])],
        share=10,
        words=[b"ustar", b"00000000000", b"77777777777", b"\x80\0\0\0\0\0\0\xff"],
    ),
    "tar, packed": Reader(
        read=read_archive,
        samples=lambda: [harm.a_tar([("m/config.json", b"{}")], "w:gz"), zstd("x" * 99)],
        share=8,
    ),
    "members of a zip": Reader(read=read_members(harm.a_zip), samples=lambda: [NAMES.encode()], share=20, words=PARTS),
    "members of a tar": Reader(read=read_members(harm.a_tar), samples=lambda: [NAMES.encode()], share=20, words=PARTS),
    "bundle": Reader(read=read_bundle, samples=samples_of_bundles, share=5),
    "bundle, parts": Reader(read=read_bundle_parts, samples=samples_of_bundle_parts, share=5),
    "model config": Reader(
        read=read_config,
        samples=lambda: [hubs.CONFIG, b'{"auto_map": {"AutoModel": "a.B"}, "_attn_implementation": "eager", "x": []}'],
        share=30,
        words=[b'"auto_map"', b'"_attn_implementation"', b'"trust_remote_code"'],
    ),
    "shard index": Reader(
        read=read_index,
        samples=lambda: [b'{"metadata": {}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'],
        share=30,
    ),
    "safetensors": Reader(
        read=read_safetensors, samples=lambda: [hubs.safetensors(), hubs.safetensors(tensors=3, size=8)], share=30
    ),
    "dataset card": Reader(
        read=read_card,
        samples=lambda: [hubs.CARD.encode(), CARD],
        share=12,
        words=[b"configs:\n", b"data_files: ", b"data_dir: ", b"dataset_info: ", b"features: ", b"names: "],
    ),
    "zoo answer": Reader(read=read_zoo_answer, samples=lambda: [json.dumps(ZOO_ANSWER, indent=1).encode()], share=12),
    "Hub answer": Reader(read=read_hub_answer, samples=lambda: [json.dumps(HUB_ANSWER, indent=1).encode()], share=12),
    "record": Reader(read=read_record, samples=samples_of_records, share=10),
    "state": Reader(read=read_state, samples=samples_of_state, share=6),
}  # fmt: skip
