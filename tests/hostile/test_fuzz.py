"""A slice of `fuzz.py`, and that it would see what it looks for."""

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fuzz
from readers import READERS

from sparsebuild.errors import UserError

CASES = int(os.environ.get("SPARSEBUILD_FUZZ", "3000"))  # of all readers together


@pytest.mark.parametrize("name", READERS)
def test_whatever_it_is_given_it_reads_or_refuses_in_words(name, tmp_path):
    counts, findings = fuzz.fuzz(name, 10 + CASES * READERS[name].share // 1000, "ci", tmp_path)
    assert findings == {}
    assert counts.total() >= 10


@pytest.mark.parametrize("name", READERS)
def test_its_samples_are_read(name, tmp_path):
    """Or harming them would only show how nonsense is refused."""
    reader = READERS[name]
    assert "read" in {fuzz.tried(reader.read, sample, tmp_path)[0] for sample in reader.samples()}


def broken(data, folder):
    raise KeyError("tokens")


def slow(data, folder):
    start = time.process_time()
    while time.process_time() - start < 0.2:
        pass


def babbling(data, folder):
    raise UserError("first\n" + "x" * 10)


def silent(data, folder):
    raise UserError(" ")


@pytest.mark.parametrize(
    ("read", "cause"),
    [
        (broken, "KeyError in test_fuzz.py:broken"),
        (slow, "it takes more than 0.1 s"),
        (silent, "its message is not one line: UserError"),
        (babbling, ""),  # `errors` makes it one line
    ],
)
def test_what_is_wrong_is_found(read, cause, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SLOWEST", 0.1)
    assert fuzz.tried(read, b"", tmp_path)[1] == cause
