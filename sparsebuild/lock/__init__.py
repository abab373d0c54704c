"""The lock: `sparse.lock`, what was decided about each source, as values."""

from sparsebuild.lock.differences import Difference, differences
from sparsebuild.lock.document import (
    Lock,
    LockedFile,
    LockedSource,
    MergeMarkers,
    each,
    line_of,
    names_fault,
    parse,
    path_fault,
    read,
    text,
    write,
)

__all__ = [
    "Difference",
    "Lock",
    "LockedFile",
    "LockedSource",
    "MergeMarkers",
    "differences",
    "each",
    "line_of",
    "names_fault",
    "parse",
    "path_fault",
    "read",
    "text",
    "write",
]
