"""What is never written down: the tokens of the environment, and names and passwords in addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

__all__ = ["concealed", "without_tokens"]

# The Hub's under all the names that its client reads, and `host=TOKEN` pairs of ours.
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")
_PAIRS = "SPARSEBUILD_HTTPS_TOKENS"
_SHORTEST = 4  # characters; a shorter one is no secret, and would be found everywhere
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def without_tokens(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that has nobody to ask."""
    return {name: value for name, value in environment.items() if name not in (*_TOKENS, _PAIRS)}


def concealed(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` without the secrets that may have got into it."""
    for token in sorted(_tokens(environment), key=len, reverse=True):
        text = text.replace(token, "***").replace(quote(token, safe=""), "***")
    return _LOGIN.sub("***", text)


def _tokens(environment: Mapping[str, str]) -> Iterator[str]:
    pairs = [pair.partition("=")[2] for pair in environment.get(_PAIRS, "").split()]
    for token in (*(environment.get(name, "") for name in _TOKENS), *pairs):
        if len(token) >= _SHORTEST:
            yield token
