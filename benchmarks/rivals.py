"""The same pipeline for make, ninja, doit and DVC: the files that they read, and how they are called."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measure import cost
from pipelines import Stage, pipeline

__all__ = ["OURS", "Tool", "installed"]

# What is not a program of the system is installed into an environment of its own, from the package registry.
PINS = {"ninja": "ninja==1.13.0", "doit": "doit==0.37.0", "dvc": "dvc==3.67.1"}
_COMMANDS = {"copy": "cat", "head": "head -qc 4096", "bare": "grep -hv '^#'"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that builds; `command` builds all that `write` wrote down, in the current folder."""

    name: str
    command: Sequence[str]
    write: Callable[[str, Path], None]  # a pipeline by its name, into a folder
    most: int  # stages, beyond which it takes too long to be waited for
    environment: dict[str, str] = field(default_factory=dict)


OURS = Tool(
    name="sparsebuild",
    command=[sys.executable, str(Path(__file__).with_name("ours.py"))],
    write=lambda name, folder: (folder / "pipeline").write_text(name) and None,
    most=100_000,
)


def installed(folder: Path, wanted: Sequence[str], say: Callable[[str], None]) -> list[Tool]:
    """The tools of `wanted` that can be had; what is missing in `folder` is installed there, and told if it cannot."""
    found = []
    for name in wanted:
        program = _program(name, folder) or (_install(name, folder, say) if name in PINS else None)
        if program is None:
            say(f"{name} is not there, and left out")
            continue
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        say(f"{name}: {version.splitlines()[0] if version else 'version unknown'}")
        found.append(_TOOLS[name](program, folder))
    return found


def _program(name: str, folder: Path) -> str | None:
    own = folder / "bin" / name
    return str(own) if own.exists() else None if name in PINS else shutil.which(name)


def _install(name: str, folder: Path, say: Callable[[str], None]) -> str | None:
    say(f"installing {PINS[name]} into {folder}")
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    words = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", PINS[name]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        say(done.stderr[-500:])
    return _program(name, folder)


def _shell(stage: Stage) -> str:
    """What a stage does, as a line for a shell."""
    made = f"mkdir -p build/{stage.name} && {_COMMANDS[stage.how]} {' '.join(stage.inputs)} > {stage.output}"
    return f"{made} && echo {stage.name} >> ran"


def _make(program: str, _: Path) -> Tool:
    def write(name: str, folder: Path) -> None:
        stages = list(pipeline(name))
        lines = [".DELETE_ON_ERROR:", f"all: {' '.join(stage.output for stage in stages)}"]
        for stage in stages:
            lines += [f"{stage.output}: {' '.join(stage.inputs)}", f"\t@{_shell(stage)}"]
        (folder / "Makefile").write_text("\n".join(lines) + "\n")

    return Tool(name="make", command=[program], write=write, most=10_000)


def _ninja(program: str, _: Path) -> Tool:
    def write(name: str, folder: Path) -> None:
        lines = ["rule stage", "  command = $line"]
        for stage in pipeline(name):
            lines += [f"build {stage.output}: stage {' '.join(stage.inputs)}", f"  line = {_shell(stage)}"]
        (folder / "build.ninja").write_text("\n".join(lines) + "\n")

    return Tool(name="ninja", command=[program, "-j1"], write=write, most=10_000)


def _doit(program: str, _: Path) -> Tool:
    def write(name: str, folder: Path) -> None:
        rows = [(stage.name, stage.inputs, stage.output, _shell(stage)) for stage in pipeline(name)]
        (folder / "dodo.py").write_text(
            f"STAGES = {rows!r}\n\n\ndef task_stage():\n"
            "    for name, inputs, output, line in STAGES:\n"
            "        yield {'name': name, 'file_dep': inputs, 'targets': [output], 'actions': [line]}\n"
        )

    return Tool(name="doit", command=[program, "-v0"], write=write, most=10_000)


def _dvc(program: str, home: Path) -> Tool:
    quiet = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(home / "dvc"), "CI": "1"}

    def write(name: str, folder: Path) -> None:
        cost([program, "init", "--no-scm", "-q"], folder, quiet)
        document = {s.name: {"cmd": _shell(s), "deps": s.inputs, "outs": [s.output]} for s in pipeline(name)}
        (folder / "dvc.yaml").write_text(json.dumps({"stages": document}))  # JSON is YAML

    return Tool(name="dvc", command=[program, "repro", "-q"], write=write, most=100, environment=quiet)


_TOOLS: dict[str, Callable[[str, Path], Tool]] = {"make": _make, "ninja": _ninja, "doit": _doit, "dvc": _dvc}
