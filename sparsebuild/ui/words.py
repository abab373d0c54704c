"""The sentences that both folds for people say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sparsebuild.events import Outcome, RunFinished, TargetFinished, Waiting
from sparsebuild.ui.figures import count, duration
from sparsebuild.ui.inert import inert, one_line

__all__ = ["OUTCOMES", "finished", "summary", "waiting"]

OUTCOMES: Mapping[Outcome, str] = {
    "built": "built",
    "restored": "restored from the store",
    "fresh": "up to date",
    "failed": "failed",
    "skipped": "skipped",
    "interrupted": "interrupted",
}


def waiting(event: Waiting) -> str:
    """Whom we wait for, and how to stop waiting."""
    where = f"process {event.pid} on {one_line(event.host)}"
    return f"waiting for another run ({where}, since {one_line(event.since)}); Ctrl-C stops waiting"


def finished(event: TargetFinished) -> str:
    """`built in 12 min 3 s`, `failed: loss is not finite`."""
    words = OUTCOMES[event.outcome]
    if event.outcome in ("built", "failed", "interrupted") and event.seconds >= 0.05:
        words += f" {'in' if event.outcome == 'built' else 'after'} {duration(event.seconds)}"
    # A failure is told in full at the end, with its place and a hint; here it would only come twice.
    return f"{words}: {inert(event.message).strip()}" if event.message and event.outcome != "failed" else words


def summary(event: RunFinished) -> str:
    """The last line: `done in 3 min 2 s: 2 built, 7 up to date`."""
    counts = Counter(event.outcomes.values())
    took = duration(event.seconds)
    if set(counts) <= {"fresh"}:
        return f"nothing to do: {count(len(event.outcomes), 'target')} up to date ({took})"
    told = ", ".join(f"{counts[outcome]} {words}" for outcome, words in OUTCOMES.items() if counts[outcome])
    if counts["interrupted"]:
        return f"interrupted after {took}: {told}"
    return f"{'failed after' if counts['failed'] else 'done in'} {took}: {told}"
