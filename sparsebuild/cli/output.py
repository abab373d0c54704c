"""What commands write to stdout for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["write_document"]

SCHEMA_VERSION = 1  # of all documents of `--json`; raised when a key changes its meaning or goes


def write_document(data: Mapping[str, Any]) -> None:
    """Write one JSON document, `schema_version` first."""
    sys.stdout.write(json.dumps({"schema_version": SCHEMA_VERSION, **data}, indent=2, ensure_ascii=False) + "\n")
