"""What would be published: the files of a `hub/` folder, or every reason why not.

Nothing leaves that was not built: no file beside ours, no link, no byte that the statement of provenance does not tell
of, and nothing that looks like a secret, wherever it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sparsebuild.errors import Problem, UserError
from sparsebuild.shipping import provenance
from sparsebuild.shipping.folder import NAMES

__all__ = ["Item", "pack"]

_LEFTOVERS = re.compile(
    r"\.ipynb_checkpoints|.*\.ipynb|__pycache__|.*\.pyc|\.env.*|\.git|\.netrc|\.DS_Store|Thumbs\.db|.*\.(swp|orig|bak)|.*~"
)
# What has the form of a secret. A hash in hex has none of these forms.
_SECRETS = {
    "a token of the Hugging Face Hub": rb"\b(?:hf|api_org)_[A-Za-z0-9]{30,}",
    "a token of GitHub": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    "a key of AWS": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a key of Google": rb"\bAIza[0-9A-Za-z_-]{35}",
    "a token of Slack": rb"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "a key of OpenAI or Anthropic": rb"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,}",
    "a private key": rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a password in an address": rb"[a-z][a-z0-9+.-]*://[^\s/:@\"']+:[^\s/@\"']+@",
}
_TEXT = (".json", ".md", ".txt", ".lock", ".yaml")
_LARGEST_TEXT = 50_000_000  # bytes that are looked through


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file that travels."""

    path: str  # in the repository
    source: Path
    size: int  # bytes


def pack(folder: Path) -> tuple[Item, ...]:
    """All files of `folder`, the statement last; UserError with everything that keeps them from being published."""
    problems = [*_strangers(folder)]
    if not problems:
        differences = provenance.compare(folder, provenance.read(folder))
        problems = [Problem(message=f"`{d.path}` is {d.what}: it is not what was built") for d in differences]
    names = [*provenance.files_below(folder), provenance.FILE_NAME]
    problems += [p for name in names if not (folder / name).is_symlink() for p in _secrets(folder / name, name)]
    if problems:
        raise UserError(*problems)
    return tuple(Item(path=name, source=folder / name, size=(folder / name).stat().st_size) for name in names)


def _strangers(folder: Path) -> Iterator[Problem]:
    """What nobody built."""
    for name in provenance.files_below(folder):
        if (folder / name).is_symlink() or not (folder / name).is_file():
            yield Problem(message=f"`{name}` is not a plain file", hint="remove it")
        elif name not in NAMES:
            left = next((part for part in PurePosixPath(name).parts if _LEFTOVERS.fullmatch(part)), "")
            what = f"`{name}` is a leftover" if left else f"`{name}` is no file of a build"
            yield Problem(message=f"{what}, and would be published", hint="move it elsewhere, or remove it")


def _secrets(path: Path, name: str) -> Iterator[Problem]:
    if path.suffix not in _TEXT or not path.is_file() or path.stat().st_size > _LARGEST_TEXT:
        return
    data = path.read_bytes()
    for what, form in _SECRETS.items():
        if found := re.search(form, data):
            line = data.count(b"\n", 0, found.start()) + 1
            yield Problem(
                message=f"`{name}` holds what looks like {what}, in line {line}",
                hint="take it out of sparse.toml, or of the source that it came with, renew it, and build again",
            )
