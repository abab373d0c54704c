"""__main__.py and cli/startup.py: starting at once changes nothing that anyone can see."""

import subprocess
import sys

import pytest

VALUE = """
import dataclasses, sys
from sparsebuild.__main__ import compile_methods_when_called
compile_methods_when_called()
from sparsebuild.engine.action import File
one, same, other = (File(path=path, size=1, sha256="s") for path in "aab")
assert one == same and one != other and hash(one) == hash(same) and len({one, same, other}) == 2
assert one != (1, 2) and repr(one) == "File(path='a', size=1, sha256='s')" and repr(one) == repr(one)
for spoil in (lambda: setattr(one, "size", 2), lambda: delattr(one, "size")):
    try:
        spoil()
    except dataclasses.FrozenInstanceError:
        continue
    sys.exit("it could be changed")
"""


def test_values_are_values_though_their_methods_come_late():
    done = subprocess.run([sys.executable, "-c", VALUE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--show", "loud"], "'loud' is not one of 'auto', 'live', 'plain', 'jsonl', 'quiet'"),
        (["log", "train", "-n", "many"], "Invalid value for"),
        (["statsu"], "Did you mean 'status'?"),
    ],
)
def test_what_was_meant_is_asked_for(words, told, sparsebuild):
    ran = sparsebuild(*words)
    assert (ran.code, ran.out) == (2, "")
    assert told in " ".join(ran.err.split())
