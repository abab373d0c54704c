"""What counts as a change, and what never does. This table is the law.

What counts                   why
----------------------------  ------------------------------------------------------------------------------------
step                          another step is other work
version of the step           its meaning changed; whoever changes what a step leaves raises it
params                        the settings that this step reads, and no others: `[export]` is not among `train`'s.
                              A setting at its default is left out by whoever makes the action, so that a new option
                              with a default reruns nothing. 1, 1.0 and true are three values
inputs, by name               the names and bytes of the files that are read, not how they came to be: the same rows
                              from another `prepare` leave `train` fresh (early cut-off); other files of the same
                              upstream action do not count
sources, by name              the bytes that the lock pinned, and their names
libraries, at major.minor     the step's meaning rests on them; a patch release is trusted to keep it

What never does               why
----------------------------  ------------------------------------------------------------------------------------
the action's name, its        the same question under another name has the same answer, and finds it in the store;
folder, its upstream's name   so a step may not let its name or a path shape what it writes
origins ("sparse.toml:12")    moving a line changes nothing; a comment reruns nothing
what is told beside params    how many checkpoints are kept, who watches: no result depends on it
where it runs                 inline or in a worker, on which host or device, with how many workers, what it shares
                              with others, whether it is exact to the bit, or built on demand: not the question
mtimes, inodes, owners        `touch` changes nothing; they only spare us hashing, see `stat_cache.py`
absolute paths, environment   projects move; what a step needs it is given
notes, seconds                facts about one try
files that somebody adds      steps read by name; a stray file in `build/` is not ours to judge, and stays there
to an output folder           when the target is built again
empty folders                 outputs are files
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsebuild.digest import value_digest
from sparsebuild.engine.action import JSON, Action, Source

__all__ = ["document", "fingerprint"]


def document(action: Action, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The question that `action` answers, as JSON; `inputs` are the digests of what it reads, by the input's name."""
    return {
        "step": action.step,
        "version": action.version,
        "params": action.params,
        "inputs": dict(inputs),
        "sources": {name: _source(source) for name, source in action.sources.items()},
        "libraries": action.libraries,
    }


def fingerprint(document: Mapping[str, JSON]) -> str:
    """The identity of a question."""
    return value_digest(document)


def _source(source: Source) -> JSON:
    return source if isinstance(source, str) else {file.path: file.sha256 for file in source}
