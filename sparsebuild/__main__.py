"""`python -m sparsebuild` and the `sparsebuild` command.

Two things that Python does for every program take a quarter of a run with nothing to do, and are put off here: looking
for circles among the objects that starting makes, and compiling the methods of our values.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import sys
from typing import Any

__all__ = ["main"]

_BEFORE_COLLECTING = 100_000  # objects; starting makes tens of thousands, and hardly a circle


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(_BEFORE_COLLECTING)
    leave_the_current_folder_out()
    compile_methods_when_called()
    from sparsebuild.cli.main import run_command

    code = run_command(sys.argv[1:])
    gc.freeze()  # the process ends: its memory goes back without being looked through once more
    sys.exit(code)


def leave_the_current_folder_out() -> None:
    """Undo what `python -m` does: whatever lies in the current folder would be imported."""
    try:
        here = os.getcwd()  # noqa: PTH109 - pathlib is not imported yet
    except OSError:  # it was removed
        here = ""
    if sys.path and sys.path[0] in ("", here):
        del sys.path[0]


def compile_methods_when_called() -> None:
    """Let `@dataclass` write a value's `__repr__`, `__eq__`, `__hash__` and the two that freeze it at their first call.

    It compiles six methods for each class, of which most runs call one. This goes through a function of Python's
    before 3.13 that has no public name; where it is not there, nothing is changed, and starting is slower.
    """
    compiled = getattr(dataclasses, "_create_fn", None)
    if compiled is None:
        return

    def create(name: str, *given: Any, **more: Any) -> Any:
        is_ours = (more.get("globals") or {}).get("__name__", "").startswith("sparsebuild.")
        return _later(name, compiled, given, more) if is_ours and name in _RARE else compiled(name, *given, **more)

    vars(dataclasses)["_create_fn"] = create


_RARE = {"__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"}


def _later(name: str, compiled: Any, given: Any, more: Any) -> Any:
    method = None

    def call(*arguments: Any) -> Any:
        nonlocal method
        method = method or compiled(name, *given, **more)
        return method(*arguments)

    call.__name__ = name
    return call


if __name__ == "__main__":
    main()
