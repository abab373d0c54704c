"""`sparsebuild log`: what the last try at a target said."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsebuild.cli.options import Json, ProjectFolder

__all__ = ["log"]


def log(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="As in `status`; `fetch` names every `fetch@…`.")],
    project: ProjectFolder = Path(),
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", metavar="N", min=0, help="Only the last N lines of each.")
    ] = None,
    path: Annotated[bool, typer.Option("--path", help="Print where the file is, and not what it says.")] = False,
    as_json: Json = False,
) -> None:
    """Print the log of the last try at TARGET, whether it was built or failed."""
    from sparsebuild.cli.output import write_document

    # Not by the graph: a log is wanted most when something is wrong, which may be sparse.toml.
    found = _reached(target, project) if target.endswith("+") else _named(target, _logs(project))
    if path:
        sys.stdout.write("".join(f"{file}\n" for file in found.values()))
        return
    told = {name: _tail(file, lines) for name, file in found.items()}
    if as_json:
        write_document({"targets": [_document(name, found[name], project, told[name]) for name in found]})
        return
    for name, said in told.items():
        heading = [f"==> {name} <=="] if len(told) > 1 else []
        sys.stdout.write("".join(f"{line}\n" for line in [*heading, *said]))


def _logs(project: Path) -> dict[str, Path]:
    """The logs of a project, by target."""
    from sparsebuild.engine.work import log_file
    from sparsebuild.layout import ProjectLayout

    files = sorted(log_file(ProjectLayout(project), "any").parent.glob("*.log"))
    return {file.name.removesuffix(".log"): file for file in files if file.is_file() and not file.is_symlink()}


def _named(target: str, logs: Mapping[str, Path]) -> dict[str, Path]:
    """The logs that `target` names, as `Graph.named` would."""
    from sparsebuild.engine.graph import matches
    from sparsebuild.errors import UserError
    from sparsebuild.registry import did_you_mean

    found = {name: path for name, path in logs.items() if matches(name, target)}
    if not found:
        known = f"there are logs of: {', '.join(logs)}" if logs else "a log is written when a target is built"
        raise UserError(f"there is no log of `{target}`", hint=did_you_mean(target, logs) or known)
    return {target: found[target]} if target in found else found


def _reached(target: str, project: Path) -> dict[str, Path]:
    """The logs of a target and of what needs it, which the graph alone knows."""
    from sparsebuild.cli.forecast import known
    from sparsebuild.cli.project import graph, open_project

    logs = _logs(project)
    found = {name: logs[name] for name in graph(known(open_project(project))).named(target) if name in logs}
    return found or _named(target, logs)


def _tail(file: Path, lines: int | None) -> Sequence[str]:
    """The last lines of a log, harmless to a terminal. Of a line that was written over, as bars are, the last state."""
    from sparsebuild.ui.inert import inert

    text = file.read_bytes().decode(errors="replace")  # reading as text would make a line of each state
    told = [inert(line.rstrip("\r").rpartition("\r")[2]) for line in text.split("\n")]
    told = told[:-1] if told[-1] == "" else told
    return told if lines is None else told[max(len(told) - lines, 0) :]


def _document(name: str, file: Path, project: Path, lines: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "path": file.relative_to(project).as_posix(), "lines": list(lines)}
