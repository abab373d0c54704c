"""What is said when the fault is ours: a report in a file, its path on the screen."""

from __future__ import annotations

import platform
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sparsebuild import __version__
from sparsebuild.concealed import concealed
from sparsebuild.layout import ProjectLayout

__all__ = ["message", "write_report"]


def write_report(bug: BaseException, arguments: Sequence[str]) -> Path:
    """Write what a developer needs to `.sparsebuild/` of the project that we stand in, or else to a temporary file."""
    text = concealed(_report(bug, arguments)).encode(errors="backslashreplace")
    name = f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}.txt"
    try:
        state = ProjectLayout(Path.cwd()).state
        if state.is_symlink():  # it could lead anywhere
            raise NotADirectoryError
        with (state / name).open("xb") as new:
            new.write(text)
        return state / name
    except OSError:
        with tempfile.NamedTemporaryFile(prefix="sparsebuild-", suffix=f"-{name}", delete=False) as file:
            file.write(text)
        return Path(file.name)


def message(bug: BaseException, report: Path) -> str:
    """The few lines on the screen."""
    return (
        f"error: sparsebuild failed with {type(bug).__name__}; the fault is ours\n"
        f"\nhint: what happened is written in {report}; please attach it to a bug report"
    )


def _report(bug: BaseException, arguments: Sequence[str]) -> str:
    told = "".join(traceback.format_exception(bug))
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return f"sparsebuild {__version__}, {python}\narguments: {list(arguments)!r}\n\n{told}"
