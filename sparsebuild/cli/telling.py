"""How commands that are no run speak while they ask servers: in sentences, and of how far a download is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sparsebuild.engine.garbage import Removed
    from sparsebuild.ui import Fold

__all__ = ["progress_to", "say", "shown", "tell_of_what_is_left"]

_Progress = Callable[[float, float, str], None]


def say(sentence: str) -> None:
    """Write a sentence for the person."""
    from sparsebuild.ui.inert import inert

    sys.stderr.write(inert(sentence) + "\n")


@contextmanager
def shown() -> Iterator[_Progress]:
    """What is to hear of downloads while the block runs: on a terminal they are drawn, elsewhere told in lines."""
    from sparsebuild.ui import choose

    with closing(choose(sys.stderr)) as fold:
        yield progress_to(fold)


def progress_to(fold: Fold) -> _Progress:
    """Progress of what is downloaded before there are targets, as events."""
    from sparsebuild.events import Progress

    return lambda done, total, unit: fold(Progress(target="lock", done=done, total=total, unit=unit))


def tell_of_what_is_left(removed: Removed, cache: Path) -> None:
    """Say what of the cache could not be removed; raises UserError where nothing could."""
    from sparsebuild.errors import UserError
    from sparsebuild.ui.figures import count

    if not removed.left:
        return
    told = f"{count(removed.left, 'file')} of the cache could not be removed: {removed.why}"
    if not removed.files:
        raise UserError(told, hint=f"check who owns {cache}, and that its disk is not read-only")
    say(told)
