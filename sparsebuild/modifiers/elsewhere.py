"""Modules that released recipes name and that a token classifier does not have: they are of other tasks' models."""

from __future__ import annotations

__all__ = ["instead"]

_INSTEAD = {
    "pooler": "a token classifier has no pooler: take the line out",
    "qa_outputs": "it answers questions; a token classifier's own is `classifier`",
    "lm_head": "it predicts words; a token classifier's own is `classifier`",
    "cls": "it predicts words; a token classifier's own is `classifier`",
}


def instead(name: str) -> str:
    """What to write for `name`, "bert.pooler" or "qa_outputs"; nothing if we do not know it from elsewhere."""
    return next((hint for part in name.split(".") if (hint := _INSTEAD.get(part))), "")
