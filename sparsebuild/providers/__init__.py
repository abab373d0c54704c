"""Where sources come from: one file a scheme. `fetch` puts what the lock promises into a folder."""

from __future__ import annotations

from pathlib import Path

from sparsebuild.engine.store import Missing
from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedSource
from sparsebuild.providers.base import Context, NoSuchSplit, Provider, Resolution, Want, not_here
from sparsebuild.registry import did_you_mean, load

__all__ = [
    "KEEPS_COPIES",
    "LOCAL",
    "PROVIDERS",
    "Context",
    "NoSuchSplit",
    "Provider",
    "Resolution",
    "Want",
    "ensure",
    "fetch",
    "provider",
    "scheme_of",
]

PROVIDERS: dict[str, str] = {
    "builtin": "sparsebuild.providers.builtin:BuiltinProvider",
    "file": "sparsebuild.providers.file:FileProvider",
    "hf": "sparsebuild.providers.hf:HfProvider",
    "https": "sparsebuild.providers.https:HttpsProvider",
    "pypi": "sparsebuild.providers.pypi:PypiProvider",
    "zoo": "sparsebuild.providers.zoo:ZooProvider",
}

# Asked every time, since asking is cheap, needs no network, and the answer can change under one request.
LOCAL = frozenset({"file"})

# Their files may lie in a cache of another program on this machine, or in our package: no network is needed to look.
KEEPS_COPIES = frozenset({"builtin", "hf", "zoo"})


def provider(request: str) -> Provider:
    """The provider for a request; raises UserError for an unknown scheme."""
    scheme = scheme_of(request)
    if scheme == "http":
        hint = "write `https:`; over `http:` anyone on the way could change what arrives"
        raise SourceUnavailable("`http:` sources are not taken", hint=hint)
    if scheme not in PROVIDERS:
        raise UserError(
            f"unknown scheme `{scheme}:` in `{request}`",
            hint=did_you_mean(scheme, PROVIDERS) or f"there are: {', '.join(f'{name}:' for name in sorted(PROVIDERS))}",
        )
    found: Provider = load(PROVIDERS[scheme])()
    return found


def scheme_of(request: str) -> str:
    """The scheme of a request, which is always written out."""
    return request.partition(":")[0]


def ensure(source: LockedSource, context: Context) -> None:
    """Have every file of the source in the store, bringing those that are not there."""
    missing = [file for file in source.files if not context.store.has(file.sha256)]
    if missing and context.offline and scheme_of(source.request) not in LOCAL | KEEPS_COPIES:
        raise not_here(source, missing)
    if missing:
        provider(source.request).bring(source, missing, context)


def fetch(source: LockedSource, destination: Path, context: Context) -> None:
    """Put the source's files under `destination`: copies, checked against the lock.

    Raises SourceUnavailable when a file can no longer be had and HashMismatch when it has become another. Of a model's
    files a pickle becomes safetensors, and what would run code is refused.
    """
    ensure(source, context)
    total, done = sum(file.size for file in source.files), 0
    lost = []
    for file in source.files:
        try:
            context.store.copy_to(file.sha256, destination / file.path)
        except Missing:  # rotten and thrown away, or gone since
            lost.append(file)
        done += file.size
        context.progress(done, total, "bytes")
    if lost:
        ensure(source, context)
    for file in lost:
        context.store.copy_to(file.sha256, destination / file.path)
    if source.kind.endswith("-model"):
        from sparsebuild.providers.weights import make_safe

        make_safe(destination, source, context)
