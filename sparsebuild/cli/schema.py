"""`sparsebuild schema`: the JSON Schema of sparse.toml, for editors."""

from __future__ import annotations

import json
import sys

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of sparse.toml, with which editors complete and check it."""
    from sparsebuild import manifest

    sys.stdout.write(json.dumps(manifest.schema(), indent=2, ensure_ascii=False) + "\n")
