"""What `fuzz.py` found once, and what was found beside it: each case is read or refused in words now."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fuzz
from readers import READERS, bundled_lock, parquet

DIGITS = b"9" * 5000

# The reader, the bytes, what becomes of them; and in a comment what became of them.
FINDINGS = {
    "a key of 250 parts": ("--set", b"t" + b".a" * 250 + b"=1", "refused"),  # ValueError: pydantic's own limit of depth
    "a key of 250 parts with a table": ("--set", b"t={" + b"a={" * 250 + b"}" * 251, "refused"),
    "digits in JSON lines": ("rows, JSON lines", b'{"tokens": [' + DIGITS + b"]}", "refused"),  # ValueError of `int`
    "digits in an array": ("rows, JSON", b'[{"tokens": [' + DIGITS + b"]}]", "refused"),
    "digits in a cell": ("rows, CSV", b'tokens,ner_tags\n"[' + DIGITS + b']","[]"\n', "refused"),
    "tags that are bytes": (  # TypeError of `json`, in the message about the tag
        "rows, Parquet",
        parquet([{"tokens": ["Ada"], "ner_tags": [b"O"]}]),
        "refused",
    ),
    "words that are bytes": ("rows, Parquet", parquet([{"tokens": [b"Ada"], "ner_tags": ["O"]}]), "refused"),
    "a line break in an address": ("hf address", b"org/\nname", "refused"),  # an error of two lines
    "a line break in a stub": ("zoo stub", b"a-b-c\r\nhint: x", "refused"),
    "a line break in a setting": ("--set", b"a\nhint: x", "refused"),
    "100 kB of address": ("hf address", b"org/name#" + b"a/" * 50_000, "refused"),  # an error of 100 kB
    "100 kB of number": ("recipe, YAML", b"x: " + b"9" * 100_000, "refused"),
    "a gate without its value": (  # KeyError in `status`
        "state",
        b'build/export/gate.json\n{"schema_version": 1, "gates": [{"name": "f1", "limit": ">= 1", "holds": true}]}',
        "read",
    ),
    "a memory of another shape": (  # TypeError in whatever opened the project
        "state",
        b'.sparsebuild/manifest.json\n{"sparsebuild": "0.1.0", "manifest": {"data": {">= 1": null}}}',
        "read",
    ),
    "a record of an endless time": ("record", b'{"format": 1, "seconds": 1e999}', "read"),
    "a lock of a recipe without files": (  # IndexError in `status`
        "lock",
        b'lock-version = 1\n[[source]]\nname = "recipe"\nkind = "https-recipe"\nrequest = "https://h/r"\nfiles = []\n',
        "refused",
    ),
    "a lock whose source is called like a path": (  # ValueError under `--frozen`
        "lock",
        bundled_lock().replace(b'name = "model"', b'name = "../../x"'),
        "refused",
    ),
}


@pytest.mark.parametrize(("reader", "data", "outcome"), FINDINGS.values(), ids=FINDINGS)
def test_what_was_found_once(reader, data, outcome, tmp_path):
    assert fuzz.tried(READERS[reader].read, data, tmp_path) == (outcome, "")
