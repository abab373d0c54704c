"""Environment variables that say yes or no."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["is_on"]

_OFF = ("", "0", "false", "no", "off")


def is_on(name: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the variable is set, and not to a word that means no."""
    return environment.get(name, "").lower() not in _OFF
