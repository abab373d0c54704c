"""ui/tree.py: what a source is pinned to, and what is still to be brought."""

import io

from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.ui import tree


def test_a_source_tells_its_pin_its_licence_and_what_is_to_download():
    files = tuple(LockedFile(path=f"{k:02}.json", size=1000, sha256="a" * 64) for k in range(22))
    locked = LockedSource(
        name="model", kind="hf-model", request="hf:org/name@main", commit="c0ffee", licence="mit\x1b[2J", files=files
    )
    stream = io.StringIO()
    tree.show([tree.Source(locked=locked, used_by=("prepare", "train"), absent=3000)], stream)
    lines = stream.getvalue().splitlines()
    assert lines[:5] == [
        "model  hf:org/name@main",
        "├── commit c0ffee",
        "├── licence mit",
        "├── 22 files, 22.0 kB, 3.0 kB to download",
        "│   ├── 00.json  1.0 kB",
    ]
    assert lines[-3:] == [
        "│   └── and 2 more; `--json` names all",
        "└── used by prepare, train",
        "1 source, 22 files, 22.0 kB",
    ]
